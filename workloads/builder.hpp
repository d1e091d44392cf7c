// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Builds a Network layer by layer; shapes follow from the operands.
///
///   Builder b("tiny", {8, 8, 3});
///   const LayerId stem = b.conv("stem", b.last(), {.channels = 16, .kernel = 3, .padding = 1,
///                                                  .activation = Activation::relu});
///   b.fc("head", stem, 10);
///   const Network network = b.build();
///
/// Errors   a layer that does not fit throws InternalError: what a user writes goes through
///          network_yaml.hpp, which reports diagnostics before it calls append()
#pragma once

#include "workloads/network.hpp"

#include <string>
#include <vector>

namespace tessera {

/// Square convolutions, which is all the zoo needs; append() takes everything else.
struct ConvOptions {
  int channels = 1;
  int kernel = 1;
  int stride = 1;
  int padding = 0;  ///< on all four sides
  int groups = 1;
  int dilation = 1;
  Activation activation = Activation::none;
  bool batch_norm = false;
  bool bias = true;  ///< a batch norm brings its own: then this says nothing
};

/// Options of the layers with one dense matrix.
struct DenseOptions {
  Activation activation = Activation::none;
  bool batch_norm = false;
  bool bias = true;
};

struct PoolOptions {
  int kernel = 2;
  int stride = 2;
  int padding = 0;  ///< max: ignored positions; average: zeros that count in the divisor
};

class Builder {
 public:
  Builder(std::string name, Shape input, int input_bits = 8, bool input_signed = false);

  /// The layer appended last; the input at first.
  [[nodiscard]] LayerId last() const { return network_.output(); }

  [[nodiscard]] const Shape& shape(LayerId id) const { return network_.layer(id).out; }

  LayerId conv(std::string name, LayerId from, const ConvOptions& options);
  LayerId fc(std::string name, LayerId from, int channels, const DenseOptions& options = {});
  LayerId linear(std::string name, LayerId from, int channels, const DenseOptions& options = {});
  LayerId matmul(std::string name, LayerId a, LayerId b, int heads, bool transpose_b);
  LayerId max_pool(std::string name, LayerId from, const PoolOptions& options);
  LayerId avg_pool(std::string name, LayerId from, const PoolOptions& options);
  /// Average over all positions.
  LayerId global_avg_pool(std::string name, LayerId from);
  LayerId add(std::string name, LayerId a, LayerId b, Activation activation = Activation::none);
  LayerId concat(std::string name, std::vector<LayerId> from);
  LayerId class_token(std::string name, LayerId from);
  LayerId position_embedding(std::string name, LayerId from);
  LayerId activation(std::string name, LayerId from, Activation activation);
  LayerId layer_norm(std::string name, LayerId from);
  LayerId softmax(std::string name, LayerId from, int heads = 1);
  LayerId flatten(std::string name, LayerId from);
  LayerId slice_channels(std::string name, LayerId from, int begin, int count);
  /// Positions [begin, begin + count) in raster order, as a sequence of count x 1.
  LayerId slice_positions(std::string name, LayerId from, int begin, int count);

  /// Any layer with its inputs and options set; fills in the shape.
  LayerId append(Layer layer);

  /// The finished network, after a full check().
  [[nodiscard]] Network build() const;

 private:
  Network network_;
};

}  // namespace tessera
