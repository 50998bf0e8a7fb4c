# SPDX-FileCopyrightText: 2026 The Segue authors
# SPDX-License-Identifier: Apache-2.0
# gpu_embed_text(<target> <symbol> <file>): gives the target `const char symbol[]` with the file's text.
# gpu_embed_kernel(<target> <name> <folder>): gives it gpu_source_<name>, made of <name>.k.h and, where there is one, <name>.args.h.
# Both run this file again as a script whenever a text changes. Bytes in hexadecimal: no text needs escaping, no string is too long.
if(CMAKE_SCRIPT_MODE_FILE)
  function(array symbol file prefix out)
    set(bytes "")
    if(file)
      file(READ ${file} hex HEX)
      string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
    endif()
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
