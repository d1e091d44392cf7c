// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Several runs side by side, made of their result.json: headline numbers with ratios against the
/// first, and where energy and time go.
///
/// latency         mean over the images, seconds
/// throughput      images per second between departures; absent with one image
/// energy          of the run divided by its images: dynamic + static; joules per image
/// energy x delay  energy per image x latency
/// area            of the whole chip, used or not
/// area in use     area x the share of tiles that hold work, fabric and I/O in proportion: what one
///                 network takes when the chip is filled with copies of it, each working on its own
///                 images
/// per area        throughput / area: what is left when chips of equal area are compared
/// per area in use throughput / area in use: the same for chips filled with copies
/// all PEs busy    1 / (PE time that one image takes x area of the chip per PE): what replicas
///                 could at best make of "per area"; no mapping reaches it
/// chip filled     dynamic energy + static energy x share of tiles that hold work: what an image
///                 takes in a chip filled with copies
/// movement        dynamic energy of tile buses, tile buffers, fabric, I/O and memory, divided by
///                 all dynamic energy. What a PE moves inside of itself is the PE's
/// no price        PEs that count with no area, nor with their tile's `other`, or with no energy:
/// no
///                 source gives it. What is made of it has no ratios, and a note says so
/// time            PE-cycles of the PEs in use: busy, or why they wait (`none`: before the first
///                 firing and after the last)
/// Errors          what is no result.json of schema 1 throws nlohmann's exceptions
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace tessera::report {

/// One run of a comparison.
struct ComparedRun {
  std::string name;  ///< of the experiment
  std::string network;
  std::string chip;
  std::int64_t macs = 0;  ///< of the network, per image
  std::string bits;       ///< of weights and inputs over all layers: "8/4", "2-8/4-8"
  std::int64_t images = 0;
  double latency = 0;                ///< s
  std::optional<double> throughput;  ///< 1/s
  double energy = 0;                 ///< J per image
  double dynamic = 0;                ///< J per image
  double leaked = 0;                 ///< J per image
  double area = 0;                   ///< m2
  double used = 0;                   ///< share of the tiles that hold work
  double busy = 0;                   ///< PE-seconds per image
  std::int64_t pes = 0;              ///< in use
  std::int64_t pes_available = 0;
  double movement = 0;        ///< share of the dynamic energy
  bool area_priced = true;    ///< of all PEs
  bool static_priced = true;  ///< likewise
  bool energy_priced = true;  ///< likewise
  /// J per image, adding up to `energy`: "pe: " actions of the PEs, what the rest of the chip does,
  /// "static: " components.
  std::vector<std::pair<std::string, double>> energy_by;
  /// The same by place, "static" at the end.
  std::vector<std::pair<std::string, double>> energy_by_place;
  std::vector<std::pair<std::string, double>> time_by;  ///< shares, adding up to 1
  std::string busiest_layer;                            ///< whose busiest part worked longest
  double busiest_share = 0;                             ///< of the run
};

/// `macs` is of the simulated network, which result.json does not say.
ComparedRun compared_run(std::string name, std::int64_t macs, const std::string& result_json);

/// One line of the headline table; `value` is in SI units.
struct Headline {
  std::string key;   ///< as in compare.json
  std::string name;  ///< for people
  std::string unit;  ///< "" counts
  std::optional<double> value;
  bool priced = true;  ///< false: leaves out something that has no price
};

/// The same lines for every run.
std::vector<Headline> headlines(const ComparedRun& run);

/// What a reader of the comparison has to know: networks that differ, throughput not measured, PEs
/// without a price.
std::vector<std::string> comparison_notes(const std::vector<ComparedRun>& runs);

/// For people: tables of headlines, energy and time. At least one run.
std::string comparison_text(const std::vector<ComparedRun>& runs);

/// compare.json, schema 1, with `ratios` against the first run: null where one of the two is
/// absent, 0 or without a price (`unpriced` lists these).
std::string comparison_json(const std::vector<ComparedRun>& runs);

/// One line per number, one column per run; RFC 4180. "priced: " lines say 0 where PEs have none.
std::string comparison_csv(const std::vector<ComparedRun>& runs);

}  // namespace tessera::report
