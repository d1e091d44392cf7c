// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "sim/engine/step_player.hpp"

#include "sim/engine/clock.hpp"
#include "sim/engine/endpoint.hpp"

#include <fmt/format.h>

#include <queue>
#include <systemc>
#include <utility>

namespace tessera::engine {

/// A firing on its way through one PE.
struct Play {
  std::shared_ptr<const Schedule> schedule;
  int part = 0;
  std::int64_t ordinal = 0;
  bool used = false;
};

/// One resource of one PE.
class ResourceModule : public sc_core::sc_module {
 public:
  /// Pass `pass` of play `play`, occupation pattern `pattern` of its schedule, starting in cycle
  /// `at`.
  struct Token {
    std::int64_t at;
    int play;
    int pattern;
    std::int64_t pass;

    bool operator>(const Token& o) const { return at > o.at; }
  };

  SC_HAS_PROCESS(ResourceModule);

  ResourceModule(const sc_core::sc_module_name& name, std::string path, State& state, PeModule& pe)
      : sc_module(name), path_(std::move(path)), state_(state), pe_(pe) {
    SC_METHOD(activate);
    sensitive << wake_;
    dont_initialize();
  }

  void push(Token token) {
    queue_.push(token);
    if (token.at < wake_at_) {
      wake_at_ = token.at;
      notify_at(wake_, Cycles(token.at), Phase::resource);
    }
  }

  void trace_signals(sc_core::sc_trace_file* file) {
    traced_ = true;
    sc_core::sc_trace(file, busy_, path_ + ".busy");
    sc_core::sc_trace(file, occupations_, path_ + ".occupations");
  }

  void begin() {
    if (state_.trace != nullptr) {
      track_ = state_.trace->track(TrackKind::resource, path_);
    }
  }

  void finish(std::int64_t end) {
    if (state_.trace != nullptr && drawn_ < end) {
      state_.trace->wait(track_, Cycles(drawn_), Cycles(end), Wait::none);
    }
  }

 private:
  void activate() {
    guarded(state_, [this] { run(); });
  }

  void run();

  std::string path_;
  State& state_;
  PeModule& pe_;
  sc_core::sc_event wake_;
  std::int64_t wake_at_ = INT64_MAX;
  std::priority_queue<Token, std::vector<Token>, std::greater<>> queue_;
  std::int64_t busy_until_ = 0;
  std::int64_t drawn_ = 0;
  bool busy_ = false;
  bool traced_ = false;
  unsigned occupations_ = 0;
  TrackId track_ = -1;
};

/// One PE: its resources and the firings in them.
class PeModule : public sc_core::sc_module {
 public:
  PeModule(const sc_core::sc_module_name& name,
           const std::string& path,
           State& state,
           EndpointId endpoint)
      : sc_module(name), state_(state), endpoint_(endpoint) {
    for (const Resource& resource : state.chip.group_at(endpoint).pe->resources()) {
      resources.push_back(std::make_unique<ResourceModule>(
          resource.name.c_str(), path + "." + resource.name, state, *this));
    }
  }

  int open(Play play) {
    play.used = true;
    for (std::size_t i = 0; i < plays_.size(); ++i) {
      if (!plays_[i].used) {
        plays_[i] = std::move(play);
        return static_cast<int>(i);
      }
    }
    plays_.push_back(std::move(play));
    return static_cast<int>(plays_.size()) - 1;
  }

  [[nodiscard]] const Play& play(int index) const {
    return plays_[static_cast<std::size_t>(index)];
  }

  /// Hands pass `pass` of pattern `pattern` to its resource.
  void hand(int play_index, int pattern, std::int64_t pass, std::int64_t at) {
    const auto on = play(play_index).schedule->plays[static_cast<std::size_t>(pattern)].on;
    resources[static_cast<std::size_t>(on)]->push({at, play_index, pattern, pass});
  }

  void finished(int play_index, std::int64_t at) {
    Play& done = plays_[static_cast<std::size_t>(play_index)];
    done.used = false;
    if (done.ordinal >= 0) {
      state_.endpoints[static_cast<std::size_t>(endpoint_)]->pe_finished(
          done.part, done.ordinal, Cycles(at));
    }
  }

  std::vector<std::unique_ptr<ResourceModule>> resources;

 private:
  State& state_;
  EndpointId endpoint_;
  std::vector<Play> plays_;
};

void ResourceModule::run() {
  const std::int64_t now = now_cycle().value;
  wake_at_ = INT64_MAX;
  if (traced_ && busy_until_ <= now) {
    busy_ = false;
  }
  while (!queue_.empty() && queue_.top().at <= now) {
    const Token token = queue_.top();
    queue_.pop();
    const Schedule& schedule = *pe_.play(token.play).schedule;
    const auto index = static_cast<std::size_t>(token.pattern);
    const Schedule::Play& pattern = schedule.plays[index];
    if (busy_until_ > now) {
      throw InternalError(path_, now, "two occupations at once");
    }
    if (state_.trace != nullptr) {
      if (now > drawn_) {
        state_.trace->wait(track_, Cycles(drawn_), Cycles(now), Wait::none);
      }
      const int stage =
          state_.program.parts[static_cast<std::size_t>(pe_.play(token.play).part)].stage;
      state_.trace->work(track_,
                         Cycles(now),
                         Cycles(now) + pattern.occupancy,
                         state_.program.stages[static_cast<std::size_t>(stage)].name,
                         token.pass);
      drawn_ = now + pattern.occupancy.value;
    }
    busy_until_ = now + pattern.occupancy.value;
    busy_ = true;
    ++occupations_;
    ++state_.stats.occupations;

    // The first resource of a loop paces its passes; every other one is handed a token per pass.
    const bool first_of_loop = index == 0 || schedule.plays[index - 1].loop != pattern.loop;
    const bool last = index + 1 == schedule.plays.size();
    const bool last_of_loop = last || schedule.plays[index + 1].loop != pattern.loop;
    if (first_of_loop && token.pass + 1 < pattern.repeat) {
      queue_.push({now + pattern.interval.value, token.play, token.pattern, token.pass + 1});
    }
    if (!last_of_loop) {
      const Cycles step = schedule.plays[index + 1].offset - pattern.offset;
      pe_.hand(token.play, token.pattern + 1, token.pass, now + step.value);
    } else if (token.pass + 1 == pattern.repeat) {
      const Cycles last_start = pattern.offset + (pattern.repeat - 1) * pattern.interval;
      if (last) {
        pe_.finished(token.play, now + (schedule.latency - last_start).value);
      } else {
        pe_.hand(token.play,
                 token.pattern + 1,
                 0,
                 now + (schedule.plays[index + 1].offset - last_start).value);
      }
    }
  }
  std::int64_t next = queue_.empty() ? INT64_MAX : queue_.top().at;
  if (traced_ && busy_until_ > now) {
    next = std::min(next, busy_until_);
  }
  if (next != INT64_MAX) {
    wake_at_ = next;
    notify_at(wake_, Cycles(next), Phase::resource);
  }
}

StepPlayer::StepPlayer(State& state, EndpointId endpoint, const std::string& path) {
  for (const int part : state.parts_at[static_cast<std::size_t>(endpoint)]) {
    for (const LockstepGroup& group : state.program.parts[static_cast<std::size_t>(part)].groups) {
      for (int i = 0; i < group.pes; ++i) {
        const int pe = state.program.residents[static_cast<std::size_t>(group.resident + i)].pe;
        if (static_cast<std::size_t>(pe) >= pes_.size()) {
          pes_.resize(static_cast<std::size_t>(pe) + 1);
        }
        if (pes_[static_cast<std::size_t>(pe)] == nullptr) {
          const std::string name = fmt::format("pe[{}]", pe);
          pes_[static_cast<std::size_t>(pe)] =
              std::make_unique<PeModule>(name.c_str(), path + "." + name, state, endpoint);
        }
      }
    }
  }
}

StepPlayer::~StepPlayer() = default;

void StepPlayer::play(int pe,
                      std::shared_ptr<const Schedule> schedule,
                      std::int64_t issue,
                      int part,
                      std::int64_t ordinal) {
  PeModule& module = *pes_[static_cast<std::size_t>(pe)];
  const int index = module.open({schedule, part, ordinal, true});
  if (schedule->plays.empty()) {
    module.finished(index, issue + schedule->latency.value);
  } else {
    module.hand(index, 0, 0, issue + schedule->plays.front().offset.value);
  }
}

void StepPlayer::trace_signals(sc_core::sc_trace_file* file) {
  for (const auto& pe : pes_) {
    if (pe != nullptr) {
      for (const auto& resource : pe->resources) {
        resource->trace_signals(file);
      }
    }
  }
}

void StepPlayer::begin() {
  for (const auto& pe : pes_) {
    if (pe != nullptr) {
      for (const auto& resource : pe->resources) {
        resource->begin();
      }
    }
  }
}

void StepPlayer::finish(std::int64_t end) {
  for (const auto& pe : pes_) {
    if (pe != nullptr) {
      for (const auto& resource : pe->resources) {
        resource->finish(end);
      }
    }
  }
}

}  // namespace tessera::engine
