# SPDX-FileCopyrightText: 2026 The Segue authors
# SPDX-License-Identifier: Apache-2.0
# gpu_embed_text(<target> <symbol> <file>): gives the target `const char symbol[]` with the file's text.
# gpu_embed_kernel(<target> <name> <folder>): gives it gpu_source_<name>, made of <name>.k.h and, where there is one, <name>.args.h.
# Both run this file again as a script whenever a text changes. Bytes in hexadecimal: no text needs escaping, no string is too long.
if(CMAKE_SCRIPT_MODE_FILE)
  function(array symbol file prefix out)
    set(bytes "")
    string(REPLACE "|" ";" files "${file}")
    foreach(one ${files})
      file(READ ${one} hex HEX)
      string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," part "${hex}")
      string(APPEND bytes "${part}")
    endforeach()
    set(${out} "${prefix}const char ${symbol}[] = {${bytes}0};\n" PARENT_SCOPE)
  endfunction()

  if(KERNEL)
    array(args "${ARGS}" "static " args)
    array(text "${TEXT}" "static " text)
    file(WRITE ${OUT} "#include \"gpu.h\"\n${args}${text}GPU_SOURCE(${KERNEL});\n"
      "const struct gpu_source gpu_source_${KERNEL} = { \"${KERNEL}\", args, text };\n")
  else()
    array(${SYMBOL} "${TEXT}" "" text)
    file(WRITE ${OUT} "extern const char ${SYMBOL}[];\n${text}")
  endif()
  return()
endif()

function(gpu_embed target name)
  set(out ${CMAKE_CURRENT_BINARY_DIR}/${name}_text.c)
  add_custom_command(OUTPUT ${out} VERBATIM DEPENDS ${CMAKE_CURRENT_FUNCTION_LIST_FILE} ${EMBED_DEPENDS}
    COMMAND ${CMAKE_COMMAND} -DOUT=${out} ${ARGN} -P ${CMAKE_CURRENT_FUNCTION_LIST_FILE})
  target_sources(${target} PRIVATE ${out})
endfunction()

function(gpu_embed_text target symbol file)
  set(EMBED_DEPENDS ${file})
  gpu_embed(${target} ${symbol} -DSYMBOL=${symbol} -DTEXT=${file})
endfunction()

function(gpu_embed_kernel target name folder)
  set(text ${folder}/${name}.k.h)
  set(args ${folder}/${name}.args.h)
  if(NOT EXISTS ${args})
    set(args "")
  endif()
  set(EMBED_DEPENDS ${text} ${args})
  gpu_embed(${target} ${name} -DKERNEL=${name} -DTEXT=${text} -DARGS=${args})
endfunction()

# gpu_embed_own_kernel(<target> <name> <folder> <end> <header>...): the same of a kernel that one backend alone has, <name>.cu or
# .hip, with the headers that its words come from in front of <name>.args.h.
function(gpu_embed_own_kernel target name folder end)
  set(EMBED_DEPENDS ${folder}/${name}${end} ${ARGN} ${folder}/${name}.args.h)
  string(REPLACE ";" "|" args "${ARGN};${folder}/${name}.args.h")
  gpu_embed(${target} ${name} -DKERNEL=${name} -DTEXT=${folder}/${name}${end} -DARGS=${args})
endfunction()

# gpu_embed_code(<target> <symbol> <dialect folder> <architecture>...): compiles each embedded key of keys.txt, and of the dialect
# folder's own keys.txt, for each architecture that the compiler at hand knows, and gives the target the table
# `const struct native_code symbol[]` with `symbol_count` (native/native.h); an empty one where there is no compiler. One command
# for each kernel and architecture: a changed text compiles again what it is part of, a changed key only itself.
# gpu_embed_keys(<target>): gives it embedded_keys.h, KEY(kernel, options) of each key, compiled here or not.
# What runs embed_code.py, or nothing without Python.
function(gpu_embed_command out)
  find_package(Python3 COMPONENTS Interpreter QUIET)
  set(${out} "" PARENT_SCOPE)
  if(Python3_FOUND)
    set(${out} ${Python3_EXECUTABLE} -B ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/embed_code.py PARENT_SCOPE)
  endif()
endfunction()

# Which of the architectures can be compiled for here; says so in one line.
function(gpu_code_compiler dialect out)
  set(${out} "" PARENT_SCOPE)
  if(NOT SEGUE_EMBED_KERNELS)
    message(STATUS "${dialect}: no kernels are embedded, all compile at run time (SEGUE_EMBED_KERNELS)")
    return()
  endif()
  string(REPLACE ";" " " all "${ARGN}")
  gpu_embed_command(program)
  set(failed "python3 not found")
  if(program)
    execute_process(COMMAND ${program} find ${dialect} ${ARGN} --tools ${SEGUE_TEST_TOOLS} OUTPUT_VARIABLE found
      ERROR_VARIABLE missing RESULT_VARIABLE failed OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_STRIP_TRAILING_WHITESPACE)
  endif()
  if(failed)
    string(REGEX REPLACE "^embed_code: " "" missing "${missing}")
    message(STATUS "${dialect}: no kernels are embedded, all compile at run time: ${missing}")
    return()
  endif()
  string(REGEX MATCH "^[^\n]*" known "${found}")
  string(REGEX REPLACE "^[^\n]*\n" "" compiler "${found}")
  string(REPLACE ";" " " listed "${known}")
  if(listed STREQUAL all)
    message(STATUS "${dialect}: kernels are embedded for ${listed} (${compiler})")
  else()
    message(STATUS "${dialect}: kernels are embedded for ${listed}, not for all of ${all}: ${compiler} does not know the others")
  endif()
  set(${out} ${known} PARENT_SCOPE)
endfunction()

# One kernel for one architecture: adds the file that lists its compiled keys to ${parts}.
function(gpu_compile_kernel dialect text arch)
  get_filename_component(kernel ${text} NAME_WE)
  get_filename_component(folder ${text} DIRECTORY)
  set(gpu ${CMAKE_CURRENT_FUNCTION_LIST_DIR})
  file(GLOB with CONFIGURE_DEPENDS ${folder}/${kernel}.args.h ${folder}/fast.h)
  file(GLOB keys CONFIGURE_DEPENDS ${gpu}/keys.txt ${gpu}/../${dialect}/keys.txt)
  gpu_embed_command(program)
  set(out ${CMAKE_CURRENT_BINARY_DIR}/${kernel}_${arch}.list)
  add_custom_command(OUTPUT ${out} VERBATIM COMMENT "Compiling ${kernel} for ${arch}"
    DEPENDS ${gpu}/embed_code.py ${gpu}/kernel_code.py ${gpu}/words.h ${gpu}/../${dialect}/dialect.h ${keys} ${text} ${with}
    COMMAND ${program} code ${dialect} ${arch} ${kernel} --out ${out} --store ${PROJECT_BINARY_DIR}/gpu_code --tools
      ${SEGUE_TEST_TOOLS})
  set(parts ${parts} ${out} PARENT_SCOPE)
endfunction()

function(gpu_embed_code target symbol dialect)
  set(gpu ${CMAKE_CURRENT_FUNCTION_LIST_DIR})
  file(GLOB texts CONFIGURE_DEPENDS ${gpu}/*.k.h ${gpu}/../${dialect}/*.cu ${gpu}/../${dialect}/*.hip)
  gpu_code_compiler(${dialect} known ${ARGN})
  set(parts "")
  foreach(text ${texts})
    foreach(arch ${known})
      gpu_compile_kernel(${dialect} ${text} ${arch})
    endforeach()
  endforeach()
  set(table ${CMAKE_CURRENT_BINARY_DIR}/${symbol}.c)
  if(parts)
    gpu_embed_command(program)
    add_custom_command(OUTPUT ${table} VERBATIM DEPENDS ${gpu}/embed_code.py ${parts}
      COMMAND ${program} table ${symbol} ${parts} --out ${table})
  else()
    file(CONFIGURE OUTPUT ${table} @ONLY CONTENT "#include \"native.h\"\nextern const struct native_code @symbol@[];
extern const uint32_t @symbol@_count;\nconst struct native_code @symbol@[1] = { { NULL, NULL, NULL, NULL, 0 } };
const uint32_t @symbol@_count = 0;\n")
  endif()
  target_sources(${target} PRIVATE ${table})
  target_include_directories(${target} PRIVATE ${gpu}/native)
endfunction()

function(gpu_embed_keys target)
  set(gpu ${CMAKE_CURRENT_FUNCTION_LIST_DIR})
  set(out ${CMAKE_CURRENT_BINARY_DIR}/embedded_keys.h)
  gpu_embed_command(program)
  add_custom_command(OUTPUT ${out} VERBATIM DEPENDS ${gpu}/embed_code.py ${gpu}/kernel_code.py ${gpu}/keys.txt
    COMMAND ${program} keys --out ${out})
  target_sources(${target} PRIVATE ${out})
  target_include_directories(${target} PRIVATE ${CMAKE_CURRENT_BINARY_DIR})
endfunction()
