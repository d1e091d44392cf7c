// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "mapper/accuracy/sqnr.hpp"

#include "sim/base/math.hpp"
#include "sim/base/rng.hpp"
#include "workloads/float_executor.hpp"
#include "workloads/parameters.hpp"
#include "workloads/quantize.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numbers>
#include <utility>

namespace tessera::mapper {
namespace {

constexpr int kSignalBits = 16;
constexpr std::int64_t kMaxMeasuredMacs = std::int64_t{1} << 24;
constexpr std::int64_t kMeasuredImages = 4;
constexpr int kClippingPoints = 32;
constexpr double kFullScale = 4;  ///< of a tensor, in units of the spread that quantize.hpp aims at

Network at_signal_bits(Network network) {
  quantize(network, LayerBits{kSignalBits, kSignalBits});
  return network;
}

/// All values, or kSignalSamples of them drawn with replacement.
template <class T>
std::vector<double> sample(const std::vector<T>& values, Rng& rng) {
  if (std::ssize(values) <= kSignalSamples) {
    return {values.begin(), values.end()};
  }
  std::vector<double> out(static_cast<std::size_t>(kSignalSamples));
  for (double& v : out) {
    v = static_cast<double>(
        values[static_cast<std::size_t>(rng.uniform(0, std::ssize(values) - 1))]);
  }
  return out;
}

void append(std::vector<double>& to, const std::vector<double>& values) {
  to.insert(to.end(), values.begin(), values.end());
}

// ---- drawn signals

using Samples = std::vector<double>;

double mean(const Samples& x) {
  double sum = 0;
  for (const double v : x) {
    sum += v;
  }
  return sum / static_cast<double>(x.size());
}

/// Root of the mean of (x - center)^2; 1 for a signal that does not vary, so that it can divide.
double spread(const Samples& x, double center) {
  double sum = 0;
  for (const double v : x) {
    sum += (v - center) * (v - center);
  }
  return sum > 0 ? std::sqrt(sum / static_cast<double>(x.size())) : 1;
}

/// The activation of a value whose spread is 1; GELU and sigmoid read wider ones (quantize.hpp).
double activated(double z, Activation activation) {
  z = std::clamp(z, -kFullScale, kFullScale);
  switch (activation) {
    case Activation::none:
      break;
    case Activation::relu:
    case Activation::relu6:
      return std::max(z, 0.0);
    case Activation::gelu:
      return z * (1 + std::erf(2 * z / std::numbers::sqrt2));
    case Activation::sigmoid:
      return 1 / (1 + std::exp(-1.5 * z));
    case Activation::tanh:
      return std::tanh(z);
  }
  return z;
}

/// Draws every tensor of a network once, from those it is computed from.
class Drawer {
 public:
  Drawer(const Network& network, std::uint64_t seed) : network_(network), seed_(seed) {
    for (LayerId id = 0; id <= network.output(); ++id) {
      Rng rng(seed, "signal/" + network.layer(id).name);
      tensors_.push_back(draw(id, rng));
    }
  }

  [[nodiscard]] const Samples& input(LayerId id, std::size_t operand = 0) const {
    return tensors_[static_cast<std::size_t>(network_.layer(id).inputs[operand])];
  }

 private:
  Samples draw(LayerId id, Rng& rng) const {
    const Layer& layer = network_.layer(id);
    switch (layer.kind) {
      case LayerKind::input:
        return image(layer, rng);
      case LayerKind::conv:
      case LayerKind::fc:
      case LayerKind::linear:
      case LayerKind::matmul:
        return normal(layer, rng);
      case LayerKind::add: {
        Samples x = input(id, 0);
        const Samples& y = input(id, 1);
        for (double& v : x) {
          v += pick(y, rng);
        }
        return rescaled(std::move(x), layer.activation);
      }
      case LayerKind::activation:
        return rescaled(input(id), layer.activation);
      case LayerKind::max_pool:
        return pooled(input(id), layer.window, rng);
      case LayerKind::avg_pool: {
        // Neighbours are neither independent nor equal: in between, as in quantize.cpp.
        const double taps = layer.window.kernel_h * layer.window.kernel_w;
        Samples x = input(id);
        const double center = mean(x);
        for (double& v : x) {
          v = center + (v - center) / std::sqrt(std::sqrt(taps));
        }
        return x;
      }
      case LayerKind::concat: {
        Samples x(input(id).size());
        for (double& v : x) {
          auto channel = rng.uniform(0, layer.out.channels - 1);
          std::size_t k = 0;
          while (channel >= network_.in_shape(id, k).channels) {
            channel -= network_.in_shape(id, k++).channels;
          }
          v = pick(input(id, k), rng);
        }
        return x;
      }
      case LayerKind::layer_norm: {
        Samples x = input(id);
        const double center = mean(x);
        const double sigma = spread(x, center);
        for (double& v : x) {
          v = activated((v - center) / sigma, Activation::none);
        }
        return x;
      }
      case LayerKind::softmax:
        return softmax(input(id), layer.out.channels / layer.heads);
      case LayerKind::position_embedding: {
        // Uniform over half of the range, as synthetic_parameters() is.
        Samples x = input(id);
        for (double& v : x) {
          v += (rng.uniform01() - 0.5) * kFullScale;
        }
        return rescaled(std::move(x), layer.activation);
      }
      case LayerKind::class_token:  // one position of many
      case LayerKind::flatten:
      case LayerKind::slice:
        break;
    }
    return input(id);
  }

  Samples image(const Layer& layer, Rng& rng) const {
    // Centers of the tensor's range are at half of kFullScale or at 0: additions find all operands
    // on one scale.
    const double unit =
        kFullScale / static_cast<double>(max_value(layer.out_bits, layer.out_signed));
    Samples x = sample(synthetic_input(network_, seed_, 0), rng);
    for (double& v : x) {
      v *= unit;
    }
    return resized(std::move(x), rng);
  }

  static double pick(const Samples& x, Rng& rng) {
    return x[static_cast<std::size_t>(rng.uniform(0, std::ssize(x) - 1))];
  }

  /// Small images give fewer values than a signal has.
  static Samples resized(Samples x, Rng& rng) {
    const Samples few = x;
    while (std::ssize(x) < kSignalSamples) {
      x.push_back(pick(few, rng));
    }
    return x;
  }

  /// Box-Muller.
  static Samples normal(const Layer& layer, Rng& rng) {
    Samples x(static_cast<std::size_t>(kSignalSamples));
    for (double& v : x) {
      const double radius = std::sqrt(-2 * std::log(1 - rng.uniform01()));
      v = activated(radius * std::cos(2 * std::numbers::pi * rng.uniform01()), layer.activation);
    }
    return x;
  }

  static Samples rescaled(Samples x, Activation activation) {
    const double rms = spread(x, 0);
    for (double& v : x) {
      v = activated(v / rms, activation);
    }
    return x;
  }

  static Samples pooled(const Samples& x, const Window& window, Rng& rng) {
    Samples out = x;
    for (double& v : out) {
      for (int tap = 1; tap < window.kernel_h * window.kernel_w; ++tap) {
        v = std::max(v, pick(x, rng));
      }
    }
    return out;
  }

  /// Scores spread by 4; consecutive samples stand for the scores of one row.
  static Samples softmax(Samples x, int row) {
    const double scale = 4 / spread(x, 0);
    const std::size_t step = std::min(static_cast<std::size_t>(row), x.size());
    for (std::size_t begin = 0; begin < x.size(); begin += step) {
      const std::size_t end = std::min(begin + step, x.size());
      double sum = 0;
      for (std::size_t i = begin; i < end; ++i) {
        x[i] = std::exp(scale * x[i]);
        sum += x[i];
      }
      for (std::size_t i = begin; i < end; ++i) {
        x[i] /= sum;
      }
    }
    return x;
  }

  const Network& network_;
  std::uint64_t seed_;
  std::vector<Samples> tensors_;
};

// ---- the quantizer

/// Mean squared error of rounding to multiples lo..hi of `scale`.
double squared_error(std::span<const double> signal, double scale, int lo, int hi) {
  const double inverse = 1 / scale;
  double sum = 0;
  for (const double v : signal) {
    const double x = std::clamp(v * inverse, static_cast<double>(lo), static_cast<double>(hi));
    const double code = static_cast<int>(x + (x < 0 ? -0.5 : 0.5));
    const double error = v - code * scale;
    sum += error * error;
  }
  return sum / static_cast<double>(signal.size());
}

double clipping_point(double limit, int k) {
  return limit * k / kClippingPoints;
}

/// Mean squared error of clipping alone, at [k].
std::vector<double> clipping_errors(std::span<const double> signal, double limit) {
  std::vector<double> out(kClippingPoints + 1);
  for (int k = 1; k <= kClippingPoints; ++k) {
    const double clip = clipping_point(limit, k);
    double sum = 0;
    for (const double v : signal) {
      const double over = std::max(std::abs(v) - clip, 0.0);
      sum += over * over;
    }
    out[static_cast<std::size_t>(k)] = sum / static_cast<double>(signal.size());
  }
  return out;
}

/// The least error of all clipping points; from the widest on, until clipping alone costs more.
double best_squared_error(std::span<const double> signal,
                          double limit,
                          std::span<const double> clipping,
                          bool is_signed,
                          int bits) {
  const int hi = static_cast<int>(max_value(bits, is_signed));
  const int lo = !is_signed ? 0 : bits == 1 ? -1 : -hi;
  double best = std::numeric_limits<double>::infinity();
  for (int k = kClippingPoints; k > 0 && clipping[static_cast<std::size_t>(k)] < best; --k) {
    const double scale = clipping_point(limit, k) / std::max(hi, 1);
    best = std::min(best, squared_error(signal, scale, lo, hi));
  }
  return best;
}

}  // namespace

std::vector<LayerSignal> measured_signals(const Network& network,
                                          const ParameterSource& parameters,
                                          std::span<const std::vector<std::int32_t>> images) {
  const std::vector<LayerId> ids = matrix_layers(network);
  std::vector<LayerSignal> out(ids.size());
  std::vector<Rng> rngs;
  for (std::size_t m = 0; m < ids.size(); ++m) {
    const Layer& layer = network.layer(ids[m]);
    Rng& rng = rngs.emplace_back(1, "signal/" + layer.name);
    out[m].signed_inputs = layer.in_signed;
    if (!layer.has_dynamic_weights()) {
      out[m].weights = sample(parameters(ids[m]).weights, rng);
    }
  }
  Golden golden(network, parameters);
  for (const std::vector<std::int32_t>& image : images) {
    golden.run(image);
    for (std::size_t m = 0; m < ids.size(); ++m) {
      const Layer& layer = network.layer(ids[m]);
      append(out[m].inputs, sample(golden.tensor(layer.inputs[0]), rngs[m]));
      if (layer.has_dynamic_weights()) {
        append(out[m].weights, sample(golden.tensor(layer.inputs[1]), rngs[m]));
      }
    }
  }
  return out;
}

std::vector<LayerSignal> float_signals(const FloatModel& model,
                                       std::span<const std::vector<float>> images,
                                       bool input_signed) {
  Network network = model.network;
  network.layers.front().out_signed = input_signed;
  network = at_signal_bits(std::move(network));
  FloatExecutor executor(model);
  std::vector<LayerSignal> out;
  std::vector<Rng> rngs;
  const std::vector<LayerId> ids = matrix_layers(network);
  for (const LayerId id : ids) {
    Rng& rng = rngs.emplace_back(1, "signal/" + network.layer(id).name);
    LayerSignal& signal = out.emplace_back();
    signal.signed_inputs = network.layer(id).in_signed;
    signal.weights = sample(model.parameters[static_cast<std::size_t>(id)].weights, rng);
  }
  for (const std::vector<float>& image : images) {
    executor.run(image);
    for (std::size_t m = 0; m < ids.size(); ++m) {
      const Layer& layer = network.layer(ids[m]);
      append(out[m].inputs, sample(executor.tensor(layer.inputs[0]), rngs[m]));
      if (layer.has_dynamic_weights()) {
        append(out[m].weights, sample(executor.tensor(layer.inputs[1]), rngs[m]));
      }
    }
  }
  return out;
}

std::vector<LayerSignal> drawn_signals(const Network& network, std::uint64_t seed) {
  const Network wide = at_signal_bits(network);
  const Drawer drawer(wide, seed);
  std::vector<LayerSignal> out;
  for (const LayerId id : matrix_layers(wide)) {
    const Layer& layer = wide.layer(id);
    LayerSignal& signal = out.emplace_back();
    signal.inputs = drawer.input(id);
    signal.signed_inputs = layer.in_signed;
    if (layer.has_dynamic_weights()) {
      signal.weights = drawer.input(id, 1);
    } else {
      const auto weights = synthetic_weights(wide, id, seed, kSignalSamples);
      signal.weights.assign(weights.begin(), weights.end());
    }
  }
  return out;
}

std::vector<LayerSignal> synthetic_signals(const Network& network, std::uint64_t seed) {
  if (total_macs(network) > kMaxMeasuredMacs) {
    return drawn_signals(network, seed);
  }
  const Network wide = at_signal_bits(network);
  std::vector<std::vector<std::int32_t>> images;
  for (std::int64_t image = 0; image < kMeasuredImages; ++image) {
    images.push_back(synthetic_input(wide, seed, image));
  }
  return measured_signals(
      wide, [&](LayerId id) { return synthetic_parameters(wide, id, seed); }, images);
}

std::vector<double> noise_to_signal(std::span<const double> signal, bool is_signed, int max_bits) {
  double power = 0;
  double limit = 0;
  for (const double v : signal) {
    power += v * v / static_cast<double>(signal.size());
    limit = std::max(limit, std::abs(v));
  }
  const std::vector<double> clipping = clipping_errors(signal, limit);
  std::vector<double> out;
  for (int bits = 1; bits <= max_bits; ++bits) {
    const double ratio =
        limit > 0 ? best_squared_error(signal, limit, clipping, is_signed, bits) / power : 0;
    out.push_back(out.empty() ? ratio : std::min(ratio, out.back()));
  }
  return out;
}

std::vector<LayerNoise> noise_of(std::span<const LayerSignal> signals, int max_bits) {
  std::vector<LayerNoise> out;
  for (const LayerSignal& signal : signals) {
    out.push_back({noise_to_signal(signal.weights, true, max_bits),
                   noise_to_signal(signal.inputs, signal.signed_inputs, max_bits)});
  }
  return out;
}

Sensitivity sqnr_sensitivity(std::span<const LayerNoise> noise, const LayerWidths& widths) {
  std::vector<std::vector<WidthLoss>> layers;
  for (std::size_t m = 0; m < noise.size(); ++m) {
    const auto nsr = [&](LayerBits bits) {
      return noise[m].weights[static_cast<std::size_t>(bits.w_bits) - 1] +
             noise[m].inputs[static_cast<std::size_t>(bits.a_bits) - 1];
    };
    const double reference = nsr(widest(widths[m]));
    std::vector<WidthLoss>& losses = layers.emplace_back();
    for (const LayerBits bits : widths[m]) {
      losses.push_back({bits, 100 * (nsr(bits) - reference)});
    }
  }
  return {"sqnr", "noise-to-signal, %", std::move(layers)};
}

}  // namespace tessera::mapper
