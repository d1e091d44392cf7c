// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Conditions between the fields of a crossbar.
#include "arch/crossbar/spec.hpp"

#include <string>
#include <utility>

namespace tessera::arch::crossbar {

std::vector<SpecProblem> problems(const Spec& spec) {
  std::vector<SpecProblem> found;
  const bool differential_rows = spec.weight_mapping == WeightMapping::differential_rows;
  const bool unit = spec.weight_mapping == WeightMapping::biased_unit_column ||
                    spec.weight_mapping == WeightMapping::offset_column;
  if (spec.active_rows > spec.rows) {
    found.push_back({"active_rows",
                     "rows",
                     "more rows are read at once than the array has",
                     "at most " + std::to_string(spec.rows)});
  }
  if (differential_rows && spec.rows % 2 != 0) {
    found.push_back(
        {"rows", "weight_mapping", "differential rows come in pairs", "an even number"});
  }
  if (differential_rows && spec.active_rows % 2 != 0) {
    found.push_back(
        {"active_rows", "weight_mapping", "differential rows are read in pairs", "an even number"});
  }
  if (spec.weight_mapping == WeightMapping::differential_columns && spec.columns % 2 != 0) {
    found.push_back(
        {"columns", "weight_mapping", "differential columns come in pairs", "an even number"});
  }
  if (spec.weight_mapping == WeightMapping::offset_column && spec.columns < 2) {
    found.push_back({"columns",
                     "weight_mapping",
                     "the offset column leaves no room for weights",
                     "at least 2"});
  }
  if (spec.weight_flip && !unit) {
    found.push_back({"weight_flip",
                     "weight_mapping",
                     "flipping a column needs the sum of the inputs",
                     "biased_unit_column or offset_column"});
  }
  if (spec.adc_rate.has_value() == spec.t_adc.has_value()) {
    found.push_back(
        {"t_adc",
         "adc_rate",
         spec.t_adc ? "the conversion time is given twice" : "the conversion time is missing",
         "adc_rate or t_adc, and not both"});
  }
  if (spec.t_sample.value > 0 && !spec.sample_and_hold) {
    found.push_back({"t_sample",
                     "sample_and_hold",
                     "nothing samples",
                     "sample_and_hold: true, or no t_sample"});
  }
  if (spec.adcs > spec.columns + 1) {
    found.push_back({"adcs",
                     "columns",
                     "there are more ADCs than columns",
                     "at most " + std::to_string(spec.columns + 1)});
  }
  if (spec.conversion == Conversion::integrate_fire) {
    const auto contradicts = [&](const char* key, const char* sentence, std::string expected) {
      found.push_back({key, "conversion", sentence, std::move(expected)});
    };
    const bool shared_unit = spec.weight_mapping == WeightMapping::biased_unit_column &&
                             spec.unit_converter == UnitConverter::shared;
    const int needed = spec.columns + (shared_unit ? 1 : 0);
    if (spec.adcs < needed) {
      contradicts("adcs", "every column integrates all the time", std::to_string(needed));
    }
    if (differential_rows) {
      contradicts("weight_mapping", "integrators only fill up", "any but differential_rows");
    }
    if (spec.weight_mapping == WeightMapping::differential_columns &&
        spec.subtraction == Subtraction::analog) {
      contradicts("subtraction", "integrators only fill up", "digital");
    }
    if (spec.weight_flip) {
      contradicts("weight_flip", "there is no ADC to save a bit of", "false");
    }
    if (spec.sample_and_hold) {
      contradicts("sample_and_hold", "integrators take currents as they flow", "false");
    }
    const char* counted = "spikes are counted while the array is read";
    if (spec.adc_rate) {
      contradicts("adc_rate", counted, "none, but t_adc: 0 s");
    } else if (spec.t_adc.value_or(Seconds(0)).value > 0) {
      contradicts("t_adc", counted, "0 s");
    }
  }
  if (spec.nonideal.stuck_low + spec.nonideal.stuck_high > 1) {
    found.push_back({"nonideal",
                     "",
                     "more cells are stuck than there are",
                     "stuck_low + stuck_high at most 1"});
  }
  return found;
}

}  // namespace tessera::arch::crossbar
