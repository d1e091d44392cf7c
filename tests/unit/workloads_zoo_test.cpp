// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The networks of the zoo against published counts.
#include "sim/base/diagnostics.hpp"
#include "sim/base/math.hpp"
#include "workloads/zoo.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace tessera {
namespace {

/// Crossbars of 256 x 256 one-bit cells for 8-bit weights, one bit slice per crossbar.
std::int64_t tiles_at_8_bit(const Network& network) {
  std::int64_t tiles = 0;
  for (const LayerId id : matrix_layers(network)) {
    const MatrixShape m = matrix_shape(network, id);
    tiles += ceil_div<std::int64_t>(m.rows, 256) * ceil_div<std::int64_t>(m.cols, 256) * 8;
  }
  return tiles;
}

double millions(std::int64_t v) {
  return static_cast<double>(v) * 1e-6;
}

std::int64_t conv_weights(const Network& network) {
  std::int64_t sum = 0;
  for (const LayerId id : matrix_layers(network)) {
    const MatrixShape m = matrix_shape(network, id);
    sum += network.layer(id).kind == LayerKind::conv ? m.rows * m.cols * m.groups : 0;
  }
  return sum;
}

std::int64_t conv_macs(const Network& network) {
  std::int64_t sum = 0;
  for (const LayerId id : matrix_layers(network)) {
    sum += network.layer(id).kind == LayerKind::conv ? matrix_shape(network, id).macs() : 0;
  }
  return sum;
}

/// LRMP: layers, weights in millions, crossbars at 8 bit (its table of tiles; 5688 is its chip).
TEST(Zoo, CountsOfLrmp) {
  struct Row {
    const char* name;
    std::size_t layers;
    double weights;
    std::int64_t tiles;
  };

  for (const Row& row : {Row{"mlp", 5, 25.98, 3232},
                         Row{"resnet18", 21, 11.68, 1608},
                         Row{"resnet34", 37, 21.78, 2968},
                         Row{"resnet50", 54, 25.50, 3376},
                         Row{"resnet101", 105, 44.44, 5688}}) {
    const Network n = zoo(row.name);
    EXPECT_EQ(matrix_layers(n).size(), row.layers) << row.name;
    EXPECT_NEAR(millions(total_weights(n)), row.weights, 0.006) << row.name;
    EXPECT_EQ(tiles_at_8_bit(n), row.tiles) << row.name;
  }
}

/// The convolution counts of the associative-processor work.
TEST(Zoo, ConvolutionCounts) {
  EXPECT_EQ(conv_weights(zoo("resnet18")), 11'166'912);
  EXPECT_EQ(conv_macs(zoo("resnet18")), 1'813'561'344);
  EXPECT_EQ(conv_weights(zoo("vgg11")), 9'217'728);
  EXPECT_EQ(conv_macs(zoo("vgg11")), 152'764'416);
  EXPECT_EQ(conv_weights(zoo("vgg9")), 1'144'512);
  EXPECT_EQ(conv_macs(zoo("vgg9")), 152'764'416);
}

TEST(Zoo, CountsOfOtherNetworks) {
  // Published parameter counts, less biases and batch norm.
  EXPECT_NEAR(millions(total_weights(zoo("vgg16"))), 138.34, 0.01);
  EXPECT_NEAR(millions(total_macs(zoo("vgg16"))), 15470.26, 0.01);
  EXPECT_NEAR(millions(total_macs(zoo("resnet50"))), 4089.18, 0.01);
  EXPECT_NEAR(millions(total_weights(zoo("mobilenet_v2"))), 3.47, 0.01);
  EXPECT_NEAR(millions(total_macs(zoo("mobilenet_v2"))), 300.77, 0.01);
  EXPECT_EQ(total_weights(zoo("lenet5")), 150 + 2400 + 48000 + 10080 + 840);
  EXPECT_EQ(total_weights(zoo("rapidnn_mnist")), 668'672);
  EXPECT_EQ(total_weights(zoo("rapidnn_isolet")), 591'360);
  EXPECT_EQ(total_weights(zoo("rapidnn_har")), 559'104);
  EXPECT_EQ(matrix_layers(zoo("resnet20")).size(), 22U);  // 20 and two projections
}

TEST(Zoo, Resnet18LayerOrderPutsDownsampleFirst) {
  const Network n = zoo("resnet18");
  std::vector<std::string> names;
  for (const LayerId id : matrix_layers(n)) {
    names.push_back(n.layer(id).name);
  }
  EXPECT_EQ(names,
            (std::vector<std::string>{"conv1",
                                      "layer1.0.conv1",
                                      "layer1.0.conv2",
                                      "layer1.1.conv1",
                                      "layer1.1.conv2",
                                      "layer2.0.downsample",
                                      "layer2.0.conv1",
                                      "layer2.0.conv2",
                                      "layer2.1.conv1",
                                      "layer2.1.conv2",
                                      "layer3.0.downsample",
                                      "layer3.0.conv1",
                                      "layer3.0.conv2",
                                      "layer3.1.conv1",
                                      "layer3.1.conv2",
                                      "layer4.0.downsample",
                                      "layer4.0.conv1",
                                      "layer4.0.conv2",
                                      "layer4.1.conv1",
                                      "layer4.1.conv2",
                                      "fc"}));
  const Layer& first = n.layer(matrix_layers(n)[5]);
  EXPECT_EQ(first.out, (Shape{28, 28, 128}));
  EXPECT_EQ(first.window.kernel_h, 1);
}

TEST(Zoo, Resnet50StridesInTheMiddleConvolution) {
  const Network n = zoo("resnet50");
  for (const Layer& layer : n.layers) {
    if (layer.name == "layer2.0.conv1") {
      EXPECT_EQ(layer.out, (Shape{56, 56, 128}));
    } else if (layer.name == "layer2.0.conv2") {
      EXPECT_EQ(layer.out, (Shape{28, 28, 128}));
    }
  }
  EXPECT_EQ(n.layers[n.layers.size() - 3].out, (Shape{7, 7, 2048}));
}

TEST(Zoo, VitHasFiftyTokensAnd74MatrixLayers) {
  const Network n = zoo("vit_b32");
  EXPECT_EQ(matrix_layers(n).size(), 74U);
  EXPECT_EQ(matrix_shape(n, matrix_layers(n)[0]).positions, 49);
  std::set<std::string> seen;
  for (const LayerId id : matrix_layers(n)) {
    const Layer& l = n.layer(id);
    const MatrixShape m = matrix_shape(n, id);
    const std::string part = l.name.substr(l.name.find('.') + 1);
    if (l.name.find('.') == std::string::npos) {
      continue;
    }
    seen.insert(part);
    EXPECT_EQ(m.positions, 50) << l.name;
    if (part == "scores") {
      EXPECT_EQ(m.rows, 64);
      EXPECT_EQ(m.cols, 50);
      EXPECT_EQ(m.groups, 12);
    } else if (part == "context") {
      EXPECT_EQ(m.rows, 50);
      EXPECT_EQ(m.cols, 64);
      EXPECT_EQ(m.groups, 12);
    }
  }
  EXPECT_EQ(seen, (std::set<std::string>{"qkv", "scores", "context", "proj", "mlp1", "mlp2"}));
  // 88.2 M parameters less biases, class token, norms and position embeddings.
  EXPECT_EQ(total_weights(n),
            3072 * 768 + 12 * (768 * 2304 + 768 * 768 + 2 * 768 * 3072) + 768'000);
}

/// The table of workloads/README.md.
TEST(Zoo, TheReadmeTellsTheCounts) {
  std::ifstream file(std::string(TESSERA_SOURCE_DIR) + "/workloads/README.md");
  std::stringstream readme;
  readme << file.rdbuf();
  const auto count = [](std::int64_t v) {
    return v >= 1'000'000 ? fmt::format("{:.2f} M", static_cast<double>(v) * 1e-6)
           : v >= 10'000  ? fmt::format("{:.1f} k", static_cast<double>(v) * 1e-3)
                          : fmt::format("{}", v);
  };
  for (const std::string& name : zoo_names()) {
    const Network n = zoo(name);
    const Shape& in = n.layers[0].out;
    const std::string row = fmt::format("| `{}` | {}x{}x{} | {} | {} | {} |",
                                        name,
                                        in.height,
                                        in.width,
                                        in.channels,
                                        matrix_layers(n).size(),
                                        count(total_weights(n)),
                                        count(total_macs(n)));
    EXPECT_NE(readme.str().find(row), std::string::npos) << row;
  }
}

TEST(Zoo, NamesAreUniqueAndUnknownOnesAreExplained) {
  const std::vector<std::string> names = zoo_names();
  EXPECT_EQ(std::set<std::string>(names.begin(), names.end()).size(), names.size());
  for (const std::string& name : names) {
    EXPECT_EQ(zoo(name).name, name);
  }
  try {
    zoo("resnet19");
    FAIL() << "no InputError";
  } catch (const InputError& error) {
    ASSERT_EQ(error.diagnostics().errors().size(), 1U);
    EXPECT_EQ(error.diagnostics().errors()[0].code, "E-NET-ZOO");
    EXPECT_EQ(error.exit_status(), 2);
    EXPECT_NE(error.diagnostics().errors()[0].hint.find("resnet18"), std::string::npos);
  }
}

}  // namespace
}  // namespace tessera
