#include "patina/learners/instruction/prompts.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <utility>

#include "patina/adapt/routed_lora.h"
#include "patina/base/error.h"
#include "patina/learn/adapted.h"
#include "patina/ops.h"
#include "patina/place.h"

namespace patina {

namespace {

// Calls body(row, columns) for each text, with the columns of its tokens in order.
void each_text(const Input& input,
               const std::function<void(int64_t row, const std::vector<int64_t>& columns)>& body) {
  const int64_t rows = input.data.size(0), length = input.data.size(1);
  const auto host = [](const Tensor& t) { return t.defined() ? on_host(t).contiguous() : t; };
  const Tensor mask = host(input.mask), positions = host(input.positions);
  for (int64_t row = 0; row < rows; ++row) {
    std::vector<int64_t> columns;
    for (int64_t i = 0; i < length; ++i) {
      const auto at = size_t(row * length + i);
      if (mask.defined() && host_items(mask)[at] == 0) continue;
      if (positions.defined() && host_items(positions)[at] == 0 && !columns.empty())
        body(row, std::exchange(columns, {}));
      columns.push_back(i);
    }
    PATINA_REQUIRE(!columns.empty(), "a row without a token");
    body(row, columns);
  }
}

}  // namespace

std::vector<PromptAndAnswer> texts_of(const Input& input) {
  const int64_t length = input.data.size(1);
  const Tensor ids = on_host(input.data).contiguous();
  const Tensor loss = input.loss.defined() ? on_host(input.loss).contiguous() : Tensor();
  std::vector<PromptAndAnswer> texts;
  each_text(input, [&](int64_t row, const std::vector<int64_t>& columns) {
    const auto learned = [&](size_t i) {
      return loss.defined() && host_items(loss)[size_t(row * length + columns[i])] != 0;
    };
    size_t end = columns.size();
    while (end > 0 && !learned(end - 1)) --end;
    size_t begin = end == 0 ? columns.size() : end;
    while (begin > 1 && end > 0 && learned(begin - 1)) --begin;
    PromptAndAnswer text;
    for (size_t i = 0; i < std::max(begin, end); ++i) {
      const int64_t id = host_items(ids)[size_t(row * length + columns[i])];
      (i < begin ? text.prompt : text.answer).push_back(id);
    }
    texts.push_back(std::move(text));
  });
  return texts;
}

Input unpacked(const Input& input) {
  if (!input.positions.defined()) return input;
  std::vector<Input> texts;
  each_text(input, [&](int64_t row, const std::vector<int64_t>& columns) {
    const int64_t from = columns.front(), to = columns.back() + 1;
    const auto part = [&](const Tensor& t) { return t.slice(0, row, row + 1).slice(1, from, to); };
    Input text(part(input.data), part(input.mask));
    if (input.loss.defined()) text.loss = part(input.loss);
    texts.push_back(std::move(text));
  });
  Input all = texts.front();
  for (size_t i = 1; i < texts.size(); ++i) all = all.joined(texts[i]);
  return all;
}

Prompts prompts_of(const Input& input) {
  const auto texts = texts_of(input);
  size_t longest = 0;
  for (const auto& text : texts) longest = std::max(longest, text.prompt.size());
  const std::vector<int64_t> shape = {int64_t(texts.size()), int64_t(longest)};
  Input own(at::zeros(shape, at::kLong), at::zeros(shape, at::kLong));
  for (size_t i = 0; i < texts.size(); ++i) {
    std::ranges::copy(texts[i].prompt, host_items(own.data).data() + i * longest);
    std::fill_n(host_items(own.mask).data() + i * longest, texts[i].prompt.size(), 1);
  }
  Tensor text;
  if (input.positions.defined()) {
    text = at::zeros(input.data.sizes(), at::kLong);
    int64_t number = 0;
    each_text(input, [&](int64_t row, const std::vector<int64_t>& columns) {
      for (const int64_t i : columns) host_items(text)[size_t(row * text.size(1) + i)] = number;
      ++number;
    });
  }
  if (!input.positions.defined()) own.images = input.images;
  const auto device = input.data.device();
  return {own.on(device), text.defined() ? text.to(device) : text};
}

Tensor Prompts::for_tokens(const Tensor& of_texts) const {
  if (!text.defined()) return of_texts.unsqueeze(1);
  return of_texts.index_select(0, text.flatten()).view({text.size(0), text.size(1), -1});
}

Tensor word_embeddings(const Backbone& backbone, const Input& input) {
  const Tensor words = weight_of(backbone, "text.embed.weight");
  PATINA_REQUIRE(words.defined(), "a network without an embedding of words: {}", backbone.about());
  return at::embedding(words.detach(), input.data).to(at::kFloat);
}

nn::Adaptations mixed(std::vector<const adapt::Lora*> loras, const Prompts& prompts,
                      const Tensor& weights) {
  nn::Adaptations all;
  all.keep(std::make_shared<adapt::MixedLora>(std::move(loras), prompts.for_tokens(weights)));
  return all;
}

Tensor largest_of(const Tensor& tokens, const Tensor& mask) {
  return tokens.masked_fill(mask.eq(0).unsqueeze(-1), -HUGE_VAL).amax(1);
}

}  // namespace patina
