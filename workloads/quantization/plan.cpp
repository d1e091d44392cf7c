// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Formats and the rules of scales: the part of integer_model.hpp that looks at no numbers.
#include "sim/base/diagnostics.hpp"
#include "workloads/quantization/integer_model.hpp"
#include "workloads/scalar_ops.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace tessera {

namespace {

double largest(int bits, bool is_signed) {
  return static_cast<double>(std::max<std::int64_t>(1, max_value(bits, is_signed)));
}

bool is_weighted(const Layer& layer) {
  return layer.is_matrix() && !layer.has_dynamic_weights();
}

/// The layer clamps what it computes, and so may choose among fewer integers.
bool may_have_codebook(LayerKind kind) {
  return kind != LayerKind::concat && kind != LayerKind::class_token &&
         kind != LayerKind::layer_norm && kind != LayerKind::softmax;
}

/// The scale that the format of a layer's output says.
std::optional<double> fixed_scale(const Layer& layer) {
  if (layer.kind == LayerKind::softmax) {
    return 1.0 / largest(layer.out_bits, false);
  }
  if (layer.kind == LayerKind::layer_norm) {
    return std::ldexp(1.0, 3 - layer.out_bits);
  }
  switch (layer.activation) {
    case Activation::relu6:
      return 6.0 / largest(layer.out_bits, false);
    case Activation::gelu:
      return std::ldexp(1.0, -activation_fraction(layer.activation, layer.out_bits));
    case Activation::sigmoid:
      return 1.0 / largest(layer.out_bits, false);
    case Activation::tanh:
      return 1.0 / largest(layer.out_bits, true);
    case Activation::none:
    case Activation::relu:
      break;
  }
  return std::nullopt;
}

bool is_power_of_two(double x) {
  const double exponent = std::log2(x);
  return std::abs(exponent - std::round(exponent)) < 1e-6;
}

class Planner {
 public:
  Planner(const FloatModel& model, const QuantizationSpec& spec) : model_(model), spec_(spec) {
    plan_.network = model.network;
  }

  IntegerPlan run(const std::vector<LayerBits>& bits, bool input_signed) {
    plan_.network.layers[0].out_signed = input_signed;
    set_widths(plan_.network, bits);
    plan_.rules.resize(plan_.network.layers.size());
    if (spec_.asymmetric) {
      find_asymmetric();
    }
    for (LayerId id = 0; id <= plan_.network.output(); ++id) {
      set_owner(id);
    }
    for (LayerId id = 0; id <= plan_.network.output(); ++id) {
      rule(id).owner = root(id);
    }
    for (LayerId id = 1; id <= plan_.network.output(); ++id) {
      if (plan_.network.layer(id).kind == LayerKind::softmax) {
        set_softmax(id);
      }
    }
    declare_codebooks();
    return std::move(plan_);
  }

 private:
  TensorRule& rule(LayerId id) { return plan_.rules[static_cast<std::size_t>(id)]; }

  Layer& at(LayerId id) { return plan_.network.layers[static_cast<std::size_t>(id)]; }

  /// Tensors that only matrices with weights read, and how far those narrow them.
  void find_asymmetric() {
    const auto readers = consumers(plan_.network);
    std::vector<bool> may(plan_.network.layers.size());
    for (LayerId id = plan_.network.output(); id >= 0; --id) {
      const auto index = static_cast<std::size_t>(id);
      may[index] = !readers[index].empty();
      for (const LayerId reader : readers[index]) {
        const Layer& l = at(reader);
        if (is_weighted(l)) {
          const int narrowed = std::max(0, at(id).out_bits - l.a_bits);
          rule(id).zero_step = std::max(rule(id).zero_step, std::int64_t{1} << narrowed);
        } else if (keeps_format(l.kind)) {
          may[index] = may[index] && may[static_cast<std::size_t>(reader)];
          rule(id).zero_step = std::max(rule(id).zero_step, rule(reader).zero_step);
        } else {
          may[index] = false;
        }
      }
    }
    for (LayerId id = 0; id <= plan_.network.output(); ++id) {
      Layer& l = at(id);
      if (id > 0) {
        l.in_signed = at(l.inputs[0]).out_signed;
      }
      if (id > 0 && keeps_format(l.kind)) {
        l.out_signed = l.in_signed;
        rule(id).asymmetric = rule(l.inputs[0]).asymmetric;
      } else if (may[static_cast<std::size_t>(id)] && l.out_signed &&
                 (id == 0 || (is_weighted(l) && l.activation == Activation::none))) {
        l.out_signed = false;
        rule(id).asymmetric = true;
      }
      if (!rule(id).asymmetric) {
        rule(id).zero_step = 1;
      }
    }
  }

  /// How many codes weights and tensors have; which, quantize_model() and compose() find.
  void declare_codebooks() {
    for (LayerId id = 1; id <= plan_.network.output(); ++id) {
      if (!is_weighted(at(id))) {
        continue;
      }
      const std::size_t own = model_.parameters[static_cast<std::size_t>(id)].codebook.size();
      at(id).w_codes = static_cast<int>(own > 0 ? static_cast<std::int64_t>(own) : spec_.codebook);
      LayerId from = at(id).inputs[0];
      while (keeps_format(at(from).kind)) {
        from = at(from).inputs[0];
      }
      if (may_have_codebook(at(from).kind)) {
        at(from).out_codes = static_cast<int>(spec_.input_codebook);
      }
    }
    for (LayerId id = 1; id <= plan_.network.output(); ++id) {
      if (keeps_format(at(id).kind)) {
        at(id).out_codes = at(at(id).inputs[0]).out_codes;
      }
    }
  }

  LayerId root(LayerId id) {
    while (rule(id).owner != id) {
      id = rule(id).owner;
    }
    return id;
  }

  [[nodiscard]] double full_scale(LayerId id) {
    const Layer& l = at(id);
    return std::ldexp(*rule(id).fixed, l.out_bits - (l.out_signed ? 1 : 0));
  }

  /// `a` and `b` get one full scale, because of concat `why`.
  void join(LayerId a, LayerId b, LayerId why) {
    LayerId first = root(a);
    LayerId second = root(b);
    if (first == second) {
      return;
    }
    if (rule(first).fixed && rule(second).fixed) {
      // One step of the coarser operand at full scale is as near as integers come.
      const double ratio = full_scale(first) / full_scale(second);
      const int bits = std::min(at(first).out_bits, at(second).out_bits);
      if (std::abs(ratio - 1.0) > 1.5 * std::ldexp(1.0, -bits)) {
        plan_.problems.push_back(
            fmt::format("concat '{}' joins '{}' and '{}', whose activations fix different scales",
                        at(why).name,
                        at(a).name,
                        at(b).name));
      }
    }
    if (rule(second).fixed && !rule(first).fixed) {
      std::swap(first, second);
    }
    rule(second).owner = first;
  }

  void set_owner(LayerId id) {
    const Layer& l = at(id);
    rule(id).owner = id;
    rule(id).is_raw = gives_sums(plan_.network, id);
    if (keeps_format(l.kind) || l.kind == LayerKind::class_token) {
      rule(id).owner = root(l.inputs[0]);
    } else if (l.kind == LayerKind::concat) {
      for (const LayerId operand : l.inputs) {
        join(operand, l.inputs[0], id);
      }
      rule(id).owner = root(l.inputs[0]);
    } else if (id > 0 && !rule(id).is_raw) {
      rule(id).fixed = fixed_scale(l);
    }
  }

  void set_softmax(LayerId id) {
    const LayerId from = at(id).inputs[0];
    TensorRule& owner = rule(rule(from).owner);
    const double factor =
        static_cast<double>(model_.parameters[static_cast<std::size_t>(id)].factor);
    const bool fits = factor > 0.0 && (owner.fixed          ? is_power_of_two(*owner.fixed * factor)
                                       : owner.factor > 0.0 ? is_power_of_two(owner.factor / factor)
                                                            : true);
    if (!fits) {
      plan_.problems.push_back(
          fmt::format("softmax '{}' reads '{}', whose scale cannot be a power of two times 1 / {}",
                      at(id).name,
                      at(from).name,
                      factor));
    } else if (!owner.fixed) {
      owner.factor = factor;
    }
  }

  const FloatModel& model_;
  const QuantizationSpec& spec_;
  IntegerPlan plan_;
};

/// A given scale at the width and zero points that the tensor has.
TensorScale adapted(const GivenScale& given, const Layer& layer, const TensorRule& rule) {
  TensorScale s = given.scale;
  if (given.bits > 0) {
    s.scale = std::ldexp(s.scale, given.bits - layer.out_bits);
    s.zero = round_shift(s.zero, given.bits - layer.out_bits);
  }
  const std::int64_t steps =
      round_away(static_cast<double>(s.zero) / static_cast<double>(rule.zero_step));
  const std::int64_t top = max_value(layer.out_bits, false) / rule.zero_step;
  s.zero = std::clamp<std::int64_t>(steps, 0, top) * rule.zero_step;
  return s;
}

}  // namespace

IntegerPlan plan_integers(const FloatModel& model,
                          const std::vector<LayerBits>& bits,
                          const QuantizationSpec& spec,
                          bool input_signed) {
  return Planner(model, spec).run(bits, input_signed);
}

std::vector<TensorScale> choose_scales(const IntegerPlan& plan,
                                       const Calibration& calibration,
                                       const QuantizationSpec& spec,
                                       const std::vector<std::optional<GivenScale>>& given) {
  const std::vector<Layer>& layers = plan.network.layers;
  const auto magnitude = [&](std::size_t id) {
    return layers[id].out_bits - (layers[id].out_signed ? 1 : 0);
  };
  // Full scales of the owners; concat operands and class tokens raise them.
  std::vector<TensorScale> scales(layers.size());
  std::vector<double> full(layers.size(), 0.0);
  for (std::size_t id = 0; id < layers.size(); ++id) {
    const Layer& layer = layers[id];
    const TensorRule& rule = plan.rules[id];
    const auto owner = static_cast<std::size_t>(rule.owner);
    const TensorRule& owners = plan.rules[owner];
    const bool is_given = owner < given.size() && given[owner] &&
                          (given[owner]->scale.zero == 0 || owners.asymmetric);
    if (owners.fixed || owners.is_raw || is_given || keeps_format(layer.kind) ||
        layer.kind == LayerKind::concat) {
      continue;
    }
    const IntegerFormat format = rule.asymmetric    ? IntegerFormat::asymmetric
                                 : layer.out_signed ? IntegerFormat::is_signed
                                                    : IntegerFormat::is_unsigned;
    const TensorScale s =
        scale_of(choose_range(calibration.tensors[id], layer.out_bits, format, spec),
                 layer.out_bits,
                 format,
                 rule.zero_step);
    full[owner] = std::max(full[owner], std::ldexp(s.scale, magnitude(id)));
    scales[owner].zero = s.zero;  // an asymmetric tensor shares with nobody who could raise it
  }
  for (std::size_t id = 0; id < layers.size(); ++id) {
    const TensorRule& rule = plan.rules[id];
    if (static_cast<std::size_t>(rule.owner) != id || rule.is_raw) {
      continue;
    }
    if (rule.fixed) {
      scales[id].scale = *rule.fixed;
    } else if (full[id] > 0.0) {
      scales[id].scale = std::ldexp(full[id], -magnitude(id));
    } else {
      scales[id] = adapted(*given[id], layers[id], rule);
    }
    if (rule.factor > 0.0) {
      int exponent = 0;
      const double fraction = std::frexp(scales[id].scale * rule.factor, &exponent);
      scales[id].scale = std::ldexp(1.0, fraction == 0.5 ? exponent - 1 : exponent) / rule.factor;
    }
    full[id] = std::ldexp(scales[id].scale, magnitude(id));
  }
  for (std::size_t id = 0; id < layers.size(); ++id) {
    const auto owner = static_cast<std::size_t>(plan.rules[id].owner);
    if (owner != id) {
      scales[id] = {std::ldexp(full[owner], -magnitude(id)),
                    plan.rules[id].asymmetric ? scales[owner].zero : 0};
    }
  }
  return scales;
}

}  // namespace tessera
