// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Field lists as documents: a JSON schema for editors and the table of `tessera explain`.
///
///   key       type     range       default  description       source
///   rows      integer  [1, 65536]  128      word lines        LRMP, table I
///   bus       map                           the tile bus
///     width   integer  >= 1        256      bits per cycle
///
/// Errors   none
#pragma once

#include "sim/base/config.hpp"

#include <string>
#include <vector>

namespace tessera::config {

/// JSON schema (draft 2020-12) of a map with these fields; unknown keys are refused.
std::string json_schema(const std::vector<FieldInfo>& fields);

/// The table of the file comment. Nested fields are indented below their parent.
std::string explain_text(const std::vector<FieldInfo>& fields);

}  // namespace tessera::config
