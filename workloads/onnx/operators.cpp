// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "workloads/onnx/operators.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <numeric>
#include <utility>

namespace tessera::onnx {

namespace {

std::size_t index_of(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

template <class T>
T attribute(const Node& node, const std::string& name, const T& otherwise) {
  const auto found = node.attributes.find(name);
  if (found == node.attributes.end()) {
    return otherwise;
  }
  const T* value = std::get_if<T>(&found->second);
  if (value == nullptr) {
    throw NodeError(fmt::format("attribute '{}' has the wrong type", name));
  }
  return *value;
}

/// One evaluation: what an operator reads and where it writes.
struct Call {
  const Node& node;
  int opset;
  const std::vector<const Tensor*>& inputs;
  bool with_values;
  std::vector<Tensor> out;

  [[nodiscard]] bool has(std::size_t k) const { return k < inputs.size() && inputs[k] != nullptr; }

  [[nodiscard]] const Tensor& in(std::size_t k) const {
    if (!has(k)) {
      throw NodeError(fmt::format("input {} is missing", k + 1));
    }
    return *inputs[k];
  }

  [[nodiscard]] const Tensor& floats(std::size_t k) const {
    if (in(k).type.is_integer) {
      throw NodeError(fmt::format("input {} is an integer tensor, floats are expected", k + 1));
    }
    return in(k);
  }

  /// Input k as numbers that shape the result: must be constant.
  [[nodiscard]] const std::vector<std::int64_t>& constant_ints(std::size_t k) const {
    if (!in(k).type.is_integer || !in(k).has_values) {
      throw NodeError(fmt::format("input {} must be a constant integer tensor", k + 1));
    }
    return in(k).ints;
  }

  [[nodiscard]] std::int64_t number(const std::string& name, std::int64_t otherwise) const {
    return int_attribute(node, name, otherwise);
  }

  /// A list that was an attribute before `opset_of_input` and is input k since.
  [[nodiscard]] std::vector<std::int64_t> list(const std::string& name, std::size_t k) const {
    return has(k) ? constant_ints(k) : ints_attribute(node, name, {});
  }

  /// Adds a result of this shape; true when its values are asked for.
  bool result(Dims dims, ElementType type = {}) {
    Tensor t;
    t.dims = std::move(dims);
    t.type = type;
    const std::size_t size = index_of(t.elements());
    if (with_values) {
      t.has_values = true;
      if (type.is_integer) {
        t.ints.assign(size, 0);
      } else {
        t.floats.assign(size, 0.0F);
      }
    }
    out.push_back(std::move(t));
    return with_values;
  }
};

/// Elements from one index of an axis to the next.
Dims strides_of(const Dims& dims) {
  Dims strides(dims.size(), 1);
  for (std::size_t k = dims.size(); k > 1; --k) {
    strides[k - 2] = strides[k - 1] * dims[k - 1];
  }
  return strides;
}

/// Calls use(n, index) for every element n of a tensor in row-major order.
template <class F>
void for_each_index(const Dims& dims, const F& use) {
  Dims index(dims.size(), 0);
  const std::int64_t size = elements_of(dims);
  for (std::int64_t n = 0; n < size; ++n) {
    use(n, index);
    for (std::size_t k = dims.size(); k > 0; --k) {
      if (++index[k - 1] < dims[k - 1]) {
        break;
      }
      index[k - 1] = 0;
    }
  }
}

void copy_element(const Tensor& from, std::int64_t at, Tensor& to, std::int64_t n) {
  if (to.type.is_integer) {
    to.ints[index_of(n)] = from.ints[index_of(at)];
  } else {
    to.floats[index_of(n)] = from.floats[index_of(at)];
  }
}

/// The result, each element read from the input at start + sum of index * stride.
void gather_strided(const Tensor& from, std::int64_t start, const Dims& strides, Tensor& to) {
  for_each_index(to.dims, [&](std::int64_t n, const Dims& index) {
    copy_element(
        from, std::inner_product(index.begin(), index.end(), strides.begin(), start), to, n);
  });
}

// ---- one element at a time ----------------------------------------------------------------------

Dims broadcast(const Dims& a, const Dims& b) {
  Dims out(std::max(a.size(), b.size()), 1);
  for (std::size_t k = 0; k < out.size(); ++k) {
    const std::int64_t x = k < a.size() ? a[a.size() - 1 - k] : 1;
    const std::int64_t y = k < b.size() ? b[b.size() - 1 - k] : 1;
    if (x != y && x != 1 && y != 1) {
      throw NodeError(fmt::format("shapes {} and {} do not fit", text_of(a), text_of(b)));
    }
    out[out.size() - 1 - k] = x == 1 ? y : x;
  }
  return out;
}

/// Strides of `dims` seen as `out`, 0 along axes that repeat.
Dims broadcast_strides(const Dims& dims, const Dims& out) {
  const Dims own = strides_of(dims);
  Dims strides(out.size(), 0);
  for (std::size_t k = 0; k < dims.size(); ++k) {
    strides[out.size() - dims.size() + k] = dims[k] == 1 ? 0 : own[k];
  }
  return strides;
}

template <class F>
void unary(Call& c, const F& f) {
  const Tensor& x = c.floats(0);
  if (c.result(x.dims)) {
    std::transform(x.floats.begin(), x.floats.end(), c.out[0].floats.begin(), [&](float v) {
      return static_cast<float>(f(static_cast<double>(v)));
    });
  }
}

/// `f` for floats (double), `g` for integers.
template <class F, class G>
void binary(Call& c, bool gives_bool, const F& f, const G& g) {
  const Tensor& a = c.in(0);
  const Tensor& b = c.in(1);
  if (a.type.is_integer != b.type.is_integer) {
    throw NodeError("one input is an integer tensor, the other is not");
  }
  const Dims dims = broadcast(a.dims, b.dims);
  if (!c.result(dims, gives_bool ? ElementType{true, 1, false} : a.type)) {
    return;
  }
  const Dims from_a = broadcast_strides(a.dims, dims);
  const Dims from_b = broadcast_strides(b.dims, dims);
  Tensor& y = c.out[0];
  for_each_index(dims, [&](std::int64_t n, const Dims& index) {
    const auto at = [&](const Dims& strides) {
      return index_of(
          std::inner_product(index.begin(), index.end(), strides.begin(), std::int64_t{0}));
    };
    const std::size_t i = at(from_a);
    const std::size_t j = at(from_b);
    if (a.type.is_integer) {
      y.ints[index_of(n)] = g(a.ints[i], b.ints[j]);
      return;
    }
    const double value = f(static_cast<double>(a.floats[i]), static_cast<double>(b.floats[j]));
    if (gives_bool) {
      y.ints[index_of(n)] = static_cast<std::int64_t>(value);
    } else {
      y.floats[index_of(n)] = static_cast<float>(value);
    }
  });
}

/// Integers of hostile files may overflow; wrapping around is as good an answer as any.
std::int64_t wrapped(std::uint64_t v) {
  return static_cast<std::int64_t>(v);
}

std::uint64_t bits(std::int64_t v) {
  return static_cast<std::uint64_t>(v);
}

void add(Call& c) {
  binary(
      c,
      false,
      [](double a, double b) { return a + b; },
      [](std::int64_t a, std::int64_t b) { return wrapped(bits(a) + bits(b)); });
}

void sub(Call& c) {
  binary(
      c,
      false,
      [](double a, double b) { return a - b; },
      [](std::int64_t a, std::int64_t b) { return wrapped(bits(a) - bits(b)); });
}

void mul(Call& c) {
  binary(
      c,
      false,
      [](double a, double b) { return a * b; },
      [](std::int64_t a, std::int64_t b) { return wrapped(bits(a) * bits(b)); });
}

void div(Call& c) {
  binary(
      c,
      false,
      [](double a, double b) { return a / b; },
      [](std::int64_t a, std::int64_t b) {
        if (b == 0) {
          throw NodeError("integer division by zero");
        }
        return b == -1 ? wrapped(0U - bits(a)) : a / b;
      });
}

void power(Call& c) {
  binary(
      c,
      false,
      [](double a, double b) { return std::pow(a, b); },
      [](std::int64_t, std::int64_t) -> std::int64_t {
        throw NodeError("powers of integers are not taken");
      });
}

void equal(Call& c) {
  binary(
      c,
      true,
      [](double a, double b) { return a == b ? 1.0 : 0.0; },
      [](std::int64_t a, std::int64_t b) -> std::int64_t { return a == b ? 1 : 0; });
}

void minimum(Call& c) {
  binary(
      c,
      false,
      [](double a, double b) { return std::min(a, b); },
      [](std::int64_t a, std::int64_t b) { return std::min(a, b); });
}

void maximum(Call& c) {
  binary(
      c,
      false,
      [](double a, double b) { return std::max(a, b); },
      [](std::int64_t a, std::int64_t b) { return std::max(a, b); });
}

void where(Call& c) {
  const Tensor& a = c.in(1);
  const Tensor& b = c.in(2);
  if (a.type.is_integer != b.type.is_integer || !c.in(0).type.is_integer) {
    throw NodeError("the types of the inputs do not fit");
  }
  const Dims dims = broadcast(c.in(0).dims, broadcast(a.dims, b.dims));
  if (!c.result(dims, a.type)) {
    return;
  }
  const Dims steps = broadcast_strides(c.in(0).dims, dims);
  const Dims steps_a = broadcast_strides(a.dims, dims);
  const Dims steps_b = broadcast_strides(b.dims, dims);
  for_each_index(dims, [&](std::int64_t n, const Dims& index) {
    const auto at = [&](const Dims& strides) {
      return std::inner_product(index.begin(), index.end(), strides.begin(), std::int64_t{0});
    };
    const bool first = c.in(0).ints[index_of(at(steps))] != 0;
    copy_element(first ? a : b, first ? at(steps_a) : at(steps_b), c.out[0], n);
  });
}

void clip(Call& c) {
  // Limits were attributes before opset 11.
  const auto limit = [&](std::size_t k, const char* name, double otherwise) {
    if (!c.has(k)) {
      return static_cast<double>(float_attribute(c.node, name, static_cast<float>(otherwise)));
    }
    const Tensor& t = c.in(k);
    if (t.elements() != 1) {
      throw NodeError("a limit is no scalar");
    }
    if (!t.has_values) {
      return otherwise;  // only the shape is asked for
    }
    return t.type.is_integer ? static_cast<double>(t.ints[0]) : static_cast<double>(t.floats[0]);
  };
  const double low = limit(1, "min", -std::numeric_limits<double>::infinity());
  const double high = limit(2, "max", std::numeric_limits<double>::infinity());
  const auto clipped = [&](double v) { return std::min(std::max(v, low), high); };
  const auto clipped_int = [&](std::int64_t v) {
    const double limited = clipped(static_cast<double>(v));
    if (limited == static_cast<double>(v)) {
      return v;
    }
    if (std::abs(limited) > 9e18) {
      throw NodeError("a limit is too large for an integer");
    }
    return static_cast<std::int64_t>(limited);
  };
  const Tensor& x = c.in(0);
  if (!x.type.is_integer) {
    unary(c, clipped);
  } else if (c.result(x.dims, x.type)) {
    std::transform(x.ints.begin(), x.ints.end(), c.out[0].ints.begin(), clipped_int);
  }
}

void relu(Call& c) {
  unary(c, [](double x) { return std::max(x, 0.0); });
}

void leaky_relu(Call& c) {
  const double slope = static_cast<double>(float_attribute(c.node, "alpha", 0.01F));
  unary(c, [=](double x) { return x < 0.0 ? slope * x : x; });
}

void elu(Call& c) {
  const double alpha = static_cast<double>(float_attribute(c.node, "alpha", 1.0F));
  unary(c, [=](double x) { return x < 0.0 ? alpha * std::expm1(x) : x; });
}

void sigmoid(Call& c) {
  unary(c, [](double x) { return 1.0 / (1.0 + std::exp(-x)); });
}

void tanh_of(Call& c) {
  unary(c, [](double x) { return std::tanh(x); });
}

void erf_of(Call& c) {
  unary(c, [](double x) { return std::erf(x); });
}

void exp_of(Call& c) {
  unary(c, [](double x) { return std::exp(x); });
}

void log_of(Call& c) {
  unary(c, [](double x) { return std::log(x); });
}

void sqrt_of(Call& c) {
  unary(c, [](double x) { return std::sqrt(x); });
}

void neg(Call& c) {
  unary(c, [](double x) { return -x; });
}

void abs_of(Call& c) {
  unary(c, [](double x) { return std::abs(x); });
}

void reciprocal(Call& c) {
  unary(c, [](double x) { return 1.0 / x; });
}

void gelu(Call& c) {
  unary(c, [](double x) { return 0.5 * x * (1.0 + std::erf(x / std::sqrt(2.0))); });
}

void hard_sigmoid(Call& c) {
  const double alpha = static_cast<double>(float_attribute(c.node, "alpha", 0.2F));
  const double beta = static_cast<double>(float_attribute(c.node, "beta", 0.5F));
  unary(c, [=](double x) { return std::clamp(alpha * x + beta, 0.0, 1.0); });
}

void hard_swish(Call& c) {
  unary(c, [](double x) { return x * std::clamp(x / 6.0 + 0.5, 0.0, 1.0); });
}

void identity(Call& c) {
  const Tensor& x = c.in(0);
  c.out.push_back(x);
  if (!c.with_values && !x.has_values) {
    c.out[0].has_values = false;
  }
}

void cast(Call& c) {
  // Numbers of TensorProto.DataType.
  static const std::map<std::int64_t, ElementType> kTypes = {{1, {}},
                                                             {2, {true, 8, false}},
                                                             {3, {true, 8, true}},
                                                             {4, {true, 16, false}},
                                                             {5, {true, 16, true}},
                                                             {6, {true, 32, true}},
                                                             {7, {true, 64, true}},
                                                             {9, {true, 1, false}},
                                                             {10, {}},
                                                             {11, {}},
                                                             {12, {true, 32, false}},
                                                             {13, {true, 64, false}},
                                                             {16, {}}};
  const auto found = kTypes.find(c.number("to", 1));
  if (found == kTypes.end()) {
    throw NodeError(fmt::format("casts to type {} are not taken", c.number("to", 1)));
  }
  const Tensor& x = c.in(0);
  if (!c.result(x.dims, found->second)) {
    return;
  }
  Tensor& y = c.out[0];
  for (std::size_t i = 0; i < std::max(x.ints.size(), x.floats.size()); ++i) {
    if (!y.type.is_integer) {
      y.floats[i] = x.type.is_integer ? static_cast<float>(x.ints[i]) : x.floats[i];
    } else if (y.type.bits == 1) {
      y.ints[i] = (x.type.is_integer ? x.ints[i] != 0 : x.floats[i] != 0.0F) ? 1 : 0;
    } else if (x.type.is_integer) {
      y.ints[i] = x.ints[i];
    } else if (std::abs(x.floats[i]) < 9e18F) {
      y.ints[i] = static_cast<std::int64_t>(x.floats[i]);
    } else {
      throw NodeError("a value is too large for an integer");
    }
  }
}

// ---- shapes -------------------------------------------------------------------------------------

/// The same elements in the same order.
void reshaped(Call& c, Dims dims) {
  const Tensor& x = c.in(0);
  if (elements_of(dims) != x.elements()) {
    throw NodeError(fmt::format("{} cannot become {}", text_of(x.dims), text_of(dims)));
  }
  c.out.push_back(x);
  c.out[0].dims = std::move(dims);
}

void reshape(Call& c) {
  const Tensor& x = c.in(0);
  Dims dims = c.list("shape", 1);
  const bool zero_copies = c.number("allowzero", 0) == 0;
  std::size_t free = dims.size();
  std::int64_t known = 1;
  for (std::size_t k = 0; k < dims.size(); ++k) {
    if (dims[k] == 0 && zero_copies) {
      if (k >= x.dims.size()) {
        throw NodeError("the new shape copies a dimension that does not exist");
      }
      dims[k] = x.dims[k];
    }
    if (dims[k] == -1 && free == dims.size()) {
      free = k;
    } else {
      known = elements_of({known, dims[k]});
    }
  }
  if (free < dims.size()) {
    if (known == 0 || x.elements() % known != 0) {
      throw NodeError(fmt::format("{} cannot become {}", text_of(x.dims), text_of(dims)));
    }
    dims[free] = x.elements() / known;
  }
  reshaped(c, std::move(dims));
}

void flatten(Call& c) {
  const Dims& dims = c.in(0).dims;
  const std::int64_t axis = c.number("axis", 1);
  const std::size_t split =
      axis == static_cast<std::int64_t>(dims.size()) ? dims.size() : axis_of(axis, dims.size());
  const auto middle = dims.begin() + static_cast<std::ptrdiff_t>(split);
  reshaped(c, {elements_of(Dims(dims.begin(), middle)), elements_of(Dims(middle, dims.end()))});
}

void squeeze(Call& c) {
  const Dims& dims = c.in(0).dims;
  std::vector<bool> drop(dims.size(), false);
  const std::vector<std::int64_t> axes = c.list("axes", 1);
  for (const std::int64_t axis : axes) {
    drop[axis_of(axis, dims.size())] = true;
  }
  Dims out;
  for (std::size_t k = 0; k < dims.size(); ++k) {
    if (axes.empty() ? dims[k] != 1 : !drop[k]) {
      out.push_back(dims[k]);
    }
  }
  reshaped(c, std::move(out));
}

void unsqueeze(Call& c) {
  const Dims& dims = c.in(0).dims;
  const std::vector<std::int64_t> axes = c.list("axes", 1);
  const std::size_t rank = dims.size() + axes.size();
  std::vector<bool> is_new(rank, false);
  for (const std::int64_t axis : axes) {
    is_new[axis_of(axis, rank)] = true;
  }
  if (std::count(is_new.begin(), is_new.end(), true) != static_cast<std::ptrdiff_t>(axes.size())) {
    throw NodeError("an axis is named twice");
  }
  Dims out;
  auto next = dims.begin();
  for (std::size_t k = 0; k < rank; ++k) {
    out.push_back(is_new[k] ? 1 : *next++);
  }
  reshaped(c, std::move(out));
}

void transpose(Call& c) {
  const Tensor& x = c.in(0);
  std::vector<std::int64_t> order(x.dims.size());
  for (std::size_t k = 0; k < order.size(); ++k) {
    order[k] = static_cast<std::int64_t>(order.size() - 1 - k);
  }
  order = ints_attribute(c.node, "perm", order);
  std::vector<std::int64_t> sorted = order;
  std::sort(sorted.begin(), sorted.end());
  for (std::size_t k = 0; k < sorted.size(); ++k) {
    if (order.size() != x.dims.size() || sorted[k] != static_cast<std::int64_t>(k)) {
      throw NodeError("perm is no order of the axes");
    }
  }
  const Dims own = strides_of(x.dims);
  Dims dims;
  Dims strides;
  for (const std::int64_t k : order) {
    dims.push_back(x.dims[index_of(k)]);
    strides.push_back(own[index_of(k)]);
  }
  if (c.result(std::move(dims), x.type)) {
    gather_strided(x, 0, strides, c.out[0]);
  }
}

void expand(Call& c) {
  const Tensor& x = c.in(0);
  const Dims dims = broadcast(x.dims, c.constant_ints(1));
  if (c.result(dims, x.type)) {
    gather_strided(x, 0, broadcast_strides(x.dims, dims), c.out[0]);
  }
}

void slice(Call& c) {
  const Tensor& x = c.in(0);
  const std::vector<std::int64_t> starts = c.list("starts", 1);
  const std::vector<std::int64_t> ends = c.list("ends", 2);
  std::vector<std::int64_t> axes = c.list("axes", 3);
  std::vector<std::int64_t> steps = c.list("steps", 4);
  for (std::size_t k = axes.size(); k < starts.size(); ++k) {
    axes.push_back(static_cast<std::int64_t>(k));
  }
  steps.resize(std::max(steps.size(), starts.size()), 1);
  if (ends.size() != starts.size() || axes.size() != starts.size()) {
    throw NodeError("starts, ends and axes have different lengths");
  }
  Dims dims = x.dims;
  Dims strides = strides_of(x.dims);
  const Dims own = strides;
  std::vector<bool> is_cut(dims.size(), false);
  std::int64_t start = 0;
  for (std::size_t k = 0; k < starts.size(); ++k) {
    const std::size_t axis = axis_of(axes[k], dims.size());
    const std::int64_t size = x.dims[axis];
    const std::int64_t step = steps[k];
    if (is_cut[axis]) {
      throw NodeError(fmt::format("axis {} is named twice", axis));
    }
    is_cut[axis] = true;
    if (size == 0) {
      continue;
    }
    if (step == 0 || std::abs(step) > kMaxTensor) {
      throw NodeError(fmt::format("a step of {}", step));
    }
    const auto bounded = [&](std::int64_t v, std::int64_t low, std::int64_t high) {
      return std::clamp(v < 0 ? v + size : v, low, high);
    };
    const std::int64_t first =
        step > 0 ? bounded(starts[k], 0, size) : bounded(starts[k], 0, size - 1);
    const std::int64_t last = step > 0 ? bounded(ends[k], 0, size) : bounded(ends[k], -1, size - 1);
    dims[axis] = std::max<std::int64_t>(
        0, step > 0 ? (last - first + step - 1) / step : (first - last - step - 1) / -step);
    start += first * own[axis];
    strides[axis] = own[axis] * step;
  }
  if (c.result(dims, x.type) && elements_of(dims) > 0) {
    gather_strided(x, start, strides, c.out[0]);
  }
}

void split(Call& c) {
  const Tensor& x = c.in(0);
  const std::size_t axis = axis_of(c.number("axis", 0), x.dims.size());
  std::vector<std::int64_t> sizes = c.list("split", 1);
  const auto parts = static_cast<std::int64_t>(c.node.outputs.size());
  if (sizes.empty() && parts > 0) {
    const std::int64_t part = (x.dims[axis] + parts - 1) / parts;
    sizes.assign(index_of(parts), part);
    sizes.back() = x.dims[axis] - part * (parts - 1);
  }
  const bool negative = std::any_of(sizes.begin(), sizes.end(), [&](std::int64_t size) {
    return size < 0 || size > x.dims[axis];
  });
  if (negative || sizes.size() != index_of(parts) ||
      std::accumulate(sizes.begin(), sizes.end(), std::int64_t{0}) != x.dims[axis]) {
    throw NodeError("the parts do not add up to the input");
  }
  const Dims strides = strides_of(x.dims);
  std::int64_t begin = 0;
  for (const std::int64_t size : sizes) {
    Dims dims = x.dims;
    dims[axis] = size;
    if (c.result(std::move(dims), x.type)) {
      gather_strided(x, begin * strides[axis], strides, c.out.back());
    }
    begin += size;
  }
}

void concat(Call& c) {
  Dims dims = c.in(0).dims;
  const std::size_t axis = axis_of(c.number("axis", 0), dims.size());
  dims[axis] = 0;
  for (std::size_t k = 0; k < c.inputs.size(); ++k) {
    const Tensor& x = c.in(k);
    Dims rest = x.dims;
    if (rest.size() == dims.size()) {
      rest[axis] = dims[axis];
    }
    if (rest != dims || x.type.is_integer != c.in(0).type.is_integer) {
      throw NodeError(
          fmt::format("shapes {} and {} do not fit", text_of(c.in(0).dims), text_of(x.dims)));
    }
    dims[axis] += x.dims[axis];
  }
  if (!c.result(dims, c.in(0).type)) {
    return;
  }
  const Dims strides = strides_of(dims);
  std::int64_t begin = 0;
  for (std::size_t k = 0; k < c.inputs.size(); ++k) {
    for_each_index(c.in(k).dims, [&](std::int64_t n, const Dims& index) {
      copy_element(
          c.in(k),
          n,
          c.out[0],
          std::inner_product(index.begin(), index.end(), strides.begin(), begin * strides[axis]));
    });
    begin += c.in(k).dims[axis];
  }
}

void gather(Call& c) {
  const Tensor& x = c.in(0);
  const Tensor& indices = c.in(1);
  if (!indices.type.is_integer) {
    throw NodeError("indices are integers");
  }
  const std::size_t axis = axis_of(c.number("axis", 0), x.dims.size());
  const auto at = x.dims.begin() + static_cast<std::ptrdiff_t>(axis);
  Dims dims(x.dims.begin(), at);
  dims.insert(dims.end(), indices.dims.begin(), indices.dims.end());
  dims.insert(dims.end(), at + 1, x.dims.end());
  if (!c.result(std::move(dims), x.type)) {
    return;
  }
  const std::int64_t inner = strides_of(x.dims)[axis];
  const std::int64_t outer = elements_of(Dims(x.dims.begin(), at));
  std::int64_t n = 0;
  for (std::int64_t o = 0; o < outer; ++o) {
    for (std::int64_t index : indices.ints) {
      index += index < 0 ? x.dims[axis] : 0;
      if (index < 0 || index >= x.dims[axis]) {
        throw NodeError(fmt::format("index {} is outside the axis", index));
      }
      for (std::int64_t i = 0; i < inner; ++i) {
        copy_element(x, (o * x.dims[axis] + index) * inner + i, c.out[0], n++);
      }
    }
  }
}

void shape(Call& c) {
  const Dims& dims = c.in(0).dims;
  const auto rank = static_cast<std::int64_t>(dims.size());
  const auto bounded = [&](std::int64_t v) {
    return std::clamp<std::int64_t>(v < 0 ? v + rank : v, 0, rank);
  };
  const std::int64_t begin = bounded(c.number("start", 0));
  const std::int64_t end = std::max(begin, bounded(c.number("end", rank)));
  Dims part(dims.begin() + begin, dims.begin() + end);
  const auto size = static_cast<std::int64_t>(part.size());
  c.out.push_back(int_tensor({size}, std::move(part)));
}

void constant_of_shape(Call& c) {
  Tensor value = float_tensor({1}, {0.0F});
  if (const auto given = attribute<std::shared_ptr<const Tensor>>(c.node, "value", nullptr)) {
    value = *given;
  }
  if (value.elements() != 1) {
    throw NodeError("the value is no scalar");
  }
  if (c.result(c.constant_ints(0), value.type)) {
    std::fill(c.out[0].floats.begin(),
              c.out[0].floats.end(),
              value.floats.empty() ? 0.0F : value.floats[0]);
    std::fill(c.out[0].ints.begin(), c.out[0].ints.end(), value.ints.empty() ? 0 : value.ints[0]);
  }
}

void pad(Call& c) {
  const Tensor& x = c.floats(0);
  if (string_attribute(c.node, "mode", "constant") != "constant") {
    throw NodeError("only padding with a constant is taken");
  }
  const std::vector<std::int64_t> pads = c.list("pads", 1);
  const std::size_t rank = x.dims.size();
  if (pads.size() != 2 * rank) {
    throw NodeError(fmt::format("{} paddings for {} axes", pads.size(), rank));
  }
  Dims dims = x.dims;
  for (std::size_t k = 0; k < rank; ++k) {
    if (std::abs(pads[k]) > kMaxTensor || std::abs(pads[rank + k]) > kMaxTensor) {
      throw NodeError("a padding is too large");
    }
    dims[k] += pads[k] + pads[rank + k];
  }
  if (!c.result(dims)) {
    return;
  }
  if (c.has(2) && c.floats(2).elements() != 1) {
    throw NodeError("the value of the padding is no scalar");
  }
  const float fill = c.has(2) ? c.floats(2).floats[0] : float_attribute(c.node, "value", 0.0F);
  const Dims strides = strides_of(x.dims);
  for_each_index(dims, [&](std::int64_t n, const Dims& index) {
    std::int64_t from = 0;
    bool inside = true;
    for (std::size_t k = 0; k < rank; ++k) {
      const std::int64_t i = index[k] - pads[k];
      inside = inside && i >= 0 && i < x.dims[k];
      from += i * strides[k];
    }
    c.out[0].floats[index_of(n)] = inside ? x.floats[index_of(from)] : fill;
  });
}

// ---- reductions ---------------------------------------------------------------------------------

/// Along the reduced axes: `fold` one value into what is there, which starts as `start`.
template <class F>
void reduce(Call& c, double start, bool is_mean, const F& fold) {
  const Tensor& x = c.floats(0);
  const std::vector<std::int64_t> axes = c.list("axes", 1);
  std::vector<bool> is_reduced(x.dims.size(), axes.empty());
  for (const std::int64_t axis : axes) {
    is_reduced[axis_of(axis, x.dims.size())] = true;
  }
  const bool keeps = c.number("keepdims", 1) != 0;
  Dims dims;
  Dims kept = x.dims;
  for (std::size_t k = 0; k < x.dims.size(); ++k) {
    kept[k] = is_reduced[k] ? 1 : x.dims[k];
    if (keeps || !is_reduced[k]) {
      dims.push_back(kept[k]);
    }
  }
  if (!c.result(std::move(dims))) {
    return;
  }
  std::vector<double> sums(index_of(elements_of(kept)), start);
  const Dims strides = broadcast_strides(kept, x.dims);
  for_each_index(x.dims, [&](std::int64_t n, const Dims& index) {
    double& sum = sums[index_of(
        std::inner_product(index.begin(), index.end(), strides.begin(), std::int64_t{0}))];
    sum = fold(sum, static_cast<double>(x.floats[index_of(n)]));
  });
  const double count = is_mean && !sums.empty()
                           ? static_cast<double>(x.elements()) / static_cast<double>(sums.size())
                           : 1.0;
  std::transform(sums.begin(), sums.end(), c.out[0].floats.begin(), [&](double sum) {
    return static_cast<float>(sum / count);
  });
}

void reduce_mean(Call& c) {
  reduce(c, 0.0, true, [](double sum, double v) { return sum + v; });
}

void reduce_sum(Call& c) {
  reduce(c, 0.0, false, [](double sum, double v) { return sum + v; });
}

/// Rows of `length` neighbours, each on its own.
template <class F>
void along_last(Call& c, std::int64_t length, const F& use) {
  const Tensor& x = c.floats(0);
  if (!c.result(x.dims) || length == 0) {
    return;
  }
  for (std::int64_t begin = 0; begin < x.elements(); begin += length) {
    use(x.floats.data() + begin, c.out[0].floats.data() + begin);
  }
}

void softmax_along(const float* x, float* y, std::int64_t length, std::int64_t step) {
  double largest = -std::numeric_limits<double>::infinity();
  for (std::int64_t i = 0; i < length; ++i) {
    largest = std::max(largest, static_cast<double>(x[i * step]));
  }
  double sum = 0.0;
  for (std::int64_t i = 0; i < length; ++i) {
    sum += std::exp(static_cast<double>(x[i * step]) - largest);
  }
  for (std::int64_t i = 0; i < length; ++i) {
    y[i * step] = static_cast<float>(std::exp(static_cast<double>(x[i * step]) - largest) / sum);
  }
}

void softmax(Call& c) {
  const Dims& dims = c.floats(0).dims;
  const bool is_flat = c.opset < 13;  // all axes from `axis` on together
  const std::size_t axis = axis_of(c.number("axis", is_flat ? 1 : -1), dims.size());
  const auto from = dims.begin() + static_cast<std::ptrdiff_t>(axis);
  if (is_flat) {
    const std::int64_t length = elements_of(Dims(from, dims.end()));
    along_last(c, length, [&](const float* x, float* y) { softmax_along(x, y, length, 1); });
    return;
  }
  const std::int64_t length = dims[axis];
  const std::int64_t step = elements_of(Dims(from + 1, dims.end()));
  along_last(c, length * step, [&](const float* x, float* y) {
    for (std::int64_t i = 0; i < step; ++i) {
      softmax_along(x + i, y + i, length, step);
    }
  });
}

void layer_normalization(Call& c) {
  const Dims& dims = c.floats(0).dims;
  const std::size_t axis = axis_of(c.number("axis", -1), dims.size());
  const Dims inner(dims.begin() + static_cast<std::ptrdiff_t>(axis), dims.end());
  const std::int64_t length = elements_of(inner);
  const Tensor& scale = c.floats(1);
  if (scale.elements() != length || (c.has(2) && c.floats(2).elements() != length)) {
    throw NodeError(fmt::format("scale or offset is not {}", text_of(inner)));
  }
  const double epsilon = static_cast<double>(float_attribute(c.node, "epsilon", 1e-5F));
  along_last(c, length, [&](const float* x, float* y) {
    const auto count = static_cast<double>(length);
    const double mean = std::accumulate(x, x + length, 0.0) / count;
    double square = 0.0;
    for (std::int64_t i = 0; i < length; ++i) {
      square += (static_cast<double>(x[i]) - mean) * (static_cast<double>(x[i]) - mean);
    }
    const double spread = std::sqrt(square / count + epsilon);
    for (std::int64_t i = 0; i < length; ++i) {
      const double offset = c.has(2) ? static_cast<double>(c.in(2).floats[index_of(i)]) : 0.0;
      y[i] = static_cast<float>((static_cast<double>(x[i]) - mean) / spread *
                                    static_cast<double>(scale.floats[index_of(i)]) +
                                offset);
    }
  });
}

void batch_normalization(Call& c) {
  const Tensor& x = c.floats(0);
  if (x.dims.size() < 2) {
    throw NodeError("the input has no channels");
  }
  for (std::size_t k = 1; k < 5; ++k) {
    if (c.floats(k).elements() != x.dims[1]) {
      throw NodeError(fmt::format("input {} does not hold one value per channel", k + 1));
    }
  }
  if (!c.result(x.dims)) {
    return;
  }
  const double epsilon = static_cast<double>(float_attribute(c.node, "epsilon", 1e-5F));
  const std::int64_t inner = strides_of(x.dims)[1];
  for (std::int64_t n = 0; n < x.elements(); ++n) {
    const std::size_t channel = index_of(n / inner % x.dims[1]);
    const auto value = [&](std::size_t k) { return static_cast<double>(c.in(k).floats[channel]); };
    c.out[0].floats[index_of(n)] =
        static_cast<float>((static_cast<double>(x.floats[index_of(n)]) - value(3)) /
                               std::sqrt(value(4) + epsilon) * value(1) +
                           value(2));
  }
}

// ---- windows ------------------------------------------------------------------------------------

/// Of a convolution or pooling over one or two axes; one axis is an image of height 1.
struct Plane {
  std::int64_t in_h = 1, in_w = 1, out_h = 1, out_w = 1;
  std::int64_t kernel_h = 1, kernel_w = 1, stride_h = 1, stride_w = 1;
  std::int64_t dilation_h = 1, dilation_w = 1, top = 0, left = 0;
  std::int64_t padded_h = 1, padded_w = 1;  ///< with the padding that is written in the file

  Plane(const Windows& w, const Dims& dims) {
    const std::size_t last = w.kernel.size() - 1;
    in_w = dims.back();
    out_w = w.out[last];
    kernel_w = w.kernel[last];
    stride_w = w.stride[last];
    dilation_w = w.dilation[last];
    left = w.begin[last];
    padded_w = in_w + w.begin[last] + w.end[last];
    if (last == 1) {
      in_h = dims[2];
      out_h = w.out[0];
      kernel_h = w.kernel[0];
      stride_h = w.stride[0];
      dilation_h = w.dilation[0];
      top = w.begin[0];
      padded_h = in_h + w.begin[0] + w.end[0];
    }
  }

  /// Calls use(offset in the plane, or -1 in the padding, number of the tap) for every tap in the
  /// padded image.
  template <class F>
  void taps(std::int64_t oy, std::int64_t ox, const F& use) const {
    for (std::int64_t ky = 0; ky < kernel_h; ++ky) {
      const std::int64_t y = oy * stride_h + ky * dilation_h;
      for (std::int64_t kx = 0; kx < kernel_w; ++kx) {
        const std::int64_t x = ox * stride_w + kx * dilation_w;
        if (y >= padded_h || x >= padded_w) {
          continue;
        }
        const bool inside = y >= top && y < top + in_h && x >= left && x < left + in_w;
        use(inside ? (y - top) * in_w + x - left : -1, ky * kernel_w + kx);
      }
    }
  }
};

void conv(Call& c) {
  const Tensor& x = c.floats(0);
  const Tensor& w = c.floats(1);
  if (x.dims.size() < 3 || x.dims.size() > 4 || w.dims.size() != x.dims.size()) {
    throw NodeError(fmt::format(
        "convolutions over 1 or 2 axes are taken, not {} by {}", text_of(x.dims), text_of(w.dims)));
  }
  const std::int64_t groups = c.number("group", 1);
  const std::int64_t channels = w.dims[0];
  if (groups < 1 || x.dims[1] % groups != 0 || channels % groups != 0 ||
      w.dims[1] != x.dims[1] / groups || (c.has(2) && c.floats(2).elements() != channels)) {
    throw NodeError(fmt::format(
        "weights {} do not fit {} channels in {} groups", text_of(w.dims), x.dims[1], groups));
  }
  const Windows windows = windows_of(c.node, x.dims, Dims(w.dims.begin() + 2, w.dims.end()));
  Dims dims = {x.dims[0], channels};
  dims.insert(dims.end(), windows.out.begin(), windows.out.end());
  if (!c.result(std::move(dims))) {
    return;
  }
  const Plane p(windows, x.dims);
  const std::int64_t in_plane = p.in_h * p.in_w;
  const std::int64_t taps = p.kernel_h * p.kernel_w;
  const std::int64_t in_per_group = w.dims[1];
  const std::int64_t out_per_group = channels / groups;
  std::size_t n = 0;
  for (std::int64_t image = 0; image < x.dims[0]; ++image) {
    for (std::int64_t oc = 0; oc < channels; ++oc) {
      const std::int64_t first = image * x.dims[1] + oc / out_per_group * in_per_group;
      for (std::int64_t oy = 0; oy < p.out_h; ++oy) {
        for (std::int64_t ox = 0; ox < p.out_w; ++ox) {
          double sum = c.has(2) ? static_cast<double>(c.in(2).floats[index_of(oc)]) : 0.0;
          p.taps(oy, ox, [&](std::int64_t at, std::int64_t tap) {
            for (std::int64_t ic = 0; at >= 0 && ic < in_per_group; ++ic) {
              sum += static_cast<double>(x.floats[index_of((first + ic) * in_plane + at)]) *
                     static_cast<double>(w.floats[index_of((oc * in_per_group + ic) * taps + tap)]);
            }
          });
          c.out[0].floats[n++] = static_cast<float>(sum);
        }
      }
    }
  }
}

/// `finish(oy, ox, taps)` gives the value of one window; a tap is a value, or none in the padding.
template <class F>
void pool(Call& c, const F& use) {
  const Tensor& x = c.floats(0);
  if (x.dims.size() < 3 || x.dims.size() > 4) {
    throw NodeError(fmt::format("pooling over 1 or 2 axes is taken, not {}", text_of(x.dims)));
  }
  const Windows windows = windows_of(c.node, x.dims, ints_attribute(c.node, "kernel_shape", {}));
  Dims dims = {x.dims[0], x.dims[1]};
  dims.insert(dims.end(), windows.out.begin(), windows.out.end());
  if (!c.result(std::move(dims))) {
    return;
  }
  const Plane p(windows, x.dims);
  std::size_t n = 0;
  for (std::int64_t plane = 0; plane < x.dims[0] * x.dims[1]; ++plane) {
    const float* values = x.floats.data() + plane * p.in_h * p.in_w;
    for (std::int64_t oy = 0; oy < p.out_h; ++oy) {
      for (std::int64_t ox = 0; ox < p.out_w; ++ox) {
        c.out[0].floats[n++] = use(p, oy, ox, values);
      }
    }
  }
}

void max_pool(Call& c) {
  if (c.node.outputs.size() > 1) {
    throw NodeError("the indices of the maxima are not given");
  }
  pool(c, [](const Plane& p, std::int64_t oy, std::int64_t ox, const float* values) {
    float best = -std::numeric_limits<float>::infinity();
    p.taps(oy, ox, [&](std::int64_t at, std::int64_t) {
      best = at < 0 ? best : std::max(best, values[at]);
    });
    return best;
  });
}

void average_pool(Call& c) {
  const bool counts_padding = c.number("count_include_pad", 0) != 0;
  pool(c, [=](const Plane& p, std::int64_t oy, std::int64_t ox, const float* values) {
    double sum = 0.0;
    std::int64_t count = 0;
    p.taps(oy, ox, [&](std::int64_t at, std::int64_t) {
      sum += at < 0 ? 0.0 : static_cast<double>(values[at]);
      count += at < 0 && !counts_padding ? 0 : 1;
    });
    return static_cast<float>(count == 0 ? 0.0 : sum / static_cast<double>(count));
  });
}

void global_average_pool(Call& c) {
  const Dims& dims = c.floats(0).dims;
  if (dims.size() < 3) {
    throw NodeError("the input has no positions");
  }
  Node mean = c.node;
  mean.attributes["axes"] = std::vector<std::int64_t>();
  auto& axes = std::get<std::vector<std::int64_t>>(mean.attributes["axes"]);
  for (std::size_t k = 2; k < dims.size(); ++k) {
    axes.push_back(static_cast<std::int64_t>(k));
  }
  Call reduced{mean, c.opset, c.inputs, c.with_values, {}};
  reduce_mean(reduced);
  c.out = std::move(reduced.out);
}

// ---- matrices -----------------------------------------------------------------------------------

/// a [..., M, K] times b [..., K, N], leading axes broadcast; a vector is one row or column.
void matmul(Call& c) {
  const Tensor& a = c.floats(0);
  const Tensor& b = c.floats(1);
  Dims da = a.dims;
  Dims db = b.dims;
  if (da.empty() || db.empty()) {
    throw NodeError("a scalar is no matrix");
  }
  if (da.size() == 1) {
    da.insert(da.begin(), 1);
  }
  if (db.size() == 1) {
    db.push_back(1);
  }
  const std::int64_t rows = da[da.size() - 2];
  const std::int64_t inner = da.back();
  const std::int64_t cols = db.back();
  if (db[db.size() - 2] != inner) {
    throw NodeError(fmt::format("{} by {} do not chain", text_of(a.dims), text_of(b.dims)));
  }
  const Dims lead_a(da.begin(), da.end() - 2);
  const Dims lead_b(db.begin(), db.end() - 2);
  const Dims lead = broadcast(lead_a, lead_b);
  Dims dims = lead;
  if (a.dims.size() > 1) {
    dims.push_back(rows);
  }
  if (b.dims.size() > 1) {
    dims.push_back(cols);
  }
  if (!c.result(std::move(dims))) {
    return;
  }
  const Dims steps_a = broadcast_strides(lead_a, lead);
  const Dims steps_b = broadcast_strides(lead_b, lead);
  for_each_index(lead, [&](std::int64_t n, const Dims& index) {
    const std::int64_t at_a =
        std::inner_product(index.begin(), index.end(), steps_a.begin(), std::int64_t{0}) * rows *
        inner;
    const std::int64_t at_b =
        std::inner_product(index.begin(), index.end(), steps_b.begin(), std::int64_t{0}) * inner *
        cols;
    for (std::int64_t i = 0; i < rows; ++i) {
      for (std::int64_t j = 0; j < cols; ++j) {
        double sum = 0.0;
        for (std::int64_t k = 0; k < inner; ++k) {
          sum += static_cast<double>(a.floats[index_of(at_a + i * inner + k)]) *
                 static_cast<double>(b.floats[index_of(at_b + k * cols + j)]);
        }
        c.out[0].floats[index_of((n * rows + i) * cols + j)] = static_cast<float>(sum);
      }
    }
  });
}

void gemm(Call& c) {
  const Tensor& a = c.floats(0);
  const Tensor& b = c.floats(1);
  if (a.dims.size() != 2 || b.dims.size() != 2) {
    throw NodeError(fmt::format("{} by {}: not two matrices", text_of(a.dims), text_of(b.dims)));
  }
  const bool trans_a = c.number("transA", 0) != 0;
  const bool trans_b = c.number("transB", 0) != 0;
  const std::int64_t rows = a.dims[trans_a ? 1 : 0];
  const std::int64_t inner = a.dims[trans_a ? 0 : 1];
  const std::int64_t cols = b.dims[trans_b ? 0 : 1];
  if (b.dims[trans_b ? 1 : 0] != inner) {
    throw NodeError(fmt::format("{} by {} do not chain", text_of(a.dims), text_of(b.dims)));
  }
  const Dims dims = {rows, cols};
  if (c.has(2) && broadcast(c.floats(2).dims, dims) != dims) {
    throw NodeError(fmt::format("{} cannot be added to {}", text_of(c.in(2).dims), text_of(dims)));
  }
  if (!c.result(dims)) {
    return;
  }
  const double alpha = static_cast<double>(float_attribute(c.node, "alpha", 1.0F));
  const double beta = static_cast<double>(float_attribute(c.node, "beta", 1.0F));
  const Dims steps = c.has(2) ? broadcast_strides(c.in(2).dims, dims) : Dims{0, 0};
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t j = 0; j < cols; ++j) {
      double sum = 0.0;
      for (std::int64_t k = 0; k < inner; ++k) {
        sum += static_cast<double>(a.floats[index_of(trans_a ? k * rows + i : i * inner + k)]) *
               static_cast<double>(b.floats[index_of(trans_b ? j * inner + k : k * cols + j)]);
      }
      const double offset =
          c.has(2) ? static_cast<double>(c.in(2).floats[index_of(i * steps[0] + j * steps[1])])
                   : 0.0;
      c.out[0].floats[index_of(i * cols + j)] = static_cast<float>(alpha * sum + beta * offset);
    }
  }
}

/// Ours: x [..., K] times a constant [K, N], plus one offset per column.
void linear(Call& c) {
  matmul(c);
  const Tensor* bias = c.has(2) ? &c.floats(2) : nullptr;
  if (bias == nullptr || !c.with_values) {
    return;
  }
  std::vector<float>& y = c.out[0].floats;
  for (std::size_t n = 0; n < y.size(); ++n) {
    y[n] += bias->floats[n % bias->floats.size()];
  }
}

// ---- quantization -------------------------------------------------------------------------------

/// Scale and zero point of element n, whose axis index is known.
class Scales {
 public:
  Scales(const Call& c, const Dims& dims)
      : scale_(c.floats(1)), zero_(c.has(2) ? &c.in(2) : nullptr) {
    if (scale_.elements() != 1) {
      const std::size_t axis = axis_of(c.number("axis", 1), dims.size());
      length_ = dims[axis];
      inner_ = strides_of(dims)[axis];
    }
    if (scale_.elements() != length_ || (zero_ != nullptr && zero_->elements() != length_)) {
      throw NodeError("scales are neither one nor one per channel");
    }
    if (zero_ != nullptr && !zero_->type.is_integer) {
      throw NodeError("the zero point is no integer");
    }
  }

  [[nodiscard]] double scale(std::int64_t n) const {
    return static_cast<double>(scale_.floats[index_of(n / inner_ % length_)]);
  }

  [[nodiscard]] double zero(std::int64_t n) const {
    return zero_ == nullptr ? 0.0
                            : static_cast<double>(zero_->ints[index_of(n / inner_ % length_)]);
  }

  [[nodiscard]] ElementType type() const {
    return zero_ == nullptr ? ElementType{true, 8, false} : zero_->type;
  }

 private:
  const Tensor& scale_;
  const Tensor* zero_;
  std::int64_t length_ = 1;
  std::int64_t inner_ = 1;
};

/// round(x / scale) + zero within [low, high]; ties to even.
double quantized(double x, double scale, double zero, double low, double high) {
  return std::clamp(std::nearbyint(x / scale) + zero, low, high);
}

void quantize_linear(Call& c) {
  const Tensor& x = c.floats(0);
  const Scales scales(c, x.dims);
  const ElementType type = scales.type();
  if (!c.result(x.dims, type)) {
    return;
  }
  const double high = std::ldexp(1.0, type.bits - (type.is_signed ? 1 : 0)) - 1.0;
  const double low = type.is_signed ? -high - 1.0 : 0.0;
  for (std::int64_t n = 0; n < x.elements(); ++n) {
    const double v = quantized(
        static_cast<double>(x.floats[index_of(n)]), scales.scale(n), scales.zero(n), low, high);
    if (std::isnan(v)) {
      throw NodeError("a quantized value is no number");
    }
    c.out[0].ints[index_of(n)] = static_cast<std::int64_t>(v);
  }
}

void dequantize_linear(Call& c) {
  const Tensor& x = c.in(0);
  if (!x.type.is_integer) {
    throw NodeError("input 1 is no integer tensor");
  }
  const Scales scales(c, x.dims);
  if (c.result(x.dims)) {
    for (std::int64_t n = 0; n < x.elements(); ++n) {
      c.out[0].floats[index_of(n)] = static_cast<float>(
          (static_cast<double>(x.ints[index_of(n)]) - scales.zero(n)) * scales.scale(n));
    }
  }
}

/// Ours: QuantizeLinear, perhaps Clip, DequantizeLinear.
void fake_quantize(Call& c) {
  const Tensor& x = c.floats(0);
  const Scales scales(c, x.dims);
  if (!c.result(x.dims)) {
    return;
  }
  const auto low = static_cast<double>(c.number("low", 0));
  const auto high = static_cast<double>(c.number("high", 255));
  for (std::int64_t n = 0; n < x.elements(); ++n) {
    const double q = quantized(
        static_cast<double>(x.floats[index_of(n)]), scales.scale(n), scales.zero(n), low, high);
    c.out[0].floats[index_of(n)] = static_cast<float>((q - scales.zero(n)) * scales.scale(n));
  }
}

using Rule = void (*)(Call&);

const std::map<std::string, Rule>& rules() {
  static const std::map<std::string, Rule> kRules = {
      {"Abs", abs_of},
      {"Add", add},
      {"AveragePool", average_pool},
      {"BatchNormalization", batch_normalization},
      {"Cast", cast},
      {"Clip", clip},
      {"Concat", concat},
      {"ConstantOfShape", constant_of_shape},
      {"Conv", conv},
      {"DequantizeLinear", dequantize_linear},
      {"Div", div},
      {"Dropout", identity},
      {"Elu", elu},
      {"Equal", equal},
      {"Erf", erf_of},
      {"Exp", exp_of},
      {"Expand", expand},
      {"FakeQuantize", fake_quantize},
      {"Flatten", flatten},
      {"Gather", gather},
      {"Gelu", gelu},
      {"Gemm", gemm},
      {"GlobalAveragePool", global_average_pool},
      {"HardSigmoid", hard_sigmoid},
      {"HardSwish", hard_swish},
      {"Identity", identity},
      {"LayerNormalization", layer_normalization},
      {"LeakyRelu", leaky_relu},
      {"Linear", linear},
      {"Log", log_of},
      {"MatMul", matmul},
      {"Max", maximum},
      {"MaxPool", max_pool},
      {"Min", minimum},
      {"Mul", mul},
      {"Neg", neg},
      {"Pad", pad},
      {"Pow", power},
      {"QuantizeLinear", quantize_linear},
      {"Reciprocal", reciprocal},
      {"ReduceMean", reduce_mean},
      {"ReduceSum", reduce_sum},
      {"Relu", relu},
      {"Reshape", reshape},
      {"Shape", shape},
      {"Sigmoid", sigmoid},
      {"Slice", slice},
      {"Softmax", softmax},
      {"Split", split},
      {"Sqrt", sqrt_of},
      {"Squeeze", squeeze},
      {"Sub", sub},
      {"Tanh", tanh_of},
      {"Transpose", transpose},
      {"Unsqueeze", unsqueeze},
      {"Where", where},
  };
  return kRules;
}

}  // namespace

bool is_known(const std::string& op) {
  return rules().contains(op);
}

std::vector<Tensor> evaluate(const Node& node,
                             int opset,
                             const std::vector<const Tensor*>& inputs,
                             bool with_values) {
  const auto rule = rules().find(node.op);
  if (rule == rules().end()) {
    throw NodeError("the operator is not known");
  }
  Call call{node, opset, inputs, with_values, {}};
  rule->second(call);
  if (call.out.size() < node.outputs.size()) {
    throw NodeError(
        fmt::format("it has {} results, only {} are given", node.outputs.size(), call.out.size()));
  }
  return std::move(call.out);
}

std::int64_t int_attribute(const Node& node, const std::string& name, std::int64_t otherwise) {
  return attribute(node, name, otherwise);
}

float float_attribute(const Node& node, const std::string& name, float otherwise) {
  return attribute(node, name, otherwise);
}

std::string string_attribute(const Node& node,
                             const std::string& name,
                             const std::string& otherwise) {
  return attribute(node, name, otherwise);
}

std::vector<std::int64_t> ints_attribute(const Node& node,
                                         const std::string& name,
                                         const std::vector<std::int64_t>& otherwise) {
  return attribute(node, name, otherwise);
}

std::size_t axis_of(std::int64_t axis, std::size_t rank) {
  const auto size = static_cast<std::int64_t>(rank);
  if (axis < -size || axis >= size) {
    throw NodeError(fmt::format("axis {} of a tensor with {} axes", axis, rank));
  }
  return index_of(axis < 0 ? axis + size : axis);
}

Windows windows_of(const Node& node, const Dims& input, const std::vector<std::int64_t>& kernel) {
  const std::size_t axes = input.size() - 2;
  Windows w;
  w.kernel = ints_attribute(node, "kernel_shape", kernel);
  w.stride = ints_attribute(node, "strides", std::vector<std::int64_t>(axes, 1));
  w.dilation = ints_attribute(node, "dilations", std::vector<std::int64_t>(axes, 1));
  std::vector<std::int64_t> pads =
      ints_attribute(node, "pads", std::vector<std::int64_t>(2 * axes, 0));
  if (w.kernel.size() != axes || kernel != w.kernel || w.stride.size() != axes ||
      w.dilation.size() != axes || pads.size() != 2 * axes) {
    throw NodeError(fmt::format("kernel, strides, dilations or pads are not of {} axes", axes));
  }
  const std::string automatic = string_attribute(node, "auto_pad", "NOTSET");
  const bool is_ceil = int_attribute(node, "ceil_mode", 0) != 0;
  for (std::size_t k = 0; k < axes; ++k) {
    const std::int64_t in = input[k + 2];
    const auto fits = [](std::int64_t v, std::int64_t low) { return v >= low && v <= (1 << 20); };
    if (!fits(w.kernel[k], 1) || !fits(w.stride[k], 1) || !fits(w.dilation[k], 1) ||
        !fits(pads[k], 0) || !fits(pads[axes + k], 0)) {
      throw NodeError("a kernel, stride, dilation or padding is out of range");
    }
    const std::int64_t extent = (w.kernel[k] - 1) * w.dilation[k] + 1;
    std::int64_t begin = pads[k];
    std::int64_t end = pads[axes + k];
    if (automatic == "SAME_UPPER" || automatic == "SAME_LOWER") {
      const std::int64_t out = (in + w.stride[k] - 1) / w.stride[k];
      const std::int64_t total = std::max<std::int64_t>(0, (out - 1) * w.stride[k] + extent - in);
      begin = automatic == "SAME_UPPER" ? total / 2 : total - total / 2;
      end = total - begin;
    } else if (automatic == "VALID") {
      begin = 0;
      end = 0;
    } else if (automatic != "NOTSET") {
      throw NodeError("auto_pad is " + automatic);
    }
    const std::int64_t room = in + begin + end - extent;
    if (room < 0) {
      throw NodeError(fmt::format(
          "a window of {} is larger than the padded input of {}", extent, in + begin + end));
    }
    std::int64_t out = room / w.stride[k] + 1;
    if (is_ceil && room % w.stride[k] != 0 && out * w.stride[k] < in + begin) {
      ++out;  // a window that starts inside the image
    }
    w.begin.push_back(begin);
    w.end.push_back(end);
    w.out.push_back(out);
    w.extra.push_back(
        std::max<std::int64_t>(0, (out - 1) * w.stride[k] + extent - (in + begin + end)));
  }
  return w;
}

}  // namespace tessera::onnx
