// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
// libFuzzer target: can any bytes crash the configuration reader?
#include "tests/fuzz/yaml_case.hpp"

#include <cstddef>
#include <cstdint>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  tessera::fuzz::run_yaml_case(std::string(data, data + size));
  return 0;
}
