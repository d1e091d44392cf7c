// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "arch/rtm_ap/compiler/allocate.hpp"

#include "sim/base/math.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>

namespace tessera::arch::rtm_ap {
namespace {

/// Columns in which values are placed while they live.
class Region {
 public:
  Region(int first, int columns, int domains, bool one_each)
      : first_(first),
        domains_(domains),
        one_each_(one_each),
        columns_(static_cast<std::size_t>(std::max(0, columns))) {}

  struct Place {
    int column = -1;  ///< -1: there is none
    int first = 0;
    bool is_clear = true;
  };

  /// Clear domains as low as possible; `avoid` are columns that will not do.
  Place find_clear(int bits, const std::vector<int>& avoid) const {
    Place best;
    best.first = std::numeric_limits<int>::max();
    for (std::size_t c = 0; c < columns_.size(); ++c) {
      const Column& column = columns_[c];
      if (column.top + bits <= domains_ && column.top < best.first &&
          !(one_each_ && !column.live.empty()) && !is_in(avoid, first_ + static_cast<int>(c))) {
        best.column = first_ + static_cast<int>(c);
        best.first = column.top;
      }
    }
    return best;
  }

  /// The lowest domains that nothing alive holds, used or not.
  Place find_free(int bits, const std::vector<int>& avoid) const {
    Place best;
    best.is_clear = false;
    best.first = std::numeric_limits<int>::max();
    for (std::size_t c = 0; c < columns_.size(); ++c) {
      const Column& column = columns_[c];
      if ((one_each_ && !column.live.empty()) || is_in(avoid, first_ + static_cast<int>(c))) {
        continue;
      }
      int first = 0;
      for (const Span& span : column.live) {  // rising
        if (span.first >= first + bits) {
          break;
        }
        first = span.first + span.bits;
      }
      if (first + bits <= domains_ && first < best.first) {
        best.column = first_ + static_cast<int>(c);
        best.first = first;
      }
    }
    return best;
  }

  void take(const Place& place, int bits) {
    Column& column = at(place.column);
    const Span span{place.first, bits};
    column.live.insert(
        std::upper_bound(column.live.begin(),
                         column.live.end(),
                         span,
                         [](const Span& x, const Span& y) { return x.first < y.first; }),
        span);
    column.top = std::max(column.top, place.first + bits);
  }

  void give_back(int column, int first) {
    std::vector<Span>& live = at(column).live;
    live.erase(std::find_if(
        live.begin(), live.end(), [first](const Span& span) { return span.first == first; }));
  }

  /// Clears, in all columns at once, the used domains in which nothing alive lies; unless they are
  /// few.
  void sweep(std::vector<Instruction>& out) {
    int used = 0;
    std::vector<bool> busy(static_cast<std::size_t>(domains_), false);
    for (const Column& column : columns_) {
      used = std::max(used, column.top);
      for (const Span& span : column.live) {
        std::fill_n(busy.begin() + span.first, span.bits, true);
      }
    }
    if (4 * std::count(busy.begin(), busy.begin() + used, false) < used) {
      return;
    }
    for (int first = 0; first < used;) {
      int end = first;
      while (end < used && !busy[static_cast<std::size_t>(end)]) {
        ++end;
      }
      if (end > first) {
        out.push_back(
            clear({first_, first, end - first, false}, static_cast<int>(columns_.size())));
      }
      first = end + 1;
    }
    for (Column& column : columns_) {
      column.top = column.live.empty() ? 0 : column.live.back().first + column.live.back().bits;
      // Between the highest live value and the domains that stay busy elsewhere nothing was
      // cleared.
      for (int d = used - 1; d >= column.top; --d) {
        if (busy[static_cast<std::size_t>(d)]) {
          column.top = d + 1;
        }
      }
    }
  }

 private:
  struct Span {
    int first = 0;
    int bits = 0;
  };

  struct Column {
    int top = 0;  ///< from here on all domains are clear
    std::vector<Span> live;
  };

  static bool is_in(const std::vector<int>& list, int column) {
    return std::find(list.begin(), list.end(), column) != list.end();
  }

  Column& at(int column) { return columns_[static_cast<std::size_t>(column - first_)]; }

  int first_;
  int domains_;
  bool one_each_;
  std::vector<Column> columns_;
};

class Allocator {
 public:
  Allocator(const Code& code,
            const LayerTask& layer,
            const Tile& tile,
            const Floorplan& plan,
            const Geometry& geometry,
            const CompileOptions& options)
      : code_(code),
        layer_(layer),
        tile_(tile),
        plan_(plan),
        geometry_(geometry),
        options_(options),
        temps_(plan.first_temp, plan.temp_columns, geometry.domains, !options.passes.pack_domains),
        sums_(plan.sums.first, plan.sums.columns, geometry.domains, !options.passes.pack_domains) {}

  Allocation run() {
    made_.placements.resize(code_.values.size());
    made_.program.carry = geometry_.columns - 1;
    find_lives();
    std::vector<Instruction>& out = made_.program.instructions;
    out.emplace_back();  // clears what the program uses, which is known at the end
    int columns = 1;
    int domains = 1;
    for (std::size_t i = 0; i < code_.instructions.size(); ++i) {
      const VirtualInstruction& v = code_.instructions[i];
      if (v.op == Opcode::clear) {
        const Shelf& shelf = plan_.partials[static_cast<std::size_t>(v.number)];
        out.push_back(clear({shelf.first, 0, shelf.levels * shelf.bits, false}, shelf.columns));
        continue;
      }
      for (const View* view : {&v.a, &v.b, &v.dst}) {
        if (view->value >= 0 && !place(*view)) {
          return std::move(made_);
        }
      }
      out.push_back({v.op, operand(v.dst), operand(v.a), operand(v.b), v.number});
      for (const Operand& field : {out.back().dst, out.back().a, out.back().b}) {
        if (field.bits > 0) {
          columns = std::max(columns, field.column + 1);
          domains = std::max(domains, field.first + field.bits);
        }
      }
      for (const View* view : {&v.a, &v.b, &v.dst}) {
        if (view->value >= 0 && placement(*view).end == i) {
          release(view->value);
        }
      }
    }
    out.front() = clear({0, 0, domains, false}, columns);
    return std::move(made_);
  }

 private:
  Placement& placement(const View& view) {
    return made_.placements[static_cast<std::size_t>(view.value)];
  }

  [[nodiscard]] const Value& value(int number) const {
    return code_.values[static_cast<std::size_t>(number)];
  }

  void find_lives() {
    std::vector<bool> seen(code_.values.size(), false);
    for (std::size_t i = 0; i < code_.instructions.size(); ++i) {
      const VirtualInstruction& v = code_.instructions[i];
      for (const View* view : {&v.a, &v.b, &v.dst}) {
        if (view->value >= 0) {
          Placement& p = placement(*view);
          if (!seen[static_cast<std::size_t>(view->value)]) {
            seen[static_cast<std::size_t>(view->value)] = true;
            p.begin = i;
          }
          p.end = i;
        }
      }
    }
    meets_.resize(code_.values.size());
    for (const VirtualInstruction& v : code_.instructions) {
      for (const View* x : {&v.a, &v.b, &v.dst}) {
        for (const View* y : {&v.a, &v.b, &v.dst}) {
          if (x->value >= 0 && y->value >= 0 && x->value != y->value && is_moving(x->value) &&
              is_moving(y->value)) {
            meets_[static_cast<std::size_t>(x->value)].push_back(y->value);
          }
        }
      }
    }
  }

  /// Placed while it lives, not for good.
  [[nodiscard]] bool is_moving(int number) const {
    const Value::Kind kind = value(number).kind;
    return kind == Value::Kind::temp || (kind == Value::Kind::sum && !options_.passes.in_place);
  }

  bool place(const View& view) {
    Placement& p = placement(view);
    if (p.field.bits > 0) {
      return true;
    }
    const Value& v = value(view.value);
    if (is_moving(view.value)) {
      Region& region = v.kind == Value::Kind::temp ? temps_ : sums_;
      return place_moving(view.value, region);
    }
    p.field = fixed_field(v);
    return true;
  }

  /// Where a value lies that has one place for the whole program.
  [[nodiscard]] Operand fixed_field(const Value& v) const {
    switch (v.kind) {
      case Value::Kind::input: {
        const int at = v.index - tile_.first_channel * layer_.taps;
        const int block = at / plan_.input_width;
        return {block / plan_.input_levels * plan_.input_width + at % plan_.input_width,
                block % plan_.input_levels * plan_.input_bits,
                v.bits,
                false};
      }
      case Value::Kind::zero:
        return {plan_.input_columns, 0, v.bits, false};
      case Value::Kind::sum:
        return plan_.sums.field(v.index, v.bits);
      case Value::Kind::partial:
        return plan_.partials[static_cast<std::size_t>(v.level)].field(v.index, v.bits);
      case Value::Kind::temp:
        break;
    }
    return {};
  }

  bool place_moving(int number, Region& region) {
    std::vector<int> avoid;
    for (const int other : meets_[static_cast<std::size_t>(number)]) {
      const Placement& p = made_.placements[static_cast<std::size_t>(other)];
      if (p.field.bits > 0 && !is_gone(other)) {
        avoid.push_back(p.field.column);
      }
    }
    const int bits = value(number).bits;
    Region::Place at = region.find_clear(bits, avoid);
    if (at.column < 0) {
      region.sweep(made_.program.instructions);
      at = region.find_clear(bits, avoid);
    }
    if (at.column < 0) {
      at = region.find_free(bits, avoid);
    }
    if (at.column < 0) {
      made_.problem =
          fmt::format("a value of {} bits finds no place: {} columns of {} domains are left for {}",
                      bits,
                      &region == &temps_ ? plan_.temp_columns : plan_.sums.columns,
                      geometry_.domains,
                      &region == &temps_ ? "temporaries" : "sums");
      return false;
    }
    region.take(at, bits);
    made_.placements[static_cast<std::size_t>(number)].field = {at.column, at.first, bits, false};
    if (!at.is_clear) {
      made_.program.instructions.push_back(clear({at.column, at.first, bits, false}));
    }
    return true;
  }

  void release(int number) {
    if (!is_moving(number) || is_gone(number)) {
      return;
    }
    gone_.resize(code_.values.size(), false);
    gone_[static_cast<std::size_t>(number)] = true;
    const Operand& field = made_.placements[static_cast<std::size_t>(number)].field;
    (value(number).kind == Value::Kind::temp ? temps_ : sums_).give_back(field.column, field.first);
  }

  [[nodiscard]] bool is_gone(int number) const {
    return static_cast<std::size_t>(number) < gone_.size() &&
           gone_[static_cast<std::size_t>(number)];
  }

  Operand operand(const View& view) {
    if (view.value < 0) {
      return {};
    }
    const Operand& field = placement(view).field;
    return {field.column, field.first + view.first, view.bits, view.is_signed};
  }

  const Code& code_;
  const LayerTask& layer_;
  const Tile& tile_;
  const Floorplan& plan_;
  const Geometry& geometry_;
  const CompileOptions& options_;
  Region temps_;
  Region sums_;
  std::vector<std::vector<int>> meets_;  ///< values that share an instruction with a moving one
  std::vector<bool> gone_;
  Allocation made_;
};

/// Temporaries do not gain from more columns than these.
constexpr int kTempColumns = 24;

/// Takes columns from `spare` for as few levels as they make possible.
void spread(Shelf& shelf, int fields, int& spare) {
  for (int levels = 1; levels < shelf.levels; ++levels) {
    const int more = ceil_div(fields, levels) - shelf.columns;
    if (more <= spare) {
      shelf.columns += more;
      shelf.levels = levels;
      spare -= more;
      return;
    }
  }
}

}  // namespace

Floorplan plan_columns(const LayerTask& layer,
                       const Tile& tile,
                       int sum_bits,
                       const std::vector<int>& partial_bits,
                       const Geometry& geometry,
                       const CompileOptions& options) {
  const auto levels = [&](int bits) {
    return options.passes.pack_domains ? geometry.domains / std::max(1, bits) : 1;
  };
  Floorplan plan;
  const int width = channels_per_block(layer, options);
  plan.input_width = width * layer.taps;
  plan.input_bits = layer.max_bits();
  plan.input_levels = std::max(1, levels(plan.input_bits));
  plan.input_columns =
      ceil_div(ceil_div(tile.channels, width), plan.input_levels) * plan.input_width;
  plan.zero_columns = options.passes.fold ? 0 : 1;
  const auto shelf = [&](int bits, int fields) {
    Shelf made;
    made.bits = bits;
    made.columns = ceil_div(fields, std::max(1, levels(bits)));
    made.levels = made.columns == 0 ? 0 : ceil_div(fields, made.columns);
    return made;
  };
  // Sums that move leave used domains behind, and one is there twice while it is made.
  const int sums = options.passes.in_place ? tile.outputs : 2 * tile.outputs;
  plan.sums = shelf(sum_bits, sums);
  int used = plan.input_columns + plan.zero_columns + plan.sums.columns;
  for (const int bits : partial_bits) {
    plan.partials.push_back(shelf(bits, tile.outputs));
    used += plan.partials.back().columns;
  }
  if (options.passes.order_shifts) {
    // Terms come to the fields of a column in no order: the fewer there are, the shorter the ways.
    int spare = geometry.columns - 1 - used - kTempColumns;
    for (Shelf& partial : plan.partials) {
      spread(partial, tile.outputs, spare);
    }
    spread(plan.sums, sums, spare);
  }
  int next = plan.input_columns + plan.zero_columns;
  const auto lay = [&next](Shelf& one) {
    one.first = next;
    next += one.columns;
  };
  lay(plan.sums);
  std::for_each(plan.partials.begin(), plan.partials.end(), lay);
  plan.first_temp = next;
  plan.temp_columns = geometry.columns - 1 - plan.first_temp;
  return plan;
}

Allocation allocate(const Code& code,
                    const LayerTask& layer,
                    const Tile& tile,
                    const Floorplan& plan,
                    const Geometry& geometry,
                    const CompileOptions& options) {
  return Allocator(code, layer, tile, plan, geometry, options).run();
}

}  // namespace tessera::arch::rtm_ap
