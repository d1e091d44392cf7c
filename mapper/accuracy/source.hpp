// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Where a search learns what its widths cost in accuracy: the one seam behind which a table, an
/// external program or a measurement stands.
///
/// Loss     percentage points below the reference widths (the widest choice of every layer); a
///          proxy has a unit of its own and says so. May be negative when a source measures a gain
/// Errors   a source that cannot answer (a program that fails, hangs or prints rubbish) throws
///          InputError
#pragma once

#include "workloads/quantize.hpp"

#include <span>
#include <string>

namespace tessera::mapper {

class AccuracySource {
 public:
  virtual ~AccuracySource() = default;

  [[nodiscard]] virtual std::string name() const = 0;
  /// "percentage points", or what a proxy counts.
  [[nodiscard]] virtual std::string unit() const = 0;
  /// One entry per matrix layer, in network order. The same widths give the same answer.
  virtual double loss(std::span<const LayerBits> bits) = 0;
};

}  // namespace tessera::mapper
