// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Arrays of numbers, and the files of NumPy that hold one (NPY) or several by name (NPZ).
///
/// Reading  versions 1 to 3, little endian, both orders, stored or deflated archives; an Array is
///          always row-major
/// Writing  version 1, row-major, archives stored: the same arrays give the same bytes on any day
///          and machine
/// Limits   data::Limits, kMaxDimensions, kMaxArrays; a shape is compared with the bytes that are
///          there before memory is taken
/// Errors   diagnostics, all at once where they are independent:
///            E-DATA-FILE    cannot be read, too large, damaged archive
///            E-DATA-FORMAT  no NPY or NPZ, a header or a type of number that is not taken
///            E-DATA-SIZE    the shape wants more or fewer bytes than there are
///          A name or a shape that a caller got wrong is an InternalError.
/// Source   NumPy enhancement proposal 1 and numpy.lib.format
#pragma once

#include "sim/base/diagnostics.hpp"
#include "workloads/data/file.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tessera::data {

constexpr std::size_t kMaxDimensions = 32;
constexpr std::size_t kMaxArrays = 10'000;  ///< of one archive

/// Kind and bytes of one number; b1 is a byte that is 0 or 1.
enum class DType { f2, f4, f8, i1, u1, i2, u2, i4, u4, i8, u8, b1 };

constexpr auto enum_names(DType) {
  return std::array<std::pair<DType, std::string_view>, 12>{{
      {DType::f2, "f2"},
      {DType::f4, "f4"},
      {DType::f8, "f8"},
      {DType::i1, "i1"},
      {DType::u1, "u1"},
      {DType::i2, "i2"},
      {DType::u2, "u2"},
      {DType::i4, "i4"},
      {DType::u4, "u4"},
      {DType::i8, "i8"},
      {DType::u8, "u8"},
      {DType::b1, "b1"},
  }};
}

/// Bytes of one number.
std::size_t size_of(DType type);

/// Row-major. Empty shape: one number.
struct Array {
  std::vector<std::int64_t> shape;
  DType type = DType::f4;
  std::vector<std::byte> bytes;

  /// Numbers in it: the product of the shape.
  [[nodiscard]] std::int64_t count() const {
    return static_cast<std::int64_t>(bytes.size() / size_of(type));
  }

  bool operator==(const Array&) const = default;
};

using Arrays = std::map<std::string, Array>;

/// `values` has as many numbers as `shape` says.
Array make_array(std::vector<std::int64_t> shape, std::span<const float> values);
Array make_array(std::vector<std::int64_t> shape, std::span<const std::int8_t> values);
Array make_array(std::vector<std::int64_t> shape, std::span<const std::uint8_t> values);
Array make_array(std::vector<std::int64_t> shape, std::span<const std::int32_t> values);
Array make_array(std::vector<std::int64_t> shape, std::span<const std::int64_t> values);

/// All numbers, or those from `first` on, `count` of them; rounded to nearest where float is too
/// short.
std::vector<float> as_floats(const Array& array);
std::vector<float> as_floats(const Array& array, std::int64_t first, std::int64_t count);

/// All numbers; none when one of them is not whole or does not fit.
std::optional<std::vector<std::int64_t>> as_integers(const Array& array);

/// The array of one NPY file. `at` is the place that names the file.
std::optional<Array> read_npy(const std::string& path, Position at, Diagnostics& diagnostics);
std::optional<Array> parse_npy(std::string_view bytes,
                               Reporter& reporter,
                               const Limits& limits = {});

/// The arrays of one NPZ file by name (without ".npy"); those that could be read, after errors.
Arrays read_npz(const std::string& path, Position at, Diagnostics& diagnostics);
Arrays parse_npz(std::string_view bytes, Reporter& reporter, const Limits& limits = {});

/// The bytes of such a file; the caller writes it.
std::string write_npy(const Array& array);
std::string write_npz(const Arrays& arrays);

}  // namespace tessera::data
