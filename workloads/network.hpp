// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The network: layers with explicit shapes and, once quantized, integer semantics.
///
/// Shapes   a tensor is [height][width][channels]; a position is one (row, column) with all its
/// channels,
///          numbered in raster order. Token sequences are height = tokens, width = 1.
/// Numbers  every tensor holds integers of `out_bits` bits, two's complement when `out_signed`.
///          A matrix layer first narrows its input to `a_bits` (narrow(), below), then
///            acc[c] = bias[c] + sum_r w[c][r] * x[r]                       (exact, 64 bit)
///            t[c]   = round_shift(acc[c] * multiplier[c], shift)           (batch norm and
///            rescaling) y[c]   = clamp(activation(t[c]))  to out_bits / out_signed
///          The rows r of a convolution run over (kernel row, kernel column, input channel of the
///          group).
/// Errors   shapes that do not chain are diagnostics of the reader (network_yaml.hpp); a Network is
/// valid.
#pragma once

#include "sim/base/math.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tessera {

using LayerId = int;

struct Shape {
  int height = 1;
  int width = 1;
  int channels = 1;

  [[nodiscard]] std::int64_t positions() const { return std::int64_t{height} * width; }

  [[nodiscard]] std::int64_t elements() const { return positions() * channels; }

  bool operator==(const Shape&) const = default;
};

enum class LayerKind {
  input,
  conv,    ///< groups, stride, padding, dilation; depthwise is groups == channels
  fc,      ///< whole input tensor -> 1 x 1 x channels
  linear,  ///< the same matrix applied to every position (token-wise; a 1x1 convolution of tokens)
  matmul,  ///< two activations: out[i, head h] = a[i, h] x b[., h]; see transpose_b
  max_pool,
  avg_pool,            ///< window sum * multiplier >> shift
  add,                 ///< residual: a * a_multiplier + b * b_multiplier, then shift and activation
  concat,              ///< along channels
  class_token,         ///< a learned position before those of the input, in raster order
  position_embedding,  ///< input + a learned number per position and channel
  activation,
  layer_norm,  ///< over the channels of one position
  softmax,     ///< over the channels of one position, per head
  flatten,     ///< a reshape; costs nothing
  slice,       ///< a range of channels or of positions (class token, q/k/v); costs nothing
};

enum class Activation { none, relu, relu6, gelu, sigmoid, tanh };

constexpr auto enum_names(LayerKind) {
  return std::array<std::pair<LayerKind, std::string_view>, 16>{{
      {LayerKind::input, "input"},
      {LayerKind::conv, "conv"},
      {LayerKind::fc, "fc"},
      {LayerKind::linear, "linear"},
      {LayerKind::matmul, "matmul"},
      {LayerKind::max_pool, "max_pool"},
      {LayerKind::avg_pool, "avg_pool"},
      {LayerKind::add, "add"},
      {LayerKind::concat, "concat"},
      {LayerKind::class_token, "class_token"},
      {LayerKind::position_embedding, "position_embedding"},
      {LayerKind::activation, "activation"},
      {LayerKind::layer_norm, "layer_norm"},
      {LayerKind::softmax, "softmax"},
      {LayerKind::flatten, "flatten"},
      {LayerKind::slice, "slice"},
  }};
}

constexpr auto enum_names(Activation) {
  return std::array<std::pair<Activation, std::string_view>, 6>{{
      {Activation::none, "none"},
      {Activation::relu, "relu"},
      {Activation::relu6, "relu6"},
      {Activation::gelu, "gelu"},
      {Activation::sigmoid, "sigmoid"},
      {Activation::tanh, "tanh"},
  }};
}

/// A sliding window over the input positions (convolution, pooling).
struct Window {
  int kernel_h = 1, kernel_w = 1;
  int stride_h = 1, stride_w = 1;
  int pad_top = 0, pad_left = 0, pad_bottom = 0, pad_right = 0;
  int dilation_h = 1, dilation_w = 1;

  [[nodiscard]] bool pads() const {
    return pad_top > 0 || pad_left > 0 || pad_bottom > 0 || pad_right > 0;
  }
};

/// A row of a sampled activation: the activation of every argument that is nearest to its own, the
/// lower row of two. Arguments ascend.
struct ActivationRow {
  std::int32_t argument = 0;  ///< fixed point, as activate() reads it (scalar_ops.hpp)
  std::int32_t value = 0;     ///< of out_bits

  bool operator==(const ActivationRow&) const = default;
};

struct Layer {
  std::string name;
  LayerKind kind = LayerKind::input;
  std::vector<LayerId>
      inputs;  ///< indices smaller than the layer's own: a Network is in topological order
  Shape out;
  Window window;             ///< conv, max_pool, avg_pool
  int groups = 1;            ///< conv
  int heads = 1;             ///< matmul, softmax
  bool transpose_b = false;  ///< matmul: out[i][h][j] = sum_d a[i][h][d] b[j][h][d]; else
                             ///< out[i][h][d] = sum_j a[i][h][j] b[j][h][d]
  int slice_begin = 0;       ///< slice: first channel, or first position when slice_positions
  bool slice_positions = false;
  bool has_bias = true;
  bool has_batch_norm =
      false;  ///< folded into multiplier and bias; costs a per-channel scale in the vector unit
  Activation activation =
      Activation::none;  ///< applied at the end of conv, fc, linear, matmul, add, activation

  // Integer semantics, filled in by quantize() (quantize.hpp).
  int w_bits = 8;          ///< matrix layers, signed; for matmul the width of operand b
  int a_bits = 8;          ///< width to which the input (operand a) is narrowed
  bool in_signed = false;  ///< signedness of the input tensor (operand a)
  int out_bits = 8;
  bool out_signed = false;
  int shift =
      0;  ///< rescale: round_shift(acc * multiplier, shift); softmax: fraction bits of its input
  /// Mean of the per-channel multipliers; the one of avg_pool, activation and position_embedding.
  int multiplier = 1;
  int center = 0;  ///< mean input value in 1/256, which the synthetic bias cancels (parameters.hpp)
  int a_multiplier = 1, b_multiplier = 1;  ///< add: bring the two operands to one scale
  int pad_value = 0;  ///< conv: what padding reads; the integer that stands for 0 in the input
  int w_codes = 0;    ///< matrix layers: most different weights there may be; 0: all of w_bits
  int out_codes = 0;  ///< most different integers the output may have; 0: all of out_bits
  /// Which these are, ascending: the output becomes the nearest, the lower of two. Empty while only
  /// out_codes is known, for timing.
  std::vector<std::int32_t> codebook;
  /// GELU, sigmoid and tanh when they are sampled; empty: they are computed.
  std::vector<ActivationRow> activation_table;

  /// Bits of one output integer on its way: of its code, when there are few.
  [[nodiscard]] int message_bits() const {
    const int codes = out_codes > 1 ? ceil_log2(static_cast<std::uint64_t>(out_codes)) : out_bits;
    return codes < out_bits ? codes : out_bits;
  }

  [[nodiscard]] bool is_matrix() const {
    return kind == LayerKind::conv || kind == LayerKind::fc || kind == LayerKind::linear ||
           kind == LayerKind::matmul;
  }

  /// The second operand is produced at run time and must be written into the arrays.
  [[nodiscard]] bool has_dynamic_weights() const { return kind == LayerKind::matmul; }

  /// Positions and channels of the layer's embedding, a constant of [positions][channels]: all of
  /// the output of position_embedding, one position of class_token; none for other kinds.
  [[nodiscard]] std::int64_t embedded_positions() const {
    return kind == LayerKind::position_embedding ? out.positions()
           : kind == LayerKind::class_token      ? 1
                                                 : 0;
  }

  [[nodiscard]] bool has_embedding() const { return embedded_positions() > 0; }

  [[nodiscard]] std::int64_t embedding_size() const { return embedded_positions() * out.channels; }
};

/// What a layer multiplies by and adds; shapes in parameters.hpp.
struct LayerParameters {
  std::vector<std::int32_t> weights;
  std::vector<std::int64_t> bias;
  std::vector<std::int32_t> multiplier;
  /// class_token: integers of the output tensor; position_embedding: added to x * multiplier.
  std::vector<std::int64_t> embedding{};
};

struct Network {
  std::string name;
  std::vector<Layer> layers;  ///< layers[0] is the only input; the last layer is the only output

  [[nodiscard]] const Layer& layer(LayerId id) const {
    return layers[static_cast<std::size_t>(id)];
  }

  [[nodiscard]] const Shape& in_shape(LayerId id, std::size_t operand = 0) const {
    return layer(layer(id).inputs[operand]).out;
  }

  [[nodiscard]] LayerId output() const { return static_cast<LayerId>(layers.size()) - 1; }
};

/// The weight matrix of a matrix layer: `groups` independent blocks of rows x cols, one output
/// vector of groups * cols values per position.
struct MatrixShape {
  std::int64_t rows = 0;  ///< per group: kernel_h * kernel_w * input channels / groups
  std::int64_t cols = 0;  ///< per group
  int groups = 1;         ///< convolution groups or attention heads
  std::int64_t positions = 0;

  [[nodiscard]] std::int64_t macs() const { return rows * cols * groups * positions; }
};

MatrixShape matrix_shape(const Network& network, LayerId id);

/// Matrix layers in network order: the order of every per-layer list of bits and replicas.
std::vector<LayerId> matrix_layers(const Network& network);

/// Layers that read the output of each layer, in network order; a layer that reads it twice appears
/// twice.
std::vector<std::vector<LayerId>> consumers(const Network& network);

/// Multiply-accumulates of all matrix layers for one image, attention products included.
std::int64_t total_macs(const Network& network);

/// Weights that are resident in matrices: no biases, no scales, no second operands of matmul.
std::int64_t total_weights(const Network& network);

/// Limits of one network; with them no product of sizes overflows 64 bit.
inline constexpr int kMaxDim = 1 << 20;  ///< height, width, channels, window, padding
inline constexpr std::int64_t kMaxElements = std::int64_t{1} << 28;  ///< of one tensor
inline constexpr std::int64_t kMaxWeights = std::int64_t{1} << 34;   ///< of one layer
inline constexpr std::int64_t kMaxMacs = std::int64_t{1} << 44;      ///< of one layer
inline constexpr std::size_t kMaxLayers = std::size_t{1} << 16;

/// Something wrong with a layer. The YAML reader and the builder turn it into a Diagnostic or an
/// exception.
struct NetworkProblem {
  std::string code;      ///< "E-NET-SHAPE"
  std::string sentence;  ///< lower case, no full stop
  LayerId layer = -1;
  LayerId other = -1;  ///< second place of a conflict, or -1
  std::string key;     ///< key of the layer in YAML, or empty
  std::string expected;
  std::string got;
  std::string hint;
};

/// The shape of `layer`, layer number `id`, from the shapes of its inputs, which precede it. Reads
/// `layer.out` only for what is free: channels of conv, fc, linear and channel slices; height and
/// width of position slices. Adds to `problems` and returns nothing when the shapes do not chain.
std::optional<Shape> infer_shape(const Network& network,
                                 const Layer& layer,
                                 LayerId id,
                                 std::vector<NetworkProblem>& problems);

/// Layers that do not contribute to the last layer, the only output. Inputs must precede their
/// readers.
void check_outputs(const Network& network, std::vector<NetworkProblem>& problems);

/// Everything that makes `network` not a valid Network: names, order, number of operands, shapes,
/// sizes, dead layers, several outputs.
std::vector<NetworkProblem> check(const Network& network);

/// x narrowed from the `from`-bit tensor to `to` bits: round_shift by the difference, then clamped;
/// unchanged when from <= to.
constexpr std::int64_t narrow(std::int64_t x, int from, int to, bool is_signed) {
  return from <= to ? x : clamp_to(round_shift(x, from - to), to, is_signed);
}

/// Operand b of a matmul narrowed to signed weights of `w_bits`; an unsigned tensor counts one bit
/// more.
constexpr std::int64_t narrow_weight(std::int64_t x, int from, bool is_signed, int w_bits) {
  return narrow(x, from + (is_signed ? 0 : 1), w_bits, true);
}

}  // namespace tessera
