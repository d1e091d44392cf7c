// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Physical quantities as types: adding joules to seconds does not compile.
///
/// Units    SI throughout (seconds, joules, watts, square metres, hertz); Cycles, Bits are integers
/// Rounding none here; Seconds become Cycles only in Clock::ceil_cycles (rounds up)
#pragma once

#include <cmath>
#include <compare>
#include <cstdint>

namespace tessera {

/// A number with a unit. `Tag` makes the type distinct, `Rep` is its arithmetic type.
template <class Tag, class Rep>
struct Quantity {
  Rep value{};

  constexpr Quantity() = default;

  constexpr explicit Quantity(Rep v) : value(v) {}

  constexpr auto operator<=>(const Quantity&) const = default;

  constexpr Quantity& operator+=(Quantity o) {
    value += o.value;
    return *this;
  }

  constexpr Quantity& operator-=(Quantity o) {
    value -= o.value;
    return *this;
  }

  friend constexpr Quantity operator+(Quantity a, Quantity b) {
    return Quantity(a.value + b.value);
  }

  friend constexpr Quantity operator-(Quantity a, Quantity b) {
    return Quantity(a.value - b.value);
  }

  friend constexpr Quantity operator*(Quantity a, Rep k) { return Quantity(a.value * k); }

  friend constexpr Quantity operator*(Rep k, Quantity a) { return Quantity(a.value * k); }
};

using Cycles = Quantity<struct CyclesTag, std::int64_t>;
using Bits = Quantity<struct BitsTag, std::int64_t>;
using Seconds = Quantity<struct SecondsTag, double>;
using Joules = Quantity<struct JoulesTag, double>;
using Watts = Quantity<struct WattsTag, double>;
using SquareMeters = Quantity<struct SquareMetersTag, double>;
using Hertz = Quantity<struct HertzTag, double>;

constexpr Joules operator*(Watts p, Seconds t) {
  return Joules(p.value * t.value);
}

/// A named clock domain. Converts times to whole cycles, always rounding up, with a tolerance of
/// one part in 1e9 so that 100 ns at 1 GHz is 100 cycles and not 101.
struct Clock {
  Hertz frequency{1e9};

  [[nodiscard]] Cycles ceil_cycles(Seconds t) const {
    const double exact = t.value * frequency.value;
    return Cycles(static_cast<std::int64_t>(std::ceil(exact - 1e-9 * std::abs(exact) - 1e-12)));
  }

  [[nodiscard]] Seconds seconds(Cycles c) const {
    return Seconds(static_cast<double>(c.value) / frequency.value);
  }
};

}  // namespace tessera
