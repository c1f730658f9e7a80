// Perplexity and bits per byte from summed losses, the same however a text was cut into batches.
#pragma once

#include <cstdint>

#include "patina/eval/matrix.h"

namespace patina {

/// Sums of -log p(token) in natural logarithms, and what they were summed over. Means are over all
/// tokens, never over means of batches. Undefined while nothing is counted; a loss that is not
/// finite makes the result not finite, it is not hidden.
class TokenLoss {
 public:
  /// `nll_sum` over `tokens` scored tokens, which stand for `bytes` bytes of UTF-8 text (0 when
  /// nobody asks for bits per byte). Neither count may be negative.
  void add(double nll_sum, int64_t tokens, int64_t bytes = 0);
  void merge(const TokenLoss& other);

  double nll_sum() const { return nll_sum_; }
  int64_t tokens() const { return tokens_; }
  int64_t bytes() const { return bytes_; }

  /// nll_sum / tokens, in nats.
  Score mean() const;
  /// exp(nll_sum / tokens) (Jelinek et al., 1977). Of different tokenisers not comparable.
  Score perplexity() const;
  /// nll_sum / (ln 2 * bytes) (Gao et al., "The Pile", 2020). Comparable between tokenisers.
  Score bits_per_byte() const;

 private:
  double nll_sum_ = 0;
  int64_t tokens_ = 0, bytes_ = 0;
};

}  // namespace patina
