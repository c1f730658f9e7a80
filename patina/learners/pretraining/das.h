// Parts of DAS: gates on a network's units, their importance, and the contrast of views.
#pragma once

#include <vector>

#include "patina/models/backbone.h"
#include "patina/nn/adaptation.h"
#include "patina/nn/merging.h"

namespace patina {

/// A number for each unit that has a gate.
struct Units {
  Tensor heads;    // [L,H] attention's heads
  Tensor hidden;   // [L,hidden] the MLP's hidden units
  Tensor outputs;  // [L,D] the MLP's outputs

  void walk(nn::Walk& w);
};

/// Multiplies what each unit gives by its gate, and drops numbers of what each half of a block adds
/// to the stream. Gates of 1 change nothing; the weights of the network are lent.
class Gates : public nn::Adaptation {
 public:
  /// All gates are 1. `dropout`: the part that is dropped while a nn::Dropping lives.
  Gates(const Backbone& backbone, double dropout);

  Units values;
  void walk(nn::Walk& w) override { values.walk(w); }
  Tensor after(nn::Site site, int layer, const Tensor& in, Tensor out) override;
  bool acts(nn::Site site) const override;

 private:
  std::vector<Tensor> proj_, fc2_;  // the weights of each block
  int64_t head_size_;
  double dropout_;
};

/// Importance in [0, 1]: of each layer's numbers the absolute hyperbolic tangent, after their mean
/// is subtracted and they are divided by their deviation.
Units normalised(const Units& raw);

/// Multiplies each gradient of a unit's own weights by 1 - importance: the rows of queries, keys
/// and values of a head and the columns by which it leaves; the rows of a hidden unit; the rows of
/// an output. A head of keys that several heads share has the largest importance of these.
void soften_gradients(Backbone& backbone, const Units& importance);

/// Mean over i of -log(e^(c(i,i)/t) / sum over j of e^(c(i,j)/t) + e^(d(i,j)/t)), with the cosines
/// c(i,j) of one[i] and two[j], and d(i,j) of one[i] and apart[j]. All [B,D].
Tensor view_contrast(const Tensor& one, const Tensor& two, const Tensor& apart, double temperature);

}  // namespace patina
