// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "mapper/rl/replay.hpp"

#include <algorithm>
#include <cstdint>

namespace tessera::mapper::rl {

Batch::Batch(int rows)
    : state_action(static_cast<std::size_t>(rows) * (kStateSize + 1)),
      next_state(static_cast<std::size_t>(rows) * kStateSize),
      reward(static_cast<std::size_t>(rows)),
      go_on(static_cast<std::size_t>(rows)) {}

std::span<const float> Batch::state() const {
  return std::span<const float>(state_action).first(next_state.size());
}

Replay::Replay(std::size_t capacity)
    : states_(capacity * kStateSize), actions_(capacity), rewards_(capacity), done_(capacity) {}

void Replay::add(const State& state, double action, double reward, bool done) {
  if (size_ < rewards_.size()) {
    ++size_;
  } else {
    oldest_ = slot(1);
  }
  const std::size_t at = slot(size_ - 1);
  std::copy(state.begin(), state.end(), &states_[at * kStateSize]);
  actions_[at] = static_cast<float>(action);
  rewards_[at] = static_cast<float>(reward);
  done_[at] = done ? 1 : 0;
}

void Replay::draw(Rng& rng, std::span<std::size_t> positions) const {
  const auto last = static_cast<std::int64_t>(drawable()) - 1;
  const bool repeats = drawable() < positions.size();
  for (std::size_t i = 0; i < positions.size(); ++i) {
    const auto end = positions.begin() + static_cast<std::ptrdiff_t>(i);
    do {
      positions[i] = static_cast<std::size_t>(rng.uniform(0, last));
    } while (!repeats && std::find(positions.begin(), end, positions[i]) != end);
  }
}

void Replay::gather(std::span<const std::size_t> positions, Batch& batch) const {
  const std::size_t rows = positions.size();
  for (std::size_t row = 0; row < rows; ++row) {
    const std::size_t at = slot(positions[row]);
    const std::size_t next = slot(positions[row] + 1);
    for (std::size_t f = 0; f < kStateSize; ++f) {
      batch.state_action[row + f * rows] = states_[at * kStateSize + f];
      batch.next_state[row + f * rows] = states_[next * kStateSize + f];
    }
    batch.state_action[row + kStateSize * rows] = actions_[at];
    batch.reward[row] = rewards_[at];
    batch.go_on[row] = done_[at] != 0 ? 0.0F : 1.0F;
  }
}

void Replay::save(ByteWriter& out) const {
  out.put(static_cast<std::uint64_t>(oldest_));
  out.put(static_cast<std::uint64_t>(size_));
  out.list(states_);
  out.list(actions_);
  out.list(rewards_);
  out.list(done_);
}

void Replay::load(ByteReader& in) {
  oldest_ = static_cast<std::size_t>(in.get<std::uint64_t>());
  size_ = static_cast<std::size_t>(in.get<std::uint64_t>());
  in.list_into(std::span<float>(states_));
  in.list_into(std::span<float>(actions_));
  in.list_into(std::span<float>(rewards_));
  in.list_into(std::span<unsigned char>(done_));
  if (oldest_ >= rewards_.size() || size_ > rewards_.size()) {
    oldest_ = size_ = 0;
    in.fail();
  }
}

}  // namespace tessera::mapper::rl
