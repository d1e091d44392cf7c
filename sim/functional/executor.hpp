// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The chip's arithmetic without its time: what sim/engine computes for the same Program, bit for
/// bit, layer by layer on whole tensors.
///
/// Shapes   tensors are [height][width][channels], int32
/// Errors   an input of the wrong size throws InternalError
/// Speed    a layer whose conversions provably cannot clip and whose devices are perfect is one
///          integer product; the others fire every PE, many positions at once (paths() says which)
#pragma once

#include "arch/chip/chip.hpp"
#include "sim/api/model.hpp"
#include "sim/api/program.hpp"
#include "workloads/network.hpp"
#include "workloads/parameters.hpp"

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tessera::functional {

/// How the sums of a matrix layer were computed.
enum class Path {
  product,      ///< exact integer product of the whole layer
  conversions,  ///< PE by PE; every conversion, wherever one could clip or devices are not perfect
};

constexpr auto enum_names(Path) {
  return std::array<std::pair<Path, std::string_view>, 2>{
      {{Path::product, "product"}, {Path::conversions, "conversions"}}};
}

struct LayerPath {
  LayerId layer = 0;
  Path path = Path::product;
  std::int64_t pes = 0;  ///< that were loaded for it
};

class Executor {
 public:
  /// The arguments must outlive the object. Draws of devices depend on `seed` as those of
  /// RunOptions::seed do. Weights that do not change are read and loaded here.
  Executor(const Program& program,
           const Network& network,
           const arch::chip::Chip& chip,
           Fidelity fidelity,
           NetworkData data,
           std::uint64_t seed);
  ~Executor();
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  /// Output tensor of image number `image` of the data's images.
  std::vector<std::int32_t> run(std::int64_t image);
  /// Output tensor for given integers; `image` names the draws of its firings.
  std::vector<std::int32_t> run(std::span<const std::int32_t> input, std::int64_t image);
  /// Output tensors of images [first, first + count), computed by `threads` threads; in their
  /// order, whatever the number of threads.
  std::vector<std::vector<std::int32_t>> run_all(std::int64_t first,
                                                 std::int64_t count,
                                                 int threads);

  /// One per matrix layer, in network order; of matmuls after the first run.
  [[nodiscard]] std::vector<LayerPath> paths() const;

 private:
  struct Shared;
  struct Worker;

  std::unique_ptr<Shared> shared_;
  std::unique_ptr<Worker> worker_;
};

}  // namespace tessera::functional
