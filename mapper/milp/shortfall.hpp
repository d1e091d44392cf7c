// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Why no answer meets a budget, how much is missing, and the smallest change that would help.
#pragma once

#include "mapper/problem.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace tessera::mapper::milp {

enum class Constraint {
  pes,     ///< even the smallest choices, one replica each, need more PEs
  loss,    ///< even the best choices lose more
  both,    ///< each budget can be met, but not the two together
  limit,   ///< whatever is chosen within PEs and loss, replicas use more of one limit
  limits,  ///< each limit can be kept to within PEs and loss, but not both limits together
};

constexpr auto enum_names(Constraint) {
  return std::array<std::pair<Constraint, std::string_view>, 5>{{
      {Constraint::pes, "pes"},
      {Constraint::loss, "loss"},
      {Constraint::both, "both"},
      {Constraint::limit, "limit"},
      {Constraint::limits, "limits"},
  }};
}

/// All with one replica of every layer. PEs count whatever the loss budget, and the loss whatever
/// the PEs, unless the name says "at".
struct Shortfall {
  Constraint constraint = Constraint::pes;
  Budget budget;
  std::int64_t least_pes = 0;
  double least_loss = 0;
  std::optional<std::int64_t> pes_at_loss;  ///< least PEs within the loss budget, if any
  std::optional<double> loss_at_pes;        ///< least loss within the PEs, if any
  Limit limit = Limit::buffer;              ///< that is exceeded (Constraint::limit)
  double least_use = 0;                     ///< of that limit, within PEs and loss

  /// What is missing of the constraint; of both, as if the loss budget stood.
  [[nodiscard]] std::int64_t missing_pes() const;
  [[nodiscard]] double missing_loss() const;

  /// "needs 201 PEs for one replica of every layer, 150 are there", and a clause per remedy.
  [[nodiscard]] std::string sentence() const;
  [[nodiscard]] std::string remedy() const;
};

/// Empty when some answer meets the budget. With `fixed`, only that choice counts, and not its
/// loss.
std::optional<Shortfall> find_shortfall(const Problem& problem,
                                        const Budget& budget,
                                        std::span<const int> fixed = {});

/// Any answer within the budget with one replica of every layer, by GLPK; nothing when there is
/// none, an empty one when GLPK gave up. With `fixed`, of that choice, whatever it loses.
std::optional<Solution> one_replica_each(const Problem& problem,
                                         const Budget& budget,
                                         std::span<const int> fixed = {});

}  // namespace tessera::mapper::milp
