// What the options make of a data set that was opened: its subsets, what is held out for
// validation, its domains, the names of its classes.
#pragma once

#include "patina/data/options.h"
#include "patina/data/source.h"

namespace patina {

/// Subsets are taken in this order: the first of each class, the long tail, then (after domains are
/// made) the random samples of each domain.
///
/// With options.validation_percent the test split is dropped before anything of it is read, and
/// those of the samples to train on that are `drawn_for_validation` take its place. The draw comes
/// before domains are made of the images, so that no image is trained on in one domain and
/// evaluated in another one.
///
/// Throws Error(data) if a class has no samples, or none can be held out of a class or a domain.
DataSplits prepared(DataSplits splits, const DataOptions& options);

/// Throws Error(data) if a class has no sample in one of the splits that will be read.
void check_splits(const DataSplits& splits, const DataOptions& options);

}  // namespace patina
