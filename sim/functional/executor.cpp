// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "sim/functional/executor.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/functional/arrays.hpp"
#include "workloads/layer_ops.hpp"
#include "workloads/receptive.hpp"

#include <algorithm>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

namespace tessera::functional {
namespace {

/// Input values gathered at once: they stay in the second-level cache.
constexpr std::int64_t kGathered = std::int64_t{1} << 16;

std::size_t at(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

/// A matrix layer at work.
struct MatrixStage {
  int stage = -1;
  MatrixOp op;
  bool dynamic = false;
  bool per_image = false;      ///< written anew for every image: workers have PEs of their own
  LayerParameters parameters;  ///< weights only where they are written for every image
  std::optional<ProductWeights> product;
};

}  // namespace

struct Executor::Shared {
  const Program& program;
  const Network& network;
  const arch::chip::Chip& chip;
  Fidelity fidelity;
  NetworkData data;
  std::uint64_t seed;
  Arrays arrays;                            ///< of what is written once
  std::vector<MatrixStage> stages;          ///< by layer
  std::vector<LayerParameters> embeddings;  ///< by layer
  std::vector<LayerId> last_reader;         ///< by layer
  std::vector<LayerPath> paths;             ///< by layer
  std::mutex reading;                       ///< of data

  /// Replicas that compute: all where they differ.
  [[nodiscard]] std::size_t replicas(const MatrixStage& stage) const {
    return arrays.vary() ? program.stages[at(stage.stage)].replicas.size() : 1;
  }

  [[nodiscard]] const std::vector<int>& parts(const MatrixStage& stage, std::size_t replica) const {
    return program.stages[at(stage.stage)].replicas[replica].parts;
  }

  /// Of the PEs that a matrix layer is on.
  [[nodiscard]] const Model& model(const ProgramStage& stage) const {
    return *chip.group_at(stage.replicas.front().home).pe;
  }

  /// Loads the PEs of a layer, or nothing when its product is exact.
  void load(LayerId id,
            Arrays& into,
            std::span<const std::int32_t> weights,
            std::int64_t image,
            std::optional<ProductWeights>& product,
            LayerPath& path) const {
    const MatrixStage& stage = stages[at(id)];
    const MatrixShape m = matrix_shape(network, id);
    bool exact = true;
    path = {id, Path::product, 0};
    if (!model(program.stages[at(stage.stage)]).exact(stage.op, fidelity)) {
      for (std::size_t r = 0; r < replicas(stage); ++r) {
        for (const int part : parts(stage, r)) {
          into.load(part, weights, image);
          exact = exact && into.exact(part);
          for (const LockstepGroup& group : program.parts[at(part)].groups) {
            path.pes += group.pes;
          }
        }
      }
    }
    product.reset();
    if (!exact) {
      path.path = Path::conversions;
      return;
    }
    for (std::size_t r = 0; r < replicas(stage); ++r) {
      for (const int part : parts(stage, r)) {
        into.unload(part);
      }
    }
    product = product_weights(weights, m, stage.op.in_bits);
  }
};

struct Executor::Worker {
  Shared& shared;
  Arrays arrays;  ///< of what is written for every image
  std::vector<std::vector<std::int32_t>> tensors;
  std::vector<LayerPath> paths;

  explicit Worker(Shared& s)
      : shared(s),
        arrays(s.program, s.network, s.chip, s.fidelity, s.seed),
        tensors(s.network.layers.size()),
        paths(s.paths) {}

  [[nodiscard]] std::span<const std::int32_t> position(LayerId id, std::int64_t p) const {
    const auto channels = at(shared.network.layer(id).out.channels);
    return std::span(tensors[at(id)]).subspan(at(p) * channels, channels);
  }

  std::vector<std::int32_t> run(std::span<const std::int32_t> input, std::int64_t image);
  void matrix(LayerId id, std::int64_t image, std::vector<std::int32_t>& y);
};

std::vector<std::int32_t> Executor::Worker::run(std::span<const std::int32_t> input,
                                                std::int64_t image) {
  const Network& network = shared.network;
  if (input.size() != at(network.layers.front().out.elements())) {
    throw InternalError("functional", -1, "the input does not have the size of the input tensor");
  }
  for (LayerId id = 0; id <= network.output(); ++id) {
    const Layer& layer = network.layer(id);
    std::vector<std::int32_t>& y = tensors[at(id)];
    if (layer.kind == LayerKind::input) {
      y.assign(input.begin(), input.end());
      continue;
    }
    if (layer.kind == LayerKind::flatten) {
      y = tensors[at(layer.inputs[0])];
    } else if (layer.is_matrix()) {
      y.resize(at(layer.out.elements()));
      matrix(id, image, y);
    } else {
      y.resize(at(layer.out.elements()));
      const OperandSource operand = [&](int k, std::int64_t q) {
        return position(layer.inputs[static_cast<std::size_t>(k)], q);
      };
      const auto channels = at(layer.out.channels);
      for (std::int64_t p = 0; p < layer.out.positions(); ++p) {
        vector_layer(network,
                     id,
                     shared.embeddings[at(id)],
                     p,
                     operand,
                     std::span(y).subspan(at(p) * channels, channels));
      }
    }
    for (const LayerId from : layer.inputs) {
      if (shared.last_reader[at(from)] == id) {
        tensors[at(from)] = {};
      }
    }
  }
  return std::move(tensors.back());
}

void Executor::Worker::matrix(LayerId id, std::int64_t image, std::vector<std::int32_t>& y) {
  const Network& network = shared.network;
  const Layer& layer = network.layer(id);
  const MatrixStage& stage = shared.stages[at(id)];
  const MatrixShape m = matrix_shape(network, id);

  std::optional<ProductWeights> own;
  if (stage.dynamic) {
    const std::vector<std::int32_t> weights =
        dynamic_weights(network, id, [&](int k, std::int64_t q) {
          return position(layer.inputs[static_cast<std::size_t>(k)], q);
        });
    shared.load(id, arrays, weights, image, own, paths[at(id)]);
  } else if (stage.per_image) {
    shared.load(id, arrays, stage.parameters.weights, image, own, paths[at(id)]);
  }
  const bool per_image = stage.dynamic || stage.per_image;
  const std::optional<ProductWeights>& product = per_image ? own : stage.product;
  const Arrays& pes = per_image ? arrays : shared.arrays;

  const std::int64_t in = m.groups * m.rows;
  const std::int64_t out = m.groups * m.cols;
  const auto replicas = static_cast<std::int64_t>(shared.replicas(stage));
  const Blocks& raster = shared.program.stages[at(stage.stage)].raster;
  const std::int64_t at_once =
      std::clamp<std::int64_t>(kGathered / in, 16, layer.out.positions() + 16);
  std::vector<std::int32_t> x;
  std::vector<std::int64_t> sum;
  std::vector<Stamp> stamps;
  const auto flush = [&](std::size_t replica) {
    const auto n = static_cast<std::int64_t>(stamps.size());
    narrow_input(network, id, x);
    sum.assign(at(n * out), 0);
    if (product) {
      multiply(*product, m, n, x, sum);
    } else {
      for (const int part : shared.parts(stage, replica)) {
        pes.fire(part, stamps, x, sum);
      }
    }
    for (std::int64_t i = 0; i < n; ++i) {
      finish(layer,
             stage.parameters,
             std::span(sum).subspan(at(i * out), at(out)),
             std::span(y).subspan(at(stamps[at(i)].position * out), at(out)));
    }
    stamps.clear();
  };
  const LayerId from = layer.inputs[0];
  for (std::int64_t replica = 0; replica < replicas; ++replica) {
    raster.for_each_of(replica, replicas, [&](std::int64_t p) {
      x.resize(at(in) * (stamps.size() + 1));
      for (int g = 0; g < m.groups; ++g) {
        gather(
            network,
            id,
            p,
            g,
            [&](std::int64_t q) { return position(from, q); },
            std::span(x).subspan(at(in) * stamps.size() + at(g * m.rows), at(m.rows)));
      }
      stamps.push_back({image, p});
      if (static_cast<std::int64_t>(stamps.size()) == at_once) {
        flush(at(replica));
      }
    });
    if (!stamps.empty()) {
      flush(at(replica));
    }
  }
  if (per_image) {
    for (std::int64_t replica = 0; replica < replicas; ++replica) {
      for (const int part : shared.parts(stage, at(replica))) {
        arrays.unload(part);
      }
    }
  }
}

Executor::Executor(const Program& program,
                   const Network& network,
                   const arch::chip::Chip& chip,
                   Fidelity fidelity,
                   NetworkData data,
                   std::uint64_t seed) {
  // NOLINTNEXTLINE(modernize-make-unique): an aggregate that cannot move, for its mutex
  shared_ = std::unique_ptr<Shared>(new Shared{program,
                                               network,
                                               chip,
                                               fidelity,
                                               std::move(data),
                                               seed,
                                               Arrays(program, network, chip, fidelity, seed),
                                               {},
                                               {},
                                               {},
                                               {},
                                               {}});
  Shared& s = *shared_;
  s.stages.resize(network.layers.size());
  s.paths.resize(network.layers.size());
  s.embeddings.resize(network.layers.size());
  s.last_reader.assign(network.layers.size(), -1);
  for (LayerId id = 0; id <= network.output(); ++id) {
    for (const LayerId from : network.layer(id).inputs) {
      s.last_reader[at(from)] = id;
    }
    if (network.layer(id).has_embedding()) {
      s.embeddings[at(id)] = s.data.parameters(id);
    }
  }
  for (std::size_t i = 0; i < program.stages.size(); ++i) {
    const ProgramStage& from = program.stages[i];
    if (from.kind != StageKind::matrix) {
      continue;
    }
    const Layer& layer = network.layer(from.layer);
    const MatrixShape m = matrix_shape(network, from.layer);
    MatrixStage& stage = s.stages[at(from.layer)];
    stage.stage = static_cast<int>(i);
    stage.op = {m.rows, m.cols, m.groups, layer.w_bits, layer.a_bits, layer.in_signed};
    stage.dynamic = layer.has_dynamic_weights();
    stage.per_image = from.rewrites && s.arrays.vary();
    stage.parameters = s.data.parameters(from.layer);
    LayerPath& path = s.paths[at(from.layer)];
    path.layer = from.layer;
    if (stage.dynamic || stage.per_image) {
      path.path = s.model(from).exact(stage.op, fidelity) ? Path::product : Path::conversions;
      continue;
    }
    s.load(from.layer, s.arrays, stage.parameters.weights, 0, stage.product, path);
    stage.parameters.weights = {};
  }
  worker_ = std::make_unique<Worker>(s);
}

Executor::~Executor() = default;

std::vector<std::int32_t> Executor::run(std::int64_t image) {
  return worker_->run(shared_->data.input(image), image);
}

std::vector<std::int32_t> Executor::run(std::span<const std::int32_t> input, std::int64_t image) {
  return worker_->run(input, image);
}

std::vector<std::vector<std::int32_t>> Executor::run_all(std::int64_t first,
                                                         std::int64_t count,
                                                         int threads) {
  std::vector<std::vector<std::int32_t>> out(at(count));
  std::vector<std::exception_ptr> failed(at(std::max(threads, 1)));
  const auto work = [&](Worker& worker, std::int64_t k) {
    try {
      for (std::int64_t i = k; i < count; i += static_cast<std::int64_t>(failed.size())) {
        std::vector<std::int32_t> input;
        {
          const std::scoped_lock lock(shared_->reading);
          input = shared_->data.input(first + i);
        }
        out[at(i)] = worker.run(input, first + i);
      }
    } catch (...) {
      failed[at(k)] = std::current_exception();
    }
  };
  std::vector<std::unique_ptr<Worker>> workers;
  std::vector<std::thread> running;
  for (std::size_t k = 1; k < failed.size(); ++k) {
    workers.push_back(std::make_unique<Worker>(*shared_));
    running.emplace_back(work, std::ref(*workers.back()), static_cast<std::int64_t>(k));
  }
  work(*worker_, 0);
  for (std::thread& thread : running) {
    thread.join();
  }
  for (const std::exception_ptr& failure : failed) {
    if (failure != nullptr) {
      std::rethrow_exception(failure);
    }
  }
  return out;
}

std::vector<LayerPath> Executor::paths() const {
  std::vector<LayerPath> out;
  for (const LayerId id : matrix_layers(shared_->network)) {
    out.push_back(worker_->paths[at(id)]);
  }
  return out;
}

}  // namespace tessera::functional
