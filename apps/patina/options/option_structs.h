// The options of every learner as C++ structs: the text of patina/session/learner_options.h.
#pragma once

#include <string>

namespace patina::cli {

std::string option_structs();

}  // namespace patina::cli
