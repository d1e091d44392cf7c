// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The printed reports, the CSV and result.json of the toy, word by word where people read them.
#include "sim/report/text.hpp"
#include "tests/unit/report_toy.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

namespace tessera::report {
namespace {

std::vector<std::string> lines(const std::string& text) {
  std::vector<std::string> out;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    out.push_back(line);
  }
  return out;
}

TEST(Text, Run) {
  EXPECT_EQ(run_text(Toy().report()), R"(toy on toy_chip: 3 images, granularity pixel, detail firing

latency     1 us = 1,000 cycles per image (first 1,000)
throughput  2,500,000 images/s, one per 400 cycles +- 0 (95 %)
energy      28.5 nJ per image, 71.9 % dynamic, 28.1 % static
area        0.108 mm2; 6 of 8 PEs on 2 of 2 tiles used
fabric      300 flits, 600 hops; busiest link router[0].east: 30.0 %
weights     6 PEs programmed before the run in 600 ns with 384 nJ (not included above)

layer   kind      w/a  repl  PEs  busy %  most wait %  simulated  analytical
image   input       -     1    -    24.0  -                  160         160
conv    conv      4/6     2    6    45.0  input 15.0         440         400
pool    max_pool    -     1    -     1.2  input 45.0         400          40
output  output      -     1    -     0.0  -                  360          40

PE time %   busy 44.5, idle 37.0, input 15.5, link 3.0
energy %    pes 35.4, io 29.2, static 28.1, fabric 5.6, other 1.7
checks      14 of 14 hold
)");
}

TEST(Text, Validate) {
  EXPECT_EQ(validate_text(Toy().report()),
            R"(toy on toy_chip: 3 images, granularity pixel, detail firing

Cycles per image. Gap = simulated - analytical, split by what the layer's busiest part waited for.
The closed form is that of one image alone; of several, one waits where another is at
work (rest; input in the layers behind).

layer   analytical  simulated  error %  gap  input  link  rest
image          160        160     +0.0    .      .     .     .
conv           400        440     -9.1   40     33     7     .
pool            40        400    -90.0  360    300     .    60
output          40        360    -88.9  320      .     .   320

chip                         analytical  simulated  error %
latency of the first image          900      1,000    -10.0
  its lower bound                   500      1,000    -50.0
interval between images             390        400     -2.5
  its lower bound, long run         300        400    -25.0

checks      14 of 14 hold
)");
}

TEST(Text, OneImageMeasuresNoThroughput) {
  Toy toy;
  toy.options.images = 1;
  toy.stats.image_in.resize(1);
  toy.stats.image_out.resize(1);
  EXPECT_NE(run_text(toy.report()).find("throughput  not measured (needs at least 2 images)\n"),
            std::string::npos);
  EXPECT_NE(validate_text(toy.report()).find("interval between images             390          -"),
            std::string::npos);
}

TEST(Text, ValidateSaysWhenImagesAreTooFew) {
  Toy toy;
  EXPECT_EQ(validate_text(toy.report()).find("too few"), std::string::npos);
  toy.analysis.interval_lower_bound = Cycles(401);
  EXPECT_NE(validate_text(toy.report()).find("note        3 images are too few"),
            std::string::npos);
}

TEST(Text, FailedChecksSayWhy) {
  Toy toy;
  toy.stats.fabric.flits_in_flight = 2;
  const std::string text = run_text(toy.report());
  EXPECT_NE(text.find("checks      13 of 14 hold\n"
                      "  FAILED fabric_drained: 2 flits in flight after the last event\n"),
            std::string::npos)
      << text;
}

TEST(Text, FitsAHundredColumnsWithBigNumbersAndLongNames) {
  Toy toy;
  toy.program.stages[1].name = "backbone.stage4.block2.downsample.conv";
  toy.program.stages[1].replicas.resize(1024);
  for (std::size_t part : {1U, 2U}) {
    toy.program.parts[part].groups[0].pes = 50'000;
  }
  toy.stats.stages[1].image_end = {
      Cycles(1'000'000'000), Cycles(1'000'000'400), Cycles(1'000'000'800)};
  toy.analysis.stages[1] = Cycles(900'000'000);
  const Report report = toy.report();
  for (const std::string& text : {run_text(report), validate_text(report)}) {
    for (const std::string& row : lines(text)) {
      EXPECT_LE(row.size(), 100U) << row;
    }
  }
}

TEST(Text, GroupsDigits) {
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(grouped(999), "999");
  EXPECT_EQ(grouped(1000), "1,000");
  EXPECT_EQ(grouped(-123456), "-123,456");
  EXPECT_EQ(grouped(1234567), "1,234,567");
  EXPECT_EQ(grouped(INT64_MIN), "-9,223,372,036,854,775,808");
}

TEST(Csv, OneLinePerLayerAndQuoting) {
  Toy toy;
  toy.program.stages[1].name = R"(a,"b")";
  const std::vector<std::string> rows = lines(layers_csv(toy.report()));
  ASSERT_EQ(rows.size(), 5U);
  EXPECT_EQ(rows[2], R"("a,""b""",conv,4,6,2,2,6,48,0,900,400,440,3.024e-08,300,0,0,60,0,0,0,740)");
  for (const std::size_t row : {0U, 1U, 3U, 4U}) {
    EXPECT_EQ(std::count(rows[row].begin(), rows[row].end(), ','), 20) << rows[row];
  }
}

TEST(Result, HasEveryPromisedKey) {
  const auto result = nlohmann::json::parse(result_json(Toy().report()));
  const std::vector<std::string> pointers{"/schema",
                                          "/network",
                                          "/chip",
                                          "/granularity",
                                          "/images",
                                          "/latency/cycles",
                                          "/latency/seconds",
                                          "/latency/first_cycles",
                                          "/throughput/interval_cycles",
                                          "/throughput/images_per_second",
                                          "/throughput/ci95_cycles",
                                          "/analytical/latency_cycles",
                                          "/analytical/interval_cycles",
                                          "/analytical/lower_bound_cycles",
                                          "/pes/available",
                                          "/pes/used",
                                          "/layers/1/name",
                                          "/layers/1/kind",
                                          "/layers/1/w_bits",
                                          "/layers/1/a_bits",
                                          "/layers/1/replicas",
                                          "/layers/1/pes",
                                          "/layers/1/firings",
                                          "/layers/1/busy_cycles",
                                          "/layers/1/analytical_cycles",
                                          "/layers/1/simulated_cycles",
                                          "/layers/1/waits/credit",
                                          "/actions/adc_convert",
                                          "/energy/total_j",
                                          "/energy/static_j",
                                          "/energy/by_action/bus_bit",
                                          "/area/total_m2",
                                          "/fabric/flits",
                                          "/fabric/flit_hops",
                                          "/fabric/max_link_utilization",
                                          "/checks/0/name",
                                          "/checks/0/ok",
                                          "/simulation/wall_seconds",
                                          "/simulation/sc_activations",
                                          "/simulation/cycles_per_second"};
  for (const std::string& pointer : pointers) {
    EXPECT_TRUE(result.contains(nlohmann::json::json_pointer(pointer))) << pointer;
  }
  EXPECT_EQ(result["schema"], 1);
  EXPECT_EQ(result["layers"].size(), 4U);
  EXPECT_FALSE(result.contains("output_digest"));
}

TEST(Result, NumbersAreShortAndWholeOnesHaveNoFraction) {
  Toy toy;
  toy.stats.image_out[2] = Cycles(1801);
  const std::string text = result_json(toy.report());
  EXPECT_NE(text.find("\"cycles\": 1000.3333333333334,"), std::string::npos) << text;
  EXPECT_NE(text.find("\"simulated_cycles\": 440,"), std::string::npos);
  EXPECT_NE(text.find("\"max_link_utilization\": 0.3,"), std::string::npos);
  EXPECT_EQ(text.back(), '\n');
}

TEST(Result, IdenticalRunsDifferInSimulationOnly) {
  Toy a;
  Toy b;
  b.stats.wall_seconds = 9;
  b.stats.sc_activations = 5;
  auto x = nlohmann::json::parse(result_json(a.report()));
  auto y = nlohmann::json::parse(result_json(b.report()));
  EXPECT_NE(x, y);
  x.erase("simulation");
  y.erase("simulation");
  EXPECT_EQ(x, y);
}

TEST(Result, WritesOfFiringsAreToldWhereThereAreAny) {
  Toy toy;
  const auto endurance = [&toy] {
    return nlohmann::json::parse(result_json(toy.report())).at("endurance");
  };
  EXPECT_FALSE(endurance().contains("years"));
  toy.prices.groups[0].cell_writes = {0, 40};
  toy.program.schedules[0].most_cell_writes = 2.5;
  EXPECT_EQ(endurance().at("mean_cell_writes_per_image"), 2);
  EXPECT_EQ(endurance().at("most_cell_writes_per_image"), 20);
  // 1e9 writes at 20 per image of 400 ns.
  EXPECT_DOUBLE_EQ(endurance().at("years").get<double>(), 1e9 / 20 * 400e-9 / 31'557'600);
  EXPECT_NE(run_text(toy.report())
                .find("cells       20 writes per image of the cell that is written most (2 in the "
                      "mean); at this throughput it lasts 6.34e-07 years\n"),
            std::string::npos);
  toy.prices.groups[0].endurance = 0;
  EXPECT_TRUE(endurance().at("years").is_null());
  EXPECT_NE(run_text(toy.report()).find("(2 in the mean)\n"), std::string::npos);
}

TEST(Result, WhatWasNotMeasuredIsNull) {
  Toy toy;
  toy.options.images = 1;
  toy.stats.image_in.resize(1);
  toy.stats.image_out.resize(1);
  toy.stats.wall_seconds = 0;
  toy.prices.groups[0].endurance = 0;
  const auto result = nlohmann::json::parse(result_json(toy.report()));
  EXPECT_TRUE(result["throughput"]["interval_cycles"].is_null());
  EXPECT_TRUE(result["throughput"]["images_per_second"].is_null());
  EXPECT_TRUE(result["throughput"]["ci95_cycles"].is_null());
  EXPECT_TRUE(result["simulation"]["cycles_per_second"].is_null());
  EXPECT_TRUE(result["endurance"]["writes_per_cell"].is_null());
  EXPECT_TRUE(result["layers"][2]["w_bits"].is_null());
  EXPECT_EQ(result["layers"][1]["w_bits"], 4);
}

TEST(Result, StagesWithoutClosedFormHaveNone) {
  Toy toy;
  toy.analysis.stages = {Cycles(0), Cycles(400)};
  const Report report = toy.report();
  const auto result = nlohmann::json::parse(result_json(report));
  EXPECT_TRUE(result["layers"][0]["analytical_cycles"].is_null());
  EXPECT_EQ(result["layers"][1]["analytical_cycles"], 400);
  EXPECT_TRUE(result["layers"][2]["analytical_cycles"].is_null());
  EXPECT_EQ(validate_text(report).find("\nimage "), std::string::npos);
}

TEST(Result, DigestOfAFunctionalRun) {
  Toy toy;
  toy.options.functional = Functional::bit_accurate;
  toy.stats.output_digest = 0xabc;
  const auto result = nlohmann::json::parse(result_json(toy.report()));
  EXPECT_EQ(result["output_digest"], "0000000000000abc");
  EXPECT_EQ(result["functional"], "bit_accurate");
}

TEST(Result, BrokenUtf8DoesNotLoseTheResult) {
  Toy toy;
  toy.network.name = "bad \xff name";
  EXPECT_FALSE(nlohmann::json::parse(result_json(toy.report())).is_discarded());
}

}  // namespace
}  // namespace tessera::report
