// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "mapper/search/closed_form.hpp"

#include "mapper/first_fit.hpp"

#include <cstddef>
#include <utility>

namespace tessera::mapper {

std::vector<LayerBits> bits_of(const Problem& problem, const std::vector<int>& choice) {
  std::vector<LayerBits> bits;
  for (std::size_t l = 0; l < choice.size(); ++l) {
    const Choice& one = problem.layers[l].choices[static_cast<std::size_t>(choice[l])];
    bits.push_back({one.w_bits, one.a_bits});
  }
  return bits;
}

MappingRequest request_of(const Problem& problem, const Solution& solution) {
  MappingRequest request;
  const std::vector<LayerBits> bits = bits_of(problem, solution.choice);
  for (std::size_t l = 0; l < bits.size(); ++l) {
    request.layers.push_back(
        {bits[l].w_bits, bits[l].a_bits, static_cast<int>(solution.replicas[l])});
  }
  return request;
}

ClosedForm::ClosedForm(const Network& network,
                       const arch::chip::Chip& chip,
                       Granularity granularity)
    : unquantized_(network), chip_(chip), granularity_(granularity) {}

const Network& ClosedForm::network(const Problem& problem, const std::vector<int>& choice) {
  std::vector<LayerBits> bits = bits_of(problem, choice);
  if (network_ == nullptr || bits != bits_) {
    analyzer_.reset();
    network_ = std::make_unique<Network>(unquantized_);
    quantize(*network_, bits);
    analyzer_ = std::make_unique<Analyzer>(*network_, chip_, granularity_);
    bits_ = std::move(bits);
  }
  return *network_;
}

std::optional<Analysis> ClosedForm::analyze(const Problem& problem, const Solution& solution) {
  Diagnostics diagnostics;
  const Mapping mapping = first_fit(network(problem, solution.choice),
                                    chip_,
                                    request_of(problem, solution),
                                    granularity_,
                                    diagnostics);
  if (!diagnostics.ok()) {
    return std::nullopt;
  }
  return analyzer_->analyze(mapping);
}

Analysis ClosedForm::analyze(const Problem& problem,
                             const Solution& solution,
                             const Mapping& mapping) {
  (void)network(problem, solution.choice);
  return analyzer_->analyze(mapping);
}

double value_of(const Analysis& analysis, const Evaluation& evaluation, Objective objective) {
  const auto latency = static_cast<double>(analysis.latency.value);
  switch (objective) {
    case Objective::latency:
      return latency;
    case Objective::throughput:
      return static_cast<double>(analysis.interval.value);
    case Objective::energy:
      return evaluation.energy;
    case Objective::edp:
      return evaluation.energy * latency;
  }
  return latency;
}

}  // namespace tessera::mapper
