# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Tessera authors
# One libFuzzer program per tests/fuzz/<name>_fuzz.cpp, linked with tessera_model; `fuzzers` builds all.
#
#   cmake -S . -B build-fuzz -G Ninja -DCMAKE_CXX_COMPILER=clang++-14 -DTESSERA_FUZZERS=ON
#   cmake --build build-fuzz --target fuzzers
#   build-fuzz/yaml_fuzz -max_total_time=60 <new inputs> tests/fuzz/corpus/yaml
#
# Include after tessera_model is defined. The library itself is instrumented, so that the fuzzer sees which
# branches of it an input reaches; its other users need no more than the sanitizers' run-time library.
if(NOT TESSERA_FUZZERS)
  return()
endif()
if(NOT CMAKE_CXX_COMPILER_ID STREQUAL Clang)
  message(FATAL_ERROR "TESSERA_FUZZERS needs clang++: -DCMAKE_CXX_COMPILER=clang++-14")
endif()
if(TESSERA_SANITIZE)
  message(FATAL_ERROR "TESSERA_FUZZERS brings its own sanitizers; leave TESSERA_SANITIZE empty")
endif()

set(fuzz_checks -fno-sanitize-recover=all -fno-omit-frame-pointer)
target_compile_options(tessera_model PRIVATE -fsanitize=fuzzer-no-link,address,undefined ${fuzz_checks})
target_link_options(tessera_model PUBLIC -fsanitize=address,undefined)

add_custom_target(fuzzers)
file(GLOB fuzz_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/fuzz/*_fuzz.cpp)
foreach(source IN LISTS fuzz_sources)
  get_filename_component(name ${source} NAME_WE)
  add_executable(${name} EXCLUDE_FROM_ALL ${source})
  target_link_libraries(${name} PRIVATE tessera_model)
  tessera_target(${name})
  target_compile_options(${name} PRIVATE -fsanitize=fuzzer,address,undefined ${fuzz_checks})
  target_link_options(${name} PRIVATE -fsanitize=fuzzer,address,undefined)
  add_dependencies(fuzzers ${name})
endforeach()
