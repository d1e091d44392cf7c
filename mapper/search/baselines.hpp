// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Heuristics for replicas of other groups, at widths that are given: what a search has to beat.
///
/// All      keep to the budget's limits (papers: none): what exceeds them is not taken;
///          minimise Evaluation::value of the objective, so that their answers can be compared; a
///          paper's own objective is named where it differs. Answers are within the budget's PEs
///          and max_replicas, and never worse than one replica of every layer
/// Random   deterministic for a seed, on every machine
/// Errors   widths that exceed the budget with one replica of every layer throw InternalError
#pragma once

#include "mapper/problem.hpp"

#include <cstdint>
#include <span>

namespace tessera::mapper {

/// ISAAC's rule for a balanced pipeline: copies of a layer, relative to the last one, in proportion
/// to its work, so that all layers take equally long; scaled to the largest whole numbers, at least
/// one each, that fit. Without an objective.
///
/// Same      copies follow from the layers' rates relative to the last one's
/// Different work = positions x cycles per position, as layers differ in widths here; the scale is
///           found exactly, and stops at the first layer whose next copy does not fit
/// Source    A. Shafiee et al., ISCA 2016: "ISAAC", section on balancing the pipeline
Solution balance(const Problem& problem, std::span<const int> choice, const Budget& budget);

struct AnnealOptions {
  double cooling = 0.95;            ///< per temperature
  double last_temperature = 0.001;  ///< of the first, which is the power of ten below the start
  int moves = 100;                  ///< per temperature and chain
  int chains = 10;                  ///< independent, from the same start
};

/// PIMSYN's simulated annealing.
///
/// Same      schedule, chains and moves: a random layer gets at least the free PEs and up to a
/// fifth
///           of what it could get, then random layers give copies back until all fit; the start
///           gives copies in proportion to work
/// Different the budget holds for every state (PIMSYN: within the mean matrix, above or below), the
///           objective is the problem's (PIMSYN: the largest ceil(positions / copies)), copies need
///           not fall along the network, the best state seen is the answer
/// Source    W. Li et al., DATE 2024: "PIMSYN"; simulated_annealing.py and config.json of its code
Solution anneal(const Problem& problem,
                std::span<const int> choice,
                const Budget& budget,
                Objective objective,
                std::uint64_t seed,
                const AnnealOptions& options = {});

struct EvolveOptions {
  int population = 200;
  int generations = 200;
  double survivors = 0.3;  ///< share of the best that stays
  double luck = 0.2;       ///< probability of staying for one of the others
};

/// PIMCOMP's genetic algorithm, as far as it is about replicas.
///
/// Same      the start (the slowest layer gets a copy until a random 10 to 90 % of the free PEs are
///           left), selection, and no crossover: children are mutated survivors that get copies,
///           lose some, or do both in two layers
/// Different no placement: the three fifths of PIMCOMP's mutations that move copies between cores
///           move PEs between layers; the objective is the problem's (PIMCOMP: an estimate of its
///           instruction streams, which is costly: 3 generations); seeded (PIMCOMP: by the clock)
/// Source    X. Sun et al., DAC 2023: "PIMCOMP"; GeneticAlgorithm.cpp of its code
Solution evolve(const Problem& problem,
                std::span<const int> choice,
                const Budget& budget,
                Objective objective,
                std::uint64_t seed,
                const EvolveOptions& options = {});

}  // namespace tessera::mapper
