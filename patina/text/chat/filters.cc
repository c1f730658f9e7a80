#include "patina/text/chat/filters.h"

#include <algorithm>

#include "patina/text/chat/tests.h"
#include "patina/text/chat/to_json.h"
#include "patina/text/unicode/unicode.h"

namespace patina::chat {

namespace {

using Filter = Value (*)(Operations&, const Value&, const Arguments&);

std::string lower(std::string_view text) {
  return lower_case(std::string(text), Sigma::by_word);
}

template <std::string (*change)(std::string_view)>
Value changed(Operations& python, const Value& value, const Arguments& arguments) {
  arguments.bind("the filter", {});
  return python.made(change(python.text_of(value)));
}

// Jinja's title: what follows white space or an opening bracket begins with a capital letter.
std::string titled(std::string_view text) {
  constexpr std::u32string_view kBegins = U"-({[<";
  std::string out;
  bool first = true;
  size_t begin = 0;
  const auto end_word = [&](size_t end) {
    if (begin == end) return;
    size_t after = begin;
    std::u32string letter;
    append_upper(letter, next_code_point(text, after));
    out += to_utf8(letter) + lower(text.substr(after, end - after));
  };
  for (size_t at = 0; at < text.size();) {
    const size_t here = at;
    const char32_t c = next_code_point(text, at);
    const bool separates = is_python_space(c) || kBegins.find(c) != std::u32string_view::npos;
    if (separates != first) continue;
    end_word(here);
    begin = here;
    first = !separates;
  }
  end_word(text.size());
  return out;
}

Value trim(Operations& python, const Value& value, const Arguments& arguments) {
  const auto bound = arguments.bind("filter \"trim\"", {"chars"});
  std::optional<std::string_view> these;
  if (bound[0] && !bound[0]->is_none()) these = python.string(*bound[0], "what trim removes");
  if (these) python.budget().spend(int64_t(these->size()));
  return python.made(stripped(python.text_of(value), Side::both, these));
}

Value to_text(Operations& python, const Value& value, const Arguments& arguments) {
  arguments.bind("filter \"string\"", {});
  return value.bytes() ? value : python.made(python.text_of(value));
}

Value length(Operations& python, const Value& value, const Arguments& arguments) {
  arguments.bind("filter \"length\"", {});
  return Value(int64_t(python.length(value)));
}

Value join(Operations& python, const Value& value, const Arguments& arguments) {
  const auto bound = arguments.bind("filter \"join\"", {"d", "attribute"});
  const std::string between = bound[0] ? python.text_of(*bound[0]) : "";
  std::string joined;
  bool first = true;
  const Next next = python.elements(value);
  for (Value item; next(item); first = false) {
    if (bound[1] && !bound[1]->is_none()) item = python.path(item, *bound[1]);
    const std::string text = python.text_of(item);
    python.budget().spend_for(joined.size() > python.budget().limits().bytes ? joined.size()
                                                                             : between.size());
    if (!first) joined += between;
    joined += text;
  }
  return Value::text(std::move(joined));
}

Value replace(Operations& python, const Value& value, const Arguments& arguments) {
  const auto bound = arguments.bind("filter \"replace\"", {"old", "new", "count"}, 2);
  const int64_t most =
      bound[2] && !bound[2]->is_none() ? python.whole(*bound[2], "count") : int64_t{-1};
  return python.replaced(python.text_of(value), python.text_of(*bound[0]),
                         python.text_of(*bound[1]), most);
}

Value otherwise(Operations&, const Value& value, const Arguments& arguments) {
  const auto bound = arguments.bind("filter \"default\"", {"default_value", "boolean"});
  const bool wanted = value.is_undefined() || (bound[1] && truth(*bound[1]) && !truth(value));
  if (!wanted) return value;
  return bound[0] ? *bound[0] : Value::text("");
}

Value items(Operations&, const Value& value, const Arguments& arguments) {
  arguments.bind("filter \"items\"", {});
  if (value.is_undefined()) return make_iterator([](Value&) { return false; }, value);
  if (!value.as<Mapping>()) wrong("only a dict has items, not a {}", type_name(value));
  return make_iterator(
      [value, at = size_t{0}](Value& to) mutable {
        const auto& entries = value.as<Mapping>()->entries;
        if (at >= entries.size()) return false;
        to = make_sequence(SequenceKind::tuple, {entries[at].first, entries[at].second});
        ++at;
        return true;
      },
      value);
}

Value list(Operations& python, const Value& value, const Arguments& arguments) {
  arguments.bind("filter \"list\"", {});
  return make_list(python.all(value));
}

Value first(Operations& python, const Value& value, const Arguments& arguments) {
  arguments.bind("filter \"first\"", {});
  Value item;
  if (python.elements(value)(item)) return item;
  return Value::undefined("No first item, sequence was empty.");
}

Value last(Operations& python, const Value& value, const Arguments& arguments) {
  arguments.bind("filter \"last\"", {});
  if (value.changeable<Iterator>()) wrong("a generator has no last item; use \"list\" before");
  if (const auto* sequence = value.as<Sequence>(); sequence && !sequence->items.empty())
    return sequence->items.back();
  Values all = python.all(value);
  return all.empty() ? Value::undefined("No last item, sequence was empty.") : all.back();
}

Value reverse(Operations& python, const Value& value, const Arguments& arguments) {
  arguments.bind("filter \"reverse\"", {});
  if (value.bytes()) return python.slice(value, {.start = {}, .stop = {}, .step = -1});
  Values all = python.all(value);
  std::reverse(all.begin(), all.end());
  Value reversed = make_list(std::move(all));
  if (value.changeable<Iterator>()) return reversed;  // Python can reverse it only as a list
  return make_iterator(iterate(reversed), reversed);
}

Value indent(Operations& python, const Value& value, const Arguments& arguments) {
  const auto bound = arguments.bind("filter \"indent\"", {"width", "first", "blank"});
  std::string space(4, ' ');
  if (bound[0] && bound[0]->bytes()) {
    space = *bound[0]->bytes();
  } else if (bound[0]) {
    const int64_t width = std::max<int64_t>(python.whole(*bound[0], "width"), 0);
    python.budget().spend_for(size_t(width));
    space.assign(size_t(width), ' ');
  }
  const bool at_first = bound[1] && truth(*bound[1]), at_blank = bound[2] && truth(*bound[2]);
  const std::vector<std::string> lines =
      split_lines(python.string(value, "what is indented") + "\n");
  std::string out = at_first ? space : "";
  for (size_t i = 0; i < lines.size(); ++i) {
    python.budget().spend_for(
        out.size() > python.budget().limits().bytes ? out.size() : space.size() + lines[i].size());
    if (i > 0) out += "\n";
    if (i > 0 && (at_blank || !lines[i].empty())) out += space;
    out += lines[i];
  }
  return Value::text(std::move(out));
}

JsonStyle json_style(Operations& python, const std::vector<const Value*>& bound) {
  JsonStyle style;
  style.ascii = bound[0] && truth(*bound[0]);
  style.sorted = bound[3] && truth(*bound[3]);
  if (bound[1] && !bound[1]->is_none()) {
    if (const auto* text = bound[1]->bytes())
      style.indent = *text;
    else
      style.indent =
          std::string(size_t(std::clamp<int64_t>(python.whole(*bound[1], "indent"), 0, 1000)), ' ');
    style.between = ",";
  }
  if (bound[2] && !bound[2]->is_none()) {
    const auto* pair = bound[2]->as<Sequence>();
    if (!pair || pair->items.size() != 2) wrong("separators must be two texts");
    style.between = python.string(pair->items[0], "a separator");
    style.after_key = python.string(pair->items[1], "a separator");
  }
  return style;
}

Value json(Operations& python, const Value& value, const Arguments& arguments) {
  const auto bound =
      arguments.bind("filter \"tojson\"", {"ensure_ascii", "indent", "separators", "sort_keys"});
  return Value::text(to_json(python, value, json_style(python, bound)));
}

void check_kept(const Arguments& arguments) {
  for (const auto& value : arguments.positional) check_holdable(value);
  for (const auto& [name, value] : arguments.named) check_holdable(value);
}

// map: another filter, or an attribute, of each element.
Value map(Operations& python, const Value& value, const Arguments& arguments) {
  check_kept(arguments);
  std::function<Value(const Value&)> change;
  if (arguments.positional.empty()) {
    const auto bound = arguments.bind("filter \"map\"", {"attribute", "default"}, 1);
    const Value path = *bound[0], otherwise = bound[1] ? *bound[1] : Value::none();
    change = [&python, path, otherwise](const Value& item) {
      Value found = python.path(item, path);
      return found.is_undefined() && !otherwise.is_none() ? otherwise : found;
    };
  } else {
    const std::string name = python.string(arguments.positional[0], "the name of a filter");
    if (!is_filter(name)) wrong("filter \"{}\" is not supported", name);
    change = [&python, name, rest = arguments.from(1)](const Value& item) {
      return filtered(python, name, item, rest);
    };
  }
  if (!truth(value)) return make_iterator([](Value&) { return false; }, value);
  return make_iterator(
      [change, next = python.elements(value)](Value& to) {
        Value item;
        if (!next(item)) return false;
        to = change(item);
        return true;
      },
      value);
}

// select, reject: by a test of the element; selectattr, rejectattr: of its attribute.
template <bool of_attribute, bool wanted>
Value select(Operations& python, const Value& value, const Arguments& arguments) {
  check_kept(arguments);
  if (of_attribute && arguments.positional.empty()) wrong("the name of an attribute is missing");
  const Value path = of_attribute ? arguments.positional[0] : Value::none();
  const Arguments test = arguments.from(of_attribute ? 1 : 0);
  const std::string name =
      test.positional.empty() ? "" : python.string(test.positional[0], "the name of a test");
  if (!name.empty() && !is_test(name)) wrong("test \"{}\" is not supported", name);
  if (!truth(value)) return make_iterator([](Value&) { return false; }, value);
  return make_iterator(
      [&python, path, name, rest = test.from(1), next = python.elements(value)](Value& to) {
        while (next(to)) {
          const Value tested = of_attribute ? python.path(to, path) : to;
          if ((name.empty() ? truth(tested) : passes(python, name, tested, rest)) == wanted)
            return true;
        }
        return false;
      },
      value);
}

// dictsort: by key or value, letters of both cases alike unless asked otherwise.
Value sorted_items(Operations& python, const Value& value, const Arguments& arguments) {
  const auto bound = arguments.bind("filter \"dictsort\"", {"case_sensitive", "by", "reverse"});
  const bool exact = bound[0] && truth(*bound[0]), backwards = bound[2] && truth(*bound[2]);
  const std::string by = bound[1] ? python.string(*bound[1], "by") : "key";
  if (by != "key" && by != "value") wrong("by must be \"key\" or \"value\"");
  const auto* mapping = value.as<Mapping>();
  if (!mapping) wrong("only a dict can be sorted by dictsort, not a {}", type_name(value));
  std::vector<std::pair<Value, Value>> keyed;  // what is compared, and the pair
  for (const auto& [key, item] : mapping->entries) {
    Value compared = by == "key" ? key : item;
    if (!exact && compared.bytes()) compared = python.made(lower(*compared.bytes()));
    keyed.emplace_back(compared, make_sequence(SequenceKind::tuple, {key, item}));
  }
  std::stable_sort(keyed.begin(), keyed.end(), [&](const auto& a, const auto& b) {
    python.budget().spend(1);
    return backwards ? python.less(b.first, a.first) : python.less(a.first, b.first);
  });
  Values pairs;
  for (auto& [compared, pair] : keyed) pairs.push_back(std::move(pair));
  return make_list(std::move(pairs));
}

// unique: the first of each, letters of both cases alike unless asked otherwise.
Value unique(Operations& python, const Value& value, const Arguments& arguments) {
  const auto bound = arguments.bind("filter \"unique\"", {"case_sensitive", "attribute"});
  const bool exact = bound[0] && truth(*bound[0]);
  Mapping seen;
  Values kept;
  for (const auto& item : python.all(value)) {
    Value key = bound[1] && !bound[1]->is_none() ? python.path(item, *bound[1]) : item;
    if (!exact && key.bytes()) key = python.made(lower(*key.bytes()));
    if (seen.find(key)) continue;
    seen.set(key, Value::none());
    kept.push_back(item);
  }
  const Value all = make_list(std::move(kept));
  return make_iterator(iterate(all), all);
}

Value absolute(Operations& python, const Value& value, const Arguments& arguments) {
  arguments.bind("filter \"abs\"", {});
  const bool negative = value.is_number() && python.less(value, Value(int64_t{0}));
  return python.unary(negative ? "-" : "+", value);
}

Value unreachable(Operations&, const Value&, const Arguments&) {
  wrong("filter \"safe\" is supported only as the last of what is printed");
}

struct Row {
  std::string_view name;
  Filter filter;
};
constexpr Row kRows[] = {{"abs", absolute},
                         {"capitalize", changed<capitalized>},
                         {"count", length},
                         {"d", otherwise},
                         {"default", otherwise},
                         {"dictsort", sorted_items},
                         {"first", first},
                         {"indent", indent},
                         {"items", items},
                         {"join", join},
                         {"last", last},
                         {"length", length},
                         {"list", list},
                         {"lower", changed<lower>},
                         {"map", map},
                         {"reject", select<false, false>},
                         {"rejectattr", select<true, false>},
                         {"replace", replace},
                         {"reverse", reverse},
                         {"safe", unreachable},
                         {"select", select<false, true>},
                         {"selectattr", select<true, true>},
                         {"string", to_text},
                         {"title", changed<titled>},
                         {"tojson", json},
                         {"trim", trim},
                         {"unique", unique},
                         {"upper", changed<upper_case>}};

const Row* row_of(std::string_view name) {
  for (const auto& row : kRows)
    if (row.name == name) return &row;
  return nullptr;
}

}  // namespace

bool is_filter(std::string_view name) {
  return row_of(name) != nullptr;
}

std::optional<NameArgument> names_of(std::string_view filter) {
  if (filter == "map") return NameArgument{1, true};
  if (filter == "select" || filter == "reject") return NameArgument{1, false};
  if (filter == "selectattr" || filter == "rejectattr") return NameArgument{2, false};
  return std::nullopt;
}

Value filtered(Operations& python, std::string_view name, const Value& value,
               const Arguments& arguments) {
  const Row* row = row_of(name);
  if (!row) wrong("filter \"{}\" is not supported", name);
  python.budget().spend(int64_t(arguments.positional.size()) + 1);
  return row->filter(python, value, arguments);
}

}  // namespace patina::chat
