# Installs the libraries, their headers, the program, recipes and starter weights. After that
# `find_package(patina)` offers patina::core (no LibTorch) and patina::patina.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/patina)
set_target_properties(patina_core PROPERTIES EXPORT_NAME core)

install(TARGETS patina_program RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS patina patina_core EXPORT patina
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY patina/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/patina
  FILES_MATCHING PATTERN "*.h" PATTERN "toml_*.h" EXCLUDE)
install(FILES ${PROJECT_BINARY_DIR}/include/patina/version.h
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/patina)
install(DIRECTORY recipes DESTINATION ${CMAKE_INSTALL_DATADIR}/patina)
install(FILES models/starter.safetensors DESTINATION ${CMAKE_INSTALL_DATADIR}/patina/models)
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

configure_package_config_file(cmake/patinaConfig.cmake.in ${PROJECT_BINARY_DIR}/patinaConfig.cmake
  INSTALL_DESTINATION ${package_folder})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/patinaConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/patinaConfig.cmake ${PROJECT_BINARY_DIR}/patinaConfigVersion.cmake
  DESTINATION ${package_folder})
install(EXPORT patina NAMESPACE patina:: FILE patinaTargets.cmake DESTINATION ${package_folder})
