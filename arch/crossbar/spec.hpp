// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// A memristor crossbar with its converters, as YAML. ISAAC, PUMA, LRMP and the RWTH accelerator
/// are values of it.
///
/// Units    times in seconds; they become cycles in steps.cpp and cost.cpp, each on its own
/// Default  sizes and prices of one ISAAC-CE array (Shafiee et al., ISCA 2016, table I, corrected
/// edition)
#pragma once

#include "sim/api/spec.hpp"
#include "sim/base/config.hpp"
#include "sim/base/units.hpp"

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tessera::arch::crossbar {

/// How a signed weight becomes non-negative cell values (README, "Weight mappings").
enum class WeightMapping {
  twos_complement_planes,  ///< magnitude bits in slices of cell_bits, the sign bit in a plane that
                           ///< is subtracted
  differential_columns,    ///< w = P - N, P and N in neighbouring columns
  differential_rows,       ///< w = P - N, P and N in neighbouring rows driven with opposite signs
  offset_column,  ///< w + 2^(w_bits-1); one column of ones per row block, inside the array, gives
                  ///< sum(x)
  biased_unit_column,  ///< the same bias; every array has a column of ones beside its `columns`
                       ///< (ISAAC)
};

enum class SlicePlacement {
  separate_arrays,   ///< one slice per array: as many arrays per block as there are slices (LRMP)
  adjacent_columns,  ///< all slices of a weight side by side, packed without gaps (ISAAC, RWTH)
};

/// Where the two columns of a differential pair are subtracted.
enum class Subtraction {
  analog,   ///< before the converter: one signed conversion per pair
  digital,  ///< after it: two conversions
};

/// How the current of a column becomes a number.
enum class Conversion {
  adc,             ///< every read is converted on its own
  integrate_fire,  ///< the charge of all reads of a firing is collected; a counter counts the
                   ///< spikes that it makes (PipeLayer)
};

/// When a shift-and-add works, and for whom the converters wait.
enum class ShiftAddMode {
  streamed,  ///< under the next conversion; the last one of a pass under the next pass
  blocking,  ///< as streamed, but the converters wait for the last one of a pass (pimsim-nn)
  staged,    ///< after all conversions of the pass, as a pipeline stage of its own (ISAAC)
};

enum class UnitConverter {
  shared,  ///< the unit column takes its turn at the array's converters
  own,     ///< it has a converter of its own: its conversions are counted but take no turn
};

enum class WriteGranularity { array, row };

constexpr auto enum_names(WeightMapping) {
  return std::array<std::pair<WeightMapping, std::string_view>, 5>{{
      {WeightMapping::twos_complement_planes, "twos_complement_planes"},
      {WeightMapping::differential_columns, "differential_columns"},
      {WeightMapping::differential_rows, "differential_rows"},
      {WeightMapping::offset_column, "offset_column"},
      {WeightMapping::biased_unit_column, "biased_unit_column"},
  }};
}

constexpr auto enum_names(SlicePlacement) {
  return std::array<std::pair<SlicePlacement, std::string_view>, 2>{{
      {SlicePlacement::separate_arrays, "separate_arrays"},
      {SlicePlacement::adjacent_columns, "adjacent_columns"},
  }};
}

constexpr auto enum_names(Subtraction) {
  return std::array<std::pair<Subtraction, std::string_view>, 2>{{
      {Subtraction::analog, "analog"},
      {Subtraction::digital, "digital"},
  }};
}

constexpr auto enum_names(Conversion) {
  return std::array<std::pair<Conversion, std::string_view>, 2>{{
      {Conversion::adc, "adc"},
      {Conversion::integrate_fire, "integrate_fire"},
  }};
}

constexpr auto enum_names(ShiftAddMode) {
  return std::array<std::pair<ShiftAddMode, std::string_view>, 3>{{
      {ShiftAddMode::streamed, "streamed"},
      {ShiftAddMode::blocking, "blocking"},
      {ShiftAddMode::staged, "staged"},
  }};
}

constexpr auto enum_names(UnitConverter) {
  return std::array<std::pair<UnitConverter, std::string_view>, 2>{{
      {UnitConverter::shared, "shared"},
      {UnitConverter::own, "own"},
  }};
}

constexpr auto enum_names(WriteGranularity) {
  return std::array<std::pair<WriteGranularity, std::string_view>, 2>{{
      {WriteGranularity::array, "array"},
      {WriteGranularity::row, "row"},
  }};
}

/// In the order of ActionIndex.
struct Prices {
  Price input_read{Joules(0.12109375e-12),
                   "ISAAC table I, 32 nm: 1.24 mW x 100 ns / (8 x 128 rows)"};
  Price dac_convert{Joules(0.390625e-12), "ISAAC table I, 32 nm: 4 mW x 100 ns / (8 x 128)"};
  Price cell_read{Joules(1.8310546875e-15),
                  "ISAAC table I, 32 nm: 2.4 mW x 100 ns / (8 x 128 x 128)"};
  Price sample_hold{Joules(0.9765625e-15), "ISAAC table I, 32 nm: 10 uW x 100 ns / (8 x 128)"};
  Price adc_convert{Joules(1.5625e-12), "ISAAC table I, 32 nm: 16 mW / 8 at 1.28 GS/s, 8 bit"};
  Price shift_add{Joules(0.01953125e-12), "ISAAC table I, 32 nm: 0.2 mW x 100 ns / (8 x 128)"};
  Price output_write{Joules(2.875e-12),
                     "ISAAC table I, 32 nm: 0.23 mW x 1.6 us / (8 x 16 results of 16 bit)"};
  Price cell_write{Joules(1.379e-12),
                   "puma-simulator constants: 2.06 mW x 10.969 us / (128 x 128); absent in ISAAC"};

  static constexpr auto fields() {
    return config::list<Prices>(
        config::field("input_read", &Prices::input_read)
            .doc("one input slice of one row out of the input register"),
        config::field("dac_convert", &Prices::dac_convert)
            .doc("one physical row driven for one read, or one spike of it"),
        config::field("cell_read", &Prices::cell_read).doc("one cell in one read"),
        config::field("sample_hold", &Prices::sample_hold).doc("one column sampled"),
        config::field("adc_convert", &Prices::adc_convert)
            .doc("one conversion; integrate_fire: one column that integrates for one read"),
        config::field("shift_add", &Prices::shift_add)
            .doc("one conversion, or one counter, shifted and added"),
        config::field("output_write", &Prices::output_write)
            .doc("one column result into the output register"),
        config::field("cell_write", &Prices::cell_write).doc("one programming pulse on one cell"));
  }
};

struct Parts {
  Part input{SquareMeters(262.5e-12), Watts(0), "ISAAC table I: 0.0021 mm2 / 8"};
  Part dac{SquareMeters(0.166015625e-12), Watts(0), "ISAAC table I: 0.00017 mm2 / (8 x 128)"};
  Part array{SquareMeters(25e-12), Watts(0), "ISAAC table I: 0.0002 mm2 / 8"};
  Part sample_hold{SquareMeters(0.0390625e-12), Watts(0), "ISAAC table I: 0.00004 mm2 / (8 x 128)"};
  Part adc{SquareMeters(1200e-12), Watts(0), "ISAAC table I: 0.0096 mm2 / 8"};
  Part shift_add{SquareMeters(30e-12), Watts(0), "ISAAC table I: 0.00024 mm2 / 8"};
  Part output{SquareMeters(96.25e-12), Watts(0), "ISAAC table I: 0.00077 mm2 / 8"};

  static constexpr auto fields() {
    return config::list<Parts>(
        config::field("input", &Parts::input).doc("input register of the array"),
        config::field("dac", &Parts::dac).doc("one DAC; there is one per row"),
        config::field("array", &Parts::array).doc("the cells with their wires"),
        config::field("sample_hold", &Parts::sample_hold)
            .doc("one sample-and-hold; there is one per column"),
        config::field("adc", &Parts::adc)
            .doc("one ADC, or integrator with its counter; there are `adcs`"),
        config::field("shift_add", &Parts::shift_add).doc("all shift-and-add units of the array"),
        config::field("output", &Parts::output).doc("output register of the array"));
  }
};

/// How the levels of programmed cells spread.
enum class Spread {
  gaussian,    ///< level * (1 + v z), not below 0
  log_normal,  ///< level * e^(s z - s^2 / 2) with s^2 = ln(1 + v^2)
};

constexpr auto enum_names(Spread) {
  return std::array<std::pair<Spread, std::string_view>, 2>{{
      {Spread::gaussian, "gaussian"},
      {Spread::log_normal, "log_normal"},
  }};
}

/// What real devices do to the numbers (devices.hpp). Nothing here takes time.
struct Nonideal {
  double variation = 0;
  Spread spread = Spread::gaussian;
  double stuck_low = 0;
  double stuck_high = 0;
  double read_noise = 0;
  double adc_offset = 0;
  double adc_gain = 0;

  /// Whether any of it is switched on.
  [[nodiscard]] bool any() const {
    return variation > 0 || stuck_low > 0 || stuck_high > 0 || read_noise > 0 || adc_offset > 0 ||
           adc_gain > 0;
  }

  static constexpr auto fields() {
    using config::field;
    return config::list<Nonideal>(
        field("variation", &Nonideal::variation)
            .range(0, 2)
            .doc(
                "standard deviation of a programmed cell's level relative to that level; drawn per "
                "cell and write"),
        field("spread", &Nonideal::spread).doc("distribution of the programmed levels"),
        field("stuck_low", &Nonideal::stuck_low)
            .range(0, 1)
            .doc("fraction of the cells that hold the lowest level whatever is written"),
        field("stuck_high", &Nonideal::stuck_high)
            .range(0, 1)
            .doc("fraction of the cells that hold the highest level whatever is written"),
        field("read_noise", &Nonideal::read_noise)
            .range(0, 1e4)
            .doc("standard deviation of a column's current in one read, in steps of the converter; "
                 "one step is one level of one cell times the smallest input"),
        field("adc_offset", &Nonideal::adc_offset)
            .range(0, 1e4)
            .doc("standard deviation of the converters' offsets, in steps; drawn per converter"),
        field("adc_gain", &Nonideal::adc_gain)
            .range(0, 1)
            .doc("standard deviation of the converters' gains around 1; drawn per converter"));
  }
};

struct Spec {
  int rows = 128;
  int columns = 128;
  int cell_bits = 2;
  int active_rows = 0;
  WeightMapping weight_mapping = WeightMapping::biased_unit_column;
  SlicePlacement slice_placement = SlicePlacement::adjacent_columns;
  Subtraction subtraction = Subtraction::digital;
  bool weight_flip = false;
  UnitConverter unit_converter = UnitConverter::own;
  bool pack_groups = true;
  int dac_bits = 1;
  Conversion conversion = Conversion::adc;
  int adc_bits = 9;
  int adcs = 1;
  std::optional<Hertz> adc_rate;
  std::optional<Seconds> t_adc;
  bool sample_and_hold = true;
  Seconds t_dac{0};
  Seconds t_read{100e-9};
  Seconds t_sample{0};
  ShiftAddMode shift_add = ShiftAddMode::streamed;
  Seconds t_shift_add{0};
  Seconds t_output{0};
  Seconds t_write{0};
  WriteGranularity write_granularity = WriteGranularity::array;
  int write_pulses = 1;
  double endurance = 0;
  Nonideal nonideal;
  Prices prices;
  Parts parts;
  std::string source;

  static constexpr auto fields() {
    using config::field;
    return config::list<Spec>(
        field("rows", &Spec::rows).range(1, 65536).doc("physical rows of the array"),
        field("columns", &Spec::columns)
            .range(1, 65536)
            .doc("physical columns of the array, the unit column excluded"),
        field("cell_bits", &Spec::cell_bits).range(1, 8).doc("bits stored in one cell"),
        field("active_rows", &Spec::active_rows)
            .range(0, 65536)
            .doc("physical rows driven in one read; 0 is all. A matrix takes ceil(its rows / "
                 "active_rows) row groups"),
        field("weight_mapping", &Spec::weight_mapping)
            .doc("how a signed weight becomes non-negative cell values"),
        field("slice_placement", &Spec::slice_placement)
            .doc("where the bit slices of one weight are"),
        field("subtraction", &Spec::subtraction)
            .doc("differential_columns: where the pair is subtracted"),
        field("weight_flip", &Spec::weight_flip)
            .doc("a column whose sum could use the top bit is stored inverted; saves one ADC bit")
            .source("ISAAC, section V"),
        field("unit_converter", &Spec::unit_converter)
            .doc("biased_unit_column: who converts the unit column"),
        field("pack_groups", &Spec::pack_groups)
            .doc("several small groups (depthwise convolution, heads) share an array, "
                 "block-diagonally"),
        field("dac_bits", &Spec::dac_bits).range(1, 16).doc("width of an input slice"),
        field("conversion", &Spec::conversion)
            .doc(
                "adc: every read is converted; integrate_fire: the charge of all reads of a firing "
                "is collected and counted in spikes while they last")
            .source("PipeLayer, HPCA 2017"),
        field("adc_bits", &Spec::adc_bits)
            .range(0, 32)
            .doc("width of the ADC or of the spike counter; 0 is ideal, it never clips"),
        field("adcs", &Spec::adcs)
            .range(1, 65536)
            .doc("ADCs of the array; columns take turns. integrate_fire: one for every column"),
        field("adc_rate", &Spec::adc_rate)
            .range(1, 1e12)
            .doc("conversions per second of one ADC; or give t_adc"),
        field("t_adc", &Spec::t_adc)
            .range(0, 1)
            .doc("time of one conversion; 0 when it is part of t_read"),
        field("sample_and_hold", &Spec::sample_and_hold)
            .doc("conversion overlaps the next read; without it DAC and array are held while "
                 "converting"),
        field("t_dac", &Spec::t_dac).range(0, 1).doc("settling of the DACs, before the read"),
        field("t_read", &Spec::t_read).range(1e-15, 1).doc("one read of the array"),
        field("t_sample", &Spec::t_sample)
            .range(0, 1)
            .doc("sampling, after the read; needs sample_and_hold"),
        field("shift_add", &Spec::shift_add).doc("how shift-and-add overlaps with conversion"),
        field("t_shift_add", &Spec::t_shift_add)
            .range(0, 1)
            .doc("shift-and-add of one round of conversions"),
        field("t_output", &Spec::t_output)
            .range(0, 1)
            .doc("results into the output register, once per firing"),
        field("t_write", &Spec::t_write)
            .range(0, 1e3)
            .doc("programming time of what write_granularity says"),
        field("write_granularity", &Spec::write_granularity)
            .doc("what t_write programs: the matrix, or one physical row"),
        field("write_pulses", &Spec::write_pulses)
            .range(1, 1 << 20)
            .doc("programming pulses per cell, for the energy"),
        field("endurance", &Spec::endurance)
            .range(0, 1e18)
            .doc("writes a cell survives; 0 is unknown"),
        field("nonideal", &Spec::nonideal)
            .doc("what devices do to the numbers in a bit-accurate run; all off by default, and "
                 "without effect on time and energy"),
        field("prices", &Spec::prices).doc("energy of each action"),
        field("parts", &Spec::parts).doc("area and leakage of each circuit"),
        field("source", &Spec::source).doc("the paper"));
  }
};

/// Indices into Model::resources().
enum ResourceIndex : int {
  kInput,
  kDac,
  kArray,
  kSampleHold,
  kAdc,
  kShiftAdd,
  kOutput,
  kNumResources
};

/// Indices into Model::actions() and ActionCounts.
enum ActionIndex : std::size_t {
  kInputRead,
  kDacConvert,
  kCellRead,
  kSampled,
  kAdcConvert,
  kShiftedAdded,
  kOutputWrite,
  kCellWrite,
  kNumActions
};

/// What single ranges cannot say. Empty for a valid Spec.
std::vector<SpecProblem> problems(const Spec& spec);

}  // namespace tessera::arch::crossbar
