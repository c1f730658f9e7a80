// Errors: what went wrong, where, and what to do about it.
//
// A user's mistake (a bad recipe, a damaged file, an impossible request) throws patina::Error; the
// program prints it and exits with 2. A bug in patina itself stops at PATINA_CHECK.
#pragma once

#include <fmt/format.h>

#include <exception>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace patina {

enum class ErrorKind {
  usage,     // the command line
  recipe,    // a recipe file or --set
  file,      // cannot be opened, read, written
  format,    // a file's contents are not what its format says
  data,      // a data set: missing, empty, inconsistent
  model,     // weights that do not fit the network
  scenario,  // a learner and a scenario that do not go together
  state,     // a run folder or checkpoint that cannot be continued
  workers,   // another worker of a run is gone, or does not answer
  stopped,   // the user asked the program to stop
};

/// The name of a kind, as messages and logs write it.
std::string_view name(ErrorKind kind);

/// A user's mistake. `what()` has the outermost context first: "loading model: a.safetensors: ...".
class Error : public std::exception {
 public:
  Error(ErrorKind kind, std::string message);

  ErrorKind kind() const { return kind_; }
  const char* what() const noexcept override { return text_.c_str(); }

  /// Puts `context` in front, separated by ": ".
  void add_context(std::string_view context);

 private:
  ErrorKind kind_;
  std::string text_;
};

/// Throws an Error with a formatted message.
template <class... Args>
[[noreturn]] void fail(ErrorKind kind, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(kind, fmt::format(format, std::forward<Args>(args)...));
}

/// Runs `body` and puts `context` in front of the message of any Error that leaves it.
template <class Body>
decltype(auto) with_context(std::string_view context, Body&& body) {
  try {
    return std::forward<Body>(body)();
  } catch (Error& error) {
    error.add_context(context);
    throw;
  }
}

/// The candidate nearest to `word` by edit distance; "" if none is close enough to be a
/// misspelling.
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

/// ", did you mean "x"?" for the nearest candidate, or "".
std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates);

namespace detail {
[[noreturn]] void check_failed(const char* file, int line, const char* condition,
                               const std::string& message);
}

}  // namespace patina

/// A requirement on the caller: a size, a type, a name. Throws Error(usage) with the message, so
/// that the library never ends its host process.
#define PATINA_REQUIRE(condition, ...)                         \
  do {                                                         \
    if (!(condition)) [[unlikely]]                             \
      ::patina::fail(::patina::ErrorKind::usage, __VA_ARGS__); \
  } while (false)

/// A condition that only a bug in patina can violate. Prints the location and aborts. Never depends
/// on input.
#define PATINA_CHECK(condition, ...)                                                              \
  do {                                                                                            \
    if (!(condition)) [[unlikely]]                                                                \
      ::patina::detail::check_failed(__FILE__, __LINE__, #condition, ::fmt::format(__VA_ARGS__)); \
  } while (false)
