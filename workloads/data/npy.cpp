// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "workloads/data/npy.hpp"

#include "sim/base/enum_name.hpp"
#include "sim/base/half.hpp"
#include "sim/base/text.hpp"
#include "workloads/data/npy_stream.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

static_assert(std::endian::native == std::endian::little, "NPY is read and written little-endian");

namespace tessera::data {

namespace {

constexpr std::string_view kMagic("\x93NUMPY", 6);
constexpr std::size_t kMaxHeader = 1U << 16U;

/// A half as stored; converts like a number.
struct Half {
  std::uint16_t bits = 0;

  operator float() const { return half_to_float(bits); }
};

/// Calls `use` with a value of the C++ type of `type`.
template <class Use>
auto with_type(DType type, Use&& use) {
  switch (type) {
    case DType::f2:
      return use(Half{});
    case DType::f4:
      return use(float{});
    case DType::f8:
      return use(double{});
    case DType::i1:
      return use(std::int8_t{});
    case DType::u1:
      return use(std::uint8_t{});
    case DType::i2:
      return use(std::int16_t{});
    case DType::u2:
      return use(std::uint16_t{});
    case DType::i4:
      return use(std::int32_t{});
    case DType::u4:
      return use(std::uint32_t{});
    case DType::i8:
      return use(std::int64_t{});
    case DType::u8:
      return use(std::uint64_t{});
    case DType::b1:
      return use(bool{});
  }
  throw InternalError("data", -1, "no such type of number");
}

template <class T>
T element(const Array& array, std::int64_t i) {
  const auto at = static_cast<std::size_t>(i);
  if constexpr (std::is_same_v<T, bool>) {
    return array.bytes[at] != std::byte{0};
  } else {
    T value;
    std::memcpy(&value, array.bytes.data() + at * sizeof(T), sizeof(T));
    return value;
  }
}

template <class T>
Array array_of(DType type, std::vector<std::int64_t> shape, std::span<const T> values) {
  std::int64_t count = 1;
  for (const std::int64_t extent : shape) {
    count *= extent;
  }
  if (count != std::ssize(values) || shape.size() > kMaxDimensions) {
    throw InternalError(
        "data", -1, fmt::format("{} values for shape [{}]", values.size(), fmt::join(shape, ", ")));
  }
  Array out{std::move(shape), type, std::vector<std::byte>(values.size_bytes())};
  if (!values.empty()) {
    std::memcpy(out.bytes.data(), values.data(), values.size_bytes());
  }
  return out;
}

// ---- the header: a dictionary as Python writes it ----------------------------------------------

struct Header {
  std::string descr;
  bool fortran_order = false;
  std::vector<std::int64_t> shape;
};

/// Reads {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }.
class HeaderParser {
 public:
  explicit HeaderParser(std::string_view text) : text_(text) {}

  /// None when the text is anything else.
  std::optional<Header> parse() {
    Header header;
    unsigned seen = 0;
    if (!take('{')) {
      return std::nullopt;
    }
    while (!take('}')) {
      const std::optional<std::string> key = text();
      if (!key || !take(':')) {
        return std::nullopt;
      }
      bool ok = false;
      unsigned which = 0;
      if (*key == "descr") {
        which = 1;
        std::optional<std::string> value = descr();
        ok = value.has_value();
        header.descr = std::move(value).value_or("");
      } else if (*key == "fortran_order") {
        which = 2;
        const std::optional<bool> value = truth();
        ok = value.has_value();
        header.fortran_order = value.value_or(false);
      } else if (*key == "shape") {
        which = 4;
        ok = shape(header.shape);
      }
      if (!ok || (seen & which) != 0 || (!take(',') && !at('}'))) {
        return std::nullopt;
      }
      seen |= which;
    }
    skip();
    return seen == 7 && at_ == text_.size() ? std::optional(header) : std::nullopt;
  }

 private:
  void skip() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) {
      ++at_;
    }
  }

  bool at(char c) {
    skip();
    return at_ < text_.size() && text_[at_] == c;
  }

  bool take(char c) {
    const bool there = at(c);
    at_ += there ? 1 : 0;
    return there;
  }

  std::optional<std::string> text() {
    for (const char mark : {'\'', '"'}) {
      if (take(mark)) {
        const std::size_t end = text_.find(mark, at_);
        if (end == std::string_view::npos) {
          return std::nullopt;
        }
        std::string out(text_.substr(at_, end - at_));
        at_ = end + 1;
        return out;
      }
    }
    return std::nullopt;
  }

  /// The list of a type with fields is kept as it stands, for the message.
  std::optional<std::string> descr() {
    if (!at('[')) {
      return text();
    }
    const std::size_t end = text_.find(']', at_);
    if (end == std::string_view::npos) {
      return std::nullopt;
    }
    std::string out(text_.substr(at_, end + 1 - at_));
    at_ = end + 1;
    return out;
  }

  std::optional<bool> truth() {
    skip();
    for (const std::string_view word : {"True", "False"}) {
      if (text_.substr(at_, word.size()) == word) {
        at_ += word.size();
        return word == "True";
      }
    }
    return std::nullopt;
  }

  bool shape(std::vector<std::int64_t>& out) {
    if (!take('(')) {
      return false;
    }
    while (!take(')')) {
      skip();
      std::int64_t extent = 0;
      const char* first = text_.data() + at_;
      const auto [end, error] = std::from_chars(first, text_.data() + text_.size(), extent);
      if (error == std::errc::result_out_of_range) {
        extent = std::numeric_limits<std::int64_t>::max();
      } else if (error != std::errc()) {
        return false;
      }
      at_ += static_cast<std::size_t>(end - first);
      if (extent < 0 || out.size() == kMaxDimensions) {
        return false;
      }
      out.push_back(extent);
      take('L');  // Python 2 wrote long integers
      if (!take(',') && !at(')')) {
        return false;
      }
    }
    return true;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

std::optional<DType> type_of(std::string_view descr) {
  if (descr.size() != 3) {
    return std::nullopt;
  }
  for (const auto& [type, name] : enum_names(DType{})) {
    if (descr.substr(1) == name && (descr[0] == '<' || (size_of(type) == 1 && descr[0] == '|'))) {
      return type;
    }
  }
  return std::nullopt;
}

/// Row-major from column-major.
std::vector<std::byte> transposed(const Array& array) {
  const std::size_t width = size_of(array.type);
  const std::size_t rank = array.shape.size();
  std::vector<std::size_t> stride(rank, 1);  // of each dimension where it is
  for (std::size_t d = 1; d < rank; ++d) {
    stride[d] = stride[d - 1] * static_cast<std::size_t>(array.shape[d - 1]);
  }
  std::vector<std::byte> out(array.bytes.size());
  std::vector<std::int64_t> index(rank, 0);
  std::size_t from = 0;
  for (std::size_t to = 0; to < out.size(); to += width) {
    std::memcpy(out.data() + to, array.bytes.data() + from * width, width);
    for (std::size_t d = rank; d-- > 0;) {
      from += stride[d];
      if (++index[d] < array.shape[d]) {
        break;
      }
      from -= stride[d] * static_cast<std::size_t>(array.shape[d]);
      index[d] = 0;
    }
  }
  return out;
}

/// The bytes that `shape` takes; none when they are more than 2^63.
std::optional<std::uint64_t> bytes_of(const std::vector<std::int64_t>& shape, DType type) {
  std::uint64_t bytes = size_of(type);
  for (const std::int64_t extent : shape) {
    if (extent == 0) {
      return 0;
    }
  }
  for (const std::int64_t extent : shape) {
    const auto wide = static_cast<std::uint64_t>(extent);
    if (bytes > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()) / wide) {
      return std::nullopt;
    }
    bytes *= wide;
  }
  return bytes;
}

}  // namespace

std::size_t size_of(DType type) {
  return with_type(type, [](auto value) { return sizeof(value); });
}

Array make_array(std::vector<std::int64_t> shape, std::span<const float> values) {
  return array_of(DType::f4, std::move(shape), values);
}

Array make_array(std::vector<std::int64_t> shape, std::span<const std::int8_t> values) {
  return array_of(DType::i1, std::move(shape), values);
}

Array make_array(std::vector<std::int64_t> shape, std::span<const std::uint8_t> values) {
  return array_of(DType::u1, std::move(shape), values);
}

Array make_array(std::vector<std::int64_t> shape, std::span<const std::int32_t> values) {
  return array_of(DType::i4, std::move(shape), values);
}

Array make_array(std::vector<std::int64_t> shape, std::span<const std::int64_t> values) {
  return array_of(DType::i8, std::move(shape), values);
}

std::vector<float> as_floats(const Array& array) {
  return as_floats(array, 0, array.count());
}

std::vector<float> as_floats(const Array& array, std::int64_t first, std::int64_t count) {
  if (first < 0 || count < 0 || count > array.count() - first) {
    throw InternalError(
        "data", -1, fmt::format("numbers {} + {} of {}", first, count, array.count()));
  }
  std::vector<float> out(static_cast<std::size_t>(count));
  with_type(array.type, [&](auto value) {
    for (std::int64_t i = 0; i < count; ++i) {
      out[static_cast<std::size_t>(i)] =
          static_cast<float>(element<decltype(value)>(array, first + i));
    }
    return 0;
  });
  return out;
}

std::optional<std::vector<std::int64_t>> as_integers(const Array& array) {
  std::vector<std::int64_t> out(static_cast<std::size_t>(array.count()));
  const bool whole = with_type(array.type, [&](auto kind) {
    using T = decltype(kind);
    for (std::int64_t i = 0; i < array.count(); ++i) {
      const T value = element<T>(array, i);
      if constexpr (std::is_same_v<T, bool>) {
        // fits
      } else if constexpr (std::is_integral_v<T>) {
        if (!std::in_range<std::int64_t>(value)) {
          return false;
        }
      } else {
        const auto wide = static_cast<double>(value);
        if (!(std::abs(wide) <= 0x1p62) || wide != std::trunc(wide)) {
          return false;
        }
      }
      // NOLINTNEXTLINE(bugprone-signed-char-misuse): an integer of 8 bits, no character
      out[static_cast<std::size_t>(i)] = static_cast<std::int64_t>(value);
    }
    return true;
  });
  return whole ? std::optional(std::move(out)) : std::nullopt;
}

std::optional<Array> read_stream(const NpyStream& stream,
                                 Reporter& reporter,
                                 const Limits& limits) {
  const auto fail = [&](std::string code,
                        const std::string& what,
                        std::string expected,
                        std::string got,
                        std::string hint = {}) {
    reporter.error(
        std::move(code), stream.name + what, std::move(expected), std::move(got), std::move(hint));
    return std::nullopt;
  };
  const auto no_npy = [&](std::string got) {
    return fail("E-DATA-FORMAT", "no NPY file", "an array as numpy.save writes it", std::move(got));
  };
  std::array<char, 12> start{};
  if (stream.read(start.data(), 8) != 8 || std::string_view(start.data(), 6) != kMagic) {
    return no_npy("other bytes at its start");
  }
  const int version = static_cast<unsigned char>(start[6]);
  if (version < 1 || version > 3) {
    return no_npy(fmt::format("version {}", version));
  }
  const std::size_t width = version == 1 ? 2 : 4;
  std::uint32_t length = 0;
  if (stream.read(&length, width) != width || length > kMaxHeader) {
    return no_npy("a header that is too long or not there");
  }
  std::string text(length, '\0');
  if (stream.read(text.data(), length) != length) {
    return no_npy("a header whose end is missing");
  }
  const std::optional<Header> header = HeaderParser(text).parse();
  if (!header) {
    return no_npy(fmt::format("the header {}", quote(text)));
  }
  const std::optional<DType> type = type_of(header->descr);
  if (!type) {
    return fail("E-DATA-FORMAT",
                "this type of number is not taken",
                "little endian f2, f4, f8, i1, u1, i2, u2, i4, u4, i8, u8, b1",
                quote(header->descr),
                "array.astype('<f4') converts it");
  }
  const std::uint64_t there =
      stream.size - std::min<std::uint64_t>(stream.size, 8 + width + length);
  const std::optional<std::uint64_t> wanted = bytes_of(header->shape, *type);
  if (!wanted || *wanted != there || *wanted > limits.max_bytes) {
    return fail("E-DATA-SIZE",
                fmt::format("shape ({}) of {} does not fit the bytes that are there",
                            fmt::join(header->shape, ", "),
                            name_of(*type)),
                wanted ? fmt::format("{} bytes", *wanted) : "less than 2^63 bytes",
                fmt::format("{} bytes", there));
  }
  Array array{header->shape, *type, std::vector<std::byte>(there)};
  if (stream.read(array.bytes.data(), there) != there) {
    return fail("E-DATA-SIZE",
                "the end is missing",
                fmt::format("{} bytes", there),
                "fewer, or damaged ones");
  }
  if (header->fortran_order) {
    array.bytes = transposed(array);
  }
  return array;
}

std::optional<Array> parse_npy(std::string_view bytes, Reporter& reporter, const Limits& limits) {
  std::size_t at = 0;
  const NpyStream stream{"", bytes.size(), [&](void* out, std::size_t count) {
                           const std::size_t got = std::min(count, bytes.size() - at);
                           std::copy_n(bytes.data() + at, got, static_cast<char*>(out));
                           at += got;
                           return got;
                         }};
  return read_stream(stream, reporter, limits);
}

std::optional<Array> read_npy(const std::string& path, Position at, Diagnostics& diagnostics) {
  Reporter reporter(path, std::move(at), "", diagnostics);
  const std::optional<std::string> bytes = read_file(path, reporter);
  return bytes ? parse_npy(*bytes, reporter) : std::nullopt;
}

std::string write_npy(const Array& array) {
  const std::size_t width = size_of(array.type);
  std::string shape;
  for (const std::int64_t extent : array.shape) {
    shape += fmt::format("{}{}", shape.empty() ? "" : ", ", extent);
  }
  std::string header = fmt::format("{{'descr': '{}{}', 'fortran_order': False, 'shape': ({}{}), }}",
                                   width == 1 ? '|' : '<',
                                   name_of(array.type),
                                   shape,
                                   array.shape.size() == 1 ? "," : "");
  constexpr std::size_t kBefore = 10;  // magic, version, length
  constexpr std::size_t kAlign = 64;
  header.append(kAlign - 1 - (kBefore + header.size()) % kAlign, ' ');
  header += '\n';
  std::string out(kMagic);
  out += '\1';
  out += '\0';
  out += static_cast<char>(header.size() & 0xFFU);
  out += static_cast<char>(header.size() >> 8U);
  out += header;
  out.append(reinterpret_cast<const char*>(array.bytes.data()), array.bytes.size());
  return out;
}

}  // namespace tessera::data
