# SPDX-FileCopyrightText: 2026 The Segue authors
# SPDX-License-Identifier: Apache-2.0
# Installation: headers, library, kit, the CMake package segue::segue and segue::kit, segue.pc with plugindir.
include(CMakePackageConfigHelpers)

install(DIRECTORY api/include/segue plugins/kit/include/segue DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(FILES plugins/kit/plugin.map DESTINATION ${SEGUE_DATA_DIR})
install(DIRECTORY plugins/template DESTINATION ${SEGUE_DATA_DIR})
install(FILES LICENSE README.md CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(TARGETS segue LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(TARGETS segue_kit ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})

configure_package_config_file(cmake/segue-config.cmake.in ${PROJECT_BINARY_DIR}/segue-config.cmake
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/segue PATH_VARS CMAKE_INSTALL_INCLUDEDIR CMAKE_INSTALL_LIBDIR SEGUE_DATA_DIR SEGUE_PLUGIN_DIR)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/segue-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/segue-config.cmake ${PROJECT_BINARY_DIR}/segue-config-version.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/segue)

# Relative to the .pc file itself, so that an install to another prefix, or a moved one, stays right.
file(RELATIVE_PATH SEGUE_PC_PREFIX /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" SEGUE_PC_PREFIX ${SEGUE_PC_PREFIX})
configure_file(cmake/segue.pc.in ${PROJECT_BINARY_DIR}/segue.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/segue.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
