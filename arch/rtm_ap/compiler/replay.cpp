// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "arch/rtm_ap/compiler/replay.hpp"

#include "sim/base/diagnostics.hpp"

#include <algorithm>
#include <cstddef>
#include <span>

namespace tessera::arch::rtm_ap {
namespace {

using Columns = std::vector<std::vector<std::int64_t>>;  ///< [slot][row]

void add(Events& sum, const Events& e) {
  sum.searches += e.searches;
  sum.writes += e.writes;
  sum.searched_cells += e.searched_cells;
  sum.tag_hits += e.tag_hits;
  sum.driven_cells += e.driven_cells;
  sum.changed_cells += e.changed_cells;
  sum.loaded_bits += e.loaded_bits;
  sum.read_bits += e.read_bits;
  sum.shifts += e.shifts;
}

void check(const CompiledLayer& layer, const Geometry& geometry) {
  for (const CompiledPart& part : layer.parts) {
    const std::vector<Problem> problems = verify(part.program, geometry, 1);
    if (!problems.empty()) {
      const Problem& p = problems.front();
      throw InternalError(
          "arch/rtm_ap/compiler",
          -1,
          layer.name + ": " + p.sentence + "; expected " + p.expected + "; got " + p.got + "; in " +
              (p.in == Problem::In::instruction ? print(part.program.instructions[p.index])
                                                : "the head of the program"));
    }
  }
}

/// The slots of one part for one row group.
Columns inputs_of(const CompiledLayer& layer,
                  const CompiledPart& part,
                  const std::vector<std::vector<std::int32_t>>& x,
                  const std::vector<Columns>& read) {
  Columns slots;
  for (const Slot& slot : part.loads) {
    std::vector<std::int64_t>& values = slots.emplace_back();
    if (slot.kind == Slot::Kind::input) {
      for (const std::vector<std::int32_t>& row : x) {
        values.push_back(row[static_cast<std::size_t>(slot.index)] + slot.offset);
      }
      continue;
    }
    const auto from = static_cast<std::size_t>(slot.part);
    const std::vector<Slot>& reads = layer.parts[from].reads;
    const auto at = std::find_if(reads.begin(), reads.end(), [&](const Slot& r) {
      return r.kind == Slot::Kind::partial && r.index == slot.index;
    });
    values = read[from].at(static_cast<std::size_t>(at - reads.begin()));
  }
  return slots;
}

}  // namespace

Replay replay(const CompiledLayer& layer,
              const Geometry& geometry,
              const Ports& ports,
              const InputsOf& inputs,
              std::int64_t first,
              std::int64_t count) {
  check(layer, geometry);
  int outputs = 0;
  for (const CompiledPart& part : layer.parts) {
    for (const Slot& slot : part.reads) {
      outputs = slot.kind == Slot::Kind::output ? std::max(outputs, slot.index + 1) : outputs;
    }
  }
  Replay result;
  for (std::int64_t begin = first; begin < first + count; begin += geometry.rows) {
    const std::int64_t end = std::min(begin + geometry.rows, first + count);
    std::vector<std::vector<std::int32_t>> x;
    for (std::int64_t p = begin; p < end; ++p) {
      x.push_back(inputs(p));
    }
    const std::size_t base = result.values.size();
    result.values.resize(base + x.size(),
                         std::vector<std::int64_t>(static_cast<std::size_t>(outputs)));
    std::vector<Columns> read(layer.parts.size());
    for (const int number : layer.execution_order()) {
      const auto at = static_cast<std::size_t>(number);
      const CompiledPart& part = layer.parts[at];
      Array array(geometry, ports, static_cast<int>(x.size()));
      read[at] = array.run(part.program, inputs_of(layer, part, x, read));
      add(result.events, array.events());
      for (std::size_t s = 0; s < part.reads.size(); ++s) {
        const Slot& slot = part.reads[s];
        if (slot.kind == Slot::Kind::output) {
          for (std::size_t row = 0; row < x.size(); ++row) {
            result.values[base + row][static_cast<std::size_t>(slot.index)] =
                read[at][s][row] + slot.offset;
          }
        }
      }
    }
  }
  return result;
}

}  // namespace tessera::arch::rtm_ap
