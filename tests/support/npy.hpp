// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Arrays that tests compare with: what tests/data holds.
#pragma once

#include "workloads/data/npy.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

namespace tessera::test {

/// All values of a file, in order; empty after a test failure.
inline std::vector<float> read_npy(const std::string& path) {
  Diagnostics diagnostics;
  const std::optional<data::Array> array = data::read_npy(path, {}, diagnostics);
  EXPECT_TRUE(diagnostics.ok()) << diagnostics.render();
  return array ? data::as_floats(*array) : std::vector<float>{};
}

}  // namespace tessera::test
