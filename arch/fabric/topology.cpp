// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "arch/fabric/topology.hpp"

#include "sim/base/math.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

namespace tessera::arch::fabric {

namespace {

/// Tiles of one router form a block, as square as the concentration allows, wider than high.
struct Block {
  int width = 1;
  int height = 1;
};

Block block_of(const FabricSpec& spec) {
  if (spec.topology != Topology::cmesh) {
    return {};
  }
  Block b{spec.concentration, 1};
  for (int h = 1; h * h <= spec.concentration; ++h) {
    if (spec.concentration % h == 0) {
      b = {spec.concentration / h, h};
    }
  }
  return b;
}

void size_grid(const FabricSpec& spec, int tiles, Placement& p) {
  const Block b = block_of(spec);
  const int per_router = b.width * b.height;
  p.width = spec.width;
  p.height = spec.height;
  if (p.width == 0 && p.height > 0) {
    // Smallest width whose rows of tiles suffice.
    p.width = std::max(1, ceil_div(tiles, p.height * per_router));
  } else if (p.width == 0) {
    const int routers = std::max(1, ceil_div(tiles, per_router));
    p.width = static_cast<int>(std::ceil(std::sqrt(static_cast<double>(routers)) - 1e-9));
  }
  if (p.height == 0) {
    p.height = std::max(1, ceil_div(tiles, p.width * per_router));
  }
  p.routers = p.width * p.height;
}

void size_tree(const FabricSpec& spec, int tiles, Placement& p) {
  int in_level = std::max(1, ceil_div(tiles, spec.concentration));
  p.level_base.push_back(0);
  p.routers = in_level;
  p.level_base.push_back(p.routers);
  while (in_level > 1) {
    in_level = ceil_div(in_level, spec.arity);
    p.routers += in_level;
    p.level_base.push_back(p.routers);
  }
  p.height = static_cast<int>(p.level_base.size()) - 1;
}

/// Collects links and gives them port numbers in order of creation.
class Builder {
 public:
  explicit Builder(Graph& g)
      : g_(g),
        in_(static_cast<std::size_t>(g.place.routers)),
        out_(static_cast<std::size_t>(g.place.routers)) {}

  void add(int index, Link link, std::string name) {
    const auto i = static_cast<std::size_t>(index);
    if (g_.links.size() <= i) {
      g_.links.resize(i + 1);
      g_.names.resize(i + 1);
    }
    if (link.from >= 0) {
      auto& ports = out_[static_cast<std::size_t>(link.from)];
      link.out_port = static_cast<int>(ports.size());
      ports.push_back(index);
      if (link.direction < kDown) {
        g_.towards[static_cast<std::size_t>(link.from) * 5 +
                   static_cast<std::size_t>(link.direction)] = link.out_port;
      }
    }
    if (link.to >= 0) {
      auto& ports = in_[static_cast<std::size_t>(link.to)];
      link.in_port = static_cast<int>(ports.size());
      ports.push_back(index);
    }
    g_.links[i] = link;
    g_.names[i] = std::move(name);
  }

  void join(
      int from, int to, int direction, const char* word, bool ring = false, bool wrap = false) {
    Link link;
    link.from = from;
    link.to = to;
    link.direction = direction;
    link.ring = ring;
    link.wrap = wrap;
    add(next_++, link, fmt::format("router[{}].{}", from, word));
  }

  void attach_endpoints(int tiles) {
    for (int e = 0; e < g_.endpoints; ++e) {
      const int router = g_.place.router_of[static_cast<std::size_t>(e)];
      const std::string who =
          e < tiles ? fmt::format("tile[{}]", e) : fmt::format("port[{}]", e - tiles);
      Link in;
      in.to = router;
      add(e, in, who + ".inject");
      Link out;
      out.from = router;
      const int eject = g_.endpoints + e;
      add(eject, out, who + ".eject");
      g_.eject_port.push_back(g_.links[static_cast<std::size_t>(eject)].out_port);
    }
  }

  void finish() {
    flatten(in_, g_.in_base, g_.in_links);
    flatten(out_, g_.out_base, g_.out_links);
  }

  void start_router_links() { next_ = 2 * g_.endpoints; }

 private:
  static void flatten(const std::vector<std::vector<int>>& lists,
                      std::vector<int>& base,
                      std::vector<int>& flat) {
    base.assign(1, 0);
    for (const auto& list : lists) {
      flat.insert(flat.end(), list.begin(), list.end());
      base.push_back(static_cast<int>(flat.size()));
    }
  }

  Graph& g_;
  std::vector<std::vector<int>> in_;
  std::vector<std::vector<int>> out_;
  int next_ = 0;
};

void join_grid(Graph& g, Builder& builder) {
  const int w = g.place.width;
  const int h = g.place.height;
  const bool ring = g.topology == Topology::torus;
  for (int r = 0; r < g.place.routers; ++r) {
    const int x = r % w;
    const int y = r / w;
    g.x.push_back(x);
    g.y.push_back(y);
    if (x + 1 < w || (ring && w > 1)) {
      builder.join(r, y * w + (x + 1) % w, kEast, "east", ring, x + 1 == w);
    }
    if (x > 0 || (ring && w > 2)) {
      // A ring of two needs only one direction.
      if (!ring || w > 2) {
        builder.join(r, y * w + (x + w - 1) % w, kWest, "west", ring, x == 0);
      }
    }
    if (y + 1 < h || (ring && h > 1)) {
      builder.join(r, ((y + 1) % h) * w + x, kSouth, "south", ring, y + 1 == h);
    }
    if (y > 0 || (ring && h > 2)) {
      if (!ring || h > 2) {
        builder.join(r, ((y + h - 1) % h) * w + x, kNorth, "north", ring, y == 0);
      }
    }
  }
}

void join_tree(Graph& g, Builder& builder) {
  const std::vector<int>& base = g.place.level_base;
  for (int level = 0; level + 1 < static_cast<int>(base.size()); ++level) {
    const auto l = static_cast<std::size_t>(level);
    for (int r = base[l]; r < base[l + 1]; ++r) {
      const int index = r - base[l];
      g.x.push_back(index);
      g.y.push_back(level);
      // Output ports of a router: children in order, then up, then endpoints.
      if (level > 0) {
        const int below = base[l] - base[l - 1];
        for (int c = index * g.arity; c < std::min(below, (index + 1) * g.arity); ++c) {
          builder.join(r, base[l - 1] + c, kDown, fmt::format("down[{}]", c % g.arity).c_str());
        }
      }
      if (level + 2 < static_cast<int>(base.size())) {
        builder.join(r, base[l + 1] + index / g.arity, kUp, "up");
      }
    }
  }
}

}  // namespace

std::int64_t tile_capacity(const FabricSpec& spec) {
  if (spec.topology == Topology::tree || spec.topology == Topology::bus || spec.width == 0 ||
      spec.height == 0) {
    return -1;
  }
  const Block b = block_of(spec);
  return std::int64_t{spec.width} * spec.height * b.width * b.height;
}

Placement place(const FabricSpec& spec, const FabricLayout& layout) {
  Placement p;
  if (spec.topology == Topology::tree) {
    size_tree(spec, layout.tiles, p);
  } else if (spec.topology == Topology::bus) {
    p.width = p.height = p.routers = 1;
  } else {
    size_grid(spec, layout.tiles, p);
  }
  const Block b = block_of(spec);
  const int tile_columns = p.width * b.width;
  for (int t = 0; t < layout.tiles; ++t) {
    int router = 0;
    if (spec.topology == Topology::tree) {
      router = t / spec.concentration;
    } else if (spec.topology != Topology::bus) {
      router = (t / tile_columns / b.height) * p.width + t % tile_columns / b.width;
    }
    p.router_of.push_back(router);
  }
  for (const int router : layout.extra) {
    p.router_of.push_back(std::clamp(router, 0, p.routers - 1));
  }
  return p;
}

Graph build_graph(const FabricSpec& spec, const FabricLayout& layout) {
  Graph g;
  g.topology = spec.topology;
  g.place = place(spec, layout);
  g.arity = spec.arity;
  g.endpoints = static_cast<int>(g.place.router_of.size());
  g.towards.assign(static_cast<std::size_t>(g.place.routers) * 5, -1);
  Builder builder(g);
  builder.start_router_links();
  if (spec.topology == Topology::tree) {
    join_tree(g, builder);
  } else {
    join_grid(g, builder);
  }
  builder.attach_endpoints(layout.tiles);
  builder.finish();
  return g;
}

}  // namespace tessera::arch::fabric
