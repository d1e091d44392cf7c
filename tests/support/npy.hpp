// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Arrays of 32-bit floats in NumPy's format, version 1, row-major: what tests/data holds.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace tessera::test {

/// All values of a file, in order; empty after a test failure.
inline std::vector<float> read_npy(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream all;
  all << in.rdbuf();
  const std::string bytes = all.str();
  const std::size_t start = bytes.size() < 10
                                ? 0
                                : std::size_t{10} + static_cast<unsigned char>(bytes[8]) +
                                      256U * static_cast<unsigned char>(bytes[9]);
  if (start < 10 || start > bytes.size() || bytes.find("'<f4'") > start ||
      bytes.find("'fortran_order': False") > start) {
    ADD_FAILURE() << path << " is no row-major float32 NPY file";
    return {};
  }
  std::vector<float> values((bytes.size() - start) / sizeof(float));
  std::memcpy(values.data(), bytes.data() + start, values.size() * sizeof(float));
  return values;
}

}  // namespace tessera::test
