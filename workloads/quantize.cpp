// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "workloads/quantize.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/math.hpp"
#include "workloads/parameters.hpp"
#include "workloads/scalar_ops.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>

namespace tessera {

namespace {

/// What a tensor holds: 32 equally likely values, ascending.
using Samples = std::array<std::int64_t, 32>;

/// Values of the normal distribution at probabilities (j + 0.5) / 32, upper half.
constexpr std::array<double, 16> kNormal{0.0392,
                                         0.1178,
                                         0.1971,
                                         0.2777,
                                         0.3601,
                                         0.4451,
                                         0.5334,
                                         0.6261,
                                         0.7245,
                                         0.8305,
                                         0.9468,
                                         1.0775,
                                         1.2299,
                                         1.4178,
                                         1.6759,
                                         2.1539};

double normal(std::size_t j) {
  return j < 16 ? -kNormal[15 - j] : kNormal[j - 16];
}

double mean(const Samples& s) {
  double sum = 0;
  for (const std::int64_t v : s) {
    sum += static_cast<double>(v);
  }
  return sum / static_cast<double>(s.size());
}

/// Mean of (v - center)^2.
double second_moment(const Samples& s, double center) {
  double sum = 0;
  for (const std::int64_t v : s) {
    const double d = static_cast<double>(v) - center;
    sum += d * d;
  }
  return sum / static_cast<double>(s.size());
}

/// 32 of many equally likely values.
Samples thin(std::vector<std::int64_t> values) {
  std::sort(values.begin(), values.end());
  Samples s{};
  for (std::size_t j = 0; j < s.size(); ++j) {
    s[j] = values[(2 * j + 1) * values.size() / (2 * s.size())];
  }
  return s;
}

/// f(x, y) of independent x and y.
template <class F>
Samples combine(const Samples& xs, const Samples& ys, const F& f) {
  std::vector<std::int64_t> values;
  for (const std::int64_t x : xs) {
    for (const std::int64_t y : ys) {
      values.push_back(f(x, y));
    }
  }
  return thin(std::move(values));
}

int magnitude_bits(const Layer& layer) {
  return layer.out_bits - (layer.out_signed ? 1 : 0);
}

/// The spread that the argument of the activation should have.
double target_sigma(const Layer& layer) {
  const double one =
      static_cast<double>(std::int64_t{1} << activation_fraction(layer.activation, layer.out_bits));
  switch (layer.activation) {
    case Activation::gelu:
      return 2.0 * one;
    case Activation::sigmoid:
      return 1.5 * one;
    case Activation::tanh:
      return one;
    case Activation::none:
    case Activation::relu:
    case Activation::relu6:
      break;
  }
  return std::max(0.5, std::ldexp(0.25, magnitude_bits(layer)));
}

/// multiplier / 2^shift near `scale`.
void set_scale(Layer& layer, double scale) {
  layer.shift = 0;
  while (scale < 128.0 && layer.shift < 60) {
    scale *= 2.0;
    ++layer.shift;
  }
  // A scale of 128 or more as it stands only occurs with tiny sums and wide outputs.
  layer.multiplier = static_cast<int>(std::lround(std::min(scale, 1048576.0)));
}

bool is_one_of(Activation f, std::initializer_list<Activation> list) {
  return std::find(list.begin(), list.end(), f) != list.end();
}

void set_bits(Network& network, const std::vector<LayerBits>& bits) {
  const std::vector<LayerId> ids = matrix_layers(network);
  if (bits.size() != ids.size()) {
    throw InternalError(
        "workloads/quantize",
        -1,
        fmt::format(
            "{} has {} matrix layers, got bits for {}", network.name, ids.size(), bits.size()));
  }
  for (std::size_t k = 0; k < ids.size(); ++k) {
    const LayerBits b = bits[k];
    if (b.w_bits < 1 || b.w_bits > 16 || b.a_bits < 1 || b.a_bits > 16) {
      throw InternalError(
          "workloads/quantize", -1, fmt::format("bits {}/{} outside 1..16", b.w_bits, b.a_bits));
    }
    Layer& layer = network.layers[static_cast<std::size_t>(ids[k])];
    layer.w_bits = b.w_bits;
    layer.a_bits = b.a_bits;
  }
}

/// The largest width that matrix layers read from each tensor, or 0.
std::vector<int> needed_bits(const Network& network) {
  std::vector<int> needed(network.layers.size(), 0);
  for (LayerId id = network.output(); id > 0; --id) {
    const Layer& layer = network.layer(id);
    for (std::size_t k = 0; k < layer.inputs.size(); ++k) {
      const int bits = !layer.is_matrix() ? needed[static_cast<std::size_t>(id)]
                       : k == 0           ? layer.a_bits
                                          : layer.w_bits;
      int& most = needed[static_cast<std::size_t>(layer.inputs[k])];
      most = std::max(most, bits);
    }
  }
  return needed;
}

class Quantizer {
 public:
  explicit Quantizer(Network& network) : network_(network) {
    samples_.resize(network.layers.size());
  }

  void run() {
    for (LayerId id = 0; id <= network_.output(); ++id) {
      samples_[static_cast<std::size_t>(id)] = set_scales(id, at(id));
    }
  }

 private:
  Layer& at(LayerId id) { return network_.layers[static_cast<std::size_t>(id)]; }

  /// The layer that produces operand k of `id`.
  Layer& operand(LayerId id, std::size_t k = 0) { return at(network_.layer(id).inputs[k]); }

  const Samples& input(LayerId id, std::size_t k = 0) {
    return samples_[static_cast<std::size_t>(network_.layer(id).inputs[k])];
  }

  Samples set_scales(LayerId id, Layer& layer) {
    switch (layer.kind) {
      case LayerKind::input: {
        // Uniform over the range, as synthetic_input() is.
        const std::int64_t low = min_value(layer.out_bits, layer.out_signed);
        Samples s{};
        for (std::size_t j = 0; j < s.size(); ++j) {
          s[j] = low + ((static_cast<std::int64_t>(2 * j + 1) << layer.out_bits) / 64);
        }
        return s;
      }
      case LayerKind::conv:
      case LayerKind::fc:
      case LayerKind::linear:
      case LayerKind::matmul:
        return matrix(id, layer);
      case LayerKind::max_pool: {
        // The largest of k^2 independent values, as pairwise maxima.
        Samples s = input(id);
        for (int n = 2; n <= layer.window.kernel_h * layer.window.kernel_w; n *= 2) {
          s = combine(s, s, [](std::int64_t x, std::int64_t y) { return std::max(x, y); });
        }
        return s;
      }
      case LayerKind::avg_pool:
        return average(id, layer);
      case LayerKind::add:
        return add(id, layer);
      case LayerKind::concat: {
        std::vector<std::int64_t> values;
        for (std::size_t k = 0; k < layer.inputs.size(); ++k) {
          const std::array<int, 32> one = aligned(layer, operand(id, k), input(id, k));
          values.insert(values.end(), one.begin(), one.end());
        }
        return thin(std::move(values));
      }
      case LayerKind::class_token:  // one position of many
        return widen(aligned(layer, operand(id), input(id)));
      case LayerKind::position_embedding:
        return embed(id, layer);
      case LayerKind::activation: {
        const double rms = std::sqrt(second_moment(input(id), 0.0));
        if (rms > 0.0) {
          set_scale(layer, target_sigma(layer) / rms);
        }
        Samples s{};
        for (std::size_t j = 0; j < s.size(); ++j) {
          s[j] = finish(layer, rescale(input(id)[j], layer.multiplier, layer.shift));
        }
        return ascending(s);
      }
      case LayerKind::layer_norm: {
        std::array<std::int32_t, 32> y{};
        layer_norm_row(narrow32(input(id)), layer.out_bits, y);
        return widen(y);
      }
      case LayerKind::softmax:
        return softmax(id, layer);
      case LayerKind::flatten:
      case LayerKind::slice:
        break;
    }
    return input(id);
  }

  Samples matrix(LayerId id, Layer& layer) {
    const MatrixShape m = matrix_shape(network_, id);
    const Layer& producer = operand(id);
    Samples x = input(id);
    for (std::int64_t& v : x) {
      v = narrow(v, producer.out_bits, layer.a_bits, producer.out_signed);
    }
    // Rare values may be missing among 32: hence the floor of 1/32 under the mean squares.
    double weight_square = 0.5;  // of {-1, 0}
    if (layer.has_dynamic_weights()) {
      Samples w = input(id, 1);
      for (std::int64_t& v : w) {
        v = narrow_weight(v, operand(id, 1).out_bits, operand(id, 1).out_signed, layer.w_bits);
      }
      weight_square = std::max(second_moment(w, 0.0), 1.0 / 32.0);
    } else if (layer.w_bits > 1) {
      const auto high = static_cast<double>(max_value(layer.w_bits, true));
      weight_square = high * (high + 1.0) / 3.0;  // uniform in [-high, high]
    }
    if (layer.has_bias || layer.has_batch_norm) {
      layer.center = static_cast<int>(std::lround(256.0 * mean(x)));
    }
    const double sigma = std::sqrt(static_cast<double>(m.rows) * weight_square *
                                   std::max(second_moment(x, layer.center / 256.0), 1.0 / 32.0));
    if (gives_sums(network_, id)) {
      const int bits =
          layer.w_bits + layer.a_bits + ceil_log2(static_cast<std::uint64_t>(m.rows)) + 1;
      layer.shift = std::max(0, bits - 32);
    } else {
      set_scale(layer, target_sigma(layer) / sigma);
    }
    Samples s{};
    for (std::size_t j = 0; j < s.size(); ++j) {
      s[j] = finish(layer, rescale(std::llround(sigma * normal(j)), layer.multiplier, layer.shift));
    }
    return ascending(s);
  }

  Samples average(LayerId id, Layer& layer) {
    const int taps = layer.window.kernel_h * layer.window.kernel_w;
    set_scale(layer, std::ldexp(1.0 / taps, magnitude_bits(layer) - magnitude_bits(operand(id))));
    // Neighbours are neither independent (spread / sqrt(taps)) nor equal (spread): in between.
    const double center = mean(input(id));
    const double shrink = 1.0 / std::sqrt(std::sqrt(static_cast<double>(taps)));
    Samples s{};
    for (std::size_t j = 0; j < s.size(); ++j) {
      const double v = center + (static_cast<double>(input(id)[j]) - center) * shrink;
      s[j] = finish(layer, rescale(std::llround(v * taps), layer.multiplier, layer.shift));
    }
    return s;
  }

  Samples add(LayerId id, Layer& layer) {
    const int a = magnitude_bits(operand(id, 0));
    const int b = magnitude_bits(operand(id, 1));
    layer.a_multiplier = 1 << std::max(0, b - a);
    layer.b_multiplier = 1 << std::max(0, a - b);
    const auto sum = [&](std::int64_t x, std::int64_t y) {
      return x * layer.a_multiplier + y * layer.b_multiplier;
    };
    const double rms = std::sqrt(second_moment(combine(input(id, 0), input(id, 1), sum), 0.0));
    if (rms > 0.0) {
      layer.shift = static_cast<int>(std::lround(std::log2(rms / target_sigma(layer))));
    }
    if (layer.shift < 0) {  // an output wider than both operands
      layer.a_multiplier <<= -layer.shift;
      layer.b_multiplier <<= -layer.shift;
      layer.shift = 0;
    }
    return combine(input(id, 0), input(id, 1), [&](std::int64_t x, std::int64_t y) {
      return finish(layer, round_shift(sum(x, y), layer.shift));
    });
  }

  Samples embed(LayerId id, Layer& layer) {
    const std::int64_t spread = embedding_spread(network_, id);
    Samples e{};  // uniform
    for (std::size_t j = 0; j < e.size(); ++j) {
      e[j] = (2 * static_cast<std::int64_t>(j) - 31) * spread / 32;
    }
    const double rms = std::sqrt(second_moment(combine(input(id), e, std::plus<>()), 0.0));
    if (rms > 0.0) {
      set_scale(layer, target_sigma(layer) / rms);
    }
    return combine(input(id), e, [&](std::int64_t x, std::int64_t v) {
      return finish(layer, rescale(x + v, layer.multiplier, layer.shift));
    });
  }

  Samples softmax(LayerId id, Layer& layer) {
    // Scores spread by about 4, so that every token looks at a few others: with flat attention the
    // tokens of a deep network with random weights soon become equal.
    const double sigma = std::sqrt(second_moment(input(id), mean(input(id))));
    layer.shift = sigma < 4.0 ? 0 : static_cast<int>(std::lround(std::log2(sigma / 4.0)));
    const auto row = static_cast<std::size_t>(layer.out.channels / layer.heads);
    std::vector<std::int32_t> x(row);
    for (std::size_t c = 0; c < row; ++c) {
      x[c] = static_cast<std::int32_t>(input(id)[(2 * c + 1) * 32 / (2 * row)]);
    }
    std::vector<std::int32_t> y(row);
    softmax_row(x, layer.shift, layer.out_bits, y);
    return thin({y.begin(), y.end()});
  }

  static std::int64_t finish(const Layer& layer, std::int64_t t) {
    return clamp_to(
        activate(t, layer.activation, layer.out_bits), layer.out_bits, layer.out_signed);
  }

  static Samples ascending(Samples s) {
    std::sort(s.begin(), s.end());
    return s;
  }

  static std::array<std::int32_t, 32> narrow32(const Samples& s) {
    std::array<std::int32_t, 32> v{};
    std::transform(
        s.begin(), s.end(), v.begin(), [](std::int64_t x) { return static_cast<std::int32_t>(x); });
    return v;
  }

  static Samples widen(const std::array<std::int32_t, 32>& v) {
    Samples s{};
    std::copy(v.begin(), v.end(), s.begin());
    return s;
  }

  static std::array<std::int32_t, 32> aligned(const Layer& layer,
                                              const Layer& from,
                                              const Samples& s) {
    std::array<std::int32_t, 32> y{};
    concat_row(layer, from, narrow32(s), y);
    return y;
  }

  Network& network_;
  std::vector<Samples> samples_;
};

}  // namespace

bool keeps_format(LayerKind kind) {
  return kind == LayerKind::max_pool || kind == LayerKind::flatten || kind == LayerKind::slice;
}

int operand_codes(const Network& network, LayerId layer) {
  const Layer& reader = network.layer(layer);
  LayerId from = reader.inputs[0];
  while (keeps_format(network.layer(from).kind)) {
    from = network.layer(from).inputs[0];
  }
  const Layer& tensor = network.layer(from);
  if (tensor.out_codes == 0) {
    return 0;
  }
  const std::vector<std::int32_t>& book = tensor.codebook;
  const bool pads = reader.kind == LayerKind::conv && reader.window.pads() && !book.empty() &&
                    !std::binary_search(book.begin(), book.end(), reader.pad_value);
  return tensor.out_codes + (pads ? 1 : 0);
}

bool gives_sums(const Network& network, LayerId id) {
  const Layer& layer = network.layer(id);
  return id == network.output() && layer.is_matrix() &&
         is_one_of(layer.activation, {Activation::none, Activation::relu});
}

void set_widths(Network& network, const std::vector<LayerBits>& per_matrix_layer) {
  set_bits(network, per_matrix_layer);
  const std::vector<int> needed = needed_bits(network);
  for (LayerId id = 0; id <= network.output(); ++id) {
    Layer& layer = network.layers[static_cast<std::size_t>(id)];
    layer.shift = 0;
    layer.multiplier = 1;
    layer.center = 0;
    layer.a_multiplier = 1;
    layer.b_multiplier = 1;
    layer.pad_value = 0;
    if (layer.kind == LayerKind::input) {
      continue;
    }
    const Layer& first = network.layer(layer.inputs[0]);
    layer.in_signed = first.out_signed;
    const int bits = needed[static_cast<std::size_t>(id)];
    layer.out_bits = keeps_format(layer.kind) ? first.out_bits : bits == 0 ? 8 : bits;
    if (layer.kind == LayerKind::softmax ||
        is_one_of(layer.activation, {Activation::relu, Activation::relu6, Activation::sigmoid})) {
      layer.out_signed = false;
    } else if (layer.is_matrix() || layer.kind == LayerKind::layer_norm || layer.has_embedding() ||
               is_one_of(layer.activation, {Activation::gelu, Activation::tanh})) {
      layer.out_signed = true;
    } else {
      layer.out_signed =
          std::any_of(layer.inputs.begin(), layer.inputs.end(), [&](LayerId operand) {
            return network.layer(operand).out_signed;
          });
    }
    if (gives_sums(network, id)) {
      layer.out_bits = 32;
      layer.out_signed = true;
    }
  }
}

std::vector<LayerBits> widths_of(const Network& network) {
  std::vector<LayerBits> bits;
  for (const LayerId id : matrix_layers(network)) {
    bits.push_back({network.layer(id).w_bits, network.layer(id).a_bits});
  }
  return bits;
}

void quantize(Network& network, const std::vector<LayerBits>& per_matrix_layer) {
  set_widths(network, per_matrix_layer);
  Quantizer(network).run();
}

void quantize(Network& network, LayerBits bits) {
  quantize(network, std::vector<LayerBits>(matrix_layers(network).size(), bits));
}

}  // namespace tessera
