#include "patina/data/demonstrations.h"

#include "patina/base/error.h"
#include "patina/data/sample_access.h"

namespace patina {

namespace {

constexpr std::string_view kAnswer = "{answer}";

class Demonstrated : public Source {
 public:
  Demonstrated(const Dataset& data, std::string pattern)
      : data_(data), pattern_(std::move(pattern)) {}

  int64_t size() const override { return data_.size(); }
  int64_t label(int64_t i) const override { return data_.target(i); }
  bool is_text() const override { return true; }
  bool has_images() const override { return source().has_images(); }
  Image image(int64_t i) const override { return source().image(position(i)); }
  AnswerKind answer_kind() const override { return AnswerKind::text; }
  Exchange exchange(int64_t i) const override {
    Exchange exchange = source().exchange(position(i));
    std::string shown = pattern_;
    if (const size_t at = shown.find(kAnswer); at != shown.npos)
      shown.replace(at, kAnswer.size(), exchange.answers.front());
    (exchange.input.empty() ? exchange.turns.back().content : exchange.input) += shown;
    return exchange;
  }
  std::string origin(int64_t i) const override { return source().origin(position(i)); }
  const std::vector<std::string>& classes() const override { return source().classes(); }

 private:
  const Source& source() const { return SampleAccess::source(data_); }
  int64_t position(int64_t i) const { return SampleAccess::position(data_, i); }

  Dataset data_;
  std::string pattern_;
};

}  // namespace

Demonstrations::Demonstrations(const Dataset& data, std::string pattern)
    : source_(std::make_unique<Demonstrated>(data, std::move(pattern))), data_(whole(*source_)) {
  const Source& samples = SampleAccess::source(data);
  if (samples.answer_kind() != AnswerKind::text)
    fail(ErrorKind::data,
         "{}: the sample has no answer to show: the method needs prompts with answers, such as "
         "data.name = \"instructions\"",
         samples.origin(SampleAccess::position(data, 0)));
}

Demonstrations::~Demonstrations() = default;

}  // namespace patina
