// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// What a functional run computes on when the weights of the network are given.
///
/// Images   of `data:` those to train on are calibrated on and those to test on are run, one after
///          the other and again from the first; when a split is empty, another one is taken.
///          Without `data:`, real numbers that are spread evenly over [0, 1], or [-1, 1] for a
///          signed input: the integers of synthetic_input()
/// Errors   InputError: E-QUANT-FORMAT
#pragma once

#include "mapper/search/search.hpp"
#include "sim/report/progress.hpp"
#include "tools/tessera/experiment.hpp"
#include "workloads/parameters.hpp"
#include "workloads/quantization/integer_model.hpp"

#include <cstdint>
#include <memory>
#include <vector>

namespace tessera::tools {

/// The network of an experiment with given weights, in the widths it has, calibrated on its images.
/// Synthetic ones are all alike: then four at most.
IntegerModel integer_model(const Experiment& experiment);

/// The same with several ways to quantize, calibrated once. `experiment` must outlive the object.
class IntegerSource {
 public:
  explicit IntegerSource(const Experiment& experiment);

  /// `spec` differs from the experiment's in codebooks at most.
  [[nodiscard]] IntegerModel model(const QuantizationSpec& spec) const;
  /// In these widths, one pair per matrix layer.
  [[nodiscard]] IntegerModel model(const QuantizationSpec& spec,
                                   const std::vector<LayerBits>& bits) const;

 private:
  const Experiment& experiment_;
  FloatImageSource images_;
  std::int64_t count_ = 0;
  Calibration calibration_;
};

/// Parameters and images for the network of `model`, which must outlive the result like
/// `experiment`.
NetworkData network_data(const Experiment& experiment, const IntegerModel& model);

/// Synthetic weights and images of the experiment, which must outlive the result.
NetworkData synthetic_data(const Experiment& experiment);

/// Gives PEs whose programs hold the weights (Model::programmed) those of the experiment's network,
/// as it is quantized now. Does nothing on other chips. Before anything is mapped. As long as
/// `status` lives, it says which layer's programs are being made.
void program_pes(Experiment& experiment,
                 const std::shared_ptr<report::StatusLine>& status = nullptr);

/// The same before a search, which asks for a layer in many widths: its programs are those that it
/// has in the network with its widths everywhere, whatever comes before it and after. An estimate:
/// sums end with the width that the next layer reads. `experiment` must outlive the programs.
void program_pes_for_search(Experiment& experiment,
                            const std::shared_ptr<report::StatusLine>& status = nullptr);

/// What the layers hold, computed in real numbers on four images; null without given weights.
/// `experiment` must outlive the result.
mapper::SignalSource signal_source(const Experiment& experiment);

}  // namespace tessera::tools
