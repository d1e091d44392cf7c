// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Real parameters of a network as an NPZ file.
///
/// Entries  <layer>/weights   float32 [groups, cols, rows]
///          <layer>/bias      float32 [groups * cols]; a layer without bias has none
///          <layer>/codebook  float32 [entries], optional
///          <layer>/embedding float32 [positions, channels] of class_token (one position) and
///            position_embedding (positions in raster order)
///          <layer>/steps     float32 [1] or [groups * cols], optional: of the integers that the
///            weights came as, <layer>/step_bits wide (int64)
///          <layer>/scale, <layer>/zero, <layer>/bits   optional: scale (float64) of the layer's
///            output tensor, its zero point (int64, default 0) and the width it is meant for
///            (int64, default: any); `input/...` for the images
///          <layer>/factor, <layer>/epsilon   float32, optional, of softmax and layer_norm
///          meta/<name>       float64, for the reader's information
/// Errors   those of data::read_npz; E-PARAM-NETWORK: entries of another network (unknown and
///          missing layers, other shapes), all listed; E-PARAM-VALUE: weights that are not finite,
///          scales that are not positive
#pragma once

#include "sim/base/diagnostics.hpp"
#include "workloads/float_model.hpp"
#include "workloads/quantization/integer_model.hpp"
#include "workloads/quantize.hpp"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace tessera {

struct ModelFile {
  std::vector<FloatParameters> parameters;        ///< per layer
  std::vector<std::optional<GivenScale>> scales;  ///< per layer
  std::map<std::string, double> meta;
};

/// Parameters of `network` from `path`. `wanted_at` is where the file was asked for.
std::optional<ModelFile> read_model_file(const std::string& path,
                                         const Network& network,
                                         const Position& wanted_at,
                                         Diagnostics& diagnostics);

/// Weights and biases of a model that are not finite, one line per tensor: "'conv1/weights'[4] is
/// nan".
std::vector<std::string> bad_values(const FloatModel& model);

/// Widths of the matrix layers that the weights were trained for (meta/w_bits.<layer> and
/// meta/a_bits.<layer>, 1 to 16); none when the file does not say them all.
std::vector<LayerBits> widths_in(const ModelFile& file, const Network& network);

/// Notes them; one entry per matrix layer.
void note_widths(ModelFile& file, const Network& network, const std::vector<LayerBits>& bits);

/// The file's bytes, the same for the same content.
std::string model_file_bytes(const Network& network, const ModelFile& content);

}  // namespace tessera
