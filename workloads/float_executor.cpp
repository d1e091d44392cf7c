// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "workloads/float_executor.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/real_math.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>

namespace tessera {

namespace {

constexpr std::size_t kLanes = 4;
constexpr std::size_t kPositions = 4;  ///< input vectors multiplied together
constexpr std::size_t kColumns = 2;    ///< columns multiplied together
constexpr std::int64_t kBlock = 32;    ///< positions whose input vectors lie side by side

/// Lane by lane; as wide as every x86-64 and ARM has, so that no compiler has to split it.
using Lanes = float __attribute__((vector_size(kLanes * sizeof(float))));

Lanes load(const float* from) {
  Lanes v;
  std::memcpy(&v, from, sizeof v);
  return v;
}

/// sum over r of x[p][r] w[c][r] for P vectors x and C columns w, `rows` apart.
template <std::size_t P, std::size_t C>
void multiply(const float* x,
              const float* w,
              std::size_t rows,
              std::array<std::array<float, C>, P>& y) {
  std::array<std::array<Lanes, C>, P> sum{};
  const std::size_t even = rows - rows % kLanes;
  for (std::size_t r = 0; r < even; r += kLanes) {
    std::array<Lanes, C> column{};
    for (std::size_t c = 0; c < C; ++c) {
      column[c] = load(w + c * rows + r);
    }
    for (std::size_t p = 0; p < P; ++p) {
      const Lanes value = load(x + p * rows + r);
      for (std::size_t c = 0; c < C; ++c) {
        sum[p][c] += value * column[c];
      }
    }
  }
  for (std::size_t r = even; r < rows; ++r) {
    for (std::size_t p = 0; p < P; ++p) {
      for (std::size_t c = 0; c < C; ++c) {
        sum[p][c][r - even] += x[p * rows + r] * w[c * rows + r];
      }
    }
  }
  for (std::size_t p = 0; p < P; ++p) {
    for (std::size_t c = 0; c < C; ++c) {
      const Lanes& s = sum[p][c];
      y[p][c] = (s[0] + s[1]) + (s[2] + s[3]);
    }
  }
}

template <std::size_t P, std::size_t C>
void store_product(const float* x, const float* w, std::size_t rows, float* y, std::size_t stride) {
  std::array<std::array<float, C>, P> out{};
  multiply<P, C>(x, w, rows, out);
  for (std::size_t p = 0; p < P; ++p) {
    for (std::size_t c = 0; c < C; ++c) {
      y[p * stride + c] = out[p][c];
    }
  }
}

/// y[p * stride + c] = sum over r of x[p][r] w[c][r].
void product(const float* x,
             std::size_t positions,
             const float* w,
             std::size_t cols,
             std::size_t rows,
             float* y,
             std::size_t stride) {
  std::size_t c = 0;
  for (; c + kColumns <= cols; c += kColumns) {
    std::size_t p = 0;
    for (; p + kPositions <= positions; p += kPositions) {
      store_product<kPositions, kColumns>(
          x + p * rows, w + c * rows, rows, y + p * stride + c, stride);
    }
    for (; p < positions; ++p) {
      store_product<1, kColumns>(x + p * rows, w + c * rows, rows, y + p * stride + c, stride);
    }
  }
  for (; c < cols; ++c) {
    for (std::size_t p = 0; p < positions; ++p) {
      store_product<1, 1>(x + p * rows, w + c * rows, rows, y + p * stride + c, stride);
    }
  }
}

/// Phi(x), to 1e-7. Source: Abramowitz and Stegun, 7.1.26.
double normal_distribution(double x) {
  constexpr std::array<double, 5> kA{
      0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429};
  const double z = std::abs(x) * 0.70710678118654752;
  const double t = 1.0 / (1.0 + 0.3275911 * z);
  double sum = 0.0;
  for (std::size_t k = kA.size(); k-- > 0;) {
    sum = (sum + kA[k]) * t;
  }
  const double tail = 0.5 * sum * exp_of(-z * z);
  return x < 0.0 ? tail : 1.0 - tail;
}

float activated(Activation f, float x) {
  const auto v = static_cast<double>(x);
  switch (f) {
    case Activation::none:
      break;
    case Activation::relu:
      return std::max(x, 0.0F);
    case Activation::relu6:
      return std::clamp(x, 0.0F, 6.0F);
    case Activation::gelu:
      return static_cast<float>(v * normal_distribution(v));
    case Activation::sigmoid: {
      const double e = exp_of(-std::abs(v));
      return static_cast<float>((v < 0.0 ? e : 1.0) / (1.0 + e));
    }
    case Activation::tanh: {
      const double e = exp_of(-2.0 * std::abs(v));
      return static_cast<float>(std::copysign((1.0 - e) / (1.0 + e), v));
    }
  }
  return x;
}

void activate(Activation f, std::span<float> y) {
  if (f != Activation::none) {
    std::transform(y.begin(), y.end(), y.begin(), [f](float x) { return activated(f, x); });
  }
}

void softmax(std::span<const float> x, double factor, std::span<float> y) {
  double top = -HUGE_VAL;
  for (const float v : x) {
    top = std::max(top, factor * static_cast<double>(v));
  }
  std::vector<double> e(x.size());
  double sum = 0.0;
  for (std::size_t c = 0; c < x.size(); ++c) {
    e[c] = exp_of(factor * static_cast<double>(x[c]) - top);
    sum += e[c];
  }
  for (std::size_t c = 0; c < x.size(); ++c) {
    y[c] = static_cast<float>(e[c] / sum);
  }
}

void layer_norm(std::span<const float> x, double epsilon, std::span<float> y) {
  const auto n = static_cast<double>(x.size());
  double mean = 0.0;
  for (const float v : x) {
    mean += static_cast<double>(v);
  }
  mean /= n;
  double variance = 0.0;
  for (const float v : x) {
    variance += (static_cast<double>(v) - mean) * (static_cast<double>(v) - mean);
  }
  const double root = std::sqrt(variance / n + epsilon);
  for (std::size_t c = 0; c < x.size(); ++c) {
    y[c] = root > 0.0 ? static_cast<float>((static_cast<double>(x[c]) - mean) / root) : 0.0F;
  }
}

void check_sizes(const FloatModel& model) {
  const Network& network = model.network;
  bool fits = model.parameters.size() == network.layers.size();
  for (LayerId id = 0; fits && id <= network.output(); ++id) {
    const FloatParameters& p = model.parameters[static_cast<std::size_t>(id)];
    const Layer& layer = network.layer(id);
    const bool has_weights = layer.is_matrix() && !layer.has_dynamic_weights();
    const MatrixShape m = has_weights ? matrix_shape(network, id) : MatrixShape{};
    const auto cols = static_cast<std::size_t>(has_weights ? m.groups * m.cols : 0);
    fits = p.weights.size() == cols * static_cast<std::size_t>(m.rows) &&
           (p.bias.empty() || p.bias.size() == cols) &&
           p.embedding.size() == static_cast<std::size_t>(layer.embedding_size());
  }
  if (!fits) {
    throw InternalError("workloads/float_executor", -1, "parameters do not fit " + network.name);
  }
}

}  // namespace

FloatExecutor::FloatExecutor(const FloatModel& model)
    : model_(model), tensors_(model.network.layers.size()) {
  check_sizes(model);
}

const std::vector<float>& FloatExecutor::run(std::span<const float> input) {
  const Network& network = model_.network;
  if (static_cast<std::int64_t>(input.size()) != network.layers[0].out.elements()) {
    throw InternalError("workloads/float_executor",
                        -1,
                        fmt::format("input of {} values for {}", input.size(), network.name));
  }
  tensors_[0].assign(input.begin(), input.end());
  for (LayerId id = 1; id <= network.output(); ++id) {
    const Layer& layer = network.layer(id);
    std::vector<float>& y = tensors_[static_cast<std::size_t>(id)];
    y.assign(static_cast<std::size_t>(layer.out.elements()), 0.0F);
    switch (layer.kind) {
      case LayerKind::conv:
      case LayerKind::fc:
      case LayerKind::linear:
        conv(id, y);
        break;
      case LayerKind::matmul:
        matmul(id, y);
        break;
      case LayerKind::max_pool:
      case LayerKind::avg_pool:
        pool(id, y);
        break;
      default:
        rows(id, y);
    }
    activate(layer.activation, y);
  }
  return tensors_.back();
}

void FloatExecutor::conv(LayerId id, std::vector<float>& y) {
  const Network& network = model_.network;
  const Layer& l = network.layer(id);
  const FloatParameters& p = model_.parameters[static_cast<std::size_t>(id)];
  const std::vector<float>& x = operand(id);
  const MatrixShape m = matrix_shape(network, id);
  const auto rows = static_cast<std::size_t>(m.rows);
  const auto cols = static_cast<std::size_t>(m.cols);
  const auto channels = static_cast<std::size_t>(l.out.channels);
  const Shape& in = network.in_shape(id);
  const Window& w = l.window;
  const auto part = static_cast<std::size_t>(in.channels / l.groups);
  for (std::int64_t first = 0; first < m.positions; first += kBlock) {
    const auto count = static_cast<std::size_t>(std::min(kBlock, m.positions - first));
    for (std::size_t group = 0; group < static_cast<std::size_t>(m.groups); ++group) {
      const float* vectors = x.data() + static_cast<std::size_t>(first) * rows;
      if (l.kind == LayerKind::conv) {
        patches_.assign(count * rows, 0.0F);
        float* to = patches_.data();
        for (std::size_t k = 0; k < count; ++k) {
          const std::int64_t position = first + static_cast<std::int64_t>(k);
          const std::int64_t top = position / l.out.width * w.stride_h - w.pad_top;
          const std::int64_t left = position % l.out.width * w.stride_w - w.pad_left;
          for (int ky = 0; ky < w.kernel_h; ++ky) {
            const std::int64_t iy = top + std::int64_t{ky} * w.dilation_h;
            for (int kx = 0; kx < w.kernel_w; ++kx, to += part) {
              const std::int64_t ix = left + std::int64_t{kx} * w.dilation_w;
              if (iy >= 0 && iy < in.height && ix >= 0 && ix < in.width) {
                const auto pixel = static_cast<std::size_t>((iy * in.width + ix) * in.channels);
                std::copy_n(x.data() + pixel + group * part, part, to);
              }
            }
          }
        }
        vectors = patches_.data();
      }
      product(vectors,
              count,
              p.weights.data() + group * cols * rows,
              cols,
              rows,
              y.data() + static_cast<std::size_t>(first) * channels + group * cols,
              channels);
    }
  }
  for (std::size_t i = 0; i < y.size() && !p.bias.empty(); ++i) {
    y[i] += p.bias[i % channels];
  }
}

void FloatExecutor::matmul(LayerId id, std::vector<float>& y) const {
  const Network& network = model_.network;
  const Layer& l = network.layer(id);
  const std::vector<float>& a = operand(id, 0);
  const std::vector<float>& b = operand(id, 1);
  const auto heads = static_cast<std::size_t>(l.heads);
  const auto a_channels = static_cast<std::size_t>(network.in_shape(id, 0).channels);
  const auto b_channels = static_cast<std::size_t>(network.in_shape(id, 1).channels);
  const auto channels = static_cast<std::size_t>(l.out.channels);
  const std::size_t inner = a_channels / heads;
  const std::size_t cols = channels / heads;
  // One head's operand b as columns.
  std::vector<float> columns(cols * inner);
  std::vector<float> row(inner);
  for (std::size_t head = 0; head < heads; ++head) {
    for (std::size_t j = 0; j < cols; ++j) {
      for (std::size_t r = 0; r < inner; ++r) {
        columns[j * inner + r] = l.transpose_b ? b[j * b_channels + head * inner + r]
                                               : b[r * b_channels + head * cols + j];
      }
    }
    for (std::size_t i = 0; i < static_cast<std::size_t>(l.out.positions()); ++i) {
      std::copy_n(a.data() + i * a_channels + head * inner, inner, row.data());
      product(row.data(),
              1,
              columns.data(),
              cols,
              inner,
              y.data() + i * channels + head * cols,
              channels);
    }
  }
}

void FloatExecutor::pool(LayerId id, std::vector<float>& y) const {
  const Layer& l = model_.network.layer(id);
  const Window& w = l.window;
  const Shape& in = model_.network.in_shape(id);
  const std::vector<float>& x = operand(id);
  const bool is_max = l.kind == LayerKind::max_pool;
  const double taps = w.kernel_h * w.kernel_w;
  const auto channels = static_cast<std::size_t>(in.channels);
  std::vector<double> best(channels);
  double start = 0.0;
  if (is_max) {
    start = -HUGE_VAL;
  }
  for (int oy = 0; oy < l.out.height; ++oy) {
    for (int ox = 0; ox < l.out.width; ++ox) {
      std::fill(best.begin(), best.end(), start);
      for (int ky = 0; ky < w.kernel_h; ++ky) {
        for (int kx = 0; kx < w.kernel_w; ++kx) {
          const int iy = oy * w.stride_h + ky * w.dilation_h - w.pad_top;
          const int ix = ox * w.stride_w + kx * w.dilation_w - w.pad_left;
          if (iy < 0 || iy >= in.height || ix < 0 || ix >= in.width) {
            continue;
          }
          const float* from =
              x.data() + static_cast<std::size_t>(std::int64_t{iy} * in.width + ix) * channels;
          for (std::size_t c = 0; c < channels; ++c) {
            const auto v = static_cast<double>(from[c]);
            best[c] = is_max ? std::max(best[c], v) : best[c] + v;
          }
        }
      }
      float* to =
          y.data() + static_cast<std::size_t>(std::int64_t{oy} * l.out.width + ox) * channels;
      for (std::size_t c = 0; c < channels; ++c) {
        to[c] = static_cast<float>(is_max ? best[c] : best[c] / taps);
      }
    }
  }
}

void FloatExecutor::rows(LayerId id, std::vector<float>& y) const {
  const Network& network = model_.network;
  const Layer& l = network.layer(id);
  const FloatParameters& parameters = model_.parameters[static_cast<std::size_t>(id)];
  const std::vector<float>& x = operand(id);
  const auto channels = static_cast<std::size_t>(l.out.channels);
  const auto positions = static_cast<std::size_t>(l.out.positions());
  switch (l.kind) {
    case LayerKind::flatten:
    case LayerKind::activation:
      y = x;
      return;
    case LayerKind::add:
      std::transform(x.begin(), x.end(), operand(id, 1).begin(), y.begin(), std::plus<>());
      return;
    case LayerKind::concat: {
      std::size_t begin = 0;
      for (std::size_t k = 0; k < l.inputs.size(); ++k) {
        const auto part = static_cast<std::size_t>(network.in_shape(id, k).channels);
        for (std::size_t p = 0; p < positions; ++p) {
          std::copy_n(operand(id, k).data() + p * part, part, y.data() + p * channels + begin);
        }
        begin += part;
      }
      return;
    }
    case LayerKind::class_token:
      std::copy(x.begin(),
                x.end(),
                std::copy(parameters.embedding.begin(), parameters.embedding.end(), y.begin()));
      return;
    case LayerKind::position_embedding:
      std::transform(x.begin(), x.end(), parameters.embedding.begin(), y.begin(), std::plus<>());
      return;
    case LayerKind::layer_norm:
      for (std::size_t p = 0; p < positions; ++p) {
        layer_norm(std::span(x).subspan(p * channels, channels),
                   static_cast<double>(parameters.epsilon),
                   std::span(y).subspan(p * channels, channels));
      }
      return;
    case LayerKind::softmax: {
      const std::size_t row = channels / static_cast<std::size_t>(l.heads);
      for (std::size_t first = 0; first < y.size(); first += row) {
        softmax(std::span(x).subspan(first, row),
                static_cast<double>(parameters.factor),
                std::span(y).subspan(first, row));
      }
      return;
    }
    case LayerKind::slice: {
      const auto from = static_cast<std::size_t>(network.in_shape(id).channels);
      for (std::size_t p = 0; p < positions; ++p) {
        const auto first = static_cast<std::size_t>(l.slice_begin);
        const std::size_t begin = l.slice_positions ? (p + first) * from : p * from + first;
        std::copy_n(x.data() + begin, channels, y.data() + p * channels);
      }
      return;
    }
    default:
      throw InternalError("workloads/float_executor", -1, "no rule for layer " + l.name);
  }
}

}  // namespace tessera
