// Ratios of edit distances, and difflib's matching blocks.
#include "patina/eval/text/edit_similarity.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <unordered_map>
#include <vector>

#include "patina/eval/text/python_repr.h"
#include "patina/eval/text/sequence_match.h"

namespace patina {
namespace {

// From this length of `b` on, difflib ignores its most frequent characters.
constexpr size_t kDifflibPopularFrom = 200;

struct Stretch {
  size_t a, b, length;
};

struct Window {
  size_t a_begin, a_end, b_begin, b_end;
};

/// The parts of difflib's SequenceMatcher(None, a, b) that its ratio needs.
class MatchingBlocks {
 public:
  MatchingBlocks(std::u32string_view a, std::u32string_view b)
      : a_(a), b_(b), lengths_(b.size() + 1), next_lengths_(b.size() + 1) {
    for (size_t j = 0; j < b.size(); ++j) positions_[b[j]].push_back(j);
    if (b.size() < kDifflibPopularFrom) return;
    const size_t limit = b.size() / 100 + 1;
    std::erase_if(positions_, [&](const auto& entry) { return entry.second.size() > limit; });
  }

  /// The number of characters in all blocks.
  size_t characters() {
    size_t sum = 0;
    std::vector<Window> windows = {{0, a_.size(), 0, b_.size()}};
    while (!windows.empty()) {
      const Window window = windows.back();
      windows.pop_back();
      const Stretch found = longest(window);
      if (found.length == 0) continue;
      sum += found.length;
      if (window.a_begin < found.a && window.b_begin < found.b)
        windows.push_back({window.a_begin, found.a, window.b_begin, found.b});
      if (found.a + found.length < window.a_end && found.b + found.length < window.b_end)
        windows.push_back(
            {found.a + found.length, window.a_end, found.b + found.length, window.b_end});
    }
    return sum;
  }

 private:
  using Positions = std::vector<size_t>;

  /// The positions of the character a[i] in the window's part of b, ascending.
  std::pair<Positions::const_iterator, Positions::const_iterator> places(size_t i,
                                                                         const Window& window) {
    static const Positions kNone;
    const auto found = positions_.find(a_[i]);
    const Positions& all = found == positions_.end() ? kNone : found->second;
    const auto begin = std::lower_bound(all.begin(), all.end(), window.b_begin);
    return {begin, std::lower_bound(begin, all.end(), window.b_end)};
  }

  /// The longest common stretch, the first in a and then in b if several are equally long, extended
  /// by equal characters on both sides.
  Stretch longest(const Window& window) {
    Stretch best = {window.a_begin, window.b_begin, 0};
    for (size_t i = window.a_begin; i < window.a_end; ++i) {
      const auto [begin, end] = places(i, window);
      for (auto j = begin; j != end; ++j) {
        // lengths_[j]: length of the stretch that ends at a[i-1] and b[j-1]
        const size_t length = next_lengths_[*j + 1] = lengths_[*j] + 1;
        if (length > best.length) best = {i + 1 - length, *j + 1 - length, length};
      }
      if (i > window.a_begin) forget(i - 1, window);
      std::swap(lengths_, next_lengths_);
    }
    if (window.a_end > window.a_begin) forget(window.a_end - 1, window);
    return grown(best, window);
  }

  void forget(size_t i, const Window& window) {
    const auto [begin, end] = places(i, window);
    for (auto j = begin; j != end; ++j) lengths_[*j + 1] = 0;
  }

  Stretch grown(Stretch best, const Window& window) const {
    while (best.a > window.a_begin && best.b > window.b_begin && a_[best.a - 1] == b_[best.b - 1])
      best = {best.a - 1, best.b - 1, best.length + 1};
    while (best.a + best.length < window.a_end && best.b + best.length < window.b_end &&
           a_[best.a + best.length] == b_[best.b + best.length])
      ++best.length;
    return best;
  }

  std::u32string_view a_, b_;
  std::unordered_map<char32_t, Positions> positions_;
  std::vector<size_t> lengths_, next_lengths_;
};

// The default rounding mode is half to even, as in Python's round().
int rounded_percent(double ratio) {
  return static_cast<int>(std::nearbyint(100 * ratio));
}

/// 2 matched / all, the form of both ratios; 1 for two empty texts.
double matched_ratio(size_t matched, size_t all) {
  return all == 0 ? 1 : 2 * static_cast<double>(matched) / static_cast<double>(all);
}

}  // namespace

size_t levenshtein_distance(std::string_view a, std::string_view b) {
  return edit_distance(to_utf32(a), to_utf32(b));
}

double normalised_edit_similarity(std::string_view a, std::string_view b) {
  const std::u32string first = to_utf32(a), second = to_utf32(b);
  const size_t longer = std::max(first.size(), second.size());
  if (longer == 0) return 1;
  return 1 - static_cast<double>(edit_distance(first, second)) / static_cast<double>(longer);
}

double indel_ratio(std::string_view a, std::string_view b) {
  const std::u32string first = to_utf32(a), second = to_utf32(b);
  return matched_ratio(CommonSubsequence(first).length(second), first.size() + second.size());
}

int fuzz_ratio(std::string_view a, std::string_view b) {
  return rounded_percent(indel_ratio(a, b));
}

int fuzz_ratio_difflib(std::string_view a, std::string_view b) {
  if (a == b) return 100;
  const std::u32string first = to_utf32(a), second = to_utf32(b);
  return rounded_percent(
      matched_ratio(MatchingBlocks(first, second).characters(), first.size() + second.size()));
}

}  // namespace patina
