// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "sim/trace/chrome_trace.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/partial_file.hpp"

#include <boost/iostreams/filter/gzip.hpp>
#include <boost/iostreams/filtering_stream.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace tessera::trace {

namespace {

constexpr std::size_t kFlushAt = std::size_t{1} << 18U;  // stays in the second-level cache
constexpr std::uint32_t kOther = 0;                      // name of work that the filter left out
constexpr std::uint32_t kSeveral = 1;                    // name of merged work of several names
constexpr std::size_t kKinds = 6;
constexpr double kPicosecondsPerSecond = 1e12;
constexpr std::int64_t kPicosecondsPerMicrosecond = 1'000'000;

constexpr std::array<std::string_view, kKinds> kProcessNames{
    "layers", "PE groups", "PE resources", "tile buses", "vector units", "links"};

/// A wait when count == 0. After merging, work < end - start, and reason is the longest wait's.
struct Span {
  std::int64_t start = 0;
  std::int64_t end = 0;
  std::int64_t work = 0;
  std::int64_t index = -1;  // of the first work
  std::uint32_t what = kOther;
  std::uint32_t count = 0;  // pieces of work
  Wait reason = Wait::none;
  bool mixed = false;   // waits for several reasons
  bool merged = false;  // work and waits in one, or several pieces of work
};

struct Row {
  TrackKind kind = TrackKind::layer;
  std::string path;
  bool selected = false;  // worked for a layer that the filter keeps
  std::vector<Span> spans;
};

struct Arrow {
  std::int64_t sent = 0;
  std::int64_t used = 0;
  TrackId from = 0;
  TrackId to = 0;
};

/// Characters on their way to the file. Half a million spans are written in pieces of a few
/// characters each, so a piece must cost no more than its copy.
class Buffer {
 public:
  [[nodiscard]] std::string_view view() const { return {chars_.get(), size_}; }

  [[nodiscard]] std::size_t size() const { return size_; }

  void clear() { size_ = 0; }

  void text(std::string_view piece) {
    reserve(piece.size());
    std::memcpy(chars_.get() + size_, piece.data(), piece.size());
    size_ += piece.size();
  }

  /// A literal: its length is known, so the copy is a few instructions in place.
  template <std::size_t N>
  void text(const char (&piece)[N]) {  // NOLINT(*-avoid-c-arrays)
    reserve(N - 1);
    std::memcpy(chars_.get() + size_, piece, N - 1);
    size_ += N - 1;
  }

  void number(std::int64_t value) {
    reserve(kDigits);
    char* const begin = chars_.get() + size_;
    size_ =
        static_cast<std::size_t>(std::to_chars(begin, begin + kDigits, value).ptr - chars_.get());
  }

  /// Microseconds with six decimals.
  void microseconds(std::int64_t picoseconds) {
    number(picoseconds / kPicosecondsPerMicrosecond);
    reserve(7);
    char* const begin = chars_.get() + size_;
    auto rest = static_cast<std::uint32_t>(picoseconds % kPicosecondsPerMicrosecond);
    *begin = '.';
    for (std::size_t d = 6; d > 0; --d) {
      begin[d] = static_cast<char>('0' + rest % 10);
      rest /= 10;
    }
    size_ += 7;
  }

 private:
  static constexpr std::size_t kDigits = 20;

  void reserve(std::size_t more) {
    if (size_ + more > capacity_) {
      grow(more);
    }
  }

  void grow(std::size_t more) {
    capacity_ = 2 * (capacity_ + more);
    auto bigger = std::make_unique<char[]>(capacity_);  // NOLINT(*-avoid-c-arrays)
    std::memcpy(bigger.get(), chars_.get(), size_);
    chars_ = std::move(bigger);
  }

  std::size_t capacity_ = 2 * kFlushAt;
  std::size_t size_ = 0;
  std::unique_ptr<char[]> chars_ =          // NOLINT(*-avoid-c-arrays)
      std::make_unique<char[]>(capacity_);  // NOLINT(*-avoid-c-arrays)
};

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out;
}

std::string_view name_of(Wait reason) {
  return enum_names(Wait{})[static_cast<std::size_t>(reason)].second;
}

bool ends_with_gz(const std::string& path) {
  return path.size() > 3 && path.compare(path.size() - 3, 3, ".gz") == 0;
}

/// A name of work.
struct Name {
  std::string text;         // escaped
  std::string of;           // likewise; empty: nothing
  std::uint32_t whole = 0;  // the name of all that is done for the same
  std::vector<std::pair<std::string, std::uint32_t>> doing;  // names of what is done for this one
};

}  // namespace

class ChromeTrace::Impl {
 public:
  Impl(std::string path, const Clock& clock, ChromeTraceOptions options)
      : path_(std::move(path)),
        temporary_(partial_name(path_).string()),
        clock_(clock),
        options_(std::move(options)),
        picoseconds_per_cycle_(kPicosecondsPerSecond / clock.frequency.value) {
    options_.max_events = std::max<std::int64_t>(options_.max_events, 1);
    names_ = {{"(other layers)", {}, kOther, {}}, {"several", {}, kSeveral, {}}};
    file_.open(temporary_, std::ios::binary | std::ios::trunc);
    if (!file_) {
      fail("cannot create the trace file");
    }
    remove_abandoned(std::filesystem::path(path_).parent_path());
  }

  ~Impl() {
    if (!done_) {
      out_.reset();
      file_.close();
      std::remove(temporary_.c_str());
    }
  }

  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  Impl(Impl&&) = delete;
  Impl& operator=(Impl&&) = delete;

  TrackId track(TrackKind kind, const std::string& path) {
    rows_.push_back({kind, escaped(path), options_.layers.empty(), {}});
    return static_cast<TrackId>(rows_.size()) - 1;
  }

  void work(TrackId track,
            Cycles start,
            Cycles end,
            std::string_view what,
            std::int64_t index,
            std::string_view doing) {
    if (!shows(start, end)) {
      return;
    }
    Row& row = rows_.at(static_cast<std::size_t>(track));
    Span span;
    span.start = std::max(start, options_.from).value;
    span.end = std::min(end, options_.to).value;
    span.work = span.end - span.start;
    span.index = index;
    span.what = intern(what, doing);
    span.count = 1;
    row.selected = row.selected || span.what != kOther;
    add(row, span);
  }

  void wait(TrackId track, Cycles start, Cycles end, Wait reason) {
    if (end <= start || !shows(start, end)) {
      return;
    }
    Span span;
    span.start = std::max(start, options_.from).value;
    span.end = std::min(end, options_.to).value;
    span.reason = reason;
    add(rows_.at(static_cast<std::size_t>(track)), span);
  }

  void flow(TrackId from, Cycles sent, TrackId to, Cycles used) {
    if (!shows(sent, sent) || !shows(used, used) || flows_told_++ % flow_step_ != 0) {
      return;
    }
    arrows_.push_back({sent.value, used.value, from, to});
    if (static_cast<std::int64_t>(arrows_.size()) >
        std::max<std::int64_t>(options_.max_events / 4, 1)) {
      for (std::size_t i = 0; 2 * i < arrows_.size(); ++i) {
        arrows_[i] = arrows_[2 * i];
      }
      arrows_.resize((arrows_.size() + 1) / 2);
      flow_step_ *= 2;
    }
  }

  void finish(Cycles end) {
    if (ends_with_gz(path_)) {
      boost::iostreams::gzip_params params;
      params.level = boost::iostreams::gzip::best_speed;
      out_ = std::make_unique<boost::iostreams::filtering_ostream>();
      out_->push(boost::iostreams::gzip_compressor(params));
      out_->push(file_);
    }
    write_head();
    for (std::size_t r = 0; r < rows_.size(); ++r) {
      if (rows_[r].selected) {
        write_row(r);
      }
    }
    write_arrows();
    write_tail(end);
    flush();
    out_.reset();  // writes the end of the compressed stream
    file_.close();
    if (!file_ || std::rename(temporary_.c_str(), path_.c_str()) != 0) {
      fail("cannot write the trace file");
    }
    done_ = true;
  }

  [[nodiscard]] Cycles grain() const { return Cycles(grain_); }

 private:
  /// Whether a span, or an instant, reaches into the window.
  [[nodiscard]] bool shows(Cycles start, Cycles end) const {
    return start < options_.to && (end > options_.from || start >= options_.from);
  }

  std::uint32_t intern(std::string_view what, std::string_view doing) {
    if (what != last_name_) {
      last_name_ = what;
      const auto [found, fresh] =
          ids_.try_emplace(last_name_, static_cast<std::uint32_t>(names_.size()));
      if (fresh && keeps(what)) {
        names_.push_back({escaped(what), {}, found->second, {}});
      } else if (fresh) {
        found->second = kOther;
      }
      last_id_ = found->second;
    }
    if (doing.empty() || last_id_ == kOther) {
      return last_id_;
    }
    auto& known = names_[last_id_].doing;
    const auto found = std::find_if(
        known.begin(), known.end(), [doing](const auto& one) { return one.first == doing; });
    if (found != known.end()) {
      return found->second;
    }
    const auto id = static_cast<std::uint32_t>(names_.size());
    known.emplace_back(doing, id);
    names_.push_back({escaped(doing), names_[last_id_].text, last_id_, {}});
    return id;
  }

  [[nodiscard]] bool keeps(std::string_view what) const {
    return options_.layers.empty() ||
           std::find(options_.layers.begin(), options_.layers.end(), what) != options_.layers.end();
  }

  /// b follows a on the same row; a becomes both.
  void absorb(Span& a, const Span& b) const {
    const std::int64_t a_waits = a.end - a.start - a.work;
    const std::int64_t b_waits = b.end - b.start - b.work;
    a.mixed = a.mixed || b.mixed || (a_waits > 0 && b_waits > 0 && a.reason != b.reason);
    if (b_waits > a_waits) {
      a.reason = b.reason;
    }
    if (a.count == 0) {
      a.what = b.what;
      a.index = b.index;
    } else if (b.count > 0 && a.what != b.what) {
      const std::uint32_t whole = names_[a.what].whole;
      a.what = whole == names_[b.what].whole ? whole : kSeveral;
    }
    a.count += b.count;
    a.work += b.work;
    a.end = b.end;
    a.merged = true;
  }

  void add(Row& row, const Span& span) {
    ++spans_told_;
    if (!row.spans.empty() && may_merge(row.spans.back(), span)) {
      absorb(row.spans.back(), span);
      return;
    }
    row.spans.push_back(span);
    if (++kept_ > limit_now()) {
      coarsen();
    }
  }

  /// Whether b, following a, disappears in it at the present grain.
  [[nodiscard]] bool may_merge(const Span& a, const Span& b) const {
    return a.end - a.start < grain_ && b.end - b.start < grain_;
  }

  /// A row cannot have less than one span.
  [[nodiscard]] std::int64_t limit_now() const {
    return std::max(options_.max_events, 2 * static_cast<std::int64_t>(rows_.size()));
  }

  /// Doubles the grain until at most half of the limit is left, or until it spans the run.
  void coarsen() {
    std::int64_t end = 0;
    for (const Row& row : rows_) {
      end = std::max(end, row.spans.empty() ? 0 : row.spans.back().end);
    }
    do {
      grain_ = std::max<std::int64_t>(2, 2 * grain_);
      kept_ = 0;
      for (Row& row : rows_) {
        std::size_t last = 0;
        for (std::size_t i = 1; i < row.spans.size(); ++i) {
          if (may_merge(row.spans[last], row.spans[i])) {
            absorb(row.spans[last], row.spans[i]);
          } else {
            row.spans[++last] = row.spans[i];
          }
        }
        row.spans.resize(std::min(row.spans.size(), last + 1));
        kept_ += static_cast<std::int64_t>(row.spans.size());
      }
    } while (kept_ > limit_now() / 2 && grain_ <= end);
  }

  // ---- writing --------------------------------------------------------------------------------

  template <class... Args>
  void put(fmt::format_string<Args...> format, Args&&... args) {
    buffer_.text(fmt::format(format, std::forward<Args>(args)...));
  }

  void flush() {
    std::ostream& out = out_ ? static_cast<std::ostream&>(*out_) : file_;
    out.write(buffer_.view().data(), static_cast<std::streamsize>(buffer_.size()));
    buffer_.clear();
    if (!out || !file_) {
      fail("cannot write the trace file");
    }
  }

  [[nodiscard]] std::int64_t picoseconds(std::int64_t cycles) const {
    return std::llround(static_cast<double>(cycles) * picoseconds_per_cycle_);
  }

  /// The trailing 5 (half a picosecond) is for viewers that cut to whole nanoseconds in binary
  /// arithmetic: 1.001 us would become 1000 ns, and the span before would reach into this one.
  void put_instant(std::int64_t picoseconds) {
    buffer_.microseconds(picoseconds);
    buffer_.text("5");
  }

  void begin_event() {
    if (buffer_.size() >= kFlushAt) {
      flush();
    }
    buffer_.text(std::string_view(first_ ? "\n" : ",\n"));
    first_ = false;
  }

  void write_head() {
    put(R"({{"displayTimeUnit":"ns","traceEvents":[)");
    std::array<bool, kKinds> used{};
    for (std::size_t r = 0; r < rows_.size(); ++r) {
      if (!rows_[r].selected) {
        continue;
      }
      const auto kind = static_cast<std::size_t>(rows_[r].kind);
      if (!used[kind]) {
        used[kind] = true;
        begin_event();
        put(R"({{"ph":"M","pid":{},"name":"process_name","args":{{"name":"{}"}}}})",
            kind + 1,
            kProcessNames[kind]);
        begin_event();
        put(R"({{"ph":"M","pid":{},"name":"process_sort_index","args":{{"sort_index":{}}}}})",
            kind + 1,
            kind + 1);
      }
      begin_event();
      put(R"({{"ph":"M","pid":{},"tid":{},"name":"thread_name","args":{{"name":"{}"}}}})",
          kind + 1,
          r + 1,
          rows_[r].path);
      begin_event();
      put(R"({{"ph":"M","pid":{},"tid":{},"name":"thread_sort_index","args":{{"sort_index":{}}}}})",
          kind + 1,
          r + 1,
          r + 1);
    }
  }

  void write_row(std::size_t r) {
    const Row& row = rows_[r];
    const std::size_t pid = static_cast<std::size_t>(row.kind) + 1;
    // Its declaration stands before it, so no span is the first event.
    const std::string begin =
        fmt::format(",\n{{\"ph\":\"X\",\"pid\":{},\"tid\":{},\"ts\":", pid, r + 1);
    std::int64_t at = 0;  // end of the span before
    std::int64_t at_picoseconds = 0;
    for (const Span& span : row.spans) {
      const std::int64_t start = span.start == at ? at_picoseconds : picoseconds(span.start);
      at = span.end;
      at_picoseconds = picoseconds(at);
      if (buffer_.size() >= kFlushAt) {
        flush();
      }
      buffer_.text(begin);
      put_instant(start);
      buffer_.text(",\"dur\":");
      buffer_.microseconds(at_picoseconds - start);
      if (span.count == 0) {
        buffer_.text(R"(,"cat":"wait","cname":"grey","name":"wait: )");
        buffer_.text(span.mixed ? std::string_view("several") : name_of(span.reason));
        buffer_.text("\"}");
      } else if (!span.merged) {
        buffer_.text(R"(,"cat":"work","name":")");
        const Name& name = names_[span.what];
        buffer_.text(name.text);
        if (!name.of.empty()) {
          buffer_.text(R"(","args":{"of":")");
          buffer_.text(name.of);
          if (span.index >= 0) {
            buffer_.text(R"(","index":)");
            buffer_.number(span.index);
            buffer_.text("}}");
          } else {
            buffer_.text("\"}}");
          }
        } else if (span.index >= 0) {
          buffer_.text(R"(","args":{"index":)");
          buffer_.number(span.index);
          buffer_.text("}}");
        } else {
          buffer_.text("\"}");
        }
      } else {
        write_merged(span);
      }
      written_ += 1;
      merged_ += span.merged ? 1 : 0;
    }
  }

  void write_merged(const Span& span) {
    put(R"(,"cat":"merged","name":"{} x{}","args":{{"spans":{},"work_cycles":{},"wait_cycles":{})",
        names_[span.what].text,
        span.count,
        span.count,
        span.work,
        span.end - span.start - span.work);
    if (span.work < span.end - span.start) {
      put(R"(,"waits":"{}{}")", span.mixed ? "mostly " : "", name_of(span.reason));
    }
    if (!names_[span.what].of.empty()) {
      put(R"(,"of":"{}")", names_[span.what].of);
    }
    if (span.index >= 0) {
      put(R"(,"first_index":{})", span.index);
    }
    put("}}}}");
  }

  void write_arrows() {
    for (std::size_t i = 0; i < arrows_.size(); ++i) {
      const Arrow& arrow = arrows_[i];
      const Row& from = rows_.at(static_cast<std::size_t>(arrow.from));
      const Row& to = rows_.at(static_cast<std::size_t>(arrow.to));
      if (!from.selected || !to.selected) {
        continue;
      }
      begin_event();
      write_arrow_end(R"({"ph":"s","id":)", i, from, arrow.from, arrow.sent);
      buffer_.text(",\n");
      write_arrow_end(R"({"ph":"f","bp":"e","id":)", i, to, arrow.to, arrow.used);
      ++arrows_written_;
    }
  }

  void write_arrow_end(
      std::string_view begin, std::size_t arrow, const Row& row, TrackId track, std::int64_t at) {
    buffer_.text(begin);
    buffer_.number(static_cast<std::int64_t>(arrow) + 1);
    buffer_.text(R"(,"cat":"flow","name":"data","pid":)");
    buffer_.number(static_cast<std::int64_t>(row.kind) + 1);
    buffer_.text(",\"tid\":");
    buffer_.number(std::int64_t{track} + 1);
    buffer_.text(",\"ts\":");
    put_instant(picoseconds(at));
    buffer_.text("}");
  }

  void write_tail(Cycles end) {
    std::string filter;
    for (const std::string& layer : options_.layers) {
      filter += fmt::format("{}\"{}\"", filter.empty() ? "" : ",", escaped(layer));
    }
    const auto rows =
        std::count_if(rows_.begin(), rows_.end(), [](const Row& row) { return row.selected; });
    const ChromeTraceOptions all;
    std::string window;
    if (options_.from != all.from || options_.to != all.to) {
      window = fmt::format(
          ",\"window_cycles\":[{},{}]", options_.from.value, std::min(options_.to, end).value);
    }
    put("\n],\"otherData\":{{\"arrow_step\":{},\"arrows_told\":{},\"arrows_written\":{},\"clock_"
        "hz\":{},"
        "\"end_cycles\":{},\"grain_cycles\":{},\"layer_filter\":[{}],\"max_events\":{},\"merged_"
        "spans\":{},"
        "\"rows_left_out\":{},\"rows_written\":{},\"sampling\":\"{}\",\"spans_told\":{},\"spans_"
        "written\":{}{}}}}}\n",
        flow_step_,
        flows_told_,
        arrows_written_,
        clock_.frequency.value,
        end.value,
        grain_,
        filter,
        options_.max_events,
        merged_,
        static_cast<std::int64_t>(rows_.size()) - rows,
        rows,
        grain_ == 0
            ? "none: every span is shown"
            : "neighbouring spans on a row that are shorter than grain_cycles are merged into one "
              "'<what> xN'",
        spans_told_,
        written_,
        window);
  }

  [[noreturn]] void fail(std::string_view sentence) const {
    Diagnostics diagnostics;
    Diagnostic d;
    d.code = "E-OUT-WRITE";
    d.sentence = sentence;
    d.path = "--trace";
    d.expected = "a file that can be written";
    d.got = path_;
    diagnostics.error(d);
    throw InputError(diagnostics, 2);
  }

  std::string path_;
  std::string temporary_;
  Clock clock_;
  ChromeTraceOptions options_;
  double picoseconds_per_cycle_;
  std::ofstream file_;
  std::unique_ptr<boost::iostreams::filtering_ostream> out_;  // only when compressing
  bool done_ = false;

  std::vector<Row> rows_;
  std::vector<Arrow> arrows_;
  std::vector<Name> names_;
  std::unordered_map<std::string, std::uint32_t> ids_;
  std::string last_name_;
  std::uint32_t last_id_ = kOther;
  std::int64_t grain_ = 0;
  std::int64_t kept_ = 0;
  std::int64_t spans_told_ = 0;
  std::int64_t flows_told_ = 0;
  std::int64_t flow_step_ = 1;

  Buffer buffer_;
  bool first_ = true;
  std::int64_t written_ = 0;
  std::int64_t merged_ = 0;
  std::int64_t arrows_written_ = 0;
};

ChromeTrace::ChromeTrace(const std::string& path, const Clock& clock, ChromeTraceOptions options)
    : impl_(std::make_unique<Impl>(path, clock, std::move(options))) {}

ChromeTrace::~ChromeTrace() = default;

TrackId ChromeTrace::track(TrackKind kind, const std::string& path) {
  return impl_->track(kind, path);
}

void ChromeTrace::work(TrackId track,
                       Cycles start,
                       Cycles end,
                       std::string_view what,
                       std::int64_t index,
                       std::string_view doing) {
  impl_->work(track, start, end, what, index, doing);
}

void ChromeTrace::wait(TrackId track, Cycles start, Cycles end, Wait reason) {
  impl_->wait(track, start, end, reason);
}

void ChromeTrace::flow(TrackId from, Cycles sent, TrackId to, Cycles used) {
  impl_->flow(from, sent, to, used);
}

void ChromeTrace::finish(Cycles end) {
  impl_->finish(end);
}

Cycles ChromeTrace::grain() const {
  return impl_->grain();
}

}  // namespace tessera::trace
