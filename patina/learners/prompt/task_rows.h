// Rows that a method adds with every task, such as keys or prompts.
#pragma once

#include <vector>

#include "patina/ops.h"

namespace patina {

/// Rows per task, of which only the newest task's are trained. Earlier rows are separate tensors
/// without gradients, so weight decay and momentum do not change them either.
struct TaskRows {
  std::vector<Tensor> parts;  // of task t: [n_t,...]

  void add(const Tensor& rows) {
    for (auto& part : parts) part.requires_grad_(false);
    parts.push_back(rows.detach().requires_grad_(true));
  }
  Tensor all() const { return at::cat(parts); }  // [n,...]
  Tensor newest() const { return parts.back(); }
  int64_t tasks() const { return int64_t(parts.size()); }

  template <class Archive>
  void state(Archive& a) {
    a("parts", parts);
  }
};

}  // namespace patina
