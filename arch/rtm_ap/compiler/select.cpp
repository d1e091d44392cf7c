// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "arch/rtm_ap/compiler/select.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/math.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <limits>
#include <utility>

namespace tessera::arch::rtm_ap {
namespace {

/// The fewest bits that hold every number of [lo, hi]: two's complement when lo < 0.
int bits_for(std::int64_t lo, std::int64_t hi) {
  const auto magnitude = [](std::int64_t v) {
    return static_cast<int>(std::bit_width(static_cast<std::uint64_t>(v < 0 ? -(v + 1) : v)));
  };
  return lo < 0 ? std::max(magnitude(lo), hi < 0 ? 0 : magnitude(hi)) + 1
                : std::max(1, magnitude(hi));
}

/// The number in [-2^(bits - 1), 2^(bits - 1)) that is `v` modulo 2^bits.
std::int64_t wrap(std::int64_t v, int bits) {
  const int spare = 64 - bits;
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(v) << spare) >> spare;
}

/// What a value holds at one point of the program: what it means is stored - offset, and stored is
/// in [lo, hi], in two's complement when lo < 0.
struct Held {
  int value = -1;
  int bits = 0;  ///< 0: still clear, means 0
  std::int64_t lo = 0, hi = 0;
  std::int64_t offset = 0;
};

/// A node of a block: sign * (what its value means).
struct Node {
  Held held;
  bool negative = false;
  int uses = 0;  ///< that are still to come
};

class Selector {
 public:
  Selector(const LayerTask& layer,
           const Tile& tile,
           const std::vector<Block>& blocks,
           const CompileOptions& options)
      : layer_(layer), tile_(tile), blocks_(blocks), options_(options) {}

  void run(const std::vector<Statement>& statements) {
    load_inputs();
    count_uses(statements);
    const auto outputs = static_cast<std::size_t>(tile_.outputs);
    int levels = 0;
    for (const Statement& s : statements) {
      levels = s.kind == Statement::Kind::flush ? std::max(levels, s.node + 1) : levels;
    }
    for (std::size_t o = 0; o < outputs; ++o) {
      sums_.push_back({new_value(Value::Kind::sum, static_cast<int>(o))});
    }
    partials_.resize(static_cast<std::size_t>(levels));
    for (int level = 0; level < levels; ++level) {
      for (std::size_t o = 0; o < outputs; ++o) {
        const int value = new_value(Value::Kind::partial, static_cast<int>(o));
        code_.values.back().level = level;
        partials_[static_cast<std::size_t>(level)].push_back({value});
      }
    }
    for (std::size_t s = 0; s < statements.size(); ++s) {
      const Statement& statement = statements[s];
      switch (statement.kind) {
        case Statement::Kind::define:
          define(statement);
          break;
        case Statement::Kind::accumulate:
          accumulate(statement);
          break;
        case Statement::Kind::flush:
          flush(static_cast<std::size_t>(statement.node), s + 1 == statements.size());
          break;
      }
    }
  }

  void reduce(const Incoming& incoming) {
    for (std::size_t o = 0; o < sums_.size(); ++o) {
      const PartialFormat& format = (*incoming.formats)[o];
      if (format.bits == 0) {
        continue;
      }
      Held x{new_value(Value::Kind::temp, 0), format.bits, format.lo, format.hi, format.offset};
      load(x, {Slot::Kind::partial, tile_.first_output + static_cast<int>(o), incoming.part, 0});
      add_to(sums_[o], x, false, 0);
    }
  }

  std::vector<PartialFormat> read_partials() {
    std::vector<PartialFormat> formats;
    for (std::size_t o = 0; o < sums_.size(); ++o) {
      Held& sum = sums_[o];
      if (sum.bits > 0) {
        if (options_.passes.infer_widths) {
          turn_over(sum);
        }
        read(view(sum), {Slot::Kind::partial, output(o), 0, 0});
      }
      formats.push_back({sum.bits, sum.lo, sum.hi, sum.offset});
    }
    return formats;
  }

  void read_sums() {
    for (std::size_t o = 0; o < sums_.size(); ++o) {
      Held& sum = sums_[o];
      sum.bits = std::max(sum.bits, 1);
      // Of sums that somebody else adds up, nobody knows which one would bring the bias.
      const std::int64_t bias = options_.reduce ? layer_.bias[index(o)] : 0;
      read(view(sum), {Slot::Kind::output, output(o), 0, bias - sum.offset});
    }
  }

  void finish_outputs() {
    for (std::size_t o = 0; o < sums_.size(); ++o) {
      const View y = epilogue(sums_[o], index(o));
      read(y, {Slot::Kind::output, output(o), 0, 0});
    }
  }

  Selection result() && {
    Selection s;
    s.partial_bits.resize(partials_.size());
    for (const Value& value : code_.values) {
      if (value.kind == Value::Kind::sum) {
        s.sum_bits = std::max(s.sum_bits, value.bits);
      } else if (value.kind == Value::Kind::partial) {
        int& bits = s.partial_bits[static_cast<std::size_t>(value.level)];
        bits = std::max(bits, value.bits);
      }
    }
    s.code = std::move(code_);
    return s;
  }

 private:
  [[nodiscard]] int output(std::size_t o) const { return tile_.first_output + static_cast<int>(o); }

  [[nodiscard]] std::size_t index(std::size_t o) const {
    return static_cast<std::size_t>(tile_.first_output) + o;
  }

  int new_value(Value::Kind kind, int index) {
    code_.values.push_back({kind, index, 0, 0});
    return static_cast<int>(code_.values.size()) - 1;
  }

  /// A view of a value, which must then have that many bits.
  View part(int value, int first, int bits, bool is_signed) {
    int& most = code_.values[static_cast<std::size_t>(value)].bits;
    most = std::max(most, first + bits);
    return {value, first, bits, is_signed};
  }

  View view(const Held& held) { return part(held.value, 0, held.bits, held.lo < 0); }

  void emit(Opcode op, const View& dst, const View& a, const View& b, std::int64_t number) {
    code_.instructions.push_back({op, dst, a, b, number});
  }

  void load(Held& held, const Slot& slot) {
    emit(Opcode::load, view(held), {}, {}, static_cast<std::int64_t>(code_.loads.size()));
    code_.loads.push_back(slot);
  }

  void read(const View& from, const Slot& slot) {
    emit(Opcode::read, {}, from, {}, static_cast<std::int64_t>(code_.reads.size()));
    code_.reads.push_back(slot);
  }

  void add_constant(const View& dst, std::int64_t constant) {
    const std::int64_t c = wrap(constant, dst.bits);
    if (c != 0) {
      emit(Opcode::add_constant, dst, {}, {}, c);
    }
  }

  /// Bits of any sum of this layer.
  [[nodiscard]] int widest_sum() const {
    std::int64_t most = 0;  // what no sum's magnitude reaches
    for (const std::vector<Weight>& list : layer_.weights) {
      std::int64_t sum = 0;
      for (const Weight& w : list) {
        sum += std::int64_t{w.value < 0 ? -w.value : w.value} << (layer_.format(w.input).bits + 1);
      }
      most = std::max(most, sum);
    }
    return bits_for(-most - 1, most);
  }

  /// Width of a result.
  [[nodiscard]] int width(std::int64_t lo, std::int64_t hi) const {
    return options_.passes.infer_widths ? bits_for(lo, hi) : full_bits_;
  }

  /// Makes a value that may be negative one that is not, by adding half of its range.
  void turn_over(Held& held) {
    if (held.lo >= 0 || held.bits == 0) {
      return;
    }
    add_constant(part(held.value, held.bits - 1, 1, false), 1);
    const std::int64_t half = std::int64_t{1} << (held.bits - 1);
    held.lo += half;
    held.hi += half;
    held.offset += half;
  }

  void load_inputs() {
    if (!options_.passes.infer_widths) {
      full_bits_ = widest_sum() + 1;
    }
    const int first = tile_.first_channel * layer_.taps;
    const int last = first + tile_.channels * layer_.taps;
    for (int input = first; input < last; ++input) {
      const InputFormat& format = layer_.format(input);
      const std::int64_t offset =
          format.is_signed ? std::int64_t{1} << (format.bits - 1) : std::int64_t{0};
      Held x{new_value(Value::Kind::input, input), format.bits, 0, max_value(format.bits, false)};
      x.offset = offset;
      load(x, {Slot::Kind::input, input, 0, offset});
      inputs_.push_back({x, false, std::numeric_limits<int>::max()});
    }
    if (!options_.passes.fold) {
      zero_.held = {new_value(Value::Kind::zero, 0), layer_.max_bits(), 0, 0, 0};
      zero_.uses = std::numeric_limits<int>::max();
      view(zero_.held);
    }
  }

  void count_uses(const std::vector<Statement>& statements) {
    temps_.resize(blocks_.size());
    for (std::size_t b = 0; b < blocks_.size(); ++b) {
      temps_[b].resize(blocks_[b].temps.size());
      for (const Temp& temp : blocks_[b].temps) {
        ++node(static_cast<int>(b), temp.a).uses;
        ++node(static_cast<int>(b), temp.b).uses;
      }
    }
    for (const Statement& s : statements) {
      if (s.kind == Statement::Kind::accumulate) {
        ++node(s.block, s.node).uses;
      }
    }
  }

  Node& node(int block, int number) {
    const Block& b = blocks_[static_cast<std::size_t>(block)];
    if (number >= b.num_inputs()) {
      return temps_[static_cast<std::size_t>(block)]
                   [static_cast<std::size_t>(number - b.num_inputs())];
    }
    const int input = b.inputs[static_cast<std::size_t>(number)];
    if (input == kZeroInput) {
      return zero_;
    }
    Node& n = inputs_[static_cast<std::size_t>(input - tile_.first_channel * layer_.taps)];
    n.uses = std::numeric_limits<int>::max() / 2;  // inputs are never overwritten
    return n;
  }

  /// temp = a +- b, on what the operands store: A + factor * B or its negative.
  void define(const Statement& statement) {
    const Block& block = blocks_[static_cast<std::size_t>(statement.block)];
    const Temp& temp = block.temps[static_cast<std::size_t>(statement.node - block.num_inputs())];
    Node& a = node(statement.block, temp.a);
    Node& b = node(statement.block, temp.b);
    Node& t = node(statement.block, statement.node);
    const bool minus = temp.minus != (a.negative != b.negative);
    --a.uses;
    --b.uses;
    const bool over_a = options_.passes.in_place && a.uses == 0;
    const bool over_b = options_.passes.in_place && b.uses == 0 && !over_a;
    // A + B, A - B, or, made in B, B + A and B - A.
    const Held& base = over_b ? b.held : a.held;
    const Held& other = over_b ? a.held : b.held;
    const bool base_negative = over_b ? b.negative != temp.minus : a.negative;
    Held r;
    r.lo = base.lo + (minus ? -other.hi : other.lo);
    r.hi = base.hi + (minus ? -other.lo : other.hi);
    r.offset = base.offset + (minus ? -other.offset : other.offset);
    r.bits = std::max({width(r.lo, r.hi), base.bits, other.bits});
    if (over_a || over_b) {
      r.value = base.value;
      emit(minus ? Opcode::sub_in_place : Opcode::add_in_place, view(r), view(other), {}, 0);
    } else {
      r.value = new_value(Value::Kind::temp, 0);
      emit(minus ? Opcode::sub : Opcode::add, view(r), view(base), view(other), 0);
    }
    if (options_.passes.infer_widths) {
      turn_over(r);
    }
    t.held = r;
    t.negative = base_negative;
  }

  void accumulate(const Statement& s) {
    Node& n = node(s.block, s.node);
    --n.uses;
    const auto o = static_cast<std::size_t>(s.output - tile_.first_output);
    Held& target = partials_.empty() ? sums_[o] : partials_.front()[o];
    add_to(target, n.held, s.negative != n.negative, s.shift);
  }

  void flush(std::size_t level, bool is_last) {
    std::vector<Held>& to = level + 1 < partials_.size() ? partials_[level + 1] : sums_;
    bool any = false;
    for (std::size_t o = 0; o < to.size(); ++o) {
      Held& partial = partials_[level][o];
      if (partial.bits == 0) {
        continue;
      }
      if (options_.passes.infer_widths) {
        turn_over(partial);
      }
      add_to(to[o], partial, false, 0);
      partial = {partial.value};
      any = true;
    }
    if (any && !is_last) {
      emit(Opcode::clear, {}, {}, {}, static_cast<std::int64_t>(level));
    }
  }

  /// sum += (+-x) << shift, x at most as wide as the sum or not negative.
  void add_to(Held& sum, const Held& x, bool negative, int shift) {
    const std::int64_t scale = std::int64_t{1} << shift;
    const std::int64_t lo = (negative ? -x.hi : x.lo) * scale;
    const std::int64_t hi = (negative ? -x.lo : x.hi) * scale;
    const std::int64_t offset = (negative ? -x.offset : x.offset) * scale;
    const bool is_first = sum.bits == 0;
    const auto width_after = [&] {
      return std::max({width(sum.lo + lo, sum.hi + hi), sum.bits, x.bits + shift});
    };
    int bits = options_.passes.infer_widths ? width_after() : full_bits_;
    if (!is_first && bits > sum.bits) {
      turn_over(sum);
      bits = options_.passes.infer_widths ? width_after() : full_bits_;
    }
    const bool is_signed = sum.lo + lo < 0;
    const View a = part(x.value, 0, std::min(x.bits, bits - shift), x.lo < 0);
    if (is_first) {
      const View dst = part(sum.value, shift, bits - shift, is_signed);
      emit(negative ? Opcode::negate : Opcode::copy, dst, a, {}, 0);
    } else if (options_.passes.in_place) {
      const View dst = part(sum.value, shift, bits - shift, is_signed);
      emit(negative ? Opcode::sub_in_place : Opcode::add_in_place, dst, a, {}, 0);
    } else {
      const Value old = code_.values[static_cast<std::size_t>(sum.value)];
      const int made = new_value(old.kind, old.index);
      if (shift > 0) {  // what lies below the operand
        const int low = std::min(shift, sum.bits);
        emit(Opcode::copy, part(made, 0, low, false), part(sum.value, 0, low, false), {}, 0);
      }
      const View high = sum.bits > shift ? part(sum.value, shift, sum.bits - shift, sum.lo < 0)
                                         : part(sum.value, sum.bits, 1, false);
      emit(negative ? Opcode::sub : Opcode::add,
           part(made, shift, bits - shift, is_signed),
           high,
           a,
           0);
      sum.value = made;
    }
    sum.bits = bits;
    sum.lo += lo;
    sum.hi += hi;
    sum.offset += offset;
  }

  /// Makes a value store what it means + bias, and mean that.
  void settle(Held& held, std::int64_t bias) {
    held.bits = std::max(held.bits, 1);
    const std::int64_t first = bias - held.offset;
    if (bits_for(held.lo + first, held.hi + first) > held.bits) {
      turn_over(held);
    }
    const std::int64_t constant = bias - held.offset;
    held.lo += constant;
    held.hi += constant;
    held.offset = 0;
    held.bits = std::max(held.bits, bits_for(held.lo, held.hi));
    add_constant(view(held), constant);
  }

  /// max(stored, 0); the value is unsigned afterwards.
  void relu(Held& held) {
    if (held.lo < 0) {
      emit(Opcode::relu, view(held), {}, {}, 0);
      held.lo = 0;
      held.hi = std::max<std::int64_t>(held.hi, 0);
      held.bits = bits_for(0, held.hi);
    }
  }

  /// min(view, 2^bits - 1) of an unsigned view of which bits are left.
  View saturate(const View& v, int bits) {
    if (v.bits <= bits) {
      return v;
    }
    emit(Opcode::saturate, v, {}, {}, bits);
    return part(v.value, v.first, bits, false);
  }

  /// dst = x * multiplier modulo 2^dst.bits, by shift and add; x is not negative.
  void multiply(const View& dst, const Held& x, std::int64_t multiplier) {
    std::vector<Digit> list = digits(multiplier);
    std::reverse(list.begin(), list.end());
    bool is_first = true;
    for (const Digit& digit : list) {
      if (digit.shift >= dst.bits) {
        continue;  // nothing of it is left modulo 2^bits
      }
      const View to = part(dst.value, digit.shift, dst.bits - digit.shift, false);
      const View from = part(x.value, 0, std::min(x.bits, to.bits), false);
      const Opcode op = is_first ? (digit.negative ? Opcode::negate : Opcode::copy)
                                 : (digit.negative ? Opcode::sub_in_place : Opcode::add_in_place);
      emit(op, to, from, {}, 0);
      is_first = false;
    }
  }

  /// Turns a complete sum into the output: y = clamp(activation(round_shift(sum * m, s))). Returns
  /// where it lies.
  ///
  /// A multiplier is a constant, so the product is a few additions of the sum at several first
  /// domains; halves are added, and the low s domains left out.
  View epilogue(Held& sum, std::size_t o) {
    settle(sum, layer_.bias[o]);
    std::int64_t m = layer_.multiplier[o];
    int s = layer_.shift;
    if (s < 0) {
      m *= std::int64_t{1} << -s;
      s = 0;
    }
    const int strip = m == 0 ? s : std::min(s, std::countr_zero(static_cast<std::uint64_t>(m)));
    m = m == 0 ? 0 : m / (std::int64_t{1} << strip);
    s -= strip;
    return layer_.activation != Activation::none && m > 0 ? epilogue_relu(sum, m, s)
                                                          : epilogue_any(sum, m, s);
  }

  /// Positive multiplier and ReLU: negative sums become 0 first, so rounding knows no sign; and
  /// what saturates anyway is cut off before it is multiplied.
  View epilogue_relu(Held& sum, std::int64_t m, int s) {
    const int out_bits = layer_.out_bits - (layer_.out_signed ? 1 : 0);
    const std::int64_t half = s > 0 ? std::int64_t{1} << (s - 1) : 0;
    bool is_cut = false;
    relu(sum);
    if (out_bits + s < 62) {
      // The smallest sum that gives the largest output.
      const std::int64_t top = ceil_div((max_value(out_bits, false) << s) - half, m);
      const int enough = bits_for(0, std::max<std::int64_t>(top, 1));
      if (enough < sum.bits) {
        saturate(view(sum), enough);
        is_cut = true;
        sum.bits = enough;
        sum.hi = std::min(sum.hi, max_value(enough, false));
      }
    }
    const std::int64_t most = sum.hi * m + half;
    const int bits = std::max(bits_for(0, most), s + 1);
    View product;
    if (m == 1 && !is_cut) {  // what was cut off still lies above
      product = part(sum.value, 0, bits, false);
    } else {
      product = part(new_value(Value::Kind::temp, 0), 0, bits, false);
      multiply(product, sum, m);
    }
    add_constant(product, half);
    return saturate(part(product.value, s, bits - s, false), out_bits);
  }

  /// Any multiplier. Ties are rounded away from zero: with q = sum * m + half - 1, the result is
  /// (q + 1 if q >= 0 else q) >> s.
  View epilogue_any(Held& sum, std::int64_t m, int s) {
    const std::int64_t half = s > 0 ? std::int64_t{1} << (s - 1) : 0;
    const std::int64_t lo = (m < 0 ? sum.hi : sum.lo) * m;
    const std::int64_t hi = (m < 0 ? sum.lo : sum.hi) * m;
    Rounded y{round_shift(lo, s), round_shift(hi, s), 0};
    const int out_bits = layer_.out_bits;
    if (keeps_sign() && (y.lo < min_value(out_bits, true) || y.hi > max_value(out_bits, true))) {
      y.centre = std::int64_t{1} << (out_bits - 1);
    }
    // Room for the product and the half, and for the result before and after the centre is added.
    const int bits =
        std::max({bits_for(lo, hi + half),
                  s + bits_for(y.lo, y.hi),
                  s + bits_for(std::min<std::int64_t>(y.lo + y.centre, 0), y.hi + y.centre)});
    const View q = part(new_value(Value::Kind::temp, 0), 0, bits, lo < 0);
    turn_over(sum);
    multiply(q, sum, m);
    const bool has_ties = s > 0 && lo < 0;
    add_constant(q, half - (has_ties ? 1 : 0) - sum.offset * m);
    if (has_ties) {
      const View positive = part(new_value(Value::Kind::temp, 0), 0, 1, false);
      emit(Opcode::copy, positive, part(q.value, bits - 1, 1, false), {}, 0);
      add_constant(positive, 1);
      emit(Opcode::add_in_place, q, positive, {}, 0);
    }
    return clamp(part(q.value, s, bits - s, y.lo < 0), y);
  }

  /// No ReLU, and a signed output.
  [[nodiscard]] bool keeps_sign() const {
    return layer_.activation == Activation::none && layer_.out_signed;
  }

  /// A result that is rounded and not yet clamped: its range, and what is added to it so that
  /// clamping is cutting at 0 and at the largest value; 0 when a signed result fits as it is.
  struct Rounded {
    std::int64_t lo = 0, hi = 0;
    std::int64_t centre = 0;
  };

  View clamp(View v, const Rounded& y) {
    const int out_bits = layer_.out_bits;
    if (keeps_sign() && y.centre == 0) {
      return v;
    }
    add_constant(v, y.centre);
    if (y.lo + y.centre < 0) {
      emit(Opcode::relu, v, {}, {}, 0);
      v.bits = std::max(1, v.bits - 1);
    }
    v.is_signed = false;
    if (y.centre == 0) {
      return saturate(v, out_bits - (layer_.out_signed ? 1 : 0));
    }
    v = saturate(v, out_bits);
    add_constant(part(v.value, v.first + out_bits - 1, 1, false), 1);
    return part(v.value, v.first, out_bits, true);
  }

  const LayerTask& layer_;
  const Tile& tile_;
  const std::vector<Block>& blocks_;
  const CompileOptions& options_;
  int full_bits_ = 0;  ///< of every sum, where widths are not inferred
  Code code_;
  std::vector<Node> inputs_;
  Node zero_;
  std::vector<std::vector<Node>> temps_;
  std::vector<Held> sums_;
  std::vector<std::vector<Held>> partials_;  ///< [level][output]
};

}  // namespace

bool has_epilogue(const LayerTask& layer, const CompileOptions& options) {
  if (!options.epilogue ||
      (layer.activation != Activation::none && layer.activation != Activation::relu &&
       layer.activation != Activation::relu6)) {
    return false;
  }
  // Products and halves stay within 62 bits.
  constexpr int kMost = 62;
  int bits = 0;
  for (std::size_t o = 0; o < layer.weights.size(); ++o) {
    std::int64_t sum = layer.bias[o] < 0 ? -layer.bias[o] : layer.bias[o];
    for (const Weight& w : layer.weights[o]) {
      sum += std::int64_t{w.value < 0 ? -w.value : w.value} << layer.format(w.input).bits;
    }
    const std::int64_t m = layer.multiplier[o];
    bits = std::max(bits, bits_for(0, sum) + bits_for(0, m < 0 ? -m : m));
  }
  return bits + std::max(0, -layer.shift) < kMost && layer.shift < kMost - 2 &&
         layer.out_bits < kMost - 2;
}

Selection select(const LayerTask& layer,
                 const Tile& tile,
                 const std::vector<Block>& blocks,
                 const std::vector<Statement>& statements,
                 const std::vector<Incoming>& incoming,
                 bool is_root,
                 const CompileOptions& options) {
  Selector selector(layer, tile, blocks, options);
  selector.run(statements);
  for (const Incoming& one : incoming) {
    selector.reduce(one);
  }
  std::vector<PartialFormat> partials;
  if (!is_root) {
    partials = selector.read_partials();
  } else if (has_epilogue(layer, options)) {
    selector.finish_outputs();
  } else {
    selector.read_sums();
  }
  Selection made = std::move(selector).result();
  made.partials = std::move(partials);
  return made;
}

}  // namespace tessera::arch::rtm_ap
