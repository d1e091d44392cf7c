// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// A table as accuracy source: every layer adds the loss of its own widths, whatever the others
/// have.
///
/// Shapes   one list per matrix layer, in network order; one entry per pair of widths
/// Errors   a pair that is not in the table throws InternalError: readers check that all are there
/// Source   additive per-layer loss: HAWQ-V3 (ICML 2021), sum of perturbations under an ILP
#pragma once

#include "mapper/accuracy/source.hpp"

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace tessera::mapper {

/// The pairs of widths that a search may pick, one list per matrix layer; no list is empty.
using LayerWidths = std::vector<std::vector<LayerBits>>;

/// The largest width of each sort in a layer's list: what losses are counted against.
LayerBits widest(std::span<const LayerBits> widths);

struct WidthLoss {
  LayerBits bits;
  double loss = 0;
};

class Sensitivity final : public AccuracySource {
 public:
  Sensitivity(std::string name, std::string unit, std::vector<std::vector<WidthLoss>> layers)
      : name_(std::move(name)), unit_(std::move(unit)), layers_(std::move(layers)) {}

  [[nodiscard]] std::string name() const override { return name_; }

  [[nodiscard]] std::string unit() const override { return unit_; }

  /// Of matrix layer number `layer` alone.
  [[nodiscard]] double loss(std::size_t layer, LayerBits bits) const;

  double loss(std::span<const LayerBits> bits) override;

 private:
  std::string name_;
  std::string unit_;
  std::vector<std::vector<WidthLoss>> layers_;
};

}  // namespace tessera::mapper
