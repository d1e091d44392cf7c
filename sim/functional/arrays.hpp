// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The PEs of a Program: what is written to them, and what they answer. Knows no time.
///
/// Names    a PE is named by the run's seed, its endpoint and its number there; a write by the
/// seed,
///          the stage, the replica and, where the matrix is written during the run, the image. The
///          random part of devices is drawn by these names and the stamp of a firing, so every
///          executor of the same Program gets the same numbers in any order.
/// Rewrites where devices vary, a stage that is rewritten for every image has new cells for every
///          image; where they do not, rewriting the same weights changes nothing and is skipped
#pragma once

#include "arch/chip/chip.hpp"
#include "sim/api/program.hpp"
#include "sim/api/run.hpp"
#include "workloads/network.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace tessera::functional {

/// What a mode computes; `off` computes nothing and is not one.
Fidelity fidelity_of(Functional mode);

class Arrays {
 public:
  /// Nothing is loaded. The arguments must outlive the object.
  Arrays(const Program& program,
         const Network& network,
         const arch::chip::Chip& chip,
         Fidelity fidelity,
         std::uint64_t seed);

  /// Programs the PEs of a part from the weights of the whole layer.
  void load(int part, std::span<const std::int32_t> weights, std::int64_t image);
  /// Forgets what the PEs of a part hold.
  void unload(int part);
  /// Whether what the part holds is right for `image`, for weights that never change.
  [[nodiscard]] bool holds(int part, std::int64_t image) const;
  /// Whether every firing of a loaded part is the exact product.
  [[nodiscard]] bool exact(int part) const;

  /// Whether replicas, writes and firings differ from one another.
  [[nodiscard]] bool vary() const { return vary_; }

  /// sum += what the part answers, for every stamp. x [stamps][groups * rows], narrowed; sum
  /// [stamps][groups * cols]. `took`, when not null, takes the Steps of one firing, PE by PE.
  void fire(int part,
            std::span<const Stamp> stamps,
            std::span<const std::int32_t> x,
            std::span<std::int64_t> sum,
            std::vector<std::vector<Step>>* took = nullptr) const;

  /// The same with results apart: apart [PEs][stamps][groups * cols].
  void fire_apart(int part,
                  std::span<const Stamp> stamps,
                  std::span<const std::int32_t> x,
                  std::span<std::int64_t> apart,
                  std::vector<std::vector<Step>>* took) const;

  /// What the vector unit of an endpoint does by programs: y += their answers, for every stamp. x
  /// [stamps][inputs of the work], y [stamps][outputs]. Answers what they did with these data.
  ActionCounts run(EndpointId endpoint,
                   std::span<const Op> programs,
                   std::span<const Stamp> stamps,
                   std::span<const std::int32_t> x,
                   std::span<std::int64_t> y);

 private:
  /// `apart`: from the results of one PE to those of the next; 0: they are added up.
  void fire_all(int part,
                std::span<const Stamp> stamps,
                std::span<const std::int32_t> x,
                std::span<std::int64_t> sum,
                std::size_t apart,
                std::vector<std::vector<Step>>* took) const;

  const Program& program_;
  const Network& network_;
  const arch::chip::Chip& chip_;
  Fidelity fidelity_;
  std::uint64_t seed_;
  bool vary_;
  std::vector<std::unique_ptr<Unit>> units_;                                  ///< by resident
  std::map<std::pair<std::size_t, Op>, std::unique_ptr<Unit>> vector_units_;  ///< by group of tiles
  std::vector<std::int64_t> image_;  ///< by part: the image of the last write, or -1
};

}  // namespace tessera::functional
