# SPDX-FileCopyrightText: 2026 The Segue authors
# SPDX-License-Identifier: Apache-2.0
# Tests: label quick = the inner loop (under two minutes in all), full = the rest of CI, long = tools/test --full only;
# judge, besides = the suite's own test.
# segue_add_test(<name> SOURCES <file>... [LIBS <lib>...] [LABEL quick|full|long [judge]] [TIMEOUT s] [ARGS ...]): a cmocka program.
# segue_add_command_test(<name> COMMAND <...> [LABEL ...] [TIMEOUT s]): any command; exit 77 = skipped.
# segue_add_opencl_test(<name> DRIVER pocl|intel COMMAND <...> [LABEL ...] [TIMEOUT s]): any command under one OpenCL driver:
# its opencl:0 is that driver's first device.
include(CTest)
if(SEGUE_TESTS)
  enable_testing()
  find_library(SEGUE_CMOCKA cmocka)
  if(NOT SEGUE_CMOCKA)
    message(STATUS "unit tests skipped: cmocka not found (libcmocka-dev)")
  endif()
endif()

# What tools/setup gets from PyPI, for tests only. The stamp: all of it is there.
set(tools "$ENV{SEGUE_TEST_TOOLS}")
if(NOT tools)
  set(tools "$ENV{HOME}/.cache/segue-tools")
endif()
set(SEGUE_TEST_TOOLS "${tools}" CACHE PATH "folder of the tests' tools from PyPI, made by tools/setup")

# segue_opencl_driver(<name> <what CMake says where it is missing> <library, or file that names it>): a folder with nothing but
# its registration, which hides every other driver from a test.
function(segue_opencl_driver name missing source)
  set(folder ${PROJECT_BINARY_DIR}/test/opencl/${name})
  file(REMOVE_RECURSE ${folder}/vendors)
  if(NOT EXISTS "${source}")
    message(STATUS "tests of OpenCL on ${name} are skipped: ${missing}")
    return()
  endif()
  if(source MATCHES "\\.icd$")
    file(COPY ${source} DESTINATION ${folder}/vendors)
  else()
    file(CONFIGURE OUTPUT ${folder}/vendors/${name}.icd CONTENT "${source}\n")
  endif()
  set(SEGUE_OPENCL_DRIVERS ${SEGUE_OPENCL_DRIVERS} ${name} PARENT_SCOPE)
endfunction()

# Under the address sanitizer. PoCL's threads, alive at exit, now and then crash what looks for leaks; Intel's driver has some itself,
# and so has HIP's library in any process that asks for devices.
set(SEGUE_OPENCL_LEAKS_pocl ASAN_OPTIONS=detect_leaks=0:use_sigaltstack=0)
set(SEGUE_DRIVER_LEAKS LSAN_OPTIONS=suppressions=${PROJECT_BINARY_DIR}/test/opencl/leaks:print_suppressions=0)
file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/test/opencl/leaks CONTENT "leak:libintelocl\nleak:libcommon_clang\nleak:libtbb\nleak:libamdhip64\n")

set(SEGUE_OPENCL_DRIVERS "")
if(SEGUE_SANITIZE MATCHES "thread")
  message(STATUS "tests of OpenCL are skipped: the thread sanitizer does not see what the drivers' threads agree on")
elseif(SEGUE_TESTS)
  segue_opencl_driver(pocl "no /etc/OpenCL/vendors/pocl.icd (pocl-opencl-icd)" /etc/OpenCL/vendors/pocl.icd)
  set(library ${SEGUE_TEST_TOOLS}/lib/libintelocl.so)
  if(NOT EXISTS ${SEGUE_TEST_TOOLS}/stamp)
    set(library "")
  endif()
  segue_opencl_driver(intel "no intel-opencl-rt in ${SEGUE_TEST_TOOLS} (tools/setup, or set SEGUE_TEST_TOOLS)" "${library}")
endif()

function(segue_test_properties name label timeout)
  if(NOT label)
    set(label quick)
  endif()
  if(NOT timeout)
    set(timeout 60)
  endif()
  if(SEGUE_SANITIZE) # watched code takes several times as long
    math(EXPR timeout "3 * ${timeout}")
  endif()
  # The build tree may lie below a folder that others can write to: discovered plugins would be refused there, listed ones only warn.
  set_tests_properties(${name} PROPERTIES LABELS "${label}" TIMEOUT ${timeout} SKIP_RETURN_CODE 77
    ENVIRONMENT "SEGUE_PLUGIN_PATH=${PROJECT_BINARY_DIR}/${SEGUE_PLUGIN_DIR}")
  # OpenCL drivers with LLVM inside give threads a signal stack of their own, which the address sanitizer would unmap.
  if(SEGUE_SANITIZE MATCHES "address")
    set_property(TEST ${name} APPEND PROPERTY ENVIRONMENT ASAN_OPTIONS=use_sigaltstack=0 ${SEGUE_DRIVER_LEAKS})
  endif()
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

function(segue_add_opencl_test name)
  cmake_parse_arguments(T "" "TIMEOUT;DRIVER" "LABEL;COMMAND" ${ARGN})
  if(NOT T_DRIVER IN_LIST SEGUE_OPENCL_DRIVERS OR NOT TARGET segue_opencl)
    return()
  endif()
  segue_add_command_test(${name} COMMAND ${T_COMMAND} LABEL ${T_LABEL} TIMEOUT "${T_TIMEOUT}")
  set(folder ${PROJECT_BINARY_DIR}/test/opencl/${T_DRIVER})
  set_property(TEST ${name} APPEND PROPERTY ENVIRONMENT OCL_ICD_VENDORS=${folder}/vendors POCL_CACHE_DIR=${folder}/pocl_cache
    SEGUE_CACHE_DIR=${folder}/segue_cache ${SEGUE_OPENCL_LEAKS_${T_DRIVER}})
  set_property(TEST ${name} APPEND PROPERTY ENVIRONMENT_MODIFICATION OCL_ICD_FILENAMES=unset:)
endfunction()
