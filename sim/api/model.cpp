// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// What a kind of processing element may leave to its contract; see model.hpp.
#include "sim/api/model.hpp"

namespace tessera {

void Unit::fire_all(const Batch& batch, Fidelity fidelity) const {
  for (std::size_t i = 0; i < batch.stamps.size(); ++i) {
    fire(batch.input(i), batch.output(i), fidelity, batch.stamps[i]);
  }
}

bool Model::exact(const MatrixOp&, Fidelity fidelity) const {
  return fidelity == Fidelity::ideal;
}

}  // namespace tessera
