// A parsed chat template: statements and expressions, with variables resolved to places in frames.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "patina/text/chat/source.h"
#include "patina/text/chat/value.h"

namespace patina::chat {

struct Expression;
struct Statement;
using ExpressionPtr = std::unique_ptr<Expression>;
using Statements = std::vector<Statement>;

/// Where a variable is: in the frame `up` functions further out, at `slot`.
struct Reference {
  size_t up = 0, slot = 0;
};

enum class ExpressionKind {
  constant,
  name,
  list,
  tuple,
  mapping,     // parts: key, value, key, value...
  attribute,   // parts[0].name
  item,        // parts[0][parts[1]]
  slice,       // parts[0][parts[1]:parts[2]:parts[3]], null where nothing is given
  call,        // parts[0](parts[1], ..., named)
  filter,      // parts[0]|name(parts[1], ..., named)
  test,        // parts[0] is name(parts[1], ..., named)
  choice,      // parts[1] if parts[0] else parts[2]; null: undefined
  both,        // and
  either,      // or
  negation,    // not
  comparison,  // parts[0] signs[0] parts[1] signs[1] parts[2]...
  concatenation,
  binary,  // parts[0] signs[0] parts[1]
  unary    // signs[0] parts[0]
};

struct Expression {
  ExpressionKind kind = ExpressionKind::constant;
  size_t at = 0;     // in the source
  size_t depth = 1;  // of the tree below, itself included
  Value constant;
  std::string name;
  Reference variable;
  std::vector<ExpressionPtr> parts;
  std::vector<std::string> signs;
  std::vector<std::pair<std::string, ExpressionPtr>> named;
};

/// What an assignment sets: a variable, an attribute of a namespace, or several of them.
struct Target {
  std::string name, attribute;  // attribute "": the variable itself
  size_t at = 0;
  Reference variable;
  std::vector<Target> several;
};

/// How a variable begins when its scope is entered.
struct Begin {
  enum class How { unset, outer, context } how = How::unset;
  size_t slot = 0;
  Reference outer;   // How::outer: its value is copied
  std::string name;  // How::context: what the caller passed
};

/// The variables of a block that has its own.
struct ScopeVariables {
  std::vector<Begin> begins;
  std::vector<size_t> slots;  // all, unset again when the scope is left
};

struct Branch {
  ExpressionPtr condition;  // null: else
  Statements body;
};

struct Parameter {
  std::string name;
  size_t slot = 0;
  ExpressionPtr otherwise;  // null: no default
};

enum class StatementKind {
  text,
  output,
  branches,
  loop,
  assign,
  capture,  // {% set x %}...{% endset %}
  macro,
  generation,
  leave,  // break
  next    // continue
};

struct Statement {
  StatementKind kind = StatementKind::text;
  size_t at = 0;
  std::string text;     // text; a macro's name
  ExpressionPtr value;  // output; what is assigned; what a loop goes over
  std::vector<Branch> branches;
  Target target;               // of an assignment or a loop; a macro's own variable
  Statements body, otherwise;  // otherwise: a loop's else
  ScopeVariables scope, otherwise_scope;
  ExpressionPtr condition;         // of a loop
  ScopeVariables condition_scope;  // the condition is a function of its own
  Target condition_target;
  size_t condition_slots = 0;
  size_t loop_slot = 0;  // of the variable `loop`
  std::vector<Parameter> parameters;
  size_t slots = 0;           // of the frame of a macro or a generation block
  bool keeps_frames = false;  // a macro that makes macros
};

struct Tree {
  Source source;
  Statements body;
  ScopeVariables scope;
  size_t slots = 0;
  bool generation = false;  // has generation blocks
};

}  // namespace patina::chat
