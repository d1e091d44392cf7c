// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Counts times prices: the only code that multiplies by joules.
///
/// Energy   dynamic = sum over actions of count * energy per action; static = sum over components
///          of leakage * instances * duration of the run (cycle 0 to the last event)
/// Counts   a PE action happens `did` times per firing in every PE of a lockstep group, or as often
///          as the run counted (PartStats::counted); the tile's bus, buffer and vector unit, I/O
///          and memory count themselves; the fabric counts flits
/// Load     programming the weights before the run is accounted apart and is in no total
/// Errors   InternalError when a count overflows or statistics and program do not belong together
#pragma once

#include "sim/api/model.hpp"
#include "sim/api/program.hpp"
#include "sim/api/run.hpp"
#include "sim/base/units.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace tessera::report {

/// One countable event of a PE.
struct Price {
  std::string name;
  Joules energy{0};
  std::string source;
};

/// Hardware that takes area and leaks, `instances` times.
struct Component {
  std::string name;  ///< "tile.pe.adc"; on a chip of several sorts of tiles "<group>.pe.adc"
  std::int64_t instances = 0;
  SquareMeters area{0};  ///< of one instance
  Watts leakage{0};      ///< of one instance
  int group = -1;        ///< of tiles, PriceList::groups; -1: of the chip
};

/// Tiles of one sort.
struct TilePrices {
  std::string name = {};  ///< empty when the chip has no other
  std::string kind = {};  ///< of its PEs
  std::int64_t tiles = 0;
  std::int64_t pes = 0;                ///< of all its tiles
  std::int64_t vector_pes = 0;         ///< of the vector unit of one tile
  std::vector<Price> pe_actions = {};  ///< as Model::actions()
  Joules bus_bit{0};
  Joules buffer_read_bit{0};
  Joules buffer_write_bit{0};
  Joules vector_op{0};
  double endurance = 0;  ///< writes that a cell survives; 0 when unknown
  CellWrites cell_writes = {};
};

/// All that the report needs to know of a chip.
struct PriceList {
  Clock clock;
  std::int64_t tiles = 0;
  std::int64_t pes = 0;  ///< on the whole chip
  /// At least one. Tiles are numbered through the groups in their order.
  std::vector<TilePrices> groups = std::vector<TilePrices>(1);
  Joules io_bit{0};
  Joules memory_bit{0};
  Joules link_flit{0};
  Joules router_flit{0};
  std::vector<Component> components;

  [[nodiscard]] bool mixed() const { return groups.size() > 1; }

  /// Of the tile; 0 for an endpoint that is none.
  [[nodiscard]] std::size_t group_of(std::int64_t tile) const;
};

/// What the fabric did, in events that have a price, and what its own counters must agree with.
struct FabricUse {
  std::int64_t link_flits = 0;
  std::int64_t router_flits = 0;
  std::int64_t on_links = -1;  ///< sum of RunStats::links, as the totals imply it; -1 when unknown
  std::int64_t link_capacity = 1;  ///< flits per cycle and link; 0 is unlimited
};

/// Programming of all weights before the run.
struct LoadUse {
  std::int64_t pes = 0;  ///< matrices written
  Cycles cycles{0};
  std::vector<ActionCounts> did = std::vector<ActionCounts>(1);  ///< [group] of all PEs together
};

/// One line of the energy bill.
struct Charge {
  std::string name;
  std::int64_t count = 0;
  Joules energy{0};
};

/// One line of the area roll-up.
struct Holding {
  std::string name;
  std::int64_t instances = 0;
  SquareMeters area{0};     ///< of all instances
  Joules static_energy{0};  ///< of all instances over the run
};

/// What the tiles of one sort took.
struct GroupShare {
  Joules pes{0};
  Joules dynamic{0};  ///< PEs, bus, buffer and vector unit
  Joules leaked{0};
  SquareMeters area{0};
};

struct Account {
  /// PE actions in the kind's order, group after group ("<group>.<action>" when there are several),
  /// then those of the chip.
  std::vector<Charge> actions;
  std::vector<Charge> places;      ///< the same energy by place: pes, tile_bus, ...; `count` is 0
  std::vector<Joules> stage_pes;   ///< the share of each stage in `pes`
  std::vector<GroupShare> groups;  ///< as PriceList::groups
  std::vector<Holding> components;
  Joules dynamic{0};
  Joules leaked{0};
  Joules total{0};
  SquareMeters area{0};
  std::vector<Charge> load_actions;
  Joules load{0};
  /// Most often that one PE was programmed during the run.
  std::int64_t most_writes = 0;
  /// Of kinds whose firings write cells (CellWrites), over the whole run: the mean over all cells
  /// of the PE that was written most, and the writes of the cell that was written most. Per firing
  /// what Model expects, whatever the run's data were; where a PE runs several programs, as if one
  /// cell were the most written one of all. 0 on other chips.
  double mean_cell_writes = 0;
  double most_cell_writes = 0;
  /// How many such runs the cells survive that wear out first; 0 when nothing was written or
  /// nothing is known.
  double runs_until_worn = 0;
};

Account make_account(const Program& program,
                     const RunStats& stats,
                     const FabricUse& fabric,
                     const LoadUse& load,
                     const PriceList& prices);

}  // namespace tessera::report
