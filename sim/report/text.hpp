// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Reports for people: what `tessera run` and `tessera validate` print, and the per-layer CSV.
///
/// Form     plain ASCII, at most 100 columns as long as names are short; numbers right-aligned
/// Units    cycles are whole; seconds, joules and areas have three significant digits with a prefix
#pragma once

#include "sim/report/result.hpp"

#include <cstdint>
#include <string>

namespace tessera::report {

/// Headline, one line per layer, where the PEs' time went, failed checks.
std::string run_text(const Report& report);

/// Per layer: closed form, simulation, error, and the gap by wait reason in cycles per image; then
/// the chip.
std::string validate_text(const Report& report);

/// One line per layer with every number of result.json's `layers`; RFC 4180.
std::string layers_csv(const Report& report);

/// 1234567 -> "1,234,567".
std::string grouped(std::int64_t value);

/// A cell of a CSV file, quoted where it must be; RFC 4180.
std::string csv_cell(const std::string& text);

}  // namespace tessera::report
