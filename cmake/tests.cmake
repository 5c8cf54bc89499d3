# SPDX-License-Identifier: MIT
#
# How tests are registered. Each test carries one size label and any of the others:
#   fast    all of them together under a minute            slow    part of `make check`
#   long    part of `make check-long` only                 optuna  needs a Python with Optuna
#   san     worth running under the sanitizers though slow tsan    runs under the thread sanitizer
#   servers starts private database servers (tests/support/servers.py), so it is slow, too
# Under the address sanitizer `make check` runs fast and san; under the thread sanitizer tsan. A test that cannot run here
# ends with 77 and is counted as skipped.
enable_testing()

# trialog_test(NAME name LABELS label… [TIMEOUT seconds] [PROCESSORS n] [ENVIRONMENT X=Y…] COMMAND command…)
function(trialog_test)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "NAME;TIMEOUT;PROCESSORS" "LABELS;COMMAND;ENVIRONMENT")
  add_test(NAME ${arg_NAME} COMMAND ${arg_COMMAND})
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  if(NOT arg_PROCESSORS)
    set(arg_PROCESSORS 1)
  endif()
  set_tests_properties(${arg_NAME} PROPERTIES LABELS "${arg_LABELS}" TIMEOUT ${arg_TIMEOUT}
                       PROCESSORS ${arg_PROCESSORS} SKIP_RETURN_CODE 77 ENVIRONMENT "${arg_ENVIRONMENT}")
endfunction()

# How a test runs beside a private server: COMMAND ${TRIALOG_SERVERS} KIND [OPTIONS] -- program argument…
find_package(Python3 COMPONENTS Interpreter REQUIRED)
set(TRIALOG_SERVERS ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/tests/support/servers.py run)

# Tests find the Pythons with Optuna through the environment. Where nobody set it, what tools/setup.sh made is taken, so
# that a plain `ctest` in a build directory works too.
# Check's own limit of 4 s for a test is too short on a busy machine; TIMEOUT above is the one that counts.
file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/test_environment.cmake "
if(NOT DEFINED ENV{CK_DEFAULT_TIMEOUT})
  set(ENV{CK_DEFAULT_TIMEOUT} 100)
endif()
if(NOT DEFINED ENV{TRIALOG_PYTHON_OPTUNA} AND EXISTS \"${CMAKE_CURRENT_SOURCE_DIR}/.venv-optuna/bin/python\")
  set(ENV{TRIALOG_PYTHON_OPTUNA} \"${CMAKE_CURRENT_SOURCE_DIR}/.venv-optuna/bin/python\")
endif()
if(NOT DEFINED ENV{TRIALOG_PYTHON_OPTUNA31} AND EXISTS /usr/lib/python3/dist-packages/optuna)
  set(ENV{TRIALOG_PYTHON_OPTUNA31} /usr/bin/python3)
endif()
")
set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES ${CMAKE_CURRENT_BINARY_DIR}/test_environment.cmake)
