// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// exp and log of real numbers that give the same bits on every machine: the C library picks
/// variants by instruction set that differ in the last bit.
///
/// Error    relative 4e-16 (exp_of), absolute 4e-16 + relative 4e-16 (log_of); tested
#pragma once

#include <cmath>

namespace tessera {

/// e^x; 0 below -708, infinity above 709.
inline double exp_of(double x) {
  if (!(x > -708.0)) {
    return std::isnan(x) ? x : 0.0;
  }
  if (x > 709.0) {
    return HUGE_VAL;
  }
  // x = k ln 2 + r with |r| <= ln 2 / 2; ln 2 in two parts, the first with 32 bits.
  constexpr double kLn2High = 0x1.62e42fefp-1;
  constexpr double kLn2Low = 0x1.473de6af278edp-34;
  const double k = std::floor(x * 0x1.71547652b82fep+0 + 0.5);
  const double r = (x - k * kLn2High) - k * kLn2Low;
  double series = 1.0;
  for (int n = 14; n >= 1; --n) {
    series = 1.0 + r / n * series;
  }
  return std::ldexp(series, static_cast<int>(k));
}

/// Natural logarithm of x > 0.
inline double log_of(double x) {
  int exponent = 0;
  double m = std::frexp(x, &exponent);  // [0.5, 1)
  if (m < 0x1.6a09e667f3bcdp-1) {       // sqrt(1/2): m in [sqrt(1/2), sqrt(2))
    m *= 2.0;
    --exponent;
  }
  // log m = 2 atanh(z), |z| <= 0.172
  const double z = (m - 1.0) / (m + 1.0);
  double series = 0.0;
  for (int n = 23; n >= 1; n -= 2) {
    series = series * z * z + 1.0 / n;
  }
  return 2.0 * z * series + exponent * 0x1.62e42fefa39efp-1;
}

}  // namespace tessera
