// Perplexity and bits per byte from sums.
#include "patina/eval/text/token_loss.h"

#include <cmath>
#include <numbers>

#include "patina/base/error.h"

namespace patina {

void TokenLoss::add(double nll_sum, int64_t tokens, int64_t bytes) {
  PATINA_REQUIRE(tokens >= 0 && bytes >= 0, "a loss over {} tokens and {} bytes", tokens, bytes);
  nll_sum_ += nll_sum;
  tokens_ += tokens;
  bytes_ += bytes;
}

void TokenLoss::merge(const TokenLoss& other) {
  add(other.nll_sum_, other.tokens_, other.bytes_);
}

Score TokenLoss::mean() const {
  if (tokens_ == 0) return std::nullopt;
  return nll_sum_ / static_cast<double>(tokens_);
}

Score TokenLoss::perplexity() const {
  if (tokens_ == 0) return std::nullopt;
  return std::exp(*mean());
}

Score TokenLoss::bits_per_byte() const {
  if (bytes_ == 0) return std::nullopt;
  return nll_sum_ / (std::numbers::ln2 * static_cast<double>(bytes_));
}

}  // namespace patina
