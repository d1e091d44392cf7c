// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "workloads/model_file.hpp"

#include "workloads/data/npy.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <set>
#include <span>
#include <utility>

namespace tessera {

namespace {

using data::Array;
using Dims = std::vector<std::int64_t>;

constexpr std::string_view kMeta = "meta/";

data::Array number_array(double value) {
  Array a{{}, data::DType::f8, std::vector<std::byte>(sizeof value)};
  std::memcpy(a.bytes.data(), &value, sizeof value);
  return a;
}

/// The one number of an array; floats of 64 bits keep theirs.
std::optional<double> number(const Array& a) {
  if (a.count() != 1) {
    return std::nullopt;
  }
  if (a.type == data::DType::f8) {
    double value = 0.0;
    std::memcpy(&value, a.bytes.data(), sizeof value);
    return value;
  }
  return static_cast<double>(data::as_floats(a).front());
}

std::string text(const Dims& shape) {
  return shape.empty() ? "one number" : fmt::format("{}", fmt::join(shape, "x"));
}

/// Shape of the weights of a layer; empty without any.
Dims weight_shape(const Network& network, LayerId id) {
  if (!network.layer(id).is_matrix() || network.layer(id).has_dynamic_weights()) {
    return {};
  }
  const MatrixShape m = matrix_shape(network, id);
  return {m.groups, m.cols, m.rows};
}

constexpr std::size_t kMostEntries = 256;  ///< of a codebook

/// The first of `values` that is not finite.
std::optional<std::string> bad_value(const std::string& name, std::span<const float> values) {
  const auto bad = static_cast<std::size_t>(
      std::find_if(values.begin(), values.end(), [](float v) { return !std::isfinite(v); }) -
      values.begin());
  return bad < values.size() ? std::optional(fmt::format("'{}'[{}] is {}", name, bad, values[bad]))
                             : std::nullopt;
}

class Reader {
 public:
  Reader(const Network& network, data::Arrays arrays)
      : network_(network), arrays_(std::move(arrays)) {
    file_.parameters.resize(network.layers.size());
    file_.scales.resize(network.layers.size());
  }

  ModelFile read() {
    for (LayerId id = 0; id <= network_.output(); ++id) {
      layer(id);
    }
    for (const auto& [name, array] : arrays_) {
      if (name.compare(0, kMeta.size(), kMeta) == 0) {
        if (const auto value = number(array)) {
          file_.meta[name.substr(kMeta.size())] = *value;
        }
      } else if (!known_.contains(name)) {
        others_.push_back(fmt::format("'{}' ({}) has no counterpart", name, text(array.shape)));
      }
    }
    return std::move(file_);
  }

  [[nodiscard]] const std::vector<std::string>& mismatches() const { return others_; }

  [[nodiscard]] const std::vector<std::string>& bad_values() const { return bad_; }

 private:
  const Array* find(const std::string& name) {
    const auto found = arrays_.find(name);
    if (found == arrays_.end()) {
      return nullptr;
    }
    known_.insert(name);
    return &found->second;
  }

  std::vector<float> floats(const std::string& name, const Array& array) {
    std::vector<float> values = data::as_floats(array);
    if (std::optional<std::string> bad = bad_value(name, values)) {
      bad_.push_back(std::move(*bad));
    }
    return values;
  }

  /// The array `name` of shape `want`; without it, an entry among the mismatches when required.
  std::vector<float> shaped(const std::string& name, const Dims& want, bool required) {
    const Array* array = find(name);
    if (array == nullptr) {
      if (required) {
        others_.push_back(fmt::format("'{}' ({}) is missing", name, text(want)));
      }
      return {};
    }
    if (array->shape != want) {
      others_.push_back(fmt::format("'{}' is {} and not {}", name, text(array->shape), text(want)));
      return {};
    }
    return floats(name, *array);
  }

  std::vector<float> codebook(const std::string& name) {
    const Array* array = find(name);
    if (array == nullptr) {
      return {};
    }
    std::vector<float> entries = floats(name, *array);
    if (entries.size() > kMostEntries) {
      others_.push_back(fmt::format(
          "'{}' has {} entries and not at most {}", name, entries.size(), kMostEntries));
    }
    std::sort(entries.begin(), entries.end());
    return entries;
  }

  std::optional<double> scalar(const std::string& name, double low, double high) {
    const Array* array = find(name);
    if (array == nullptr) {
      return std::nullopt;
    }
    const std::optional<double> value = number(*array);
    if (!value) {
      others_.push_back(fmt::format("'{}' is {} and not one number", name, text(array->shape)));
    } else if (!(*value >= low && *value <= high)) {
      bad_.push_back(fmt::format("'{}' is {}", name, *value));
      return std::nullopt;
    }
    return value;
  }

  void layer(LayerId id) {
    const auto index = static_cast<std::size_t>(id);
    const std::string& name = network_.layer(id).name;
    FloatParameters& p = file_.parameters[index];
    const Dims shape = weight_shape(network_, id);
    if (!shape.empty()) {
      p.weights = shaped(name + "/weights", shape, true);
      p.bias = shaped(name + "/bias", {shape[0] * shape[1]}, network_.layer(id).has_bias);
      p.codebook = codebook(name + "/codebook");
      if (const Array* steps = find(name + "/steps")) {
        p.steps = steps->count() == 1 ? floats(name + "/steps", *steps)
                                      : shaped(name + "/steps", {shape[0] * shape[1]}, true);
        if (std::any_of(p.steps.begin(), p.steps.end(), [](float v) { return v <= 0.0F; })) {
          bad_.push_back(fmt::format("'{}/steps' has one that is not positive", name));
        }
        p.step_bits = static_cast<int>(scalar(name + "/step_bits", 1, 16).value_or(0.0));
      }
    }
    p.output_codebook = codebook(name + "/output_codebook");
    if (const Layer& own = network_.layer(id); own.has_embedding()) {
      p.embedding = shaped(name + "/embedding", {own.embedded_positions(), own.out.channels}, true);
    }
    constexpr double kSmallest = 1e-60;
    constexpr double kLargest = 1e60;
    if (network_.layer(id).kind == LayerKind::softmax) {
      p.factor =
          static_cast<float>(scalar(name + "/factor", 1e-30, 1e30).value_or(double{p.factor}));
    }
    if (network_.layer(id).kind == LayerKind::layer_norm) {
      p.epsilon =
          static_cast<float>(scalar(name + "/epsilon", 0.0, 1e30).value_or(double{p.epsilon}));
    }
    const std::optional<double> scale = scalar(name + "/scale", kSmallest, kLargest);
    const std::optional<double> zero = scalar(name + "/zero", -0x1p32, 0x1p32);
    const std::optional<double> bits = scalar(name + "/bits", 1, 32);
    if (scale) {
      GivenScale given;
      given.scale = {*scale, std::llround(zero.value_or(0.0))};
      given.bits = static_cast<int>(bits.value_or(0.0));
      file_.scales[index] = given;
    }
  }

  const Network& network_;
  data::Arrays arrays_;
  ModelFile file_;
  std::set<std::string> known_;
  std::vector<std::string> others_;
  std::vector<std::string> bad_;
};

}  // namespace

std::optional<ModelFile> read_model_file(const std::string& path,
                                         const Network& network,
                                         const Position& wanted_at,
                                         Diagnostics& diagnostics) {
  const std::size_t before = diagnostics.errors().size();
  data::Arrays arrays = data::read_npz(path, wanted_at, diagnostics);
  if (diagnostics.errors().size() != before) {
    return std::nullopt;
  }
  Reader reader(network, std::move(arrays));
  ModelFile file = reader.read();
  const auto report = [&](const char* code,
                          const std::string& sentence,
                          const char* expected,
                          const std::vector<std::string>& items,
                          const char* hint) {
    if (!items.empty()) {
      Diagnostic d;
      d.code = code;
      d.sentence = sentence;
      d.at = wanted_at;
      d.path = "network.parameters";
      d.expected = expected;
      d.got = fmt::format("{} wrong {}", items.size(), items.size() == 1 ? "entry" : "entries");
      d.hint = hint;
      d.items = items;
      diagnostics.error(std::move(d));
    }
  };
  report("E-PARAM-NETWORK",
         fmt::format("'{}' holds parameters of another network than '{}'", path, network.name),
         "the weights and biases of every layer, and nothing else",
         reader.mismatches(),
         "give the file that was made from this network");
  report("E-PARAM-VALUE",
         fmt::format("'{}' holds numbers that no network can have", path),
         "finite weights and biases; positive scales",
         reader.bad_values(),
         "");
  return diagnostics.errors().size() == before ? std::optional<ModelFile>(std::move(file))
                                               : std::nullopt;
}

std::vector<std::string> bad_values(const FloatModel& model) {
  std::vector<std::string> bad;
  for (std::size_t id = 0; id < model.parameters.size(); ++id) {
    const std::string& name = model.network.layers[id].name;
    const FloatParameters& p = model.parameters[id];
    for (const auto& [what, values] : {std::pair("/weights", &p.weights),
                                       std::pair("/bias", &p.bias),
                                       std::pair("/embedding", &p.embedding)}) {
      if (std::optional<std::string> one = bad_value(name + what, *values)) {
        bad.push_back(std::move(*one));
      }
    }
  }
  return bad;
}

std::string model_file_bytes(const Network& network, const ModelFile& content) {
  data::Arrays arrays;
  for (LayerId id = 0; id <= network.output(); ++id) {
    const auto index = static_cast<std::size_t>(id);
    const std::string& name = network.layer(id).name;
    const FloatParameters& p = content.parameters[index];
    const Dims shape = weight_shape(network, id);
    if (!shape.empty()) {
      arrays[name + "/weights"] = data::make_array(shape, p.weights);
      if (!p.bias.empty()) {
        arrays[name + "/bias"] = data::make_array({shape[0] * shape[1]}, p.bias);
      }
      if (!p.codebook.empty()) {
        arrays[name + "/codebook"] =
            data::make_array({std::ssize(p.codebook)}, std::span<const float>(p.codebook));
      }
      if (!p.steps.empty()) {
        const std::int64_t bits = p.step_bits;
        arrays[name + "/steps"] =
            data::make_array({std::ssize(p.steps)}, std::span<const float>(p.steps));
        arrays[name + "/step_bits"] = data::make_array({}, std::span(&bits, 1));
      }
    }
    if (!p.output_codebook.empty()) {
      arrays[name + "/output_codebook"] = data::make_array(
          {std::ssize(p.output_codebook)}, std::span<const float>(p.output_codebook));
    }
    if (const Layer& own = network.layer(id); own.has_embedding()) {
      arrays[name + "/embedding"] =
          data::make_array({own.embedded_positions(), own.out.channels}, p.embedding);
    }
    if (network.layer(id).kind == LayerKind::softmax) {
      arrays[name + "/factor"] = data::make_array({}, std::span(&p.factor, 1));
    }
    if (network.layer(id).kind == LayerKind::layer_norm) {
      arrays[name + "/epsilon"] = data::make_array({}, std::span(&p.epsilon, 1));
    }
    if (index < content.scales.size() && content.scales[index]) {
      const GivenScale& given = *content.scales[index];
      const std::int64_t bits = given.bits;
      arrays[name + "/scale"] = number_array(given.scale.scale);
      arrays[name + "/zero"] = data::make_array({}, std::span(&given.scale.zero, 1));
      if (bits > 0) {
        arrays[name + "/bits"] = data::make_array({}, std::span(&bits, 1));
      }
    }
  }
  for (const auto& [name, value] : content.meta) {
    arrays[std::string(kMeta) + name] = number_array(value);
  }
  return data::write_npz(arrays);
}

std::vector<LayerBits> widths_in(const ModelFile& file, const Network& network) {
  const auto width = [&](const std::string& name) {
    const auto found = file.meta.find(name);
    const bool good = found != file.meta.end() && found->second >= 1 && found->second <= 16;
    return good ? static_cast<int>(found->second) : 0;
  };
  std::vector<LayerBits> bits;
  for (const LayerId id : matrix_layers(network)) {
    const std::string& name = network.layer(id).name;
    bits.push_back({width("w_bits." + name), width("a_bits." + name)});
    if (bits.back().w_bits == 0 || bits.back().a_bits == 0) {
      return {};
    }
  }
  return bits;
}

void note_widths(ModelFile& file, const Network& network, const std::vector<LayerBits>& bits) {
  const std::vector<LayerId> ids = matrix_layers(network);
  for (std::size_t k = 0; k < ids.size(); ++k) {
    const std::string& name = network.layer(ids[k]).name;
    file.meta["w_bits." + name] = bits[k].w_bits;
    file.meta["a_bits." + name] = bits[k].a_bits;
  }
}

}  // namespace tessera
