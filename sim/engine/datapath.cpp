// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "sim/engine/datapath.hpp"

#include "sim/base/diagnostics.hpp"
#include "workloads/receptive.hpp"
#include "workloads/scalar_ops.hpp"

#include <algorithm>
#include <utility>

namespace tessera::engine {
namespace {

std::size_t at(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

using Row = std::span<const std::int32_t>;

}  // namespace

struct DataPath::Impl {
  const Program& program;
  const Network& network;
  const arch::chip::Chip& chip;
  bool ideal;
  NetworkData data;
  std::int64_t input_image = -1;
  std::vector<std::int32_t> input;
  std::vector<LayerParameters> parameters;   ///< by layer; filled when first used
  std::vector<std::unique_ptr<Unit>> units;  ///< by resident
  std::vector<std::vector<std::int32_t>> x;  ///< input vector per group, reused

  [[nodiscard]] const Layer& layer_of(int stage) const {
    return network.layer(program.stages[at(stage)].layer);
  }

  /// The layer whose tensor operand k of `layer` is: reshapes and the like have been folded away.
  [[nodiscard]] const Layer& operand_of(const Layer& layer, std::size_t k) const {
    return network.layer(layer.inputs[k]);
  }

  LayerParameters& parameters_of(LayerId layer) {
    LayerParameters& p = parameters[at(layer)];
    if (p.multiplier.empty()) {
      p = data.parameters(layer);
    }
    return p;
  }

  /// Weights [groups][cols][rows] of one fragment, cut from those of the whole layer.
  static std::vector<std::int32_t> cut(const Fragment& f,
                                       const MatrixShape& m,
                                       const std::vector<std::int32_t>& all) {
    std::vector<std::int32_t> part;
    part.reserve(at(std::int64_t{f.groups} * f.cols * f.rows));
    for (int g = f.group; g < f.group + f.groups; ++g) {
      for (std::int64_t c = f.col; c < f.col + f.cols; ++c) {
        const auto first = all.begin() + (g * m.cols + c) * m.rows + f.row;
        part.insert(part.end(), first, first + f.rows);
      }
    }
    return part;
  }

  void load(int part, const std::vector<std::int32_t>& all) {
    const ProgramPart& p = program.parts[at(part)];
    const MatrixShape m = matrix_shape(network, program.stages[at(p.stage)].layer);
    for (const LockstepGroup& group : p.groups) {
      for (int i = 0; i < group.pes; ++i) {
        const Resident& resident = program.residents[at(group.resident + i)];
        std::unique_ptr<Unit>& unit = units[at(group.resident + i)];
        if (unit == nullptr) {
          unit = chip.pe->make_unit();
        }
        unit->load(resident.op, resident.fragment, cut(resident.fragment, m, all));
      }
    }
  }

  [[nodiscard]] bool loaded(int part) const {
    return units[at(program.parts[at(part)].groups.front().resident)] != nullptr;
  }

  /// Calls f(row, inside) for every position of the window of output position p that lies in the
  /// image.
  template <class F>
  static void for_window(const Layer& l, const Shape& in, std::int64_t p, F&& f) {
    const Window& w = l.window;
    const std::int64_t top = p / l.out.width * w.stride_h - w.pad_top;
    const std::int64_t left = p % l.out.width * w.stride_w - w.pad_left;
    for (int i = 0; i < w.kernel_h; ++i) {
      for (int j = 0; j < w.kernel_w; ++j) {
        const std::int64_t row = top + std::int64_t{i} * w.dilation_h;
        const std::int64_t column = left + std::int64_t{j} * w.dilation_w;
        if (row >= 0 && row < in.height && column >= 0 && column < in.width) {
          f(row * in.width + column);
        }
      }
    }
  }
};

DataPath::DataPath(const Program& program,
                   const Network& network,
                   const arch::chip::Chip& chip,
                   Functional mode,
                   NetworkData data)
    : impl_(std::make_unique<Impl>(Impl{program,
                                        network,
                                        chip,
                                        mode == Functional::ideal,
                                        std::move(data),
                                        -1,
                                        {},
                                        {},
                                        {},
                                        {}})) {
  impl_->parameters.resize(network.layers.size());
  impl_->units.resize(program.residents.size());
}

DataPath::~DataPath() = default;

Position32 DataPath::source(std::int64_t image, std::int64_t p) {
  Impl& d = *impl_;
  if (d.input_image != image) {
    d.input = d.data.input(image);
    d.input_image = image;
  }
  const auto channels = static_cast<std::int64_t>(d.network.layers.front().out.channels);
  const auto first = d.input.begin() + p * channels;
  return std::make_shared<const std::vector<std::int32_t>>(first, first + channels);
}

void DataPath::write(int part, const Operand& operand) {
  Impl& d = *impl_;
  const ProgramPart& p = d.program.parts[at(part)];
  const ProgramStage& stage = d.program.stages[at(p.stage)];
  const Layer& layer = d.network.layer(stage.layer);
  if (!layer.has_dynamic_weights()) {
    if (!d.loaded(part)) {
      d.load(part, d.parameters_of(stage.layer).weights);
    }
    return;
  }
  // Operand b, one row per position, becomes [heads][cols][rows].
  const MatrixShape m = matrix_shape(d.network, stage.layer);
  const Layer& b = d.operand_of(layer, 1);
  std::vector<std::int32_t> weights(at(m.groups * m.cols * m.rows));
  const std::int64_t per_head = b.out.channels / layer.heads;
  for (std::int64_t q = 0; q < b.out.positions(); ++q) {
    const Row row = operand(1, q);
    for (std::int64_t h = 0; h < layer.heads; ++h) {
      for (std::int64_t c = 0; c < per_head; ++c) {
        const std::int64_t col = layer.transpose_b ? q : c;
        const std::int64_t r = layer.transpose_b ? c : q;
        weights[at((h * m.cols + col) * m.rows + r)] = static_cast<std::int32_t>(
            narrow_weight(row[at(h * per_head + c)], b.out_bits, b.out_signed, layer.w_bits));
      }
    }
  }
  d.load(part, weights);
}

Partial64 DataPath::fire(int part, std::int64_t pos, const Operand& operand) {
  Impl& d = *impl_;
  const ProgramPart& p = d.program.parts[at(part)];
  const LayerId id = d.program.stages[at(p.stage)].layer;
  const Layer& layer = d.network.layer(id);
  const Layer& input = d.operand_of(layer, 0);
  const MatrixShape m = matrix_shape(d.network, id);
  if (!layer.has_dynamic_weights() && !d.loaded(part)) {
    d.load(part, d.parameters_of(id).weights);
  }
  d.x.resize(std::max(d.x.size(), at(m.groups)));
  for (int g = 0; g < m.groups; ++g) {
    std::vector<std::int32_t>& x = d.x[at(g)];
    x.resize(at(m.rows));
    if (layer.kind ==
        LayerKind::fc) {  // the whole tensor, position by position, whatever flattened it
      // Only the positions of the rows that this part holds are here.
      const ProgramStage& stage = d.program.stages[at(p.stage)];
      const std::int64_t channels = m.rows / d.program.edges[at(stage.in_edges.front())].positions;
      std::fill(x.begin(), x.end(), 0);
      std::vector<bool> read(at(m.rows / channels), false);
      for (const LockstepGroup& group : p.groups) {
        for (int i = 0; i < group.pes; ++i) {
          const Fragment& f = d.program.residents[at(group.resident + i)].fragment;
          for (std::int64_t q = f.row / channels; q <= (f.row + f.rows - 1) / channels; ++q) {
            if (!read[at(q)]) {
              const Row row = operand(0, q);
              std::copy(row.begin(), row.end(), x.begin() + q * channels);
              read[at(q)] = true;
            }
          }
        }
      }
    } else {
      gather(
          d.network,
          id,
          pos,
          g,
          [&](std::int64_t q) { return operand(0, q); },
          std::span<std::int32_t>(x));
    }
    for (std::int32_t& v : x) {
      v = static_cast<std::int32_t>(narrow(v, input.out_bits, layer.a_bits, layer.in_signed));
    }
  }
  auto sum = std::make_shared<std::vector<std::int64_t>>(at(m.groups * m.cols), 0);
  std::vector<std::int32_t> x;
  std::vector<std::int64_t> y;
  for (const LockstepGroup& group : p.groups) {
    for (int i = 0; i < group.pes; ++i) {
      const Fragment& f = d.program.residents[at(group.resident + i)].fragment;
      x.clear();
      for (int g = f.group; g < f.group + f.groups; ++g) {
        const auto first = d.x[at(g)].begin() + f.row;
        x.insert(x.end(), first, first + f.rows);
      }
      y.assign(at(std::int64_t{f.groups} * f.cols), 0);
      d.units[at(group.resident + i)]->fire(x, y, d.ideal);
      for (int g = 0; g < f.groups; ++g) {
        for (int c = 0; c < f.cols; ++c) {
          (*sum)[at((f.group + g) * m.cols + f.col + c)] += y[at(std::int64_t{g} * f.cols + c)];
        }
      }
    }
  }
  return sum;
}

Position32 DataPath::finish(int stage, std::int64_t, const std::vector<std::int64_t>& sum) {
  Impl& d = *impl_;
  const LayerId id = d.program.stages[at(stage)].layer;
  const Layer& layer = d.network.layer(id);
  const LayerParameters& parameters = d.parameters_of(id);
  std::vector<std::int64_t> acc = sum;
  for (std::size_t c = 0; c < acc.size() && c < parameters.bias.size(); ++c) {
    acc[c] += parameters.bias[c];
  }
  auto y = std::make_shared<std::vector<std::int32_t>>(acc.size());
  rescale_activate(layer, acc, parameters.multiplier, *y);
  return y;
}

Position32 DataPath::vector(int stage, std::int64_t p, const Operand& operand) {
  Impl& d = *impl_;
  const ProgramStage& program = d.program.stages[at(stage)];
  if (program.kind != StageKind::vector) {
    const Row row = operand(0, p);
    return std::make_shared<const std::vector<std::int32_t>>(row.begin(), row.end());
  }
  const Layer& layer = d.network.layer(program.layer);
  const Shape& in = d.network.in_shape(program.layer);
  auto out = std::make_shared<std::vector<std::int32_t>>(at(layer.out.channels));
  switch (layer.kind) {
    case LayerKind::max_pool: {
      bool first = true;
      Impl::for_window(layer, in, p, [&](std::int64_t q) {
        const Row row = operand(0, q);
        if (std::exchange(first, false)) {
          std::copy(row.begin(), row.end(), out->begin());
        } else {
          max_row(row, *out);
        }
      });
      break;
    }
    case LayerKind::avg_pool: {
      std::vector<std::int64_t> sum(out->size(), 0);
      Impl::for_window(layer, in, p, [&](std::int64_t q) {
        const Row row = operand(0, q);
        for (std::size_t c = 0; c < sum.size(); ++c) {
          sum[c] += row[c];
        }
      });
      average_row(layer, sum, *out);
      break;
    }
    case LayerKind::add:
      add_row(layer, operand(0, p), operand(1, p), *out);
      break;
    case LayerKind::concat: {
      std::size_t done = 0;
      for (std::size_t k = 0; k < layer.inputs.size(); ++k) {
        const Layer& from = d.operand_of(layer, k);
        const auto channels = at(from.out.channels);
        concat_row(
            layer, from, operand(static_cast<int>(k), p), std::span(*out).subspan(done, channels));
        done += channels;
      }
      break;
    }
    case LayerKind::activation:
      activation_row(layer, operand(0, p), *out);
      break;
    case LayerKind::layer_norm:
      layer_norm_row(operand(0, p), layer.out_bits, *out);
      break;
    case LayerKind::softmax:
      softmax_heads(layer, operand(0, p), *out);
      break;
    case LayerKind::slice: {
      const Row row =
          operand(0, layer.slice_positions ? std::max<std::int64_t>(0, p + layer.slice_begin) : p);
      const std::size_t begin = layer.slice_positions ? 0 : at(layer.slice_begin);
      std::copy_n(row.begin() + static_cast<std::ptrdiff_t>(begin), out->size(), out->begin());
      break;
    }
    case LayerKind::input:
    case LayerKind::conv:
    case LayerKind::fc:
    case LayerKind::linear:
    case LayerKind::matmul:
    case LayerKind::flatten:
      throw InternalError(
          "datapath", -1, "a vector stage for a layer of another sort: " + layer.name);
  }
  return out;
}

}  // namespace tessera::engine
