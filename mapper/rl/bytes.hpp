// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Binary state: what a checkpoint is made of. Numbers as they lie in memory, so a checkpoint
/// belongs to one sort of machine; lengths in front of lists.
///
/// Errors   a reader that meets the end, or a list of another length than expected, fails: from
/// then
///          on it reads zeros, and ok() says so. No input makes it read out of bounds or allocate
///          more than the input's own size
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace tessera::mapper::rl {

class ByteWriter {
 public:
  template <class T>
  void put(const T& value) {
    static_assert(std::is_arithmetic_v<T>);
    raw(&value, sizeof value);
  }

  template <class T>
  void list(std::span<const T> values) {
    static_assert(std::is_arithmetic_v<T>);
    put(static_cast<std::uint64_t>(values.size()));
    raw(values.data(), values.size_bytes());
  }

  template <class T>
  void list(const std::vector<T>& values) {
    list(std::span<const T>(values));
  }

  void text(std::string_view value) { list(std::span<const char>(value.data(), value.size())); }

  [[nodiscard]] const std::string& bytes() const { return bytes_; }

 private:
  void raw(const void* data, std::size_t size) {
    if (size > 0) {
      bytes_.append(static_cast<const char*>(data), size);
    }
  }

  std::string bytes_;
};

class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : left_(bytes) {}

  template <class T>
  T get() {
    static_assert(std::is_arithmetic_v<T> && !std::is_same_v<T, bool>);
    T value{};
    raw(&value, sizeof value);
    return value;
  }

  /// A list of any length.
  template <class T>
  std::vector<T> list() {
    const auto size = get<std::uint64_t>();
    if (size > left_.size() / sizeof(T)) {
      ok_ = false;
      return {};
    }
    std::vector<T> out(static_cast<std::size_t>(size));
    raw(out.data(), out.size() * sizeof(T));
    return out;
  }

  /// A list as long as `out`.
  template <class T>
  void list_into(std::span<T> out) {
    if (get<std::uint64_t>() != out.size()) {
      ok_ = false;
    }
    raw(out.data(), out.size_bytes());
  }

  void fail() { ok_ = false; }

  [[nodiscard]] bool ok() const { return ok_; }

  [[nodiscard]] bool at_end() const { return ok_ && left_.empty(); }

 private:
  void raw(void* out, std::size_t size) {
    if (!ok_ || size > left_.size()) {
      ok_ = false;
    }
    if (size == 0) {
      return;
    }
    if (!ok_) {
      std::memset(out, 0, size);
      return;
    }
    std::memcpy(out, left_.data(), size);
    left_.remove_prefix(size);
  }

  std::string_view left_;
  bool ok_ = true;
};

}  // namespace tessera::mapper::rl
