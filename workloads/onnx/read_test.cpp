// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// ONNX files: every numeric type in both forms, the order of nodes, and files that are broken.
#include "workloads/onnx/read.hpp"

#include "sim/base/rng.hpp"
#include "workloads/onnx/convert.hpp"
#include "workloads/onnx/simplify.hpp"

#include <gtest/gtest.h>
#include <onnx/onnx_pb.h>

#include <cmath>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

namespace tessera::onnx {
namespace {

using ::onnx::ModelProto;
using ::onnx::TensorProto;

/// y = x + w, both of two values.
ModelProto model() {
  ModelProto m;
  m.set_ir_version(7);
  m.add_opset_import()->set_version(13);
  ::onnx::GraphProto& g = *m.mutable_graph();
  g.set_name("test");
  ::onnx::NodeProto& node = *g.add_node();
  node.set_op_type("Add");
  node.set_name("sum");
  node.add_input("x");
  node.add_input("w");
  node.add_output("y");
  ::onnx::ValueInfoProto& x = *g.add_input();
  x.set_name("x");
  auto& type = *x.mutable_type()->mutable_tensor_type();
  type.set_elem_type(TensorProto::FLOAT);
  type.mutable_shape()->add_dim()->set_dim_param("batch");
  type.mutable_shape()->add_dim()->set_dim_value(2);
  g.add_output()->set_name("y");
  TensorProto& w = *g.add_initializer();
  w.set_name("w");
  w.add_dims(2);
  w.set_data_type(TensorProto::FLOAT);
  w.add_float_data(1.5F);
  w.add_float_data(-2);
  return m;
}

struct Parsed {
  std::optional<Graph> graph;
  Diagnostics diagnostics;

  [[nodiscard]] std::string code() const {
    return diagnostics.ok() ? "" : diagnostics.errors()[0].code;
  }
};

Parsed parse(const std::string& bytes) {
  Parsed out;
  Reporter reporter("test.onnx", {}, out.diagnostics);
  out.graph = parse_graph(bytes, reporter);
  return out;
}

/// The code of the first error of the changed model; empty when there is none.
std::string code_of(const std::function<void(ModelProto&)>& change) {
  ModelProto m = model();
  change(m);
  return parse(m.SerializeAsString()).code();
}

TEST(Read, AFreeBatchIsOne) {
  const Parsed p = parse(model().SerializeAsString());
  ASSERT_TRUE(p.graph) << p.diagnostics.render();
  EXPECT_EQ(p.graph->value(p.graph->inputs[0]).dims, (Dims{1, 2}));
  ASSERT_EQ(p.graph->nodes.size(), 1U);
  EXPECT_EQ(p.graph->constant(p.graph->nodes[0].inputs[1])->floats, (std::vector<float>{1.5F, -2}));
}

template <class T>
std::string raw(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

Tensor initializer(int type, const std::string& bytes, const std::vector<int>& list = {}) {
  ModelProto m = model();
  TensorProto& w = *m.mutable_graph()->mutable_initializer(0);
  w.clear_float_data();
  w.set_data_type(type);
  if (list.empty()) {
    w.set_raw_data(bytes);
  }
  for (const int v : list) {
    w.add_int32_data(v);
  }
  const Parsed p = parse(m.SerializeAsString());
  EXPECT_TRUE(p.graph) << p.diagnostics.render();
  return p.graph ? *p.graph->constant(p.graph->nodes[0].inputs[1]) : Tensor{};
}

TEST(Read, EveryNumericType) {
  using F = std::vector<float>;
  using I = std::vector<std::int64_t>;
  EXPECT_EQ(initializer(TensorProto::FLOAT, raw<float>({1.5F, -2})).floats, (F{1.5F, -2}));
  EXPECT_EQ(initializer(TensorProto::DOUBLE, raw<double>({1.5, -2})).floats, (F{1.5F, -2}));
  EXPECT_EQ(initializer(TensorProto::FLOAT16, raw<std::uint16_t>({0x3E00, 0xC000})).floats,
            (F{1.5F, -2}));
  // The smallest subnormal and the largest number of half precision.
  EXPECT_EQ(initializer(TensorProto::FLOAT16, raw<std::uint16_t>({0x0001, 0x7BFF})).floats,
            (F{5.9604645e-8F, 65504}));
  EXPECT_EQ(initializer(TensorProto::BFLOAT16, raw<std::uint16_t>({0x3FC0, 0xC000})).floats,
            (F{1.5F, -2}));
  EXPECT_EQ(initializer(TensorProto::FLOAT16, "", {0x3E00, 0xC000}).floats, (F{1.5F, -2}));
  EXPECT_EQ(initializer(TensorProto::INT8, raw<std::int8_t>({-128, 127})).ints, (I{-128, 127}));
  EXPECT_EQ(initializer(TensorProto::UINT8, raw<std::uint8_t>({0, 255})).ints, (I{0, 255}));
  EXPECT_EQ(initializer(TensorProto::UINT8, "", {0, 255}).ints, (I{0, 255}));
  EXPECT_EQ(initializer(TensorProto::INT16, raw<std::int16_t>({-32768, 7})).ints, (I{-32768, 7}));
  EXPECT_EQ(initializer(TensorProto::UINT16, raw<std::uint16_t>({65535, 7})).ints, (I{65535, 7}));
  EXPECT_EQ(initializer(TensorProto::INT32, raw<std::int32_t>({-70000, 7})).ints, (I{-70000, 7}));
  EXPECT_EQ(initializer(TensorProto::UINT32, raw<std::uint32_t>({4000000000U, 7})).ints,
            (I{4000000000, 7}));
  EXPECT_EQ(initializer(TensorProto::INT64, raw<std::int64_t>({-(1LL << 40), 7})).ints,
            (I{-(1LL << 40), 7}));
  EXPECT_EQ(initializer(TensorProto::UINT64, raw<std::uint64_t>({1ULL << 40, 7})).ints,
            (I{1LL << 40, 7}));
  EXPECT_EQ(initializer(TensorProto::BOOL, raw<std::uint8_t>({0, 1})).ints, (I{0, 1}));
}

TEST(Read, SaysWhatIsWrong) {
  EXPECT_EQ(parse("").code(), "E-ONNX-FILE");
  EXPECT_EQ(parse("network: {zoo: lenet5}").code(), "E-ONNX-FILE");
  EXPECT_EQ(code_of([](ModelProto& m) { m.mutable_opset_import(0)->set_version(18); }),
            "E-ONNX-OPSET");
  EXPECT_EQ(code_of([](ModelProto& m) { m.clear_opset_import(); }), "E-ONNX-OPSET");
  const auto weights = [](ModelProto& m) -> TensorProto& {
    return *m.mutable_graph()->mutable_initializer(0);
  };
  EXPECT_EQ(code_of([&](ModelProto& m) { weights(m).set_dims(0, 3); }), "E-ONNX-TENSOR");
  EXPECT_EQ(code_of([&](ModelProto& m) { weights(m).set_dims(0, -2); }), "E-ONNX-TENSOR");
  EXPECT_EQ(code_of([&](ModelProto& m) { weights(m).set_dims(0, 1LL << 62); }), "E-ONNX-TENSOR");
  EXPECT_EQ(code_of([&](ModelProto& m) { weights(m).set_data_type(TensorProto::STRING); }),
            "E-ONNX-TENSOR");
  EXPECT_EQ(code_of([&](ModelProto& m) { weights(m).set_data_type(999); }), "E-ONNX-TENSOR");
  EXPECT_EQ(code_of([&](ModelProto& m) { weights(m).set_float_data(0, std::nanf("")); }),
            "E-ONNX-TENSOR");
  EXPECT_EQ(code_of([&](ModelProto& m) { weights(m).set_data_location(TensorProto::EXTERNAL); }),
            "E-ONNX-TENSOR");
  const auto node = [](ModelProto& m) -> ::onnx::NodeProto& {
    return *m.mutable_graph()->mutable_node(0);
  };
  EXPECT_EQ(code_of([&](ModelProto& m) { node(m).set_input(0, "nothing"); }), "E-ONNX-GRAPH");
  EXPECT_EQ(code_of([&](ModelProto& m) { node(m).set_input(0, "y"); }), "E-ONNX-GRAPH");
  EXPECT_EQ(code_of([&](ModelProto& m) { node(m).set_output(0, "w"); }), "E-ONNX-GRAPH");
  EXPECT_EQ(code_of([](ModelProto& m) { m.mutable_graph()->clear_node(); }), "E-ONNX-GRAPH");
  EXPECT_EQ(code_of([](ModelProto& m) { m.mutable_graph()->clear_output(); }), "E-ONNX-GRAPH");
  EXPECT_EQ(code_of([](ModelProto& m) {
              auto* type =
                  m.mutable_graph()->mutable_input(0)->mutable_type()->mutable_tensor_type();
              type->mutable_shape()->mutable_dim(1)->set_dim_param("width");
            }),
            "E-ONNX-GRAPH");
}

/// All that an import does, from memory.
void import(const std::string& bytes) {
  Diagnostics diagnostics;
  Reporter reporter("broken.onnx", {}, diagnostics);
  std::optional<Graph> graph = parse_graph(bytes, reporter);
  if (!graph) {
    EXPECT_FALSE(diagnostics.ok());
    return;
  }
  prune(*graph);
  infer_shapes(*graph, reporter);
  if (reporter.ok()) {
    fuse(*graph);
    convert(*graph, reporter);
  }
}

TEST(Read, BrokenFilesEndInDiagnostics) {
  for (const char* name : {"lenet5", "tiny_vit"}) {
    std::ifstream in(std::string(TESSERA_SOURCE_DIR) + "/tests/data/onnx/" + name + ".onnx",
                     std::ios::binary);
    std::ostringstream all;
    all << in.rdbuf();
    // Without the bulk of the weights, so that most changes hit the structure.
    ModelProto m;
    ASSERT_TRUE(m.ParseFromString(all.str()));
    for (TensorProto& w : *m.mutable_graph()->mutable_initializer()) {
      if (w.raw_data().size() > 64 && w.dims_size() > 0) {
        w.set_raw_data(w.raw_data().substr(0, 64));
      }
    }
    const std::string small = m.SerializeAsString();
    Rng rng(1, name);
    for (int round = 0; round < 400; ++round) {
      const std::string& whole = round % 4 == 0 ? all.str() : small;
      std::string bytes = whole;
      const auto at =
          static_cast<std::size_t>(rng.uniform(0, static_cast<std::int64_t>(bytes.size()) - 1));
      if (round % 3 == 0) {
        bytes.resize(at);
      } else {
        for (int change = 0; change < 4; ++change) {
          const auto place =
              static_cast<std::size_t>(rng.uniform(0, static_cast<std::int64_t>(bytes.size()) - 1));
          bytes[place] = static_cast<char>(rng.uniform(0, 255));
        }
      }
      import(bytes);
    }
  }
}

}  // namespace
}  // namespace tessera::onnx
