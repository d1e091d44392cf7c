// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "sim/base/config.hpp"
#include "sim/base/json_schema.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tessera::config {
namespace {

enum class Mode { fast, slow };

constexpr auto enum_names(Mode) {
  return std::array<std::pair<Mode, std::string_view>, 2>{
      {{Mode::fast, "fast"}, {Mode::slow, "slow"}}};
}

enum class Shape { mesh, torus };

constexpr auto enum_names(Shape) {
  return std::array<std::string_view, 2>{"mesh", "torus"};
}

struct BusSpec {
  std::int64_t width = 256;
  Seconds latency{0};

  static constexpr auto fields() {
    return list<BusSpec>(
        field("width", &BusSpec::width).range(1, 1 << 20).doc("bits per cycle").source("table I"),
        field("latency", &BusSpec::latency).range(0, 1).doc("time of one transfer"));
  }
};

struct EverySpec {
  bool on = false;
  int count = 1;
  std::int64_t big = 2;
  std::uint64_t seed = 3;
  double factor = 0.5;
  std::string name = "none";
  Seconds time{1e-7};
  Joules energy{2.1e-12};
  Watts power{0};
  Hertz clock{192e6};
  SquareMeters area{1e-8};
  Bits capacity{524288};
  Cycles delay{4};
  Mode mode = Mode::slow;
  Shape shape = Shape::torus;
  BusSpec bus;
  std::vector<std::int64_t> numbers{1, 2};
  std::vector<BusSpec> buses;
  std::optional<Seconds> timeout;
  std::map<std::string, double> table;
  Node rest;

  static constexpr auto fields() {
    return list<EverySpec>(field("on", &EverySpec::on),
                           field("count", &EverySpec::count).range(0, 100).doc("how many"),
                           field("big", &EverySpec::big),
                           field("seed", &EverySpec::seed),
                           field("factor", &EverySpec::factor).range(0, 1).doc("how much"),
                           field("name", &EverySpec::name),
                           field("time", &EverySpec::time).range(0, 1e-3),
                           field("energy", &EverySpec::energy).range(0, 1e300),
                           field("power", &EverySpec::power),
                           field("clock", &EverySpec::clock),
                           field("area", &EverySpec::area),
                           field("capacity", &EverySpec::capacity).range(8, 8e9),
                           field("delay", &EverySpec::delay).range(1, 10),
                           field("mode", &EverySpec::mode),
                           field("shape", &EverySpec::shape),
                           field("bus", &EverySpec::bus),
                           field("numbers", &EverySpec::numbers).range(0, 9),
                           field("buses", &EverySpec::buses),
                           field("timeout", &EverySpec::timeout),
                           field("table", &EverySpec::table),
                           field("rest", &EverySpec::rest));
  }
};

struct RequiredSpec {
  struct Part {
    std::int64_t rows = 0;

    static constexpr auto fields() {
      return list<Part>(field("rows", &Part::rows).range(1, 64).required().doc("word lines"));
    }
  };

  std::string kind = "x";
  Part part;

  static constexpr auto fields() {
    return list<RequiredSpec>(field("kind", &RequiredSpec::kind).required(),
                              field("part", &RequiredSpec::part));
  }
};

// The compile-time check of lists, through the concepts that `list` asserts.
struct Three {
  int a;
  std::optional<int> b;
  std::string c;
};

static_assert(detail::Initializes<Three, int, std::optional<int>, std::string>);
static_assert(!detail::LeavesMember<Three, int, std::optional<int>, std::string>);
static_assert(detail::LeavesMember<Three, int, std::optional<int>>);
static_assert(detail::LeavesMember<Three, int>);
static_assert(!detail::Initializes<Three, int, std::string, std::optional<int>>);
static_assert(!detail::Initializes<Three, int, std::optional<int>, std::string, int>);

template <class S>
struct Result {
  S value;
  Diagnostics diagnostics;
};

template <class S>
Result<S> read_text(std::string_view text, bool unread = true) {
  Result<S> out;
  const Node node = parse(text, "t.yaml", out.diagnostics);
  out.value = read<S>(node, out.diagnostics);
  if (unread) {
    report_unread(node, out.diagnostics);
  }
  return out;
}

/// "CODE line:column" of the only error.
std::string only(const Diagnostics& diagnostics) {
  if (diagnostics.errors().size() != 1) {
    return diagnostics.render();
  }
  const Diagnostic& d = diagnostics.errors()[0];
  EXPECT_FALSE(d.path.empty());
  EXPECT_FALSE(d.expected.empty());
  EXPECT_FALSE(d.got.empty());
  return d.code + " " + std::to_string(d.at.line) + ":" + std::to_string(d.at.column);
}

std::string error_of(std::string_view text) {
  return only(read_text<EverySpec>(text, false).diagnostics);
}

Diagnostic first_error(std::string_view text) {
  const auto r = read_text<EverySpec>(text, false);
  return r.diagnostics.ok() ? Diagnostic{} : r.diagnostics.errors()[0];
}

TEST(Fields, ReadsEveryType) {
  const auto r = read_text<EverySpec>(
      "on: true\ncount: 7\nbig: -9223372036854775808\nseed: 9223372036854775807\nfactor: 1e-3\n"
      "name: 'a b'\ntime: 2 us\nenergy: 3fJ\npower: 1.5 mW\nclock: 1.2 GHz\narea: 0.01 mm2\n"
      "capacity: 1.5 KiB\ndelay: 9\nmode: fast\nshape: mesh\nbus: {width: 8}\nnumbers: [3, 4, 5]\n"
      "buses: [{latency: 1 ns}, {}]\ntimeout: 5 s\ntable: {x: 1, y.z: 2.5}\nrest: [1]\n");
  ASSERT_TRUE(r.diagnostics.ok()) << r.diagnostics.render();
  const EverySpec& s = r.value;
  EXPECT_TRUE(s.on);
  EXPECT_EQ(s.count, 7);
  EXPECT_EQ(s.big, INT64_MIN);
  EXPECT_EQ(s.seed, 9223372036854775807U);
  EXPECT_EQ(s.factor, 1e-3);
  EXPECT_EQ(s.name, "a b");
  EXPECT_EQ(s.time.value, 2e-6);
  EXPECT_EQ(s.energy.value, 3e-15);
  EXPECT_EQ(s.power.value, 1.5e-3);
  EXPECT_EQ(s.clock.value, 1.2e9);
  EXPECT_EQ(s.area.value, 0.01e-6);
  EXPECT_EQ(s.capacity, Bits(12288));
  EXPECT_EQ(s.delay, Cycles(9));
  EXPECT_EQ(s.mode, Mode::fast);
  EXPECT_EQ(s.shape, Shape::mesh);
  EXPECT_EQ(s.bus.width, 8);
  EXPECT_EQ(s.numbers, (std::vector<std::int64_t>{3, 4, 5}));
  ASSERT_EQ(s.buses.size(), 2U);
  EXPECT_EQ(s.buses[0].latency.value, 1e-9);
  EXPECT_EQ(s.buses[1].width, 256);
  EXPECT_EQ(s.timeout.value().value, 5);
  EXPECT_EQ(s.table.at("y.z"), 2.5);
  EXPECT_EQ(s.rest.items().size(), 1U);
}

TEST(Fields, AbsentKeysKeepTheDefaults) {
  const auto r = read_text<EverySpec>("bus: {latency: 1 s}\n");
  ASSERT_TRUE(r.diagnostics.ok()) << r.diagnostics.render();
  EXPECT_EQ(r.value.count, 1);
  EXPECT_EQ(r.value.time.value, 1e-7);
  EXPECT_EQ(r.value.numbers.size(), 2U);
  EXPECT_EQ(r.value.bus.width, 256);
  EXPECT_EQ(r.value.bus.latency.value, 1);
  EXPECT_TRUE(r.value.rest.is_null());

  Diagnostics d;
  EverySpec other;
  other.count = 42;
  other.bus.width = 7;
  const auto s = read<EverySpec>(parse("on: true\nbus: {}\n", "t.yaml", d), d, other);
  EXPECT_EQ(s.count, 42);
  EXPECT_EQ(s.bus.width, 7);
  EXPECT_TRUE(s.on);
  EXPECT_TRUE(d.ok());
  EXPECT_TRUE(read_text<EverySpec>("").diagnostics.ok());
}

TEST(Fields, ReadsTypesThatAreNoStructs) {
  Diagnostics d;
  const Node n = parse("list: [1 ns, 2 ns]\nn: 5\n", "t.yaml", d);
  EXPECT_EQ(read<std::vector<Seconds>>(n.get("list"), d).at(1).value, 2e-9);
  EXPECT_EQ(read<std::int64_t>(n.get("n"), d), 5);
  EXPECT_EQ(read<std::int64_t>(n.get("absent"), d, 9), 9);
  EXPECT_TRUE(d.ok());
}

TEST(Fields, UnknownKeys) {
  const auto r = read_text<EverySpec>("bus:\n  widht: 8\n  latency: 1 ns\n");
  EXPECT_EQ(r.diagnostics.render(),
            "t.yaml:2:3: error[E-CFG-UNKNOWN-KEY]: unknown key 'widht'\n"
            "    2 |   widht: 8\n"
            "      |   ^\n"
            "      = path:     bus.widht\n"
            "      = expected: one of: width, latency\n"
            "      = got:      'widht'\n"
            "      = hint:     did you mean 'width'?\n");
  EXPECT_EQ(first_error("bus: {lat: 1}").hint, "");
  // A key that is written already cannot be what was meant.
  EXPECT_EQ(first_error("bus: {width: 1, widht: 2}").hint, "");
}

TEST(Fields, KeysReadBySomeoneElseAreKnown) {
  Diagnostics d;
  const Node n = parse("kind: lut\nwidth: 8\nwidt: 9\n", "t.yaml", d);
  EXPECT_EQ(n.get("kind").scalar(), "lut");
  (void)read<BusSpec>(n, d);
  EXPECT_EQ(only(d), "E-CFG-UNKNOWN-KEY 3:1");
  EXPECT_EQ(d.errors()[0].expected, "one of: kind, width, latency");
}

TEST(Fields, MissingKeys) {
  const auto r = read_text<RequiredSpec>("part: {}\n");
  ASSERT_EQ(r.diagnostics.errors().size(), 2U);
  EXPECT_EQ(r.diagnostics.render(),
            "t.yaml:1:1: error[E-CFG-MISSING-KEY]: missing required key 'kind'\n"
            "    1 | part: {}\n"
            "      | ^\n"
            "      = path:     kind\n"
            "      = expected: string\n"
            "      = got:      keys: part\n"
            "      = hint:     add 'kind:'\n"
            "t.yaml:1:7: error[E-CFG-MISSING-KEY]: missing required key 'rows'\n"
            "    1 | part: {}\n"
            "      |       ^\n"
            "      = path:     part.rows\n"
            "      = expected: integer in [1, 64] (word lines)\n"
            "      = got:      no keys\n"
            "      = hint:     add 'rows:'\n");
  // A struct that is not written at all still needs its required keys.
  EXPECT_EQ(only(read_text<RequiredSpec>("kind: x\n").diagnostics), "E-CFG-MISSING-KEY 1:1");
  EXPECT_EQ(read_text<RequiredSpec>("").diagnostics.errors().size(), 2U);
  EXPECT_TRUE(read_text<RequiredSpec>("kind: x\npart: {rows: 1}\n").diagnostics.ok());
}

TEST(Fields, WrongTypes) {
  EXPECT_EQ(error_of("on: 1"), "E-CFG-TYPE 1:5");
  EXPECT_EQ(first_error("on: yes").hint, "write true");
  EXPECT_EQ(first_error("on: \"off\"").hint, "write false");
  EXPECT_EQ(error_of("count: 1.5"), "E-CFG-TYPE 1:8");
  EXPECT_EQ(first_error("count: 1e1").hint, "write 10");
  EXPECT_EQ(first_error("count: \"5\"").hint, "remove the quotes");
  EXPECT_EQ(first_error("count: 5 ns").hint, "write the number alone; a count has no unit");
  EXPECT_EQ(error_of("count: 0x10"), "E-CFG-TYPE 1:8");
  EXPECT_EQ(error_of("count: 1_000"), "E-CFG-TYPE 1:8");
  EXPECT_EQ(error_of("count: text"), "E-CFG-TYPE 1:8");
  EXPECT_EQ(error_of("count: [1]"), "E-CFG-TYPE 1:8");
  EXPECT_EQ(error_of("count: ~"), "E-CFG-TYPE 1:8");
  EXPECT_EQ(error_of("count:"), "E-CFG-TYPE 1:1");
  EXPECT_EQ(error_of("factor: half"), "E-CFG-TYPE 1:9");
  EXPECT_EQ(error_of("factor: 0.5 s"), "E-CFG-TYPE 1:9");
  EXPECT_EQ(error_of("name: [x]"), "E-CFG-TYPE 1:7");
  EXPECT_EQ(error_of("name:"), "E-CFG-TYPE 1:1");
  EXPECT_EQ(error_of("time: soon"), "E-CFG-TYPE 1:7");
  EXPECT_EQ(error_of("time: \"5 ns\""), "E-CFG-TYPE 1:7");
  EXPECT_EQ(error_of("time: {x: 1}"), "E-CFG-TYPE 1:7");
  EXPECT_EQ(error_of("capacity: much"), "E-CFG-TYPE 1:11");
  EXPECT_EQ(error_of("mode: [fast]"), "E-CFG-TYPE 1:7");
  EXPECT_EQ(error_of("bus: 5"), "E-CFG-TYPE 1:6");
  EXPECT_EQ(error_of("bus:"), "E-CFG-TYPE 1:1");
  EXPECT_EQ(error_of("numbers: 5"), "E-CFG-TYPE 1:10");
  EXPECT_EQ(error_of("numbers: [1, x]"), "E-CFG-TYPE 1:14");
  EXPECT_EQ(first_error("numbers: [1, x]").sentence, "wrong type for item 1 of 'numbers'");
  EXPECT_EQ(first_error("numbers: [1, x]").path, "numbers[1]");
  EXPECT_EQ(error_of("table: [1]"), "E-CFG-TYPE 1:8");
  EXPECT_EQ(error_of("table: {a: b}"), "E-CFG-TYPE 1:12");
  EXPECT_EQ(error_of("timeout: never"), "E-CFG-TYPE 1:10");
  EXPECT_EQ(error_of("rest:"), "E-CFG-TYPE 1:1");
  EXPECT_EQ(error_of("[1, 2]"), "E-CFG-TYPE 1:1");
  EXPECT_EQ(error_of("text"), "E-CFG-TYPE 1:1");
}

TEST(Fields, OptionalTakesNull) {
  Diagnostics d;
  EverySpec with;
  with.timeout = Seconds(1);
  EXPECT_FALSE(read<EverySpec>(parse("timeout: ~", "t", d), d, with).timeout.has_value());
  EXPECT_TRUE(read<EverySpec>(parse("count: 1", "t", d), d, with).timeout.has_value());
  EXPECT_TRUE(d.ok());
}

/// The default stays, so that nobody judges a value that was not read.
TEST(Fields, AnOptionalValueInErrorIsNotThere) {
  Diagnostics diagnostics;
  const Node node = parse("timeout: 3", "t", diagnostics);
  EXPECT_FALSE(read<EverySpec>(node, diagnostics).timeout.has_value());
  EXPECT_FALSE(diagnostics.ok());
}

TEST(Fields, TheMeaningIsTheHintWhereThereIsNoBetterOne) {
  EXPECT_EQ(first_error("count: 101").hint, "how many");
  EXPECT_EQ(first_error("count: [1]").hint, "how many");
  EXPECT_EQ(first_error("factor: 2").hint, "how much");
  EXPECT_EQ(first_error("factor: .nan").hint, "the value must be finite");
  EXPECT_EQ(first_error("big: x").hint, "");
}

TEST(Fields, Ranges) {
  EXPECT_EQ(error_of("count: 101"), "E-CFG-RANGE 1:8");
  EXPECT_EQ(first_error("count: 101").expected, "an integer in [0, 100]");
  EXPECT_EQ(error_of("count: -1"), "E-CFG-RANGE 1:8");
  EXPECT_EQ(error_of("big: 9223372036854775808"), "E-CFG-RANGE 1:6");
  EXPECT_EQ(error_of("big: 99999999999999999999999999"), "E-CFG-RANGE 1:6");
  EXPECT_EQ(error_of("count: 2147483648"), "E-CFG-RANGE 1:8");
  EXPECT_EQ(first_error("count: 99999999999999999999").expected, "an integer in [0, 100]");
  EXPECT_EQ(first_error("big: 9223372036854775808").expected,
            "an integer up to 9223372036854775807");
  EXPECT_EQ(first_error("big: -9223372036854775809").expected,
            "an integer from -9223372036854775808 on");
  EXPECT_EQ(error_of("seed: -1"), "E-CFG-RANGE 1:7");
  EXPECT_EQ(error_of("factor: 1.01"), "E-CFG-RANGE 1:9");
  EXPECT_EQ(error_of("factor: 1e999"), "E-CFG-RANGE 1:9");
  for (const std::string_view odd : {".nan", "nan", ".inf", "-.inf", "inf", "NaN", "infinity"}) {
    EXPECT_EQ(error_of("factor: " + std::string(odd)), "E-CFG-RANGE 1:9") << odd;
    EXPECT_EQ(error_of("time: " + std::string(odd)), "E-CFG-RANGE 1:7") << odd;
  }
  EXPECT_EQ(error_of("time: inf s"), "E-CFG-RANGE 1:7");
  EXPECT_EQ(error_of("time: 2 ms"), "E-CFG-RANGE 1:7");
  EXPECT_EQ(first_error("time: 2 ms").expected, "a time in [0 s, 1 ms]");
  EXPECT_EQ(error_of("time: -1 ns"), "E-CFG-RANGE 1:7");
  EXPECT_EQ(error_of("energy: -1 pJ"), "E-CFG-RANGE 1:9");
  EXPECT_EQ(first_error("energy: -1 pJ").expected, "an energy >= 0 J");
  EXPECT_EQ(error_of("power: 1e400 W"), "E-CFG-RANGE 1:8");
  EXPECT_EQ(error_of("capacity: 1.5 b"), "E-CFG-RANGE 1:11");
  EXPECT_EQ(error_of("capacity: 0 B"), "E-CFG-RANGE 1:11");
  EXPECT_EQ(error_of("capacity: 99999999999 GiB"), "E-CFG-RANGE 1:11");
  EXPECT_EQ(error_of("capacity: 99999999999.5 GiB"), "E-CFG-RANGE 1:11");
  EXPECT_EQ(error_of("delay: 0"), "E-CFG-RANGE 1:8");
  EXPECT_EQ(error_of("numbers: [1, 10]"), "E-CFG-RANGE 1:14");
  EXPECT_EQ(error_of("mode: fats"), "E-CFG-RANGE 1:7");
  EXPECT_EQ(first_error("mode: fats").hint, "did you mean 'fast'?");
  EXPECT_EQ(first_error("mode: fats").expected, "one of: fast, slow");
  EXPECT_EQ(first_error("shape: ring").expected, "one of: mesh, torus");
}

TEST(Fields, BoundsAreInclusive) {
  EXPECT_EQ(read_text<EverySpec>("count: 100\nfactor: 1\ntime: 1 ms\ncapacity: 1 B\n").value.count,
            100);
  EXPECT_TRUE(
      read_text<EverySpec>("count: 0\nfactor: 0\ntime: 0 fs\ncapacity: 1 B\n").diagnostics.ok());
}

TEST(Fields, Units) {
  EXPECT_EQ(error_of("time: 5"), "E-CFG-UNIT 1:7");
  EXPECT_EQ(first_error("time: 5").sentence, "'time' needs a unit");
  EXPECT_EQ(first_error("time: 5").hint, "write the unit after the number, e.g. '5 ns'");
  EXPECT_EQ(first_error("time: 5").expected, "a time in s, ms, us, ns, ps, fs");
  EXPECT_EQ(error_of("time: 0"), "E-CFG-UNIT 1:7");
  EXPECT_EQ(error_of("capacity: 64"), "E-CFG-UNIT 1:11");
  EXPECT_EQ(first_error("time: 5 pJ").sentence, "'pJ' is a unit of energy, not of time");
  EXPECT_EQ(first_error("time: 5 KiB").sentence, "'KiB' is a unit of data, not of time");
  EXPECT_EQ(first_error("capacity: 5 ns").sentence, "'ns' is a unit of time, not of data");
  EXPECT_EQ(first_error("clock: 5 mhz").sentence, "unknown unit 'mhz'");
  EXPECT_EQ(first_error("clock: 5 mhz").hint, "did you mean 'MHz'?");
  EXPECT_EQ(error_of("time: 5 n s"), "E-CFG-UNIT 1:7");

  for (const auto& [text, value] : std::vector<std::pair<std::string, double>>{{"5 s", 5},
                                                                               {"5 ms", 5e-3},
                                                                               {"5 us", 5e-6},
                                                                               {"5 ns", 5e-9},
                                                                               {"5 ps", 5e-12},
                                                                               {"5 fs", 5e-15},
                                                                               {"0 ns", 0},
                                                                               {"-5 ns", -5e-9},
                                                                               {".5 ns", 5e-10},
                                                                               {"-.5 ns", -5e-10},
                                                                               {"+5 ns", 5e-9},
                                                                               {"5e3 ns", 5e-6}}) {
    Diagnostics d;
    EXPECT_EQ(read<Seconds>(parse(text, "t", d), d).value, value) << text;
    EXPECT_TRUE(d.ok()) << d.render();
  }
  for (const auto& [text, bits] :
       std::vector<std::pair<std::string, std::int64_t>>{{"3 b", 3},
                                                         {"3 B", 24},
                                                         {"3 KiB", 24576},
                                                         {"3 MiB", 3LL << 23},
                                                         {"3 GiB", 3LL << 33},
                                                         {"3 kB", 24000},
                                                         {"3 MB", 24000000},
                                                         {"0.5 B", 4},
                                                         {"1e3 b", 1000}}) {
    Diagnostics d;
    EXPECT_EQ(read<Bits>(parse(text, "t", d), d).value, bits) << text;
    EXPECT_TRUE(d.ok()) << d.render();
  }
}

TEST(Fields, LeadingZerosAreReportedOnce) {
  EXPECT_EQ(error_of("count: 010"), "E-CFG-LEADING-ZERO 1:8");
  EXPECT_EQ(error_of("factor: 00.5"), "E-CFG-LEADING-ZERO 1:9");
  EXPECT_EQ(error_of("time: 010 ns"), "E-CFG-LEADING-ZERO 1:7");
  EXPECT_EQ(error_of("time: 010"), "E-CFG-LEADING-ZERO 1:7");
  EXPECT_EQ(error_of("capacity: 08 B"), "E-CFG-LEADING-ZERO 1:11");
  EXPECT_EQ(read_text<EverySpec>("name: \"010\"").value.name, "010");
}

TEST(Fields, OverriddenValuesShowBothPlaces) {
  Diagnostics d;
  Node n = merge(parse("count: 5\n", "base.yaml", d), parse("# x\ncount: 500\n", "over.yaml", d));
  (void)read<EverySpec>(n, d);
  EXPECT_EQ(d.render(),
            "over.yaml:2:8: error[E-CFG-RANGE]: 'count' is out of range\n"
            "    2 | count: 500\n"
            "      |        ^\n"
            "      : also base.yaml:1:8\n"
            "    1 | count: 5\n"
            "      |        ^\n"
            "      = path:     count\n"
            "      = expected: an integer in [0, 100]\n"
            "      = got:      '500'\n"
            "      = hint:     how many\n");
}

TEST(Fields, RawNodesLeaveTheirKeysToOthers) {
  Diagnostics d;
  const Node n = parse("rest: {kind: lut, rows: 4}\n", "t.yaml", d);
  const auto s = read<EverySpec>(n, d);
  EXPECT_EQ(s.rest.get("kind").scalar(), "lut");
  report_unread(n, d);
  EXPECT_EQ(only(d), "E-CFG-UNREAD-KEY 1:19");
}

TEST(Fields, AllErrorsAreCollected) {
  const auto r = read_text<EverySpec>("on: 1\ncount: x\ntime: 5\nmode: z\nbus: {width: 0, q: 1}\n");
  EXPECT_EQ(r.diagnostics.errors().size(), 6U) << r.diagnostics.render();
  EXPECT_EQ(r.value.count, 1);
  EXPECT_EQ(r.value.bus.width, 256);
}

// ---- documentation ----

TEST(Describe, ListsWhatExplainNeeds) {
  const std::vector<FieldInfo> infos = describe<EverySpec>();
  ASSERT_EQ(infos.size(), 21U);
  const auto text = [&](std::string_view key) {
    for (const FieldInfo& one : infos) {
      if (one.key == key) {
        return one.type + "|" + one.range + "|" + one.default_text;
      }
    }
    return std::string("missing");
  };
  EXPECT_EQ(text("on"), "boolean||false");
  EXPECT_EQ(text("count"), "integer|[0, 100]|1");
  EXPECT_EQ(text("factor"), "number|[0, 1]|0.5");
  EXPECT_EQ(text("name"), "string||none");
  EXPECT_EQ(text("time"), "time|[0 s, 1 ms]|100 ns");
  EXPECT_EQ(text("energy"), "energy|>= 0 J|2.1 pJ");
  EXPECT_EQ(text("clock"), "frequency||192 MHz");
  EXPECT_EQ(text("capacity"), "data|[1 B, 1000 MB]|64 KiB");
  EXPECT_EQ(text("delay"), "integer|[1, 10]|4");
  EXPECT_EQ(text("mode"), "one of: fast, slow||slow");
  EXPECT_EQ(text("shape"), "one of: mesh, torus||torus");
  EXPECT_EQ(text("bus"), "map||");
  EXPECT_EQ(text("numbers"), "list of integer|[0, 9]|[1, 2]");
  EXPECT_EQ(text("buses"), "list of map||[]");
  EXPECT_EQ(text("timeout"), "optional time||none");
  EXPECT_EQ(text("table"), "map of number||{}");
  EXPECT_EQ(text("rest"), "map||");
  EXPECT_EQ(infos[15].children.size(), 2U);
  EXPECT_EQ(infos[15].children[0].doc, "bits per cycle");
  EXPECT_EQ(infos[17].children.size(), 2U);
  EXPECT_TRUE(describe<RequiredSpec>()[0].required);
  EXPECT_EQ(describe<RequiredSpec>()[0].default_text, "");
}

TEST(Describe, DefaultsReadBack) {
  std::string text;
  for (const FieldInfo& one : describe<EverySpec>()) {
    if (one.children.empty() && !one.default_text.empty() && one.default_text != "none") {
      text += one.key + ": " + one.default_text + "\n";
    }
  }
  const auto r = read_text<EverySpec>(text);
  ASSERT_TRUE(r.diagnostics.ok()) << r.diagnostics.render();
  EXPECT_EQ(r.value.time, EverySpec{}.time);
  EXPECT_EQ(r.value.area, EverySpec{}.area);
  EXPECT_EQ(r.value.capacity, EverySpec{}.capacity);
}

TEST(Explain, AlignsAndIndents) {
  EXPECT_EQ(explain_text(describe<RequiredSpec>()),
            "key     type     range    default   description  source\n"
            "kind    string            required\n"
            "part    map\n"
            "  rows  integer  [1, 64]  required  word lines\n");
  const std::string bus = explain_text(describe<BusSpec>());
  EXPECT_NE(bus.find("width    integer  [1, 1048576]  256      bits per cycle        table I\n"),
            std::string::npos)
      << bus;
}

TEST(Schema, DescribesEveryType) {
  const nlohmann::json s = nlohmann::json::parse(json_schema(describe<EverySpec>()));
  EXPECT_EQ(s["additionalProperties"], false);
  const nlohmann::json& p = s["properties"];
  EXPECT_EQ(p["on"]["type"], "boolean");
  EXPECT_EQ(p["on"]["default"], false);
  EXPECT_EQ(p["count"]["type"], "integer");
  EXPECT_EQ(p["count"]["minimum"], 0);
  EXPECT_EQ(p["count"]["maximum"], 100);
  EXPECT_EQ(p["mode"]["enum"], nlohmann::json({"fast", "slow"}));
  EXPECT_EQ(p["mode"]["default"], "slow");
  EXPECT_EQ(p["time"]["type"], "string");
  EXPECT_NE(p["time"]["pattern"].get<std::string>().find("ns|ps"), std::string::npos);
  EXPECT_NE(p["capacity"]["pattern"].get<std::string>().find("KiB"), std::string::npos);
  EXPECT_EQ(p["bus"]["properties"]["width"]["default"], 256);
  EXPECT_EQ(p["numbers"]["items"]["type"], "integer");
  EXPECT_EQ(p["numbers"]["items"]["maximum"], 9);
  EXPECT_EQ(p["buses"]["items"]["type"], "object");
  EXPECT_EQ(p["timeout"]["anyOf"].size(), 2U);
  EXPECT_EQ(p["table"]["additionalProperties"]["type"], "number");
  EXPECT_FALSE(p["rest"].contains("type"));
  EXPECT_FALSE(s.contains("required"));
  const nlohmann::json r = nlohmann::json::parse(json_schema(describe<RequiredSpec>()));
  EXPECT_EQ(r["required"], nlohmann::json({"kind"}));
  EXPECT_EQ(r["properties"]["part"]["required"], nlohmann::json({"rows"}));
}

}  // namespace
}  // namespace tessera::config
