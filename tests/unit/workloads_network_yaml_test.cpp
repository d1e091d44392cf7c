// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Networks as YAML: what is read, what comes back, and one error of every code at its place.
#include "workloads/builder.hpp"
#include "workloads/network_yaml.hpp"
#include "workloads/zoo.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace tessera {
namespace {

const std::string kNetworks = std::string(TESSERA_SOURCE_DIR) + "/configs/networks/";

void expect_same(const Network& a, const Network& b) {
  EXPECT_EQ(a.name, b.name);
  ASSERT_EQ(a.layers.size(), b.layers.size());
  for (std::size_t k = 0; k < a.layers.size(); ++k) {
    const Layer& x = a.layers[k];
    const Layer& y = b.layers[k];
    SCOPED_TRACE(x.name);
    EXPECT_EQ(x.name, y.name);
    EXPECT_EQ(x.kind, y.kind);
    EXPECT_EQ(x.inputs, y.inputs);
    EXPECT_EQ(x.out, y.out);
    EXPECT_EQ(x.window.kernel_h, y.window.kernel_h);
    EXPECT_EQ(x.window.kernel_w, y.window.kernel_w);
    EXPECT_EQ(x.window.stride_h, y.window.stride_h);
    EXPECT_EQ(x.window.stride_w, y.window.stride_w);
    EXPECT_EQ(x.window.pad_top, y.window.pad_top);
    EXPECT_EQ(x.window.pad_left, y.window.pad_left);
    EXPECT_EQ(x.window.pad_bottom, y.window.pad_bottom);
    EXPECT_EQ(x.window.pad_right, y.window.pad_right);
    EXPECT_EQ(x.window.dilation_h, y.window.dilation_h);
    EXPECT_EQ(x.window.dilation_w, y.window.dilation_w);
    EXPECT_EQ(x.groups, y.groups);
    EXPECT_EQ(x.heads, y.heads);
    EXPECT_EQ(x.transpose_b, y.transpose_b);
    EXPECT_EQ(x.slice_begin, y.slice_begin);
    EXPECT_EQ(x.slice_positions, y.slice_positions);
    EXPECT_EQ(x.has_bias, y.has_bias);
    EXPECT_EQ(x.has_batch_norm, y.has_batch_norm);
    EXPECT_EQ(x.activation, y.activation);
    EXPECT_EQ(x.out_bits, y.out_bits);
    EXPECT_EQ(x.out_signed, y.out_signed);
  }
}

std::optional<Network> read(const std::string& text, Diagnostics& diagnostics) {
  const config::Node root = config::parse(text, "net.yaml", diagnostics);
  std::optional<Network> network = read_network(root.get("network"), diagnostics);
  config::report_unread(root, diagnostics);
  return network;
}

/// A network whose layers are the given lines, the first in line 4.
std::string with_layers(const std::vector<std::string>& layers) {
  std::string text = "network:\n  input: {height: 8, width: 8, channels: 4}\n  layers:\n";
  for (const std::string& layer : layers) {
    text += "    - {" + layer + "}\n";
  }
  return text;
}

struct Found {
  std::string code;
  int line;
  int related_line;  ///< 0 without

  bool operator==(const Found&) const = default;
};

void PrintTo(const Found& f, std::ostream* out) {
  *out << fmt::format("{}:{} ({})", f.code, f.line, f.related_line);
}

std::vector<Found> errors_of(const std::vector<std::string>& layers) {
  Diagnostics diagnostics;
  const auto network = read(with_layers(layers), diagnostics);
  EXPECT_EQ(network.has_value(), diagnostics.ok());
  std::vector<Found> found;
  for (const Diagnostic& d : diagnostics.errors()) {
    EXPECT_FALSE(d.path.empty()) << d.code;
    EXPECT_FALSE(d.expected.empty()) << d.code;
    EXPECT_FALSE(d.got.empty()) << d.code;
    found.push_back({d.code, d.at.line, d.related.empty() ? 0 : d.related[0].line});
  }
  return found;
}

using Errors = std::vector<Found>;

TEST(NetworkYaml, EveryNetworkOfTheZooComesBack) {
  for (const std::string& name : zoo_names()) {
    const Network network = zoo(name);
    Diagnostics diagnostics;
    const auto back = read(to_yaml(network), diagnostics);
    ASSERT_TRUE(back) << name << "\n" << diagnostics.render();
    expect_same(network, *back);
  }
}

TEST(NetworkYaml, UnusualSettingsComeBack) {
  Builder b("true", {9, 7, 6}, 5, true);
  Layer odd;
  odd.name = "Yes";
  odd.kind = LayerKind::conv;
  odd.inputs = {0};
  odd.out.channels = 4;
  odd.window = {3, 2, 2, 1, 1, 0, 2, 1, 1, 2};
  odd.groups = 2;
  odd.has_batch_norm = true;
  odd.has_bias = true;
  b.append(odd);
  odd.name = R"(a "quoted": name, \ #1)";
  odd.groups = 1;
  odd.has_batch_norm = false;
  odd.has_bias = false;
  odd.inputs = {1};
  odd.activation = Activation::gelu;
  b.append(odd);
  b.activation("1", b.last(), Activation::tanh);
  b.activation("nothing", b.last(), Activation::none);
  const Network network = b.build();
  Diagnostics diagnostics;
  const auto back = read(to_yaml(network), diagnostics);
  ASSERT_TRUE(back) << to_yaml(network) << diagnostics.render();
  expect_same(network, *back);
}

TEST(NetworkYaml, ShippedFiles) {
  Diagnostics diagnostics;
  const auto lenet = load_network(kNetworks + "lenet5.yaml", diagnostics);
  ASSERT_TRUE(lenet) << diagnostics.render();
  expect_same(*lenet, zoo("lenet5"));

  const auto residual = load_network(kNetworks + "residual.yaml", diagnostics);
  ASSERT_TRUE(residual) << diagnostics.render();
  EXPECT_EQ(residual->layers.back().out, (Shape{1, 1, 10}));
  EXPECT_EQ(matrix_layers(*residual).size(), 5U);
  EXPECT_EQ(total_weights(*residual), 432 + 2304 + 2304 + 3 * 5 * 32 * 4 + 360);

  const auto vit = load_network(kNetworks + "digits_vit.yaml", diagnostics);
  ASSERT_TRUE(vit) << diagnostics.render();
  EXPECT_EQ(vit->layer(2).out, (Shape{17, 1, 32}));  // 4 x 4 patches and the class token
  EXPECT_EQ(vit->layer(2).embedding_size(), 32);
  EXPECT_EQ(vit->layer(3).embedding_size(), 17 * 32);
  EXPECT_EQ(total_weights(*vit), 4 * 32 + 2 * (4 * 32 * 32 + 2 * 32 * 64) + 320);
}

TEST(NetworkYaml, ZooByName) {
  Diagnostics diagnostics;
  const auto network = read("network: {zoo: resnet18}\n", diagnostics);
  ASSERT_TRUE(network) << diagnostics.render();
  expect_same(*network, zoo("resnet18"));

  EXPECT_FALSE(read("network: {zoo: resnet19}\n", diagnostics));
  ASSERT_EQ(diagnostics.errors().size(), 1U);
  EXPECT_EQ(diagnostics.errors()[0].code, "E-NET-ZOO");
  EXPECT_EQ(diagnostics.errors()[0].path, "network.zoo");
}

TEST(NetworkYaml, DefaultsAndShortForms) {
  Diagnostics diagnostics;
  const auto n = read(with_layers({"name: a, kind: conv, channels: 6",
                                   ("name: b, kind: conv, channels: 6, kernel: [3, 5], "
                                    "padding: [1, 2, 1, 2], batch_norm: true"),
                                   "name: c, kind: add, from: [a, b]",
                                   "name: d, kind: max_pool, kernel: 3",
                                   "name: e, kind: avg_pool, kernel: global",
                                   "name: f, kind: fc, channels: 2, bias: false"}),
                      diagnostics);
  ASSERT_TRUE(n) << diagnostics.render();
  EXPECT_EQ(n->layers[0].out_bits, 8);
  EXPECT_FALSE(n->layers[0].out_signed);
  EXPECT_TRUE(n->layers[1].has_bias);
  EXPECT_FALSE(n->layers[2].has_bias);
  EXPECT_EQ(n->layers[2].inputs, std::vector<LayerId>{1});
  EXPECT_EQ(n->layers[2].out, (Shape{8, 8, 6}));
  EXPECT_EQ(n->layers[4].out, (Shape{2, 2, 6}));  // stride 3
  EXPECT_EQ(n->layers[5].out, (Shape{1, 1, 6}));
  EXPECT_FALSE(n->layers[6].has_bias);
}

TEST(NetworkYaml, NamesAndOrder) {
  const std::string conv = ", kind: conv, channels: 4";
  EXPECT_EQ(errors_of({"name: a" + conv, "name: a" + conv}), (Errors{{"E-NET-NAME", 5, 4}}));
  EXPECT_EQ(errors_of({"name: input" + conv}), (Errors{{"E-NET-NAME", 4, 2}}));
  EXPECT_EQ(errors_of({"name: \"\"" + conv}), (Errors{{"E-NET-NAME", 4, 0}}));
  EXPECT_EQ(errors_of({"name: conv1" + conv, "name: b, from: conv2" + conv}),
            (Errors{{"E-NET-UNKNOWN-LAYER", 5, 0}}));
  EXPECT_EQ(errors_of({"name: a, from: b" + conv, "name: b, from: input" + conv}),
            (Errors{{"E-NET-FORWARD", 4, 5}}));
  EXPECT_EQ(errors_of({"name: a, from: c" + conv, "name: b" + conv, "name: c" + conv}),
            (Errors{{"E-NET-CYCLE", 4, 6}}));
  EXPECT_EQ(errors_of({"name: a, from: a" + conv}), (Errors{{"E-NET-CYCLE", 4, 0}}));
}

TEST(NetworkYaml, KeysOfTheKind) {
  EXPECT_EQ(errors_of({"name: a, kind: fc, channels: 4, kernel: 3"}),
            (Errors{{"E-NET-KEY", 4, 0}}));
  EXPECT_EQ(errors_of({"name: a, kind: class_token, channels: 4"}), (Errors{{"E-NET-KEY", 4, 0}}));
  EXPECT_EQ(errors_of({"name: a, kind: conv, kernel: 3"}), (Errors{{"E-NET-MISSING", 4, 0}}));
  EXPECT_EQ(errors_of({"name: a, kind: max_pool"}), (Errors{{"E-NET-MISSING", 4, 0}}));
  EXPECT_EQ(errors_of({"name: a, kind: slice, begin: 1"}), (Errors{{"E-NET-MISSING", 4, 0}}));
  EXPECT_EQ(errors_of({"name: a, kind: slice, channels: 1, height: 2"}),
            (Errors{{"E-NET-KEY", 4, 0}}));
  EXPECT_EQ(errors_of({"name: a, kind: input"}), (Errors{{"E-NET-INPUT", 4, 0}}));
  EXPECT_EQ(errors_of({"name: a, kind: add, from: input"}), (Errors{{"E-NET-ARITY", 4, 0}}));
  EXPECT_EQ(errors_of({"name: a, kind: conv, channels: 2, kernel: [1, 2, 3]"}),
            (Errors{{"E-NET-LIST", 4, 0}}));
  EXPECT_EQ(errors_of({"name: a, kind: conv, channels: 2, kernle: 3"}),
            (Errors{{"E-CFG-UNKNOWN-KEY", 4, 0}}));
  EXPECT_EQ(errors_of({"name: a, kind: conf, channels: 2"})[0].line, 4);
}

TEST(NetworkYaml, Sizes) {
  const std::string conv = "name: a, kind: conv, ";
  EXPECT_EQ(errors_of({conv + "channels: 0"}), (Errors{{"E-NET-DIM", 4, 0}}));
  EXPECT_EQ(errors_of({conv + "channels: -3"}), (Errors{{"E-NET-DIM", 4, 0}}));
  EXPECT_EQ(errors_of({conv + "channels: 2000000000"}), (Errors{{"E-NET-DIM", 4, 0}}));
  EXPECT_EQ(errors_of({conv + "channels: 99999999999999999999"})[0].line, 4);
  EXPECT_EQ(errors_of({conv + "channels: 2, stride: 0"}),
            (Errors{{"E-NET-DIM", 4, 0}, {"E-NET-DIM", 4, 0}}));
  EXPECT_EQ(errors_of({conv + "channels: 2, kernel: 2000000000"})[0].code, "E-NET-DIM");
  EXPECT_EQ(errors_of({conv + "channels: 6, groups: 4"}), (Errors{{"E-NET-GROUPS", 4, 0}}));
  EXPECT_EQ(errors_of({conv + "channels: 6, groups: 3"}), (Errors{{"E-NET-GROUPS", 4, 2}}));
  EXPECT_EQ(errors_of({conv + "channels: 6, kernel: [9, 1]"}), (Errors{{"E-NET-KERNEL", 4, 2}}));
  EXPECT_EQ(errors_of({conv + "channels: 6, kernel: [9, 1], padding: [1, 0, 0, 0]"}), Errors{});
  EXPECT_EQ(errors_of({conv + "channels: 6, kernel: 3, padding: [3, 0, 0, 0]"}),
            (Errors{{"E-NET-PADDING", 4, 0}}));
  // 8 x 8 x 2^20 values are 2^26; a fully connected layer to 2^20 outputs has 2^46 weights.
  EXPECT_EQ(errors_of({conv + "channels: 1048576", "name: b, kind: fc, channels: 1048576"}),
            (Errors{{"E-NET-DIM", 5, 0}}));
}

TEST(NetworkYaml, ShapesThatDoNotChain) {
  EXPECT_EQ(errors_of({"name: a, kind: conv, channels: 4",
                       "name: b, kind: conv, channels: 4, stride: 2, from: input",
                       "name: c, kind: add, from: [a, b]"}),
            (Errors{{"E-NET-SHAPE", 6, 5}}));
  EXPECT_EQ(errors_of({"name: a, kind: conv, channels: 4",
                       "name: b, kind: conv, channels: 8, from: input",
                       "name: c, kind: concat, from: [a, b]"}),
            Errors{});
  EXPECT_EQ(errors_of({"name: q, kind: linear, channels: 4",
                       "name: k, kind: linear, channels: 6, from: input",
                       "name: s, kind: matmul, from: [q, k], transpose_b: true"}),
            (Errors{{"E-NET-SHAPE", 6, 5}}));
  EXPECT_EQ(errors_of({"name: a, kind: slice, begin: 2, channels: 3"}),
            (Errors{{"E-NET-SHAPE", 4, 2}}));
  EXPECT_EQ(errors_of({"name: a, kind: slice, begin: -1, height: 2"}),
            (Errors{{"E-NET-SHAPE", 4, 2}}));
  // 64 positions and the token.
  EXPECT_EQ(errors_of({"name: a, kind: class_token",
                       "name: b, kind: position_embedding",
                       "name: c, kind: add, from: [b, input]"}),
            (Errors{{"E-NET-SHAPE", 6, 2}}));
  EXPECT_EQ(errors_of({"name: a, kind: position_embedding, from: [input, input]"}),
            (Errors{{"E-NET-ARITY", 4, 0}}));
}

TEST(NetworkYaml, OneTokenMoreThanASequenceMayHave) {
  Diagnostics diagnostics;
  EXPECT_FALSE(
      read("network: {input: {height: 1048576, channels: 1}, layers: [{name: t, kind: "
           "class_token}]}\n",
           diagnostics));
  ASSERT_EQ(diagnostics.errors().size(), 1U);
  EXPECT_EQ(diagnostics.errors()[0].code, "E-NET-DIM");
  EXPECT_EQ(diagnostics.errors()[0].path, "network.layers[0]");
}

TEST(NetworkYaml, TheNetworkAsAWhole) {
  EXPECT_EQ(errors_of({"name: a, kind: conv, channels: 4",
                       "name: b, kind: conv, channels: 4",
                       "name: c, kind: fc, channels: 4, from: input"}),
            (Errors{{"E-NET-DEAD", 4, 0}, {"E-NET-OUTPUTS", 5, 6}}));
  for (const char* text : {"network: {input: {channels: 3}, layers: []}\n",
                           "network: {input: {channels: 3}}\n",
                           "network: 7\n",
                           "other: 7\n"}) {
    Diagnostics diagnostics;
    EXPECT_FALSE(read(text, diagnostics)) << text;
    EXPECT_EQ(diagnostics.errors().at(0).code, "E-NET-SIZE") << text;
  }
  Diagnostics diagnostics;
  EXPECT_FALSE(
      read("network: {input: {channels: 0}, layers: [{name: a, kind: flatten}]}\n", diagnostics));
  ASSERT_EQ(diagnostics.errors().size(), 1U);
  EXPECT_EQ(diagnostics.errors()[0].code, "E-NET-DIM");
  EXPECT_EQ(diagnostics.errors()[0].path, "network.input.channels");
}

TEST(NetworkYaml, AllErrorsAtOnceWithoutFollowUps) {
  // The shape of 'c' is unknown because of 'a'; that is not another error.
  EXPECT_EQ(errors_of({"name: a, kind: conv, channels: 6, groups: 4",
                       "name: b, kind: conv, channels: 4, kernel: 99, from: input",
                       "name: c, kind: add, from: [a, b]",
                       "name: d, kind: fc, channels: 5, from: [c, nowhere]"}),
            (Errors{{"E-NET-UNKNOWN-LAYER", 7, 0},
                    {"E-NET-GROUPS", 4, 0},
                    {"E-NET-KERNEL", 5, 2},
                    {"E-NET-KERNEL", 5, 2}}));
}

TEST(NetworkYaml, SuggestsTheNearestName) {
  Diagnostics diagnostics;
  read(with_layers({"name: layer1.conv, kind: conv, channels: 4",
                    "name: b, kind: fc, channels: 4, from: layer1.cnov"}),
       diagnostics);
  ASSERT_EQ(diagnostics.errors().size(), 1U);
  EXPECT_EQ(diagnostics.errors()[0].hint, "did you mean 'layer1.conv'?");
  EXPECT_EQ(diagnostics.errors()[0].path, "network.layers[1].from");
}

TEST(NetworkYaml, ManyErrorsStayFast) {
  std::vector<std::string> layers;
  layers.reserve(20000);
  for (int k = 0; k < 20000; ++k) {
    layers.push_back(fmt::format("name: l{}, kind: flatten, from: l{}", k, (k + 1) % 20000));
  }
  Diagnostics diagnostics;
  EXPECT_FALSE(read(with_layers(layers), diagnostics));  // the time limit of the suite is the test
  EXPECT_EQ(diagnostics.errors()[0].code, "E-NET-CYCLE");
}

TEST(NetworkYaml, FieldsAreDocumented) {
  for (const config::FieldInfo& field : network_layer_fields()) {
    EXPECT_FALSE(field.doc.empty()) << field.key;
  }
  EXPECT_EQ(network_layer_fields().size(), 17U);
}

}  // namespace
}  // namespace tessera
