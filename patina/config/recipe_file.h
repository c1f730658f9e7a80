// Recipes: TOML in, typed options out, every mistake reported at once with its line.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "patina/config/fields.h"

namespace patina {

/// A parsed TOML document with `--set` overrides laid over it. Binding options to it collects
/// mistakes instead of stopping at the first; finish() throws them together.
///
///   RecipeFile file = RecipeFile::read("recipe.toml", {"training.lr=0.1"});
///   file.bind(options);     // any number of structs
///   file.finish();          // unknown keys are mistakes too
///
/// A recipe may begin with `base = "../other.toml"`, a path from its own folder: that recipe is
/// read first and this one laid over it, key by key; lists are replaced whole. Bases may have
/// bases, eight at most.
///
/// One line a mistake: `bad.toml:4: learner.alpah: unknown key, did you mean "alpha"?`
/// For an override, `--set learner.alpah=1: learner.alpah: unknown key, ...`.
class RecipeFile {
 public:
  /// Throws Error(recipe) when the file or a base is unreadable, larger than 1 MiB, or not TOML
  /// (with line and column), and when a base leads back to a recipe already read. An override is
  /// `key.path=value`, value in TOML's syntax; what does not parse as a TOML value is taken as a
  /// string, so `--set learner.name=ranpac` needs no quotes. Throws Error(usage) for an override
  /// without `=` or a key, and for one that reaches into what is not a section.
  static RecipeFile read(const std::filesystem::path& path,
                         const std::vector<std::string>& overrides);
  static RecipeFile parse(std::string_view text, std::string_view origin,
                          const std::vector<std::string>& overrides = {});
  RecipeFile(RecipeFile&&) noexcept;
  ~RecipeFile();

  /// Fills `options` from the document's top level; a key that is absent keeps its value.
  template <class Options>
  void bind(Options& options) {
    options.bind(fields());
  }
  /// The visitor itself, for code that binds piece by piece.
  Fields& fields();

  /// Throws Error(recipe) with every mistake found, in file order, one a line; or returns.
  void finish();

 private:
  struct State;
  explicit RecipeFile(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

namespace detail {
class Printer {
 public:
  enum class Style { toml, commented_toml, markdown, text };
  explicit Printer(Style style);
  ~Printer();
  Fields& fields();
  std::string take();

 private:
  struct State;
  std::unique_ptr<State> state_;
};
template <class Options>
std::string print(Options& options, Printer::Style style) {
  Printer printer(style);
  options.bind(printer.fields());
  return printer.take();
}
}  // namespace detail

/// The options as a TOML document that reads back to the same values (doubles round-trip); each key
/// carries its help as a comment when `comments` is set. Strings are UTF-8.
template <class Options>
std::string to_toml(Options& options, bool comments = false) {
  using Style = detail::Printer::Style;
  return detail::print(options, comments ? Style::commented_toml : Style::toml);
}

/// The options as a Markdown table: key, default, allowed values, meaning. Sections become
/// headings.
template <class Options>
std::string reference_markdown(Options& options) {
  return detail::print(options, detail::Printer::Style::markdown);
}

/// The options as aligned plain text for `--help` and `patina explain`.
template <class Options>
std::string reference_text(Options& options) {
  return detail::print(options, detail::Printer::Style::text);
}

}  // namespace patina
