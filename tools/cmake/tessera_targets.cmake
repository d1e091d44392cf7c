# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Tessera authors

# Collects the sources of the given folders, tests excluded.
function(tessera_glob out)
  set(found)
  foreach(dir IN LISTS ARGN)
    file(GLOB_RECURSE part CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${dir}/*.cpp)
    list(APPEND found ${part})
  endforeach()
  list(FILTER found EXCLUDE REGEX "_test\\.cpp$")
  set(${out} ${found} PARENT_SCOPE)
endfunction()

# Warnings and sanitizers, for our own targets only.
function(tessera_target name)
  target_compile_options(${name} PRIVATE -Wall -Wextra -Wpedantic -Wconversion -Wshadow
                                         -Wnon-virtual-dtor -Wold-style-cast)
  if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
    # False alarms of g++ 12 in its own headers when it inlines std::string and std::shared_ptr.
    target_compile_options(${name} PRIVATE -Wno-restrict -Wno-maybe-uninitialized)
  endif()
  if(TESSERA_WERROR)
    target_compile_options(${name} PRIVATE -Werror)
  endif()
  if(TESSERA_SANITIZE)
    target_compile_options(${name} PRIVATE -fsanitize=${TESSERA_SANITIZE}
                           -fno-sanitize-recover=all -fno-omit-frame-pointer)
    target_link_options(${name} PUBLIC -fsanitize=${TESSERA_SANITIZE})
  endif()
endfunction()
