// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Small complete cases for tests: a network on a chip, mapped and lowered, and what a simulation
/// of it says.
#pragma once

#include "arch/chip/chip.hpp"
#include "sim/api/mapping.hpp"
#include "sim/api/program.hpp"
#include "sim/api/run.hpp"
#include "sim/base/rng.hpp"
#include "workloads/network.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace tessera::test {

struct Bits2 {
  int w_bits = 8;
  int a_bits = 8;
  int replicas = 1;
  std::string group = {};  ///< of tiles; empty: the first that can hold the layer
};

struct CaseSpec {
  Network network;            ///< shapes only; quantized by make_case
  std::string chip;           ///< YAML of the `chip:` node's content
  std::vector<Bits2> layers;  ///< per matrix layer; empty: 8/8/1 for all
  Granularity granularity = Granularity::pixel;
  std::int64_t images = 1;
  int block = 1;                       ///< output positions per firing (in_blocks)
  std::uint64_t seed = 1;              ///< of the synthetic weights in programs
  std::function<void(Network&)> edit;  ///< of the quantized network, before programs are made of it
};

struct Case {
  Network network;
  arch::chip::Chip chip;
  Mapping mapping;
  Program program;
};

/// Throws InputError when the case does not fit.
Case make_case(const CaseSpec& spec);

/// A small valid chip with PEs of a kind (crossbar, lut or rtm_ap), buses, buffers, vector units
/// and fabric drawn at random. PEs of the kind lut take 1 to 10 bits.
std::string random_chip(Rng& rng, const std::string& kind = "crossbar");

/// A chip with two sorts of tiles, groups "a" and "b": those of two random chips, at least one of
/// them of crossbars. Fabric, I/O and memory are the first one's.
std::string random_mixed_chip(Rng& rng);

/// A chip on which nothing but the PEs takes time: `ideal` fabric without latency, unlimited bus,
/// lanes, I/O, buffers.
std::string free_chip(const std::string& pe, int tiles, int pes_per_tile);

/// A small convolutional network with a random mixture of strides, paddings, groups, pools,
/// residuals, concats, class tokens and position embeddings.
Network random_network(Rng& rng);

/// The same PEs, but one firing takes up to `block` positions in the time of one: what PEs that
/// compute side by side are to everybody else.
std::unique_ptr<Model> in_blocks(std::unique_ptr<Model> model, int block);

/// A random network on a random chip with random widths, replicas and granularity: number `seed`,
/// or the next one that fits. `edit` may change the chip. Every third one works on blocks, and
/// so do associative processors, one in six.
Case random_case(std::uint64_t seed,
                 std::int64_t most_replicas = 4,
                 const std::function<std::string(std::string)>& edit = {});

/// The same on a random chip with two sorts of tiles; layers go to groups at random.
Case random_mixed_case(std::uint64_t seed,
                       std::int64_t most_replicas = 4,
                       const std::function<std::string(std::string)>& edit = {});

/// Simulates in this process (once per process!).
RunStats simulate(const Case& c, const RunOptions& options);

/// Every cycle and count of a run as text; what two runs must agree on.
std::string summary(const RunStats& stats);

/// in_child(simulate + summary).
std::string simulate_in_child(const Case& c, const RunOptions& options);

/// The seed of a property test: TESSERA_SEED, or 1.
std::uint64_t test_seed();

}  // namespace tessera::test
