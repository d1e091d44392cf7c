// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Routers, links and the routing function, as flat tables.
///
/// Links are directed and numbered: link e carries what endpoint e injects, link endpoints + e what
/// is ejected to endpoint e, and links from 2 * endpoints on join routers. A link is at once an
/// output port of the router it leaves and an input port of the router it enters, so one index
/// serves the virtual channels on both sides.
///
/// Source   dimension-order routing and dateline classes: Dally and Towles, Principles and
/// Practices of
///          Interconnection Networks, 2004, sections 8.4.1 and 14.2.3
#pragma once

#include "arch/fabric/spec.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace tessera::arch::fabric {

/// Where endpoints sit, without any link: enough for distances.
struct Placement {
  int routers = 0;
  int width = 0;   ///< of the router grid; 0 in a tree
  int height = 0;  ///< of the router grid; levels of a tree
  std::vector<int>
      level_base;              ///< tree only: first router of each level, and the number of routers
  std::vector<int> router_of;  ///< [endpoint]
};

Placement place(const FabricSpec& spec, const FabricLayout& layout);

/// Capacity of a spec whose grid is fixed; -1 when the grid grows with the tiles.
std::int64_t tile_capacity(const FabricSpec& spec);

enum : int { kEast = 0, kWest = 1, kSouth = 2, kNorth = 3, kUp = 4, kDown = 5, kLocal = 6 };

struct Link {
  int from = -1;  ///< router, or -1 for an injection link
  int to = -1;    ///< router, or -1 for an ejection link
  int out_port = -1;
  int in_port = -1;
  int direction = kLocal;
  bool ring = false;  ///< of a torus: virtual channels are split into two dateline classes
  bool wrap = false;  ///< the link that crosses the dateline of its ring
};

/// Where a packet goes next.
struct Hop {
  int port;  ///< output port of the router
  int vc_class;
};

struct Graph {
  Topology topology = Topology::mesh;
  Placement place;
  int arity = 0;
  int endpoints = 0;
  std::vector<Link> links;
  std::vector<std::string> names;  ///< [link]
  std::vector<int> in_base;        ///< [router + 1] into in_links
  std::vector<int> in_links;
  std::vector<int> out_base;  ///< [router + 1] into out_links
  std::vector<int> out_links;
  std::vector<int> x;           ///< [router] column; index within its level in a tree
  std::vector<int> y;           ///< [router] row; level in a tree
  std::vector<int> towards;     ///< [router][5] port east, west, south, north, up, or -1
  std::vector<int> eject_port;  ///< [endpoint] port of its router

  /// `in` is the link the packet came over and `in_class` its dateline class there.
  [[nodiscard]] Hop route(int router, int in, int in_class, int destination) const {
    const auto at = static_cast<std::size_t>(router);
    const auto to =
        static_cast<std::size_t>(place.router_of[static_cast<std::size_t>(destination)]);
    if (at == to) {
      return {eject_port[static_cast<std::size_t>(destination)], 0};
    }
    if (topology == Topology::tree) {
      return {tree_port(at, to), 0};
    }
    int direction = 0;
    if (topology == Topology::torus) {
      direction = x[at] != x[to] ? ring_direction(x[at], x[to], place.width, kEast, kWest)
                                 : ring_direction(y[at], y[to], place.height, kSouth, kNorth);
    } else if (x[at] != x[to]) {
      direction = x[to] > x[at] ? kEast : kWest;
    } else {
      direction = y[to] > y[at] ? kSouth : kNorth;
    }
    const int port = towards[at * 5 + static_cast<std::size_t>(direction)];
    int vc_class = 0;
    if (topology == Topology::torus) {
      const Link& out = links[static_cast<std::size_t>(
          out_links[static_cast<std::size_t>(out_base[at]) + static_cast<std::size_t>(port)])];
      const bool same_ring = links[static_cast<std::size_t>(in)].direction == direction;
      vc_class = out.wrap || (same_ring && in_class == 1) ? 1 : 0;
    }
    return {port, vc_class};
  }

 private:
  /// The shorter way round; the positive one when both are equal.
  static int ring_direction(int from, int to, int size, int positive, int negative) {
    const int forward = to >= from ? to - from : to - from + size;
    return 2 * forward <= size ? positive : negative;
  }

  [[nodiscard]] int tree_port(std::size_t at, std::size_t to) const {
    int index = x[to];
    int level = y[to];
    int child = index;
    while (level < y[at]) {
      child = index;
      index /= arity;
      ++level;
    }
    return level == y[at] && index == x[at] ? child % arity : towards[at * 5 + kUp];
  }
};

Graph build_graph(const FabricSpec& spec, const FabricLayout& layout);

}  // namespace tessera::arch::fabric
