// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// A Network as a torch graph, in real numbers or with the rounding of its integers. Private to
/// this folder and its tests: it includes torch.
///
/// Shapes   images and tensors are [image][height][width][channels] float32; weights lie as in
///          FloatParameters, [groups * cols][rows], and are brought into torch's order where they
///          are used (Net::conv), nowhere else
/// Numbers  with a QuantPlan, tensors hold the integers of workloads/README.md "Numbers" as floats,
///          and their scales are tensors of their own: the forward pass computes
///            narrowed input, quantized weight, rounded bias -> accumulator -> real value =
///            accumulator * weight scale * input scale -> activation -> round and clamp to the
///            output's scale,
///          which is the integer network but for the 16 bits of its multipliers, sums beyond 24
///          bits, and position embeddings, which are not rounded: integers have them on the scale
///          of the sum. Differentiated with rounding passed straight through, a scale s gets the
///          gradient
///            dq/ds = round(v/s) - v/s inside the range, the clipping integer outside:
///          the one of LSQ (Esser et al., "Learned Step Size Quantization", ICLR 2020, eq. 3)
/// Ranges   what is learned is the binary logarithm of a range (full scale), as in TQT (Jain et
/// al.,
///          "Trained Quantization Thresholds", MLSys 2020, section 3.2): steps are relative and a
///          scale stays positive
#pragma once

#include "workloads/float_model.hpp"
#include "workloads/network.hpp"
#include "workloads/train/plan.hpp"

// The first one first: clang wants complete types in vectors.
// clang-format off
#include <ATen/core/ivalue.h>
#include <ATen/ATen.h>
// clang-format on

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace tessera::train {

/// A tensor that training keeps, by name: "conv1/weights".
struct Named {
  std::string name;
  at::Tensor tensor;
};

struct ForwardOptions {
  bool training = false;         ///< batch norm takes the batch's statistics, noise is drawn
  std::uint64_t noise_seed = 1;  ///< of this pass
};

class Net {
 public:
  /// Fresh weights from streams "initial/<layer>": uniform in +-sqrt(6 / rows) (He et al., ICCV
  /// 2015, eq. 10), +-sqrt(3 / rows) where no ReLU follows; biases 0; embeddings
  /// uniform with a standard deviation of 0.02.
  Net(const Network& network, std::uint64_t seed);

  /// Given weights; batch norms are folded in them already.
  explicit Net(const FloatModel& model);

  /// From here on with integers. The ranges of `plan` become parameters. Batch norms must be
  /// folded.
  void quantize(const QuantPlan& plan);

  /// Real values of the output, [image][height * width * channels].
  at::Tensor forward(const at::Tensor& images, const ForwardOptions& options = {});

  /// What the optimizer changes: weights, biases, batch norms, embeddings; in network order.
  [[nodiscard]] const std::vector<Named>& parameters() const { return parameters_; }

  /// Learned ranges, log2; empty without a plan.
  [[nodiscard]] const std::vector<Named>& ranges() const { return ranges_; }

  /// Running statistics of batch norms; codebooks.
  [[nodiscard]] const std::vector<Named>& buffers() const { return buffers_; }

  /// Weights of layers with weights, in network order.
  [[nodiscard]] std::vector<at::Tensor> weights() const;

  /// The network in real numbers, batch norms folded.
  [[nodiscard]] FloatModel to_model() const;

  /// The plan with the scales learned so far.
  [[nodiscard]] QuantPlan plan() const;

 private:
  struct LayerTensors {
    at::Tensor weights, bias;                ///< [groups * cols][rows]; [groups * cols]
    at::Tensor gamma, beta, mean, variance;  ///< batch norm
    at::Tensor codebook;                     ///< its entries, ascending
    at::Tensor embedding;                    ///< [positions][channels]
    float factor = 1;                        ///< softmax
    float epsilon = 0;                       ///< layer_norm
  };

  /// Values of one layer. In real numbers when `scale` is undefined; else integers.
  struct Value {
    at::Tensor values;
    at::Tensor scale;  ///< one number
    std::int64_t zero = 0;
    int bits = 0;
    bool is_signed = false;

    [[nodiscard]] at::Tensor offset() const;  ///< without the zero point
    [[nodiscard]] at::Tensor real() const;
  };

  /// What a matrix multiplies: integers without zero point and their scale, or real numbers.
  struct Operand {
    at::Tensor values;
    at::Tensor scale;
    at::Tensor raw{};  ///< integers as the chip has them: zero point in, no noise
    std::int64_t zero = 0;
  };

  void add_parameter(const std::string& name, at::Tensor& tensor);
  void add_embedding(LayerId id, std::span<const float> values);
  [[nodiscard]] at::Tensor scale_of(const TensorPlan& plan) const;
  [[nodiscard]] Operand narrowed(const Value& x, int bits) const;
  [[nodiscard]] Operand weights_of(LayerId id, const ForwardOptions& options) const;
  /// A layer's real values, rounded to the format of its tensor; or values * scale, likewise.
  [[nodiscard]] Value finish(LayerId id, const at::Tensor& real) const;
  [[nodiscard]] Value finish(LayerId id, const at::Tensor& values, const at::Tensor& scale) const;
  [[nodiscard]] at::Tensor activated(LayerId id, const at::Tensor& real) const;
  [[nodiscard]] at::Tensor conv(const Layer& layer,
                                const at::Tensor& x,
                                const at::Tensor& weights,
                                const at::Tensor& bias) const;
  [[nodiscard]] at::Tensor pool(const Layer& layer, const at::Tensor& x) const;
  at::Tensor matrix(LayerId id, const std::vector<Value>& values, const ForwardOptions& options);
  [[nodiscard]] at::Tensor matmul(LayerId id, const std::vector<Value>& values) const;
  static Value passed(const Value& x, at::Tensor values);
  /// Input vectors of a matrix layer, [image * position][group][row].
  static at::Tensor patches(const Layer& layer, const at::Tensor& x, std::int64_t zero);

  Network network_;
  std::vector<LayerTensors> tensors_;
  std::vector<Named> parameters_, ranges_, buffers_;
  std::optional<QuantPlan> plan_;
};

/// Images [count][height][width][channels] as a tensor that shares nothing with `values`.
at::Tensor image_tensor(const Shape& shape, std::int64_t count, const float* values);

}  // namespace tessera::train
