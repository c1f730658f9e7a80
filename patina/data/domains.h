// Sources of several domains, for streams whose inputs change while the classes stay: data sets
// side by side, and the images of one data set with their pixels permuted or rotated.
#pragma once

#include <memory>
#include <vector>

#include "patina/data/options.h"
#include "patina/data/source.h"

namespace patina {

/// One part after the other, in both splits; each part is a domain under its own name. With
/// `shared_classes` classes of one name are one class, else a part's class is "<part>: <class>".
/// Classes are the first part's, then those that the next one adds. Throws Error(data) where
/// texts and images would mix.
DataSplits joined(std::vector<DataSplits> parts, bool shared_classes);

/// Every image once in each domain of options.domains: sample i + d * size of the result is sample
/// i of `data` in domain d, and both splits have the same domains.
///
/// "permuted": domain 0 is as the data are; each other one moves the pixels of all its images by
/// one permutation of its own, drawn by options.domain_seed, the same in every channel (Goodfellow
/// et al., "An Empirical Investigation of Catastrophic Forgetting in Gradient-Based Neural
/// Networks", 2013; Lopez-Paz and Ranzato, NeurIPS 2017). All images must be of one size: image()
/// throws Error(data) naming one that is not.
/// "rotated": see `rotated`; by options.angles, or domain d of n by 180 d / n degrees.
///
/// Throws Error(data) when the data are texts, or have several domains already.
DataSplits varied(DataSplits data, const DataOptions& options);

/// Turned counter-clockwise about the image's centre, in the same frame: bilinear, with black
/// beyond the edges. Exact at multiples of 90 degrees.
Image rotated(const Image& image, double degrees);

/// `count` samples of each domain, drawn by `seed` without replacement and without regard to
/// classes, differently in each domain, in the source's order; all of a domain that has no more,
/// or when `count` is 0.
std::unique_ptr<Source> drawn_of_each_domain(std::unique_ptr<Source> source, int64_t count,
                                             int64_t seed);

}  // namespace patina
