#include "patina/text/chat/parse/variables.h"

#include <map>
#include <unordered_map>

namespace patina::chat {

namespace {

// A frame: the body of the template, of a macro, of a generation block, or of a loop's condition.
struct FrameShape {
  FrameShape* outer = nullptr;
  // By the depth of the scope and the name: scopes side by side share their places.
  std::map<std::pair<size_t, std::string>, size_t> slots;
  bool makes_macros = false;

  size_t slot(size_t level, const std::string& name) {
    return slots.try_emplace({level, name}, slots.size()).first->second;
  }
};

class Scope {
 public:
  Scope(Scope* outer, FrameShape* frame)
      : outer_(outer), frame_(frame), level_(outer ? outer->level_ + 1 : 0) {}

  FrameShape* frame() const { return frame_; }

  size_t parameter(const std::string& name) {
    const size_t slot = frame_->slot(level_, name);
    if (names_.emplace(name, slot).second) all_.push_back(slot);
    return slot;
  }

  // An assignment in the text of the scope. In a branch it may not happen, so that the variable
  // begins as what the caller passed.
  void store(const std::string& name, bool in_branch) {
    if (names_.contains(name)) return;
    if (outer_)
      if (const Scope* owner = outer_->owner(name))
        return begin(name, {.how = Begin::How::outer, .outer = from(*owner, name)});
    begin(name, {.how = in_branch ? Begin::How::context : Begin::How::unset, .name = name});
  }

  void load(const std::string& name) {
    if (!owner(name)) begin(name, {.how = Begin::How::context, .name = name});
  }

  /// The place of a variable that was announced by `store` or `load`.
  Reference reference(const std::string& name) const { return from(*owner(name), name); }

  ScopeVariables variables() const { return {begins_, all_}; }

 private:
  const Scope* owner(const std::string& name) const {
    for (const Scope* scope = this; scope; scope = scope->outer_)
      if (scope->names_.contains(name)) return scope;
    return nullptr;
  }

  Reference from(const Scope& owner, const std::string& name) const {
    Reference reference{.slot = owner.names_.at(name)};
    for (const FrameShape* frame = frame_; frame != owner.frame_; frame = frame->outer)
      ++reference.up;
    return reference;
  }

  void begin(const std::string& name, Begin how) {
    how.slot = parameter(name);
    begins_.push_back(std::move(how));
  }

  Scope* outer_;
  FrameShape* frame_;
  size_t level_;
  std::unordered_map<std::string, size_t> names_;
  std::vector<Begin> begins_;
  std::vector<size_t> all_;
};

class Resolver {
 public:
  explicit Resolver(const Source& source) : source_(source) {}

  void run(Tree& tree) {
    FrameShape frame;
    Scope scope(nullptr, &frame);
    announce(tree.body, scope, false);
    resolve(tree.body, scope);
    tree.scope = scope.variables();
    tree.slots = frame.slots.size();
  }

 private:
  // First pass over a scope: which names it reads and assigns, in the order of the text.

  void announce(const Statements& list, Scope& scope, bool in_branch) {
    for (const auto& statement : list) announce(statement, scope, in_branch);
  }

  void announce(const Statement& statement, Scope& scope, bool in_branch) {
    if (statement.value) announce(*statement.value, scope);
    switch (statement.kind) {
      case StatementKind::branches:
        for (const auto& branch : statement.branches) {
          if (branch.condition) announce(*branch.condition, scope);
          announce(branch.body, scope, true);
        }
        break;
      case StatementKind::assign:
      case StatementKind::capture:
      case StatementKind::macro:
        announce(statement.target, scope, in_branch);
        break;
      default:
        break;
    }
  }

  void announce(const Target& target, Scope& scope, bool in_branch) {
    for (const auto& part : target.several) announce(part, scope, in_branch);
    if (!target.several.empty()) return;
    if (target.attribute.empty())
      scope.store(target.name, in_branch);
    else
      scope.load(target.name);
  }

  void announce(const Expression& expression, Scope& scope) {
    if (expression.kind == ExpressionKind::name) scope.load(expression.name);
    for (const auto& part : expression.parts)
      if (part) announce(*part, scope);
    for (const auto& [name, value] : expression.named) announce(*value, scope);
  }

  // Second pass: references, and the scopes inside.

  void resolve(Statements& list, Scope& scope) {
    for (auto& statement : list) resolve(statement, scope);
  }

  void resolve(Statement& statement, Scope& scope) {
    if (statement.value) resolve(*statement.value, scope);
    switch (statement.kind) {
      case StatementKind::branches:
        for (auto& branch : statement.branches) {
          if (branch.condition) resolve(*branch.condition, scope);
          resolve(branch.body, scope);
        }
        break;
      case StatementKind::assign:
        resolve(statement.target, scope);
        break;
      case StatementKind::capture:
        capture(statement, scope);
        break;
      case StatementKind::loop:
        loop(statement, scope);
        break;
      case StatementKind::macro:
        macro(statement, scope);
        break;
      case StatementKind::generation:
        function(statement, scope);
        break;
      default:
        break;
    }
  }

  void resolve(Target& target, Scope& scope) {
    if (loops_ > 0 && target.name == "loop" && target.attribute.empty())
      refuse(source_, target.at, "\"loop\" cannot be assigned to inside a loop");
    for (auto& part : target.several) resolve(part, scope);
    if (target.several.empty()) target.variable = scope.reference(target.name);
  }

  void resolve(Expression& expression, Scope& scope) {
    if (expression.kind == ExpressionKind::name)
      expression.variable = scope.reference(expression.name);
    for (auto& part : expression.parts)
      if (part) resolve(*part, scope);
    for (auto& [name, value] : expression.named) resolve(*value, scope);
  }

  void capture(Statement& statement, Scope& scope) {
    Scope inner(&scope, scope.frame());
    announce(statement.body, inner, false);
    resolve(statement.body, inner);
    statement.scope = inner.variables();
    resolve(statement.target, scope);
  }

  void loop(Statement& statement, Scope& scope) {
    ++loops_;
    Scope inner(&scope, scope.frame());
    statement.loop_slot = inner.parameter("loop");
    declare(statement.target, inner);
    announce(statement.body, inner, false);
    resolve(statement.target, inner);
    resolve(statement.body, inner);
    statement.scope = inner.variables();
    if (statement.condition) condition(statement, scope);
    Scope otherwise(&scope, scope.frame());
    announce(statement.otherwise, otherwise, false);
    resolve(statement.otherwise, otherwise);
    statement.otherwise_scope = otherwise.variables();
    --loops_;
  }

  // Jinja filters the elements by a generator, which is a function.
  void condition(Statement& statement, Scope& scope) {
    FrameShape frame{.outer = scope.frame()};
    Scope inner(&scope, &frame);
    statement.condition_target = statement.target;
    declare(statement.condition_target, inner);
    announce(*statement.condition, inner);
    resolve(statement.condition_target, inner);
    resolve(*statement.condition, inner);
    statement.condition_scope = inner.variables();
    statement.condition_slots = frame.slots.size();
  }

  void declare(const Target& target, Scope& scope) {
    for (const auto& part : target.several) declare(part, scope);
    if (target.several.empty()) scope.parameter(target.name);
  }

  void macro(Statement& statement, Scope& scope) {
    scope.frame()->makes_macros = true;
    resolve(statement.target, scope);
    function(statement, scope);
  }

  void function(Statement& statement, Scope& scope) {
    FrameShape frame{.outer = scope.frame()};
    Scope inner(&scope, &frame);
    for (auto& parameter : statement.parameters) parameter.slot = inner.parameter(parameter.name);
    for (const auto& parameter : statement.parameters)
      if (parameter.otherwise) announce(*parameter.otherwise, inner);
    announce(statement.body, inner, false);
    for (auto& parameter : statement.parameters)
      if (parameter.otherwise) resolve(*parameter.otherwise, inner);
    resolve(statement.body, inner);
    for (const auto* special : {"caller", "varargs", "kwargs"})
      if (statement.kind == StatementKind::macro && read_from_caller(inner, special))
        refuse(source_, statement.at, "\"{}\" in a macro is not supported", special);
    statement.scope = inner.variables();
    statement.slots = frame.slots.size();
    statement.keeps_frames = frame.makes_macros;
  }

  // Whether a macro reads a name that is nobody's: what Jinja passes to it by that name.
  static bool read_from_caller(const Scope& scope, std::string_view name) {
    for (const auto& begin : scope.variables().begins)
      if (begin.how == Begin::How::context && begin.name == name) return true;
    return false;
  }

  const Source& source_;
  size_t loops_ = 0;
};

}  // namespace

void resolve_variables(Tree& tree) {
  Resolver(tree.source).run(tree);
}

}  // namespace patina::chat
