// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// A trace kept in memory, for tests: everything that was told, and whether it tiles.
#pragma once

#include "sim/api/trace.hpp"
#include "sim/base/units.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tessera::trace {

class MemoryTrace : public TraceSink {
 public:
  struct Span {
    Cycles start{0};
    Cycles end{0};
    bool is_work = false;
    Wait reason = Wait::none;  ///< of a wait
    std::string what;          ///< of work
    std::int64_t index = -1;
    std::string doing;  ///< of work
  };

  struct Row {
    TrackKind kind = TrackKind::layer;
    std::string path;
    std::vector<Span> spans;  ///< in the order told
  };

  struct Flow {
    TrackId from = 0;
    Cycles sent{0};
    TrackId to = 0;
    Cycles used{0};
  };

  using TraceSink::work;

  TrackId track(TrackKind kind, const std::string& path) override;
  void work(TrackId track,
            Cycles start,
            Cycles end,
            std::string_view what,
            std::int64_t index,
            std::string_view doing) override;
  void wait(TrackId track, Cycles start, Cycles end, Wait reason) override;
  void flow(TrackId from, Cycles sent, TrackId to, Cycles used) override;
  void finish(Cycles end) override;

  [[nodiscard]] const std::vector<Row>& rows() const { return rows_; }

  [[nodiscard]] const std::vector<Flow>& flows() const { return flows_; }

  [[nodiscard]] bool finished() const { return finished_; }

  /// What is wrong, one sentence each; empty when work and waits tile every row from cycle 0 to the
  /// end of the run in the order told, and both ends of every arrow lie in a work span. Work of no
  /// duration is allowed anywhere between two spans.
  [[nodiscard]] std::vector<std::string> check_tiling() const;

 private:
  std::vector<Row> rows_;
  std::vector<Flow> flows_;
  Cycles end_{0};
  bool finished_ = false;
};

}  // namespace tessera::trace
