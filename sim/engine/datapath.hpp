// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The bits: what a firing computes from the positions that have arrived. Knows no time.
///
/// Shapes   a position is [channels] int32; a partial result is [output channels] int64, exact
///          weights applied; of a blocked stage one after the other for every position of a block
/// Programs where PEs stand in for a vector unit, `bit_accurate` runs their programs on what they
///          would get: results stay apart until these add them. `ideal` computes the same in one go
/// Errors   reading a position that is not in the line buffer is an InternalError: it means that
///          the timing let a firing start too early
#pragma once

#include "arch/chip/chip.hpp"
#include "sim/api/program.hpp"
#include "sim/api/run.hpp"
#include "workloads/layer_ops.hpp"
#include "workloads/network.hpp"
#include "workloads/parameters.hpp"

#include <cstdint>
#include <memory>
#include <vector>

namespace tessera::engine {

using Position32 = std::shared_ptr<const std::vector<std::int32_t>>;
using Partial64 = std::shared_ptr<std::vector<std::int64_t>>;

using Operand = OperandSource;

/// What a part gave to a position.
struct Contribution {
  int part = 0;
  Partial64 sum;
};

/// One firing of a part.
struct Fired {
  Partial64 sum;
  /// What its PEs take with these data, PE by PE; empty where that does not depend on data.
  std::vector<Schedule> took;
};

class DataPath {
 public:
  DataPath(const Program& program,
           const Network& network,
           const arch::chip::Chip& chip,
           Functional mode,
           NetworkData data,
           std::uint64_t seed);
  ~DataPath();
  DataPath(const DataPath&) = delete;
  DataPath& operator=(const DataPath&) = delete;

  /// Position `p` of input image `image`.
  Position32 source(std::int64_t image, std::int64_t p);
  /// Programs the PEs of a part for an image; `operand` is read for dynamic weights only.
  void write(int part, std::int64_t image, const Operand& operand);
  /// One firing of all PEs of a part; `p` numbers the positions of its stage (blocks, if blocked).
  Fired fire(int part, std::int64_t image, std::int64_t p, const Operand& operand);
  /// Puts what a part gave to the rest: added up, or kept apart where programs will add.
  void add(int stage, Contribution one, std::vector<Contribution>& to) const;
  /// The output of a position that has what all parts of a replica give.
  Position32 finish(int stage,
                    std::int64_t image,
                    std::int64_t p,
                    std::vector<Contribution> contributions);
  /// One firing of a part of a vector stage (pooling, add, ...), of a memory stage or of the sink.
  Position32 vector(int part, std::int64_t image, std::int64_t p, const Operand& operand);

  /// What the PEs of the vector unit of an endpoint did with the data so far; nothing when no data
  /// went through them.
  [[nodiscard]] const ActionCounts* vector_did(EndpointId endpoint) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tessera::engine
