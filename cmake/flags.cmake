# SPDX-License-Identifier: MIT
#
# Compiler flags of everything we build: warnings, sanitizers, coverage, build types.
#
# gcc 12 and clang 14 compile without warnings; -Werror is for the ci presets only, so that a newer compiler's new warning
# never stops a user's build. Assertions stay on in every build type but Release.

add_compile_definitions(_GNU_SOURCE)
add_compile_options(-Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wvla
                    -fno-math-errno)
if(TRIALOG_WERROR)
  add_compile_options(-Werror)
endif()

# No fused multiply-add: the same seed gives the same trials on every machine.
add_compile_options(-ffp-contract=off)

foreach(type IN ITEMS RELWITHDEBINFO MINSIZEREL)
  string(REGEX REPLACE "(^| )-DNDEBUG" "" CMAKE_C_FLAGS_${type} "${CMAKE_C_FLAGS_${type}}")
endforeach()

if(TRIALOG_SANITIZE)
  add_compile_options(-fsanitize=${TRIALOG_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${TRIALOG_SANITIZE})
endif()
if(TRIALOG_COVERAGE)
  add_compile_options(--coverage -fprofile-update=atomic)
  add_link_options(--coverage)
endif()
if(TRIALOG_FUZZ)
  if(NOT CMAKE_C_COMPILER_ID MATCHES "Clang")
    message(FATAL_ERROR "TRIALOG_FUZZ needs clang (libFuzzer): configure with -DCMAKE_C_COMPILER=clang")
  endif()
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
