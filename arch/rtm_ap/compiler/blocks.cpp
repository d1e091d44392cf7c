// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "arch/rtm_ap/compiler/blocks.hpp"

#include <algorithm>
#include <cstddef>
#include <map>
#include <utility>

namespace tessera::arch::rtm_ap {
namespace {

/// Adds what `output` takes from the inputs [first, last) to the block: one sum per bit plane.
void add_sums(const LayerTask& layer,
              int output,
              int first,
              int last,
              const CompileOptions& options,
              Block& block) {
  const std::vector<Weight>& weights = layer.weights[static_cast<std::size_t>(output)];
  const auto begin =
      std::lower_bound(weights.begin(), weights.end(), first, [](const Weight& w, int input) {
        return w.input < input;
      });
  std::map<int, Sum> planes;
  const auto plane = [&](int shift) -> Sum& {
    Sum& sum = planes[shift];
    sum.output = output;
    sum.shift = shift;
    return sum;
  };
  for (auto w = begin; w != weights.end() && w->input < last; ++w) {
    for (const Digit& digit : digits(w->value)) {
      plane(digit.shift).terms.push_back({w->input - first, digit.negative});
    }
    if (w->value == 0 && !options.passes.fold) {
      plane(0).terms.push_back({last - first, false});
    }
  }
  for (auto& [shift, sum] : planes) {
    block.sums.push_back(std::move(sum));
  }
}

Block make_block(const LayerTask& layer,
                 int first,
                 int last,
                 int first_output,
                 int last_output,
                 const CompileOptions& options) {
  Block block;
  for (int input = first; input < last; ++input) {
    block.inputs.push_back(input);
  }
  if (!options.passes.fold) {
    block.inputs.push_back(kZeroInput);
  }
  for (int output = first_output; output < last_output; ++output) {
    add_sums(layer, output, first, last, options, block);
  }
  return block;
}

}  // namespace

std::vector<Digit> digits(std::int64_t value) {
  std::vector<Digit> list;
  for (int shift = 0; value != 0; ++shift, value /= 2) {
    if (value % 2 != 0) {
      // The digit that leaves a multiple of four.
      const bool negative = (value & 3) == 3;
      list.push_back({shift, negative});
      value += negative ? 1 : -1;
    }
  }
  return list;
}

int channels_per_block(const LayerTask& layer, const CompileOptions& options) {
  const int most =
      options.most_channels > 0 ? std::min(options.most_channels, layer.channels) : layer.channels;
  return std::clamp(options.block_inputs / layer.taps, 1, std::max(1, most));
}

std::vector<Block> make_blocks(const LayerTask& layer,
                               const Tile& tile,
                               const CompileOptions& options) {
  const int width = channels_per_block(layer, options);
  const int last_channel = tile.first_channel + tile.channels;
  const int last_output = tile.first_output + tile.outputs;
  std::vector<Block> blocks;
  // All blocks of the outputs [from, to).
  const auto emit = [&](int from, int to) {
    for (int channel = tile.first_channel; channel < last_channel; channel += width) {
      const int first = channel * layer.taps;
      const int last = std::min(channel + width, last_channel) * layer.taps;
      const int step = options.passes.unroll ? last - first : 1;
      for (int input = first; input < last; input += step) {
        blocks.push_back(make_block(layer, input, input + step, from, to, options));
      }
    }
  };
  if (options.passes.interchange) {
    emit(tile.first_output, last_output);
  } else {
    for (int output = tile.first_output; output < last_output; ++output) {
      emit(output, output + 1);
    }
  }
  return blocks;
}

std::int64_t num_operations(const std::vector<Block>& blocks) {
  std::int64_t count = 0;
  for (const Block& block : blocks) {
    count += static_cast<std::int64_t>(block.temps.size());
    for (const Sum& sum : block.sums) {
      count += static_cast<std::int64_t>(sum.terms.size());
    }
  }
  return count;
}

}  // namespace tessera::arch::rtm_ap
