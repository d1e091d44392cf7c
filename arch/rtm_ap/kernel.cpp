// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "arch/rtm_ap/kernel.hpp"

#include "arch/rtm_ap/spec.hpp"
#include "sim/base/diagnostics.hpp"
#include "sim/base/math.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <numeric>

namespace tessera::arch::rtm_ap {
namespace {

constexpr int kWordBits = 64;
constexpr std::array<unsigned, 4> kRoles = {kRoleC, kRoleB, kRoleA, kRoleR};

}  // namespace

Array::Array(const Geometry& geometry, const Ports& ports, int rows_used)
    : geometry_(geometry),
      rows_(rows_used),
      words_(static_cast<std::size_t>(ceil_div(rows_used, kWordBits))),
      tracks_(geometry.columns, geometry.domains, ports) {
  if (rows_used < 1 || rows_used > geometry.rows) {
    throw InternalError("rtm_ap", -1, "more rows are used than the array has, or none");
  }
  const std::size_t planes =
      static_cast<std::size_t>(geometry.columns) * static_cast<std::size_t>(geometry.domains);
  cells_.assign(planes * words_, 0);
  driven_.assign(planes, 0);
  tags_.assign(words_, 0);
  used_.assign(words_, ~Word{0});
  if (rows_ % kWordBits != 0) {
    used_.back() = (Word{1} << (rows_ % kWordBits)) - 1;
  }
}

std::vector<std::vector<std::int64_t>> Array::run(
    const Program& program, std::span<const std::vector<std::int64_t>> inputs) {
  std::vector<std::vector<std::int64_t>> outputs;
  std::vector<Beat> beats;
  for (const Instruction& instruction : program.instructions) {
    if (instruction.op == Opcode::load) {
      const auto slot = static_cast<std::size_t>(instruction.value);
      if (slot >= inputs.size() || inputs[slot].size() != static_cast<std::size_t>(rows_)) {
        throw InternalError("rtm_ap", -1, "a slot that is loaded does not have a value per row");
      }
    }
    if (instruction.op == Opcode::read) {
      const auto slot = static_cast<std::size_t>(instruction.value);
      outputs.resize(std::max(outputs.size(), slot + 1));
      outputs[slot].assign(static_cast<std::size_t>(rows_), 0);
    }
    beats.clear();
    expand(program, instruction, beats);
    for (const Beat& beat : beats) {
      play(program, beat, inputs, outputs);
    }
    if (instruction.op == Opcode::read && instruction.a.is_signed) {
      for (std::int64_t& value : outputs[static_cast<std::size_t>(instruction.value)]) {
        const int spare = kWordBits - instruction.a.bits;
        value = static_cast<std::int64_t>(static_cast<Word>(value) << spare) >> spare;
      }
    }
  }
  return outputs;
}

void Array::align(const Beat& beat) {
  for (const Site& site : {beat.c, beat.b, beat.a, beat.r}) {
    if (site.column >= 0) {
      for (int column = site.column; column < site.column + beat.columns; ++column) {
        events_.shifts += std::int64_t{rows_} * tracks_.align(column, site.domain);
      }
    }
  }
}

void Array::release(const Beat& beat) {
  for (const Site& site : {beat.c, beat.b, beat.a, beat.r}) {
    if (site.column >= 0) {
      for (int column = site.column; column < site.column + beat.columns; ++column) {
        events_.shifts += std::int64_t{rows_} * tracks_.release(column);
      }
    }
  }
}

/// The cells that the ports of a column show: by its position, not by what was asked for.
std::size_t Array::under_port(const Site& site) const {
  return plane(site.column, tracks_.domain(site.column));
}

/// Tags the rows whose cells equal the key.
void Array::search(std::span<const std::size_t> planes, std::span<const bool> key) {
  std::copy(used_.begin(), used_.end(), tags_.begin());
  for (std::size_t p = 0; p < planes.size(); ++p) {
    const Word* cells = cells_.data() + planes[p] * words_;
    const Word mismatch = key[p] ? 0 : ~Word{0};
    for (std::size_t w = 0; w < words_; ++w) {
      tags_[w] &= cells[w] ^ mismatch;
    }
  }
  tagged_ = 0;
  for (const Word tags : tags_) {
    tagged_ += std::popcount(tags);
  }
  ++events_.searches;
  events_.searched_cells += std::int64_t{rows_} * static_cast<std::int64_t>(planes.size());
  events_.tag_hits += tagged_;
}

/// Drives one column of the tagged rows.
void Array::write(std::size_t plane, bool one) {
  Word* cells = cells_.data() + plane * words_;
  const Word target = one ? ~Word{0} : 0;
  for (std::size_t w = 0; w < words_; ++w) {
    const Word changed = tags_[w] & (cells[w] ^ target);
    cells[w] ^= changed;
    events_.changed_cells += std::popcount(changed);
  }
  driven_[plane] += tagged_;
  events_.driven_cells += tagged_;
}

void Array::run_passes(const Program& program, const Beat& beat) {
  const PassTable& passes = table(beat.table);
  std::array<int, kMaxPasses> order{};
  std::iota(order.begin(), order.end(), 0);
  for (const PassOrder& other : program.orders) {
    if (other.table == beat.table) {
      std::copy(other.passes.begin(), other.passes.end(), order.begin());
    }
  }
  const std::array<const Site*, 4> sites = {&beat.c, &beat.b, &beat.a, &beat.r};
  for (int p = 0; p < passes.size; ++p) {
    const Pass& pass = passes.passes[static_cast<std::size_t>(order[static_cast<std::size_t>(p)])];
    std::array<std::size_t, 4> planes{};
    std::array<bool, 4> key{};
    std::size_t cared = 0;
    for (std::size_t role = 0; role < kRoles.size(); ++role) {
      if ((pass.care & kRoles[role]) != 0) {
        planes[cared] = under_port(*sites[role]);
        key[cared++] = (pass.key & kRoles[role]) != 0;
      }
    }
    search(std::span(planes).first(cared), std::span(key).first(cared));
    ++events_.writes;
    for (std::size_t role = 0; role < kRoles.size(); ++role) {
      if ((pass.drive & kRoles[role]) != 0) {
        write(under_port(*sites[role]), (pass.value & kRoles[role]) != 0);
      }
    }
  }
}

void Array::play(const Program& program,
                 const Beat& beat,
                 std::span<const std::vector<std::int64_t>> inputs,
                 std::vector<std::vector<std::int64_t>>& outputs) {
  align(beat);
  switch (beat.kind) {
    case Beat::Kind::passes:
      run_passes(program, beat);
      break;
    case Beat::Kind::clear:
      std::copy(used_.begin(), used_.end(), tags_.begin());
      tagged_ = rows_;
      ++events_.writes;
      for (int column = beat.a.column; column < beat.a.column + beat.columns; ++column) {
        write(under_port({column, beat.a.domain}), false);
      }
      break;
    case Beat::Kind::load: {
      const std::vector<std::int64_t>& input = inputs[static_cast<std::size_t>(beat.slot)];
      std::fill(tags_.begin(), tags_.end(), 0);
      tagged_ = 0;
      for (std::size_t row = 0; row < input.size(); ++row) {
        const Word bit = (static_cast<Word>(input[row]) >> beat.bit) & 1U;
        tags_[row / kWordBits] |= bit << (row % kWordBits);
        tagged_ += static_cast<std::int64_t>(bit);
      }
      events_.loaded_bits += rows_;
      ++events_.writes;
      write(under_port(beat.a), true);
      break;
    }
    case Beat::Kind::read_out: {
      constexpr bool kOne = true;
      const std::size_t at = under_port(beat.a);
      search(std::span(&at, 1), std::span(&kOne, 1));
      std::vector<std::int64_t>& output = outputs[static_cast<std::size_t>(beat.slot)];
      for (std::size_t row = 0; row < output.size(); ++row) {
        const Word bit = (tags_[row / kWordBits] >> (row % kWordBits)) & 1U;
        output[row] |= static_cast<std::int64_t>(bit << beat.bit);
      }
      events_.read_bits += rows_;
      break;
    }
    case Beat::Kind::tag: {
      constexpr bool kOne = true;
      const std::size_t at = under_port(beat.a);
      search(std::span(&at, 1), std::span(&kOne, 1));
      break;
    }
    case Beat::Kind::fill:
      ++events_.writes;
      write(under_port(beat.a), beat.one);
      break;
  }
  release(beat);
}

double Array::most_writes_per_cell() const {
  return static_cast<double>(*std::max_element(driven_.begin(), driven_.end())) / rows_;
}

std::int64_t Array::peek(const Operand& operand, int row) const {
  Word value = 0;
  for (int bit = 0; bit < operand.bits; ++bit) {
    const std::size_t at = plane(operand.column, operand.first + bit) * words_;
    const Word cell =
        (cells_[at + static_cast<std::size_t>(row / kWordBits)] >> (row % kWordBits)) & 1U;
    value |= cell << bit;
  }
  if (operand.is_signed) {
    const int spare = kWordBits - operand.bits;
    return static_cast<std::int64_t>(value << spare) >> spare;
  }
  return static_cast<std::int64_t>(value);
}

ActionCounts happened(const Events& events, const ActionCounts& expected, int rows) {
  ActionCounts did = expected;
  did[kSearchCell] = events.searched_cells;
  did[kWriteCell] = events.driven_cells;
  did[kShift] = events.shifts;
  did[kTag] = events.searches * rows;
  did[kLoadBit] = events.loaded_bits;
  did[kReadBit] = events.read_bits;
  return did;
}

}  // namespace tessera::arch::rtm_ap
