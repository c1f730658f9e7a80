#include "patina/text/chat/parse/parser.h"

#include <initializer_list>
#include <utility>

#include "patina/text/chat/parse/expression_parser.h"
#include "patina/text/chat/parse/variables.h"

namespace patina::chat {

namespace {

class Parser {
 public:
  Parser(const Source& source, const ChatLimits& limits)
      : source_(source), limits_(limits), expressions_(source, limits) {}

  Tree run() {
    Tree tree;
    tree.body = statements({});
    tree.generation = generation_;
    expressions_.check_safe();
    return tree;
  }

 private:
  using Ends = std::initializer_list<std::string_view>;

  // The statements up to the tag that begins with one of `ends`; its name is read.
  Statements statements(Ends ends) {
    if (++nesting_ > limits_.nesting)
      expressions_.refuse_here("blocks are nested deeper than {} levels", limits_.nesting);
    Statements list;
    while (true) {
      const Token token = expressions_.take();
      if (token.kind == TokenKind::data) {
        list.push_back({.kind = StatementKind::text, .at = token.at, .text = token.text});
      } else if (token.kind == TokenKind::variable_begin) {
        list.push_back(
            {.kind = StatementKind::output, .at = token.at, .value = expressions_.printed()});
        expressions_.expect(TokenKind::variable_end, "\"}}\"");
      } else if (token.kind == TokenKind::block_begin) {
        for (const auto end : ends)
          if (expressions_.now().is_name(end)) {
            --nesting_;
            return list;
          }
        list.push_back(statement());
        end_of_tag();
      } else if (ends.size() == 0) {
        --nesting_;
        return list;
      } else {
        refuse(source_, token.at, "the template ends before \"{}\"", *(ends.end() - 1));
      }
    }
  }

  // The statements of a block after its opening tag; the closing tag is read up to its end.
  Statements block(std::string_view end) {
    begin_block();
    Statements list = statements({end});
    expressions_.take();
    return list;
  }

  void begin_block() {
    expressions_.take_if(":");  // as in Python
    end_of_tag();
  }

  void end_of_tag() { expressions_.expect(TokenKind::block_end, "\"%}\""); }

  Statement statement() {
    const size_t at = expressions_.now().at;
    const std::string tag = expressions_.expect_name();
    Statement made{.at = at};
    if (tag == "if") {
      branches(made);
    } else if (tag == "for") {
      loop(made);
    } else if (tag == "set") {
      assignment(made);
    } else if (tag == "macro") {
      macro(made);
    } else if (tag == "generation") {
      generation(made);
    } else if (tag == "break" || tag == "continue") {
      made.kind = tag == "break" ? StatementKind::leave : StatementKind::next;
      if (loops_ == 0) refuse(source_, at, "\"{}\" outside a loop", tag);
    } else {
      refuse(source_, at, "block \"{}\" is not supported", tag);
    }
    return made;
  }

  void branches(Statement& made) {
    made.kind = StatementKind::branches;
    ExpressionPtr condition = expressions_.several(false);
    while (true) {
      begin_block();
      Statements body = condition ? statements({"elif", "else", "endif"}) : statements({"endif"});
      made.branches.push_back({std::move(condition), std::move(body)});
      const std::string tag = expressions_.expect_name();
      if (tag == "endif") return;
      if (tag == "elif") condition = expressions_.several(false);
    }
  }

  void loop(Statement& made) {
    made.kind = StatementKind::loop;
    made.target = expressions_.target(false);
    if (!expressions_.take_name_if("in")) expressions_.refuse_here("expected \"in\"");
    made.value = expressions_.several(false);
    if (expressions_.take_name_if("if")) made.condition = expressions_.one();
    if (expressions_.now().is_name("recursive"))
      expressions_.refuse_here("a recursive loop is not supported");
    begin_block();
    ++loops_;
    made.body = statements({"else", "endfor"});
    --loops_;
    if (expressions_.expect_name() == "else") made.otherwise = block("endfor");
  }

  void assignment(Statement& made) {
    made.target = expressions_.target(true);
    if (expressions_.take_if("=")) {
      made.kind = StatementKind::assign;
      made.value = expressions_.several();
      return;
    }
    made.kind = StatementKind::capture;
    if (expressions_.now().is("|"))
      expressions_.refuse_here("a filter of a set block is not supported");
    ++captures_;
    made.body = block("endset");
    --captures_;
  }

  void macro(Statement& made) {
    made.kind = StatementKind::macro;
    made.target.at = expressions_.now().at;
    made.text = made.target.name = expressions_.expect_name();
    expressions_.expect("(");
    while (!expressions_.now().is(")")) {
      Parameter parameter{.name = expressions_.expect_name()};
      for (const auto& other : made.parameters)
        if (other.name == parameter.name)
          expressions_.refuse_here("the parameter \"{}\" occurs twice", parameter.name);
      if (expressions_.take_if("="))
        parameter.otherwise = expressions_.one();
      else if (!made.parameters.empty() && made.parameters.back().otherwise)
        expressions_.refuse_here("a parameter without a default follows one with a default");
      made.parameters.push_back(std::move(parameter));
      if (!expressions_.take_if(",")) break;
    }
    expressions_.expect(")");
    in_function([&] { made.body = block("endmacro"); });
  }

  void generation(Statement& made) {
    made.kind = StatementKind::generation;
    if (captures_ > 0)
      refuse(source_, made.at,
             "block \"generation\" is not supported inside a macro, a set block or another one");
    generation_ = true;
    in_function([&] { made.body = block("endgeneration"); });
  }

  // A function's text is captured, and loops around it cannot be left from inside.
  template <class Body>
  void in_function(Body&& body) {
    const size_t loops = std::exchange(loops_, 0);
    ++captures_;
    body();
    --captures_;
    loops_ = loops;
  }

  const Source& source_;
  ChatLimits limits_;
  ExpressionParser expressions_;
  size_t nesting_ = 0, loops_ = 0, captures_ = 0;
  bool generation_ = false;
};

}  // namespace

Tree parse(std::string_view text, std::string origin, const ChatLimits& limits) {
  if (text.size() > limits.template_bytes)
    fail(ErrorKind::format, "{}: the chat template has {} bytes, more than {}", origin, text.size(),
         limits.template_bytes);
  Source source = make_source(text, std::move(origin));
  Tree tree = Parser(source, limits).run();
  tree.source = std::move(source);
  resolve_variables(tree);
  return tree;
}

}  // namespace patina::chat
