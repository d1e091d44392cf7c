// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "mapper/placement/board.hpp"

#include "mapper/first_fit.hpp"
#include "mapper/line_buffers.hpp"
#include "sim/base/math.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <utility>

namespace tessera::mapper {

Board::Board(const Network& network,
             const Mapping& mapping,
             const Program& program,
             const arch::chip::Chip& chip,
             Routes& routes,
             std::int64_t cycle_limit,
             double weight)
    : mapping_(mapping),
      program_(program),
      routes_(routes),
      weight_(weight),
      chip_(chip),
      cycle_limit_(cycle_limit),
      buffer_(buffer_capacities(chip)),
      needs_(program.stages.size(), Bits(0)),
      pinned_(index(chip.tiles()), false),
      line_(index(chip.tiles())),
      reached_(index(program.endpoints()), 0) {
  std::iota(line_.begin(), line_.end(), 0);
  for (std::size_t group = 0; group < chip.groups.size(); ++group) {
    group_of_.insert(group_of_.end(), index(chip.groups[group].tiles), group);
  }
  for (std::size_t s = 0; s < program.stages.size(); ++s) {
    for (const int edge : program.stages[s].in_edges) {
      const ProgramEdge& e = program.edges[index(edge)];
      needs_[s] += e.min_window * e.bits;
    }
  }
  find_things(network, mapping, chip);
  find_ways(network);
  std::vector<EndpointId> start;
  for (const ProgramPart& part : program.parts) {
    start.push_back(part.at);
  }
  assign(std::move(start));
}

/// The part that a slice is with: the home of what it slices. -1: it stays where it is.
int Board::leader_of(const Network& network, const ProgramStage& stage) const {
  const LayerId producer = producer_of(network, stage.layer);
  for (const ProgramStage& other : program_.stages) {
    if (other.layer == producer && other.kind != StageKind::source) {
      return other.replicas.front().parts.front();
    }
  }
  return -1;
}

void Board::find_things(const Network& network,
                        const Mapping& mapping,
                        const arch::chip::Chip& chip) {
  std::map<LayerId, const LayerMapping*> mapped;
  for (const LayerMapping& layer : mapping.layers) {
    mapped[layer.layer] = &layer;
  }
  things_.resize(program_.parts.size());
  thing_of_.resize(program_.parts.size());
  for (std::size_t s = 0; s < program_.stages.size(); ++s) {
    const ProgramStage& stage = program_.stages[s];
    for (std::size_t k = 0; k < stage.replicas.size(); ++k) {
      const std::vector<int>& parts = stage.replicas[k].parts;
      const std::int64_t firings = ceil_div(stage.positions - static_cast<std::int64_t>(k),
                                            static_cast<std::int64_t>(stage.replicas.size()));
      for (const int number : parts) {
        const ProgramPart& part = program_.parts[index(number)];
        Thing& thing = things_[index(number)];
        thing_of_[index(number)] = number;
        thing.stage = static_cast<int>(s);
        thing.replica = static_cast<int>(k);
        thing.stages = {static_cast<int>(s)};
        thing.vector = firings * part.vector.cycles.value;
        if (stage.kind == StageKind::matrix) {
          const std::int64_t width = chip.group_at(part.at).tile.bus.width;
          const auto over = [&](Bits bits) { return width == 0 ? 0 : ceil_div(bits.value, width); };
          thing.bus = firings * (over(part.in_bits) + over(part.out_bits));
          for (const PlacedRun& run : mapped.at(stage.layer)->placement[k]) {
            thing.pes += run.tile == part.at ? run.pes : 0;
          }
        }
      }
      if (parts.size() > 1) {
        things_[index(parts.front())].vector += firings * stage.combine.cycles.value;
      }
    }
  }
  for (std::size_t s = 0; s < program_.stages.size(); ++s) {
    const ProgramStage& stage = program_.stages[s];
    const int part = stage.replicas.front().parts.front();
    if (stage.kind == StageKind::vector && !runs_in_vector_unit(network.layer(stage.layer))) {
      if (const int leader = leader_of(network, stage); leader >= 0) {
        thing_of_[index(part)] = leader;
        things_[index(leader)].stages.push_back(static_cast<int>(s));
      } else {
        pinned_[index(program_.parts[index(part)].at)] = true;
      }
    } else if (stage.kind == StageKind::matrix || stage.kind == StageKind::vector) {
      for (const ProgramReplica& replica : stage.replicas) {
        movable_.insert(movable_.end(), replica.parts.begin(), replica.parts.end());
      }
    }
  }
}

void Board::find_ways(const Network& network) {
  for (const Flow& flow : find_flows(network, program_, thing_of_)) {
    if (flows_.empty() || flows_.back().from != flow.from || flows_.back().to != flow.to) {
      const int number = static_cast<int>(flows_.size());
      things_[index(flow.from)].flows.push_back(number);
      for (const int thing : flow.to) {
        things_[index(thing)].flows.push_back(number);
      }
      flows_.push_back({flow.from, flow.to, 0, Bits(0)});
      ways_.emplace_back();
    }
    flows_.back().messages += flow.messages;
    flows_.back().bits += flow.messages * flow.bits;
    ways_.back().one += flow.messages * routes_.flits(flow.bits, false);
    ways_.back().many += flow.messages * routes_.flits(flow.bits, true);
  }
  updated_.assign(flows_.size(), 0);
  met_.assign(flows_.size(), 0);
}

void Board::assign(std::vector<EndpointId> state) {
  at_ = std::move(state);
  on_tile_.assign(pinned_.size(), {});
  used_.assign(pinned_.size(), {});
  for (const int thing : movable_) {
    const std::size_t tile = index(at_[index(thing)]);
    on_tile_[tile].push_back(thing);
    used_[tile].pes += things_[index(thing)].pes;
    used_[tile].bus += things_[index(thing)].bus;
    used_[tile].vector += things_[index(thing)].vector;
  }
  load_.assign(index(routes_.links()), 0);
  hops_ = 0;
  for (std::size_t f = 0; f < flows_.size(); ++f) {
    find_way(static_cast<int>(f), ways_[f]);
    add_load(ways_[f], 1);
  }
  busiest_fell_ = true;
  changed_ = 0;
}

void Board::find_way(int flow, Way& way) {
  const Flow& f = flows_[index(flow)];
  const EndpointId from = at_[index(f.from)];
  to_.clear();
  ++ways_found_;
  reached_[index(from)] = ways_found_;
  for (const int thing : f.to) {
    const EndpointId end = at_[index(thing)];
    if (std::exchange(reached_[index(end)], ways_found_) != ways_found_) {
      to_.push_back(end);
    }
  }
  way.links.clear();
  way.flits = to_.size() > 1 ? way.many : way.one;
  way.hops = to_.empty() ? 0 : routes_.route(from, to_, way.links);
}

void Board::add_load(const Way& way, int sign) {
  hops_ += sign * way.flits * way.hops;
  for (const int link : way.links) {
    std::int64_t& load = load_[index(link)];
    busiest_fell_ = busiest_fell_ || (sign < 0 && load == busiest_);
    load += sign * way.flits;
    busiest_ = std::max(busiest_, load);
  }
}

std::int64_t Board::busiest_flits() {
  if (std::exchange(busiest_fell_, false)) {
    busiest_ = load_.empty() ? 0 : *std::max_element(load_.begin(), load_.end());
  }
  return busiest_;
}

double Board::cost() {
  return static_cast<double>(hops_) + weight_ * static_cast<double>(busiest_flits());
}

/// Whether `tile` can take `thing` when `leaving` (-1: nothing) has left it.
bool Board::accepts(int tile, int thing, int leaving) const {
  if (!alike(tile, endpoint(thing))) {
    return false;
  }
  const bool limited_buffer = buffer_[index(tile)] < kUnlimitedBuffer;
  const Thing& in = things_[index(thing)];
  Tile used = used_[index(tile)];
  if (leaving >= 0) {
    used.pes -= things_[index(leaving)].pes;
    used.bus -= things_[index(leaving)].bus;
    used.vector -= things_[index(leaving)].vector;
  }
  if (used.pes + in.pes > chip_.groups[group_of_[index(tile)]].tile.pes ||
      (in.bus > 0 && used.bus + in.bus > cycle_limit_) ||
      (in.vector > 0 && used.vector + in.vector > cycle_limit_)) {
    return false;
  }
  std::vector<int> stages = in.stages;
  for (const int other : on_tile_[index(tile)]) {
    const Thing& there = things_[index(other)];
    if (other == leaving) {
      continue;
    }
    if (there.stage == in.stage && there.replica == in.replica) {
      return false;  // parts of a replica are never merged
    }
    if (limited_buffer) {
      stages.insert(stages.end(), there.stages.begin(), there.stages.end());
    }
  }
  if (!limited_buffer) {
    return true;
  }
  std::sort(stages.begin(), stages.end());
  stages.erase(std::unique(stages.begin(), stages.end()), stages.end());
  Bits held(0);
  for (const int stage : stages) {
    held += needs_[index(stage)];
  }
  return held <= buffer_[index(tile)] && !pinned_[index(tile)];
}

bool Board::is_legal(const Move& move) const {
  switch (move.kind) {
    case Move::Kind::swap_tiles:
      return move.a != move.b && alike(move.a, move.b) && !is_pinned(move.a) && !is_pinned(move.b);
    case Move::Kind::turn_section:
      return move.a < move.b &&
             std::none_of(line_.begin() + move.a, line_.begin() + move.b + 1, [&](int tile) {
               return is_pinned(tile) || !alike(tile, line_[index(move.a)]);
             });
    case Move::Kind::move_thing:
      return endpoint(move.a) != move.b && accepts(move.b, move.a, -1);
    case Move::Kind::swap_things:
      return endpoint(move.a) != endpoint(move.b) && accepts(endpoint(move.b), move.a, move.b) &&
             accepts(endpoint(move.a), move.b, move.a);
  }
  return false;
}

void Board::relocate(int thing, int tile) {
  const Thing& what = things_[index(thing)];
  const auto from = index(at_[index(thing)]);
  std::vector<int>& list = on_tile_[from];
  *std::find(list.begin(), list.end(), thing) = list.back();
  list.pop_back();
  on_tile_[index(tile)].push_back(thing);
  for (const auto& [at, sign] : {std::pair{from, -1}, {index(tile), 1}}) {
    used_[at].pes += sign * what.pes;
    used_[at].bus += sign * what.bus;
    used_[at].vector += sign * what.vector;
  }
  at_[index(thing)] = tile;
}

void Board::swap_contents(int a, int b) {
  std::swap(on_tile_[index(a)], on_tile_[index(b)]);
  std::swap(used_[index(a)], used_[index(b)]);
  for (const int tile : {a, b}) {
    for (const int thing : on_tile_[index(tile)]) {
      at_[index(thing)] = tile;
    }
  }
}

/// Where things are; not yet what their flows cost.
void Board::change(const Move& move) {
  switch (move.kind) {
    case Move::Kind::swap_tiles:
      swap_contents(move.a, move.b);
      break;
    case Move::Kind::turn_section:
      for (int low = move.a, high = move.b; low < high; ++low, --high) {
        swap_contents(line_[index(low)], line_[index(high)]);
      }
      break;
    case Move::Kind::move_thing:
      relocate(move.a, move.b);
      break;
    case Move::Kind::swap_things: {
      const EndpointId a = endpoint(move.a);
      const EndpointId b = endpoint(move.b);
      relocate(move.a, b);
      relocate(move.b, a);
      break;
    }
  }
}

/// Finds the flow's way afresh, and keeps the one it had; once per move.
void Board::update_flow(int flow) {
  if (std::exchange(updated_[index(flow)], moves_) == moves_) {
    return;
  }
  Way& way = ways_[index(flow)];
  add_load(way, -1);
  if (changed_ == before_.size()) {
    before_.emplace_back();
  }
  auto& [number, old] = before_[changed_++];
  number = flow;
  std::swap(old.links, way.links);
  old.one = way.one;
  old.many = way.many;
  old.flits = way.flits;
  old.hops = way.hops;
  find_way(flow, way);
  add_load(way, 1);
}

void Board::update_thing(int thing) {
  for (const int flow : things_[index(thing)].flows) {
    update_flow(flow);
  }
}

/// Of two tiles that have changed places. What ends on both still does.
void Board::update_tiles(int a, int b) {
  ++pairs_;
  on_both_.clear();
  for (const int thing : on_tile_[index(a)]) {
    for (const int flow : things_[index(thing)].flows) {
      met_[index(flow)] = pairs_;
    }
  }
  for (const int thing : on_tile_[index(b)]) {
    for (const int flow : things_[index(thing)].flows) {
      const EndpointId from = at_[index(flows_[index(flow)].from)];
      if (met_[index(flow)] == pairs_ && from != a && from != b) {
        on_both_.push_back(flow);
      } else {
        update_flow(flow);
      }
    }
  }
  for (const int flow : on_both_) {
    met_[index(flow)] = 0;
  }
  for (const int thing : on_tile_[index(a)]) {
    for (const int flow : things_[index(thing)].flows) {
      if (met_[index(flow)] == pairs_) {
        update_flow(flow);
      }
    }
  }
}

void Board::apply(const Move& move) {
  last_ = move;
  busiest_before_ = busiest_flits();
  last_from_ = move.kind == Move::Kind::move_thing ? endpoint(move.a) : -1;
  change(move);
  ++moves_;
  changed_ = 0;
  switch (move.kind) {
    case Move::Kind::swap_tiles:
      update_tiles(move.a, move.b);
      break;
    case Move::Kind::turn_section:
      for (int low = move.a, high = move.b; low < high; ++low, --high) {
        update_tiles(line_[index(low)], line_[index(high)]);
      }
      break;
    case Move::Kind::move_thing:
      update_thing(move.a);
      break;
    case Move::Kind::swap_things:
      update_thing(move.a);
      update_thing(move.b);
      break;
  }
}

void Board::undo() {
  change(last_.kind == Move::Kind::move_thing ? Move{last_.kind, last_.a, last_from_} : last_);
  while (changed_ > 0) {
    auto& [flow, old] = before_[--changed_];
    Way& way = ways_[index(flow)];
    add_load(way, -1);
    std::swap(way, old);
    add_load(way, 1);
  }
  busiest_ = busiest_before_;
  busiest_fell_ = false;
}

Mapping Board::mapping() const {
  Mapping mapping = mapping_;
  std::vector<int> next(on_tile_.size(), 0);
  std::map<LayerId, std::size_t> stage_of;
  for (std::size_t s = 0; s < program_.stages.size(); ++s) {
    if (program_.stages[s].layer >= 0) {
      stage_of[program_.stages[s].layer] = s;
    }
  }
  for (LayerMapping& layer : mapping.layers) {
    const ProgramStage& stage = program_.stages[stage_of.at(layer.layer)];
    for (std::size_t k = 0; k < layer.placement.size(); ++k) {
      for (PlacedRun& run : layer.placement[k]) {
        const std::vector<int>& parts = stage.replicas[k].parts;
        const auto part = std::find_if(parts.begin(), parts.end(), [&](int number) {
          return program_.parts[index(number)].at == run.tile;
        });
        run.tile = endpoint(*part);
        run.first_pe = next[index(run.tile)];
        next[index(run.tile)] += run.pes;
      }
    }
  }
  for (VectorMapping& layer : mapping.vector_layers) {
    const ProgramStage& stage = program_.stages[stage_of.at(layer.layer)];
    layer.tile = endpoint(stage.replicas.front().parts.front());
  }
  return mapping;
}

}  // namespace tessera::mapper
