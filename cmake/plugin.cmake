# SPDX-FileCopyrightText: 2026 The Segue authors
# SPDX-License-Identifier: Apache-2.0
# segue_add_plugin(<id> <source>...): builds segue_<id>.so into the plugin folder, with one exported symbol, and installs it.
function(segue_add_plugin id)
  add_library(segue_${id} MODULE ${ARGN})
  set_target_properties(segue_${id} PROPERTIES PREFIX "" LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/${SEGUE_PLUGIN_DIR})
  target_link_libraries(segue_${id} PRIVATE segue_kit)
  target_link_options(segue_${id} PRIVATE -Wl,--version-script=${PROJECT_SOURCE_DIR}/plugins/kit/plugin.map
    -Wl,--exclude-libs,ALL -Wl,-z,now,-z,relro,-z,noexecstack)
  if(NOT SEGUE_SANITIZE)
    target_link_options(segue_${id} PRIVATE -Wl,--no-undefined)
  endif()
  install(TARGETS segue_${id} LIBRARY DESTINATION ${SEGUE_PLUGIN_DIR})
endfunction()

# segue_collect_rows(<file>...): writes rows.h into the current binary folder, one ROW(name) for each `const segue_row name = {`
# of the files. Nobody keeps a list of kernels.
function(segue_collect_rows)
  set(rows "")
  foreach(file ${ARGN})
    get_filename_component(file ${file} ABSOLUTE) # Ninja refuses two names of one file
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
    file(STRINGS ${file} lines REGEX "^const segue_row [a-z0-9_]+ = ")
    foreach(line ${lines})
      string(REGEX MATCH "segue_row ([a-z0-9_]+)" _ "${line}")
      string(APPEND rows "ROW(${CMAKE_MATCH_1})\n")
    endforeach()
  endforeach()
  file(CONFIGURE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/rows.h CONTENT "${rows}")
endfunction()
