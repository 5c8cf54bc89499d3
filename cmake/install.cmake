# SPDX-License-Identifier: MIT
#
# What `cmake --install` puts where (GNUInstallDirs): headers, both libraries, pkg-config file, CMake package, command, man
# pages, shell completion, licence. `cmake --build DIR --target uninstall` takes it away again.
include(CMakePackageConfigHelpers)

install(DIRECTORY include/trialog TYPE INCLUDE FILES_MATCHING PATTERN "*.h")
install(TARGETS trialog-shared trialog-static EXPORT TrialogTargets
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
if(TARGET trialog)
  install(TARGETS trialog RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()

# Paths in trialog.pc start from its own place, so that a staged or moved tree works.
set(pc_libdir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
cmake_path(ABSOLUTE_PATH pc_libdir BASE_DIRECTORY ${CMAKE_INSTALL_PREFIX} OUTPUT_VARIABLE pc_absolute)
foreach(dir IN ITEMS INCLUDEDIR LIBDIR)
  cmake_path(ABSOLUTE_PATH CMAKE_INSTALL_${dir} BASE_DIRECTORY ${CMAKE_INSTALL_PREFIX} OUTPUT_VARIABLE pc_${dir})
  cmake_path(RELATIVE_PATH pc_${dir} BASE_DIRECTORY ${pc_absolute} OUTPUT_VARIABLE pc_${dir})
endforeach()
configure_file(cmake/trialog.pc.in trialog.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/trialog.pc DESTINATION ${pc_libdir})

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/Trialog)
configure_package_config_file(cmake/TrialogConfig.cmake.in TrialogConfig.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(TrialogConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/TrialogConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/TrialogConfigVersion.cmake
        DESTINATION ${package_dir})
install(EXPORT TrialogTargets NAMESPACE Trialog:: DESTINATION ${package_dir})

install(FILES LICENSE TYPE DOC)
install(FILES man/trialog-journal.5 DESTINATION ${CMAKE_INSTALL_MANDIR}/man5)
if(TARGET trialog)
  install(FILES man/trialog.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
  # Made by `trialog completion SHELL` and checked in; tests/cli compares them.
  install(FILES completion/trialog.bash RENAME trialog DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
  install(FILES completion/_trialog DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
  install(FILES completion/trialog.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
endif()

# A project that takes us with add_subdirectory may have an `uninstall` of its own.
if(PROJECT_IS_TOP_LEVEL)
  add_custom_target(uninstall
                    COMMAND ${CMAKE_COMMAND} -DMANIFEST=${CMAKE_CURRENT_BINARY_DIR}/install_manifest.txt
                            -P ${CMAKE_CURRENT_SOURCE_DIR}/cmake/uninstall.cmake
                    VERBATIM)
endif()
