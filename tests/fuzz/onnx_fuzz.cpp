// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
// libFuzzer target: can any bytes crash the ONNX importer?
#include "tests/fuzz/onnx_case.hpp"

#include <cstddef>
#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  tessera::fuzz::run_onnx_case({reinterpret_cast<const char*>(data), size});
  return 0;
}
