// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Which input positions an output position needs, and the input vector of one firing.
///
/// Shapes   positions are raster indices, p in the layer's output, q in operand k's tensor; an
/// input
///          vector has matrix_shape().rows values in rows order (kernel row, kernel column, channel
///          of the group), with zeros where the window lies in the padding
/// Errors   none; indices must be in range
#pragma once

#include "workloads/network.hpp"

#include <algorithm>
#include <cstdint>
#include <span>

namespace tessera {

/// The receptive field of one operand of one layer.
class ReceptiveField {
 public:
  ReceptiveField(const Network& network, LayerId layer, std::size_t operand = 0);

  /// First and last position that output position p needs. When p sees nothing but padding, last is
  /// smaller than first (0 and -1).
  [[nodiscard]] std::int64_t first_needed(std::int64_t p) const;
  [[nodiscard]] std::int64_t last_needed(std::int64_t p) const;

  /// Whether output position p reads position q; exact: between first and last there are gaps.
  [[nodiscard]] bool needs(std::int64_t p, std::int64_t q) const;

  /// Calls visit(q) for every position q that output position p reads, rising.
  template <class Visit>
  void for_each(std::int64_t p, const Visit& visit) const {
    if (mode_ != Mode::window) {
      for (std::int64_t q = first_needed(p); q <= last_needed(p); ++q) {
        visit(q);
      }
      return;
    }
    const Range r = rows(p);
    const Range c = columns(p);
    for (std::int64_t row = r.first; row <= r.last; row += window_.dilation_h) {
      for (std::int64_t column = c.first; column <= c.last; column += window_.dilation_w) {
        visit(row * in_.width + column);
      }
    }
  }

 private:
  enum class Mode { same, whole, window, shifted };

  /// Valid window taps along one axis: positions first, first + step, ..., last; empty when last <
  /// first.
  struct Range {
    std::int64_t first, last;
  };

  [[nodiscard]] Range rows(std::int64_t p) const;
  [[nodiscard]] Range columns(std::int64_t p) const;

  Mode mode_ = Mode::same;
  Shape in_;
  Shape out_;
  Window window_;
  std::int64_t begin_ = 0;  ///< of a shift: output position p reads max(0, p + begin)
};

/// Input vector of `group` (head) at output position p of matrix layer `layer`; `at(q)` gives the
/// channels of operand a at position q. Writes matrix_shape().rows values to `x`, not narrowed.
template <class At>
void gather(const Network& network,
            LayerId layer,
            std::int64_t p,
            int group,
            const At& at,
            std::span<std::int32_t> x) {
  const Layer& l = network.layer(layer);
  const Shape& in = network.in_shape(layer);
  const auto copy = [](std::span<const std::int32_t> from, auto to) {
    return std::copy(from.begin(), from.end(), to);
  };
  auto to = x.begin();
  if (l.kind == LayerKind::fc) {
    for (std::int64_t q = 0; q < in.positions(); ++q) {
      to = copy(at(q), to);
    }
    return;
  }
  const int groups = l.kind == LayerKind::matmul ? l.heads
                     : l.kind == LayerKind::conv ? l.groups
                                                 : 1;
  const auto channels = static_cast<std::size_t>(in.channels / groups);
  const std::size_t first = static_cast<std::size_t>(group) * channels;
  if (l.kind != LayerKind::conv) {
    copy(std::span<const std::int32_t>(at(p)).subspan(first, channels), to);
    return;
  }
  const Window& w = l.window;
  const std::int64_t top = p / l.out.width * w.stride_h - w.pad_top;
  const std::int64_t left = p % l.out.width * w.stride_w - w.pad_left;
  for (int i = 0; i < w.kernel_h; ++i) {
    for (int j = 0; j < w.kernel_w; ++j) {
      const std::int64_t row = top + std::int64_t{i} * w.dilation_h;
      const std::int64_t column = left + std::int64_t{j} * w.dilation_w;
      if (row < 0 || row >= in.height || column < 0 || column >= in.width) {
        to = std::fill_n(to, channels, l.pad_value);
      } else {
        const std::span<const std::int32_t> values = at(row * in.width + column);
        to = copy(values.subspan(first, channels), to);
      }
    }
  }
}

}  // namespace tessera
