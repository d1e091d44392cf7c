// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Who includes whom: arrows point down only, and each foreign library has one door
/// (docs/ARCHITECTURE.md).
#include "tests/repo/cpp_text.hpp"
#include "tests/repo/tree.hpp"

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace tessera::repo {
namespace {

/// What the files of a folder may include: folders (with '/' at the end) and single files.
struct Rule {
  std::string folder;
  std::vector<std::string> may;
};

/// Longest folder first where one lies in another. A kind's folder is covered by "arch/".
const std::vector<Rule>& rules() {
  static const std::vector<Rule> kRules = {
      {"sim/base/", {"sim/base/"}},
      {"sim/api/", {"sim/base/", "sim/api/", "workloads/network.hpp"}},
      {"sim/report/", {"sim/base/", "sim/api/", "sim/report/", "workloads/network.hpp"}},
      {"sim/trace/", {"sim/base/", "sim/api/", "sim/trace/", "workloads/network.hpp"}},
      {"sim/functional/", {"sim/base/", "sim/api/", "sim/functional/", "arch/chip/", "workloads/"}},
      {"sim/engine/",
       {"sim/base/", "sim/api/", "sim/functional/", "sim/engine/", "arch/chip/", "workloads/"}},
      {"workloads/", {"sim/base/", "workloads/"}},
      {"arch/chip/",
       {"sim/base/",
        "sim/api/",
        "sim/report/account.hpp",  // the price list that a chip fills in
        "workloads/",
        "arch/chip/",
        "arch/fabric/",
        "arch/memory/",
        "arch/tile/"}},
      {"arch/", {"sim/base/", "sim/api/", "workloads/"}},  // and the own folder
      {"mapper/",
       {"sim/base/",
        "sim/api/",
        "workloads/",
        "mapper/",
        "arch/chip/",
        "arch/fabric/",
        "arch/tile/"}},
      {"tools/tessera/", {"sim/", "arch/", "workloads/", "mapper/", "tools/tessera/"}},
      {"tools/train/",
       {"sim/base/", "sim/report/", "workloads/", "tools/tessera/experiment.hpp", "tools/train/"}},
      {"bench/", {"sim/", "arch/", "workloads/", "mapper/", "bench/", "tests/support/"}},
      {"tests/", {"sim/", "arch/", "workloads/", "mapper/", "tools/tessera/", "tests/"}},
  };
  return kRules;
}

bool may_include(const Rule& rule, const std::string& file, const std::string& what) {
  for (const std::string& allowed : rule.may) {
    if (what == allowed || (allowed.back() == '/' && starts_with(what, allowed))) {
      return true;
    }
  }
  // A kind is one folder, with folders in it. The lowest layers' own tests may use the test
  // library, as those in tests/ do.
  const std::string kind = file.substr(0, file.find('/', file.find('/') + 1) + 1);
  return (rule.folder == "arch/" && starts_with(what, kind)) ||
         (ends_with(file, "_test.cpp") && starts_with(what, "tests/support/"));
}

/// Within a kind, the simulated form and the closed form are written independently, and bits know
/// no time.
std::optional<std::string> forbidden_in_kind(const std::string& file, const std::string& what) {
  const auto stem = [](const std::string& path) {
    const std::string name = path.substr(path.rfind('/') + 1);
    return name.substr(0, name.find('.'));
  };
  if (!starts_with(file, "arch/") || ends_with(file, "_test.cpp")) {
    return std::nullopt;
  }
  const std::string from = stem(file);
  const std::string to = stem(what);
  if (from == "kernel" && (to == "steps" || to == "cost" || to == "schedule")) {
    return "a kernel computes bits and knows no cycles";
  }
  if (from == "steps" && to == "cost") {
    return "steps are written independently of the closed form";
  }
  if (from == "cost" && (to == "steps" || to == "schedule")) {
    return "the closed form is written independently of the steps";
  }
  return std::nullopt;
}

struct Door {
  std::string prefix;  ///< of the header's name
  std::vector<std::string> folders;
  std::string why;
};

const std::vector<Door>& doors() {
  static const std::string kTorch =
      "torch is included in workloads/train, and in tests/torch to compare with, alone";
  static const std::vector<Door> kDoors = {
      {"systemc", {"sim/engine/"}, "SystemC is included in sim/engine alone"},
      {"tlm", {"sim/engine/"}, "SystemC is included in sim/engine alone"},
      {"torch/", {"workloads/train/", "tests/torch/"}, kTorch},
      {"ATen/", {"workloads/train/", "tests/torch/"}, kTorch},
      {"Eigen/", {"mapper/rl/"}, "Eigen is included in mapper/rl alone"},
      {"onnx/", {"workloads/onnx/"}, "ONNX is included in workloads/onnx alone"},
      {"google/protobuf/", {"workloads/onnx/"}, "protobuf is included in workloads/onnx alone"},
      {"zip.h", {"workloads/data/"}, "libzip is included in workloads/data alone"},
  };
  return kDoors;
}

using Exists = bool (*)(const std::string& file);

std::vector<Finding> check_includes(const std::string& file,
                                    const std::string& text,
                                    Exists there) {
  std::vector<Finding> out;
  const Rule* rule = nullptr;
  for (const Rule& one : rules()) {
    if (rule == nullptr && starts_with(file, one.folder)) {
      rule = &one;
    }
  }
  if (rule == nullptr) {
    return {{file, 0, "no rule says what this folder may include"}};
  }
  for (const Include& include : includes_of(text)) {
    const auto find = [&](std::string what) {
      out.push_back({file, include.line, std::move(what)});
    };
    if (include.angled) {
      for (const Door& door : doors()) {
        const bool is_open =
            std::any_of(door.folders.begin(), door.folders.end(), [&](const std::string& folder) {
              return starts_with(file, folder);
            });
        if (starts_with(include.what, door.prefix) && !is_open) {
          find(door.why);
        }
      }
      if (starts_with(include.what, "yaml-cpp/") && ends_with(file, ".hpp")) {
        find("yaml-cpp is never included by a header");
      }
      continue;
    }
    if (!there(include.what)) {
      find("'" + include.what + "' does not exist; paths are given from the repository root");
      continue;
    }
    if (!may_include(*rule, file, include.what)) {
      find(rule->folder + " may not include '" + include.what + "'");
    }
    if (const auto why = forbidden_in_kind(file, include.what)) {
      find("'" + include.what + "': " + *why);
    }
  }
  return out;
}

std::vector<Finding> check_processes(const std::string& file, const std::string& text) {
  static const std::regex kThread(R"(\bSC_C?THREAD\b)");
  const std::string code = code_of(text, false);
  std::vector<Finding> out;
  for (std::sregex_iterator at(code.begin(), code.end(), kThread), end; at != end; ++at) {
    out.push_back({file,
                   line_at(code, static_cast<std::size_t>(at->position())),
                   "processes are SC_METHODs: a thread costs twice as much and hides its state"});
  }
  return out;
}

bool in_tree(const std::string& file) {
  return exists(file);
}

TEST(Includes, PointDownOnly) {
  const std::vector<std::string> all = cpp_files();
  std::vector<Finding> found;
  std::set<std::string> folders;
  std::size_t seen = 0;
  for (const std::string& file : all) {
    const std::string text = read(file);
    seen += includes_of(text).size();
    folders.insert(folder_of(file));
    const std::vector<Finding> part = check_includes(file, text, in_tree);
    found.insert(found.end(), part.begin(), part.end());
  }
  expect_none(found);
  EXPECT_GE(all.size(), 100U);
  EXPECT_GE(seen, 800U);
  for (const Rule& rule : rules()) {
    const bool used = std::any_of(folders.begin(), folders.end(), [&](const std::string& folder) {
      return starts_with(folder + "/", rule.folder);
    });
    EXPECT_TRUE(used) << rule.folder << " has no sources: the rule is out of date";
  }
}

TEST(Includes, OneFileKnowsGlpk) {
  std::vector<std::string> users;
  for (const std::string& file : cpp_files()) {
    for (const Include& include : includes_of(read(file))) {
      if (include.what == "glpk.h") {
        users.push_back(file);
      }
    }
  }
  EXPECT_LE(users.size(), 1U) << users[0] << " and " << users[1];
}

TEST(Includes, EngineUsesMethodsOnly) {
  std::vector<Finding> found;
  std::size_t methods = 0;
  for (const std::string& file : cpp_files()) {
    const std::string text = read(file);
    methods += code_of(text, false).find("SC_METHOD") != std::string::npos ? 1 : 0;
    const std::vector<Finding> part = check_processes(file, text);
    found.insert(found.end(), part.begin(), part.end());
  }
  expect_none(found);
  EXPECT_GE(methods, 2U);
}

// ---- the checkers themselves

bool everything(const std::string&) {
  return true;
}

bool nothing(const std::string&) {
  return false;
}

std::size_t findings(const std::string& file, const std::string& line, Exists there = everything) {
  return check_includes(file, "// first\n" + line + "\n", there).size();
}

TEST(IncludesSelfTest, FindsArrowsThatPointUp) {
  EXPECT_EQ(findings("sim/base/a.hpp", "#include \"sim/base/b.hpp\""), 0U);
  EXPECT_EQ(findings("sim/base/a.hpp", "#include \"sim/api/b.hpp\""), 1U);
  EXPECT_EQ(findings("sim/api/a.hpp", "#include \"workloads/network.hpp\""), 0U);
  EXPECT_EQ(findings("sim/api/a.hpp", "#include \"workloads/zoo.hpp\""), 1U);
  EXPECT_EQ(findings("sim/report/a.cpp", "#include \"arch/chip/chip.hpp\""), 1U);
  EXPECT_EQ(findings("sim/engine/a.cpp", "#include \"arch/chip/chip.hpp\""), 0U);
  EXPECT_EQ(findings("sim/engine/a.cpp", "#include \"arch/crossbar/spec.hpp\""), 1U);
  EXPECT_EQ(findings("sim/engine/a.cpp", "#include \"mapper/lower.hpp\""), 1U);
  EXPECT_EQ(findings("arch/crossbar/a.cpp", "#include \"arch/crossbar/spec.hpp\""), 0U);
  EXPECT_EQ(findings("arch/crossbar/a.cpp", "#include \"arch/fabric/spec.hpp\""), 1U);
  EXPECT_EQ(findings("arch/crossbar/part/a.cpp", "#include \"arch/crossbar/spec.hpp\""), 0U);
  EXPECT_EQ(findings("arch/crossbar/part/a.cpp", "#include \"arch/fabric/spec.hpp\""), 1U);
  EXPECT_EQ(findings("arch/chip/a.cpp", "#include \"arch/fabric/spec.hpp\""), 0U);
  EXPECT_EQ(findings("arch/chip/a.cpp", "#include \"arch/crossbar/spec.hpp\""), 1U);
  EXPECT_EQ(findings("mapper/a.cpp", "#include \"arch/crossbar/spec.hpp\""), 1U);
  EXPECT_EQ(findings("mapper/a.cpp", "#include \"sim/engine/simulation.hpp\""), 1U);
  EXPECT_EQ(findings("workloads/a.cpp", "#include \"sim/api/model.hpp\""), 1U);
  EXPECT_EQ(findings("tools/tessera/a.cpp", "#include \"sim/engine/simulation.hpp\""), 0U);
  EXPECT_EQ(findings("tools/tessera/a.cpp", "#include \"tests/support/child.hpp\""), 1U);
  EXPECT_EQ(findings("workloads/a_test.cpp", "#include \"tests/support/child.hpp\""), 0U);
  EXPECT_EQ(findings("elsewhere/a.cpp", ""), 1U);
  EXPECT_EQ(findings("sim/base/a.cpp", "#include \"b.hpp\"", nothing), 1U);
}

TEST(IncludesSelfTest, KeepsBitsStepsAndCostApart) {
  EXPECT_EQ(findings("arch/lut/kernel.cpp", "#include \"arch/lut/steps.hpp\""), 1U);
  EXPECT_EQ(findings("arch/lut/kernel.cpp", "#include \"sim/api/schedule.hpp\""), 1U);
  EXPECT_EQ(findings("arch/lut/steps.cpp", "#include \"arch/lut/cost.hpp\""), 1U);
  EXPECT_EQ(findings("arch/lut/cost.hpp", "#include \"arch/lut/steps.hpp\""), 1U);
  EXPECT_EQ(findings("arch/lut/cost.cpp", "#include \"arch/lut/layout.hpp\""), 0U);
  EXPECT_EQ(findings("arch/lut/kind.cpp", "#include \"arch/lut/steps.hpp\""), 0U);
}

TEST(IncludesSelfTest, GuardsTheDoorsOfLibraries) {
  EXPECT_EQ(findings("sim/engine/a.hpp", "#include <systemc>"), 0U);
  EXPECT_EQ(findings("sim/trace/a.cpp", "#include <systemc.h>"), 1U);
  EXPECT_EQ(findings("tests/unit/a.cpp", "  #  include <systemc>"), 1U);
  EXPECT_EQ(findings("workloads/train/a.cpp", "#include <torch/torch.h>"), 0U);
  EXPECT_EQ(findings("tests/torch/a_test.cpp", "#include <torch/torch.h>"), 0U);
  EXPECT_EQ(findings("workloads/a.cpp", "#include <torch/torch.h>"), 1U);
  EXPECT_EQ(findings("mapper/rl/a_test.cpp", "#include <ATen/ATen.h>"), 1U);
  EXPECT_EQ(findings("workloads/onnx/a.cpp", "#include <onnx/onnx_pb.h>"), 0U);
  EXPECT_EQ(findings("workloads/a.cpp", "#include <google/protobuf/message.h>"), 1U);
  EXPECT_EQ(findings("workloads/data/a.cpp", "#include <zip.h>"), 0U);
  EXPECT_EQ(findings("workloads/a.cpp", "#include <zip.h>"), 1U);
  EXPECT_EQ(findings("sim/base/a.hpp", "#include <yaml-cpp/yaml.h>"), 1U);
  EXPECT_EQ(findings("sim/base/a.cpp", "#include <yaml-cpp/yaml.h>"), 0U);
  EXPECT_EQ(findings("sim/base/a.cpp", "// #include <systemc>"), 0U);
  EXPECT_EQ(findings("sim/base/a.cpp", "/*\n#include <systemc>\n*/"), 0U);
}

TEST(IncludesSelfTest, FindsThreads) {
  EXPECT_EQ(check_processes("a.cpp", "x\n  SC_THREAD(run);"),
            (std::vector<Finding>{
                {"a.cpp",
                 2,
                 "processes are SC_METHODs: a thread costs twice as much and hides its state"}}));
  EXPECT_EQ(check_processes("a.cpp", "SC_CTHREAD(run, clock.pos());").size(), 1U);
  EXPECT_EQ(check_processes("a.cpp", "SC_METHOD(run);  // no SC_THREAD").size(), 0U);
}

}  // namespace
}  // namespace tessera::repo
