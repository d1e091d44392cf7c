// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The last transitions an agent has seen, and batches of them.
///
/// Order    a ring of steps in the order in which they happened; the state after a step is the
/// state
///          of the next entry. After the last step of an episode that is another episode's first
///          state: done is set, and nobody looks at it
/// Batches  without repetition among all steps but the newest, whose next state is not known yet;
///          with repetition while there are fewer than a batch
/// Source   HAQ, lib/rl/memory.py: SequentialMemory. HAQ also stores an entry after the last step
/// of
///          an episode, which takes room and is never drawn (but as the oldest one, by accident):
///          README.md, deviation 3
#pragma once

#include "mapper/rl/agent.hpp"
#include "mapper/rl/bytes.hpp"
#include "sim/base/rng.hpp"

#include <cstddef>
#include <span>
#include <vector>

namespace tessera::mapper::rl {

/// Columns of a batch, as the networks read them.
struct Batch {
  std::vector<float> state_action;  ///< [rows][kStateSize + 1], column-major
  std::vector<float> next_state;    ///< [rows][kStateSize], column-major
  std::vector<float> reward;        ///< [rows]
  std::vector<float> go_on;         ///< [rows]; 0 after the last step of an episode, else 1

  explicit Batch(int rows);

  /// The states alone, the first columns of state_action.
  [[nodiscard]] std::span<const float> state() const;
};

class Replay {
 public:
  explicit Replay(std::size_t capacity);

  void add(const State& state, double action, double reward, bool done);

  [[nodiscard]] std::size_t size() const { return size_; }

  /// Steps that a batch may hold: all but the newest.
  [[nodiscard]] std::size_t drawable() const { return size_ == 0 ? 0 : size_ - 1; }

  /// Positions of a batch, 0 the oldest; drawable() must not be 0.
  void draw(Rng& rng, std::span<std::size_t> positions) const;

  void gather(std::span<const std::size_t> positions, Batch& batch) const;

  void save(ByteWriter& out) const;
  void load(ByteReader& in);

 private:
  [[nodiscard]] std::size_t slot(std::size_t position) const {
    return (oldest_ + position) % rewards_.size();
  }

  std::size_t oldest_ = 0;
  std::size_t size_ = 0;
  std::vector<float> states_;  ///< [slot][kStateSize], row-major
  std::vector<float> actions_;
  std::vector<float> rewards_;
  std::vector<unsigned char> done_;
};

}  // namespace tessera::mapper::rl
