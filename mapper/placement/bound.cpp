// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "mapper/placement/bound.hpp"

#include "sim/base/math.hpp"

#include <algorithm>
#include <cstddef>
#include <functional>
#include <map>
#include <utility>

namespace tessera::mapper {
namespace {

constexpr std::size_t ix(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

/// Beyond this much work the assignment is relaxed to the least of every row.
constexpr std::int64_t kMostWork = 2'000'000'000;

/// Most tiles that one router serves.
int concentration(const arch::chip::Chip& chip) {
  const arch::fabric::Placement place =
      arch::fabric::place(chip.spec.fabric, arch::chip::fabric_layout(chip));
  std::vector<int> tiles(ix(place.routers), 0);
  for (std::int64_t tile = 0; tile < chip.tiles(); ++tile) {
    ++tiles[ix(place.router_of[ix(tile)])];
  }
  return *std::max_element(tiles.begin(), tiles.end());
}

/// A tree that reaches `tiles` tiles, its root's among them, joins at least this many routers.
std::int64_t least_links(std::int64_t tiles, int concentration) {
  return ceil_div<std::int64_t>(tiles, concentration) - 1;
}

}  // namespace

std::int64_t least_assignment(const std::vector<std::vector<std::int64_t>>& cost) {
  if (cost.empty()) {
    return 0;
  }
  const std::size_t rows = cost.size();
  const std::size_t columns = cost.front().size();
  std::vector<std::int64_t> row_price(rows + 1, 0);
  std::vector<std::int64_t> column_price(columns + 1, 0);
  std::vector<std::size_t> row_of(columns + 1, 0);  // 1-based; 0: free
  for (std::size_t row = 1; row <= rows; ++row) {
    std::vector<std::int64_t> slack(columns + 1, INT64_MAX);
    std::vector<std::size_t> before(columns + 1, 0);
    std::vector<bool> reached(columns + 1, false);
    std::size_t column = 0;
    row_of[0] = row;
    do {
      reached[column] = true;
      const std::size_t at = row_of[column];
      std::int64_t least = INT64_MAX;
      std::size_t next = 0;
      for (std::size_t j = 1; j <= columns; ++j) {
        if (reached[j]) {
          continue;
        }
        const std::int64_t reduced = cost[at - 1][j - 1] - row_price[at] - column_price[j];
        if (reduced < slack[j]) {
          slack[j] = reduced;
          before[j] = column;
        }
        if (slack[j] < least) {
          least = slack[j];
          next = j;
        }
      }
      for (std::size_t j = 0; j <= columns; ++j) {
        if (reached[j]) {
          row_price[row_of[j]] += least;
          column_price[j] -= least;
        } else {
          slack[j] -= least;
        }
      }
      column = next;
    } while (row_of[column] != 0);
    for (; column != 0; column = before[column]) {
      row_of[column] = row_of[before[column]];
    }
  }
  return -column_price[0];
}

std::int64_t bound_of_permutations(const std::vector<Flow>& flows,
                                   const arch::chip::Chip& chip,
                                   Routes& routes) {
  const int tiles = static_cast<int>(chip.tiles());
  const int per_router = concentration(chip);
  std::int64_t constant = 0;                                       // of multicasts
  std::map<std::pair<int, int>, std::int64_t> between;             // tiles a < b
  std::map<int, std::vector<std::pair<int, std::int64_t>>> fixed;  // tile: endpoint, flits
  const auto add_pair = [&](int from, int to, std::int64_t flits) {
    const auto [low, high] = std::minmax(from, to);
    if (low >= tiles) {
      constant += flits * std::min(routes.hops(low, high), routes.hops(high, low));
    } else if (high >= tiles) {
      fixed[low].emplace_back(high, flits);
    } else {
      between[{low, high}] += flits;
    }
  };
  for (const Flow& flow : flows) {
    const bool multicast = flow.to.size() > 1;
    const std::int64_t flits = flow.messages * routes.flits(flow.bits, multicast);
    if (!multicast || routes.unicast_only()) {
      for (const int to : flow.to) {
        add_pair(flow.from, to, flits);
      }
      continue;
    }
    const auto reached =
        std::count_if(flow.to.begin(), flow.to.end(), [&](int to) { return to < tiles; }) +
        (flow.from < tiles ? 1 : 0);
    constant += flits * std::max<std::int64_t>(0, least_links(reached, per_router));
  }

  // Every pair counts half for either end; all is doubled, to stay whole.
  std::map<int, std::vector<std::int64_t>> flits_of;
  for (const auto& [pair, flits] : between) {
    flits_of[pair.first].push_back(flits);
    flits_of[pair.second].push_back(flits);
  }
  for (const auto& [tile, list] : fixed) {
    flits_of.try_emplace(tile);
  }
  if (flits_of.empty()) {
    return constant;
  }
  std::vector<std::vector<int>> nearest(ix(tiles));  // [tile] distances of the others, rising
  std::size_t most = 0;
  for (auto& [tile, list] : flits_of) {
    std::sort(list.begin(), list.end(), std::greater<>());
    most = std::max(most, list.size());
  }
  for (int at = 0; at < tiles; ++at) {
    std::vector<int>& list = nearest[ix(at)];
    for (int other = 0; other < tiles; ++other) {
      if (other != at) {
        list.push_back(std::min(routes.hops(at, other), routes.hops(other, at)));
      }
    }
    std::sort(list.begin(), list.end());
    list.resize(std::min(list.size(), most));
  }
  std::vector<std::vector<std::int64_t>> cost;
  std::int64_t least_of_rows = 0;
  for (const auto& [tile, list] : flits_of) {
    std::vector<std::int64_t>& row = cost.emplace_back(ix(tiles), 0);
    for (int at = 0; at < tiles; ++at) {
      for (std::size_t k = 0; k < list.size(); ++k) {
        row[ix(at)] += list[k] * nearest[ix(at)][k];
      }
      if (const auto found = fixed.find(tile); found != fixed.end()) {
        for (const auto& [endpoint, flits] : found->second) {
          row[ix(at)] += 2 * flits * std::min(routes.hops(at, endpoint), routes.hops(endpoint, at));
        }
      }
    }
    least_of_rows += *std::min_element(row.begin(), row.end());
  }
  const auto rows = static_cast<std::int64_t>(cost.size());
  const bool exact = rows * rows <= kMostWork / tiles;
  return constant + ceil_div<std::int64_t>(exact ? least_assignment(cost) : least_of_rows, 2);
}

std::int64_t bound_of_placements(const Network& network,
                                 const Program& program,
                                 const arch::chip::Chip& chip,
                                 Routes& routes) {
  std::vector<int> itself;
  std::vector<std::int64_t> pes;
  for (std::size_t p = 0; p < program.parts.size(); ++p) {
    itself.push_back(static_cast<int>(p));
    pes.push_back(0);
    for (const LockstepGroup& group : program.parts[p].groups) {
      pes.back() += group.pes;
    }
  }
  const int per_router = concentration(chip);
  std::int64_t pes_per_tile = 1;
  for (const arch::chip::TileGroup& group : chip.groups) {
    pes_per_tile = std::max(pes_per_tile, group.tile.pes);
  }
  std::int64_t bound = 0;
  for (const Flow& flow : find_flows(network, program, itself)) {
    const ProgramPart& from = program.parts[ix(flow.from)];
    if (program.stages[ix(from.stage)].burst > 1) {
      continue;  // its packets depend on the line buffers, and those on the placement
    }
    std::int64_t total = pes[ix(flow.from)];
    std::map<std::pair<int, int>, std::int64_t> of_replica{{{from.stage, from.replica}, 1}};
    std::int64_t apart = 1;
    for (const int part : flow.to) {
      total += pes[ix(part)];
      const ProgramPart& to = program.parts[ix(part)];
      if (!to.groups.empty()) {
        apart = std::max(apart, ++of_replica[{to.stage, to.replica}]);
      }
    }
    const std::int64_t needed = std::max(apart, ceil_div(total, pes_per_tile));
    bound += flow.messages * routes.flits(flow.bits, false) *
             std::max<std::int64_t>(0, least_links(needed, per_router));
  }
  return bound;
}

}  // namespace tessera::mapper
