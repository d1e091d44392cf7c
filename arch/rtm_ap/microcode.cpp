// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "arch/rtm_ap/microcode.hpp"

#include "sim/base/diagnostics.hpp"

#include <algorithm>

namespace tessera::arch::rtm_ap {
namespace {

class Expansion {
 public:
  Expansion(const Program& program, std::vector<Beat>& beats)
      : carry_{program.carry, 0}, beats_(beats) {}

  void simple(Beat::Kind kind, Site at, int bit = 0, std::int64_t slot = 0) {
    Beat beat;
    beat.kind = kind;
    beat.a = at;
    beat.bit = bit;
    beat.slot = slot;
    beats_.push_back(beat);
  }

  void clear(Site at, int columns = 1) {
    simple(Beat::Kind::clear, at);
    beats_.back().columns = columns;
  }

  void clear_carry() { clear(carry_); }

  void tag(Site at) { simple(Beat::Kind::tag, at); }

  void tag_carry() { tag(carry_); }

  void fill(Site at, bool one) {
    simple(Beat::Kind::fill, at);
    beats_.back().one = one;
  }

  /// Passes on the carry and the sites given; nobody is Site{}.
  void passes(TableId table, Site b, Site a, Site r) {
    Beat beat;
    beat.table = table;
    beat.c = carry_;
    beat.b = b;
    beat.a = a;
    beat.r = r;
    beats_.push_back(beat);
  }

 private:
  Site carry_;
  std::vector<Beat>& beats_;
};

Site site(const Operand& operand, int bit) {
  return {operand.column, operand.first + bit};
}

/// Where bit `bit` of the operand is read: beyond its own bits a signed one repeats its sign, an
/// unsigned one has ended.
Site extended(const Operand& operand, int bit) {
  if (bit >= operand.bits && !operand.is_signed) {
    return {};
  }
  return site(operand, std::min(bit, operand.bits - 1));
}

bool ended(const Site& at) {
  return at.column < 0;
}

void expand_out_of_place(Expansion& out, const Instruction& i) {
  const bool subtract = i.op == Opcode::sub;
  out.clear_carry();
  bool carry_written = false;
  for (int bit = 0; bit < i.dst.bits; ++bit) {
    const Site r = site(i.dst, bit);
    const Site first = extended(i.a, bit);
    const Site second = extended(i.b, bit);
    if (!ended(first) && !ended(second)) {
      out.passes(subtract ? TableId::sub : TableId::add, first, second, r);
    } else if (!ended(first)) {
      out.passes(subtract ? TableId::sub_tail : TableId::add_tail, first, {}, r);
    } else if (!ended(second) && subtract) {
      out.passes(TableId::sub_negate, {}, second, r);
    } else if (!ended(second)) {
      out.passes(TableId::add_tail, second, {}, r);
    } else if (subtract) {
      out.passes(TableId::sub_borrow, {}, {}, r);
    } else if (!carry_written) {
      out.passes(TableId::add_carry, {}, {}, r);
      carry_written = true;
    }
  }
}

void expand_in_place(Expansion& out, const Instruction& i) {
  const bool subtract = i.op == Opcode::sub_in_place;
  const TableId whole = subtract ? TableId::sub_in_place : TableId::add_in_place;
  const TableId tail = subtract ? TableId::sub_in_place_tail : TableId::add_in_place_tail;
  out.clear_carry();
  for (int bit = 0; bit < i.dst.bits; ++bit) {
    const Site a = extended(i.a, bit);
    out.passes(ended(a) ? tail : whole, site(i.dst, bit), a, {});
  }
}

void expand_add_constant(Expansion& out, const Instruction& i) {
  const auto one_at = [&i](int bit) { return ((i.value >> std::min(bit, 63)) & 1) != 0; };
  int bit = 0;
  while (bit < i.dst.bits && !one_at(bit)) {
    ++bit;  // nothing is added below the lowest one, and no carry is born
  }
  if (bit == i.dst.bits) {
    return;
  }
  out.clear_carry();
  for (; bit < i.dst.bits; ++bit) {
    out.passes(
        one_at(bit) ? TableId::add_one : TableId::add_in_place_tail, site(i.dst, bit), {}, {});
  }
}

void expand_max(Expansion& out, const Instruction& i) {
  const int top = i.dst.bits - 1;
  out.clear_carry();
  for (int bit = 0; bit <= top; ++bit) {
    out.passes(bit == top && i.dst.is_signed ? TableId::compare_sign : TableId::compare,
               site(i.dst, bit),
               site(i.a, bit),
               {});
  }
  for (int bit = top; bit >= 0; --bit) {  // downwards: the nanowires stand at the top
    out.passes(TableId::select, site(i.dst, bit), site(i.a, bit), {});
  }
}

void expand_saturate(Expansion& out, const Instruction& i) {
  const int kept = static_cast<int>(i.value);
  out.clear_carry();
  for (int bit = i.dst.bits - 1; bit >= kept; --bit) {
    out.passes(TableId::mark, {}, site(i.dst, bit), {});
  }
  out.tag_carry();
  for (int bit = kept - 1; bit >= 0; --bit) {
    out.fill(site(i.dst, bit), true);
  }
}

}  // namespace

void expand(const Program& program, const Instruction& i, std::vector<Beat>& beats) {
  Expansion out(program, beats);
  switch (i.op) {
    case Opcode::load:
      for (int bit = 0; bit < i.dst.bits; ++bit) {
        out.simple(Beat::Kind::load, site(i.dst, bit), bit, i.value);
      }
      return;
    case Opcode::read:
      for (int bit = 0; bit < i.a.bits; ++bit) {
        out.simple(Beat::Kind::read_out, site(i.a, bit), bit, i.value);
      }
      return;
    case Opcode::clear:
      for (int bit = 0; bit < i.dst.bits; ++bit) {
        out.clear(site(i.dst, bit), static_cast<int>(i.value));
      }
      return;
    case Opcode::copy:
      for (int bit = 0; bit < i.dst.bits; ++bit) {
        const Site a = extended(i.a, bit);
        if (!ended(a)) {  // what is beyond is clear already
          out.passes(TableId::copy, {}, a, site(i.dst, bit));
        }
      }
      return;
    case Opcode::negate:
      out.clear_carry();
      for (int bit = 0; bit < i.dst.bits; ++bit) {
        const Site a = extended(i.a, bit);
        out.passes(ended(a) ? TableId::sub_borrow : TableId::sub_negate, {}, a, site(i.dst, bit));
      }
      return;
    case Opcode::add:
    case Opcode::sub:
      expand_out_of_place(out, i);
      return;
    case Opcode::add_in_place:
    case Opcode::sub_in_place:
      expand_in_place(out, i);
      return;
    case Opcode::add_constant:
      expand_add_constant(out, i);
      return;
    case Opcode::relu:
      out.tag(site(i.dst, i.dst.bits - 1));
      for (int bit = i.dst.bits - 1; bit >= 0; --bit) {
        out.fill(site(i.dst, bit), false);
      }
      return;
    case Opcode::max_in_place:
      expand_max(out, i);
      return;
    case Opcode::saturate:
      expand_saturate(out, i);
      return;
    case Opcode::reverse_sub_in_place:
      throw InternalError("rtm_ap", -1, "a reversed in-place subtraction was not verified away");
  }
}

}  // namespace tessera::arch::rtm_ap
