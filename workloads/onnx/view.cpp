// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "workloads/onnx/view.hpp"

#include <algorithm>
#include <utility>

namespace tessera::onnx {

namespace {

/// Joins neighbours that are one run, without joining channels and positions.
void append(Atoms& atoms, const Atom& atom, std::int64_t channels) {
  if (atom.size == 1) {
    return;
  }
  if (!atoms.empty()) {
    Atom& last = atoms.back();
    const bool crosses = atom.stride < channels && last.stride >= channels;
    if (last.stride == atom.stride * atom.size && !crosses) {
      last = {last.size * atom.size, atom.stride};
      return;
    }
  }
  atoms.push_back(atom);
}

/// Elements from the first to the last, both included, of atoms in any order.
std::int64_t span(const Atoms& atoms) {
  std::int64_t last = 0;
  for (const Atom& atom : atoms) {
    last += (atom.size - 1) * atom.stride;
  }
  return last + 1;
}

std::int64_t product(const Atoms& atoms) {
  std::int64_t size = 1;
  for (const Atom& atom : atoms) {
    size *= atom.size;
  }
  return size;
}

View view_of(LayerId layer, const Shape& shape, const std::vector<Atom>& axes) {
  View view;
  view.layer = layer;
  view.shape = shape;
  view.is_open = true;
  for (const Atom& atom : axes) {
    view.axes.emplace_back();
    append(view.axes.back(), atom, shape.channels);
  }
  return view;
}

}  // namespace

Atoms View::flat() const {
  Atoms all;
  for (const Atoms& axis : axes) {
    for (const Atom& atom : axis) {
      append(all, atom, shape.channels);
    }
  }
  return all;
}

bool View::is_whole() const {
  return offset == 0 && product(flat()) == shape.elements();
}

bool View::is_channel_axis(std::size_t k) const {
  return shape.channels == 1 ? axes[k].empty() : axes[k] == Atoms{{shape.channels, 1}};
}

bool View::is_raster_without(std::size_t k) const {
  View rest = *this;
  rest.axes.erase(rest.axes.begin() + static_cast<std::ptrdiff_t>(k));
  const Atoms all = rest.flat();
  return shape.positions() == 1 ? all.empty() : all == Atoms{{shape.positions(), shape.channels}};
}

View image_view(LayerId layer, const Shape& shape, std::size_t rank) {
  const std::int64_t c = shape.channels;
  const Atom channels{c, 1};
  const Atom rows{shape.height, shape.width * c};
  const Atom columns{shape.width, c};
  return rank == 4 ? view_of(layer, shape, {{1, 1}, channels, rows, columns})
                   : view_of(layer, shape, {{1, 1}, channels, columns});
}

View token_view(LayerId layer, const Shape& shape) {
  return view_of(layer, shape, {{1, 1}, {shape.positions(), shape.channels}, {shape.channels, 1}});
}

View reshaped(View view, const Dims& dims) {
  Atoms rest = view.flat();
  std::reverse(rest.begin(), rest.end());  // the next one is the last
  std::vector<Atoms> axes;
  for (std::int64_t need : dims) {
    Atoms axis;
    while (need > 1) {
      if (rest.empty()) {
        throw NodeError("it changes the number of elements");
      }
      Atom& next = rest.back();
      if (next.size <= need && need % next.size == 0) {
        append(axis, next, view.shape.channels);
        need /= next.size;
        rest.pop_back();
      } else if (next.size > need && next.size % need == 0) {
        const std::int64_t inner = next.size / need;
        append(axis, {need, next.stride * inner}, view.shape.channels);
        next.size = inner;
        need = 1;
      } else {
        throw NodeError("it mixes channels and positions");
      }
    }
    axes.push_back(std::move(axis));
  }
  view.axes = std::move(axes);
  return view;
}

View transposed(View view, const std::vector<std::int64_t>& order) {
  std::vector<Atoms> axes;
  axes.reserve(order.size());
  for (const std::int64_t k : order) {
    axes.push_back(view.axes[static_cast<std::size_t>(k)]);
  }
  view.axes = std::move(axes);
  return view;
}

View narrowed(View view, std::size_t axis, std::int64_t begin, std::int64_t size) {
  Atoms& atoms = view.axes[axis];
  if (begin == 0 && size == product(atoms)) {
    return view;
  }
  Atoms out;
  for (const Atom& atom : atoms) {
    // Elements of the axis below one step of this atom.
    std::int64_t inner = 1;
    for (auto below = &atom + 1; below != atoms.data() + atoms.size(); ++below) {
      inner *= below->size;
    }
    const std::int64_t first = begin / inner;
    const std::int64_t last = (begin + size - 1) / inner;
    const bool is_cut = begin % inner != 0 || size % inner != 0;
    if (is_cut && first != last) {
      throw NodeError("it cuts across channels and positions");
    }
    view.offset += first * atom.stride;
    append(out, {last - first + 1, atom.stride}, view.shape.channels);
    begin -= first * inner;
    if (!is_cut) {
      begin = 0;
      size = inner;
    }
  }
  atoms = std::move(out);
  return view;
}

Range range_of(const View& view) {
  const std::int64_t channels = view.shape.channels;
  Atoms within;
  Atoms across;
  for (const Atom& atom : view.flat()) {
    if (atom.stride < channels) {
      within.push_back(atom);
    } else {
      across.push_back({atom.size, atom.stride / channels});
    }
  }
  const Range range{
      view.offset % channels, product(within), view.offset / channels, product(across)};
  if (span(within) != range.channels || span(across) != range.positions) {
    throw NodeError("it picks channels or positions that are no neighbours");
  }
  return range;
}

View rebased(View view, const Range& range, LayerId layer, const Shape& shape) {
  const std::int64_t channels = view.shape.channels;
  for (Atoms& axis : view.axes) {
    for (Atom& atom : axis) {
      atom.stride = atom.stride < channels ? atom.stride : atom.stride / channels * range.channels;
    }
  }
  const auto cut = [&](std::vector<float>& values) {
    if (!values.empty()) {
      const auto first = values.begin() + static_cast<std::ptrdiff_t>(range.channel);
      values = std::vector<float>(first, first + static_cast<std::ptrdiff_t>(range.channels));
    }
  };
  cut(view.scale);
  cut(view.shift);
  view.offset = 0;
  view.layer = layer;
  view.shape = shape;
  return view;
}

}  // namespace tessera::onnx
