// Sources with several domains, for streams whose inputs change while the classes stay: joined data
// sets, and images with permuted pixels or rotated.
#pragma once

#include <memory>
#include <vector>

#include "patina/data/options.h"
#include "patina/data/source.h"

namespace patina {

/// Concatenates the parts, in both splits; each part is a domain under its own name. With
/// `shared_classes`, classes of equal name are one class; otherwise a part's class is "<part>:
/// <class>". Classes are the first part's, then those each further part adds. Throws Error(data) if
/// texts and images would be mixed.
DataSplits joined(std::vector<DataSplits> parts, bool shared_classes);

/// Repeats every image in each domain of options.domains: sample i + d * size of the result is
/// sample i of `data` in domain d. Both splits have the same domains; one that is null stays so.
///
/// "permuted": domain 0 is unchanged; each other domain applies one random pixel permutation to all
/// its images, drawn with options.domain_seed, the same for all channels (Goodfellow et al., "An
/// Empirical Investigation of Catastrophic Forgetting in Gradient-Based Neural Networks", 2013;
/// Lopez-Paz and Ranzato, NeurIPS 2017). All images must have the same size: otherwise image()
/// throws Error(data) with the image's origin.
/// "rotated": see `rotated`; by options.angles, or domain d of n by 180 d / n degrees.
///
/// Throws Error(data) if the data are texts, or have several domains already.
DataSplits varied(DataSplits data, const DataOptions& options);

/// Rotated counter-clockwise about the centre, in a frame of the same size: bilinear, black outside
/// the image. Exact at multiples of 90 degrees.
Image rotated(const Image& image, double degrees);

/// Positions of `count` samples of each domain, drawn with `seed` without replacement, independent
/// of classes and different per domain; ascending. All samples of a domain that has no more, or if
/// `count` is 0.
std::vector<int64_t> drawn_of_each_domain(const Source& source, int64_t count, int64_t seed);

}  // namespace patina
