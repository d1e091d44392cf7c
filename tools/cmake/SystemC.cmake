# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Tessera authors
# Debian ships SystemC 2.3.4 with pkg-config but no CMake package. The library is built as C++17; the
# header checks that at link time through a symbol whose name carries the standard.
pkg_check_modules(SYSTEMC REQUIRED IMPORTED_TARGET systemc)
add_library(SystemC::systemc INTERFACE IMPORTED)
target_link_libraries(SystemC::systemc INTERFACE PkgConfig::SYSTEMC)
target_compile_definitions(SystemC::systemc INTERFACE SC_CPLUSPLUS=201703L SC_DISABLE_API_VERSION_CHECK)
