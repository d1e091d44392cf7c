// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Drawing images so that every class keeps its share.
#pragma once

#include "sim/base/rng.hpp"

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace tessera::data {

/// The numbers 0 to N - 1 of N labels, in a drawn order of which every prefix has the classes in
/// proportion: a class of n labels, of C classes, is off by at most 1/2 + C n / 2N.
std::vector<std::int64_t> stratified_order(std::span<const std::int32_t> labels, Rng& rng);

/// Where to cut `count` things by `fractions`: ends of the parts, rounded to nearest (half up) of
/// the running sum. The last end is `count` when the fractions sum to 1 within 1e-9.
std::array<std::int64_t, 3> cut(std::int64_t count, const std::array<double, 3>& fractions);

}  // namespace tessera::data
