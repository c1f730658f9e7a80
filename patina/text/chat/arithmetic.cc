// Python's arithmetic: true and floor division, and remainders with the sign of the divisor.
#include <cmath>
#include <cstdint>

#include "patina/text/chat/operations.h"

namespace patina::chat {

namespace {

[[noreturn]] void too_large() {
  wrong("a number does not fit into 64 bits");
}

Value of_whole(std::string_view sign, int64_t a, int64_t b) {
  int64_t result = 0;
  if (sign == "+"   ? __builtin_add_overflow(a, b, &result)
      : sign == "-" ? __builtin_sub_overflow(a, b, &result)
                    : sign == "*" && __builtin_mul_overflow(a, b, &result))
    too_large();
  if (sign == "+" || sign == "-" || sign == "*") return Value(result);
  if (b == 0) wrong("division by zero");
  if (sign == "/") return Value(double(a) / double(b));
  if (b == -1) {  // INT64_MIN / -1 overflows
    if (sign == "%") return Value(int64_t{0});
    if (a == INT64_MIN) too_large();
    return Value(-a);
  }
  const int64_t quotient = a / b, rest = a % b;
  const bool below = rest != 0 && (rest < 0) != (b < 0);
  return Value(sign == "//" ? quotient - below : rest + (below ? b : 0));
}

Value of_real(std::string_view sign, double a, double b) {
  if (sign == "+") return Value(a + b);
  if (sign == "-") return Value(a - b);
  if (sign == "*") return Value(a * b);
  if (b == 0) wrong("division by zero");
  if (sign == "/") return Value(a / b);
  double rest = std::fmod(a, b);
  double quotient = (a - rest) / b;
  if (rest != 0 && (b < 0) != (rest < 0)) {
    rest += b;
    quotient -= 1;
  } else if (rest == 0) {
    rest = std::copysign(0.0, b);
  }
  if (sign == "%") return Value(rest);
  if (quotient == 0) return Value(std::copysign(0.0, a / b));
  const double floor = std::floor(quotient);
  return Value(quotient - floor > 0.5 ? floor + 1 : floor);
}

}  // namespace

Value Operations::arithmetic(std::string_view sign, const Value& a, const Value& b) {
  const auto x = a.whole(), y = b.whole();
  if (x && y) return of_whole(sign, *x, *y);
  return of_real(sign, x ? double(*x) : *a.plain<double>(), y ? double(*y) : *b.plain<double>());
}

}  // namespace patina::chat
