// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The crossbar as a Kind, and as a Model without going through YAML.
#pragma once

#include "arch/crossbar/spec.hpp"
#include "sim/api/model.hpp"

#include <memory>

namespace tessera::arch::crossbar {

const Kind& kind();

/// `spec` must have no problems().
[[nodiscard]] std::unique_ptr<Model> make_model(const Spec& spec, const Clock& clock);

/// A random valid Spec, small enough for tests.
[[nodiscard]] Spec random_spec(std::uint64_t seed);

}  // namespace tessera::arch::crossbar
