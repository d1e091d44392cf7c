// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// What the YAML fuzzer and its replay do with one input: parse, read, merge, override, dump.
///
/// Errors   none; a broken promise of the reader is an InternalError
#pragma once

#include "sim/base/config.hpp"

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tessera::fuzz {

enum class Mode { fast, exact };

constexpr auto enum_names(Mode) {
  return std::array<std::pair<Mode, std::string_view>, 2>{
      {{Mode::fast, "fast"}, {Mode::exact, "exact"}}};
}

struct InnerSpec {
  std::int64_t rows = 128;
  Seconds latency{1e-9};
  std::optional<double> gain;

  static constexpr auto fields() {
    return config::list<InnerSpec>(config::field("rows", &InnerSpec::rows).range(1, 4096),
                                   config::field("latency", &InnerSpec::latency).range(0, 1),
                                   config::field("gain", &InnerSpec::gain));
  }
};

struct OuterSpec {
  bool on = true;
  int count = 1;
  double factor = 1;
  std::string name;
  Joules energy{0};
  Watts power{0};
  Hertz clock{1e9};
  SquareMeters area{0};
  Bits capacity{0};
  Cycles delay{1};
  Mode mode = Mode::fast;
  InnerSpec inner;
  std::vector<InnerSpec> list;
  std::map<std::string, double> table;
  config::Node rest;

  static constexpr auto fields() {
    return config::list<OuterSpec>(config::field("on", &OuterSpec::on),
                                   config::field("count", &OuterSpec::count).required(),
                                   config::field("factor", &OuterSpec::factor).range(-1, 1e9),
                                   config::field("name", &OuterSpec::name),
                                   config::field("energy", &OuterSpec::energy),
                                   config::field("power", &OuterSpec::power),
                                   config::field("clock", &OuterSpec::clock),
                                   config::field("area", &OuterSpec::area),
                                   config::field("capacity", &OuterSpec::capacity),
                                   config::field("delay", &OuterSpec::delay),
                                   config::field("mode", &OuterSpec::mode),
                                   config::field("inner", &OuterSpec::inner),
                                   config::field("list", &OuterSpec::list),
                                   config::field("table", &OuterSpec::table),
                                   config::field("rest", &OuterSpec::rest));
  }
};

inline void run_yaml_case(std::string_view text) {
  config::Limits limits;
  limits.max_bytes = 1U << 16;
  limits.max_nodes = 5000;
  limits.max_depth = 32;

  Diagnostics diagnostics;
  config::Node root = config::parse(text, "fuzz.yaml", diagnostics, limits);
  const bool parsed = diagnostics.ok();
  const std::string dumped = config::dump(root);
  if (parsed) {
    Diagnostics again;
    const config::Node copy = config::parse(dumped, "dump.yaml", again);
    if (!again.ok() || !config::equal(root, copy)) {
      throw InternalError(
          "config::dump", -1, "the dump does not read back:\n" + dumped + again.render());
    }
  }
  const config::Node merged = config::merge(root, root);
  if (!config::equal(root, merged)) {
    throw InternalError("config::merge", -1, "a tree merged with itself differs");
  }
  config::read<OuterSpec>(root, diagnostics);
  config::report_unread(root, diagnostics);
  config::apply_set(root, std::string(text.substr(0, 200)), diagnostics);
  config::apply_set(root, "inner.rows=" + std::string(text.substr(0, 200)), diagnostics);
  config::read<OuterSpec>(merged, diagnostics);
  if (!parsed && diagnostics.render().empty()) {
    throw InternalError("Diagnostics::render", -1, "errors without text");
  }
}

}  // namespace tessera::fuzz
