// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The instruction set of an associative processor (AP): a program is plain data.
///
/// An AP is an array of rows x columns; at every crossing lies a racetrack nanowire of `domains`
/// bits. An operand is a field of one column: bit i lies at domain first + i, in every row. All
/// rows execute an instruction at once, bit-serially from the least significant bit (tables.hpp has
/// the passes); bits above an operand's own are 0 for an unsigned one and copies of its sign for a
/// signed one. Results are taken modulo 2^bits of the destination.
///
/// instruction                  does                                      passes per bit (cycles)
///   load D, SLOT               D <- data of the slot; D must be clear     1 tag load + 1 write (2)
///   read A, SLOT               result of the slot <- A                    1 search + 1 read-out
///   (2) clear D..E                 columns D to E <- 0                        1 write (1) copy D,
///   A                  D <- A; D must be clear                    1 (2) negate D, A D <- -A; D
///   must be clear                   2 (4) add D, A, B                D <- A + B; D must be clear
///   5 (10) sub D, A, B                D <- A - B; D must be clear                5 (10)
///   add_in_place D, A          D <- D + A                                 4 (8), 2 (4) where an
///                                                                         unsigned A has ended
///   sub_in_place D, A          D <- D - A                                 the same
///   add_constant D, VALUE      D <- D + VALUE                             2 (4), 0 below its
///                                                                         lowest 1
///   relu D                     D <- max(D, 0), D signed                   1 search, 1 write per
///   bit max_in_place D, A          D <- max(D, A), same width and sign        4 (8) saturate D,
///   BITS           D <- min(D, 2^BITS - 1) as seen in its     1 per bit above, 1
///                              low BITS bits, D unsigned                  search, 1 write per bit
///
/// Instructions with a carry begin by clearing it (1 cycle). Requantization by a power of two and
/// truncation are operands: a later first domain drops low bits, fewer bits drop high ones.
///
/// Text form (.apasm), one instruction a line, `#` starts a comment:
///
///   carry 255
///   order add_in_place 0 1 2 3         # only to deviate from the table's order
///   load c0[0+4]u, 0                   # column 0, domains 0 to 3, unsigned
///   clear c9..c72[0+12]s
///   add_in_place c9[0+12]s, c0[0+4]u
///   read c9[2+10]s, 0
///
/// Head     what a program computes, in front of it, where it was made for a layer: enough to run
/// it
///          and to say what must come out. A file may hold several programs, each of which begins
///          with its line `program`.
///
///   program 008_conv3.p2               # its name
///   network tiny_cnn
///   layer conv3
///   widths weights 2, inputs 4u, outputs 4u
///   weights 8c6a1f20b4de9375           # digest
///   array 256 256 64                   # rows, columns, domains
///   terms 12                           # bits of a term, signed
///   slices 4 9 1                       # rows of a position; inputs and outputs from one to the
///   next in 0 input 17 +8                   # load slot 0: input 17 of a position, plus 8 in 1
///   term 5 2                      # term 2 of output 5 in 2 partial 5 1                   # the
///   partial sum of output 5 by part 1 out 0 output 5                     # read slot 0: output 5;
///   or total, sum, partial out 1 sum 6 -16                    # 16 less than what was read
///
/// Errors   parse: E-AP-SYNTAX with place. verify: a list of problems, each with its instruction
#pragma once

#include "arch/rtm_ap/tables.hpp"
#include "sim/base/diagnostics.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tessera::arch::rtm_ap {

/// Size of one array.
struct Geometry {
  int rows = 256;
  int columns = 256;
  int domains = 64;  ///< bits of one nanowire that programs use

  bool operator==(const Geometry&) const = default;
};

enum class Opcode : std::uint8_t {
  load,
  read,
  clear,
  copy,
  negate,
  add,
  sub,
  add_in_place,
  sub_in_place,
  reverse_sub_in_place,  ///< D <- A - D: can be written, never executed; verify says why
  add_constant,
  relu,
  max_in_place,
  saturate,
};

constexpr auto enum_names(Opcode) {
  return std::array<std::pair<Opcode, std::string_view>, 14>{{
      {Opcode::load, "load"},
      {Opcode::read, "read"},
      {Opcode::clear, "clear"},
      {Opcode::copy, "copy"},
      {Opcode::negate, "negate"},
      {Opcode::add, "add"},
      {Opcode::sub, "sub"},
      {Opcode::add_in_place, "add_in_place"},
      {Opcode::sub_in_place, "sub_in_place"},
      {Opcode::reverse_sub_in_place, "reverse_sub_in_place"},
      {Opcode::add_constant, "add_constant"},
      {Opcode::relu, "relu"},
      {Opcode::max_in_place, "max_in_place"},
      {Opcode::saturate, "saturate"},
  }};
}

/// A field of a column.
struct Operand {
  int column = 0;
  int first = 0;  ///< domain of the least significant bit
  int bits = 0;   ///< 0: no operand
  bool is_signed = false;

  bool operator==(const Operand&) const = default;
};

/// Operands that an opcode does not take stay empty. `a` is the operand of one-operand and in-place
/// instructions and the minuend of sub; read takes only `a`.
struct Instruction {
  Opcode op = Opcode::clear;
  Operand dst;
  Operand a;
  Operand b;
  /// load, read: the slot. add_constant: the constant. saturate: bits kept. clear: how many columns
  /// from dst.column on, all in the same cycles.
  std::int64_t value = 0;

  bool operator==(const Instruction&) const = default;
};

// The instructions, made.
Instruction load(Operand dst, int slot);
Instruction read(Operand a, int slot);
Instruction clear(Operand dst, int columns = 1);
Instruction copy(Operand dst, Operand a);
Instruction negate(Operand dst, Operand a);
Instruction add(Operand dst, Operand a, Operand b);
Instruction sub(Operand dst, Operand a, Operand b);
Instruction add_in_place(Operand dst, Operand a);
Instruction sub_in_place(Operand dst, Operand a);
Instruction add_constant(Operand dst, std::int64_t constant);
Instruction relu(Operand dst);
Instruction max_in_place(Operand dst, Operand a);
Instruction saturate(Operand dst, int bits);

/// Another order of a table's passes; `passes` are indices into the table.
struct PassOrder {
  TableId table = TableId::add_in_place;
  std::vector<int> passes;

  bool operator==(const PassOrder&) const = default;
};

struct Program {
  int carry = 0;  ///< column of the carry, at domain 0; no operand may use the column
  std::vector<PassOrder> orders;
  std::vector<Instruction> instructions;

  bool operator==(const Program&) const = default;
};

/// The text form; parse(print(p)) is p.
std::string print(const Program& program);
std::string print(const Instruction& instruction);

/// What a slot carries, in terms of the layer that a program was made for.
struct SlotRole {
  enum class What : std::uint8_t {
    input,    ///< load: input `index` of a position, as layer_inputs() numbers them
    term,     ///< load: of the results that add up to output `index`, the one numbered `from`
    partial,  ///< load, read: the sum of output `index` so far; loaded: as part `from` read it
    sum,      ///< read: the sum of output `index` over the inputs or terms that the program loads
    total,    ///< read: the whole sum of output `index`, and its bias
    output,   ///< read: output `index`
  };

  What what = What::input;
  std::int64_t index = 0;
  std::int64_t from = 0;
  std::int64_t offset = 0;  ///< added to what is loaded, missing from what is read

  bool operator==(const SlotRole&) const = default;
};

constexpr auto enum_names(SlotRole::What) {
  using What = SlotRole::What;
  return std::array<std::pair<What, std::string_view>, 6>{{
      {What::input, "input"},
      {What::term, "term"},
      {What::partial, "partial"},
      {What::sum, "sum"},
      {What::total, "total"},
      {What::output, "output"},
  }};
}

/// What a program computes. Texts stay empty where nobody said it.
struct Head {
  std::string program;  ///< name, one among those of a file or folder
  std::string network;
  std::string layer;
  std::string widths;
  std::string weights;            ///< digest
  std::optional<Geometry> array;  ///< that it was made for
  int term_bits = 0;
  int slices = 1;  ///< rows per position, each with other channels, and how far apart these are
  std::int64_t slice_inputs = 0;
  std::int64_t slice_outputs = 0;
  std::vector<SlotRole> loads;  ///< by slot
  std::vector<SlotRole> reads;  ///< by slot

  bool operator==(const Head&) const = default;
};

/// The lines of a head, without what nobody said. Names lose what a line cannot hold.
std::string print(const Head& head);

/// A line of a head as it was written, blanks and comment aside.
struct HeadLine {
  std::string text;
  Position at;
};

/// A program with the place of each of its parts, for messages.
struct Listing {
  Head head;
  std::vector<HeadLine> head_lines;
  Program program;
  Position begin;  ///< the line `program`, or the first one of the text
  Position carry_at;
  std::vector<Position> order_at;        ///< of program.orders
  std::vector<Position> instruction_at;  ///< of program.instructions
  /// So many instructions stand before the first line that could not be read.
  std::size_t before_gap = SIZE_MAX;
};

/// Reads the text form; `name` is the file in messages. What is wrong is reported as E-AP-SYNTAX,
/// all of it, and left out of the program.
Listing parse(std::string_view text, const std::string& name, Diagnostics& diagnostics);

/// The same for a text of several programs: at least one, as they stand in the text.
std::vector<Listing> parse_all(std::string_view text,
                               const std::string& name,
                               Diagnostics& diagnostics);

/// Something that makes a program impossible or meaningless.
struct Problem {
  enum class In { carry, order, instruction };
  In in = In::instruction;
  std::size_t index = 0;  ///< of the order or the instruction
  std::string sentence;
  std::string expected;
  std::string got;
  std::string hint;
};

/// Everything that must hold before a program runs on an array of that size:
/// operands inside columns and domains and outside the carry column; the operands of one
/// instruction in different columns; widths and signs as the instruction asks; out-of-place
/// destinations clear; nothing read that was never written; slots of read written once; pass orders
/// in which no pass makes a state that a later one matches, one per table; no reversed in-place
/// subtraction. The list stops at `limit` problems.
[[nodiscard]] std::vector<Problem> verify(const Program& program,
                                          const Geometry& geometry,
                                          std::size_t limit = 100);

/// The problems as diagnostics E-AP-PROGRAM at their places.
void report(const std::vector<Problem>& problems, const Listing& listing, Diagnostics& diagnostics);

/// verify() without a limit and report(), also of a program of which some lines could not be read:
/// behind the first of these nobody knows what is written and what is clear.
void check(const Listing& listing, const Geometry& geometry, Diagnostics& diagnostics);

}  // namespace tessera::arch::rtm_ap
