// For clang-tidy, in front of every source: lets clang read LibTorch's headers as C++20. They make
// a std::vector of a class that is not complete yet; where the vector is constexpr, as in C++20,
// clang looks into it at once and GCC does not. So the vector alone is declared as it was before
// C++20. The name in the middle is a function of vector<bool> that <string> has declared as
// constexpr.
#pragma once

// And GCC's omp.h, for a clang that has none of its own: it names the function that frees what is
// allocated, which clang's attribute does not take.
#define __malloc__(free) __malloc__

// And toml++ without vector instructions: a clang-tidy that came alone has no headers for them.
#define TOML_ENABLE_SIMD 0

#include <memory>
#include <string>

#ifdef __GLIBCXX__
#undef _GLIBCXX20_CONSTEXPR
#define _GLIBCXX20_CONSTEXPR
#define __fill_a1 fill_bits
#include <vector>
#undef __fill_a1
#undef _GLIBCXX20_CONSTEXPR
#define _GLIBCXX20_CONSTEXPR constexpr
#endif
