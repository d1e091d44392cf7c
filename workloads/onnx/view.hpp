// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// An ONNX tensor as a part of a layer's tensor in another order: the element with indices i lies
/// at offset + sum over axes, over the axis's atoms, of (digit of i) * stride.
///
/// Shapes   a layer's tensor is [height][width][channels], flat; atoms never span channels and
/// positions Errors   NodeError when a change has no such form
#pragma once

#include "workloads/network.hpp"
#include "workloads/onnx/graph.hpp"

#include <cstdint>
#include <vector>

namespace tessera::onnx {

/// Part of an axis: `size` > 1 steps of `stride` elements.
struct Atom {
  std::int64_t size = 1;
  std::int64_t stride = 1;

  bool operator==(const Atom&) const = default;
};

using Atoms = std::vector<Atom>;

struct View {
  LayerId layer = 0;
  Shape shape;  ///< of the layer
  std::int64_t offset = 0;
  std::vector<Atoms> axes;   ///< of the ONNX tensor; an axis of size 1 has no atoms
  std::vector<float> scale;  ///< per channel of the layer, still to be multiplied; empty: 1
  std::vector<float> shift;  ///< per channel, still to be added after the scale; empty: 0
  bool is_open = false;      ///< nobody else reads the layer: an activation may join it
  int bits = 0;              ///< width the file gives the values; 0 when it does not say
  float step = 0.0F;         ///< real value of one of their integers; 0 when it does not say
  std::int64_t zero = 0;     ///< the integer that stands for 0
  bool is_signed = false;    ///< of those integers

  [[nodiscard]] bool is_plain() const { return scale.empty() && shift.empty(); }

  /// The atoms of all axes in order, neighbours joined.
  [[nodiscard]] Atoms flat() const;

  /// Every element of the layer occurs.
  [[nodiscard]] bool is_whole() const;

  /// The channels, in order, and nothing else, lie along axis `k`.
  [[nodiscard]] bool is_channel_axis(std::size_t k) const;

  /// All axes but `k` together run through the positions in order.
  [[nodiscard]] bool is_raster_without(std::size_t k) const;
};

/// [1][channels][height][width] (or [1][channels][width]) of a layer.
View image_view(LayerId layer, const Shape& shape, std::size_t rank);

/// [1][positions][channels] of a layer.
View token_view(LayerId layer, const Shape& shape);

View reshaped(View view, const Dims& dims);
View transposed(View view, const std::vector<std::int64_t>& order);
/// Elements [begin, begin + size) of an axis.
View narrowed(View view, std::size_t axis, std::int64_t begin, std::int64_t size);

/// A range of channels and of positions.
struct Range {
  std::int64_t channel = 0, channels = 0, position = 0, positions = 0;
};

/// What part of the layer a view shows.
Range range_of(const View& view);

/// The same view of a layer that holds that part only.
View rebased(View view, const Range& range, LayerId layer, const Shape& shape);

}  // namespace tessera::onnx
