// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Did a published number change? Small runs against the committed result.json, every field
/// exactly; only `simulation` is left out. tools/scripts/regen_goldens writes them anew
/// (TESSERA_REGEN_GOLDENS is set).
#include "tests/e2e/program.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cstdlib>
#include <string>
#include <vector>

namespace tessera::e2e {
namespace {

using nlohmann::json;

struct Case {
  std::string name;
  std::vector<std::string> arguments;
};

void PrintTo(const Case& golden, std::ostream* out) {
  *out << golden.name;
}

std::vector<Case> cases() {
  std::ifstream in(fs::path(TESSERA_SOURCE_DIR) / "tests/golden/cases.txt");
  std::vector<Case> out;
  for (std::string line; std::getline(in, line);) {
    const std::size_t colon = line.find(": ");
    if (line.empty() || line[0] == '#' || colon == std::string::npos) {
      continue;
    }
    Case one;
    one.name = line.substr(0, colon);
    std::istringstream words(line.substr(colon + 2));
    for (std::string word; words >> word;) {
      one.arguments.push_back(word);
    }
    out.push_back(one);
  }
  return out;
}

class Golden : public testing::TestWithParam<Case> {};

TEST_P(Golden, IsUnchanged) {
  const TempFolder folder;
  std::vector<std::string> arguments = {"run", "--json", "--out", folder / "out"};
  const Case& golden = GetParam();
  arguments.insert(arguments.end(), golden.arguments.begin(), golden.arguments.end());
  const Outcome got = run_program(arguments);
  ASSERT_EQ(got.status, 0) << got.err;
  json result = json::parse(got.out);
  result.erase("simulation");

  const fs::path file = fs::path(TESSERA_SOURCE_DIR) / "tests/golden" / (golden.name + ".json");
  if (std::getenv("TESSERA_REGEN_GOLDENS") != nullptr) {
    std::ofstream(file, std::ios::binary) << result.dump(2) << "\n";
    return;
  }
  const json expected = json::parse(read_text(file), nullptr, false);
  ASSERT_FALSE(expected.is_discarded()) << file << " is missing or no JSON";
  for (const json& change : json::diff(expected, result)) {
    const json::json_pointer where(change["path"].get<std::string>());
    ADD_FAILURE() << change["op"] << " " << change["path"] << ": was "
                  << (expected.contains(where) ? expected[where].dump() : "nothing") << ", is "
                  << change.value("value", json()).dump();
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, Golden, testing::ValuesIn(cases()), [](const auto& one) {
  return one.param.name;
});

}  // namespace
}  // namespace tessera::e2e
