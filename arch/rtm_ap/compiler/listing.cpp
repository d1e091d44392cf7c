// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "arch/rtm_ap/compiler/listing.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <vector>

namespace tessera::arch::rtm_ap {
namespace {

std::string slot_text(const Slot& slot, int taps) {
  std::string text;
  switch (slot.kind) {
    case Slot::Kind::input:
      text = fmt::format("channel {} tap {}", slot.index / taps, slot.index % taps);
      break;
    case Slot::Kind::partial:
      text = fmt::format("partial sum of output {}", slot.index);
      break;
    case Slot::Kind::output:
      text = fmt::format("output {}", slot.index);
      break;
  }
  if (slot.offset != 0) {
    text += fmt::format(", {:+}", slot.offset);
  }
  return text;
}

}  // namespace

std::string listing(const CompiledLayer& compiled, int part, const Layer& layer) {
  const CompiledPart& p = compiled.parts[static_cast<std::size_t>(part)];
  const bool window = layer.kind == LayerKind::conv || layer.kind == LayerKind::avg_pool ||
                      layer.kind == LayerKind::max_pool;
  const int taps = window ? layer.window.kernel_h * layer.window.kernel_w : 1;
  std::string text = fmt::format(
      "# {}: outputs {} to {}, input channels {} to {}\n"
      "# {} operations before, {} after the elimination of {} common pairs\n"
      "# columns: inputs {}, sums from {} ({} of {} bits each), temporaries from {} ({})\n",
      compiled.name,
      p.range.first_output,
      p.range.first_output + p.range.outputs - 1,
      p.range.first_channel,
      p.range.first_channel + p.range.channels - 1,
      p.unrolled,
      p.operations,
      p.temps,
      p.plan.input_columns,
      p.plan.sums.first,
      p.plan.sums.levels,
      p.plan.sums.bits,
      p.plan.first_temp,
      p.plan.temp_columns);
  for (std::size_t s = 0; s < p.loads.size(); ++s) {
    text += fmt::format("# load {}: {}{}\n",
                        s,
                        slot_text(p.loads[s], taps),
                        p.loads[s].kind == Slot::Kind::partial
                            ? fmt::format(" from part {}", p.loads[s].part)
                            : "");
  }
  for (std::size_t s = 0; s < p.reads.size(); ++s) {
    text += fmt::format("# read {}: {}\n", s, slot_text(p.reads[s], taps));
  }
  return text + print(p.program);
}

int columns_in_use(const Program& program) {
  std::vector<bool> used;
  const auto touch = [&used](int column) {
    used.resize(std::max(used.size(), static_cast<std::size_t>(column) + 1), false);
    used[static_cast<std::size_t>(column)] = true;
  };
  touch(program.carry);
  for (const Instruction& i : program.instructions) {
    for (const Operand* operand : {&i.dst, &i.a, &i.b}) {
      if (i.op != Opcode::clear && operand->bits > 0) {
        touch(operand->column);
      }
    }
  }
  return static_cast<int>(std::count(used.begin(), used.end(), true));
}

}  // namespace tessera::arch::rtm_ap
