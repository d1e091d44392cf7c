// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The RNA block as a Kind, and as a Model without going through YAML.
#pragma once

#include "arch/lut/spec.hpp"
#include "sim/api/model.hpp"

#include <memory>

namespace tessera::arch::lut {

const Kind& kind();

/// `spec` must have no problems().
[[nodiscard]] std::unique_ptr<Model> make_model(const Spec& spec, const Clock& clock);

/// A random valid Spec that holds small matrices of some width.
[[nodiscard]] Spec random_spec(std::uint64_t seed);

}  // namespace tessera::arch::lut
