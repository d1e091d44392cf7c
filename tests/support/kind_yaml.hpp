// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Processing elements from YAML, and the files in a kind's folder.
#pragma once

#include "sim/api/model.hpp"
#include "sim/base/config.hpp"
#include "sim/base/diagnostics.hpp"

#include <fstream>
#include <memory>
#include <sstream>
#include <string>

namespace tessera::test {

struct MadeModel {
  std::unique_ptr<Model> model;
  Diagnostics diagnostics;
};

/// What a chip of 1 GHz makes of a `pe:` node; `kind:` may be left out.
inline MadeModel model_from(const Kind& kind, const std::string& yaml) {
  MadeModel made;
  const config::Node node = config::parse(yaml, "pe.yaml", made.diagnostics);
  static_cast<void>(node.get("kind"));
  made.model = kind.make(node, Clock{Hertz(1e9)}, made.diagnostics);
  config::report_unread(node, made.diagnostics);
  return made;
}

inline std::string kind_file(const Kind& kind, const std::string& name) {
  std::ifstream in(std::string(TESSERA_SOURCE_DIR) + "/arch/" + kind.name + "/" + name);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

}  // namespace tessera::test
