// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// A program whose operands are values without a place: what selection makes and allocation reads.
///
/// Every value begins clear: its first instruction finds zeros in all of its domains.
#pragma once

#include "arch/rtm_ap/microcode.hpp"
#include "arch/rtm_ap/program.hpp"

#include <cstdint>
#include <vector>

namespace tessera::arch::rtm_ap {

struct Value {
  enum class Kind : std::uint8_t {
    input,    ///< `index` is the input of the layer; lies where its block says
    zero,     ///< the operand of unfolded zero weights
    sum,      ///< `index` is the output, counted from the tile's first
    partial,  ///< likewise, on level `level`; cleared by every flush
    temp,     ///< placed while it lives
  };

  Kind kind = Kind::temp;
  int index = 0;
  int level = 0;
  int bits = 0;  ///< the most that it ever has
};

/// Bits [first, first + bits) of a value. value < 0: no operand.
struct View {
  int value = -1;
  int first = 0;
  int bits = 0;
  bool is_signed = false;
};

struct VirtualInstruction {
  /// clear means all partial sums of level `number`; other clears are allocation's.
  Opcode op = Opcode::clear;
  View dst, a, b;
  std::int64_t number = 0;  ///< Instruction::value
};

/// What a slot of load or read carries.
struct Slot {
  enum class Kind : std::uint8_t {
    input,    ///< input `index` of the layer
    partial,  ///< the sum of output `index` of the layer over the channels of part `part`
    output,   ///< output `index` of the layer
  };

  Kind kind = Kind::input;
  int index = 0;
  int part = 0;             ///< of CompiledLayer::parts
  std::int64_t offset = 0;  ///< input: what is added to it when it is loaded
};

struct Code {
  std::vector<Value> values;
  std::vector<VirtualInstruction> instructions;
  std::vector<Slot> loads;
  std::vector<Slot> reads;
};

/// Cycles of instructions, without shifts: 2 per pass, load and read-out of a bit, 1 per clear, tag
/// and fill. Columns that are cleared together count once.
class CycleCounter {
 public:
  std::int64_t of(const Instruction& instruction);

 private:
  Program none_;
  std::vector<Beat> beats_;
};

}  // namespace tessera::arch::rtm_ap
