// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The associative processor as a Kind, and as a Model without going through YAML.
#pragma once

#include "arch/rtm_ap/spec.hpp"
#include "sim/api/model.hpp"

#include <memory>

namespace tessera::arch::rtm_ap {

const Kind& kind();

/// Without programs: Model::programmed gives it those of a network. `spec` must have no problems().
[[nodiscard]] std::unique_ptr<Model> make_model(const Spec& spec, const Clock& clock);

}  // namespace tessera::arch::rtm_ap
