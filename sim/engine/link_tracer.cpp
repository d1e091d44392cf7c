// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "sim/engine/link_tracer.hpp"

namespace tessera::engine {

void LinkTracer::name_links(const std::vector<LinkUse>& links) {
  for (const LinkUse& link : links) {
    names_.push_back("chip.fabric." + link.name);
  }
  rows_.resize(names_.size());
}

void LinkTracer::flit(int link, Cycles at, MessageId message) {
  Row& row = rows_[static_cast<std::size_t>(link)];
  const std::string_view what = stage_of_(message);
  if (row.track < 0) {
    row.track = sink_.track(TrackKind::link, names_[static_cast<std::size_t>(link)]);
  } else if (at.value == row.end && what == row.what) {
    ++row.end;
    return;
  }
  flush(row);
  row.start = at.value;
  row.end = at.value + 1;
  row.what = what;
}

void LinkTracer::flush(Row& row) {
  if (row.end <= row.drawn) {
    return;
  }
  if (row.start > row.drawn) {
    sink_.wait(row.track, Cycles(row.drawn), Cycles(row.start), Wait::none);
  }
  sink_.work(row.track, Cycles(row.start), Cycles(row.end), row.what, -1);
  row.drawn = row.end;
}

void LinkTracer::finish(Cycles end) {
  for (Row& row : rows_) {
    if (row.track < 0) {
      continue;
    }
    flush(row);
    if (row.drawn < end.value) {
      sink_.wait(row.track, Cycles(row.drawn), end, Wait::none);
    }
  }
}

}  // namespace tessera::engine
