// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The timing rule of a firing (model.hpp, file comment) as numbers.
///
/// Units    cycles of the PE's clock
/// Errors   InternalError for a list of steps that is no schedule: kinds make them, users cannot
#include "sim/api/schedule.hpp"

#include "sim/base/diagnostics.hpp"

#include <algorithm>
#include <string>

namespace tessera {
namespace {

void check(const Step& step) {
  if (step.on < 0 || step.occupancy.value < 0 || step.latency.value < 0 || step.repeat < 0) {
    throw InternalError("schedule", -1, "a step has a negative resource, time or repeat");
  }
}

void add_hold(std::vector<Schedule::Hold>& holds, int on, Cycles first, Cycles end) {
  const auto same = [on](const Schedule::Hold& hold) { return hold.on == on; };
  const auto found = std::find_if(holds.begin(), holds.end(), same);
  if (found == holds.end()) {
    holds.push_back({on, first, end});
    return;
  }
  found->first = std::min(found->first, first);
  found->end = std::max(found->end, end);
}

void set_interval(Schedule& schedule) {
  for (const Schedule::Hold& hold : schedule.holds) {
    schedule.interval = std::max(schedule.interval, hold.end - hold.first);
  }
}

}  // namespace

Schedule make_schedule(std::span<const Step> steps) {
  Schedule schedule;
  Cycles loop_start{0};
  int loop = 0;
  for (std::size_t begin = 0; begin < steps.size();) {
    const std::int64_t repeat = steps[begin].repeat;
    std::size_t end = begin;
    Cycles interval{0};
    for (; end < steps.size() && steps[end].repeat == repeat; ++end) {
      check(steps[end]);
      interval = std::max(interval, steps[end].occupancy);
    }
    if (repeat == 0) {  // no pass: takes no time and does nothing
      begin = end;
      continue;
    }
    const std::size_t first_play = schedule.plays.size();
    Cycles offset = loop_start;
    for (const Step& step : steps.subspan(begin, end - begin)) {
      for (std::size_t a = 0; a < kMaxActions; ++a) {
        schedule.did[a] += step.did[a] * repeat;
      }
      if (step.occupancy.value > 0) {  // a step that holds nothing is only a delay and its actions
        for (std::size_t p = first_play; p < schedule.plays.size(); ++p) {
          if (schedule.plays[p].on == step.on) {
            throw InternalError(
                "schedule", -1, "resource " + std::to_string(step.on) + " is used twice in a loop");
          }
        }
        schedule.plays.push_back(
            {step.on, offset, step.occupancy, interval, repeat, loop, step.use, step.index});
        schedule.occupations += repeat;
        add_hold(
            schedule.holds, step.on, offset, offset + (repeat - 1) * interval + step.occupancy);
      }
      offset += step.latency;
    }
    loop_start = offset + (repeat - 1) * interval;
    begin = end;
    ++loop;
  }
  schedule.latency = loop_start;
  set_interval(schedule);
  return schedule;
}

Schedule together(std::span<const Schedule> all) {
  Schedule both;
  for (const Schedule& one : all) {
    for (const Schedule::Hold& hold : one.holds) {
      add_hold(both.holds, hold.on, hold.first, hold.end);
    }
    both.latency = std::max(both.latency, one.latency);
    both.occupations += one.occupations;
    for (std::size_t a = 0; a < kMaxActions; ++a) {
      both.did[a] += one.did[a];
    }
  }
  set_interval(both);
  return both;
}

}  // namespace tessera
