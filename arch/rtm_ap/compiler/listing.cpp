// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "arch/rtm_ap/compiler/listing.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <vector>

namespace tessera::arch::rtm_ap {
namespace {

SlotRole role_of(const Slot& slot, bool ended) {
  SlotRole role;
  role.index = slot.index;
  role.offset = slot.offset;
  switch (slot.kind) {
    case Slot::Kind::input:
      break;
    case Slot::Kind::partial:
      role.what = SlotRole::What::partial;
      role.from = slot.part;
      break;
    case Slot::Kind::output:
      role.what = ended ? SlotRole::What::output : SlotRole::What::total;
      break;
  }
  return role;
}

}  // namespace

std::string listing(const CompiledLayer& compiled,
                    int part,
                    const Layer& layer,
                    const Geometry& array) {
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
  if (taps > 1) {
    text += fmt::format("# an input is channel * {} + tap\n", taps);
  }
  Head head;
  head.array = array;
  const bool ended = compiled.has_epilogue || layer.kind == LayerKind::max_pool;
  for (const Slot& slot : p.loads) {
    head.loads.push_back(role_of(slot, ended));
  }
  for (const Slot& slot : p.reads) {
    head.reads.push_back(role_of(slot, ended));
    head.reads.back().from = 0;
  }
  return text + print(head) + print(p.program);
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
