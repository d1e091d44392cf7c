// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "tests/support/cases.hpp"

#include "mapper/first_fit.hpp"
#include "mapper/lower.hpp"
#include "mapper/mapping_yaml.hpp"
#include "mapper/place.hpp"
#include "sim/base/config.hpp"
#include "sim/engine/simulation.hpp"
#include "tests/support/child.hpp"
#include "workloads/builder.hpp"
#include "workloads/parameters.hpp"
#include "workloads/quantize.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdlib>
#include <memory>
#include <utility>

namespace tessera::test {
namespace {

std::string random_lut(Rng& rng) {
  return fmt::format(
      "{{kind: lut, rows: 8192, columns: 4096, counters: {}, counter_bits: {}, encoder_rows: 1024, "
      "share: {}, code_spread: {}, adder_nors: {}, ripple_nors: {}, search_bits: {}, t_search: {} "
      "ns, t_write: {} ps}}",
      rng.uniform(1024, 4096),
      rng.uniform(1, 8),
      rng.uniform(1, 3),
      rng.chance(0.5) ? "balanced" : "worst_case",
      rng.uniform(1, 13),
      rng.uniform(1, 3),
      rng.uniform(1, 16),
      rng.uniform(1, 3),
      rng.uniform(1, 1000));
}

std::string random_ap(Rng& rng) {
  const auto sometimes = [&rng](int most) { return rng.chance(0.3) ? rng.uniform(1, most) : 0; };
  return fmt::format(
      "{{kind: rtm_ap, rows: {}, columns: {}, domains: {}, ports: {}, port_choice: {}, "
      "t_search: {} ps, t_write: {} ns, t_shift: {} ns, t_load: {} ns, t_read_out: {} ns, "
      "ends_sums: {}, compile: {{block_inputs: {}, most_channels: {}, most_outputs: {}}}}}",
      rng.uniform(2, 40),
      rng.uniform(48, 96),
      rng.uniform(40, 64),
      rng.uniform(1, 2),
      rng.chance(0.5) ? "static" : "dynamic",
      rng.uniform(1, 2000),
      rng.uniform(1, 5),
      rng.uniform(0, 3),
      rng.uniform(0, 2),
      rng.uniform(0, 2),
      rng.chance(0.5),
      sometimes(40),
      sometimes(8),
      sometimes(8));
}

class InBlocks : public Model {
 public:
  InBlocks(std::unique_ptr<Model> model, int block) : model_(std::move(model)), block_(block) {}

  [[nodiscard]] const std::string& kind() const override { return model_->kind(); }

  [[nodiscard]] const std::vector<Resource>& resources() const override {
    return model_->resources();
  }

  [[nodiscard]] const std::vector<Action>& actions() const override { return model_->actions(); }

  [[nodiscard]] Layout layout(const MatrixOp& matrix) const override {
    Layout layout = model_->layout(matrix);
    layout.block = block_;
    return layout;
  }

  [[nodiscard]] Op op(OpCode code, const MatrixOp& matrix, const Fragment& f) const override {
    return model_->op(code, matrix, f);
  }

  [[nodiscard]] std::vector<Step> steps(const Op& op) const override { return model_->steps(op); }

  [[nodiscard]] Cost fire_cost(const Op& op) const override { return model_->fire_cost(op); }

  [[nodiscard]] double endurance() const override { return model_->endurance(); }

  [[nodiscard]] std::unique_ptr<Unit> make_unit(std::uint64_t pe) const override {
    return model_->make_unit(pe);
  }

  [[nodiscard]] bool exact(const MatrixOp& matrix, Fidelity fidelity) const override {
    return model_->exact(matrix, fidelity);
  }

  [[nodiscard]] bool has_variation() const override { return model_->has_variation(); }

 private:
  std::unique_ptr<Model> model_;
  int block_;
};

}  // namespace

std::unique_ptr<Model> in_blocks(std::unique_ptr<Model> model, int block) {
  return std::make_unique<InBlocks>(std::move(model), block);
}

Case make_case(const CaseSpec& spec) {
  Diagnostics diagnostics;
  Case c;
  c.network = spec.network;
  c.chip = arch::chip::make_chip(config::parse(spec.chip, "chip", diagnostics), diagnostics);
  diagnostics.throw_if_any();
  for (arch::chip::TileGroup& group : c.chip.groups) {
    if (spec.block > 1) {
      group.pe = in_blocks(std::move(group.pe), spec.block);
    }
  }
  mapper::MappingRequest request = mapper::uniform_request(c.network, {});
  for (std::size_t i = 0; i < spec.layers.size() && i < request.layers.size(); ++i) {
    const Bits2& layer = spec.layers[i];
    request.layers[i] = {layer.w_bits, layer.a_bits, layer.replicas, layer.group};
  }
  std::vector<LayerBits> bits;
  for (const mapper::LayerRequest& layer : request.layers) {
    bits.push_back({layer.w_bits, layer.a_bits});
  }
  quantize(c.network, bits);
  if (spec.edit) {
    spec.edit(c.network);
  }
  ProgramSource source;
  source.matrices = mapper::program_matrices(c.network);
  source.network = std::make_shared<const Network>(c.network);
  source.layer = [own = source.network, seed = spec.seed](
                     int layer, int /*w_bits*/, int /*a_bits*/) {
    return ProgramLayer{own->layer(layer), synthetic_parameters(*own, layer, seed)};
  };
  for (arch::chip::TileGroup& group : c.chip.groups) {
    if (auto made = group.pe->programmed(source)) {
      group.pe = std::move(made);
    }
  }
  c.mapping = mapper::place(c.network, c.chip, request, spec.granularity, diagnostics);
  diagnostics.throw_if_any();
  c.program = mapper::lower(
      c.network, c.mapping, c.chip, {spec.granularity, spec.images, false}, diagnostics);
  diagnostics.throw_if_any();
  return c;
}

std::string random_chip(Rng& rng, const std::string& kind) {
  const auto pick = [&](std::vector<std::string> from) {
    return from[static_cast<std::size_t>(
        rng.uniform(0, static_cast<std::int64_t>(from.size()) - 1))];
  };
  const std::string crossbar = fmt::format(
      "{{kind: crossbar, rows: {}, columns: {}, cell_bits: {}, active_rows: {}, weight_mapping: "
      "{}, slice_placement: {}, "
      "dac_bits: {}, adc_bits: 0, adcs: {}, t_adc: {} ns, t_read: {} ns, t_dac: {} ns, "
      "sample_and_hold: {}, shift_add: {}, "
      "t_shift_add: {} ns, t_write: {} ns}}",
      pick({"16", "32", "48"}),
      pick({"24", "32", "64"}),
      rng.uniform(1, 4),
      pick({"0", "5", "8"}),
      pick({"twos_complement_planes",
            "differential_columns",
            "differential_rows",
            "offset_column",
            "biased_unit_column"}),
      pick({"separate_arrays", "adjacent_columns"}),
      rng.uniform(1, 3),
      rng.uniform(1, 8),
      rng.uniform(1, 3),
      rng.uniform(1, 12),
      rng.uniform(0, 2),
      pick({"true", "false"}),
      pick({"streamed", "staged"}),
      rng.uniform(1, 2),
      rng.uniform(1, 50));
  const std::string pe = kind == "lut"      ? random_lut(rng)
                         : kind == "rtm_ap" ? random_ap(rng)
                                            : crossbar;
  const std::string fabric =
      pick({"{topology: mesh, flit_bits: 32 b, vc_buffer: 4, num_vcs: 2}",
            "{topology: mesh, flit_bits: 64 b, vc_buffer: 8, num_vcs: 4, link_latency: 2}",
            "{topology: torus, flit_bits: 32 b, num_vcs: 4}",
            "{topology: bus, flit_bits: 64 b}",
            "{topology: tree, flit_bits: 64 b, arity: 2, concentration: 1}",
            "{topology: ideal, flit_bits: 64 b, ideal_latency: 3}"});
  return fmt::format(
      "{{name: random, clock: 1 GHz, tiles: {}, tile: {{pes: {}, pe: {}, input_registers: {}, "
      "output_slots: {}, "
      "bus: {{width: {}}}, buffer: {{capacity: {}, banks: {}, bank_width: {}, read_latency: {} ns, "
      "write_latency: {} ns}}, "
      "vector_unit: {{lanes: {}, latency: {} ns, pes: {}}}}}, fabric: {}, io: {{ports: {}, width: "
      "{}}}, memory: {{present: true, width: 64, latency: 20 ns}}}}",
      rng.uniform(20, 40),
      rng.uniform(60, 120),
      pe,
      rng.uniform(1, 3),
      rng.uniform(1, 5),
      pick({"0", "32", "100", "256"}),
      pick({"1 MiB", "4 KiB", "1 KiB"}),  // small ones send tensors through memory under `layer`
      rng.uniform(1, 4),
      pick({"0", "64"}),
      rng.uniform(0, 3),
      rng.uniform(0, 3),
      pick({"0", "3", "16", "64"}),
      rng.uniform(0, 3),
      kind == "rtm_ap" ? rng.uniform(0, 2) : 0,
      fabric,
      rng.uniform(1, 3),
      pick({"0", "16", "64"}));
}

std::string random_mixed_chip(Rng& rng) {
  std::string first = random_chip(rng);
  std::string second = random_chip(rng, rng.chance(0.7) ? "lut" : "crossbar");
  if (rng.chance(0.5)) {
    std::swap(first, second);
  }
  const auto tiles_of = [](const std::string& chip) {
    const std::size_t begin = chip.find("tiles: ");
    return chip.substr(begin, chip.find(", fabric: ") - begin);
  };
  return first.substr(0, first.find("tiles: ")) + "tile_groups: {a: {" + tiles_of(first) +
         "}, b: {" + tiles_of(second) + "}}" + first.substr(first.find(", fabric: "));
}

std::string free_chip(const std::string& pe, int tiles, int pes_per_tile) {
  return fmt::format(
      "{{name: free, clock: 1 GHz, tiles: {}, tile: {{pes: {}, pe: {}, input_registers: 4, "
      "output_slots: 64, bus: {{width: 0}}, "
      "buffer: {{unbounded: true, bank_width: 0}}, vector_unit: {{lanes: 0}}}}, fabric: "
      "{{topology: ideal, ideal_latency: 0}}, "
      "io: {{width: 0}}}}",
      tiles,
      pes_per_tile,
      pe);
}

Network random_network(Rng& rng) {
  const auto size = static_cast<int>(rng.uniform(4, 9));
  Builder b("random",
            {size, static_cast<int>(rng.uniform(4, 9)), static_cast<int>(rng.uniform(1, 4))});
  LayerId x = b.last();
  const auto layers = rng.uniform(1, 5);
  for (int i = 0; i < layers; ++i) {
    const Shape in = b.shape(x);
    const std::string name = fmt::format("l{}", i);
    switch (rng.uniform(0, 6)) {
      case 0:
      case 1: {
        ConvOptions options;
        options.kernel = static_cast<int>(rng.uniform(1, 3));
        options.padding = static_cast<int>(rng.uniform(0, options.kernel / 2));
        options.stride = static_cast<int>(rng.uniform(1, 2));
        if (in.height + 2 * options.padding < options.kernel ||
            in.width + 2 * options.padding < options.kernel) {
          break;
        }
        options.channels = static_cast<int>(rng.uniform(1, 12));
        options.activation = rng.chance(0.7) ? Activation::relu : Activation::none;
        if (rng.chance(0.2)) {
          options.groups = in.channels;
          options.channels = in.channels * static_cast<int>(rng.uniform(1, 2));
        }
        x = b.conv(name, x, options);
        break;
      }
      case 2: {  // residual
        const LayerId a = b.conv(
            name + ".a",
            x,
            {.channels = in.channels, .kernel = 3, .padding = 1, .activation = Activation::relu});
        const LayerId c = b.conv(name + ".b", a, {.channels = in.channels, .kernel = 1});
        x = b.add(name, c, x, Activation::relu);
        break;
      }
      case 3: {  // two branches of different depth, concatenated
        const LayerId a =
            b.conv(name + ".a",
                   x,
                   {.channels = 3, .kernel = 3, .padding = 1, .activation = Activation::relu});
        const LayerId c =
            b.conv(name + ".b", x, {.channels = 2, .kernel = 1, .activation = Activation::relu});
        const LayerId d =
            b.conv(name + ".c",
                   c,
                   {.channels = 2, .kernel = 3, .padding = 1, .activation = Activation::relu});
        x = b.concat(name, {a, d});
        break;
      }
      case 4:
        if (in.height >= 2 && in.width >= 2) {
          x = rng.chance(0.5) ? b.max_pool(name, x, {})
                              : b.avg_pool(name, x, {.kernel = 2, .stride = 1});
        }
        break;
      case 5:
        x = rng.chance(0.5) ? b.class_token(name + ".token", x) : x;
        x = b.position_embedding(name, x);
        break;
      default:
        x = b.activation(name, x, rng.chance(0.5) ? Activation::relu : Activation::gelu);
        break;
    }
  }
  if (rng.chance(0.5)) {
    x = b.flatten("flatten", x);
  }
  b.fc("head", x, static_cast<int>(rng.uniform(2, 20)));
  return b.build();
}

namespace {

Case random_case(std::uint64_t seed,
                 std::int64_t most_replicas,
                 const std::function<std::string(std::string)>& edit,
                 bool mixed) {
  std::string why;
  for (std::uint64_t attempt = 0; attempt < 50; ++attempt) {
    Rng rng(seed * 1000 + attempt, "engine contract");
    CaseSpec spec;
    spec.network = random_network(rng);
    const bool ap = seed % 6 == 1 && !edit && !mixed;
    spec.chip = mixed ? random_mixed_chip(rng)
                      : random_chip(rng,
                                    ap                       ? "rtm_ap"
                                    : seed % 4 == 0 && !edit ? "lut"
                                                             : "crossbar");
    spec.seed = seed;
    if (edit) {
      spec.chip = edit(spec.chip);
    }
    spec.granularity = static_cast<Granularity>(rng.uniform(0, 2));
    spec.images = rng.uniform(1, 3);
    Rng blocks(seed * 1000 + attempt, "blocks");
    spec.block = seed % 3 == 0 && !ap ? static_cast<int>(blocks.uniform(2, 12)) : 1;
    for (const Layer& layer : spec.network.layers) {
      if (layer.is_matrix()) {
        const auto limit = std::min<std::int64_t>(most_replicas, layer.out.positions());
        const auto w_bits = static_cast<int>(rng.uniform(1, 10));
        const auto a_bits = static_cast<int>(rng.uniform(1, 10));
        spec.layers.push_back({ap ? 2 + w_bits / 8 : w_bits,
                               a_bits,
                               spec.granularity == Granularity::serial
                                   ? 1
                                   : static_cast<int>(rng.uniform(1, limit))});
        if (mixed && rng.chance(0.8)) {
          spec.layers.back().group = rng.chance(0.5) ? "a" : "b";
        }
      }
    }
    spec.edit = [&rng](Network& network) {
      for (Layer& layer : network.layers) {
        if (layer.kind == LayerKind::conv) {
          const Layer& input = network.layer(layer.inputs[0]);
          layer.pad_value = static_cast<int>(rng.uniform(
              0, std::min<std::int64_t>(7, max_value(input.out_bits, input.out_signed))));
        } else if (layer.kind == LayerKind::add) {
          layer.b_multiplier *= static_cast<int>(rng.uniform(1, 3));
        }
      }
    };
    try {
      return make_case(spec);
    } catch (const InputError& e) {
      why = e.diagnostics().render();
    }
  }
  throw std::runtime_error("no case fits: " + why);
}

}  // namespace

Case random_case(std::uint64_t seed,
                 std::int64_t most_replicas,
                 const std::function<std::string(std::string)>& edit) {
  return random_case(seed, most_replicas, edit, false);
}

Case random_mixed_case(std::uint64_t seed,
                       std::int64_t most_replicas,
                       const std::function<std::string(std::string)>& edit) {
  return random_case(seed, most_replicas, edit, true);
}

RunStats simulate(const Case& c, const RunOptions& options) {
  return engine::simulate(c.program, c.network, c.chip, options);
}

std::string summary(const RunStats& stats) {
  std::string text = fmt::format("end {} firings {}\n", stats.end.value, stats.pe_firings);
  for (std::size_t i = 0; i < stats.image_in.size(); ++i) {
    text += fmt::format(
        "image {} in {} out {}\n", i, stats.image_in[i].value, stats.image_out[i].value);
  }
  for (std::size_t i = 0; i < stats.parts.size(); ++i) {
    const PartStats& p = stats.parts[i];
    text += fmt::format("part {} firings {} writes {} work {} first {} last {} waits",
                        i,
                        p.firings,
                        p.writes,
                        p.work.value,
                        p.first_start.value,
                        p.last_end.value);
    for (const Cycles wait : p.waits) {
      text += fmt::format(" {}", wait.value);
    }
    text += "\n";
  }
  for (std::size_t i = 0; i < stats.stages.size(); ++i) {
    const StageStats& s = stats.stages[i];
    text += fmt::format("stage {} out {} messages {} start {} end {}\n",
                        i,
                        s.positions_out,
                        s.messages,
                        s.image_start.front().value,
                        s.image_end.back().value);
  }
  for (std::size_t i = 0; i < stats.endpoints.size(); ++i) {
    const EndpointStats& e = stats.endpoints[i];
    text += fmt::format("endpoint {} {} {} {} {} {} {} {} {} {}\n",
                        i,
                        e.bus_busy.value,
                        e.vector_busy.value,
                        e.bus_bits,
                        e.buffer_read_bits,
                        e.buffer_write_bits,
                        e.vector_ops,
                        fmt::join(e.vector_did, " "),
                        e.io_bits,
                        e.memory_bits);
  }
  for (std::size_t i = 0; i < stats.ports.size(); ++i) {
    text +=
        fmt::format("port {} arrived {} peak {}\n", i, stats.ports[i].arrived, stats.ports[i].peak);
  }
  text += fmt::format("fabric {} {} {} {}\n",
                      stats.fabric.flits_injected,
                      stats.fabric.flits_ejected,
                      stats.fabric.flit_hops,
                      stats.fabric.flits_in_flight);
  text += fmt::format("digest {:016x}\n", stats.output_digest);
  return text;
}

std::string simulate_in_child(const Case& c, const RunOptions& options) {
  return in_child([&] { return summary(simulate(c, options)); });
}

std::uint64_t test_seed() {
  const char* text = std::getenv("TESSERA_SEED");
  return text == nullptr ? 1 : std::strtoull(text, nullptr, 10);
}

}  // namespace tessera::test
