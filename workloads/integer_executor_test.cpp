// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "workloads/integer_executor.hpp"

#include "sim/base/rng.hpp"
#include "workloads/golden.hpp"
#include "workloads/quantize.hpp"
#include "workloads/zoo.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace tessera {
namespace {

/// Widths up to 16 bits, whose sums need more than 32; groups, strides, attention, residuals; some
/// tensors with codebooks.
TEST(IntegerExecutor, EqualsTheGoldenExecutor) {
  for (const char* name : {"lenet5", "resnet20", "tiny_cnn", "tiny_mlp", "attention_block"}) {
    for (const int most : {4, 8, 16}) {
      SCOPED_TRACE(std::string(name) + " " + std::to_string(most));
      Network network = zoo(name);
      Rng rng(7, std::string("widths/") + name);
      std::vector<LayerBits> bits;
      for (std::size_t k = 0; k < matrix_layers(network).size(); ++k) {
        bits.push_back({static_cast<int>(rng.uniform(most - 2, most)),
                        static_cast<int>(rng.uniform(most - 2, most))});
      }
      quantize(network, bits);
      for (Layer& layer : network.layers) {
        if (layer.kind == LayerKind::conv && rng.chance(0.5)) {
          layer.codebook = {-3, 0, 2, 5};
        }
      }
      const NetworkData data = synthetic_data(network, 3);
      Golden golden(network, data.parameters);
      const IntegerExecutor executor(network, data.parameters);
      for (std::int64_t image = 0; image < 2; ++image) {
        ASSERT_EQ(executor.run(data.input(image)), golden.run(data.input(image)));
      }
    }
  }
}

}  // namespace
}  // namespace tessera
