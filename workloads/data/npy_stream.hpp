// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// One NPY file as a stream of known length: what npy.cpp (memory) and npz.cpp (archives) share.
#pragma once

#include "workloads/data/npy.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace tessera::data {

struct NpyStream {
  std::string name;        ///< for messages: "array 'images': "; empty when the file is the array
  std::uint64_t size = 0;  ///< bytes that it promises
  /// Fills `out` with the next `count` bytes; the number of bytes it could.
  std::function<std::size_t(void* out, std::size_t count)> read;
};

std::optional<Array> read_stream(const NpyStream& stream, Reporter& reporter, const Limits& limits);

}  // namespace tessera::data
