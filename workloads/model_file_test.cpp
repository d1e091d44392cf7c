// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "workloads/model_file.hpp"

#include "tests/support/float_models.hpp"
#include "workloads/builder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <limits>
#include <optional>
#include <string>

namespace tessera {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Network network() {
  Builder b("net", {4, 4, 2});
  b.conv("features/0", b.last(), {.channels = 3, .kernel = 3, .bias = false});
  b.layer_norm("norm", b.last());
  b.softmax("soft", b.last());
  b.class_token("token", b.last());
  b.position_embedding("positions", b.last());
  b.fc("head", b.last(), 5);
  return b.build();
}

ModelFile content() {
  ModelFile file;
  file.parameters = test::float_model(network(), 1).parameters;
  file.parameters[1].codebook = {-0.5F, 0.25F};
  file.parameters[0].output_codebook = {0.0F, 0.5F, 1.0F};
  file.parameters[1].output_codebook = {-1.0F, 1.0F};
  file.parameters[2].epsilon = 1e-5F;
  file.parameters[3].factor = 0.125F;
  file.scales.resize(7);
  file.scales[0] = GivenScale{{1.0 / 255, 0}, 0};
  file.scales[1] = GivenScale{{0.1, 7}, 6};
  file.meta = {{"epoch", 12.0}};
  return file;
}

class Files : public testing::Test {
 protected:
  void TearDown() override { std::filesystem::remove(path_); }

  std::optional<ModelFile> read(const ModelFile& file, const Network& as) {
    std::ofstream(path_, std::ios::binary) << model_file_bytes(network(), file);
    return read_model_file(path_, as, {}, diagnostics_);
  }

  std::string path_ = testing::TempDir() + "tessera_model_" + std::to_string(getpid()) + ".npz";
  Diagnostics diagnostics_;
};

TEST_F(Files, WhatWasWrittenIsRead) {
  const ModelFile want = content();
  const std::optional<ModelFile> got = read(want, network());
  ASSERT_TRUE(got) << diagnostics_.render();
  for (std::size_t id = 0; id < 7; ++id) {
    EXPECT_EQ(got->parameters[id].weights, want.parameters[id].weights);
    EXPECT_EQ(got->parameters[id].bias, want.parameters[id].bias);
    EXPECT_EQ(got->parameters[id].codebook, want.parameters[id].codebook);
    EXPECT_EQ(got->parameters[id].output_codebook, want.parameters[id].output_codebook);
    EXPECT_EQ(got->parameters[id].embedding, want.parameters[id].embedding);
    EXPECT_EQ(got->parameters[id].factor, want.parameters[id].factor);
    EXPECT_EQ(got->parameters[id].epsilon, want.parameters[id].epsilon);
    ASSERT_EQ(got->scales[id].has_value(), want.scales[id].has_value());
    if (want.scales[id]) {
      EXPECT_EQ(got->scales[id]->scale, want.scales[id]->scale);
      EXPECT_EQ(got->scales[id]->bits, want.scales[id]->bits);
    }
  }
  EXPECT_EQ(got->meta, want.meta);
  EXPECT_EQ(model_file_bytes(network(), want), model_file_bytes(network(), *got));
}

TEST_F(Files, ListsEverythingThatBelongsToAnotherNetwork) {
  Builder b("other", {4, 4, 2});
  b.conv("features/0", b.last(), {.channels = 4, .kernel = 3});
  b.position_embedding("token", b.last());
  b.class_token("cls", b.last());
  b.fc("last", b.last(), 5);
  EXPECT_FALSE(read(content(), b.build()));
  ASSERT_EQ(diagnostics_.errors().size(), 1U);
  EXPECT_EQ(diagnostics_.errors()[0].code, "E-PARAM-NETWORK");
  EXPECT_THAT(diagnostics_.errors()[0].items,
              ElementsAre("'features/0/weights' is 1x3x18 and not 1x4x18",
                          "'features/0/bias' (4) is missing",
                          "'token/embedding' is 1x3 and not 4x4",
                          "'cls/embedding' (1x4) is missing",
                          "'last/weights' (1x5x20) is missing",
                          "'last/bias' (5) is missing",
                          HasSubstr("'head/bias'"),
                          HasSubstr("'head/weights'"),
                          HasSubstr("'norm/epsilon'"),
                          HasSubstr("'positions/embedding'"),
                          HasSubstr("'soft/factor'")));
}

TEST_F(Files, RefusesNumbersThatAreNone) {
  ModelFile file = content();
  file.parameters[1].weights[4] = std::nanf("");
  file.parameters[5].embedding[1] = std::nanf("");
  file.parameters[6].bias[2] = std::numeric_limits<float>::infinity();
  file.scales[1]->scale.scale = 0.0;
  EXPECT_FALSE(read(file, network()));
  ASSERT_EQ(diagnostics_.errors().size(), 1U);
  EXPECT_EQ(diagnostics_.errors()[0].code, "E-PARAM-VALUE");
  EXPECT_THAT(diagnostics_.errors()[0].items,
              ElementsAre("'features/0/weights'[4] is nan",
                          "'features/0/scale' is 0",
                          "'positions/embedding'[1] is nan",
                          "'head/bias'[2] is inf"));
}

TEST_F(Files, FindsWhatIsNotFinite) {
  FloatModel model{network(), content().parameters};
  EXPECT_TRUE(bad_values(model).empty());
  model.parameters[1].weights[0] = -std::numeric_limits<float>::infinity();
  model.parameters[4].embedding[2] = std::nanf("");
  model.parameters[6].bias[1] = std::nanf("");
  EXPECT_THAT(bad_values(model),
              ElementsAre("'features/0/weights'[0] is -inf",
                          "'token/embedding'[2] is nan",
                          "'head/bias'[1] is nan"));
}

TEST_F(Files, IsNoArchive) {
  std::ofstream(path_, std::ios::binary) << "no archive";
  EXPECT_FALSE(read_model_file(path_, network(), {}, diagnostics_));
  ASSERT_FALSE(diagnostics_.ok());
  EXPECT_EQ(diagnostics_.errors()[0].code.rfind("E-DATA-", 0), 0U);
}

}  // namespace
}  // namespace tessera
