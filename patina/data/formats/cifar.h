// CIFAR-10 and CIFAR-100 in their binary distribution: records of label bytes and 32x32 planar RGB.
#pragma once

#include "patina/data/source.h"

namespace patina {

/// Reads data_batch_1.bin to data_batch_5.bin and test_batch.bin; names from batches.meta.txt if it
/// exists.
DataSplits open_cifar10(const fs::path& folder);

/// Reads train.bin and test.bin, with the fine labels; names from fine_label_names.txt or
/// classes.tsv if one exists.
DataSplits open_cifar100(const fs::path& folder);

}  // namespace patina
