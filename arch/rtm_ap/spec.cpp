// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Conditions between the fields of an associative processor.
#include "arch/rtm_ap/spec.hpp"

#include "sim/base/rng.hpp"

#include <fmt/format.h>

namespace tessera::arch::rtm_ap {
namespace {

/// Keeps the bits of one simulated array below 128 MiB.
constexpr std::int64_t kMaxCells = std::int64_t{1} << 30;

}  // namespace

Geometry geometry(const Spec& spec) {
  return {spec.rows, spec.columns, spec.domains};
}

Ports ports(const Spec& spec) {
  return {spec.ports, spec.port_choice, spec.port_policy};
}

CompileOptions compile_options(const Spec& spec, const Clock& clock) {
  const auto cycles = [&clock](Seconds t) {
    return static_cast<double>(clock.ceil_cycles(t).value);
  };
  CompileOptions options;
  static_cast<CompileChoices&>(options) = spec.compile;
  options.pass_cycles = cycles(spec.t_search) + cycles(spec.t_write);
  options.step_cycles = cycles(spec.t_shift);
  return options;
}

std::vector<SpecProblem> problems(const Spec& spec) {
  std::vector<SpecProblem> found;
  if (spec.ports > spec.domains) {
    found.push_back({"ports",
                     "domains",
                     "a nanowire has more ports than domains",
                     fmt::format("at most {}", spec.domains)});
  }
  const std::int64_t planes = std::int64_t{spec.columns} * spec.domains;
  if (planes * spec.rows > kMaxCells) {
    found.push_back({"rows",
                     "columns",
                     "the array has more cells than are simulated",
                     fmt::format("at most {} rows with {} columns of {} domains",
                                 kMaxCells / planes,
                                 spec.columns,
                                 spec.domains)});
  }
  return found;
}

Spec read_spec(const config::Node& pe, Diagnostics& diagnostics) {
  const config::Node kind = pe.get("kind");
  if (!config::detail::is_absent(kind) && kind.scalar() != "rtm_ap") {
    diagnostics.error(config::diagnose(
        kind, "E-RTM-AP-SPEC", "this processing element is no associative processor", "rtm_ap"));
    pe.mark_read();  // its keys are those of another kind
    return {};
  }
  Spec spec = config::read<Spec>(pe, diagnostics);
  report_problems(pe, "E-RTM-AP-SPEC", problems(spec), diagnostics);
  return spec;
}

Spec random_spec(std::uint64_t seed) {
  Rng rng(seed, "rtm_ap.spec");
  const auto time = [&rng](double most) { return Seconds(rng.uniform01() * most); };
  Spec spec;
  spec.rows = static_cast<int>(rng.uniform(1, 300));
  spec.columns = static_cast<int>(rng.uniform(6, 40));
  spec.domains = static_cast<int>(rng.uniform(8, 80));
  spec.ports = rng.chance(0.5) ? 1 : static_cast<int>(rng.uniform(1, 8));
  spec.port_choice = rng.chance(0.5) ? PortChoice::fixed : PortChoice::nearest;
  spec.port_policy = rng.chance(0.7) ? PortPolicy::lazy : PortPolicy::eager;
  spec.t_search = Seconds(1e-12) + time(5e-9);
  spec.t_write = Seconds(1e-12) + time(20e-9);
  spec.t_shift = rng.chance(0.1) ? Seconds(0) : time(5e-9);
  spec.t_load = rng.chance(0.1) ? Seconds(0) : time(5e-9);
  spec.t_read_out = rng.chance(0.1) ? Seconds(0) : time(5e-9);
  const auto sometimes = [&rng](int most) {
    return rng.chance(0.3) ? static_cast<int>(rng.uniform(1, most)) : 0;
  };
  spec.compile.block_inputs = sometimes(40);
  spec.compile.most_channels = sometimes(6);
  spec.compile.most_outputs = sometimes(6);
  spec.compile.passes.cse = rng.chance(0.8);
  spec.compile.passes.partial_sums = rng.chance(0.8);
  return spec;
}

}  // namespace tessera::arch::rtm_ap
