// Rows that a method adds with every task, such as keys or prompts.
#pragma once

#include <vector>

#include "patina/ops.h"

namespace patina {

/// Rows a task, of which only the newest task's train: the earlier ones are tensors of their own
/// that take no gradients, so weight decay and momentum leave them alone too.
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
