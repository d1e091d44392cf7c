// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// A placement that changes move by move, with its cost kept up to date.
///
/// What moves is a *thing*: a part of the Program (all that one replica of a layer does on one
/// tile), with the slices of its result that ride along. Parts are never cut or merged, so no
/// replica ever spans more tiles than it did at the start.
///
/// Legal    PEs, as check() counts them; line buffers, as place() counts them (the smallest windows
///          of every layer on the tile; a tile that lower() accepted may keep what it has, however
///          its contents move); bus and vector unit of a tile that gains work stay within
///          `cycle_limit` per image
/// Cost     flit-hops + weight * flits of the busiest shared link, per image; a move costs
///          O(links of the flows that begin or end at what it moves)
#pragma once

#include "arch/chip/chip.hpp"
#include "mapper/placement/traffic.hpp"
#include "sim/api/mapping.hpp"
#include "sim/api/program.hpp"
#include "workloads/network.hpp"

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace tessera::mapper {

/// Two tiles exchange all they hold; a section of the board's line of tiles is turned round; a
/// thing goes to another tile; two things change places.
struct Move {
  enum class Kind { swap_tiles, turn_section, move_thing, swap_things };

  Kind kind = Kind::swap_tiles;
  int a = 0;  ///< tile; index of the first tile in line(); thing; thing
  int b = 0;  ///< tile; index of the last tile in line(); tile; thing
};

class Board {
 public:
  /// Starts from `mapping`, of which `program` was lowered. Keeps references to the program and the
  /// routes.
  Board(const Network& network,
        const Mapping& mapping,
        const Program& program,
        const arch::chip::Chip& chip,
        Routes& routes,
        std::int64_t cycle_limit,
        double weight);

  [[nodiscard]] int tiles() const { return static_cast<int>(on_tile_.size()); }

  /// Things that may be moved.
  [[nodiscard]] const std::vector<int>& movable() const { return movable_; }

  [[nodiscard]] EndpointId endpoint(int thing) const { return at_[index(thing)]; }

  /// What may be moved from a tile.
  [[nodiscard]] const std::vector<int>& things_on(int tile) const { return on_tile_[index(tile)]; }

  /// All tiles, in an order in which neighbours should be near each other; at first as numbered.
  [[nodiscard]] const std::vector<int>& line() const { return line_; }

  void set_line(std::vector<int> tiles) { line_ = std::move(tiles); }

  /// Holds something that has to stay there.
  [[nodiscard]] bool is_pinned(int tile) const { return pinned_[index(tile)]; }

  /// Flows that begin or end at a thing, and what is at their ends.
  [[nodiscard]] const std::vector<int>& flows_of(int thing) const {
    return things_[index(thing)].flows;
  }

  [[nodiscard]] const Flow& flow(int number) const { return flows_[index(number)]; }

  [[nodiscard]] bool is_legal(const Move& move) const;

  /// Precondition: legal.
  void apply(const Move& move);
  /// Takes the last apply() back; once.
  void undo();

  [[nodiscard]] double cost();

  [[nodiscard]] std::int64_t flit_hops() const { return hops_; }

  [[nodiscard]] std::int64_t busiest_flits();

  /// [thing] endpoint of everything; what assign() takes.
  [[nodiscard]] const std::vector<EndpointId>& state() const { return at_; }

  /// Counts everything afresh.
  void assign(std::vector<EndpointId> state);

  [[nodiscard]] const std::vector<Flow>& flows() const { return flows_; }

  /// The start's mapping with everything where it is now; PEs of a tile in network order.
  [[nodiscard]] Mapping mapping() const;

 private:
  struct Thing {
    int stage = 0;
    int replica = 0;
    std::int64_t pes = 0;
    std::int64_t bus = 0;     ///< cycles per image
    std::int64_t vector = 0;  ///< cycles per image
    std::vector<int> stages;  ///< whose line buffers it brings
    std::vector<int> flows;
  };

  /// Flits of a flow per image, with one destination and with several, and the way they take now.
  struct Way {
    std::int64_t one = 0;
    std::int64_t many = 0;
    std::int64_t flits = 0;
    int hops = 0;
    std::vector<int> links;
  };

  struct Tile {
    std::int64_t pes = 0;
    std::int64_t bus = 0;
    std::int64_t vector = 0;
  };

  static std::size_t index(std::int64_t i) { return static_cast<std::size_t>(i); }

  void find_things(const Network& network, const Mapping& mapping, const arch::chip::Chip& chip);
  void find_ways(const Network& network);

  /// Whether what one tile does the other one can do as well: only such tiles exchange anything.
  [[nodiscard]] bool alike(int a, int b) const {
    return group_of_[index(a)] == group_of_[index(b)];
  }

  [[nodiscard]] int leader_of(const Network& network, const ProgramStage& stage) const;
  [[nodiscard]] bool accepts(int tile, int thing, int leaving) const;
  void relocate(int thing, int tile);
  void swap_contents(int a, int b);
  void change(const Move& move);
  void find_way(int flow, Way& way);
  void update_flow(int flow);
  void update_thing(int thing);
  void update_tiles(int a, int b);
  void add_load(const Way& way, int sign);

  Mapping mapping_;
  const Program& program_;
  Routes& routes_;
  double weight_;
  const arch::chip::Chip& chip_;
  std::vector<std::size_t> group_of_;  ///< [tile]
  std::int64_t cycle_limit_;
  std::vector<Bits> buffer_;  ///< [tile]
  std::vector<Bits> needs_;   ///< [stage] smallest windows of its line buffers

  std::vector<Thing> things_;   ///< [part]
  std::vector<int> thing_of_;   ///< [part] itself, or what it rides along with
  std::vector<EndpointId> at_;  ///< [part]
  std::vector<int> movable_;
  std::vector<std::vector<int>> on_tile_;  ///< [tile] things
  std::vector<Tile> used_;                 ///< [tile]
  std::vector<bool> pinned_;               ///< [tile]
  std::vector<int> line_;

  std::vector<Flow> flows_;
  std::vector<Way> ways_;
  std::vector<std::int64_t> load_;  ///< [link]
  std::int64_t hops_ = 0;
  std::int64_t busiest_ = 0;
  bool busiest_fell_ = false;  ///< a link that had busiest_ flits has fewer now

  Move last_;
  EndpointId last_from_ = 0;                 ///< where the moved thing was
  std::vector<std::pair<int, Way>> before_;  ///< ways that the last move changed; a pool
  std::size_t changed_ = 0;                  ///< of before_
  std::int64_t busiest_before_ = 0;
  std::vector<int> updated_;  ///< [flow] the move that changed it last
  int moves_ = 0;
  std::vector<int> met_;  ///< [flow] the pair of tiles on the first of which it was found last
  int pairs_ = 0;
  std::vector<int> on_both_;
  std::vector<EndpointId> to_;
  std::vector<int> reached_;  ///< [endpoint] the way that ended there last
  int ways_found_ = 0;
};

}  // namespace tessera::mapper
