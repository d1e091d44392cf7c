// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// One case of the fuzzer of data files: bytes through every reader. What is read is within the
/// limits, and what can be written comes back the same.
#pragma once

#include "sim/base/diagnostics.hpp"
#include "workloads/data/file.hpp"
#include "workloads/data/formats.hpp"
#include "workloads/data/npy.hpp"

#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

namespace tessera::fuzz {

/// Small, so that a case that takes more memory than it may is found out.
constexpr data::Limits kDataLimits{
    .max_bytes = 1U << 22U, .expanded_freely = 1U << 16U, .max_ratio = 100};

/// Ends the process: the fuzzer sees a crash, and so does a test.
inline void require(bool ok) {
  if (!ok) {
    std::abort();
  }
}

inline void check_array(const data::Array& array) {
  std::uint64_t bytes = data::size_of(array.type);
  for (const std::int64_t extent : array.shape) {
    bytes *= static_cast<std::uint64_t>(extent);
  }
  require(bytes == array.bytes.size() && bytes <= kDataLimits.max_bytes);
  require(std::int64_t{array.count()} == static_cast<std::int64_t>(data::as_floats(array).size()));
  data::as_integers(array);
  Diagnostics diagnostics;
  data::Reporter reporter("written", {}, "", diagnostics);
  const std::optional<data::Array> back = data::parse_npy(data::write_npy(array), reporter);
  require(back == array);
}

inline void run_data_case(std::string_view bytes) {
  Diagnostics diagnostics;
  data::Reporter reporter("case", {}, "", diagnostics);
  const std::optional<std::string> expanded =
      data::expand(std::string(bytes), reporter, kDataLimits);
  if (!expanded) {
    return;
  }
  require(kDataLimits.allow(expanded->size(), bytes.size()) || *expanded == bytes);
  if (const auto array = data::parse_npy(*expanded, reporter, kDataLimits)) {
    check_array(*array);
  }
  if (const auto array = data::parse_idx(*expanded, reporter, kDataLimits)) {
    check_array(*array);
  }
  for (const auto& [name, array] : data::parse_npz(*expanded, reporter, kDataLimits)) {
    check_array(array);
  }
  for (const data::CsvSpec& spec :
       {data::CsvSpec{}, data::CsvSpec{"first", true}, data::CsvSpec{"2", false}}) {
    if (const auto table = data::parse_csv(*expanded, spec, reporter, kDataLimits)) {
      check_array(table->images);
      require(table->images.shape[0] == table->labels.shape[0]);
    }
  }
  if (const auto images = data::parse_cifar10(*expanded, reporter)) {
    check_array(images->images);
  }
  require(!diagnostics.render().empty());  // no bytes are in all of these formats
}

}  // namespace tessera::fuzz
