// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Matrix-vector product of one crossbar, conversion by conversion.
///
/// Shapes   x: [groups * rows] in_bits; weights: [groups][cols][rows] signed w_bits; y: [groups *
/// cols] signed 64,
///          accumulated. A fragment adds the share of the slices it holds, place values and bias
///          applied
/// Units    none (integers)
/// Rounding every conversion clips to [0, 2^adc_bits - 1]; where the mapping subtracts before
/// converting
///          (differential_rows, differential_columns with analog subtraction) to
///          [-2^(adc_bits-1), 2^(adc_bits-1) - 1]. Shift-and-add is exact. adc_bits 0 never clips
/// Integrate  with conversion: integrate_fire one conversion sees the charge of all row groups and
///          of all slices of the inputs' magnitude, weighted; the sign bits of signed inputs are
///          integrated apart and subtracted
/// Bias     the offset column is read by every fragment of its row block as the array that holds it
/// would: same cells,
///          same inputs, same converter, so the same number (README, deviation 3)
/// Errors   InternalError when the spans do not match the fragment
/// Source   ISAAC section V and figure 4; README, "Kernel"
#pragma once

#include "arch/crossbar/conversions.hpp"
#include "arch/crossbar/devices.hpp"
#include "arch/crossbar/spec.hpp"
#include "sim/api/model.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace tessera::arch::crossbar {

/// Smallest width of the ADC, or of the counter, for which no conversion of the spec can clip,
/// whatever the weights and inputs. With weight_flip a column stores at most half of its largest
/// sum. Only counters depend on the inputs' width.
[[nodiscard]] int sufficient_adc_bits(const Spec& spec, int in_bits);

/// ISAAC's rule (section V): log2(rows) + v + w, one less when v or w is 1. rows a power of two.
[[nodiscard]] int isaac_adc_bits(int rows, int dac_bits, int cell_bits);

/// How conversions are evaluated.
enum class Converters {
  ideal,     ///< never clip: the exact product
  clipping,  ///< clip; an array whose conversions provably cannot clip takes the exact product
  each,      ///< clip, and evaluate every single conversion: the same numbers as `clipping`, slower
  physical,  ///< clip, with the devices of spec.nonideal; `clipping` when all of it is off
};

/// Names of a PE and of what is written to it, for the draws of devices.hpp.
struct ArrayName {
  std::uint64_t pe = 0;
  std::uint64_t write = 0;
};

/// One programmed array. Immutable after construction; `spec` must outlive it.
class Array {
 public:
  Array(const Spec& spec,
        const Op& op,
        const Fragment& fragment,
        std::span<const std::int32_t> weights,
        const ArrayName& name = {});

  /// y += result, for every firing of the batch.
  void fire(const Batch& batch, Converters converters) const;
  /// One firing.
  void fire(std::span<const std::int32_t> x,
            std::span<std::int64_t> y,
            Converters converters,
            const Stamp& stamp = {}) const;

  /// Logical columns of which some conversion could clip with these weights and the worst input.
  [[nodiscard]] int num_clipping_columns() const { return clipping_columns_; }

 private:
  /// What programmed cells and converters really are; built when spec.nonideal is not off.
  struct Physical {
    /// What one conversion sees, beside its currents.
    struct Line {
      std::size_t column = 0;
      std::int64_t place = 0;
      std::size_t flips = 0;   ///< first entry in `flipped`
      std::uint64_t read = 0;  ///< names the reads of the line
    };

    explicit Physical(const Spec& spec) : devices(spec) {}

    Devices devices;
    std::vector<Line> lines;
    std::vector<bool> flipped;  ///< [line][row group]
    // With the unit column as the last line:
    std::vector<std::int32_t> levels;  ///< [row][line]
    std::vector<Devices::Converter> converters;
    std::uint64_t key = 0;       ///< of the array's reads
    std::uint64_t unit_key = 0;  ///< of the unit column's
    bool fits_32 = false;        ///< no current needs more than 32 bits
  };

  struct Building;

  [[nodiscard]] int rows_of(int row_group) const;
  void add_column(Building& b, const Fragment& fragment, int col) const;
  void add_line(Building& b,
                std::span<const int> positive,
                std::span<const int> negative,
                std::int64_t place,
                std::int64_t physical_column) const;
  void build_physical(const Building& b, const Fragment& fragment, const ArrayName& name);
  [[nodiscard]] bool could_clip(std::int64_t current) const;

  void multiply(const Batch& batch) const;
  void convert_all(const Batch& batch) const;
  void convert_physical(const Batch& batch) const;
  [[nodiscard]] std::int64_t sum_of_ones(std::span<const std::int64_t> ones) const;
  void correct(std::int64_t sum_of_inputs, std::span<std::int64_t> y) const;
  [[nodiscard]] std::vector<std::int64_t> converted_ones(std::span<const std::int32_t> x) const;
  [[nodiscard]] std::int64_t convert(std::int64_t current) const;

  const Spec* spec_;
  Op op_;
  bool pairs_ = false;  ///< subtraction before conversion
  bool biased_ = false;
  int row_groups_ = 1;  ///< of the rows in use
  int group_rows_ = 1;  ///< matrix rows per row group
  int clipping_columns_ = 0;
  InputPlanes slices_;                   ///< how inputs are cut; its planes are empty
  CellPanels panels_;                    ///< see conversions.hpp
  std::vector<bool> corrected_;          ///< [col]: 2^(w_bits-1) * sum(x) is subtracted here
  std::vector<std::int32_t> effective_;  ///< [row][col]: the share of w that this array applies
  bool fits_32_ = false;                 ///< no exact sum needs more than 32 bits
  std::unique_ptr<const Physical> physical_;
};

}  // namespace tessera::arch::crossbar
