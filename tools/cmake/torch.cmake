# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Tessera authors
# Debian's libtorch (libtorch-dev 1.13) as the target Torch::torch, and TESSERA_TORCH_FOUND. Its own TorchConfig.cmake
# is not used: it asks for CUDA, MKL, protobuf and NumPy settings of the machine that built it. Headers are the system's, without
# our warnings. Only workloads/train and tests/torch may include them (tests/repo/includes_test.cpp), and only targets that are
# built when TESSERA_TORCH_FOUND is true may link it: it loads 285 shared libraries.
set(TESSERA_TORCH_FOUND FALSE)
if(NOT TESSERA_WITH_TORCH)
  return()
endif()
find_path(TORCH_INCLUDE_DIR torch/csrc/api/include/torch/torch.h)
find_library(TORCH_LIBRARY torch)
find_library(TORCH_CPU_LIBRARY torch_cpu)
find_library(C10_LIBRARY c10)
mark_as_advanced(TORCH_INCLUDE_DIR TORCH_LIBRARY TORCH_CPU_LIBRARY C10_LIBRARY)
if(NOT (TORCH_INCLUDE_DIR AND TORCH_LIBRARY AND TORCH_CPU_LIBRARY AND C10_LIBRARY))
  message(STATUS "libtorch not found (package libtorch-dev): built without what needs it")
  return()
endif()
add_library(Torch::torch INTERFACE IMPORTED)
target_include_directories(Torch::torch SYSTEM INTERFACE ${TORCH_INCLUDE_DIR}
                                                         ${TORCH_INCLUDE_DIR}/torch/csrc/api/include)
target_link_libraries(Torch::torch INTERFACE ${TORCH_LIBRARY} ${TORCH_CPU_LIBRARY} ${C10_LIBRARY})
set(TESSERA_TORCH_FOUND TRUE)
