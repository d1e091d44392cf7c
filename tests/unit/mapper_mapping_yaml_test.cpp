// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Do mapping files survive a round trip, do wishes combine as documented, and are all errors found
/// at once?
#include "mapper/first_fit.hpp"
#include "mapper/mapping_yaml.hpp"
#include "workloads/builder.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace tessera::mapper {
namespace {

Network make_network() {
  Builder b("net", {4, 4, 3});
  b.conv("conv1", b.last(), {.channels = 4});
  b.max_pool("pool", b.last(), {});
  b.conv("conv2", b.last(), {.channels = 4});
  b.fc("a b: #1", b.last(), 5);  // a name that YAML needs in quotes
  return b.build();
}

std::vector<std::string> codes(const Diagnostics& diagnostics) {
  std::vector<std::string> all;
  for (const Diagnostic& d : diagnostics.errors()) {
    all.push_back(d.code);
  }
  std::sort(all.begin(), all.end());
  return all;
}

Mapping make_mapping() {
  return {.network = "net",
          .chip = "true",  // must not come back as a boolean
          .layers = {{1, "conv1", 8, 7, 2, {{{0, 0, 3}}, {{0, 3, 2}, {1, 0, 1}}}},
                     {3, "conv2", 3, 16, 1, {{{1, 1, 1}}}},
                     {4, "a b: #1", 1, 1, 1, {}}},
          .vector_layers = {{2, "pool", 1}}};
}

Mapping read(const std::string& text, Diagnostics& diagnostics) {
  const config::Node node = config::parse(text, "mapping.yaml", diagnostics);
  Mapping mapping = read_mapping(node, make_network(), "true", diagnostics);
  config::report_unread(node, diagnostics);
  return mapping;
}

TEST(MappingYaml, RoundTrip) {
  const Mapping before = make_mapping();
  const std::string text = write_mapping(before);
  Diagnostics diagnostics;
  const Mapping after = read(text, diagnostics);
  ASSERT_TRUE(diagnostics.ok()) << diagnostics.render() << text;
  EXPECT_EQ(after.network, before.network);
  EXPECT_EQ(after.chip, before.chip);
  ASSERT_EQ(after.layers.size(), before.layers.size());
  for (std::size_t m = 0; m < before.layers.size(); ++m) {
    const LayerMapping& a = after.layers[m];
    const LayerMapping& b = before.layers[m];
    EXPECT_EQ(a.layer, b.layer);
    EXPECT_EQ(a.name, b.name);
    EXPECT_EQ(a.w_bits, b.w_bits);
    EXPECT_EQ(a.a_bits, b.a_bits);
    EXPECT_EQ(a.replicas, b.replicas);
    ASSERT_EQ(a.placement.size(), b.placement.size());
    for (std::size_t k = 0; k < b.placement.size(); ++k) {
      ASSERT_EQ(a.placement[k].size(), b.placement[k].size());
      for (std::size_t i = 0; i < b.placement[k].size(); ++i) {
        EXPECT_EQ(a.placement[k][i].tile, b.placement[k][i].tile);
        EXPECT_EQ(a.placement[k][i].first_pe, b.placement[k][i].first_pe);
        EXPECT_EQ(a.placement[k][i].pes, b.placement[k][i].pes);
      }
    }
  }
  ASSERT_EQ(after.vector_layers.size(), 1U);
  EXPECT_EQ(after.vector_layers[0].layer, 2);
  EXPECT_EQ(after.vector_layers[0].tile, 1);
  EXPECT_EQ(write_mapping(after), text);
}

TEST(MappingYaml, AllErrorsAtOnce) {
  Diagnostics diagnostics;
  read(R"(schema: 2
network: other
chip: else
layers:
  conv1: {w_bits: 17, a_bits: 0, replicas: 17, placement: []}
  conv3: {w_bits: 8, a_bits: 8, replicas: 1}
  conv2: {w_bits: 8, a_bits: 8, replicas: 2, placement: [[{tile: 0, first_pe: 0, pes: 1}]]}
vector_layers: {conv1: 0}
)",
       diagnostics);
  const std::vector<std::string> expected{"E-MAP-BITS",  // w_bits of conv1
                                          "E-MAP-BITS",  // a_bits of conv1
                                          "E-MAP-CHIP",
                                          "E-MAP-MISSING-LAYER",  // 'a b: #1'
                                          "E-MAP-MISSING-LAYER",  // pool
                                          "E-MAP-NETWORK",
                                          "E-MAP-PLACEMENT",  // 2 replicas, 1 placed
                                          "E-MAP-REPLICAS",   // conv1 has 16 positions
                                          "E-MAP-SCHEMA",
                                          "E-MAP-UNKNOWN-LAYER",   // conv3
                                          "E-MAP-UNKNOWN-LAYER"};  // conv1 is no vector layer
  EXPECT_EQ(codes(diagnostics), expected) << diagnostics.render();
  for (const Diagnostic& d : diagnostics.errors()) {
    if (d.code == "E-MAP-UNKNOWN-LAYER" && d.at.line == 6) {
      EXPECT_EQ(d.at.column, 3);
      EXPECT_EQ(d.path, "layers.conv3");
      EXPECT_NE(d.hint.find("conv"), std::string::npos);
    }
    if (d.code == "E-MAP-REPLICAS") {
      EXPECT_EQ(d.at.line, 5);
      EXPECT_EQ(d.path, "layers.conv1.replicas");
      EXPECT_EQ(d.expected, "1 to 16, one per output position");
    }
  }
}

TEST(MappingYaml, DuplicateAndUnknownKeysAreErrors) {
  Diagnostics duplicate;
  read(
      "schema: 1\nnetwork: net\nchip: \"true\"\nlayers:\n  conv1: {w_bits: 8, a_bits: 8, replicas: "
      "1}\n"
      "  conv1: {w_bits: 8, a_bits: 8, replicas: 1}\n",
      duplicate);
  EXPECT_FALSE(duplicate.ok());
  EXPECT_NE(duplicate.render().find("conv1"), std::string::npos);
  Diagnostics unknown;
  read(
      "schema: 1\nnetwork: net\nchip: \"true\"\nlayers:\n  conv1: {w_bits: 8, a_bits: 8, replicas: "
      "1, spare: 1}\n",
      unknown);
  EXPECT_NE(unknown.render().find("spare"), std::string::npos);
}

MappingRequest wish(const std::string& text,
                    Diagnostics& diagnostics,
                    const std::string& folder = ".") {
  const config::Node node = config::parse(text, "experiment.yaml", diagnostics);
  MappingRequest request =
      read_mapping_request(node.get("mapping"), make_network(), "true", folder, diagnostics);
  config::report_unread(node, diagnostics);
  return request;
}

TEST(MappingRequest, NothingSaidIsEightBitsAndOneReplica) {
  Diagnostics diagnostics;
  const MappingRequest request = wish("{}", diagnostics);
  EXPECT_TRUE(diagnostics.ok()) << diagnostics.render();
  EXPECT_EQ(request.layers, (std::vector<LayerRequest>{{8, 8, 1}, {8, 8, 1}, {8, 8, 1}}));
  EXPECT_FALSE(request.mapping.has_value());
}

TEST(MappingRequest, TheMoreSpecificWins) {
  Diagnostics diagnostics;
  const MappingRequest request = wish(R"(mapping:
  default: {w_bits: 4, a_bits: 5, replicas: 2}
  first_last: {w_bits: 7}
  a_bits: [1, 2, 3]
  layers: {conv2: {w_bits: 6, replicas: 3}, conv1: {a_bits: 9}}
)",
                                      diagnostics);
  EXPECT_TRUE(diagnostics.ok()) << diagnostics.render();
  // The last layer has one position, so the rule gives it one replica.
  EXPECT_EQ(request.layers, (std::vector<LayerRequest>{{7, 9, 2}, {6, 2, 3}, {7, 3, 1}}));
}

TEST(MappingRequest, ErrorsOfWishes) {
  Diagnostics diagnostics;
  wish(R"(mapping:
  default: {w_bits: 17}
  first_last: {a_bits: 0}
  w_bits: [8, 8]
  replicas: [1, 5, 1]
  layers: {conv9: {w_bits: 8}, conv2: {a_bits: 20}}
)",
       diagnostics);
  const std::vector<std::string> expected{"E-MAP-BITS",
                                          "E-MAP-BITS",
                                          "E-MAP-BITS",
                                          "E-MAP-LIST-LENGTH",
                                          "E-MAP-REPLICAS",
                                          "E-MAP-UNKNOWN-LAYER"};
  EXPECT_EQ(codes(diagnostics), expected) << diagnostics.render();
  for (const Diagnostic& d : diagnostics.errors()) {
    if (d.code == "E-MAP-REPLICAS") {
      EXPECT_EQ(d.path, "mapping.replicas[1]");
      EXPECT_EQ(d.at.line, 5);
    }
  }
}

TEST(MappingRequest, FileSaysEverything) {
  const std::filesystem::path folder =
      std::filesystem::path(testing::TempDir()) / "tessera_mapping_request";
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "mapping.yaml") << write_mapping(make_mapping());
  Diagnostics diagnostics;
  const MappingRequest request =
      wish("mapping: {file: mapping.yaml}", diagnostics, folder.string());
  EXPECT_TRUE(diagnostics.ok()) << diagnostics.render();
  ASSERT_TRUE(request.mapping.has_value());
  EXPECT_EQ(request.mapping->layers.at(0).placement.at(1).at(1).tile, 1);
  EXPECT_EQ(request.layers.at(1), (LayerRequest{3, 16, 1}));

  wish("mapping: {file: mapping.yaml, default: {w_bits: 4}}", diagnostics, folder.string());
  EXPECT_EQ(codes(diagnostics), std::vector<std::string>{"E-MAP-FORM"});
  Diagnostics missing;
  wish("mapping: {file: nowhere.yaml}", missing, folder.string());
  EXPECT_FALSE(missing.ok());
  std::filesystem::remove_all(folder);
}

TEST(MappingYaml, GroupsOfTiles) {
  const std::vector<std::string> groups{"crossbar", "lut"};
  Mapping before = make_mapping();
  before.layers[0].group = "lut";
  const std::string text = write_mapping(before);
  EXPECT_NE(text.find("    replicas: 2\n    group: lut\n    placement:"), std::string::npos)
      << text;
  Diagnostics diagnostics;
  const Mapping after = read_mapping(config::parse(text, "mapping.yaml", diagnostics),
                                     make_network(),
                                     "true",
                                     diagnostics,
                                     groups);
  ASSERT_TRUE(diagnostics.ok()) << diagnostics.render();
  EXPECT_EQ(after.layers[0].group, "lut");
  EXPECT_EQ(after.layers[1].group, "");

  const auto request =
      [&](const std::string& wish, const std::vector<std::string>& names, Diagnostics& problems) {
        return read_mapping_request(
            config::parse(wish, "x.yaml", problems), make_network(), "true", "", problems, names);
      };
  const MappingRequest wanted = request(
      "{default: {group: crossbar}, first_last: {group: lut}, layers: {conv1: {group: crossbar}}}",
      groups,
      diagnostics);
  ASSERT_TRUE(diagnostics.ok()) << diagnostics.render();
  EXPECT_EQ(wanted.layers[0].group, "crossbar");
  EXPECT_EQ(wanted.layers[1].group, "crossbar");
  EXPECT_EQ(wanted.layers[2].group, "lut");

  // Once per place, whether the chip has groups or not.
  for (const std::vector<std::string>& names : {groups, {""}, {}}) {
    Diagnostics problems;
    request("{default: {group: luts}, first_last: {group: luts}, layers: {conv2: {group: luts}}}",
            names,
            problems);
    EXPECT_EQ(codes(problems), (std::vector<std::string>(3, "E-MAP-GROUP"))) << problems.render();
  }
}

}  // namespace
}  // namespace tessera::mapper
