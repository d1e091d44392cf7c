// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "mapper/placement/placement.hpp"

#include "mapper/analytical.hpp"
#include "mapper/lower.hpp"
#include "mapper/place.hpp"
#include "mapper/placement/board.hpp"
#include "mapper/placement/bound.hpp"
#include "mapper/placement/traffic.hpp"
#include "sim/base/math.hpp"
#include "sim/base/rng.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <optional>
#include <utility>
#include <vector>

namespace tessera::mapper {
namespace {

constexpr std::size_t ix(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

/// What the closed form may lose against first fit.
class Guard {
 public:
  Guard(const Network& network,
        const arch::chip::Chip& chip,
        Granularity granularity,
        const Mapping& start)
      : analyzer_(network, chip, granularity), start_(analyzer_.analyze(start)) {}

  [[nodiscard]] std::int64_t interval() const { return start_.interval.value; }

  bool accepts(const Mapping& mapping) {
    const Analysis analysis = analyzer_.analyze(mapping);
    return within(analysis.latency, start_.latency) && within(analysis.interval, start_.interval);
  }

 private:
  static bool within(Cycles now, Cycles before) {
    return static_cast<double>(now.value) <= 1.001 * static_cast<double>(before.value);
  }

  Analyzer analyzer_;
  Analysis start_;
};

// ---- ordered ------------------------------------------------------------------------------------

/// Routers of a grid in strips of `strip` rows, each walked column by column, to and fro.
std::vector<int> walk_grid(
    int width, int height, int strip, bool by_columns, bool right, bool down) {
  const int along = by_columns ? height : width;
  const int across = by_columns ? width : height;
  std::vector<int> routers;
  bool forward = true;
  for (int top = 0; top < across; top += strip) {
    bool downward = true;
    for (int k = 0; k < along; ++k) {
      const int u = forward ? k : along - 1 - k;
      const int rows = std::min(strip, across - top);
      for (int r = 0; r < rows; ++r) {
        const int v = top + (downward ? r : rows - 1 - r);
        int x = by_columns ? v : u;
        int y = by_columns ? u : v;
        x = right ? x : width - 1 - x;
        y = down ? y : height - 1 - y;
        routers.push_back(y * width + x);
      }
      downward = !downward;
    }
    forward = !forward;
  }
  return routers;
}

/// Orders of the chip's tiles, group by group, in which neighbours are near each other; the first
/// is first fit's.
std::vector<std::vector<int>> walks_over(const arch::chip::Chip& chip) {
  const arch::fabric::Placement place =
      arch::fabric::place(chip.spec.fabric, arch::chip::fabric_layout(chip));
  std::vector<std::vector<int>> walks(1);
  walks[0].resize(ix(chip.tiles()));
  std::iota(walks[0].begin(), walks[0].end(), 0);
  std::vector<std::vector<int>> tiles_of(ix(place.routers));
  for (const int tile : walks[0]) {
    tiles_of[ix(place.router_of[ix(tile)])].push_back(tile);
  }
  for (const bool by_columns : {false, true}) {
    const int across = by_columns ? place.width : place.height;
    for (int strip = 1; place.width > 0 && strip <= std::min(across, 8); ++strip) {
      for (const int corner : {0, 1, 2, 3}) {
        std::vector<int>& walk = walks.emplace_back();
        for (const int router : walk_grid(
                 place.width, place.height, strip, by_columns, corner % 2 == 0, corner / 2 == 0)) {
          walk.insert(walk.end(), tiles_of[ix(router)].begin(), tiles_of[ix(router)].end());
        }
      }
    }
  }
  if (chip.mixed()) {
    for (std::vector<int>& walk : walks) {
      std::stable_sort(walk.begin(), walk.end(), [&](int a, int b) {
        return chip.group_of(a) < chip.group_of(b);
      });
    }
  }
  return walks;
}

/// Lays the tiles of the board, in their order, along the best walk that the guard accepts.
void order(Board& board, Guard& guard, const arch::chip::Chip& chip) {
  std::vector<int> used;
  for (int tile = 0; tile < board.tiles(); ++tile) {
    if (board.is_pinned(tile)) {
      return;
    }
    if (!board.things_on(tile).empty()) {
      used.push_back(tile);
    }
  }

  struct Candidate {
    double cost;
    std::vector<int> walk;
    std::vector<EndpointId> state;
  };

  std::vector<Candidate> candidates{{board.cost(), board.line(), board.state()}};
  for (const std::vector<int>& walk : walks_over(chip)) {
    std::vector<int> tile_of(ix(board.tiles()));
    std::vector<std::size_t> next(chip.groups.size());  // of a group's tiles along the walk
    for (std::size_t group = 0; group < next.size(); ++group) {
      next[group] = ix(chip.first_tile(group));
    }
    for (const int tile : used) {
      tile_of[ix(tile)] = walk[next[chip.group_of(tile)]++];
    }
    std::vector<EndpointId> state = candidates.front().state;
    for (const int thing : board.movable()) {
      state[ix(thing)] = tile_of[ix(state[ix(thing)])];
    }
    board.assign(state);
    candidates.push_back({board.cost(), walk, std::move(state)});
  }
  std::stable_sort(candidates.begin(),
                   candidates.end(),
                   [](const Candidate& a, const Candidate& b) { return a.cost < b.cost; });
  for (const Candidate& candidate : candidates) {
    board.assign(candidate.state);
    board.set_line(candidate.walk);
    if (guard.accepts(board.mapping())) {
      return;
    }
  }
}

// ---- moves --------------------------------------------------------------------------------------

/// Draws moves that make sense: half of them towards somebody with whom the thing has traffic.
class Mover {
 public:
  Mover(const Board& board, const Routes& routes, Rng& rng)
      : board_(board), routes_(routes), rng_(rng) {}

  /// Maybe illegal.
  Move draw() {
    if (rng_.chance(0.2)) {
      const auto last = static_cast<std::int64_t>(board_.line().size()) - 1;
      const auto begin = rng_.uniform(0, last);
      const auto end = std::min(last, begin + rng_.uniform(1, kLongestSection - 1));
      return {Move::Kind::turn_section, static_cast<int>(begin), static_cast<int>(end)};
    }
    const int thing = pick(board_.movable());
    const int tile = rng_.chance(0.5) ? pick_near(partner_of(thing))
                                      : static_cast<int>(rng_.uniform(0, board_.tiles() - 1));
    const double kind = rng_.uniform01();
    if (kind < 0.5) {
      return {Move::Kind::swap_tiles, board_.endpoint(thing), tile};
    }
    if (kind < 0.75 || board_.things_on(tile).empty()) {
      return {Move::Kind::move_thing, thing, tile};
    }
    return {Move::Kind::swap_things, thing, pick(board_.things_on(tile))};
  }

 private:
  static constexpr int kLongestSection = 12;
  static constexpr std::size_t kNear = 12;  ///< tiles that count as near

  int pick(const std::vector<int>& list) {
    return list[ix(rng_.uniform(0, static_cast<std::int64_t>(list.size()) - 1))];
  }

  /// Endpoint at the other end of one of the thing's flows; its own when it has none.
  EndpointId partner_of(int thing) {
    const std::vector<int>& flows = board_.flows_of(thing);
    if (flows.empty()) {
      return board_.endpoint(thing);
    }
    const Flow& flow = board_.flow(pick(flows));
    return board_.endpoint(flow.from == thing ? pick(flow.to) : flow.from);
  }

  int pick_near(EndpointId endpoint) {
    near_.resize(std::max(near_.size(), ix(endpoint) + 1));
    std::vector<int>& list = near_[ix(endpoint)];
    if (list.empty()) {
      std::vector<std::pair<int, int>> all;  // hops, tile
      all.reserve(ix(board_.tiles()));
      for (int tile = 0; tile < board_.tiles(); ++tile) {
        all.emplace_back(tile == endpoint ? 0 : routes_.hops(endpoint, tile), tile);
      }
      const std::size_t count = std::min(kNear, all.size());
      std::partial_sort(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(count), all.end());
      for (std::size_t k = 0; k < count; ++k) {
        list.push_back(all[k].second);
      }
    }
    return pick(list);
  }

  const Board& board_;
  const Routes& routes_;
  Rng& rng_;
  std::vector<std::vector<int>> near_;  ///< [endpoint]
};

void scatter(Board& board, const Routes& routes, Rng& rng) {
  std::vector<int> free;
  for (int tile = 0; tile < board.tiles(); ++tile) {
    if (!board.is_pinned(tile)) {
      free.push_back(tile);
    }
  }
  for (std::size_t i = free.size(); i > 1; --i) {
    const Move move{Move::Kind::swap_tiles,
                    free[i - 1],
                    free[ix(rng.uniform(0, static_cast<std::int64_t>(i) - 1))]};
    if (board.is_legal(move)) {
      board.apply(move);
    }
  }
  Mover mover(board, routes, rng);
  for (std::size_t i = 0; i < 4 * board.movable().size(); ++i) {
    if (const Move move = mover.draw(); board.is_legal(move)) {
      board.apply(move);
    }
  }
}

// ---- annealing ----------------------------------------------------------------------------------

/// Mean of what legal moves from here cost that cost anything.
double mean_ascent(Board& board, Mover& mover) {
  constexpr int kSamples = 200;
  const double here = board.cost();
  double sum = 0;
  int ascents = 0;
  for (int i = 0; i < kSamples; ++i) {
    const Move move = mover.draw();
    if (!board.is_legal(move)) {
      continue;
    }
    board.apply(move);
    if (const double rise = board.cost() - here; rise > 0) {
      sum += rise;
      ++ascents;
    }
    board.undo();
  }
  return ascents == 0 ? 1 : sum / ascents;
}

/// Leaves the board in the cheapest state that the guard accepted.
void anneal(Board& board,
            const Routes& routes,
            Guard& guard,
            Rng& rng,
            std::int64_t moves,
            PlacementReport& report) {
  constexpr int kEpochs = 50;
  constexpr double kHottest = 0.03;  // of the mean ascent
  constexpr double kColdest = 1e-4;  // likewise
  Mover mover(board, routes, rng);
  const double ascent = mean_ascent(board, mover);
  double cost = board.cost();
  double best_cost = cost;
  std::vector<EndpointId> best = board.state();
  double accepted_cost = cost;
  std::vector<EndpointId> accepted = best;
  for (int epoch = 0; epoch < kEpochs; ++epoch) {
    const double temperature =
        ascent * kHottest *
        std::pow(kColdest / kHottest, static_cast<double>(epoch) / (kEpochs - 1));
    for (std::int64_t i = 0; i < ceil_div<std::int64_t>(moves, kEpochs); ++i) {
      const Move move = mover.draw();
      ++report.moves;
      if (!board.is_legal(move)) {
        continue;
      }
      board.apply(move);
      const double next = board.cost();
      if (next > cost && rng.uniform01() >= std::exp((cost - next) / temperature)) {
        board.undo();
        continue;
      }
      ++report.accepted;
      cost = next;
      if (cost < best_cost) {
        best_cost = cost;
        best = board.state();
      }
    }
    if (best_cost < accepted_cost) {
      std::vector<EndpointId> here = board.state();
      board.assign(best);
      if (guard.accepts(board.mapping())) {
        accepted_cost = best_cost;
        accepted = best;
      }
      board.assign(std::move(here));
    }
  }
  board.assign(std::move(accepted));
}

/// A Program, or nothing when the mapping does not fit.
std::optional<Program> lowered(const Network& network,
                               const Mapping& mapping,
                               const arch::chip::Chip& chip,
                               Granularity granularity) {
  Diagnostics diagnostics;
  LowerOptions options;
  options.granularity = granularity;
  Program program = lower(network, mapping, chip, options, diagnostics);
  return diagnostics.ok() ? std::optional(std::move(program)) : std::nullopt;
}

void fill_report(const Network& network,
                 const Program& program,
                 const arch::chip::Chip& chip,
                 Routes& routes,
                 PlacementReport& report) {
  const Traffic traffic = find_traffic(network, program, routes);
  report.flit_hops = traffic.flit_hops;
  report.busiest_flits = traffic.busiest_flits;
  report.busiest_link = traffic.busiest_link < 0 ? "" : routes.name(traffic.busiest_link);
  std::vector<int> at;
  for (const ProgramPart& part : program.parts) {
    at.push_back(part.at);
  }
  report.bound = bound_of_permutations(find_flows(network, program, at), chip, routes);
  report.bound_any = bound_of_placements(network, program, chip, routes);
}

}  // namespace

Mapping optimise_placement(const Network& network,
                           const arch::chip::Chip& chip,
                           const Mapping& start,
                           Granularity granularity,
                           const PlacementOptions& options,
                           PlacementReport* report) {
  const auto begin = std::chrono::steady_clock::now();
  PlacementReport unread;
  PlacementReport& out = report != nullptr ? *report : unread;
  out = {};
  std::optional<Program> program;
  if (granularity != Granularity::serial && chip.tiles() <= kMostTiles) {
    program = lowered(network, start, chip, granularity);
  }
  if (!program) {
    return start;
  }
  Routes routes(chip);
  const Traffic before = find_traffic(network, *program, routes);
  out.first_fit_flit_hops = before.flit_hops;
  out.first_fit_busiest_flits = before.busiest_flits;
  Mapping mapping = start;
  if (options.method != PlacementMethod::first_fit) {
    Guard guard(network, chip, granularity, start);
    Board board(network, start, *program, chip, routes, guard.interval(), options.busiest_weight);
    Rng rng(options.seed, "placement");
    if (options.method == PlacementMethod::random) {
      scatter(board, routes, rng);
    } else {
      order(board, guard, chip);
      if (options.method == PlacementMethod::annealing) {
        anneal(board, routes, guard, rng, options.moves, out);
      }
    }
    mapping = board.mapping();
  }
  std::optional<Program> placed = lowered(network, mapping, chip, granularity);
  if (!placed) {  // parts that share a tile anew need more of its buffer than the moves counted
    mapping = start;
    placed = std::move(program);
  }
  if (report != nullptr) {
    fill_report(network, *placed, chip, routes, out);
  }
  out.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return mapping;
}

Mapping optimise_placement(const Network& network,
                           const arch::chip::Chip& chip,
                           const MappingRequest& request,
                           Granularity granularity,
                           const PlacementOptions& options,
                           Diagnostics& diagnostics,
                           PlacementReport* report) {
  const std::size_t errors_before = diagnostics.errors().size();
  Mapping mapping = place(network, chip, request, granularity, diagnostics);
  return diagnostics.errors().size() != errors_before
             ? mapping
             : optimise_placement(network, chip, mapping, granularity, options, report);
}

}  // namespace tessera::mapper
