// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "workloads/quantization/choose.hpp"

#include "sim/base/math.hpp"
#include "workloads/quantize.hpp"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <optional>

namespace tessera {

namespace {

/// One codebook whose size is chosen: of a layer's weights, or of a tensor that layers read.
struct Knob {
  std::vector<std::size_t> layers;  ///< in codebook_layers()
  bool of_weights = false;
  std::size_t size = 0;         ///< index into the sizes, which ascend
  std::vector<double> noise{};  ///< by size, all other knobs at their largest
  bool is_done = false;
};

LayerId tensor_of(const Network& network, LayerId layer) {
  LayerId from = network.layer(layer).inputs[0];
  while (keeps_format(network.layer(from).kind)) {
    from = network.layer(from).inputs[0];
  }
  return from;
}

class Search {
 public:
  Search(const Network& network, std::vector<std::int64_t> sizes, const CodebookMeasure& measure)
      : network_(network), ids_(codebook_layers(network)), sizes_(std::move(sizes)), ask_(measure) {
    std::sort(sizes_.begin(), sizes_.end());
    sizes_.erase(std::unique(sizes_.begin(), sizes_.end()), sizes_.end());
    std::vector<std::optional<std::size_t>> knob_of(network.layers.size());
    for (std::size_t k = 0; k < ids_.size(); ++k) {
      knobs_.push_back({{k}, true, sizes_.size() - 1});
      auto& knob = knob_of[static_cast<std::size_t>(tensor_of(network, ids_[k]))];
      if (!knob) {
        knob = knobs_.size();
        knobs_.push_back({{}, false, sizes_.size() - 1});
      }
      knobs_[*knob].layers.push_back(k);
    }
  }

  CodebookChoice run(double least_accuracy) {
    CodebookChoice out;
    out.error = measure(knobs_);
    if (out.error.accuracy >= least_accuracy) {
      find_noise(out.error.noise);
      while (Knob* knob = best()) {
        --knob->size;
        const CodebookError error = measure(knobs_);
        if (error.accuracy < least_accuracy) {
          ++knob->size;
          knob->is_done = true;
        } else {
          out.error = error;
        }
      }
    }
    out.sizes = sizes_with(knobs_);
    out.bits = bits(knobs_);
    out.measured = measured_;
    return out;
  }

 private:
  CodebookError measure(const std::vector<Knob>& knobs) {
    ++measured_;
    return ask_(sizes_with(knobs));
  }

  [[nodiscard]] std::vector<CodebookSizes> sizes_with(const std::vector<Knob>& knobs) const {
    std::vector<CodebookSizes> out(ids_.size());
    for (const Knob& knob : knobs) {
      for (const std::size_t k : knob.layers) {
        (knob.of_weights ? out[k].w : out[k].u) = sizes_[knob.size];
      }
    }
    return out;
  }

  [[nodiscard]] std::int64_t bits(const std::vector<Knob>& knobs) const {
    const std::vector<CodebookSizes> sizes = sizes_with(knobs);
    std::int64_t sum = 0;
    for (std::size_t k = 0; k < ids_.size(); ++k) {
      const MatrixShape m = matrix_shape(network_, ids_[k]);
      sum += m.cols * m.groups * neuron_bits(network_, ids_[k], sizes[k]);
    }
    return sum;
  }

  void find_noise(double at_largest) {
    for (std::size_t k = 0; k < knobs_.size(); ++k) {
      std::vector<Knob> one = knobs_;
      knobs_[k].noise.assign(sizes_.size(), at_largest);
      for (std::size_t size = 0; size + 1 < sizes_.size(); ++size) {
        one[k].size = size;
        knobs_[k].noise[size] = measure(one).noise;
      }
    }
  }

  /// The knob whose next step costs least; none when all are done or at their smallest.
  Knob* best() {
    Knob* found = nullptr;
    double least = std::numeric_limits<double>::infinity();
    const std::int64_t now = bits(knobs_);
    for (Knob& knob : knobs_) {
      if (knob.is_done || knob.size == 0) {
        continue;
      }
      const double noise = knob.noise[knob.size - 1] - knob.noise[knob.size];
      --knob.size;
      const auto saved = static_cast<double>(now - bits(knobs_));
      ++knob.size;
      const double price = noise > 0.0 ? noise / saved : noise;
      if (price < least) {
        least = price;
        found = &knob;
      }
    }
    return found;
  }

  const Network& network_;
  std::vector<LayerId> ids_;
  std::vector<std::int64_t> sizes_;
  const CodebookMeasure& ask_;
  std::vector<Knob> knobs_;
  std::int64_t measured_ = 0;
};

}  // namespace

std::vector<LayerId> codebook_layers(const Network& network) {
  std::vector<LayerId> out;
  for (const LayerId id : matrix_layers(network)) {
    if (!network.layer(id).has_dynamic_weights()) {
      out.push_back(id);
    }
  }
  return out;
}

std::int64_t neuron_bits(const Network& network, LayerId id, const CodebookSizes& sizes) {
  const Layer& layer = network.layer(id);
  return sizes.w * sizes.u * (layer.w_bits + layer.a_bits) +
         matrix_shape(network, id).rows * ceil_log2(static_cast<std::uint64_t>(sizes.w));
}

CodebookChoice choose_codebooks(const Network& network,
                                std::vector<std::int64_t> sizes,
                                double least_accuracy,
                                const CodebookMeasure& measure) {
  return Search(network, std::move(sizes), measure).run(least_accuracy);
}

}  // namespace tessera
