// `patina features RECIPE --shard i/n`: a shard of the features that runs of a recipe read.
#pragma once

#include <string>
#include <vector>

namespace patina::cli {

/// One of `count` parts of the samples: sample p is of the shard with the number p mod `count` + 1.
struct Shard {
  int64_t number = 1, count = 1;
};

/// Reads "2/4". Throws Error(usage) unless it says one of the shards 1/n to n/n.
Shard shard_of(const std::string& text);

/// Writes the frozen network's features of a shard of both splits to a feature store of its own.
/// What is already there is not computed again.
void write_shard(const std::string& recipe, const std::vector<std::string>& overrides,
                 const Shard& shard, const std::string& store);

}  // namespace patina::cli
