// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "workloads/quantization/compose.hpp"

#include "sim/base/parallel.hpp"
#include "workloads/integer_executor.hpp"
#include "workloads/quantization/codebook.hpp"
#include "workloads/quantization/scale.hpp"
#include "workloads/scalar_ops.hpp"

#include <algorithm>
#include <cstddef>
#include <functional>
#include <mutex>
#include <vector>

namespace tessera {
namespace {

constexpr std::int64_t kMostValues = std::int64_t{1} << 26;  ///< of all sampled images
constexpr std::int64_t kFewestImages = 4;

bool wants_codebook(const Layer& layer) {
  return layer.out_codes > 0 && layer.codebook.empty() && !keeps_format(layer.kind);
}

std::int64_t sampled_images(const Network& network, std::int64_t images) {
  std::int64_t values = 0;
  for (const Layer& layer : network.layers) {
    values += layer.out.elements();
  }
  return std::min(images, std::max(kFewestImages, kMostValues / values));
}

/// How often each integer of a tensor occurs in the images.
std::vector<ValueCount> counts_of(const Layer& layer,
                                  std::size_t index,
                                  const std::vector<Tensors>& images) {
  const std::int64_t low = min_value(layer.out_bits, layer.out_signed);
  std::vector<std::int64_t> counts(
      static_cast<std::size_t>(max_value(layer.out_bits, layer.out_signed) - low + 1));
  std::mutex adding;
  for_each_index(std::ssize(images), machine_threads(), [&](std::int64_t i) {
    std::vector<std::int64_t> own(counts.size());
    for (const std::int32_t v : images[static_cast<std::size_t>(i)][index]) {
      ++own[static_cast<std::size_t>(v - low)];
    }
    const std::scoped_lock lock(adding);
    std::transform(own.begin(), own.end(), counts.begin(), counts.begin(), std::plus<>());
  });
  std::vector<ValueCount> out;
  for (std::size_t k = 0; k < counts.size(); ++k) {
    if (counts[k] > 0) {
      out.push_back({static_cast<double>(low + static_cast<std::int64_t>(k)), counts[k]});
    }
  }
  return out;
}

std::vector<std::int32_t> book_of(const Network& network,
                                  LayerId id,
                                  const std::vector<ValueCount>& counts,
                                  const QuantizationSpec& spec) {
  const Layer& layer = network.layer(id);
  const auto codes = static_cast<std::uint64_t>(layer.out_codes);
  const auto seed = static_cast<std::uint64_t>(spec.seed);
  const std::string stream = "input_codebook/" + layer.name;
  const std::span<const ValueCount> values(counts);
  std::vector<double> entries;
  if (spec.tree) {
    const int levels = ceil_log2(codes);
    const TreeCodebook tree(values, levels, seed, stream);
    const std::span<const double> leaves = tree.entries(levels);
    entries.assign(leaves.begin(), leaves.end());
  } else {
    entries = cluster(values, codes, seed, stream);
  }
  std::vector<std::int32_t> integers;
  for (const double entry : entries) {
    integers.push_back(static_cast<std::int32_t>(round_away(entry)));
  }
  return tensor_codebook(network, id, std::move(integers), spec.tree);
}

}  // namespace

void compose(IntegerModel& model,
             const InputSource& input,
             std::int64_t images,
             const QuantizationSpec& spec) {
  Network& network = model.network;
  const auto last = std::find_if(network.layers.rbegin(), network.layers.rend(), wants_codebook);
  if (last == network.layers.rend() || images < 1) {
    return;
  }
  std::vector<Tensors> samples(static_cast<std::size_t>(sampled_images(network, images)));
  for (std::size_t i = 0; i < samples.size(); ++i) {
    samples[i].resize(network.layers.size());
    samples[i].front() = input(static_cast<std::int64_t>(i));
  }
  const auto count = std::ssize(samples);
  for (auto layer = network.layers.begin(); layer != last.base(); ++layer) {
    const auto index = static_cast<std::size_t>(layer - network.layers.begin());
    const auto id = static_cast<LayerId>(index);
    if (id > 0) {
      const LayerWeights weights = has_parameters(*layer)
                                       ? layer_weights(network, id, model.parameters[index])
                                       : LayerWeights{};
      for_each_index(count, machine_threads(), [&](std::int64_t i) {
        compute_layer(network, id, &weights, samples[static_cast<std::size_t>(i)]);
      });
    }
    if (!wants_codebook(*layer)) {
      continue;
    }
    layer->codebook = book_of(network, id, counts_of(*layer, index, samples), spec);
    for_each_index(count, machine_threads(), [&](std::int64_t i) {
      for (std::int32_t& v : samples[static_cast<std::size_t>(i)][index]) {
        v = encoded(v, *layer);
      }
    });
  }
}

}  // namespace tessera
