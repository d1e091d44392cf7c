// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "sim/engine/step_player.hpp"

#include "sim/engine/clock.hpp"
#include "sim/engine/endpoint.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <queue>
#include <span>
#include <string_view>
#include <systemc>
#include <utility>

namespace tessera::engine {

/// A firing on its way through one PE.
struct Play {
  std::shared_ptr<const Schedule> schedule;  ///< of all of it, or null: `source` has it all
  StepSource source;                         ///< of its pieces; empty: it is played in one
  Schedule piece;                            ///< the one that is played
  int part = 0;
  std::int64_t ordinal = -1;
  std::int64_t end = 0;  ///< the cycle in which it must be over
  bool used = false;

  [[nodiscard]] const Schedule& at_work() const { return source ? piece : *schedule; }
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

  ResourceModule(const sc_core::sc_module_name& name,
                 std::string path,
                 const Resource& resource,
                 State& state,
                 PeModule& pe)
      : sc_module(name),
        path_(std::move(path)),
        resource_(resource),
        state_(state),
        pe_(pe),
        in_use_(resource.uses.size(), false) {
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
    if (resource_.uses.size() > 1) {
      for (std::size_t use = 0; use < resource_.uses.size(); ++use) {
        sc_core::sc_trace(file, in_use_[use], path_ + "." + resource_.uses[use]);
      }
    }
  }

  void begin() {
    if (state_.trace != nullptr) {
      track_ = state_.trace->track(TrackKind::resource, path_);
    }
  }

  void finish(std::int64_t end) const {
    if (state_.trace != nullptr && drawn_ < end) {
      state_.trace->wait(track_, Cycles(drawn_), Cycles(end), Wait::none);
    }
  }

 private:
  void activate() {
    guarded(state_, [this] { run(); });
  }

  void run();

  /// Waveform: what it is doing; -1: nothing that has a name.
  void show_use(int use) {
    if (use_ >= 0) {
      in_use_[static_cast<std::size_t>(use_)] = false;
    }
    use_ = use;
    if (use_ >= 0) {
      in_use_[static_cast<std::size_t>(use_)] = true;
    }
  }

  std::string path_;
  const Resource& resource_;
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
  std::deque<bool> in_use_;  ///< signals, by use
  int use_ = -1;
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
          resource.name.c_str(), path + "." + resource.name, resource, state, *this));
    }
  }

  /// Plays it from cycle `issue` on.
  void start(Play play, std::int64_t issue) {
    const int index = open(std::move(play));
    if (plays_[static_cast<std::size_t>(index)].source) {
      start_piece(index, issue);
    } else {
      start_chain(index, issue);
    }
  }

  [[nodiscard]] const Play& play(int index) const {
    return plays_[static_cast<std::size_t>(index)];
  }

  /// Hands pass `pass` of pattern `pattern` to its resource.
  void hand(int play_index, int pattern, std::int64_t pass, std::int64_t at) {
    const auto on = play(play_index).at_work().plays[static_cast<std::size_t>(pattern)].on;
    resources[static_cast<std::size_t>(on)]->push({at, play_index, pattern, pass});
  }

  /// The piece that was played ends in cycle `at`.
  void ended(int play_index, std::int64_t at) {
    if (play(play_index).source) {
      start_piece(play_index, at);
    } else {
      finished(play_index, at);
    }
  }

  std::vector<std::unique_ptr<ResourceModule>> resources;

 private:
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

  /// The next piece, if there is one, begins in cycle `at`.
  void start_piece(int play_index, std::int64_t at) {
    Play& one = plays_[static_cast<std::size_t>(play_index)];
    const std::span<const Step> steps = one.source();
    if (steps.empty()) {
      finished(play_index, at);
      return;
    }
    one.piece = make_schedule(steps);
    start_chain(play_index, at);
  }

  void start_chain(int play_index, std::int64_t at) {
    const Schedule& schedule = play(play_index).at_work();
    if (schedule.plays.empty()) {
      ended(play_index, at + schedule.latency.value);
    } else {
      hand(play_index, 0, 0, at + schedule.plays.front().offset.value);
    }
  }

  void finished(int play_index, std::int64_t at) {
    Play& done = plays_[static_cast<std::size_t>(play_index)];
    if (at != done.end) {
      throw InternalError(
          name(), at, fmt::format("a firing that is to end in cycle {} ends in another", done.end));
    }
    done.used = false;
    done.source = {};
    if (done.ordinal >= 0) {
      state_.endpoints[static_cast<std::size_t>(endpoint_)]->pe_finished(
          done.part, done.ordinal, Cycles(at));
    }
  }

  State& state_;
  EndpointId endpoint_;
  std::vector<Play> plays_;
};

void ResourceModule::run() {
  const std::int64_t now = now_cycle().value;
  wake_at_ = now;  // what is handed on meanwhile is asked for once, at the end
  if (traced_ && busy_until_ <= now) {
    busy_ = false;
    show_use(-1);
  }
  while (!queue_.empty() && queue_.top().at <= now) {
    const Token token = queue_.top();
    queue_.pop();
    const Schedule& schedule = pe_.play(token.play).at_work();
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
                         pattern.index >= 0 ? pattern.index : token.pass,
                         pattern.use >= 0 ? resource_.uses[static_cast<std::size_t>(pattern.use)]
                                          : std::string_view());
      drawn_ = now + pattern.occupancy.value;
    }
    busy_until_ = now + pattern.occupancy.value;
    busy_ = true;
    if (traced_) {
      show_use(pattern.use);
    }
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
        pe_.ended(token.play, now + (schedule.latency - last_start).value);
      } else {
        pe_.hand(token.play,
                 token.pattern + 1,
                 0,
                 now + (schedule.plays[index + 1].offset - last_start).value);
      }
    }
  }
  wake_at_ = INT64_MAX;
  std::int64_t next = queue_.empty() ? INT64_MAX : queue_.top().at;
  if (traced_ && busy_until_ > now) {
    next = std::min(next, busy_until_);
  }
  if (next != INT64_MAX) {
    wake_at_ = next;
    notify_at(wake_, Cycles(next), Phase::resource);
  }
}

namespace {

/// One after the other.
StepSource in_turn(std::vector<StepSource> sources) {
  return [sources = std::move(sources), next = std::size_t{0}]() mutable {
    std::span<const Step> steps;
    while (next < sources.size() && (steps = sources[next]()).empty()) {
      ++next;
    }
    return steps;
  };
}

/// A list of steps as a source of one piece.
StepSource in_one(std::vector<Step> steps) {
  return [steps = std::move(steps), told = false]() mutable {
    return std::exchange(told, true) ? std::span<const Step>() : std::span<const Step>(steps);
  };
}

}  // namespace

StepPlayer::StepPlayer(State& state, EndpointId endpoint, const std::string& path)
    : state_(state), group_(state.chip.group_of(endpoint)) {
  const auto make = [&](const std::string& name, const std::string& shown) {
    return std::make_unique<PeModule>(name.c_str(), path + "." + shown, state, endpoint);
  };
  std::size_t in_vector_unit = 0;
  const auto count = [&in_vector_unit](const VectorJob& job) {
    for (const int pe : job.pes) {
      in_vector_unit = std::max(in_vector_unit, static_cast<std::size_t>(pe) + 1);
    }
  };
  for (const int part : state.parts_at[static_cast<std::size_t>(endpoint)]) {
    const ProgramPart& p = state.program.parts[static_cast<std::size_t>(part)];
    const ProgramStage& stage = state.program.stages[static_cast<std::size_t>(p.stage)];
    for (const LockstepGroup& group : p.groups) {
      for (int i = 0; i < group.pes; ++i) {
        const int pe =
            state.program.residents[static_cast<std::size_t>(std::int64_t{group.resident} + i)].pe;
        if (static_cast<std::size_t>(pe) >= pes_.size()) {
          pes_.resize(static_cast<std::size_t>(pe) + 1);
        }
        if (pes_[static_cast<std::size_t>(pe)] == nullptr) {
          const std::string name = fmt::format("pe[{}]", pe);
          pes_[static_cast<std::size_t>(pe)] = make(name, name);
        }
      }
    }
    count(p.vector);
    if (stage.replicas[static_cast<std::size_t>(p.replica)].home == endpoint) {
      count(stage.combine);
    }
  }
  for (std::size_t pe = 0; pe < in_vector_unit; ++pe) {
    vector_pes_.push_back(
        make(fmt::format("vector_pe[{}]", pe), fmt::format("vector_unit.pe[{}]", pe)));
  }
}

StepPlayer::~StepPlayer() = default;

const Sequence& StepPlayer::sequence_of(const Op& op) {
  const auto [found, fresh] = state_.sequences.try_emplace({group_, op});
  if (fresh) {
    found->second = state_.chip.groups[group_].pe->sequence(op);
  }
  return found->second;
}

void StepPlayer::play(int pe,
                      const Op& op,
                      std::shared_ptr<const Schedule> schedule,
                      std::int64_t issue,
                      int part,
                      std::int64_t ordinal) {
  Play one;
  if (ordinal >= 0) {
    if (const Sequence& sequence = sequence_of(op)) {
      one.source = sequence();
    }
  }
  one.part = part;
  one.ordinal = ordinal;
  one.end = issue + schedule->latency.value;
  one.schedule = std::move(schedule);
  pes_[static_cast<std::size_t>(pe)]->start(std::move(one), issue);
}

void StepPlayer::play(const VectorJob& job, std::int64_t start, int part) {
  for (std::size_t pe = 0; pe < vector_pes_.size(); ++pe) {
    std::vector<StepSource> programs;
    Play one;
    one.part = part;
    one.end = start;
    for (std::size_t i = 0; i < job.programs.size(); ++i) {
      if (static_cast<std::size_t>(job.pes[i]) == pe) {
        const Op& op = job.programs[i];
        const Sequence& sequence = sequence_of(op);
        programs.push_back(sequence ? sequence()
                                    : in_one(state_.chip.groups[group_].pe->steps(op)));
        one.end +=
            state_.program.schedules[static_cast<std::size_t>(job.schedules[i])].latency.value;
      }
    }
    if (!programs.empty()) {
      one.source = in_turn(std::move(programs));
      vector_pes_[pe]->start(std::move(one), start);
    }
  }
}

template <class F>
void StepPlayer::for_each_resource(const F& f) {
  for (const auto* pes : {&pes_, &vector_pes_}) {
    for (const auto& pe : *pes) {
      for (std::size_t r = 0; pe != nullptr && r < pe->resources.size(); ++r) {
        f(*pe->resources[r]);
      }
    }
  }
}

void StepPlayer::trace_signals(sc_core::sc_trace_file* file) {
  for_each_resource([&](ResourceModule& resource) { resource.trace_signals(file); });
}

void StepPlayer::begin() {
  for_each_resource([&](ResourceModule& resource) { resource.begin(); });
}

void StepPlayer::finish(std::int64_t end) {
  for_each_resource([&](ResourceModule& resource) { resource.finish(end); });
}

}  // namespace tessera::engine
