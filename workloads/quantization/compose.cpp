// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "workloads/quantization/compose.hpp"

#include "workloads/golden.hpp"
#include "workloads/quantization/codebook.hpp"
#include "workloads/quantization/scale.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <map>
#include <vector>

namespace tessera {
namespace {

/// At most so many values of a tensor enter its clustering, evenly spread over them all.
constexpr std::size_t kMostValues = 1 << 20;

/// How often each integer occurs.
using Counts = std::map<std::int32_t, std::int64_t>;

bool computes_codes(const Layer& layer) {
  return layer.out_codes > 0 && !keeps_format(layer.kind);
}

/// What padding reads of a tensor, if anything pads it.
std::vector<std::int32_t> pads_of(const Network& network, LayerId tensor) {
  std::vector<std::int32_t> pads;
  for (const Layer& reader : network.layers) {
    if (reader.kind != LayerKind::conv || !reader.window.pads()) {
      continue;
    }
    LayerId from = reader.inputs[0];
    while (keeps_format(network.layer(from).kind)) {
      from = network.layer(from).inputs[0];
    }
    if (from == tensor) {
      pads.push_back(reader.pad_value);
    }
  }
  return pads;
}

std::vector<std::int32_t> codebook(const Counts& counts,
                                   const Layer& layer,
                                   const std::vector<std::int32_t>& pads,
                                   std::uint64_t seed) {
  std::int64_t total = 0;
  for (const auto& [value, count] : counts) {
    total += count;
  }
  // Every value keeps its share, and at least one.
  const std::int64_t every =
      std::max<std::int64_t>(1, total / static_cast<std::int64_t>(kMostValues));
  std::vector<double> values;
  for (const auto& [value, count] : counts) {
    values.insert(values.end(),
                  static_cast<std::size_t>(std::max<std::int64_t>(1, count / every)),
                  static_cast<double>(value));
  }
  std::vector<std::int32_t> book;
  for (const double entry : cluster(values,
                                    static_cast<std::size_t>(layer.out_codes),
                                    seed,
                                    "input_codebook/" + layer.name)) {
    book.push_back(static_cast<std::int32_t>(round_away(entry)));
  }
  for (const std::int32_t pad : pads) {
    const auto nearest = std::min_element(book.begin(), book.end(), [&](auto a, auto b) {
      return std::abs(std::int64_t{a} - pad) < std::abs(std::int64_t{b} - pad);
    });
    *nearest = pad;
  }
  std::sort(book.begin(), book.end());
  book.erase(std::unique(book.begin(), book.end()), book.end());
  return book;
}

}  // namespace

void compose(IntegerModel& model,
             const InputSource& input,
             std::int64_t images,
             std::uint64_t seed) {
  std::vector<Layer>& layers = model.network.layers;
  if (std::none_of(layers.begin(), layers.end(), computes_codes)) {
    return;
  }
  for (Layer& layer : layers) {
    layer.codebook.clear();
  }
  std::vector<Counts> counts(layers.size());
  Golden golden(model.network, model.source());
  for (std::int64_t image = 0; image < images; ++image) {
    golden.run(input(image));
    for (std::size_t id = 0; id < layers.size(); ++id) {
      if (computes_codes(layers[id])) {
        for (const std::int32_t v : golden.tensor(static_cast<LayerId>(id))) {
          ++counts[id][v];
        }
      }
    }
  }
  for (std::size_t id = 0; id < layers.size(); ++id) {
    if (computes_codes(layers[id])) {
      layers[id].codebook =
          codebook(counts[id], layers[id], pads_of(model.network, static_cast<LayerId>(id)), seed);
    }
  }
}

}  // namespace tessera
