// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// What associative processors gain over crossbars, one image, as `tessera compare` measures it:
/// ResNet-18 and VGG-9 with 4-bit activations and every technology profile, the rest with mtj-22nm.
/// Published for ResNet-18 are 7.5x less energy and 3 % of it in data movement (De Lima et al.,
/// DATE 2024, abstract): known_gap, arch/rtm_ap/README.md, "Validation", which has the causes.
#include "tests/e2e/program.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cstddef>
#include <fstream>
#include <ostream>
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

enum Run : std::size_t { kMtj, kIsaac, kLrmp, kRtsim, kFefet, kPaperLow, kRuns };

struct Against {
  Run processor;
  Run crossbar;
  Gain gain;
};

/// What `compare` measured on a network.
class Gains {
 public:
  Gains(const std::string& network, int a_bits, const std::vector<std::string>& profiles) {
    const e2e::TempFolder folder;
    const std::string configs = "configs/experiments/";
    std::vector<std::string> words{"compare",
                                   configs + "rtm_ap_" + network + ".yaml",
                                   configs + "crossbar_isaac_" + network + "_for_rtm_ap.yaml",
                                   configs + "crossbar_lrmp_" + network + "_for_rtm_ap.yaml"};
    // A profile behind the experiment, as arch/rtm_ap/profiles/README.md says.
    for (const std::string& profile : profiles) {
      words.push_back(folder / (profile + ".yaml"));
      std::ofstream(words.back()) << fmt::format(
          "include: [{0}/configs/experiments/rtm_ap_{1}.yaml, "
          "{0}/arch/rtm_ap/profiles/{2}.yaml]\n"
          "experiment: {{name: {2}}}\n",
          TESSERA_SOURCE_DIR,
          network,
          profile);
    }
    words.insert(words.end(),
                 {"--images",
                  "1",
                  "--json",
                  "--out",
                  folder / "out",
                  "--set",
                  fmt::format("mapping.default.a_bits={}", a_bits)});
    const e2e::Outcome got = e2e::run_program(words);
    EXPECT_EQ(got.status, 0) << got.err;
    runs_ = got.status == 0 ? nlohmann::json::parse(got.out)["runs"] : nlohmann::json();
  }

  [[nodiscard]] std::size_t runs() const { return runs_.size(); }

  [[nodiscard]] double value(Run run, const char* key) const {
    return runs_[run]["values"][key].get<double>();
  }

  void expect(const std::vector<Against>& said) const {
    for (const Against& pair : said) {
      SCOPED_TRACE(runs_[pair.processor]["name"].get<std::string>() + " against " +
                   runs_[pair.crossbar]["name"].get<std::string>());
      const auto gain = [&](const char* key) {
        return value(pair.crossbar, key) / value(pair.processor, key);
      };
      expect_said(gain("energy_j"), pair.gain.total, "energy");
      expect_said(gain("dynamic_j"), pair.gain.dynamic, "dynamic energy");
      expect_said(gain("filled_energy_j"), pair.gain.filled, "energy of a filled chip");
      expect_said(gain("latency_s"), pair.gain.latency, "latency");
    }
  }

  /// What a MAC takes of the cells, whatever they cost; `price` of mtj-22nm.
  [[nodiscard]] double per_mac(const char* event, double price) const {
    return runs_[kMtj]["energy_j_by_event"][event].get<double>() / price / value(kMtj, "macs");
  }

  /// With sourced prices a crossbar takes less energy for its work than the processor, and
  /// constant power does not make up for it.
  void expect_gap(const std::vector<Run>& sourced) const {
    for (const Run crossbar : {kIsaac, kLrmp}) {
      for (const Run processor : sourced) {
        EXPECT_LT(value(crossbar, "dynamic_j"), value(processor, "dynamic_j")) << "the gap closes";
        EXPECT_LT(value(crossbar, "energy_j") / value(processor, "energy_j"), 7.5)
            << "the gap closes";
      }
    }
  }

 private:
  nlohmann::json runs_;
};

const std::vector<std::string> kProfiles = {"rtsim", "fefet", "paper-low"};

TEST(RtmApGains, KnownGapOfVgg9IsThatOfTheReadme) {
  const Gains gains("vgg9", 4, kProfiles);
  ASSERT_EQ(gains.runs(), kRuns);
  gains.expect({
      {kMtj, kIsaac, {4.59, 0.0487, 0.626, 0.0073}},
      {kMtj, kLrmp, {2.34, 0.446, 0.903, 0.069}},
      {kRtsim, kIsaac, {0.9, 0.0082, 0.11, 0.0059}},
      {kRtsim, kLrmp, {0.46, 0.075, 0.15, 0.056}},
      {kFefet, kIsaac, {2.4, 0.031, 0.39, 0.0021}},
      {kFefet, kLrmp, {1.2, 0.29, 0.56, 0.019}},
      {kPaperLow, kIsaac, {42.0, 0.939, 10.4, 0.0196}},
      {kPaperLow, kLrmp, {21.4, 8.59, 15.0, 0.185}},
  });
  expect_said(gains.value(kMtj, "movement_share"), 0.00188, "movement");
  expect_said(gains.value(kPaperLow, "movement_share"), 0.0362, "movement at unverified prices");
  expect_said(gains.per_mac("pe: shift", 0.609375e-12), 8.5, "steps per MAC");
  expect_said(gains.per_mac("pe: write_cell", 0.69e-12), 3.2, "written cells per MAC");
  gains.expect_gap({kMtj, kRtsim, kFefet});
}

TEST(RtmApGains, KnownGapOfResnet18IsThatOfTheReadme) {
  const Gains gains("resnet18", 4, kProfiles);
  ASSERT_EQ(gains.runs(), kRuns);
  gains.expect({
      {kMtj, kIsaac, {4.47, 0.0471, 0.903, 0.0277}},
      {kMtj, kLrmp, {1.70, 0.425, 0.84, 0.176}},
      {kRtsim, kIsaac, {0.801, 0.00814, 0.16, 0.0228}},
      {kRtsim, kLrmp, {0.304, 0.0734, 0.149, 0.145}},
      {kFefet, kIsaac, {3.22, 0.0366, 0.668, 0.00792}},
      {kFefet, kLrmp, {1.22, 0.33, 0.622, 0.0502}},
      {kPaperLow, kIsaac, {69.4, 0.948, 15.3, 0.0749}},
      {kPaperLow, kLrmp, {26.3, 8.55, 14.2, 0.475}},
  });
  expect_said(gains.value(kMtj, "energy_j"), 14.9e-3, "energy");
  expect_said(gains.value(kMtj, "movement_share"), 0.0022, "movement");
  expect_said(gains.value(kPaperLow, "movement_share"), 0.0442, "movement at unverified prices");
  expect_said(gains.per_mac("pe: shift", 0.609375e-12), 8.9, "steps per MAC");
  expect_said(gains.per_mac("pe: write_cell", 0.69e-12), 3.4, "written cells per MAC");
  gains.expect_gap({kMtj, kRtsim, kFefet});
}

struct Row {
  const char* network;
  int a_bits;
  Gain isaac;
  Gain lrmp;
  double dynamic_j;
  double movement_share;

  friend std::ostream& operator<<(std::ostream& out, const Row& row) {
    return out << row.network << ", " << row.a_bits << " bits";
  }
};

class RtmApGainsOf : public testing::TestWithParam<Row> {};

TEST_P(RtmApGainsOf, KnownGapIsThatOfTheReadme) {
  const Row& row = GetParam();
  const Gains gains(row.network, row.a_bits, {});
  ASSERT_EQ(gains.runs(), 3U);
  gains.expect({{kMtj, kIsaac, row.isaac}, {kMtj, kLrmp, row.lrmp}});
  expect_said(gains.value(kMtj, "dynamic_j"), row.dynamic_j, "dynamic energy");
  expect_said(gains.value(kMtj, "movement_share"), row.movement_share, "movement");
  gains.expect_gap({kMtj});
}

INSTANTIATE_TEST_SUITE_P(
    Mtj22nm,
    RtmApGainsOf,
    testing::Values(
        Row{"resnet18", 8, {3.9, 0.045, 0.79, 0.051}, {1.7, 0.42, 0.85, 0.38}, 28.19e-3, 0.0022},
        Row{"vgg9", 8, {3.4, 0.04, 0.43, 0.011}, {2.3, 0.38, 0.79, 0.14}, 2.71e-3, 0.00165},
        Row{"vgg11", 4, {3.9, 0.053, 0.88, 0.0035}, {1.4, 0.48, 0.83, 0.021}, 1.04e-3, 0.00111},
        Row{"vgg11", 8, {3.3, 0.041, 0.61, 0.0073}, {1.5, 0.38, 0.68, 0.054}, 2.57e-3, 0.00091}),
    [](const testing::TestParamInfo<Row>& one) {
      return fmt::format("{}With{}Bits", one.param.network, one.param.a_bits);
    });

}  // namespace
}  // namespace tessera
