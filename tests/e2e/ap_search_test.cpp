// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Searches on PEs that hold programs, whose arrays are too small for some widths.
#include "tests/e2e/program.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cstddef>
#include <fstream>
#include <map>
#include <sstream>
#include <string>

namespace tessera::e2e {
namespace {

/// On arrays that hold most layers only with some widths: what a search is told of a layer is what
/// the closed form says of the network with these widths everywhere, and `map` prints what it says
/// of the answer.
TEST(ApSearch, TellsWhatTheClosedFormSays) {
  const TempFolder folder;
  const std::string experiment = folder / "narrow.yaml";
  const auto write = [&](const std::string& more) {
    std::ofstream(experiment) << "include: " TESSERA_SOURCE_DIR
                                 "/configs/chips/rtm_ap.yaml\n"
                                 "network: {zoo: lenet5}\n"
                                 "chip: {tile: {pe: {columns: 36, domains: 18}}}\n"
                                 "execution: {images: 1, sparsity: 0.8}\n" +
                                     more;
  };
  write(
      "search: {method: joint_milp, objective: latency, pes: chip, loss_of_bits: 4, baselines: "
      "false, bits: {w_min: 2, w_max: 2, a_min: 2, a_max: 8}, simulate: {top: 1, images: 1}}\n");
  ASSERT_EQ(run_program({"map", experiment, "--export-lut", folder / "lut.csv"}).status, 0);
  std::map<std::string, double> told;  // cycles, by layer and width of activations
  std::istringstream rows(read_text(folder / "lut.csv"));
  for (std::string row; std::getline(rows, row);) {
    std::istringstream cells(row);
    std::string layer, w_bits, a_bits, cycles;
    std::getline(cells, layer, ',');
    std::getline(cells, w_bits, ',');
    std::getline(cells, a_bits, ',');
    std::getline(cells, cycles, ',');
    told[fmt::format("{} {}", layer, a_bits)] = layer == "layer" ? 0 : std::stod(cycles);
  }
  ASSERT_EQ(run_program({"map", experiment, "--out", folder / "out"}).status, 0);
  const auto map = nlohmann::json::parse(read_text(folder / "out/map.json"));
  const auto& answer = map.at("candidates").at(map.at("chosen").get<std::size_t>());

  const auto result_with = [&](const std::string& mapping) {
    write("mapping: " + mapping + "\n");
    const Outcome got = run_program({"run", experiment, "--out", folder / "run"});
    EXPECT_EQ(got.status, 0) << got.err;
    return nlohmann::json::parse(read_text(folder / "run/result.json"));
  };
  for (int a_bits = 2; a_bits <= 8; ++a_bits) {
    const auto result = result_with(fmt::format("{{default: {{w_bits: 2, a_bits: {}}}}}", a_bits));
    int compared = 0;
    for (const auto& layer : result.at("layers")) {
      const auto found =
          told.find(fmt::format("{} {}", layer.at("name").get<std::string>(), a_bits));
      if (found != told.end() && layer.at("pes") <= 16) {  // on one tile, as in the table
        EXPECT_EQ(found->second, layer.at("analytical_cycles").get<double>()) << found->first;
        ++compared;
      }
    }
    EXPECT_GE(compared, 3);
  }
  const auto result = result_with("{file: out/mapping.yaml}");
  for (const char* of : {"latency_cycles", "interval_cycles"}) {
    EXPECT_EQ(answer.at("closed_form").at(of), result.at("analytical").at(of));
  }
  EXPECT_LT(answer.at("simulated").at("first_cycles"),
            map.at("candidates").at(0).at("simulated").at("first_cycles"));
}

}  // namespace
}  // namespace tessera::e2e
