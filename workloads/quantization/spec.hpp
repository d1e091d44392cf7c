// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// How real numbers become integers: the section `quantization:` of an experiment.
///
///   quantization: {weights: mse, per_channel: true, activations: percentile, asymmetric: true}
#pragma once

#include "sim/base/config.hpp"

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tessera {

/// Where a scale comes from; weights.hpp and calibration.hpp have the formulas.
enum class WeightMethod { max, mse, kl, twn };
enum class RangeMethod { max, percentile, mse, kl };

constexpr auto enum_names(WeightMethod) {
  return std::array<std::pair<WeightMethod, std::string_view>, 4>{{
      {WeightMethod::max, "max"},
      {WeightMethod::mse, "mse"},
      {WeightMethod::kl, "kl"},
      {WeightMethod::twn, "twn"},
  }};
}

constexpr auto enum_names(RangeMethod) {
  return std::array<std::pair<RangeMethod, std::string_view>, 4>{{
      {RangeMethod::max, "max"},
      {RangeMethod::percentile, "percentile"},
      {RangeMethod::mse, "mse"},
      {RangeMethod::kl, "kl"},
  }};
}

/// Codebooks of one matrix layer; those of the section where it says nothing.
struct LayerCodebooks {
  std::optional<std::int64_t> codebook;
  std::optional<std::int64_t> input_codebook;

  static constexpr auto fields() {
    using config::field;
    return config::list<LayerCodebooks>(
        field("codebook", &LayerCodebooks::codebook).range(0, 256).doc("of its weights"),
        field("input_codebook", &LayerCodebooks::input_codebook)
            .range(0, 256)
            .doc("of its input; of several layers that read one tensor the largest counts"));
  }
};

/// Sizes of codebooks that are found, not given.
struct ChooseSpec {
  double budget = 0.5;
  std::vector<std::int64_t> sizes{4, 8, 16, 32, 64};

  static constexpr auto fields() {
    using config::field;
    return config::list<ChooseSpec>(
        field("budget", &ChooseSpec::budget)
            .range(0, 100)
            .doc("points of accuracy on the validation images that codebooks may cost, against the "
                 "network in real numbers")
            .source("RAPIDNN abstract: less than 0.5 % (HPCA)"),
        field("sizes", &ChooseSpec::sizes).range(2, 256).doc("to choose from"));
  }
};

struct QuantizationSpec {
  WeightMethod weights = WeightMethod::mse;
  bool per_channel = true;
  std::int64_t codebook = 0;
  std::int64_t input_codebook = 0;
  std::map<std::string, LayerCodebooks> layers;
  std::optional<ChooseSpec> choose;
  bool tree = false;
  std::int64_t activation_rows = 0;
  RangeMethod activations = RangeMethod::mse;
  double percentile = 99.99;
  bool asymmetric = false;
  std::int64_t calibration_images = 32;
  std::int64_t seed = 1;

  /// Entries of a matrix layer's codebooks; 0: none.
  [[nodiscard]] std::int64_t weight_codes(const std::string& layer) const {
    const auto own = layers.find(layer);
    return own == layers.end() ? codebook : own->second.codebook.value_or(codebook);
  }

  [[nodiscard]] std::int64_t input_codes(const std::string& layer) const {
    const auto own = layers.find(layer);
    return own == layers.end() ? input_codebook
                               : own->second.input_codebook.value_or(input_codebook);
  }

  static constexpr auto fields() {
    using config::field;
    return config::list<QuantizationSpec>(
        field("weights", &QuantizationSpec::weights)
            .doc("scale of the weights. max: the largest magnitude is the largest integer; mse: "
                 "least squared error; kl: least divergence of the distributions; twn: 2-bit "
                 "layers by the threshold of ternary weight networks, the others by mse")
            .source("twn: Li, Zhang and Liu 2016, arXiv:1605.04711"),
        field("per_channel", &QuantizationSpec::per_channel)
            .doc("one scale per output channel instead of one per layer; a last layer whose sums "
                 "are the output always has one"),
        field("codebook", &QuantizationSpec::codebook)
            .range(0, 256)
            .doc("number of different weights a layer may have, found by k-means; 0: as many as "
                 "its width has"),
        field("input_codebook", &QuantizationSpec::input_codebook)
            .range(0, 256)
            .doc("number of different integers that the input of a conv, fc or linear layer may "
                 "have, found by k-means on the calibration images; 0: as many as its width has")
            .source("RAPIDNN, arXiv:1806.05794: u"),
        field("layers", &QuantizationSpec::layers)
            .doc("matrix layers with codebooks of other sizes, by name"),
        field("choose", &QuantizationSpec::choose)
            .doc("finds the sizes of all codebooks, layer by layer, in place of the three keys "
                 "above; with given or trained weights"),
        field("tree", &QuantizationSpec::tree)
            .doc("codebooks are trees: each bit of a code splits the values that the bits before "
                 "it leave in two, so that a code's first bits are the code of a smaller book. "
                 "Their sizes are powers of two")
            .source("RAPIDNN, multi-level codebooks"),
        field("activation_rows", &QuantizationSpec::activation_rows)
            .range(0, 4096)
            .doc("GELU, sigmoid and tanh are tables of so many rows, closer where the curve is "
                 "steep, of which the nearest answers; 0: they are computed")
            .source("RAPIDNN, activation tables: q rows; which rows is our choice"),
        field("activations", &QuantizationSpec::activations)
            .doc("range of the tensors, from calibration images. max: nothing is clipped; "
                 "percentile: the outermost values are; mse, kl: as for weights"),
        field("percentile", &QuantizationSpec::percentile)
            .range(50, 100)
            .doc("share of the values of a tensor that are not clipped, in percent"),
        field("asymmetric", &QuantizationSpec::asymmetric)
            .doc("tensors that only matrices read may have a zero point instead of a sign"),
        field("calibration_images", &QuantizationSpec::calibration_images)
            .range(1, 1e6)
            .doc("images that the ranges are taken from"),
        field("seed", &QuantizationSpec::seed).range(0, 9e15).doc("of the k-means of codebooks"));
  }
};

}  // namespace tessera
