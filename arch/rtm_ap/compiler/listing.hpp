// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Compiled programs for people: the text form with a head that says what the slots carry.
#pragma once

#include "arch/rtm_ap/compiler/compile.hpp"
#include "workloads/network.hpp"

#include <string>

namespace tessera::arch::rtm_ap {

/// Part `part` of a compiled layer as .apasm; parse() reads it back as the same program. Its head
/// leaves out names, widths and weights.
std::string listing(const CompiledLayer& compiled,
                    int part,
                    const Layer& layer,
                    const Geometry& array);

/// Columns that a program touches beyond clearing them, the carry's included.
int columns_in_use(const Program& program);

}  // namespace tessera::arch::rtm_ap
