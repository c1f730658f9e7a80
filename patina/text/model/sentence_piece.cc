#include "patina/text/model/sentence_piece.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <queue>
#include <tuple>
#include <unordered_map>

#include "patina/base/error.h"
#include "patina/text/model/piece_normalizer.h"
#include "patina/text/model/word_cache.h"
#include "patina/text/unicode/unicode.h"

namespace patina {

namespace {

constexpr int32_t kNoPiece = -1;
constexpr std::string_view kSpace = "\u2581";

// A part of a text and the id of its piece.
struct Part {
  std::string_view text;
  int32_t id;
};

// A model's pieces, prepared for both algorithms.
struct Pieces {
  explicit Pieces(const PieceModel& model) : model(model) {
    for (size_t id = 0; id < this->model.pieces.size(); ++id) {
      const Piece& piece = this->model.pieces[id];
      if (piece.type == PieceType::unknown) unknown = int32_t(id);
      // Pieces of other types never match text.
      if (piece.type == PieceType::normal || piece.type == PieceType::user_defined ||
          piece.type == PieceType::unused)
        in_text.emplace_back(piece.text, int32_t(id));
      if (piece.type == PieceType::user_defined) defined.emplace_back(piece.text, int32_t(id));
      if (piece.type == PieceType::byte)
        bytes[size_t(std::stoi(piece.text.substr(3, 2), nullptr, 16))] = int32_t(id);
    }
  }
  Pieces(const Pieces&) = delete;

  const Piece& operator[](int32_t id) const { return model.pieces[size_t(id)]; }
  bool unused(int32_t id) const { return (*this)[id].type == PieceType::unused; }

  PieceModel model;
  std::vector<std::pair<std::string_view, int32_t>> in_text, defined;
  std::array<int32_t, 256> bytes{};
  int32_t unknown = 0;
};

class Cutter {
 public:
  virtual ~Cutter() = default;
  virtual void cut(std::string_view text, std::vector<Part>& parts) const = 0;
};

// Viterbi: the segmentation with the largest sum of scores (Kudo, "Subword Regularization", ACL
// 2018).
class Unigram : public Cutter {
 public:
  explicit Unigram(const Pieces& pieces) : pieces_(pieces), trie_(pieces.in_text) {
    // As in the library, the search for the highest score begins above 0. If all scores are
    // negative, the score of a user-defined piece is then about -0.1, whatever its length.
    float lowest = std::numeric_limits<float>::max();
    highest_ = std::numeric_limits<float>::min();
    for (const Piece& piece : pieces.model.pieces) {
      if (piece.type != PieceType::normal) continue;
      lowest = std::min(lowest, piece.score);
      highest_ = std::max(highest_, piece.score);
    }
    unknown_score_ = lowest - kUnknownPenalty;
  }

  void cut(std::string_view text, std::vector<Part>& parts) const override {
    thread_local std::vector<End> ends;
    ends.assign(text.size() + 1, End{});
    ends[0].score = 0;
    for (size_t at = 0; at < text.size();) {
      size_t next = at;
      next_code_point(text, next);
      const float here = ends[at].score;
      bool whole = false;  // the character itself is a piece
      trie_.each_prefix(text.substr(at), [&](size_t length, int32_t id) {
        if (pieces_.unused(id)) return;
        // A user-defined piece wins over other segmentations of the same text.
        const double score = pieces_[id].type == PieceType::user_defined
                                 ? double(float(length) * highest_) - 0.1
                                 : double(pieces_[id].score);
        offer(ends[at + length], score + double(here), at, id);
        whole = whole || length == next - at;
      });
      if (!whole) offer(ends[next], double(unknown_score_ + here), at, pieces_.unknown);
      at = next;
    }
    const size_t before = parts.size();
    for (size_t to = text.size(); to > 0; to = size_t(ends[to].from))
      parts.push_back(
          {text.substr(size_t(ends[to].from), to - size_t(ends[to].from)), ends[to].id});
    std::reverse(parts.begin() + ptrdiff_t(before), parts.end());
  }

 private:
  static constexpr float kUnknownPenalty = 10;
  struct End {
    int64_t from = kNoPiece;  // beginning of the last part of the best segmentation
    float score = 0;
    int32_t id = kNoPiece;
  };
  // As in the library, sums are stored in single precision and compared in double, so that ties are
  // resolved in the same way.
  static void offer(End& end, double sum, size_t from, int32_t id) {
    if (end.from == kNoPiece || sum > double(end.score)) end = {int64_t(from), float(sum), id};
  }

  const Pieces& pieces_;
  PieceTrie trie_;
  float highest_ = 0, unknown_score_ = 0;
};

// Joins neighbours to the piece of the highest score, the leftmost if scores are equal, until no
// two neighbours form a piece.
class PairwisePieces : public Cutter {
 public:
  explicit PairwisePieces(const Pieces& pieces) : pieces_(pieces), defined_(pieces.defined) {
    ids_.reserve(pieces.in_text.size());
    for (const auto& [text, id] : pieces.in_text) {
      ids_.emplace(text, id);
      longest_ = std::max(longest_, text.size());
    }
  }

  void cut(std::string_view text, std::vector<Part>& parts) const override {
    std::vector<Symbol> symbols = letters(text);
    std::priority_queue<Candidate> queue;
    std::unordered_map<std::string_view, size_t> halves;  // unused pieces: the left half's length
    const auto offer = [&](int32_t left, int32_t right) {
      if (left == kNoPiece || right == kNoPiece) return;
      const Symbol &a = symbols[size_t(left)], &b = symbols[size_t(right)];
      if (a.whole || b.whole || a.text.size() + b.text.size() > longest_) return;
      const std::string_view both(a.text.data(), a.text.size() + b.text.size());
      const auto found = ids_.find(both);
      if (found == ids_.end()) return;
      queue.push({pieces_[found->second].score, left, right, both.size()});
      if (pieces_.unused(found->second)) halves[both] = a.text.size();
    };
    for (size_t i = 1; i < symbols.size(); ++i) offer(int32_t(i) - 1, int32_t(i));
    while (!queue.empty()) {
      const Candidate best = queue.top();
      queue.pop();
      Symbol &left = symbols[size_t(best.left)], &right = symbols[size_t(best.right)];
      if (left.text.empty() || right.text.empty() ||
          left.text.size() + right.text.size() != best.size)
        continue;  // one of them has been joined since
      left.text = {left.text.data(), best.size};
      right.text = {};
      left.next = right.next;
      if (right.next != kNoPiece) symbols[size_t(right.next)].previous = best.left;
      offer(left.previous, best.left);
      offer(best.left, left.next);
    }
    for (int32_t at = symbols.empty() ? kNoPiece : 0; at != kNoPiece; at = symbols[size_t(at)].next)
      add(symbols[size_t(at)].text, halves, parts);
  }

 private:
  struct Symbol {
    std::string_view text;
    bool whole;  // user-defined: never joined
    int32_t previous, next;
  };
  struct Candidate {
    float score;
    int32_t left, right;
    size_t size;
    bool operator<(const Candidate& other) const {
      return std::tie(score, other.left) < std::tie(other.score, left);
    }
  };

  std::vector<Symbol> letters(std::string_view text) const {
    std::vector<Symbol> symbols;
    while (!text.empty()) {
      size_t size = 0;
      defined_.each_prefix(text, [&](size_t length, int32_t) { size = length; });
      const bool whole = size > 0;
      if (!whole) next_code_point(text, size);
      const auto at = int32_t(symbols.size());
      symbols.push_back({text.substr(0, size), whole, at - 1, at + 1});
      text.remove_prefix(size);
    }
    if (!symbols.empty()) symbols.back().next = kNoPiece;
    return symbols;
  }

  // An unused piece is split again into the parts that it was joined from.
  void add(std::string_view text, const std::unordered_map<std::string_view, size_t>& halves,
           std::vector<Part>& parts) const {
    const auto found = ids_.find(text);
    const int32_t id = found == ids_.end() ? pieces_.unknown : found->second;
    const auto half = halves.find(text);
    if (found == ids_.end() || !pieces_.unused(id) || half == halves.end()) {
      parts.push_back({text, id});
      return;
    }
    add(text.substr(0, half->second), halves, parts);
    add(text.substr(half->second), halves, parts);
  }

  const Pieces& pieces_;
  PieceTrie defined_;
  std::unordered_map<std::string_view, int32_t> ids_;
  size_t longest_ = 0;
};

class SentencePiece final : public TextModel {
 public:
  SentencePiece(const PieceModel& model, std::string_view origin)
      : pieces_(model),
        normalize_(pieces_.model, PieceTrie(pieces_.defined)),
        by_words_(joins_within_words(model)) {
    if (model.kind == PieceModel::Kind::unigram)
      cutter_ = std::make_unique<Unigram>(pieces_);
    else if (model.kind == PieceModel::Kind::bpe)
      cutter_ = std::make_unique<PairwisePieces>(pieces_);
    else
      fail(ErrorKind::format,
           "{}: a SentencePiece model of words or characters is not supported, "
           "only unigram and BPE",
           origin);
  }

  void encode(std::string_view piece, std::vector<int64_t>& ids) const override {
    const std::string text = normalize_(piece);
    if (!by_words_) return add(text, ids);
    for (std::string_view rest = text; !rest.empty();) {
      const std::string_view word = rest.substr(0, word_end(rest));
      rest.remove_prefix(word.size());
      if (cache_.find(word, ids)) continue;
      const size_t before = ids.size();
      add(word, ids);
      cache_.keep(word, ids, before);
    }
  }

 private:
  // The end of the first word: spaces, then characters that are not spaces.
  static size_t word_end(std::string_view text) {
    size_t at = 0;
    while (text.substr(at).starts_with(kSpace)) at += kSpace.size();
    return std::min(text.find(kSpace, at), text.size());
  }

  // Whether pieces never cross the ends of words. If so, words can be cached one by one.
  static bool joins_within_words(const PieceModel& model) {
    return model.kind == PieceModel::Kind::bpe && model.byte_fallback &&
           std::all_of(model.pieces.begin(), model.pieces.end(), [](const Piece& piece) {
             return piece.type != PieceType::unused && piece.type != PieceType::user_defined &&
                    word_end(piece.text) == piece.text.size();
           });
  }

  void add(std::string_view text, std::vector<int64_t>& ids) const {
    thread_local std::vector<Part> parts;
    parts.clear();
    cutter_->cut(text, parts);
    bool after_unknown = false;
    for (const auto& [part, id] : parts) {
      const bool unknown = id == pieces_.unknown;
      if (unknown && pieces_.model.byte_fallback)
        for (const char byte : part) ids.push_back(pieces_.bytes[uint8_t(byte)]);
      else if (!unknown || !after_unknown)  // consecutive unknown parts become one token
        ids.push_back(id);
      after_unknown = unknown;
    }
  }

  Pieces pieces_;
  PieceNormalizer normalize_;
  bool by_words_;
  mutable WordCache cache_;
  std::unique_ptr<Cutter> cutter_;
};

}  // namespace

std::unique_ptr<TextModel> sentence_piece(const PieceModel& model, std::string_view origin) {
  return std::make_unique<SentencePiece>(model, origin);
}

}  // namespace patina
