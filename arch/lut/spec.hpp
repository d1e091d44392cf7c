// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// A RAPIDNN neuron-to-memory block (RNA), as YAML: product table, counters, in-memory adder,
/// associative memories.
///
/// Units    times in seconds; they become cycles in steps.cpp and cost.cpp, each on its own
/// Default  the RNA block of the paper's hardware table, 45 nm; docs/facts.md says how well each
/// number is known
/// Source   M. Imani et al., RAPIDNN, arXiv:1806.05794; HPCA 2020
#pragma once

#include "sim/api/spec.hpp"
#include "sim/base/config.hpp"
#include "sim/base/units.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tessera::arch::lut {

/// Which codes the timing of a firing assumes: it is data-dependent, an Op knows no data.
enum class CodeSpread {
  balanced,    ///< every pair of codes occurs equally often
  worst_case,  ///< no data count longer or leave more to add
};

constexpr auto enum_names(CodeSpread) {
  return std::array<std::pair<CodeSpread, std::string_view>, 2>{{
      {CodeSpread::balanced, "balanced"},
      {CodeSpread::worst_case, "worst_case"},
  }};
}

/// In the order of ActionIndex.
struct Prices {
  Price count_cycle{Joules(0.7e-12), "RAPIDNN hardware table, 45 nm: counters 0.7 mW x 1 ns"};
  Price count{Joules(0), "part of count_cycle: the table gives power, not events"};
  Price lookup{Joules(0), "part of nor_cycle: the table gives power, not events"};
  Price nor_cycle{Joules(3.7e-12), "RAPIDNN hardware table, 45 nm: crossbar 3.7 mW x 1 ns"};
  Price add_bit{Joules(0), "part of nor_cycle: the table gives power, not events"};
  Price activation_search{Joules(0.2e-12),
                          "RAPIDNN hardware table, 45 nm: activation AM 0.2 mW x 1 ns"};
  Price encoder_search{Joules(0.2e-12), "RAPIDNN hardware table, 45 nm: encoder AM 0.2 mW x 1 ns"};
  Price cell_write{Joules(0.1e-12),
                   "assumption: 1 V across the 10 kOhm of a closed VTEAM device for 1 ns"};

  static constexpr auto fields() {
    return config::list<Prices>(
        config::field("count_cycle", &Prices::count_cycle)
            .doc("the counters for one increment time"),
        config::field("count", &Prices::count).doc("one input counted"),
        config::field("lookup", &Prices::lookup)
            .doc("one table entry, shifted, into the rows of the adder"),
        config::field("nor_cycle", &Prices::nor_cycle)
            .doc("the crossbar for one NOR, in all rows at once"),
        config::field("add_bit", &Prices::add_bit).doc("one bit through a 3:2 or the final adder"),
        config::field("activation_search", &Prices::activation_search)
            .doc("one stage of a search in the activation memory"),
        config::field("encoder_search", &Prices::encoder_search)
            .doc("one stage of a search in the encoder memory"),
        config::field("cell_write", &Prices::cell_write)
            .doc("one bit of the crossbar or of a memory written"));
  }
};

struct Parts {
  Part counters{SquareMeters(538.6e-12), Watts(0), "RAPIDNN hardware table: counters, 1K x 6 bit"};
  Part crossbar{SquareMeters(3136e-12), Watts(0), "RAPIDNN hardware table: crossbar, 1K x 1K"};
  Part activation{
      SquareMeters(83.2e-12), Watts(0), "RAPIDNN hardware table: activation AM, 64 rows"};
  Part encoder{SquareMeters(83.2e-12), Watts(0), "RAPIDNN hardware table: encoder AM, 64 rows"};

  static constexpr auto fields() {
    return config::list<Parts>(
        config::field("counters", &Parts::counters).doc("all counters of a block"),
        config::field("crossbar", &Parts::crossbar)
            .doc("the crossbar with product table, codes and in-memory adder"),
        config::field("activation", &Parts::activation).doc("the activation memory"),
        config::field("encoder", &Parts::encoder).doc("the encoder memory"));
  }
};

struct Spec {
  int rows = 1024;
  int columns = 1024;
  int adder_columns = 64;
  int counters = 1024;
  int counter_bits = 6;
  int activation_rows = 64;
  int encoder_rows = 64;
  int table_bits = 0;
  int sum_bits = 0;
  int share = 1;
  CodeSpread code_spread = CodeSpread::balanced;
  Seconds t_count{1e-9};
  Seconds t_nor{1e-9};
  int adder_nors = 13;
  int ripple_nors = 13;
  Seconds t_search{1e-9};
  int search_bits = 8;
  Seconds t_write{1e-9};
  double endurance = 0;
  Prices prices;
  Parts parts;
  std::string source;

  static constexpr auto fields() {
    using config::field;
    return config::list<Spec>(
        field("rows", &Spec::rows)
            .range(8, 65536)
            .doc("rows of the crossbar; as many words does the in-memory adder take at once"),
        field("columns", &Spec::columns).range(2, 65536).doc("columns of the crossbar"),
        field("adder_columns", &Spec::adder_columns)
            .range(1, 65536)
            .doc(
                "columns kept for the in-memory adder, the widest sum; the others hold the product "
                "table and the weight codes"),
        field("counters", &Spec::counters)
            .range(1, 1 << 20)
            .doc("counters, one per pair of a weight code and an input code; with fewer than pairs "
                 "the weight codes take turns")
            .source("RAPIDNN hardware table: 1K"),
        field("counter_bits", &Spec::counter_bits)
            .range(1, 16)
            .doc("width of a counter; when it overflows, its entry is added once with that shift")
            .source("RAPIDNN hardware table: 6 bit"),
        field("activation_rows", &Spec::activation_rows)
            .range(1, 65536)
            .doc("rows of the activation memory; programmed with the weights"),
        field("encoder_rows", &Spec::encoder_rows)
            .range(1, 65536)
            .doc("rows of the encoder memory: the most input codes there can be"),
        field("table_bits", &Spec::table_bits)
            .range(0, 32)
            .doc("width of a table entry; narrower than a product, the entry is rounded; 0 is as "
                 "wide as a product"),
        field("sum_bits", &Spec::sum_bits)
            .range(0, 63)
            .doc("width of the adder; narrower than a sum, the sum wraps; 0 is as wide as a sum"),
        field("share", &Spec::share)
            .range(1, 64)
            .doc("output columns (neurons, channels) that one block computes in turn"),
        field("code_spread", &Spec::code_spread)
            .doc("which codes the timing assumes; which bits come out does not depend on it"),
        field("t_count", &Spec::t_count)
            .range(1e-12, 1)
            .doc("one increment: every weight code's buffer gives one input code"),
        field("t_nor", &Spec::t_nor)
            .range(1e-12, 1)
            .doc("one NOR in the crossbar, in all rows at once")
            .source("FloatPIM (the same group): switching in 1 ns"),
        field("adder_nors", &Spec::adder_nors)
            .range(1, 1024)
            .doc("NORs of one stage of 3:2 adders, whatever its width"),
        field("ripple_nors", &Spec::ripple_nors)
            .range(1, 1024)
            .doc("NORs per bit of the final addition"),
        field("t_search", &Spec::t_search)
            .range(1e-12, 1)
            .doc("one stage of a search; searches are pipelined"),
        field("search_bits", &Spec::search_bits)
            .range(1, 64)
            .doc("bits of the key that one stage of a search compares"),
        field("t_write", &Spec::t_write)
            .range(1e-12, 1e3)
            .doc("programming one row of the crossbar or of a memory"),
        field("endurance", &Spec::endurance)
            .range(0, 1e18)
            .doc("writes a cell survives; 0 is unknown"),
        field("prices", &Spec::prices).doc("energy of each action"),
        field("parts", &Spec::parts).doc("area and leakage of each circuit"),
        field("source", &Spec::source).doc("the paper"));
  }
};

/// Indices into Model::resources().
enum ResourceIndex : int { kCounters, kCrossbar, kActivation, kEncoder, kNumResources };

/// Indices into Model::actions() and ActionCounts.
enum ActionIndex : std::size_t {
  kCountCycle,
  kCount,
  kLookup,
  kNorCycle,
  kAddBit,
  kActivationSearch,
  kEncoderSearch,
  kCellWrite,
  kNumActions
};

/// What single ranges cannot say. Empty for a valid Spec.
std::vector<SpecProblem> problems(const Spec& spec);

/// Whether tables and sums of this spec are always wide enough.
[[nodiscard]] inline bool loses_nothing(const Spec& spec) {
  return spec.table_bits == 0 && spec.sum_bits == 0;
}

/// Widest weights and inputs.
inline constexpr int kMaxBits = 16;

/// Widths of one column, in bits.
struct Widths {
  int product = 0;  ///< weight times input
  int entry = 0;    ///< of the product table
  int dropped = 0;  ///< low bits of a product that the entry rounds away
  int sum = 0;      ///< of the adder
};

/// `terms` products and the bias are summed.
[[nodiscard]] Widths widths(const Spec& spec, int w_bits, int in_bits, std::int64_t terms);

}  // namespace tessera::arch::lut
