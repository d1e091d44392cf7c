// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "arch/rtm_ap/steps.hpp"

#include "arch/rtm_ap/microcode.hpp"
#include "arch/rtm_ap/tracks.hpp"

#include <algorithm>
#include <bit>
#include <utility>

namespace tessera::arch::rtm_ap {
namespace {

constexpr std::int64_t kEighths = 8;  ///< no table searches more than three columns

/// One beat, as far as time and counts go.
struct Work {
  int there = 0;  ///< steps until the last column is in place
  int back = 0;
  std::int64_t moved = 0;  ///< steps of all columns
  int searches = 0;
  int writes = 0;
  int loads = 0;
  int read_outs = 0;
  std::int64_t cared = 0;    ///< columns searched, all searches together
  std::int64_t driven = 0;   ///< columns of key and mask driven, searches and writes
  std::int64_t written = 0;  ///< expected cells written per row, in eighths
};

/// The beats of a program, instruction by instruction, and where they leave the nanowires.
class Walk {
 public:
  /// `program` must outlive the object.
  Walk(const Spec& spec, const Program& program)
      : program_(program), tracks_(spec.columns, spec.domains, ports(spec)) {}

  /// The next instruction; -1 after the last.
  [[nodiscard]] std::int64_t next() const {
    return next_ < program_.instructions.size() ? static_cast<std::int64_t>(next_) : -1;
  }

  /// Executes it: hands each of its beats on, with its Work.
  template <class Visit>
  void execute(const Visit& visit) {
    beats_.clear();
    expand(program_, program_.instructions[next_++], beats_);
    for (const Beat& beat : beats_) {
      visit(work_of(beat), beat);
    }
  }

 private:
  template <class Move>
  static void for_each_column(const Beat& beat, const Move& move) {
    for (const Site& site : {beat.c, beat.b, beat.a, beat.r}) {
      if (site.column >= 0) {
        for (int column = site.column; column < site.column + beat.columns; ++column) {
          move(column, site.domain);
        }
      }
    }
  }

  Work work_of(const Beat& beat) {
    Work work;
    for_each_column(beat, [&](int column, int domain) {
      const int steps = tracks_.align(column, domain);
      work.there = std::max(work.there, steps);
      work.moved += steps;
    });
    switch (beat.kind) {
      case Beat::Kind::passes: {
        const PassTable& passes = table(beat.table);
        work.searches = work.writes = passes.size;
        for (int p = 0; p < passes.size; ++p) {
          const Pass& pass = passes.passes[static_cast<std::size_t>(p)];
          const int cared = std::popcount(unsigned{pass.care});
          const int driven = std::popcount(unsigned{pass.drive});
          work.cared += cared;
          work.driven += cared + driven;
          work.written += driven * kEighths >> cared;
        }
        break;
      }
      case Beat::Kind::clear:
        work.writes = 1;
        work.driven = beat.columns;
        work.written = beat.columns * kEighths;
        break;
      case Beat::Kind::load:
        work.loads = work.writes = 1;
        work.driven = 1;
        work.written = kEighths / 2;
        break;
      case Beat::Kind::read_out:
        work.searches = work.read_outs = 1;
        work.cared = work.driven = 1;
        break;
      case Beat::Kind::tag:
        work.searches = 1;
        work.cared = work.driven = 1;
        break;
      case Beat::Kind::fill:
        work.writes = 1;
        work.driven = 1;
        work.written = kEighths / 2;
        break;
    }
    for_each_column(beat, [&](int column, int /*domain*/) {
      const int steps = tracks_.release(column);
      work.back = std::max(work.back, steps);
      work.moved += steps;
    });
    return work;
  }

  const Program& program_;
  Tracks tracks_;
  std::size_t next_ = 0;
  std::vector<Beat> beats_;
};

/// Expected writes of the cells of one row, in eighths.
class Wear {
 public:
  explicit Wear(const Spec& spec)
      : domains_(static_cast<std::size_t>(spec.domains)),
        eighths_(static_cast<std::size_t>(spec.columns) * domains_) {}

  void add(const Beat& beat) {
    switch (beat.kind) {
      case Beat::Kind::passes: {
        const PassTable& passes = table(beat.table);
        for (int p = 0; p < passes.size; ++p) {
          const Pass& pass = passes.passes[static_cast<std::size_t>(p)];
          const std::int64_t each = kEighths >> std::popcount(unsigned{pass.care});
          for (const auto& [role, site] : {std::pair(kRoleC, &beat.c),
                                           std::pair(kRoleB, &beat.b),
                                           std::pair(kRoleA, &beat.a),
                                           std::pair(kRoleR, &beat.r)}) {
            if ((pass.drive & role) != 0) {
              at(site->column, site->domain) += each;
            }
          }
        }
        break;
      }
      case Beat::Kind::clear:
        for (int column = beat.a.column; column < beat.a.column + beat.columns; ++column) {
          at(column, beat.a.domain) += kEighths;
        }
        break;
      case Beat::Kind::load:
      case Beat::Kind::fill:
        at(beat.a.column, beat.a.domain) += kEighths / 2;
        break;
      case Beat::Kind::read_out:
      case Beat::Kind::tag:
        break;
    }
  }

  [[nodiscard]] double most() const {
    return static_cast<double>(*std::max_element(eighths_.begin(), eighths_.end())) / kEighths;
  }

 private:
  std::int64_t& at(int column, int domain) {
    return eighths_[static_cast<std::size_t>(column) * domains_ + static_cast<std::size_t>(domain)];
  }

  std::size_t domains_;
  std::vector<std::int64_t> eighths_;
};

/// Expected written cells of row after row add up in eighths; whole ones are handed out.
class WrittenCells {
 public:
  explicit WrittenCells(int rows) : rows_(rows) {}

  std::int64_t take(std::int64_t eighths_per_row) {
    open_ += eighths_per_row * rows_;
    const std::int64_t whole = open_ / kEighths;
    open_ %= kEighths;
    return whole;
  }

 private:
  std::int64_t rows_;
  std::int64_t open_ = 0;
};

ActionCounts counts(const Work& work, int rows, WrittenCells& written) {
  ActionCounts did{};
  did[kSearchCell] = work.cared * rows;
  did[kWriteCell] = written.take(work.written);
  did[kShift] = work.moved * rows;
  did[kTag] = std::int64_t{work.searches} * rows;
  did[kDrive] = work.driven;
  did[kLoadBit] = std::int64_t{work.loads} * rows;
  did[kReadBit] = std::int64_t{work.read_outs} * rows;
  return did;
}

struct Times {
  Times(const Spec& spec, const Clock& clock)
      : search(clock.ceil_cycles(spec.t_search)),
        write(clock.ceil_cycles(spec.t_write)),
        shift(clock.ceil_cycles(spec.t_shift)),
        load(clock.ceil_cycles(spec.t_load)),
        read_out(clock.ceil_cycles(spec.t_read_out)) {}

  Cycles search, write, shift, load, read_out;
};

enum LatchUse : int { kLoads, kReadsOut };

Step step(int on, Cycles occupancy, Cycles latency, std::int64_t repeat, int use = 0) {
  Step made;
  made.on = on;
  made.occupancy = occupancy;
  made.latency = latency;
  made.repeat = repeat;
  made.use = use;
  return made;
}

/// Ends a loop.
Step apart() {
  return step(kTrack, Cycles(0), Cycles(0), 0);
}

/// The steps of one beat.
void add_beat(const Times& t, const Work& work, const ActionCounts& did, std::vector<Step>& list) {
  list.push_back(step(kTrack, t.shift * work.there, t.shift * work.there, 1));
  list.back().did = did;
  if (work.loads > 0) {
    list.push_back(step(kLatch, t.load, t.load, 1, kLoads));
  }
  if (work.searches > 0 && work.writes > 0) {
    list.push_back(step(kCam, t.search + t.write, t.search, work.searches));
    list.push_back(step(kWriter, t.write, t.write, work.writes));
  } else if (work.searches > 0) {
    list.push_back(step(kCam, t.search, t.search, work.searches));
  } else {
    list.push_back(step(kWriter, t.write, t.write, work.writes));
  }
  if (work.read_outs > 0) {
    list.push_back(step(kLatch, t.read_out, t.read_out, 1, kReadsOut));
  }
  list.push_back(apart());
  if (work.back > 0) {
    list.push_back(step(kTrack, t.shift * work.back, t.shift * work.back, 1));
    list.push_back(apart());
  }
}

Cycles latency(const Times& t, const Work& work) {
  return t.shift * (work.there + work.back) + t.search * work.searches + t.write * work.writes +
         t.load * work.loads + t.read_out * work.read_outs;
}

/// A program on its way through the array.
class Firing {
 public:
  Firing(const Spec& spec, const Clock& clock, std::shared_ptr<const Program> program, int rows)
      : program_(std::move(program)),
        times_(spec, clock),
        walk_(spec, *program_),
        written_(rows),
        rows_(rows) {}

  /// The steps of the next instruction that has any.
  std::span<const Step> next() {
    list_.clear();
    while (list_.empty() && walk_.next() >= 0) {
      const std::int64_t instruction = walk_.next();
      Cycles all{0};
      walk_.execute([&](const Work& work, const Beat& /*beat*/) {
        if (list_.empty()) {
          list_ = {step(kController, Cycles(0), Cycles(0), 1), apart()};
        }
        add_beat(times_, work, counts(work, rows_, written_), list_);
        all += latency(times_, work);
      });
      if (!list_.empty()) {
        Step& controller = list_.front();
        controller.occupancy = all;
        controller.index = instruction;
        controller.use =
            static_cast<int>(program_->instructions[static_cast<std::size_t>(instruction)].op);
      }
    }
    return list_;
  }

 private:
  std::shared_ptr<const Program> program_;
  Times times_;
  Walk walk_;
  WrittenCells written_;
  int rows_;
  std::vector<Step> list_;
};

}  // namespace

void for_each_instruction(const Spec& spec,
                          const Clock& clock,
                          const Program& program,
                          int rows,
                          const std::function<void(std::size_t, const std::vector<Step>&)>& visit) {
  const Times t(spec, clock);
  WrittenCells written(rows);
  std::vector<Step> list;
  for (Walk walk(spec, program); walk.next() >= 0;) {
    const auto instruction = static_cast<std::size_t>(walk.next());
    list.clear();
    walk.execute([&](const Work& work, const Beat& /*beat*/) {
      add_beat(t, work, counts(work, rows, written), list);
    });
    visit(instruction, list);
  }
}

std::vector<Step> steps(const Spec& spec, const Clock& clock, const Program& program, int rows) {
  std::vector<Step> all;
  for_each_instruction(
      spec, clock, program, rows, [&all](std::size_t /*index*/, const std::vector<Step>& list) {
        all.insert(all.end(), list.begin(), list.end());
      });
  return all;
}

std::vector<std::string> uses_of(ResourceIndex resource) {
  switch (resource) {
    case kTrack:
      return {"shift"};
    case kCam:
      return {"search"};
    case kWriter:
      return {"write"};
    case kLatch:
      return {"load", "read_out"};
    case kController: {
      std::vector<std::string> opcodes;
      for (const auto& [opcode, name] : enum_names(Opcode{})) {
        opcodes.emplace_back(name);
      }
      return opcodes;
    }
    case kNumResources:
      break;
  }
  return {};
}

StepSource firing_source(const Spec& spec,
                         const Clock& clock,
                         std::shared_ptr<const Program> program,
                         int rows) {
  const auto firing = std::make_shared<Firing>(spec, clock, std::move(program), rows);
  return [firing] { return firing->next(); };
}

Totals totals(const Spec& spec, const Clock& clock, const Program& program, int rows) {
  const Times t(spec, clock);
  WrittenCells written(rows);
  Wear wear(spec);
  Totals sum;
  const auto add = [&](const Work& work, const Beat& beat) {
    wear.add(beat);
    sum.search += t.search * work.searches;
    sum.write += t.write * work.writes;
    sum.shift += t.shift * (work.there + work.back);
    sum.load += t.load * work.loads;
    sum.read_out += t.read_out * work.read_outs;
    ++sum.beats;
    const bool in_pairs = work.searches > 0 && work.writes > 0;
    sum.passes += in_pairs ? work.searches : 0;
    sum.searches += in_pairs ? 0 : work.searches;
    sum.writes += in_pairs ? 0 : work.writes;
    sum.loads += work.loads;
    sum.read_outs += work.read_outs;
    const ActionCounts did = counts(work, rows, written);
    for (std::size_t a = 0; a < kNumActions; ++a) {
      sum.did[a] += did[a];
    }
  };
  for (Walk walk(spec, program); walk.next() >= 0;) {
    walk.execute(add);
  }
  sum.most_written = wear.most();
  return sum;
}

std::vector<Step> firing_steps(const Spec& spec, const Clock& clock, const Totals& totals) {
  const Times t(spec, clock);
  std::vector<Step> list;
  const auto add = [&list](int on, Cycles each, std::int64_t repeat) {
    list.push_back(step(on, each, each, repeat));
    list.push_back(apart());
  };
  list.push_back(step(kController, totals.latency(), Cycles(0), 1));
  list.back().did = totals.did;
  list.push_back(apart());
  add(kTrack, totals.shift, 1);
  add(kLatch, t.load, totals.loads);
  list.push_back(step(kCam, t.search + t.write, t.search, totals.passes));
  list.push_back(step(kWriter, t.write, t.write, totals.passes));
  list.push_back(apart());
  add(kWriter, t.write, totals.writes);
  add(kCam, t.search, totals.searches);
  add(kLatch, t.read_out, totals.read_outs);
  return list;
}

std::vector<Step> write_steps() {
  return {step(kController, Cycles(1), Cycles(1), 1)};
}

}  // namespace tessera::arch::rtm_ap
