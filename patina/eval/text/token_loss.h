// Perplexity and bits per byte from summed losses. The result does not depend on how a text was
// divided into batches.
#pragma once

#include <cstdint>

#include "patina/eval/matrix.h"

namespace patina {

/// The sum of -log p(token) in nats, and the numbers of tokens and bytes. Means are over all
/// tokens, never means of batches. Values are undefined while the counts are 0. A loss that is not
/// finite makes the result not finite.
class TokenLoss {
 public:
  /// Adds the loss `nll_sum` of `tokens` tokens that represent `bytes` bytes of UTF-8 text. `bytes`
  /// may be 0 if bits per byte are not needed. Neither count may be negative.
  void add(double nll_sum, int64_t tokens, int64_t bytes = 0);
  void merge(const TokenLoss& other);

  double nll_sum() const { return nll_sum_; }
  int64_t tokens() const { return tokens_; }
  int64_t bytes() const { return bytes_; }

  /// nll_sum / tokens, in nats.
  Score mean() const;
  /// exp(nll_sum / tokens) (Jelinek et al., 1977). Not comparable between tokenisers.
  Score perplexity() const;
  /// nll_sum / (ln 2 * bytes) (Gao et al., "The Pile", 2020). Comparable between tokenisers.
  Score bits_per_byte() const;

 private:
  double nll_sum_ = 0;
  int64_t tokens_ = 0, bytes_ = 0;
};

}  // namespace patina
