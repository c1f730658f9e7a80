// The program's output for fixed arguments, such as `--help` and `explain l2p`: rendered at build
// time, so that it can be printed without loading LibTorch.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace patina::cli {

using Arguments = std::vector<std::string>;

/// All answers in one text: for each a line with its arguments and its length, then the answer
/// itself. `render` returns what the program prints for given arguments.
std::string write_answers(const std::vector<Arguments>& asked,
                          const std::function<std::string(const Arguments&)>& render);

/// The answer to `arguments` in a text made by write_answers; nothing if there is none.
std::optional<std::string_view> answer_to(std::string_view answers, const Arguments& arguments);

}  // namespace patina::cli
