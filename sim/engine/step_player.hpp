// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Step mode: the PEs of one endpoint as hardware one can watch. Every resource of every PE that
/// the program uses (DAC, array, ADC, shift-and-add) is an sc_module that plays each of its
/// occupations as one activation and hands a token to the resource of the next Step; a firing ends
/// when its last token arrives. PEs in place of a vector unit are played likewise.
///
/// Sequences where a kind has one for an Op (Model::sequence), a firing is played piece by piece: a
///          program of millions of steps takes the memory of one instruction's
/// Errors   two tokens in one resource at the same time are an InternalError: the reservation rule
/// of
///          model.hpp failed. So is a firing that ends at another time than its Schedule
#pragma once

#include "sim/engine/state.hpp"

#include <memory>
#include <string>
#include <vector>

namespace sc_core {
class sc_trace_file;
}

namespace tessera::engine {

class PeModule;

class StepPlayer {
 public:
  StepPlayer(State& state, EndpointId endpoint, const std::string& path);
  ~StepPlayer();
  StepPlayer(const StepPlayer&) = delete;
  StepPlayer& operator=(const StepPlayer&) = delete;

  /// Plays a firing of `op`, which takes `schedule`, on PE `pe`, issued in cycle `issue`. ordinal <
  /// 0: a write, nobody waits for it.
  void play(int pe,
            const Op& op,
            std::shared_ptr<const Schedule> schedule,
            std::int64_t issue,
            int part,
            std::int64_t ordinal);
  /// Plays the programs of a job of the vector unit that starts in cycle `start`.
  void play(const VectorJob& job, std::int64_t start, int part);
  void trace_signals(sc_core::sc_trace_file* file);
  void begin();
  void finish(std::int64_t end);

 private:
  [[nodiscard]] const Sequence& sequence_of(const Op& op);
  template <class F>
  void for_each_resource(const F& f);

  State& state_;
  std::size_t group_;                                  ///< of tiles
  std::vector<std::unique_ptr<PeModule>> pes_;         ///< by index on the tile; null when unused
  std::vector<std::unique_ptr<PeModule>> vector_pes_;  ///< those of the vector unit that are used
};

}  // namespace tessera::engine
