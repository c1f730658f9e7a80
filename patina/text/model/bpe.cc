#include "patina/text/model/bpe.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "patina/base/error.h"
#include "patina/text/unicode/byte_alphabet.h"
#include "patina/text/unicode/unicode.h"

namespace patina {

namespace {

constexpr int32_t kNoToken = -1;

uint64_t pair_key(int32_t left, int32_t right) {
  return uint64_t(uint32_t(left)) << 32 | uint32_t(right);
}

}  // namespace

// One part of a word, in a doubly linked list. Each merge removes one entry.
struct Bpe::Symbol {
  int32_t id;
  int32_t previous, next;  // kNoToken at the ends
};

Bpe::Bpe(std::shared_ptr<const Vocabulary> vocabulary, const std::vector<Merge>& merges,
         BpeOptions options, std::string_view origin)
    : vocabulary_(std::move(vocabulary)), options_(std::move(options)) {
  const auto find = [&](const std::string& token) {
    return int32_t(vocabulary_->id(token).value_or(kNoToken));
  };
  const auto require = [&](const std::string& token, size_t rank) {
    const int32_t id = find(token);
    if (id == kNoToken)
      fail(ErrorKind::format, "{}: merge {} needs the token {}, which the vocabulary lacks", origin,
           rank + 1, shown(token));
    return id;
  };
  merges_.reserve(merges.size());
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    const auto& [left, right] = merges[rank];
    const uint64_t key = pair_key(require(left, rank), require(right, rank));
    merges_.insert_or_assign(key, Joined{int32_t(rank), require(left + right, rank)});
  }
  std::array<int32_t, 256> fallback;
  bool complete = options_.byte_fallback;
  for (int byte = 0; byte < 256; ++byte) {
    std::string letter;
    append_utf8(letter, letter_of(uint8_t(byte)));
    letters_[size_t(byte)] = find(letter);
    last_letters_[size_t(byte)] = find(letter + options_.suffix);
    fallback[size_t(byte)] = find(fmt::format("<0x{:02X}>", byte));
    complete = complete && fallback[size_t(byte)] != kNoToken;
  }
  if (complete) fallback_ = fallback;
  for (const auto& word : options_.whole) require(word, 0);
}

void Bpe::encode(std::string_view piece, std::vector<int64_t>& ids) const {
  // Positions are 32 bits wide. No word is this long, so cutting the piece is harmless.
  constexpr size_t kLongestPiece = size_t{1} << 30;
  for (; piece.size() > kLongestPiece; piece.remove_prefix(kLongestPiece))
    encode(piece.substr(0, kLongestPiece), ids);
  if (cache_.find(piece, ids)) return;
  const size_t before = ids.size();
  if (options_.ignore_merges) {
    const auto whole = vocabulary_->id(options_.byte_level ? spelled(piece) : std::string(piece));
    if (whole) return ids.push_back(*whole);
  }
  for (const auto& word : options_.whole)
    if (piece == word) return ids.push_back(*vocabulary_->id(word));
  thread_local std::vector<Symbol> symbols;
  symbols.clear();
  add_letters(piece, symbols);
  join(symbols);
  for (int32_t at = symbols.empty() ? kNoToken : 0; at != kNoToken; at = symbols[size_t(at)].next)
    ids.push_back(symbols[size_t(at)].id);
  cache_.keep(piece, ids, before);
}

void Bpe::add_letters(std::string_view piece, std::vector<Symbol>& symbols) const {
  for (size_t at = 0; at < piece.size();) {
    const size_t from = at;
    if (options_.byte_level)
      ++at;
    else
      next_code_point(piece, at);
    const std::string_view letter = piece.substr(from, at - from);
    const bool last = at == piece.size();
    int32_t id;
    if (options_.byte_level)
      id = (last ? last_letters_ : letters_)[uint8_t(letter[0])];
    else
      id = int32_t(
          vocabulary_->id(last ? std::string(letter) + options_.suffix : std::string(letter))
              .value_or(kNoToken));
    if (id != kNoToken)
      symbols.push_back({id, 0, 0});
    else
      add_unknown(letter, symbols);
  }
  for (size_t i = 0; i < symbols.size(); ++i) {
    symbols[i].previous = int32_t(i) - 1;
    symbols[i].next = i + 1 < symbols.size() ? int32_t(i) + 1 : kNoToken;
  }
}

void Bpe::add_unknown(std::string_view letter, std::vector<Symbol>& symbols) const {
  if (fallback_) {
    for (const char byte : letter) symbols.push_back({(*fallback_)[uint8_t(byte)], 0, 0});
  } else if (options_.unknown) {
    const auto id = int32_t(*options_.unknown);
    if (!options_.fuse_unknown || symbols.empty() || symbols.back().id != id)
      symbols.push_back({id, 0, 0});
  }
}

const Bpe::Joined* Bpe::joined(int32_t left, int32_t right) const {
  const auto at = merges_.find(pair_key(left, right));
  return at == merges_.end() ? nullptr : &at->second;
}

// Applies the merge of the lowest rank first, the leftmost if ranks are equal. A priority queue
// holds the candidates. Each one is checked when it is taken, because its parts may have been
// merged since.
void Bpe::join(std::vector<Symbol>& symbols) const {
  struct Candidate {
    int32_t rank, at, id;  // symbols[at] and the next symbol become `id`
    int32_t left, right;   // the ids of both when the candidate was queued
    bool operator<(const Candidate& other) const {
      return std::tie(other.rank, other.at) < std::tie(rank, at);
    }
  };
  thread_local std::vector<Candidate> queue;
  queue.clear();
  const auto offer = [&](int32_t at) {
    if (at == kNoToken || symbols[size_t(at)].next == kNoToken) return;
    const int32_t left = symbols[size_t(at)].id;
    const int32_t right = symbols[size_t(symbols[size_t(at)].next)].id;
    if (const Joined* to = joined(left, right)) {
      queue.push_back({to->rank, at, to->id, left, right});
      std::push_heap(queue.begin(), queue.end());
    }
  };
  for (int32_t at = 0; at < int32_t(symbols.size()); ++at) offer(at);
  while (!queue.empty()) {
    std::pop_heap(queue.begin(), queue.end());
    const Candidate best = queue.back();
    queue.pop_back();
    Symbol& left = symbols[size_t(best.at)];
    if (left.id != best.left || left.next == kNoToken) continue;
    Symbol& right = symbols[size_t(left.next)];
    if (right.id != best.right) continue;
    left.id = best.id;
    left.next = right.next;
    right.id = kNoToken;
    if (left.next != kNoToken) symbols[size_t(left.next)].previous = best.at;
    offer(left.previous);
    offer(best.at);
  }
}

}  // namespace patina
