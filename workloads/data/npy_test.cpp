// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "workloads/data/npy.hpp"

#include "sim/base/enum_name.hpp"
#include "sim/base/rng.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zip.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>

namespace tessera::data {
namespace {

template <class T>
Array of(DType type, std::vector<std::int64_t> shape, const std::vector<T>& values) {
  Array out{std::move(shape), type, std::vector<std::byte>(values.size() * sizeof(T))};
  std::copy_n(
      reinterpret_cast<const std::byte*>(values.data()), out.bytes.size(), out.bytes.begin());
  return out;
}

/// A file with any header.
std::string npy(const std::string& header, const std::string& body, char version = 1) {
  std::string out("\x93NUMPY", 6);
  out += version;
  out += '\0';
  out += static_cast<char>(header.size() & 0xFFU);
  out += static_cast<char>(header.size() >> 8U);
  if (version > 1) {
    out += std::string(2, '\0');
  }
  return out + header + body;
}

struct Parsed {
  std::optional<Array> array;
  Arrays arrays;
  std::vector<std::string> codes;
  std::string text;
};

Parsed finish(Parsed parsed, const Diagnostics& diagnostics) {
  for (const Diagnostic& d : diagnostics.errors()) {
    parsed.codes.push_back(d.code);
  }
  parsed.text = diagnostics.render();
  return parsed;
}

Parsed parse(const std::string& bytes, const Limits& limits = {}) {
  Diagnostics diagnostics;
  Reporter reporter("x.npy", {}, "", diagnostics);
  Parsed out;
  out.array = parse_npy(bytes, reporter, limits);
  return finish(std::move(out), diagnostics);
}

Parsed parse_archive(const std::string& bytes, const Limits& limits = {}) {
  Diagnostics diagnostics;
  Reporter reporter("x.npz", {}, "", diagnostics);
  Parsed out;
  out.arrays = parse_npz(bytes, reporter, limits);
  return finish(std::move(out), diagnostics);
}

/// An archive with any files, by libzip: `method` as ZIP_CM_*.
std::string archive(const std::vector<std::pair<std::string, std::string>>& files, int method) {
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t* source = zip_source_buffer_create(nullptr, 0, 0, &error);
  zip_source_keep(source);
  zip_t* zip = zip_open_from_source(source, ZIP_TRUNCATE, &error);
  for (const auto& [name, bytes] : files) {
    const zip_int64_t at =
        zip_file_add(zip, name.c_str(), zip_source_buffer(zip, bytes.data(), bytes.size(), 0), 0);
    zip_set_file_compression(zip, static_cast<zip_uint64_t>(at), method, 0);
  }
  EXPECT_EQ(zip_close(zip), 0);
  zip_stat_t stat;
  zip_stat_init(&stat);
  zip_source_stat(source, &stat);
  std::string out(stat.size, '\0');
  zip_source_open(source);
  zip_source_read(source, out.data(), out.size());
  zip_source_close(source);
  zip_source_free(source);
  return out;
}

const std::vector<Array>& samples() {
  static const std::vector<Array> kSamples = {
      of<std::uint16_t>(DType::f2, {3}, {0x3C00, 0xC000, 0x0001}),
      of<float>(DType::f4, {2, 3}, {0, -1.5F, 3e38F, 1e-40F, 4, 5}),
      of<double>(DType::f8, {2, 1, 2}, {0, -1.5, 1e300, 1e-300}),
      of<std::int8_t>(DType::i1, {3}, {-128, 0, 127}),
      of<std::uint8_t>(DType::u1, {2, 2}, {0, 1, 2, 255}),
      of<std::int16_t>(DType::i2, {1}, {-32768}),
      of<std::uint16_t>(DType::u2, {1}, {65535}),
      of<std::int32_t>(DType::i4, {1, 1, 1}, {INT32_MIN}),
      of<std::uint32_t>(DType::u4, {1}, {UINT32_MAX}),
      of<std::int64_t>(DType::i8, {2}, {INT64_MIN, INT64_MAX}),
      of<std::uint64_t>(DType::u8, {1}, {UINT64_MAX}),
      of<std::uint8_t>(DType::b1, {3}, {0, 1, 1}),
      of<float>(DType::f4, {}, {7}),
      of<float>(DType::f4, {0}, {}),
      of<float>(DType::f4, {3, 0, 2}, {}),
  };
  return kSamples;
}

TEST(Npy, ComesBackAsItWas) {
  for (const Array& array : samples()) {
    SCOPED_TRACE(name_of(array.type));
    const std::string bytes = write_npy(array);
    EXPECT_EQ((bytes.size() - array.bytes.size()) % 64, 0U);
    const Parsed back = parse(bytes);
    ASSERT_TRUE(back.array) << back.text;
    EXPECT_EQ(*back.array, array);
  }
}

TEST(Npy, IsWhatNumpyWrites) {
  // numpy.save(f, numpy.array([[1, 2, 3]], dtype='<i2')), NumPy 1.24
  const std::string header =
      "{'descr': '<i2', 'fortran_order': False, 'shape': (1, 3), }" + std::string(58, ' ') + "\n";
  EXPECT_EQ(write_npy(of<std::int16_t>(DType::i2, {1, 3}, {1, 2, 3})),
            npy(header, std::string("\1\0\2\0\3\0", 6)));
}

TEST(Npy, TakesOtherVersionsOrdersAndSpellings) {
  const std::string body = "\1\2\3\4\5\6";
  const auto shape_of = [&](const std::string& header, char version) {
    const Parsed p = parse(npy(header, body, version));
    EXPECT_TRUE(p.array) << p.text;
    return p.array.value_or(Array{});
  };
  const Array row = of<std::uint8_t>(DType::u1, {2, 3}, {1, 2, 3, 4, 5, 6});
  EXPECT_EQ(shape_of("{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3), }", 2), row);
  EXPECT_EQ(shape_of("{\"shape\":(2L,3L),\"descr\":\"<u1\",\"fortran_order\":False}\n", 3), row);
  // Columns first: the numbers of a column follow each other.
  EXPECT_EQ(shape_of("{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3), }", 1),
            of<std::uint8_t>(DType::u1, {2, 3}, {1, 3, 5, 2, 4, 6}));
  EXPECT_EQ(shape_of("{'descr': '|u1', 'fortran_order': True, 'shape': (1, 3, 2), }", 1),
            of<std::uint8_t>(DType::u1, {1, 3, 2}, {1, 4, 2, 5, 3, 6}));
}

TEST(Npy, ColumnsFirstIsTheTransposeForAnyShape) {
  Rng rng(1, "npy orders");
  for (int round = 0; round < 50; ++round) {
    std::vector<std::int64_t> shape;
    std::int64_t count = 1;
    for (std::int64_t d = rng.uniform(1, 4); d > 0; --d) {
      shape.push_back(rng.uniform(1, 4));
      count *= shape.back();
    }
    std::string text;
    for (const std::int64_t extent : shape) {
      text += std::to_string(extent) + ",";
    }
    std::vector<std::int16_t> in(static_cast<std::size_t>(count));
    std::vector<std::int16_t> expected(in.size());
    for (std::int64_t i = 0; i < count; ++i) {  // i in row-major order
      std::int64_t rest = i;
      std::int64_t place = 0;
      std::int64_t stride = count;
      for (std::size_t d = shape.size(); d-- > 0;) {
        stride /= shape[d];
        place += (rest % shape[d]) * stride;
        rest /= shape[d];
      }
      in[static_cast<std::size_t>(place)] = static_cast<std::int16_t>(i);
      expected[static_cast<std::size_t>(i)] = static_cast<std::int16_t>(i);
    }
    const Parsed p =
        parse(npy("{'descr': '<i2', 'fortran_order': True, 'shape': (" + text + ")}",
                  std::string(reinterpret_cast<const char*>(in.data()), 2 * in.size())));
    ASSERT_TRUE(p.array) << p.text;
    EXPECT_EQ(*p.array, of<std::int16_t>(DType::i2, shape, expected));
  }
}

TEST(Npy, RefusesWhatIsNoArray) {
  const auto code = [](const std::string& bytes) {
    const Parsed p = parse(bytes);
    EXPECT_FALSE(p.array);
    EXPECT_EQ(p.codes.size(), 1U) << p.text;
    return p.codes.empty() ? "" : p.codes[0];
  };
  const std::string good = "{'descr': '|u1', 'fortran_order': False, 'shape': (2,), }";
  ASSERT_TRUE(parse(npy(good, "ab")).array);
  EXPECT_EQ(code(""), "E-DATA-FORMAT");
  EXPECT_EQ(code(std::string("\x93NUMPX\1\0", 8)), "E-DATA-FORMAT");
  EXPECT_EQ(code(npy(good, "ab", 4)), "E-DATA-FORMAT");
  EXPECT_EQ(code(npy(good, "ab").substr(0, 30)), "E-DATA-FORMAT");
  for (const char* header :
       {"",
        "{",
        "{}",
        "{'descr': '|u1'}",
        "{'descr': '|u1', 'fortran_order': 0, 'shape': (2,)}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (-2,)}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (2 2)}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': 2}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (2,)} x",
        "{'descr': '|u1', 'descr': '|u1', 'fortran_order': False, 'shape': (2,)}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (2,), 'x': 'y'}",
        "{'descr': '|O', 'fortran_order': False, 'shape': (2,)}",
        "{'descr': '>f4', 'fortran_order': False, 'shape': (2,)}",
        "{'descr': '|f4', 'fortran_order': False, 'shape': (2,)}",
        "{'descr': '<c8', 'fortran_order': False, 'shape': (2,)}",
        "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,)}"}) {
    SCOPED_TRACE(header);
    EXPECT_EQ(code(npy(header, "ab")), "E-DATA-FORMAT");
  }
}

TEST(Npy, ComparesShapeAndBytesBeforeTakingMemory) {
  const auto code = [](const std::string& shape, const std::string& body, const Limits& limits) {
    const Parsed p = parse(
        npy("{'descr': '<f8', 'fortran_order': False, 'shape': " + shape + "}", body), limits);
    EXPECT_FALSE(p.array);
    return p.codes.empty() ? "" : p.codes[0];
  };
  const std::string eight(8, 'x');
  EXPECT_EQ(code("(2,)", eight, {}), "E-DATA-SIZE");
  EXPECT_EQ(code("(1,)", eight + "x", {}), "E-DATA-SIZE");
  EXPECT_EQ(code("(0,)", eight, {}), "E-DATA-SIZE");
  EXPECT_EQ(code("(1000000, 1000000, 1000000, 1000000)", eight, {}), "E-DATA-SIZE");
  EXPECT_EQ(code("(2305843009213693953,)", eight, {}), "E-DATA-SIZE");  // * 8 = 2^64 + 8
  EXPECT_EQ(code("(99999999999999999999,)", eight, {}), "E-DATA-SIZE");
  EXPECT_EQ(code("(2,)", eight + eight, {.max_bytes = 15}), "E-DATA-SIZE");
}

TEST(Npz, ComesBackAsItWas) {
  Arrays arrays;
  for (const Array& array : samples()) {
    arrays.emplace(std::string(name_of(array.type)) + std::to_string(arrays.size()), array);
  }
  arrays.emplace("layers/conv1.weights", samples()[1]);
  arrays.emplace(
      "gr\xc3\xb6\xc3\x9f"
      "e",
      samples()[1]);
  const std::string bytes = write_npz(arrays);
  const Parsed back = parse_archive(bytes);
  EXPECT_EQ(back.text, "");
  EXPECT_EQ(back.arrays, arrays);
  EXPECT_EQ(write_npz(back.arrays), bytes);
  EXPECT_EQ(parse_archive(write_npz({})).text, "");
}

TEST(Npz, HasTheSameBytesEverywhereAndAlways) {
  const Arrays arrays = {{"a", make_array({2}, std::vector<float>{1, 2})},
                         {"b", make_array({1, 1}, std::vector<std::int64_t>{3})}};
  EXPECT_EQ(fnv1a(write_npz(arrays)), 1802175278788442064U);
}

TEST(Npz, TakesDeflatedArrays) {
  const Array zeros = of<std::uint8_t>(DType::u1, {5000}, std::vector<std::uint8_t>(5000));
  const std::string bytes = archive({{"z.npy", write_npy(zeros)}}, ZIP_CM_DEFLATE);
  EXPECT_LT(bytes.size(), 1000U);
  const Parsed p = parse_archive(bytes);
  ASSERT_EQ(p.text, "");
  EXPECT_EQ(p.arrays.at("z"), zeros);
}

TEST(Npz, ReportsAllThatIsWrong) {
  const std::string good = write_npy(samples()[1]);
  const Parsed p = parse_archive(archive({{"a.npy", good},
                                          {"b.npy", good.substr(0, good.size() - 1)},
                                          {"c.npy", "nothing"},
                                          {"d.txt", good},
                                          {".npy", good}},
                                         ZIP_CM_STORE));
  EXPECT_THAT(
      p.codes,
      testing::ElementsAre("E-DATA-FORMAT", "E-DATA-FORMAT", "E-DATA-SIZE", "E-DATA-FORMAT"))
      << p.text;
  EXPECT_THAT(p.text, testing::HasSubstr("'x.npz': array 'b': shape (2, 3) of f4"));
  EXPECT_EQ(p.arrays.size(), 1U);
}

TEST(Npz, RefusesDamagedArchives) {
  const std::string bytes = write_npz({{"a", samples()[1]}});
  EXPECT_THAT(parse_archive("").codes, testing::ElementsAre("E-DATA-FORMAT"));
  EXPECT_THAT(parse_archive("PK\3\4").codes, testing::ElementsAre("E-DATA-FORMAT"));
  for (std::size_t keep = 0; keep < bytes.size(); ++keep) {
    EXPECT_FALSE(parse_archive(bytes.substr(0, keep)).codes.empty()) << keep;
  }
  // One bit of a number: the checksum tells.
  std::string flipped = bytes;
  const std::size_t at =
      bytes.find(std::string(reinterpret_cast<const char*>(samples()[1].bytes.data()), 24));
  ASSERT_NE(at, std::string::npos);
  flipped[at] ^= 1;
  EXPECT_THAT(parse_archive(flipped).codes, testing::ElementsAre("E-DATA-FILE"));
}

TEST(Npz, RefusesBombs) {
  const Array zeros = of<std::uint8_t>(DType::u1, {50'000}, std::vector<std::uint8_t>(50'000));
  const std::string bytes =
      archive({{"a.npy", write_npy(zeros)}, {"b.npy", write_npy(zeros)}}, ZIP_CM_DEFLATE);
  ASSERT_LT(bytes.size(), 1000U);
  EXPECT_EQ(parse_archive(bytes, {.expanded_freely = 110'000}).text, "");
  const Parsed ratio = parse_archive(bytes, {.expanded_freely = 90'000});
  EXPECT_THAT(ratio.codes, testing::ElementsAre("E-DATA-FILE")) << ratio.text;
  EXPECT_TRUE(ratio.arrays.empty());
  EXPECT_THAT(parse_archive(bytes, {.max_bytes = 90'000}).codes,
              testing::ElementsAre("E-DATA-FILE"));
  // A size in the directory that is smaller than what the data becomes.
  std::string lies = archive({{"a.npy", write_npy(zeros)}}, ZIP_CM_DEFLATE);
  const std::uint32_t size = static_cast<std::uint32_t>(write_npy(zeros).size());
  const std::string real(reinterpret_cast<const char*>(&size), 4);
  const std::uint32_t small = 200;
  for (std::size_t at = lies.find(real); at != std::string::npos; at = lies.find(real)) {
    std::memcpy(lies.data() + at, &small, 4);
  }
  EXPECT_THAT(parse_archive(lies).codes, testing::ElementsAre("E-DATA-SIZE"));
}

TEST(Array, BecomesFloats) {
  EXPECT_EQ(as_floats(samples()[0]), (std::vector<float>{1, -2, 0x1p-24F}));
  EXPECT_EQ(as_floats(samples()[3]), (std::vector<float>{-128, 0, 127}));
  EXPECT_EQ(as_floats(samples()[9]), (std::vector<float>{-0x1p63F, 0x1p63F}));
  EXPECT_EQ(as_floats(samples()[11]), (std::vector<float>{0, 1, 1}));
  EXPECT_EQ(as_floats(samples()[4], 1, 2), (std::vector<float>{1, 2}));
  EXPECT_THROW(as_floats(samples()[4], 3, 2), InternalError);
}

TEST(Array, BecomesIntegersWhenTheyAreWhole) {
  using Numbers = std::optional<std::vector<std::int64_t>>;
  EXPECT_EQ(as_integers(samples()[9]), (Numbers{{INT64_MIN, INT64_MAX}}));
  EXPECT_EQ(as_integers(samples()[10]), Numbers{});  // 2^64 - 1
  EXPECT_EQ(as_integers(samples()[8]), (Numbers{{UINT32_MAX}}));
  EXPECT_EQ(as_integers(samples()[1]), Numbers{});  // -1.5
  EXPECT_EQ(as_integers(make_array({2}, std::vector<float>{-3, 4})), (Numbers{{-3, 4}}));
  EXPECT_EQ(as_integers(make_array({1}, std::vector<float>{1e30F})), Numbers{});
  EXPECT_EQ(
      as_integers(make_array({1}, std::vector<float>{std::numeric_limits<float>::quiet_NaN()})),
      Numbers{});
}

TEST(Array, IsMadeOfAsManyNumbersAsItsShapeSays) {
  EXPECT_EQ(make_array({2, 2}, std::vector<std::uint8_t>{0, 1, 2, 255}), samples()[4]);
  EXPECT_EQ(make_array({3}, std::vector<std::int8_t>{-128, 0, 127}), samples()[3]);
  EXPECT_EQ(make_array({}, std::vector<float>{7}), samples()[12]);
  EXPECT_THROW(make_array({3}, std::vector<float>{7}), InternalError);
  EXPECT_THROW(make_array(std::vector<std::int64_t>(33, 1), std::vector<float>{7}), InternalError);
}

}  // namespace
}  // namespace tessera::data
