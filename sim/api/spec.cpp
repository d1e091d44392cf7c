// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "sim/api/spec.hpp"

#include "sim/base/diagnostics.hpp"

#include <utility>

namespace tessera {

Resource resource_of(const char* name, const Part& part, int count) {
  return {name, count, part.area * count, part.leakage * count};
}

void report_problems(const config::Node& pe,
                     const std::string& code,
                     const std::vector<SpecProblem>& problems,
                     Diagnostics& diagnostics) {
  for (const SpecProblem& problem : problems) {
    const config::Node first = pe.has(problem.key) ? pe.get(problem.key) : config::Node();
    const config::Node second = pe.has(problem.other) ? pe.get(problem.other) : config::Node();
    const config::Node& at = !first.is_null() ? first : (!second.is_null() ? second : pe);
    Diagnostic d =
        config::diagnose(at, code, problem.sentence, problem.key + ": " + problem.expected);
    if (!first.is_null() && !second.is_null()) {
      d.related.push_back(second.at());
    }
    diagnostics.error(std::move(d));
  }
}

}  // namespace tessera
