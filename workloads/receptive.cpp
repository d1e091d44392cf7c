// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "workloads/receptive.hpp"

#include "sim/base/math.hpp"

namespace tessera {

namespace {

/// Taps start + k * dilation, 0 <= k < kernel, that lie in [0, size).
std::pair<std::int64_t, std::int64_t> valid_taps(std::int64_t start,
                                                 int kernel,
                                                 int dilation,
                                                 int size) {
  const std::int64_t skipped =
      start < 0 ? ceil_div(-start, std::int64_t{dilation}) : std::int64_t{0};
  const std::int64_t fitting = start < size ? (size - 1 - start) / dilation : std::int64_t{-1};
  const std::int64_t last = std::min<std::int64_t>(kernel - 1, fitting);
  return {start + skipped * dilation, start + last * dilation};
}

}  // namespace

ReceptiveField::ReceptiveField(const Network& network, LayerId layer, std::size_t operand)
    : in_(network.in_shape(layer, operand)), out_(network.layer(layer).out) {
  const Layer& l = network.layer(layer);
  switch (l.kind) {
    case LayerKind::fc:
    case LayerKind::flatten:
      mode_ = Mode::whole;
      break;
    case LayerKind::matmul:
      mode_ = operand == 1 ? Mode::whole : Mode::same;
      break;
    case LayerKind::conv:
    case LayerKind::max_pool:
    case LayerKind::avg_pool:
      mode_ = Mode::window;
      window_ = l.window;
      break;
    case LayerKind::slice:
      mode_ = l.slice_positions ? Mode::shifted : Mode::same;
      begin_ = l.slice_begin;
      break;
    case LayerKind::class_token:  // which leaves when the first of the others is there
      mode_ = Mode::shifted;
      begin_ = -1;
      break;
    default:
      mode_ = Mode::same;
  }
}

ReceptiveField::Range ReceptiveField::rows(std::int64_t p) const {
  const auto [first, last] = valid_taps(p / out_.width * window_.stride_h - window_.pad_top,
                                        window_.kernel_h,
                                        window_.dilation_h,
                                        in_.height);
  return {first, last};
}

ReceptiveField::Range ReceptiveField::columns(std::int64_t p) const {
  const auto [first, last] = valid_taps(p % out_.width * window_.stride_w - window_.pad_left,
                                        window_.kernel_w,
                                        window_.dilation_w,
                                        in_.width);
  return {first, last};
}

std::int64_t ReceptiveField::first_needed(std::int64_t p) const {
  switch (mode_) {
    case Mode::same:
      return p;
    case Mode::whole:
      return 0;
    case Mode::shifted:
      return std::max<std::int64_t>(0, p + begin_);
    case Mode::window:
      break;
  }
  const Range r = rows(p);
  const Range c = columns(p);
  return r.first > r.last || c.first > c.last ? 0 : r.first * in_.width + c.first;
}

std::int64_t ReceptiveField::last_needed(std::int64_t p) const {
  switch (mode_) {
    case Mode::whole:
      return in_.positions() - 1;
    case Mode::same:
    case Mode::shifted:
      return first_needed(p);
    case Mode::window:
      break;
  }
  const Range r = rows(p);
  const Range c = columns(p);
  return r.first > r.last || c.first > c.last ? -1 : r.last * in_.width + c.last;
}

bool ReceptiveField::needs(std::int64_t p, std::int64_t q) const {
  if (mode_ == Mode::whole) {
    return true;
  }
  if (mode_ != Mode::window) {
    return q == first_needed(p);
  }
  const Range r = rows(p);
  const Range c = columns(p);
  const std::int64_t row = q / in_.width;
  const std::int64_t column = q % in_.width;
  return row >= r.first && row <= r.last && (row - r.first) % window_.dilation_h == 0 &&
         column >= c.first && column <= c.last && (column - c.first) % window_.dilation_w == 0;
}

}  // namespace tessera
