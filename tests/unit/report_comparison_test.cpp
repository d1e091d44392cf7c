// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Tables of `tessera compare`, from hand-made results whose numbers can be worked out by hand.
#include "sim/report/comparison.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <numeric>
#include <sstream>
#include <string>
#include <tuple>
#include <vector>

namespace tessera::report {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

/// Two images, 1 ms each; 6 J dynamic and 2 J static in all; half of 8 tiles in use.
json toy() {
  return json::parse(R"({
    "network": "net", "chip": "chip", "images": 2, "end_cycles": 1000, "clock_hz": 1e6,
    "latency": {"seconds": 0.001}, "throughput": {"images_per_second": 1500},
    "pes": {"available": 80, "used": 30, "cycles": {"busy": 60, "input": 30, "none": 10}},
    "tiles": {"available": 8, "used": 4},
    "layers": [{"name": "a", "busy_cycles": 100, "w_bits": 8, "a_bits": 4},
               {"name": "b", "busy_cycles": 300, "w_bits": null, "a_bits": null},
               {"name": "c", "busy_cycles": 400, "w_bits": 2, "a_bits": 4}],
    "energy": {"total_j": 8, "dynamic_j": 6, "static_j": 2,
      "by_action": {"adc_convert": 4, "bus_bit": 0.5, "buffer_read_bit": 0.25,
                    "buffer_write_bit": 0.25, "io_bit": 0.125, "link_flit": 0.25,
                    "memory_bit": 0.125, "router_flit": 0.125, "vector_op": 0.375},
      "by_place": {"pes": 4, "tile_bus": 0.5, "tile_buffer": 0.5, "vector_unit": 0.375,
                   "fabric": 0.375, "io": 0.125, "memory": 0.125},
      "static_by_component": {"io": 0.5, "tile.buffer": 1.5}},
    "area": {"total_m2": 1e-4, "by_component": {"tile.buffer": 6e-5, "tile.pe.adc": 4e-5,
      "tile.pe.dac": 0, "tile.other": 0}}})");
}

ComparedRun run_of(const json& result, const std::string& name = "first", std::int64_t macs = 7) {
  return compared_run(name, macs, result.dump());
}

double value_of(const ComparedRun& run, const std::string& key) {
  for (const Headline& line : headlines(run)) {
    if (line.key == key) {
      return line.value.value();
    }
  }
  ADD_FAILURE() << key;
  return 0;
}

TEST(Comparison, HeadlinesAreWhatTheHeaderSays) {
  const ComparedRun run = run_of(toy());
  EXPECT_DOUBLE_EQ(value_of(run, "latency_s"), 1e-3);
  EXPECT_DOUBLE_EQ(value_of(run, "images_per_second"), 1500);
  EXPECT_DOUBLE_EQ(value_of(run, "energy_j"), 4);
  EXPECT_DOUBLE_EQ(value_of(run, "dynamic_j"), 3);
  EXPECT_DOUBLE_EQ(value_of(run, "static_j"), 1);
  EXPECT_DOUBLE_EQ(value_of(run, "energy_delay_js"), 4e-3);
  EXPECT_DOUBLE_EQ(value_of(run, "area_m2"), 1e-4);
  EXPECT_DOUBLE_EQ(value_of(run, "filled_energy_j"), 3 + 0.5);
  EXPECT_DOUBLE_EQ(value_of(run, "used_area_m2"), 5e-5);
  EXPECT_DOUBLE_EQ(value_of(run, "images_per_second_m2"), 1500 / 1e-4);
  EXPECT_DOUBLE_EQ(value_of(run, "images_per_second_used_m2"), 1500 / 5e-5);
  // 60 PE-cycles of 1 us for two images, on a chip with 80 PEs.
  EXPECT_DOUBLE_EQ(value_of(run, "images_per_second_busy_m2"), 1 / (30e-6 * 1e-4 / 80));
  EXPECT_DOUBLE_EQ(value_of(run, "pes_used"), 30);
  EXPECT_DOUBLE_EQ(value_of(run, "pes_available"), 80);
  EXPECT_DOUBLE_EQ(value_of(run, "movement_share"), 1.625 / 6);
  EXPECT_DOUBLE_EQ(value_of(run, "macs"), 7);
  EXPECT_EQ(run.bits, "2-8/4");
  EXPECT_EQ(run.busiest_layer, "c");
  EXPECT_DOUBLE_EQ(run.busiest_share, 0.4);
}

TEST(Comparison, PartsAddUpToTheWhole) {
  const ComparedRun run = run_of(toy());
  const auto sum = [](const auto& shares) {
    return std::accumulate(shares.begin(), shares.end(), 0.0, [](double all, const auto& entry) {
      return all + entry.second;
    });
  };
  EXPECT_DOUBLE_EQ(sum(run.energy_by), run.energy);
  EXPECT_DOUBLE_EQ(sum(run.energy_by_place), run.energy);
  EXPECT_DOUBLE_EQ(sum(run.time_by), 1);
}

TEST(Comparison, RatiosAreAgainstTheFirst) {
  json other = toy();
  other["latency"]["seconds"] = 0.004;
  other["throughput"]["images_per_second"] = 750;
  const json out = json::parse(comparison_json({run_of(toy()), run_of(other, "second")}));
  EXPECT_EQ(out["schema"], 1);
  const json& ratios = out["runs"][1]["ratios"];
  EXPECT_DOUBLE_EQ(ratios["latency_s"].get<double>(), 4);
  EXPECT_DOUBLE_EQ(ratios["images_per_second_m2"].get<double>(), 0.5);
  EXPECT_DOUBLE_EQ(ratios["energy_delay_js"].get<double>(), 4);
  EXPECT_DOUBLE_EQ(out["runs"][0]["ratios"]["energy_j"].get<double>(), 1);
  EXPECT_EQ(out["notes"], json::array());
  const json& first = out["runs"][0];
  EXPECT_EQ(first["energy_j_by_event"]["pe: adc_convert"], 2);
  EXPECT_EQ(first["energy_j_by_place"]["pes"], 2);
  EXPECT_EQ(first["pe_time_share"]["busy"], 0.6);
  EXPECT_EQ(first["busiest_layer"], json::parse(R"({"name": "c", "busy_share": 0.4})"));
}

TEST(Comparison, WhatIsNotMeasuredIsNotMadeUp) {
  json single = toy();
  single["images"] = 1;
  single["throughput"]["images_per_second"] = nullptr;
  const std::vector<ComparedRun> runs{run_of(toy()), run_of(single, "single")};
  const json out = json::parse(comparison_json(runs));
  EXPECT_TRUE(out["runs"][1]["values"]["images_per_second"].is_null());
  EXPECT_TRUE(out["runs"][1]["ratios"]["images_per_second"].is_null());
  EXPECT_THAT(comparison_notes(runs), testing::ElementsAre(HasSubstr("not measured for single")));
}

/// Each of two runs has what the other lacks: nothing made of either has a ratio.
TEST(Comparison, WhatHasNoPriceHasNoRatio) {
  json no_area = toy();
  no_area["area"]["by_component"]["tile.pe.adc"] = 0;
  json no_static = toy();
  no_static["energy"]["static_by_component"]["tile.pe.adc"] = 0;
  json no_energy = toy();
  no_energy["energy"]["by_place"]["pes"] = 0;
  const std::vector<std::string> areas{"area_m2",
                                       "used_area_m2",
                                       "images_per_second_m2",
                                       "images_per_second_used_m2",
                                       "images_per_second_busy_m2"};
  const std::vector<std::string> statics{"static_j"};
  const std::vector<std::string> energies{
      "energy_j", "dynamic_j", "filled_energy_j", "energy_delay_js", "movement_share"};
  for (const bool first : {true, false}) {
    const auto pair = [first](const json& lacking) {
      const ComparedRun a = run_of(lacking, "lacking");
      const ComparedRun b = run_of(toy(), "whole");
      return first ? std::vector<ComparedRun>{a, b} : std::vector<ComparedRun>{b, a};
    };
    for (const auto& [lacking, keys, word] :
         {std::tuple{no_area, areas, "area of PEs"},
          std::tuple{no_static, statics, "static energy of PEs"},
          std::tuple{no_energy, energies, "energy of PEs"}}) {
      const std::vector<ComparedRun> runs = pair(lacking);
      const json out = json::parse(comparison_json(runs));
      const json& second = out["runs"][1];
      for (const auto& [key, value] : second["ratios"].items()) {
        const bool hidden = std::find(keys.begin(), keys.end(), key) != keys.end();
        EXPECT_EQ(value.is_null(), hidden) << key;
        EXPECT_FALSE(second["values"][key].is_null()) << key;
      }
      EXPECT_EQ(out["runs"][first ? 0 : 1]["unpriced"].size(), keys.size());
      EXPECT_EQ(out["runs"][first ? 1 : 0]["unpriced"], json::array());
      EXPECT_THAT(comparison_notes(runs),
                  testing::ElementsAre(testing::AllOf(HasSubstr(word), HasSubstr(": lacking"))));
      EXPECT_THAT(comparison_text(runs), HasSubstr(word));
      EXPECT_THAT(comparison_csv(runs),
                  HasSubstr(std::string("\npriced: ") + word + (first ? ",,0,1\n" : ",,1,0\n")));
    }
  }
  // What a tile has besides its listed circuits may be its PEs'.
  json lumped = no_area;
  lumped["area"]["by_component"]["tile.other"] = 4e-5;
  EXPECT_TRUE(run_of(lumped).area_priced);
  // PEs in place of a vector unit, and one sort of tiles of two.
  for (const char* part : {"tile.vector_unit.pe.cam", "lut.pe.counters"}) {
    json more = toy();
    more["area"]["by_component"][part] = 0;
    EXPECT_FALSE(run_of(more).area_priced) << part;
  }
}

/// Nothing divided by something is no result, either.
TEST(Comparison, ZeroHasNoRatio) {
  json still = toy();
  still["energy"]["static_j"] = 0;
  for (const bool first : {true, false}) {
    const ComparedRun a = run_of(still, "still");
    const ComparedRun b = run_of(toy(), "leaking");
    const json out = json::parse(
        comparison_json(first ? std::vector<ComparedRun>{a, b} : std::vector<ComparedRun>{b, a}));
    EXPECT_TRUE(out["runs"][1]["ratios"]["static_j"].is_null());
    EXPECT_FALSE(out["runs"][1]["ratios"]["dynamic_j"].is_null());
  }
}

TEST(Comparison, DifferentNetworksAreSaid) {
  json other = toy();
  EXPECT_THAT(comparison_notes({run_of(toy()), run_of(other, "b")}), testing::IsEmpty());
  EXPECT_THAT(comparison_notes({run_of(toy()), run_of(other, "b", 8)}),
              testing::ElementsAre(HasSubstr("networks differ")));
  other["network"] = "another";
  EXPECT_THAT(comparison_notes({run_of(toy()), run_of(other, "b")}),
              testing::ElementsAre(HasSubstr("another 7 MACs")));
}

TEST(Comparison, TextShowsAllRunsAndLeavesOutWhatIsSmall) {
  json other = toy();
  other["energy"]["by_action"].erase("adc_convert");
  other["energy"]["by_action"]["nor_cycle"] = 4;
  other["energy"]["by_action"]["io_bit"] = 1e-6;
  json first = toy();
  first["energy"]["by_action"]["io_bit"] = 1e-6;
  const std::string text = comparison_text({run_of(first), run_of(other, "second")});
  for (const char* word : {"first: net on chip, 2-8/4 bits, 2 images",
                           "second: net on chip",
                           "pe: adc_convert",
                           "pe: nor_cycle",
                           "static: tile.buffer",
                           "images/s per area",
                           "27.08 %",
                           "other"}) {
    EXPECT_THAT(text, HasSubstr(word));
  }
  EXPECT_THAT(text, Not(HasSubstr("io_bit")));
  EXPECT_THAT(text, Not(HasSubstr("note:")));
}

/// The words of the first line of `text`, after `table`, that begins with `name`.
std::string line_of(const std::string& text, const std::string& table, const std::string& name) {
  const std::size_t begin = text.find("\n" + name + " ", text.find(table));
  std::istringstream words(begin == std::string::npos ? "" : text.substr(begin + 1));
  std::string line;
  std::getline(words, line);
  std::istringstream parts(line);
  std::string out;
  for (std::string word; parts >> word;) {
    out += (out.empty() ? "" : " ") + word;
  }
  return out;
}

/// A second run four times and a third one twice as slow, the third with twice the energy of PEs.
TEST(Comparison, TextPutsEveryRunAgainstTheFirst) {
  json second = toy();
  second["latency"]["seconds"] = 0.004;
  json third = toy();
  third["latency"]["seconds"] = 0.002;
  for (const char* part : {"total_j", "dynamic_j"}) {
    third["energy"][part] = third["energy"][part].get<double>() + 4;
  }
  third["energy"]["by_action"]["adc_convert"] = 8;
  third["energy"]["by_action"]["nor_cycle"] = 0.01;
  third["energy"]["by_place"]["pes"] = 8;
  third["pes"]["cycles"] = json::parse(R"({"busy": 80, "input": 20})");
  const std::string text =
      comparison_text({run_of(toy()), run_of(second, "second"), run_of(third, "third")});
  const auto headline = [&text](const char* name) { return line_of(text, "first", name); };
  EXPECT_EQ(headline("latency"), "latency 1 ms 4 ms 4x 2 ms 2x");
  EXPECT_EQ(headline("energy per image"), "energy per image 4 J 4 J 1x 6 J 1.5x");
  EXPECT_EQ(headline("throughput"), "throughput 1,500 /s 1,500 /s 1x 1,500 /s 1x");
  EXPECT_EQ(headline("area"), "area 100 mm2 100 mm2 1x 100 mm2 1x");
  EXPECT_EQ(headline("images/s per area"), "images/s per area 15 /s/mm2 15 /s/mm2 1x 15 /s/mm2 1x");
  EXPECT_EQ(headline("PEs in use"), "PEs in use 30 30 1x 30 1x");
  EXPECT_EQ(line_of(text, "energy by place", "pes"), "pes 2 J 50.0 2 J 50.0 4 J 66.7");
  EXPECT_EQ(line_of(text, "energy by event", "pe: adc_convert"),
            "pe: adc_convert 2 J 50.0 2 J 50.0 4 J 66.7");
  EXPECT_EQ(line_of(text, "energy by event", "other"), "other . . 5 mJ 0.1");
  EXPECT_EQ(line_of(text, "time of PEs", "busy"), "busy 60.0 60.0 80.0");
  EXPECT_EQ(line_of(text, "time of PEs", "none"), "none 10.0 10.0 .");
  EXPECT_EQ(line_of(text, "time of PEs", "busiest layer"), "busiest layer c c c");
  EXPECT_EQ(line_of(text, "time of PEs", "its busy %"), "its busy % 40.0 40.0 40.0");
}

TEST(Comparison, CsvHasOneColumnPerRun) {
  json other = toy();
  other["throughput"]["images_per_second"] = nullptr;
  const std::string csv = comparison_csv({run_of(toy()), run_of(other, "a,b")});
  EXPECT_THAT(csv, testing::StartsWith("number,unit,first,\"a,b\"\nlatency_s,s,0.001,0.001\n"));
  EXPECT_THAT(csv, HasSubstr("\nimages_per_second,1/s,1500,\n"));
  EXPECT_THAT(csv, HasSubstr("\nenergy by event: pe: adc_convert,J,2,2\n"));
  EXPECT_THAT(csv, HasSubstr("\nPE time: busy,,0.6,0.6\n"));
  EXPECT_THAT(csv, HasSubstr("\nmovement_share,,0.27"));  // a share, no percentage
}

}  // namespace
}  // namespace tessera::report
