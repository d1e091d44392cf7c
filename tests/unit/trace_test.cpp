// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Trace sinks: tiling is checked, kept through merging, and the file is what a viewer expects.
#include "sim/base/diagnostics.hpp"
#include "sim/base/rng.hpp"
#include "sim/trace/chrome_trace.hpp"
#include "sim/trace/memory_trace.hpp"

#include <boost/iostreams/filter/gzip.hpp>
#include <boost/iostreams/filtering_stream.hpp>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sys/resource.h>

#include <cmath>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace tessera::trace {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

class TraceFile : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "tessera_trace_XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }

  void TearDown() override { fs::remove_all(folder_); }

  [[nodiscard]] std::string path(const std::string& name) const {
    return (folder_ / name).string();
  }

  [[nodiscard]] json read(const std::string& name) const {
    std::ifstream file(folder_ / name, std::ios::binary);
    std::stringstream text;
    if (name.ends_with(".gz")) {
      boost::iostreams::filtering_istream in;
      in.push(boost::iostreams::gzip_decompressor());
      in.push(file);
      text << in.rdbuf();
    } else {
      text << file.rdbuf();
    }
    return json::parse(text.str());
  }

  [[nodiscard]] std::set<std::string> files() const {
    std::set<std::string> out;
    for (const auto& entry : fs::directory_iterator(folder_)) {
      out.insert(entry.path().filename().string());
    }
    return out;
  }

  fs::path folder_;
};

/// Rows of random work and waits that tile [0, end).
void play(TraceSink& sink, int rows, int spans, std::uint64_t seed) {
  Rng rng(seed, "trace");
  std::vector<std::vector<std::pair<Cycles, Cycles>>> work(static_cast<std::size_t>(rows));
  std::vector<TrackId> tracks;
  tracks.reserve(static_cast<std::size_t>(rows));
  const Cycles end(std::int64_t{spans} * 10);
  for (int r = 0; r < rows; ++r) {
    tracks.push_back(sink.track(r % 2 == 0 ? TrackKind::pe_group : TrackKind::bus,
                                "chip.row[" + std::to_string(r) + "]"));
  }
  for (int r = 0; r < rows; ++r) {
    const auto row = static_cast<std::size_t>(r);
    Cycles at{0};
    std::int64_t index = 0;
    while (at < end) {
      const Cycles next = std::min(end, at + Cycles(rng.uniform(1, 20)));
      if (rng.chance(0.5)) {
        sink.work(tracks[row], at, next, rng.chance(0.5) ? "conv1" : "conv2", index++);
        work[row].emplace_back(at, next);
      } else {
        sink.wait(tracks[row], at, next, static_cast<Wait>(rng.uniform(0, 7)));
      }
      at = next;
    }
  }
  for (std::size_t i = 0; i < std::min(work[0].size(), work[1].size()); ++i) {
    if (work[0][i].first <= work[1][i].first) {
      sink.flow(tracks[0], work[0][i].first, tracks[1], work[1][i].first);
    }
  }
  sink.finish(end);
}

struct Shown {
  std::map<std::pair<int, int>, std::vector<std::pair<double, double>>>
      rows;  // (pid, tid) -> (ts, dur)
  std::int64_t spans = 0;
  std::int64_t begins = 0;
  std::int64_t ends = 0;
};

/// The file's X events row by row; every row must be tiled, at 1 GHz, from 0 to `end` cycles.
Shown check_rows(const json& trace, std::int64_t end) {
  Shown shown;
  for (const json& event : trace["traceEvents"]) {
    const std::string phase = event["ph"];
    if (phase == "X") {
      ++shown.spans;
      shown.rows[{event["pid"], event["tid"]}].emplace_back(event["ts"], event["dur"]);
    }
    shown.begins += phase == "s" ? 1 : 0;
    shown.ends += phase == "f" ? 1 : 0;
  }
  for (const auto& [row, spans] : shown.rows) {
    double at = 0;
    for (const auto& [ts, dur] : spans) {
      EXPECT_NEAR(ts, at, 1e-6);
      // A viewer that cuts to nanoseconds must see no overlap.
      EXPECT_GE(std::floor(ts * 1000), std::floor(at * 1000));
      at += dur;
    }
    EXPECT_NEAR(at, static_cast<double>(end) * 1e-3, 1e-6);
  }
  return shown;
}

TEST(MemoryTrace, TiledRowsAreFine) {
  MemoryTrace trace;
  play(trace, 4, 100, 1);
  EXPECT_EQ(trace.check_tiling(), std::vector<std::string>{});
  EXPECT_EQ(trace.rows().size(), 4U);
  EXPECT_FALSE(trace.flows().empty());
}

TEST(MemoryTrace, SeesHolesOverlapsAndLooseEnds) {
  MemoryTrace hole;
  hole.track(TrackKind::layer, "a");
  hole.work(0, Cycles(0), Cycles(5), "x", 0);
  hole.wait(0, Cycles(6), Cycles(10), Wait::input);
  hole.finish(Cycles(10));
  EXPECT_EQ(hole.check_tiling(), std::vector<std::string>{"a: hole from 5 to 6"});

  MemoryTrace overlap;
  overlap.track(TrackKind::layer, "a");
  overlap.work(0, Cycles(0), Cycles(5), "x", 0);
  overlap.work(0, Cycles(4), Cycles(10), "x", 1);
  overlap.finish(Cycles(10));
  EXPECT_EQ(overlap.check_tiling(), std::vector<std::string>{"a: overlap from 4 to 5"});

  MemoryTrace early;
  early.track(TrackKind::layer, "a");
  early.work(0, Cycles(0), Cycles(5), "x", 0);
  EXPECT_EQ(early.check_tiling().size(), 2U);
  early.finish(Cycles(10));
  EXPECT_EQ(early.check_tiling(), std::vector<std::string>{"a: ends at 5, the run at 10"});

  MemoryTrace silent;
  silent.track(TrackKind::layer, "a");
  silent.finish(Cycles(1));
  EXPECT_EQ(silent.check_tiling(), std::vector<std::string>{"a: ends at 0, the run at 1"});
}

TEST(MemoryTrace, SeesArrowsThatHangInTheAir) {
  MemoryTrace trace;
  trace.track(TrackKind::layer, "a");
  trace.work(0, Cycles(0), Cycles(5), "x", 0);
  trace.wait(0, Cycles(5), Cycles(10), Wait::input);
  trace.finish(Cycles(10));
  trace.flow(0, Cycles(0), 0, Cycles(4));
  EXPECT_TRUE(trace.check_tiling().empty());
  trace.flow(0, Cycles(0), 0, Cycles(5));
  EXPECT_EQ(trace.check_tiling().size(), 1U);
  trace.flow(0, Cycles(3), 0, Cycles(2));
  EXPECT_EQ(trace.check_tiling().size(), 2U);
  trace.flow(0, Cycles(3), 7, Cycles(4));
  EXPECT_EQ(trace.check_tiling().size(), 3U);
}

TEST_F(TraceFile, EventsAsAViewerReadsThem) {
  Clock clock;
  clock.frequency = Hertz(2e9);
  ChromeTrace trace(path("t.json"), clock);
  const TrackId pe = trace.track(TrackKind::pe_group, "chip.tiles[0].\"pe\"");
  const TrackId bus = trace.track(TrackKind::bus, "chip.tiles[0].bus");
  trace.wait(pe, Cycles(0), Cycles(3), Wait::credit);
  trace.work(pe, Cycles(3), Cycles(2003), "conv1", 7);
  trace.work(bus, Cycles(0), Cycles(2003), "transfer", -1);
  trace.flow(bus, Cycles(1), pe, Cycles(3));
  trace.finish(Cycles(2003));

  EXPECT_EQ(files(), std::set<std::string>{"t.json"});
  const json file = read("t.json");
  std::vector<json> shown;
  std::map<std::string, std::string> names;
  for (const json& event : file["traceEvents"]) {
    if (event["ph"] == "M") {
      if (event["name"] == "thread_name" || event["name"] == "process_name") {
        names[event["args"]["name"]] = event["ph"];
      }
    } else {
      shown.push_back(event);
    }
  }
  EXPECT_TRUE(names.contains("chip.tiles[0].\"pe\""));
  EXPECT_TRUE(names.contains("PE groups"));
  EXPECT_TRUE(names.contains("tile buses"));
  EXPECT_FALSE(names.contains("links"));
  ASSERT_EQ(shown.size(), 5U);
  EXPECT_EQ(shown[0]["name"], "wait: credit");
  EXPECT_EQ(shown[0]["cname"], "grey");
  EXPECT_EQ(shown[1]["name"], "conv1");
  EXPECT_EQ(shown[1]["args"]["index"], 7);
  EXPECT_NEAR(shown[1]["ts"], 0.0015, 1e-6);
  EXPECT_DOUBLE_EQ(shown[1]["dur"], 1.0);
  EXPECT_FALSE(shown[2].contains("args"));
  EXPECT_EQ(shown[3]["ph"], "s");
  EXPECT_EQ(shown[4]["ph"], "f");
  EXPECT_EQ(shown[4]["bp"], "e");
  EXPECT_EQ(shown[3]["id"], shown[4]["id"]);
  EXPECT_EQ(shown[4]["tid"], shown[1]["tid"]);
  EXPECT_EQ(shown[4]["ts"], shown[1]["ts"]);
  EXPECT_EQ(file["otherData"]["grain_cycles"], 0);
  EXPECT_EQ(file["otherData"]["spans_told"], 3);
  EXPECT_EQ(file["otherData"]["clock_hz"], 2e9);
}

TEST_F(TraceFile, SmallRunsAreExact) {
  ChromeTrace trace(path("t.json"), Clock{});
  MemoryTrace memory;
  play(trace, 6, 500, 3);
  play(memory, 6, 500, 3);
  std::int64_t told = 0;
  for (const MemoryTrace::Row& row : memory.rows()) {
    told += static_cast<std::int64_t>(row.spans.size());
  }
  const json file = read("t.json");
  const Shown shown = check_rows(file, 5000);
  EXPECT_EQ(shown.rows.size(), 6U);
  EXPECT_EQ(shown.spans, told);
  EXPECT_EQ(shown.begins, static_cast<std::int64_t>(memory.flows().size()));
  EXPECT_EQ(shown.ends, shown.begins);
  EXPECT_EQ(trace.grain(), Cycles(0));
}

TEST_F(TraceFile, MergingKeepsTheTilingTheBudgetAndTheWork) {
  for (const std::int64_t budget : {1, 30, 300, 3000}) {
    ChromeTraceOptions options;
    options.max_events = budget;
    ChromeTrace trace(path("t.json"), Clock{}, options);
    MemoryTrace memory;
    play(trace, 10, 5000, 5);
    play(memory, 10, 5000, 5);
    std::int64_t work = 0;
    std::int64_t told = 0;
    std::int64_t pieces = 0;
    for (const MemoryTrace::Row& row : memory.rows()) {
      for (const MemoryTrace::Span& span : row.spans) {
        ++told;
        work += span.is_work ? (span.end - span.start).value : 0;
        pieces += span.is_work ? 1 : 0;
      }
    }
    const json file = read("t.json");
    const Shown shown = check_rows(file, 50'000);
    EXPECT_EQ(shown.rows.size(), 10U);
    EXPECT_LE(shown.spans, std::max<std::int64_t>(budget, 20));
    EXPECT_GE(shown.spans, std::min<std::int64_t>(budget, 20) / 8);
    EXPECT_LE(shown.begins, std::max<std::int64_t>(budget / 4, 1));
    EXPECT_GT(shown.begins, 0);
    EXPECT_GT(trace.grain().value, 1);
    std::int64_t work_shown = 0;
    std::int64_t pieces_shown = 0;
    for (const json& event : file["traceEvents"]) {
      if (event["ph"] == "X" && event["cat"] == "merged") {
        work_shown += event["args"]["work_cycles"].get<std::int64_t>();
        pieces_shown += event["args"]["spans"].get<std::int64_t>();
      } else if (event["ph"] == "X" && event["cat"] == "work") {
        work_shown += std::llround(event["dur"].get<double>() * 1000);
        pieces_shown += 1;
      }
    }
    EXPECT_EQ(work_shown, work);
    EXPECT_EQ(pieces_shown, pieces);
    EXPECT_EQ(file["otherData"]["spans_told"], told);
    EXPECT_EQ(file["otherData"]["spans_written"], shown.spans);
    EXPECT_EQ(file["otherData"]["grain_cycles"], trace.grain().value);
  }
}

TEST_F(TraceFile, FilterKeepsTheRowsOfALayerTiled) {
  ChromeTraceOptions options;
  options.layers = {"conv2"};
  ChromeTrace trace(path("t.json"), Clock{}, options);
  play(trace, 4, 200, 9);
  std::set<std::string> names;
  const json file = read("t.json");
  check_rows(file, 2000);
  for (const json& event : file["traceEvents"]) {
    names.insert(event["name"].get<std::string>());
  }
  EXPECT_TRUE(names.contains("conv2"));
  EXPECT_TRUE(names.contains("(other layers)"));
  EXPECT_FALSE(names.contains("conv1"));

  options.layers = {"conv3"};
  ChromeTrace none(path("none.json"), Clock{}, options);
  play(none, 4, 200, 9);
  EXPECT_TRUE(read("none.json")["traceEvents"].empty());
  EXPECT_EQ(read("none.json")["otherData"]["rows_left_out"], 4);
}

TEST_F(TraceFile, NamesWhatIsDoneAndForWhom) {
  const auto tell = [](ChromeTrace&& trace) {
    const TrackId row = trace.track(TrackKind::resource, "pe");
    trace.work(row, Cycles(0), Cycles(2), "conv1", 0, "load");
    trace.work(row, Cycles(2), Cycles(3), "conv1", 1, "read");
    trace.work(row, Cycles(3), Cycles(4), "conv2", -1, "load");
    trace.work(row, Cycles(4), Cycles(100), "conv2", 5);
    trace.finish(Cycles(100));
  };
  const auto spans = [this](const std::string& name) {
    std::vector<json> out;
    const json file = read(name);
    for (const json& event : file["traceEvents"]) {
      if (event["ph"] == "X") {
        out.push_back(event);
      }
    }
    return out;
  };
  tell(ChromeTrace(path("all.json"), Clock{}));
  const std::vector<json> all = spans("all.json");
  ASSERT_EQ(all.size(), 4U);
  EXPECT_EQ(all[0]["name"], "load");
  EXPECT_EQ(all[0]["args"], (json{{"of", "conv1"}, {"index", 0}}));
  EXPECT_EQ(all[1]["name"], "read");
  EXPECT_EQ(all[2]["args"], (json{{"of", "conv2"}}));
  EXPECT_EQ(all[3]["name"], "conv2");
  EXPECT_EQ(all[3]["args"], (json{{"index", 5}}));

  ChromeTraceOptions one;
  one.layers = {"conv2"};
  tell(ChromeTrace(path("one.json"), Clock{}, one));
  const std::vector<json> kept = spans("one.json");
  ASSERT_EQ(kept.size(), 4U);
  EXPECT_EQ(kept[1]["name"], "(other layers)");
  EXPECT_EQ(kept[2]["name"], "load");

  // Merged work of one layer is the layer's.
  ChromeTraceOptions few;
  few.max_events = 2;
  tell(ChromeTrace(path("few.json"), Clock{}, few));
  const std::vector<json> merged = spans("few.json");
  ASSERT_EQ(merged.size(), 2U);
  EXPECT_EQ(merged[0]["name"], "several x3");
  ChromeTrace same(path("same.json"), Clock{}, few);
  const TrackId row = same.track(TrackKind::resource, "pe");
  same.work(row, Cycles(0), Cycles(1), "conv1", 0, "load");
  same.work(row, Cycles(1), Cycles(2), "conv1", 1, "read");
  same.work(row, Cycles(2), Cycles(3), "conv1", 2, "load");
  same.finish(Cycles(3));
  EXPECT_EQ(spans("same.json").at(0)["name"].get<std::string>().rfind("conv1 x", 0), 0U);
}

TEST_F(TraceFile, AWindowIsTiledAndKeepsNothingElse) {
  ChromeTraceOptions options;
  options.from = Cycles(1003);
  options.to = Cycles(2007);
  ChromeTrace trace(path("t.json"), Clock{}, options);
  MemoryTrace memory;
  play(trace, 4, 500, 3);
  play(memory, 4, 500, 3);
  const auto inside = [&](Cycles start, Cycles end) {
    return std::max<std::int64_t>(
        0, (std::min(end, options.to) - std::max(start, options.from)).value);
  };
  std::int64_t spans = 0;
  std::int64_t work = 0;
  for (const MemoryTrace::Row& row : memory.rows()) {
    for (const MemoryTrace::Span& span : row.spans) {
      spans += inside(span.start, span.end) > 0 ? 1 : 0;
      work += span.is_work ? inside(span.start, span.end) : 0;
    }
  }
  const json file = read("t.json");
  std::int64_t shown = 0;
  double worked = 0;
  std::map<int, double> at;  // by row
  for (const json& event : file["traceEvents"]) {
    if (event["ph"] == "X") {
      ++shown;
      worked += event["cat"] == "work" ? event["dur"].get<double>() * 1000 : 0;
      const auto [row, fresh] = at.try_emplace(event["tid"], 1.003);
      EXPECT_NEAR(event["ts"], row->second, 1e-6);
      row->second = event["ts"].get<double>() + event["dur"].get<double>();
    } else if (event["ph"] == "s" || event["ph"] == "f") {
      EXPECT_GE(event["ts"], 1.003);
      EXPECT_LT(event["ts"], 2.007);
    }
  }
  EXPECT_EQ(shown, spans);
  EXPECT_NEAR(worked, static_cast<double>(work), 1e-3);
  ASSERT_EQ(at.size(), 4U);
  for (const auto& [row, end] : at) {
    EXPECT_NEAR(end, 2.007, 1e-6) << row;
  }
  EXPECT_EQ(file["otherData"]["window_cycles"], (json{1003, 2007}));
}

TEST_F(TraceFile, CompressedIsTheSame) {
  ChromeTrace plain(path("t.json"), Clock{});
  play(plain, 4, 2000, 2);
  ChromeTrace packed(path("t.json.gz"), Clock{});
  play(packed, 4, 2000, 2);
  EXPECT_EQ(read("t.json"), read("t.json.gz"));
  EXPECT_LT(fs::file_size(path("t.json.gz")), fs::file_size(path("t.json")) / 4);
}

TEST_F(TraceFile, NothingIsLeftOfAnUnfinishedTrace) {
  {
    ChromeTrace trace(path("t.json"), Clock{});
    trace.track(TrackKind::layer, "a");
    trace.work(0, Cycles(0), Cycles(5), "x", 0);
    EXPECT_FALSE(fs::exists(path("t.json")));
  }
  EXPECT_TRUE(files().empty());
}

TEST_F(TraceFile, FolderThatIsNotThereIsReportedAtOnce) {
  try {
    const ChromeTrace trace(path("no/such/t.json"), Clock{});
    FAIL();
  } catch (const InputError& e) {
    EXPECT_EQ(e.exit_status(), 2);
    ASSERT_EQ(e.diagnostics().errors().size(), 1U);
    EXPECT_EQ(e.diagnostics().errors()[0].code, "E-OUT-WRITE");
  }
}

/// As on a full disk: writing beyond `bytes` fails.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    rlimit now = before_;
    now.rlim_cur = bytes;
    ::setrlimit(RLIMIT_FSIZE, &now);
  }

  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit before_{};
  void (*handler_)(int);
};

TEST_F(TraceFile, FullDiskIsReportedAndNothingIsLeft) {
  for (const std::string name : {"t.json", "t.json.gz"}) {
    {
      ChromeTrace trace(path(name), Clock{});
      const FileSizeLimit limit(2000);
      EXPECT_THROW(play(trace, 4, 20'000, 2), InputError) << name;
    }
    EXPECT_TRUE(files().empty()) << name;
  }
}

}  // namespace
}  // namespace tessera::trace
