# Installs the program, recipes and starter weights (component `program`), and the libraries with their
# headers, that of C with its pkg-config file (component `development`). After that `find_package(patina)` offers patina::core (no
# LibTorch), patina::patina and, where the program was built, patina::report.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(data ${CMAKE_INSTALL_DATADIR}/patina)
set(libraries_folder lib/patina)  # of what PATINA_BUNDLE brings

# Where what is installed looks for LibTorch, unless the system does anyway.
get_filename_component(torch_rpath ${TORCH_LIBRARY} DIRECTORY)
if(torch_rpath IN_LIST CMAKE_CXX_IMPLICIT_LINK_DIRECTORIES)
  set(torch_rpath)
endif()

if(PATINA_PROGRAM)
  # Found from where the program stands, so that the installation may be moved.
  set_target_properties(patina_program PROPERTIES INSTALL_RPATH $ORIGIN/../${libraries_folder})
  set(engine_rpath $ORIGIN/../../${libraries_folder})
  if(NOT PATINA_BUNDLE)
    list(APPEND engine_rpath ${torch_rpath})
  endif()
  set_target_properties(patina_engine PROPERTIES INSTALL_RPATH "${engine_rpath}")
  install(TARGETS patina_program RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT program)
  # Where patina looks for it, from its own place.
  install(TARGETS patina_engine RUNTIME DESTINATION libexec/patina COMPONENT program)
  install(DIRECTORY recipes DESTINATION ${data} COMPONENT program)
  install(FILES models/starter.safetensors models/text_starter.safetensors models/clip_starter.safetensors
          DESTINATION ${data}/models COMPONENT program)
  install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT program)
  set(described ${PROJECT_BINARY_DIR}/apps/patina)
  install(FILES ${described}/completion_bash RENAME patina
          DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions COMPONENT program)
  install(FILES ${described}/completion_zsh RENAME _patina
          DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions COMPONENT program)
  install(FILES ${described}/completion_fish RENAME patina.fish
          DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d COMPONENT program)
  install(FILES ${described}/manual RENAME patina.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT program)
endif()

if(PATINA_C)
  set_target_properties(patina_c PROPERTIES INSTALL_RPATH "${torch_rpath}")
  install(TARGETS patina_c LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development)
  install(FILES bindings/c/patina.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development)
  set(pkgconfig_folder ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
  file(RELATIVE_PATH to_prefix /prefix/${pkgconfig_folder} /prefix)
  configure_file(bindings/c/patina.pc.in ${PROJECT_BINARY_DIR}/patina.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/patina.pc DESTINATION ${pkgconfig_folder} COMPONENT development)
endif()

set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/patina)
set(libraries patina patina_core patina_plugin)
set_target_properties(patina_core PROPERTIES EXPORT_NAME core)
set_target_properties(patina_plugin PROPERTIES EXPORT_NAME plugin)
# What only the libraries' own sources include.
set(internal
  PATTERN patina/image/codec.h EXCLUDE
  REGEX "patina/text/(model/(charsmap|piece_[a-z]*|sentence_piece)|load/piece_tokenizer)\\.h$" EXCLUDE
  REGEX "patina/config/toml_[a-z]*\\.h$" EXCLUDE
  REGEX "patina/kernels/instructions$" EXCLUDE
  REGEX "patina/kernels/(attention|attention_steps|bf16|head_rows|in_team|node|packed_weight|rows|tiles)\\.h$" EXCLUDE
  REGEX "patina/report/(page|table)\\.h$" EXCLUDE
  REGEX "patina/(board|fetch|serve)$" EXCLUDE)
if(TARGET patina_report)
  list(APPEND libraries patina_report)
  set_target_properties(patina_report PROPERTIES EXPORT_NAME report)
else()
  list(APPEND internal REGEX "patina/report$" EXCLUDE)
endif()
install(TARGETS ${libraries} EXPORT patina
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development)
install(DIRECTORY patina DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development
  FILES_MATCHING PATTERN "*.h" ${internal})
install(FILES ${PROJECT_BINARY_DIR}/include/patina/version.h ${PROJECT_BINARY_DIR}/include/patina/libtorch.h
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/patina COMPONENT development)

configure_package_config_file(cmake/patinaConfig.cmake.in ${PROJECT_BINARY_DIR}/patinaConfig.cmake
  INSTALL_DESTINATION ${package_folder})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/patinaConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/patinaConfig.cmake ${PROJECT_BINARY_DIR}/patinaConfigVersion.cmake
  cmake/torch_for_cuda.cmake
  DESTINATION ${package_folder} COMPONENT development)
install(EXPORT patina NAMESPACE patina:: FILE patinaTargets.cmake
  DESTINATION ${package_folder} COMPONENT development)
