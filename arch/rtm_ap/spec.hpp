// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// A racetrack associative processor as YAML: array size, ports of the nanowires, times, prices,
/// and how layers become its programs.
///
/// Units    times in seconds; they become cycles in steps.cpp and cost.cpp, each on its own
/// Default  the array of the CAM-only paper (256 x 256 x 64) with the times and prices of the
///          closest sourced technology, the `mtj-22nm` profile (profiles/README.md)
#pragma once

#include "arch/rtm_ap/compiler/options.hpp"
#include "arch/rtm_ap/program.hpp"
#include "arch/rtm_ap/tracks.hpp"
#include "sim/api/spec.hpp"
#include "sim/base/config.hpp"
#include "sim/base/units.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace tessera::arch::rtm_ap {

/// In the order of ActionIndex.
struct Prices {
  Price search_cell{Joules(4.7e-15), "STT-MTJ NOR TCAM, 22 nm, 256-bit word: 4.7 fJ/bit"};
  Price write_cell{Joules(0.69e-12), "STT-MTJ NOR TCAM, 22 nm: 0.69 pJ/bit"};
  Price shift{Joules(0.609375e-12),
              "DESTINY 2017 via RTSim: 19.5 pJ per step of a word of 32 nanowires"};
  Price tag{Joules(0), "in search_cell: the source's energy is that of a whole search"};
  Price drive{Joules(0), "in search_cell and write_cell"};
  Price load_bit{Joules(4.5e-15), "CAMASim: 4.5 fJ per register bit"};
  Price read_bit{Joules(4.5e-15), "CAMASim: 4.5 fJ per register bit"};

  static constexpr auto fields() {
    return config::list<Prices>(
        config::field("search_cell", &Prices::search_cell)
            .doc("one cell compared with the key; masked columns cost nothing"),
        config::field("write_cell", &Prices::write_cell).doc("one cell of a tagged row written"),
        config::field("shift", &Prices::shift).doc("one nanowire moved by one domain"),
        config::field("tag", &Prices::tag).doc("one row sensed and latched by a search"),
        config::field("drive", &Prices::drive)
            .doc("one column of key and mask driven, for a search or a write"),
        config::field("load_bit", &Prices::load_bit).doc("one bit into a tag latch"),
        config::field("read_bit", &Prices::read_bit).doc("one bit out of a tag latch"));
  }
};

struct Parts {
  Part track{SquareMeters(0), Watts(0), "not published"};
  Part cam{SquareMeters(0), Watts(0), "not published"};
  Part writer{SquareMeters(0), Watts(0), "not published"};
  Part latch{SquareMeters(0), Watts(0), "not published"};
  Part controller{SquareMeters(0), Watts(0), "not published"};

  static constexpr auto fields() {
    return config::list<Parts>(
        config::field("track", &Parts::track).doc("nanowires and shift drivers of one column"),
        config::field("cam", &Parts::cam)
            .doc("match line and sense amplifier of one row, key and mask of its share"),
        config::field("writer", &Parts::writer).doc("write driver of one column"),
        config::field("latch", &Parts::latch).doc("tag latch of one row, with its way in and out"),
        config::field("controller", &Parts::controller)
            .doc("sequencer of one array, with its instruction memory"));
  }
};

struct Spec {
  int rows = 256;
  int columns = 256;
  int domains = 64;
  int ports = 1;
  PortChoice port_choice = PortChoice::fixed;
  PortPolicy port_policy = PortPolicy::lazy;
  Seconds t_search{263e-12};
  Seconds t_write{4e-9};
  Seconds t_shift{2.142e-9};
  Seconds t_load{488e-12};
  Seconds t_read_out{488e-12};
  bool ends_sums = true;
  double endurance = 1e16;
  CompileChoices compile;
  Prices prices;
  Parts parts;
  std::string source;

  static constexpr auto fields() {
    using config::field;
    return config::list<Spec>(
        field("rows", &Spec::rows)
            .range(1, 65536)
            .doc("rows: output positions that are worked on at once")
            .source("De Lima et al., DATE 2024 (from memory, consistent with its array counts)"),
        field("columns", &Spec::columns).range(2, 4096).doc("columns; one of them holds the carry"),
        field("domains", &Spec::domains)
            .range(1, 1024)
            .doc("bits of one nanowire that programs use, the spare ones at its ends excluded")
            .source("RTSim, default DOMAINS 64"),
        field("ports", &Spec::ports)
            .range(1, 1024)
            .doc("access ports of one nanowire; all can read and write"),
        field("port_choice", &Spec::port_choice)
            .doc("static: the port of its segment serves a domain; dynamic: the nearest one")
            .source("RTSim"),
        field("port_policy", &Spec::port_policy)
            .doc("lazy: nanowires stay where they were left; eager: they return to rest")
            .source("RTSim"),
        field("t_search", &Spec::t_search).range(1e-15, 1).doc("one search"),
        field("t_write", &Spec::t_write)
            .range(1e-15, 1)
            .doc("one write into the tagged rows, or into all"),
        field("t_shift", &Spec::t_shift)
            .range(0, 1)
            .doc("one step of a nanowire; columns move side by side"),
        field("t_load", &Spec::t_load).range(0, 1).doc("one bit of every row into the tag latches"),
        field("t_read_out", &Spec::t_read_out)
            .range(0, 1)
            .doc("one bit of every row out of the tag latches"),
        field("ends_sums", &Spec::ends_sums)
            .doc("programs of an array that has all input channels of its outputs go on to bias, "
                 "scale, ReLU and requantization; false: all sums are read out"),
        field("endurance", &Spec::endurance)
            .range(0, 1e18)
            .doc("writes a cell survives; 0 is unknown")
            .source("assumed in De Lima et al., DATE 2024"),
        field("compile", &Spec::compile).doc("how a layer becomes programs"),
        field("prices", &Spec::prices).doc("energy of each action"),
        field("parts", &Spec::parts).doc("area and leakage of each circuit"),
        field("source", &Spec::source).doc("the paper"));
  }
};

/// Indices into the resources of a Step.
enum ResourceIndex : int { kTrack, kCam, kWriter, kLatch, kController, kNumResources };

/// Indices into ActionCounts.
enum ActionIndex : std::size_t {
  kSearchCell,
  kWriteCell,
  kShift,
  kTag,
  kDrive,
  kLoadBit,
  kReadBit,
  kNumActions
};

[[nodiscard]] Geometry geometry(const Spec& spec);
[[nodiscard]] Ports ports(const Spec& spec);
/// The choices of the spec, and what a pass and a step take on this array.
[[nodiscard]] CompileOptions compile_options(const Spec& spec, const Clock& clock);

/// What single ranges cannot say. Empty for a valid Spec.
[[nodiscard]] std::vector<SpecProblem> problems(const Spec& spec);

/// Reads the `pe:` node of a chip, its `kind` included; problems are E-RTM-AP-SPEC. The spec is
/// usable only without errors.
[[nodiscard]] Spec read_spec(const config::Node& pe, Diagnostics& diagnostics);

/// A random valid Spec, small enough for tests.
[[nodiscard]] Spec random_spec(std::uint64_t seed);

}  // namespace tessera::arch::rtm_ap
