# SPDX-FileCopyrightText: 2026 The Segue authors
# SPDX-License-Identifier: Apache-2.0
# Tests: label quick = the inner loop (under two minutes in all), full = the rest of CI, long = tools/test --full only;
# judge, besides = the suite's own test.
# segue_add_test(<name> SOURCES <file>... [LIBS <lib>...] [LABEL quick|full|long [judge]] [TIMEOUT s] [ARGS ...]): a cmocka program.
# segue_add_command_test(<name> COMMAND <...> [LABEL ...] [TIMEOUT s]): any command; exit 77 = skipped.
include(CTest)
if(SEGUE_TESTS)
  enable_testing()
  find_library(SEGUE_CMOCKA cmocka)
  if(NOT SEGUE_CMOCKA)
    message(STATUS "unit tests skipped: cmocka not found (libcmocka-dev)")
  endif()
endif()

function(segue_test_properties name label timeout)
  if(NOT label)
    set(label quick)
  endif()
  if(NOT timeout)
    set(timeout 60)
  endif()
  # The build tree may lie below a folder that others can write to: discovered plugins would be refused there, listed ones only warn.
  set_tests_properties(${name} PROPERTIES LABELS "${label}" TIMEOUT ${timeout} SKIP_RETURN_CODE 77
    ENVIRONMENT "SEGUE_PLUGIN_PATH=${PROJECT_BINARY_DIR}/${SEGUE_PLUGIN_DIR}")
endfunction()

function(segue_add_test name)
  cmake_parse_arguments(T "" "TIMEOUT" "LABEL;SOURCES;LIBS;ARGS" ${ARGN})
  if(NOT SEGUE_TESTS OR NOT SEGUE_CMOCKA)
    return()
  endif()
  add_executable(${name} ${T_SOURCES})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/test)
  target_link_libraries(${name} PRIVATE ${T_LIBS} ${SEGUE_CMOCKA} m)
  target_compile_definitions(${name} PRIVATE _GNU_SOURCE)
  add_test(NAME ${name} COMMAND ${name} ${T_ARGS})
  segue_test_properties(${name} "${T_LABEL}" "${T_TIMEOUT}")
endfunction()

function(segue_add_command_test name)
  cmake_parse_arguments(T "" "TIMEOUT" "LABEL;COMMAND" ${ARGN})
  if(NOT SEGUE_TESTS)
    return()
  endif()
  add_test(NAME ${name} COMMAND ${T_COMMAND})
  segue_test_properties(${name} "${T_LABEL}" "${T_TIMEOUT}")
endfunction()
