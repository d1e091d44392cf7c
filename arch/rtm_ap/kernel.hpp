// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The array of an associative processor: cell bits, nanowire positions, tag latches. Programs are
/// executed as their searches and writes over all rows at once, so every result is what the passes
/// produced.
///
/// Shapes   inputs: [slot][rows], outputs: [slot][rows], empty where no instruction uses a slot; a
/// load takes the low bits of a value, a
///          read gives a value in the width and sign of its operand
/// Units    none (integers); counts of events, no times
/// Layout   one bit plane per (column, domain), 64 rows to a word
/// Errors   InternalError for inputs of the wrong size; programs must be accepted by verify()
/// Source   docs/facts.md, "Racetrack-memory associative processor"; README, "Kernel"
#pragma once

#include "arch/rtm_ap/microcode.hpp"
#include "arch/rtm_ap/program.hpp"
#include "arch/rtm_ap/tracks.hpp"
#include "sim/api/model.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace tessera::arch::rtm_ap {

/// Events that did happen, in the rows that are in use.
struct Events {
  std::int64_t searches = 0;
  std::int64_t writes = 0;          ///< into tagged rows, or into all (clear)
  std::int64_t searched_cells = 0;  ///< rows * columns cared for
  std::int64_t tag_hits = 0;        ///< rows tagged by a search
  std::int64_t driven_cells = 0;    ///< cells of tagged rows that a write drove; all rows by clear
  std::int64_t changed_cells = 0;   ///< of those, cells that held something else
  std::int64_t loaded_bits = 0;
  std::int64_t read_bits = 0;
  std::int64_t shifts = 0;  ///< one-step shifts, counted once per nanowire in use

  bool operator==(const Events&) const = default;
};

/// The same as priced actions, `rows` rows in use. Of `expected` what an array does not count:
/// drives.
[[nodiscard]] ActionCounts happened(const Events& events, const ActionCounts& expected, int rows);

class Array {
 public:
  /// `rows_used` <= geometry.rows rows take part. Cells start as zero, nanowires at rest.
  Array(const Geometry& geometry, const Ports& ports, int rows_used);

  /// Runs the program from where the array stands; returns the slots that it read out.
  std::vector<std::vector<std::int64_t>> run(const Program& program,
                                             std::span<const std::vector<std::int64_t>> inputs);

  [[nodiscard]] const Events& events() const { return events_; }

  /// One-step shifts of one nanowire of the column.
  [[nodiscard]] std::int64_t steps(int column) const { return tracks_.steps(column); }

  /// Write pulses into the cells of a domain, summed over rows.
  [[nodiscard]] std::int64_t driven(int column, int domain) const {
    return driven_[plane(column, domain)];
  }

  /// The most write pulses per cell, averaged over the rows of one domain of one column.
  [[nodiscard]] double most_writes_per_cell() const;

  /// The value of a field (at most 64 bits) in a row, as the cells hold it; nothing moves.
  [[nodiscard]] std::int64_t peek(const Operand& operand, int row) const;

 private:
  using Word = std::uint64_t;

  [[nodiscard]] std::size_t plane(int column, int domain) const {
    return static_cast<std::size_t>(column) * static_cast<std::size_t>(geometry_.domains) +
           static_cast<std::size_t>(domain);
  }

  void play(const Program& program,
            const Beat& beat,
            std::span<const std::vector<std::int64_t>> inputs,
            std::vector<std::vector<std::int64_t>>& outputs);
  void align(const Beat& beat);
  void release(const Beat& beat);
  std::size_t under_port(const Site& site) const;
  void search(std::span<const std::size_t> planes, std::span<const bool> key);
  void write(std::size_t plane, bool one);
  void run_passes(const Program& program, const Beat& beat);

  Geometry geometry_;
  int rows_;
  std::size_t words_;
  Tracks tracks_;
  std::vector<Word> cells_;
  std::vector<Word> used_;  ///< ones for the rows in use
  std::vector<Word> tags_;
  std::int64_t tagged_ = 0;  ///< ones in tags_
  std::vector<std::int64_t> driven_;
  Events events_;
};

}  // namespace tessera::arch::rtm_ap
