// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Rows of the fabric's links in a trace: flits of one stage that follow each other are one span of
/// work.
#pragma once

#include "arch/chip/chip.hpp"
#include "sim/api/trace.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace tessera::engine {

class LinkTracer : public arch::fabric::LinkRecorder {
 public:
  /// `stage_of` names the stage that sent a message; it is asked while the message is on its way.
  LinkTracer(TraceSink& sink, std::function<std::string_view(MessageId)> stage_of)
      : sink_(sink), stage_of_(std::move(stage_of)) {}

  /// Names of the links, in the order of Fabric::link_use().
  void name_links(const std::vector<LinkUse>& links);
  void flit(int link, Cycles at, MessageId message) override;
  /// Tiles all rows up to `end`.
  void finish(Cycles end);

 private:
  /// A link's row; opened with its first flit.
  struct Row {
    TrackId track = -1;
    std::int64_t drawn = 0;
    std::int64_t start = 0;  ///< of the span that is growing
    std::int64_t end = 0;
    std::string_view what;
  };

  void flush(Row& row);

  TraceSink& sink_;
  std::function<std::string_view(MessageId)> stage_of_;
  std::vector<std::string> names_;
  std::vector<Row> rows_;
};

}  // namespace tessera::engine
