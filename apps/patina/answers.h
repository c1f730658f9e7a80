// What the program prints for fixed arguments, such as `--help` and `explain l2p`: rendered once,
// when it is built, so that they can be printed without LibTorch.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace patina::cli {

using Arguments = std::vector<std::string>;

/// All answers in one text: for each its arguments, a line, and its length and itself. `render`
/// prints what the program prints.
std::string write_answers(const std::vector<Arguments>& asked,
                          const std::function<std::string(const Arguments&)>& render);

/// The answer to `arguments` in such a text; nothing where there is none.
std::optional<std::string_view> answer_to(std::string_view answers, const Arguments& arguments);

}  // namespace patina::cli
