// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// `tessera compile`: tables, programs that `tessera ap` runs, verification, ablation.
#include "tests/e2e/program.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace tessera::e2e {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

constexpr const char* kTiny = "configs/ap/tiny_cnn.yaml";

json compile_json(std::vector<std::string> more) {
  // A fixed size of blocks: what is chosen otherwise depends on the passes.
  std::vector<std::string> arguments = {
      "compile", kTiny, "--json", "--set", "chip.tile.pe.compile.block_inputs=36"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  const Outcome got = run_program(arguments);
  EXPECT_EQ(got.status, 0) << got.err;
  EXPECT_EQ(got.err, "");
  return json::parse(got.out);
}

std::int64_t sum(const json& out, const char* key) {
  std::int64_t total = 0;
  for (const json& layer : out["layers"]) {
    total += layer.value(key, std::int64_t{0});
  }
  return total;
}

std::int64_t cycles(const json& out) {
  std::int64_t total = 0;
  for (const json& layer : out["layers"]) {
    if (layer.contains("cycles")) {
      total += layer["cycles"]["total"].get<std::int64_t>();
    }
  }
  return total;
}

std::string off(const std::string& pass) {
  return (pass == "epilogue" ? "compile." : "chip.tile.pe.compile.passes.") + pass + "=false";
}

TEST(Compile, EveryBitIsRightWhateverIsOff) {
  const json all = compile_json({"--verify"});
  for (const char* pass : {"fold",
                           "interchange",
                           "unroll",
                           "cse",
                           "infer_widths",
                           "in_place",
                           "pack_domains",
                           "order_shifts",
                           "partial_sums",
                           "epilogue"}) {
    const json without = compile_json({"--verify", "--set", off(pass)});
    for (const json& layer : without["layers"]) {
      if (!layer.contains("left_to_vector_unit")) {
        EXPECT_TRUE(layer["equal"].get<bool>()) << pass << " off: " << layer["name"];
      }
    }
    EXPECT_LE(sum(all, "operations"), sum(without, "operations")) << pass;
  }
  EXPECT_EQ(sum(compile_json({"--set", off("cse")}), "operations"), sum(all, "unrolled"));
  EXPECT_LT(sum(all, "operations"), sum(all, "unrolled"));
  for (const char* pass : {"fold", "cse", "infer_widths", "in_place"}) {
    EXPECT_LT(cycles(all), cycles(compile_json({"--set", off(pass)}))) << pass;
  }
}

TEST(Compile, EmitsProgramsThatRun) {
  const TempFolder folder;
  const std::string file = folder / "conv3.apasm";
  const Outcome made = run_program({"compile", kTiny, "--layer", "conv3", "--emit", file});
  ASSERT_EQ(made.status, 0) << made.err;
  EXPECT_THAT(made.out, HasSubstr("conv3"));
  const Outcome ran = run_program({"ap", file});
  EXPECT_EQ(ran.status, 0) << ran.err;

  const Outcome again = run_program({"compile",
                                     kTiny,
                                     "--emit",
                                     folder / "all",
                                     "--set",
                                     "chip.tile.pe.compile.most_channels=8",
                                     "--layer",
                                     "fc"});
  ASSERT_EQ(again.status, 0) << again.err;
  for (const char* part : {"fc.t0g0.apasm", "fc.t0g1.apasm"}) {
    EXPECT_EQ(run_program({"ap", folder / "all" + "/" + part}).status, 0) << part;
  }
}

TEST(Compile, ErrorsHaveNoFollowers) {
  const auto count = [](const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"compile"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Outcome got = run_program(arguments);
    EXPECT_EQ(got.status, 2);
    int errors = 0;
    for (std::size_t at = got.err.find("error["); at != std::string::npos;
         at = got.err.find("error[", at + 1)) {
      ++errors;
    }
    return errors;
  };
  EXPECT_EQ(count({"no_such_file.yaml"}), 1);
  EXPECT_EQ(count({kTiny, "--set", "compile.weights=binary"}), 1);
  EXPECT_EQ(count({kTiny, "--set", "chip.tile=3"}), 1);
  EXPECT_EQ(count({kTiny, "--set", "chip.tile.pe.kind=crossbar"}), 1);
  EXPECT_EQ(count({kTiny,
                   "--set",
                   "compile.w_bits=0",
                   "--set",
                   "chip.tile.pe.ports=0",
                   "--set",
                   "network.zoo=nope",
                   "--set",
                   "foo=1"}),
            4);
}

TEST(Compile, SaysWhatCannotBe) {
  const TempFolder folder;
  const Outcome layer = run_program({"compile", kTiny, "--layer", "conv33"});
  EXPECT_EQ(layer.status, 2);
  EXPECT_THAT(layer.err, HasSubstr("did you mean 'conv3'?"));
  const Outcome both =
      run_program({"compile", kTiny, "--emit", folder / "all", "--replay", folder / "all"});
  EXPECT_EQ(both.status, 2);
  EXPECT_THAT(both.err, HasSubstr("E-CLI-ARGUMENT]: --emit and --replay are given"));
  EXPECT_FALSE(fs::exists(folder / "all"));
  const Outcome none = run_program({"compile",
                                    kTiny,
                                    "--set",
                                    "network.zoo=attention_block",
                                    "--layer",
                                    "block.softmax",
                                    "--emit",
                                    folder / "all"});
  EXPECT_EQ(none.status, 2);
  EXPECT_THAT(none.err, HasSubstr("E-CLI-ARGUMENT]: there are no programs"));
  EXPECT_FALSE(fs::exists(folder / "all"));
  const Outcome key = run_program({"explain", "compile.sparsity"});
  EXPECT_EQ(key.status, 0) << key.err;
  EXPECT_THAT(key.out, HasSubstr("[0, 1]"));
  const Outcome nothing = run_program({"compile"});
  EXPECT_EQ(nothing.status, 2);
  EXPECT_THAT(nothing.err, HasSubstr("E-CLI-MISSING"));
}

}  // namespace
}  // namespace tessera::e2e
