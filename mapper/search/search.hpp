// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// A search from the outside: the problem, its budget and its accuracy source as the `search:`
/// section asks for them, and every method on them.
///
/// Accuracy  a sensitivity or a table gives every choice its loss. An external command measures
///           whole networks: the choices then carry the noise of quantization, scaled so that it
///           equals what the command measures at one uniform width, and the command judges the
///           answers
/// Errors    diagnostics of the readers (exit status 2); exit status 4: E-SEARCH-AREA and
///           E-SEARCH-ACCURACY-BUDGET and E-SEARCH-LIMIT when a budget cannot be met, with how much
///           is missing
#pragma once

#include "arch/chip/chip.hpp"
#include "mapper/accuracy/source.hpp"
#include "mapper/accuracy/sqnr.hpp"
#include "mapper/milp/solver.hpp"
#include "mapper/problem.hpp"
#include "mapper/rl/search.hpp"
#include "mapper/search/spec.hpp"
#include "sim/api/program.hpp"
#include "sim/base/diagnostics.hpp"
#include "workloads/network.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tessera::mapper {

struct SearchSetup {
  const Network* network = nullptr;
  SearchSpec spec;
  std::uint64_t seed = 1;
  Problem problem;
  Budget budget;
  std::unique_ptr<AccuracySource> accuracy;
  std::string failed_lp;  ///< where a MILP that fails is written; empty for nowhere
  /// Unreplicated, at 8 bit or the nearest widths there are: what gains are counted against.
  Solution reference;

  /// In the unit of the accuracy source.
  [[nodiscard]] double loss(const Solution& solution) const;
};

/// Every layer at every pair of widths, without losses. Throws InputError.
Problem make_costs(const Network& network,
                   const arch::chip::Chip& chip,
                   Granularity granularity,
                   const SearchSpec& spec,
                   const config::Node& at);

/// What the network's layers hold, for the noise of quantization.
using SignalSource = std::function<std::vector<LayerSignal>()>;

/// `folder` is where a file of the section is looked for, `at` where the section is; `signals` are
/// synthetic when left out. Throws InputError.
SearchSetup make_search(const Network& network,
                        const arch::chip::Chip& chip,
                        Granularity granularity,
                        const SearchSpec& spec,
                        std::uint64_t seed,
                        const std::string& folder,
                        const config::Node& at,
                        const SignalSource& signals = {});

/// What a method came to.
struct MethodRun {
  Method method = Method::joint_milp;
  std::vector<Solution> solutions;  ///< best first; none when the method has no answer
  milp::SolverReport report;        ///< of the solver behind it, if any
  std::string note;                 ///< why there is no answer, or what is special about it
  rl::RlOutcome episodes;           ///< of reinforcement learning
};

struct SearchHooks {
  /// After every episode; may save the search.
  std::function<void(const rl::RlSearch&)> after_episode;
  /// A checkpoint of reinforcement learning to go on from, if there is one; says whether it fits.
  std::function<void(rl::RlSearch&)> resume;
};

/// Deterministic, except when a time limit was hit (report.limit_hit).
MethodRun run_method(const SearchSetup& setup, Method method, const SearchHooks& hooks = {});

/// Best answers for `count` loss budgets between none and that of the narrowest widths: the
/// trade-off of accuracy against the objective.
std::vector<Solution> sweep_loss(const SearchSetup& setup, int count);

}  // namespace tessera::mapper
