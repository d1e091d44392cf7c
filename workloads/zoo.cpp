// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "workloads/zoo.hpp"

#include "sim/base/diagnostics.hpp"
#include "workloads/builder.hpp"

#include <fmt/format.h>

#include <array>
#include <functional>
#include <utility>

namespace tessera {

namespace {

constexpr Activation kRelu = Activation::relu;

/// Fully connected layers fc1, fc2, ... with ReLU between them and none at the end.
void dense_stack(Builder& b, const std::vector<int>& widths) {
  for (std::size_t k = 0; k < widths.size(); ++k) {
    const bool is_last = k + 1 == widths.size();
    b.fc(fmt::format("fc{}", k + 1),
         b.last(),
         widths[k],
         {.activation = is_last ? Activation::none : kRelu});
  }
}

Network mlp_network(const std::string& name, int inputs, const std::vector<int>& widths) {
  Builder b(name, {1, 1, inputs});
  dense_stack(b, widths);
  return b.build();
}

Network lenet5() {
  // LeCun et al. 1998, with ReLU and max pooling in place of tanh and trainable subsampling, and
  // the 32x32 frame of the paper made from 28x28 by padding.
  Builder b("lenet5", {28, 28, 1});
  b.conv("conv1", b.last(), {.channels = 6, .kernel = 5, .padding = 2, .activation = kRelu});
  b.max_pool("pool1", b.last(), {});
  b.conv("conv2", b.last(), {.channels = 16, .kernel = 5, .activation = kRelu});
  b.max_pool("pool2", b.last(), {});
  dense_stack(b, {120, 84, 10});
  return b.build();
}

/// 3x3 convolutions conv1, conv2, ... ; 0 stands for a 2x2 max pooling.
void vgg_convs(Builder& b, const std::vector<int>& plan, bool batch_norm) {
  int convs = 0;
  int pools = 0;
  for (const int channels : plan) {
    if (channels == 0) {
      b.max_pool(fmt::format("pool{}", ++pools), b.last(), {});
    } else {
      b.conv(fmt::format("conv{}", ++convs),
             b.last(),
             {.channels = channels,
              .kernel = 3,
              .padding = 1,
              .activation = kRelu,
              .batch_norm = batch_norm});
    }
  }
}

Network vgg9() {
  // Convolutions 64x2-128x2-256x2; the paper that uses it names no widths, so the fully connected
  // layers (1024-1024-10) are an assumption.
  Builder b("vgg9", {32, 32, 3});
  vgg_convs(b, {64, 64, 0, 128, 128, 0, 256, 256, 0}, true);
  dense_stack(b, {1024, 1024, 10});
  return b.build();
}

Network vgg11() {
  // Configuration A of Simonyan and Zisserman (2015) on CIFAR; the fully connected layers shrink
  // from 4096 to 512, an assumption.
  Builder b("vgg11", {32, 32, 3});
  vgg_convs(b, {64, 0, 128, 0, 256, 256, 0, 512, 512, 0, 512, 512, 0}, true);
  dense_stack(b, {512, 512, 10});
  return b.build();
}

Network vgg16() {
  // Simonyan and Zisserman (2015), configuration D, without batch norm.
  Builder b("vgg16", {224, 224, 3});
  vgg_convs(
      b, {64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0}, false);
  dense_stack(b, {4096, 4096, 1000});
  return b.build();
}

/// Two 3x3 convolutions and the residual edge; the 1x1 downsample comes first in layer order.
void basic_block(Builder& b, const std::string& name, int channels, int stride) {
  const LayerId in = b.last();
  LayerId skip = in;
  if (stride != 1 || b.shape(in).channels != channels) {
    skip = b.conv(
        name + ".downsample", in, {.channels = channels, .stride = stride, .batch_norm = true});
  }
  const LayerId first = b.conv(name + ".conv1",
                               in,
                               {.channels = channels,
                                .kernel = 3,
                                .stride = stride,
                                .padding = 1,
                                .activation = kRelu,
                                .batch_norm = true});
  const LayerId second =
      b.conv(name + ".conv2",
             first,
             {.channels = channels, .kernel = 3, .padding = 1, .batch_norm = true});
  b.add(name + ".add", second, skip, kRelu);
}

/// 1x1, 3x3 (which carries the stride, as in torchvision), 1x1 with four times the channels.
void bottleneck_block(Builder& b, const std::string& name, int channels, int stride) {
  const LayerId in = b.last();
  LayerId skip = in;
  if (stride != 1 || b.shape(in).channels != 4 * channels) {
    skip = b.conv(
        name + ".downsample", in, {.channels = 4 * channels, .stride = stride, .batch_norm = true});
  }
  const LayerId first =
      b.conv(name + ".conv1", in, {.channels = channels, .activation = kRelu, .batch_norm = true});
  const LayerId second = b.conv(name + ".conv2",
                                first,
                                {.channels = channels,
                                 .kernel = 3,
                                 .stride = stride,
                                 .padding = 1,
                                 .activation = kRelu,
                                 .batch_norm = true});
  const LayerId third =
      b.conv(name + ".conv3", second, {.channels = 4 * channels, .batch_norm = true});
  b.add(name + ".add", third, skip, kRelu);
}

using Block = void (*)(Builder&, const std::string&, int, int);

/// He et al. 2016, the ImageNet networks with the shapes of torchvision.
Network resnet(const std::string& name, Block block, const std::array<int, 4>& blocks) {
  Builder b(name, {224, 224, 3});
  b.conv("conv1",
         b.last(),
         {.channels = 64,
          .kernel = 7,
          .stride = 2,
          .padding = 3,
          .activation = kRelu,
          .batch_norm = true});
  b.max_pool("maxpool", b.last(), {.kernel = 3, .stride = 2, .padding = 1});
  int channels = 64;
  for (std::size_t stage = 0; stage < blocks.size(); ++stage) {
    for (int k = 0; k < blocks[stage]; ++k) {
      const int stride = stage > 0 && k == 0 ? 2 : 1;
      block(b, fmt::format("layer{}.{}", stage + 1, k), channels, stride);
    }
    channels *= 2;
  }
  b.global_avg_pool("avgpool", b.last());
  b.fc("fc", b.last(), 1000);
  return b.build();
}

Network resnet20() {
  // He et al. 2016, section 4.2, with 1x1 projections (option B) where the channels change: the
  // parameter-free option A is not a layer that hardware has.
  Builder b("resnet20", {32, 32, 3});
  b.conv("conv1",
         b.last(),
         {.channels = 16, .kernel = 3, .padding = 1, .activation = kRelu, .batch_norm = true});
  int channels = 16;
  for (int stage = 1; stage <= 3; ++stage) {
    for (int k = 0; k < 3; ++k) {
      basic_block(b, fmt::format("layer{}.{}", stage, k), channels, stage > 1 && k == 0 ? 2 : 1);
    }
    channels *= 2;
  }
  b.global_avg_pool("avgpool", b.last());
  b.fc("fc", b.last(), 10);
  return b.build();
}

Network mobilenet_v2() {
  // Sandler et al. 2018, table 2: expansion, channels, repeats, stride of the first.
  struct Stage {
    int expand, channels, repeats, stride;
  };

  constexpr std::array<Stage, 7> kStages{{{1, 16, 1, 1},
                                          {6, 24, 2, 2},
                                          {6, 32, 3, 2},
                                          {6, 64, 4, 2},
                                          {6, 96, 3, 1},
                                          {6, 160, 3, 2},
                                          {6, 320, 1, 1}}};
  constexpr Activation kRelu6 = Activation::relu6;
  Builder b("mobilenet_v2", {224, 224, 3});
  b.conv("conv1",
         b.last(),
         {.channels = 32,
          .kernel = 3,
          .stride = 2,
          .padding = 1,
          .activation = kRelu6,
          .batch_norm = true});
  int block = 0;
  for (const Stage& stage : kStages) {
    for (int k = 0; k < stage.repeats; ++k) {
      const std::string name = fmt::format("block{}", ++block);
      const int stride = k == 0 ? stage.stride : 1;
      const LayerId in = b.last();
      const int channels = b.shape(in).channels;
      const int hidden = channels * stage.expand;
      if (stage.expand != 1) {
        b.conv(name + ".expand",
               b.last(),
               {.channels = hidden, .activation = kRelu6, .batch_norm = true});
      }
      b.conv(name + ".depthwise",
             b.last(),
             {.channels = hidden,
              .kernel = 3,
              .stride = stride,
              .padding = 1,
              .groups = hidden,
              .activation = kRelu6,
              .batch_norm = true});
      b.conv(name + ".project", b.last(), {.channels = stage.channels, .batch_norm = true});
      if (stride == 1 && channels == stage.channels) {
        b.add(name + ".add", b.last(), in);
      }
    }
  }
  b.conv("conv_last", b.last(), {.channels = 1280, .activation = kRelu6, .batch_norm = true});
  b.global_avg_pool("avgpool", b.last());
  b.fc("fc", b.last(), 1000);
  return b.build();
}

/// Pre-norm transformer block on a token sequence; `hidden` = 0 leaves the MLP out.
void transformer_block(Builder& b, const std::string& name, int heads, int hidden) {
  const LayerId in = b.last();
  const int width = b.shape(in).channels;
  b.layer_norm(name + ".ln1", in);
  const LayerId qkv = b.linear(name + ".qkv", b.last(), 3 * width);
  const LayerId q = b.slice_channels(name + ".q", qkv, 0, width);
  const LayerId k = b.slice_channels(name + ".k", qkv, width, width);
  const LayerId v = b.slice_channels(name + ".v", qkv, 2 * width, width);
  b.matmul(name + ".scores", q, k, heads, true);
  b.softmax(name + ".softmax", b.last(), heads);
  b.matmul(name + ".context", b.last(), v, heads, false);
  b.linear(name + ".proj", b.last(), width);
  const LayerId middle = b.add(name + ".add1", b.last(), in);
  if (hidden > 0) {
    b.layer_norm(name + ".ln2", middle);
    b.linear(name + ".mlp1", b.last(), hidden, {.activation = Activation::gelu});
    b.linear(name + ".mlp2", b.last(), width);
    b.add(name + ".add2", b.last(), middle);
  }
}

Network vit_b32() {
  // Dosovitskiy et al. 2021.
  Builder b("vit_b32", {224, 224, 3});
  b.conv("patch", b.last(), {.channels = 768, .kernel = 32, .stride = 32});
  b.class_token("class_token", b.last());
  b.position_embedding("position_embedding", b.last());
  for (int block = 0; block < 12; ++block) {
    transformer_block(b, fmt::format("block{}", block), 12, 3072);
  }
  b.layer_norm("ln", b.last());
  b.slice_positions("class", b.last(), 0, 1);
  b.fc("head", b.last(), 1000);
  return b.build();
}

Network rapidnn_cifar(const std::string& name, int classes) {
  // RAPIDNN's CIFAR topology, from memory [M]; "same" padding is an assumption.
  Builder b(name, {32, 32, 3});
  b.conv("conv1", b.last(), {.channels = 32, .kernel = 3, .padding = 1, .activation = kRelu});
  b.max_pool("pool1", b.last(), {});
  b.conv("conv2", b.last(), {.channels = 64, .kernel = 3, .padding = 1, .activation = kRelu});
  b.conv("conv3", b.last(), {.channels = 64, .kernel = 3, .padding = 1, .activation = kRelu});
  dense_stack(b, {512, classes});
  return b.build();
}

Network attention_block() {
  // 8 tokens of 16 channels, 2 heads, for tests: everything of a transformer except size.
  Builder b("attention_block", {8, 1, 16}, 8, true);
  transformer_block(b, "block", 2, 32);
  b.fc("head", b.last(), 10);
  return b.build();
}

Network tiny_cnn() {
  // Every structural feature in a few thousand operations: residual edge, concatenation, grouped
  // and dilated convolution, both poolings, flatten.
  Builder b("tiny_cnn", {8, 8, 3});
  const LayerId stem =
      b.conv("stem",
             b.last(),
             {.channels = 8, .kernel = 3, .padding = 1, .activation = kRelu, .batch_norm = true});
  b.conv("conv1",
         stem,
         {.channels = 8, .kernel = 3, .padding = 1, .activation = kRelu, .batch_norm = true});
  b.conv("conv2",
         b.last(),
         {.channels = 8, .kernel = 3, .padding = 1, .groups = 2, .batch_norm = true});
  const LayerId sum = b.add("add", b.last(), stem, kRelu);
  const LayerId wide = b.conv(
      "wide", sum, {.channels = 4, .kernel = 3, .padding = 2, .dilation = 2, .activation = kRelu});
  b.concat("concat", {sum, wide});
  b.max_pool("maxpool", b.last(), {});
  b.conv("conv3", b.last(), {.channels = 16, .kernel = 3, .activation = kRelu});
  b.avg_pool("avgpool", b.last(), {});
  b.flatten("flatten", b.last());
  b.fc("fc", b.last(), 10);
  return b.build();
}

struct Entry {
  std::string name;
  std::function<Network()> make;
};

const std::vector<Entry>& entries() {
  static const std::vector<Entry> kEntries{
      {"mlp",
       [] {
         return mlp_network("mlp", 784, {1024, 4096, 4096, 1024, 10});
       }},
      {"lenet5", lenet5},
      {"vgg9", vgg9},
      {"vgg11", vgg11},
      {"vgg16", vgg16},
      {"resnet20", resnet20},
      {"resnet18",
       [] {
         return resnet("resnet18", basic_block, {2, 2, 2, 2});
       }},
      {"resnet34",
       [] {
         return resnet("resnet34", basic_block, {3, 4, 6, 3});
       }},
      {"resnet50",
       [] {
         return resnet("resnet50", bottleneck_block, {3, 4, 6, 3});
       }},
      {"resnet101",
       [] {
         return resnet("resnet101", bottleneck_block, {3, 4, 23, 3});
       }},
      {"mobilenet_v2", mobilenet_v2},
      {"vit_b32", vit_b32},
      // RAPIDNN's benchmarks; the topologies are from memory [M].
      {"rapidnn_mnist",
       [] {
         return mlp_network("rapidnn_mnist", 784, {512, 512, 10});
       }},
      {"rapidnn_isolet",
       [] {
         return mlp_network("rapidnn_isolet", 617, {512, 512, 26});
       }},
      {"rapidnn_har",
       [] {
         return mlp_network("rapidnn_har", 561, {512, 512, 19});
       }},
      {"rapidnn_cifar10", [] { return rapidnn_cifar("rapidnn_cifar10", 10); }},
      {"rapidnn_cifar100", [] { return rapidnn_cifar("rapidnn_cifar100", 100); }},
      {"attention_block", attention_block},
      {"tiny_mlp",
       [] {
         return mlp_network("tiny_mlp", 16, {12, 8, 4});
       }},
      {"tiny_cnn", tiny_cnn},
  };
  return kEntries;
}

}  // namespace

std::vector<std::string> zoo_names() {
  std::vector<std::string> names;
  for (const Entry& entry : entries()) {
    names.push_back(entry.name);
  }
  return names;
}

Network zoo(const std::string& name) {
  for (const Entry& entry : entries()) {
    if (entry.name == name) {
      return entry.make();
    }
  }
  const std::vector<std::string> names = zoo_names();
  const std::string near = did_you_mean(name, names);
  Diagnostics diagnostics;
  diagnostics.error({.code = "E-NET-ZOO",
                     .sentence = fmt::format("there is no built-in network '{}'", name),
                     .at = {},
                     .path = "network",
                     .expected = fmt::format("one of: {}", fmt::join(names, ", ")),
                     .got = fmt::format("'{}'", name),
                     .hint = near.empty() ? "" : fmt::format("did you mean '{}'?", near),
                     .related = {}});
  throw InputError(std::move(diagnostics), 2);
}

}  // namespace tessera
