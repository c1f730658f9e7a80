#include "patina/text/chat/renderer.h"

#include <deque>
#include <memory>
#include <optional>
#include <utility>

#include "patina/text/chat/filters.h"
#include "patina/text/chat/frame.h"
#include "patina/text/chat/functions.h"
#include "patina/text/chat/methods.h"
#include "patina/text/chat/tests.h"

namespace patina::chat {

namespace {

enum class Flow { on, leave, next };

class Renderer {
 public:
  Renderer(const Tree& tree, std::map<std::string, Value> variables, const std::tm& now,
           const ChatLimits& limits)
      : tree_(tree),
        variables_(std::move(variables)),
        now_(now),
        budget_(limits),
        python_(budget_),
        out_(&result_.text) {}

  Rendered run() {
    try {
      Frame frame(nullptr, tree_.slots);
      frame_ = &frame;
      enter(tree_.scope);
      execute(tree_.body);
    } catch (Error& error) {
      error.add_context(tree_.source.place(at_));
      throw;
    }
    return std::move(result_);
  }

 private:
  // The stack of nested evaluations is limited.
  class Deeper {
   public:
    explicit Deeper(Renderer& renderer) : renderer_(renderer) {
      if (++renderer_.depth_ > renderer_.budget_.limits().calls)
        wrong("evaluation is nested deeper than {} levels", renderer_.budget_.limits().calls);
    }
    ~Deeper() { --renderer_.depth_; }
    Deeper(const Deeper&) = delete;
    Deeper& operator=(const Deeper&) = delete;

   private:
    Renderer& renderer_;
  };

  void emit(std::string_view text) {
    budget_.spend_for(text.size());
    if (out_->size() + text.size() > budget_.limits().bytes)
      wrong("the text has more than {} bytes", budget_.limits().bytes);
    *out_ += text;
  }

  // What `body` writes.
  template <class Body>
  std::string captured(Body&& body) {
    std::string text;
    std::string* const out = std::exchange(out_, &text);
    body();
    out_ = out;
    return text;
  }

  // Variables.

  Value& place_of(const Reference& variable) {
    Frame* frame = frame_;
    for (size_t i = 0; i < variable.up; ++i) frame = frame->outer;
    return frame->slots[variable.slot];
  }

  Value from_context(const std::string& name) const {
    const auto found = variables_.find(name);
    return found == variables_.end() ? global(name) : found->second;
  }

  void enter(const ScopeVariables& scope) {
    for (const auto& begin : scope.begins)
      frame_->slots[begin.slot] = begin.how == Begin::How::outer     ? place_of(begin.outer)
                                  : begin.how == Begin::How::context ? from_context(begin.name)
                                                                     : Value();
  }

  void leave(const ScopeVariables& scope) {
    for (const size_t slot : scope.slots) frame_->slots[slot] = Value();
  }

  void assign(const Target& target, const Value& value) {
    at_ = target.at;
    if (!target.several.empty()) return unpack(target, value);
    Value& place = place_of(target.variable);
    if (target.attribute.empty()) {
      place = value;
      return;
    }
    auto* space = place.changeable<Space>();
    if (!space) wrong("\"{}\" is not a namespace, so its attributes cannot be set", target.name);
    set_member(*space, target.attribute, value);
  }

  void unpack(const Target& target, const Value& value) {
    const Values parts = python_.all(value);
    if (parts.size() != target.several.size())
      wrong("{} values for {} variables", parts.size(), target.several.size());
    for (size_t i = 0; i < parts.size(); ++i) assign(target.several[i], parts[i]);
  }

  // Statements.

  Flow execute(const Statements& list) {
    for (const auto& statement : list)
      if (const Flow flow = execute(statement); flow != Flow::on) return flow;
    return Flow::on;
  }

  Flow execute(const Statement& statement) {
    const Deeper deeper(*this);
    budget_.spend(1);
    at_ = statement.at;
    switch (statement.kind) {
      case StatementKind::text:
        emit(statement.text);
        break;
      case StatementKind::output:
        output(*statement.value);
        break;
      case StatementKind::branches:
        return branches(statement);
      case StatementKind::loop:
        loop(statement);
        break;
      case StatementKind::assign:
        assign(statement.target, evaluate(*statement.value));
        break;
      case StatementKind::capture:
        capture(statement);
        break;
      case StatementKind::macro:
        place_of(statement.target.variable) =
            Value(std::make_shared<const Macro>(Macro{&statement, frame_}));
        break;
      case StatementKind::generation:
        generation(statement);
        break;
      case StatementKind::leave:
        return Flow::leave;
      case StatementKind::next:
        return Flow::next;
    }
    return Flow::on;
  }

  void output(const Expression& expression) {
    const Value value = evaluate(expression);
    at_ = expression.at;
    if (const auto* bytes = value.bytes())
      emit(*bytes);
    else
      emit(python_.text_of(value));
  }

  Flow branches(const Statement& statement) {
    for (const auto& branch : statement.branches)
      if (!branch.condition || truth(evaluate(*branch.condition))) return execute(branch.body);
    return Flow::on;
  }

  void capture(const Statement& statement) {
    enter(statement.scope);
    std::string text = captured([&] { execute(statement.body); });
    leave(statement.scope);
    assign(statement.target, python_.made(std::move(text)));
  }

  void loop(const Statement& statement) {
    const Value over = evaluate(*statement.value);
    at_ = statement.value->at;
    auto state = std::make_shared<Loop>();
    std::optional<Frame> of_condition;
    state->source = python_.elements(over);
    if (statement.condition) {
      of_condition.emplace(frame_, statement.condition_slots);
      state->source = chosen(statement, std::move(state->source), *of_condition);
    } else {
      state->length = length_of(over);
    }
    const Finished finished(*state);
    bool to_the_end = false;  // of the body, once
    while (state->advance()) {
      frame_->slots[statement.loop_slot] = Value(state);
      assign(statement.target, state->current);
      enter(statement.scope);
      const Flow flow = execute(statement.body);
      if (flow == Flow::leave) break;
      to_the_end = to_the_end || flow == Flow::on;
    }
    leave(statement.scope);
    // As in Jinja, "else" is for a loop whose body never came to its end.
    if (to_the_end || statement.otherwise.empty()) return;
    enter(statement.otherwise_scope);
    execute(statement.otherwise);
    leave(statement.otherwise_scope);
  }

  // A loop that a namespace keeps does not go on: what its elements come from is gone.
  struct Finished {
    Loop& loop;
    explicit Finished(Loop& of) : loop(of) {}
    ~Finished() {
      loop.source = [](Value&) { return false; };
      loop.ended = true;
      loop.ahead.reset();
      loop.before = loop.current = Value();
      if (!loop.length) loop.length = size_t(loop.index0 + 1);
    }
    Finished(const Finished&) = delete;
    Finished& operator=(const Finished&) = delete;
  };

  // The elements for which the loop's condition is true, which is asked when an element is needed.
  Next chosen(const Statement& statement, Next source, Frame& frame) {
    const auto in_frame = [this, &frame](auto&& body) {
      Frame* const outer = std::exchange(frame_, &frame);
      body();
      frame_ = outer;
    };
    in_frame([&] { enter(statement.condition_scope); });
    return [this, &statement, source = std::move(source), in_frame](Value& to) {
      while (source(to)) {
        bool wanted = false;
        in_frame([&] {
          assign(statement.condition_target, to);
          wanted = truth(evaluate(*statement.condition));
        });
        if (wanted) return true;
      }
      return false;
    };
  }

  void generation(const Statement& statement) {
    const size_t begin = out_->size();
    Frame frame(frame_, statement.slots);
    Frame* const outer = std::exchange(frame_, keep(frame, statement.keeps_frames));
    enter(statement.scope);
    execute(statement.body);
    frame_ = outer;
    result_.generated.emplace_back(begin, out_->size());
  }

  // A frame that macros refer to lives until the end.
  Frame* keep(Frame& frame, bool kept) {
    return kept ? &kept_.emplace_back(std::move(frame)) : &frame;
  }

  // Calls.

  Value call(const Value& callee, const Arguments& arguments) {
    if (const auto* undefined = callee.as<Undefined>()) wrong("{}", undefined->why);
    if (const auto* macro = callee.as<Macro>()) return call_macro(*macro, arguments);
    if (const auto* method = callee.as<Method>())
      return call_method(python_, method->receiver, method->name, arguments);
    if (const auto* function = callee.plain<Function>())
      return call_function(python_, *function, arguments, now_);
    wrong("a {} cannot be called", type_name(callee));
  }

  Value call_macro(const Macro& macro, const Arguments& arguments) {
    const Statement& statement = *macro.statement;
    const auto bound = bind(statement, arguments);
    Frame frame(macro.frame, statement.slots);
    Frame* const outer = std::exchange(frame_, keep(frame, statement.keeps_frames));
    enter(statement.scope);
    for (size_t i = 0; i < bound.size(); ++i)
      if (bound[i]) frame_->slots[statement.parameters[i].slot] = *bound[i];
    for (size_t i = 0; i < bound.size(); ++i) {
      const Parameter& parameter = statement.parameters[i];
      if (bound[i]) continue;
      frame_->slots[parameter.slot] =
          parameter.otherwise
              ? evaluate(*parameter.otherwise)
              : Value::undefined(fmt::format("parameter '{}' was not provided", parameter.name));
    }
    std::string text = captured([&] { execute(statement.body); });
    frame_ = outer;
    return python_.made(std::move(text));
  }

  static std::vector<const Value*> bind(const Statement& macro, const Arguments& arguments) {
    std::vector<const Value*> bound(macro.parameters.size(), nullptr);
    if (arguments.positional.size() > bound.size())
      wrong("macro \"{}\" takes {} arguments, not {}", macro.text, bound.size(),
            arguments.positional.size());
    for (size_t i = 0; i < arguments.positional.size(); ++i) bound[i] = &arguments.positional[i];
    for (const auto& [name, value] : arguments.named) {
      size_t at = arguments.positional.size();
      while (at < bound.size() && macro.parameters[at].name != name) ++at;
      if (at == bound.size()) wrong("macro \"{}\" takes no argument \"{}\"", macro.text, name);
      bound[at] = &value;
    }
    return bound;
  }

  // Expressions.

  Value evaluate(const Expression& expression) {
    const Deeper deeper(*this);
    budget_.spend(1);
    Value value = evaluated(expression);
    at_ = expression.at;
    return value;
  }

  Value evaluated(const Expression& e) {
    switch (e.kind) {
      case ExpressionKind::constant:
        return e.constant;
      case ExpressionKind::name:
        return variable(e);
      case ExpressionKind::list:
        return make_list(values(e, 0));
      case ExpressionKind::tuple:
        return make_sequence(SequenceKind::tuple, values(e, 0));
      case ExpressionKind::mapping:
        return mapping(e);
      case ExpressionKind::attribute: {
        const Value of = evaluate(*e.parts[0]);
        at_ = e.at;
        return python_.attribute(of, e.name);
      }
      case ExpressionKind::item: {
        const Value of = evaluate(*e.parts[0]), key = evaluate(*e.parts[1]);
        at_ = e.at;
        return python_.item(of, key);
      }
      case ExpressionKind::slice:
        return slice(e);
      case ExpressionKind::call: {
        const Value callee = evaluate(*e.parts[0]);
        const Arguments given = arguments(e);
        at_ = e.at;
        return call(callee, given);
      }
      case ExpressionKind::filter: {
        const Value value = evaluate(*e.parts[0]);
        const Arguments given = arguments(e);
        at_ = e.at;
        return filtered(python_, e.name, value, given);
      }
      case ExpressionKind::test: {
        const Value value = evaluate(*e.parts[0]);
        const Arguments given = arguments(e);
        at_ = e.at;
        return Value(passes(python_, e.name, value, given));
      }
      case ExpressionKind::choice:
        return choice(e);
      case ExpressionKind::both: {
        Value left = evaluate(*e.parts[0]);
        return truth(left) ? evaluate(*e.parts[1]) : left;
      }
      case ExpressionKind::either: {
        Value left = evaluate(*e.parts[0]);
        return truth(left) ? left : evaluate(*e.parts[1]);
      }
      case ExpressionKind::negation:
        return Value(!truth(evaluate(*e.parts[0])));
      case ExpressionKind::comparison:
        return comparison(e);
      case ExpressionKind::concatenation:
        return concatenation(e);
      case ExpressionKind::binary: {
        const Value left = evaluate(*e.parts[0]), right = evaluate(*e.parts[1]);
        at_ = e.at;
        return python_.binary(e.signs[0], left, right);
      }
      case ExpressionKind::unary: {
        const Value value = evaluate(*e.parts[0]);
        at_ = e.at;
        return python_.unary(e.signs[0], value);
      }
    }
    return Value();
  }

  Value variable(const Expression& e) {
    const Value& value = place_of(e.variable);
    return value.missing() ? Value::undefined(fmt::format("'{}' is undefined", e.name)) : value;
  }

  Values values(const Expression& e, size_t from) {
    Values list;
    for (size_t i = from; i < e.parts.size(); ++i) list.push_back(evaluate(*e.parts[i]));
    return list;
  }

  Value mapping(const Expression& e) {
    Mapping mapping;
    for (size_t i = 0; i < e.parts.size(); i += 2) {
      Value key = evaluate(*e.parts[i]);
      mapping.set(std::move(key), evaluate(*e.parts[i + 1]));
    }
    return make_mapping(std::move(mapping));
  }

  Arguments arguments(const Expression& e) {
    Arguments given{.positional = values(e, 1), .named = {}};
    for (const auto& [name, value] : e.named) given.named.emplace_back(name, evaluate(*value));
    return given;
  }

  Value slice(const Expression& e) {
    const Value of = evaluate(*e.parts[0]);
    Slice slice;
    std::optional<int64_t>* const bounds[] = {&slice.start, &slice.stop, &slice.step};
    for (size_t i = 0; i < 3; ++i) {
      if (!e.parts[i + 1]) continue;
      const Value bound = evaluate(*e.parts[i + 1]);
      if (!bound.is_none()) *bounds[i] = python_.whole(bound, "the bound of a slice");
    }
    at_ = e.at;
    return python_.slice(of, slice);
  }

  Value choice(const Expression& e) {
    if (truth(evaluate(*e.parts[0]))) return evaluate(*e.parts[1]);
    if (e.parts[2]) return evaluate(*e.parts[2]);
    return Value::undefined("the inline if-expression was false and has no else");
  }

  Value comparison(const Expression& e) {
    Value left = evaluate(*e.parts[0]);
    for (size_t i = 0; i < e.signs.size(); ++i) {
      Value right = evaluate(*e.parts[i + 1]);
      at_ = e.at;
      if (!python_.compares(e.signs[i], left, right)) return Value(false);
      left = std::move(right);
    }
    return Value(true);
  }

  Value concatenation(const Expression& e) {
    std::string text;
    for (const auto& part : e.parts) {
      text += python_.text_of(evaluate(*part));
      if (text.size() > budget_.limits().bytes) budget_.spend_for(text.size());
    }
    return Value::text(std::move(text));
  }

  const Tree& tree_;
  std::map<std::string, Value> variables_;
  std::tm now_;
  Budget budget_;
  Operations python_;
  Rendered result_;
  std::string* out_;
  Frame* frame_ = nullptr;
  std::deque<Frame> kept_;
  size_t at_ = 0, depth_ = 0;
};

}  // namespace

Rendered render(const Tree& tree, std::map<std::string, Value> variables, const std::tm& now,
                const ChatLimits& limits) {
  return Renderer(tree, std::move(variables), now, limits).run();
}

}  // namespace patina::chat
