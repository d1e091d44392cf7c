// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// What associative processors gain over crossbars on VGG-9 with 4-bit activations, one image, as
/// `tessera compare` measures it. Published for ResNet-18 are 7.5x less energy and 3 % of it in
/// data movement (De Lima et al., DATE 2024, abstract): known_gap, arch/rtm_ap/README.md,
/// "Validation", which has ResNet-18, the other profiles and the causes.
#include "tests/e2e/program.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <array>
#include <fstream>
#include <string>
#include <vector>

namespace tessera {
namespace {

void expect_said(double measured, double said, const char* what) {
  EXPECT_NEAR(measured, said, 0.1 * said) << what << " moved: say so in the README";
}

/// How many times as much a crossbar takes as an associative processor.
struct Gain {
  double total;
  double dynamic;
  double filled;  ///< energy of a chip filled with copies of the network
  double latency;
};

struct Against {
  std::size_t processor;  ///< of the runs below
  std::size_t crossbar;
  Gain gain;
};

enum Run : std::size_t { kMtj, kIsaac, kLrmp, kPaperLow, kRuns };

TEST(RtmApGains, KnownGapAreThoseOfTheReadme) {
  const e2e::TempFolder folder;
  // The unverified prices behind the experiment, as arch/rtm_ap/profiles/README.md says.
  std::ofstream(folder / "paper_low.yaml") << fmt::format(
      "include: [{0}/configs/experiments/rtm_ap_vgg9.yaml, "
      "{0}/arch/rtm_ap/profiles/paper-low.yaml]\n"
      "experiment: {{name: rtm_ap_vgg9_paper_low}}\n",
      TESSERA_SOURCE_DIR);
  const e2e::Outcome got =
      e2e::run_program({"compare",
                        "configs/experiments/rtm_ap_vgg9.yaml",
                        "configs/experiments/crossbar_isaac_vgg9_for_rtm_ap.yaml",
                        "configs/experiments/crossbar_lrmp_vgg9_for_rtm_ap.yaml",
                        folder / "paper_low.yaml",
                        "--images",
                        "1",
                        "--json",
                        "--out",
                        folder / "out"});
  ASSERT_EQ(got.status, 0) << got.err;
  const nlohmann::json runs = nlohmann::json::parse(got.out)["runs"];
  ASSERT_EQ(runs.size(), kRuns);
  const auto value = [&](std::size_t run, const char* key) {
    return runs[run]["values"][key].get<double>();
  };
  const std::array said{
      Against{kMtj, kIsaac, {4.59, 0.0487, 0.626, 0.0073}},
      Against{kMtj, kLrmp, {2.34, 0.446, 0.903, 0.069}},
      Against{kPaperLow, kIsaac, {42.0, 0.939, 10.4, 0.0196}},
      Against{kPaperLow, kLrmp, {21.4, 8.59, 15.0, 0.185}},
  };
  for (const Against& pair : said) {
    SCOPED_TRACE(runs[pair.processor]["name"].get<std::string>() + " against " +
                 runs[pair.crossbar]["name"].get<std::string>());
    const auto gain = [&](const char* key) {
      return value(pair.crossbar, key) / value(pair.processor, key);
    };
    expect_said(gain("energy_j"), pair.gain.total, "energy");
    expect_said(gain("dynamic_j"), pair.gain.dynamic, "dynamic energy");
    expect_said(gain("filled_energy_j"), pair.gain.filled, "energy of a filled chip");
    expect_said(gain("latency_s"), pair.gain.latency, "latency");
  }
  expect_said(value(kMtj, "movement_share"), 0.00188, "movement");
  expect_said(value(kPaperLow, "movement_share"), 0.0362, "movement at the unverified prices");

  // What a MAC takes of the cells, whatever they cost; prices of mtj-22nm.
  const auto per_mac = [&](const char* event, double price) {
    return runs[kMtj]["energy_j_by_event"][event].get<double>() / price / value(kMtj, "macs");
  };
  expect_said(per_mac("pe: shift", 0.609375e-12), 8.5, "steps per MAC");
  expect_said(per_mac("pe: write_cell", 0.69e-12), 3.2, "written cells per MAC");

  // The gap: with sourced prices a crossbar takes less energy for its work than the processor, and
  // constant power does not make up for it.
  for (const std::size_t crossbar : {kIsaac, kLrmp}) {
    EXPECT_LT(value(crossbar, "dynamic_j"), value(kMtj, "dynamic_j")) << "the gap closes";
    EXPECT_LT(value(crossbar, "energy_j") / value(kMtj, "energy_j"), 7.5) << "the gap closes";
  }
}

}  // namespace
}  // namespace tessera
