#include "patina/algebra/welch_test.h"

#include <cmath>

#include "patina/base/error.h"

namespace patina {

namespace {

// The continued fraction of the incomplete beta function, by Lentz's method (Abramowitz and Stegun,
// 26.5.8).
double beta_fraction(double a, double b, double x) {
  constexpr double kTiny = 1e-300;
  constexpr int kTerms = 300;
  const auto away_from_zero = [](double v) { return std::abs(v) < kTiny ? kTiny : v; };
  double c = 1, d = 1 / away_from_zero(1 - (a + b) * x / (a + 1)), value = d;
  for (int m = 1; m <= kTerms; ++m) {
    const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    for (const double term : {even, odd}) {
      d = 1 / away_from_zero(1 + term * d);
      c = away_from_zero(1 + term / c);
      value *= c * d;
    }
    if (std::abs(c * d - 1) < 1e-15) break;
  }
  return value;
}

// The regularised incomplete beta function I_x(a, b).
double incomplete_beta(double a, double b, double x) {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  const double front = std::exp(std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) +
                                a * std::log(x) + b * std::log1p(-x));
  return x < (a + 1) / (a + b + 2) ? front * beta_fraction(a, b, x) / a
                                   : 1 - front * beta_fraction(b, a, 1 - x) / b;
}

struct Moments {
  double mean = 0, variance_of_mean = 0;
};

Moments moments(const std::vector<double>& values) {
  PATINA_REQUIRE(values.size() >= 2, "a test of {} values", values.size());
  Moments m;
  for (const double v : values) m.mean += v / double(values.size());
  for (const double v : values) m.variance_of_mean += (v - m.mean) * (v - m.mean);
  m.variance_of_mean /= double(values.size() - 1) * double(values.size());
  return m;
}

}  // namespace

double welch_test_greater(const std::vector<double>& a, const std::vector<double>& b) {
  const Moments x = moments(a), y = moments(b);
  const double variance = x.variance_of_mean + y.variance_of_mean;
  if (variance == 0) return x.mean > y.mean ? 0 : x.mean < y.mean ? 1 : 0.5;
  const double t = (x.mean - y.mean) / std::sqrt(variance);
  const double freedom = variance * variance /
                         (x.variance_of_mean * x.variance_of_mean / double(a.size() - 1) +
                          y.variance_of_mean * y.variance_of_mean / double(b.size() - 1));
  const double tail = incomplete_beta(freedom / 2, 0.5, freedom / (freedom + t * t)) / 2;
  return t > 0 ? tail : 1 - tail;
}

}  // namespace patina
