# `cpack` makes a .deb and a .tar.gz of the program with its recipes and starter weights. With
# PATINA_BUNDLE both bring LibTorch and every other shared library but the C library; else the .deb
# depends on the distribution's packages. tools/package chooses, makes and tries them.
if(NOT PATINA_PROGRAM)
  return()
endif()
# What has to be built for it.
add_custom_target(packaged DEPENDS patina_program patina_engine patina_described)

set(package patina)
if(PATINA_BUNDLE)
  set(package patina-bundle)
  install(CODE "
    set(bundle_program \"$<TARGET_FILE:patina_engine>\")
    set(bundle_torch \"${Torch_DIR}/../../..\")
    set(bundle_folder \"${libraries_folder}\")
    set(bundle_licenses \"${CMAKE_INSTALL_DOCDIR}/licenses\")" COMPONENT program)
  install(SCRIPT ${CMAKE_CURRENT_LIST_DIR}/bundle.cmake COMPONENT program)
endif()

set(CPACK_GENERATOR DEB TGZ)
set(CPACK_PACKAGE_NAME ${package})
set(CPACK_PACKAGE_VENDOR patina)
set(CPACK_PACKAGE_CONTACT "The developers of patina <patina@localhost>")
set(CPACK_PACKAGE_DIRECTORY ${PROJECT_BINARY_DIR}/packages)
set(CPACK_PACKAGE_FILE_NAME ${package}-${PROJECT_VERSION}-${CMAKE_SYSTEM_NAME}-${CMAKE_SYSTEM_PROCESSOR})
set(CPACK_STRIP_FILES ON)
set(CPACK_VERBATIM_VARIABLES ON)
# Developers take patina from its sources: see the guide.
set(CPACK_INSTALL_CMAKE_PROJECTS ${PROJECT_BINARY_DIR} patina program /)

set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION "One program that lets a pre-trained network go on learning (new classes, new domains, new tasks)
without forgetting. It runs published methods on streams of tasks and measures them.")
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
if(PATINA_BUNDLE)
  set(CPACK_DEBIAN_PACKAGE_PROVIDES patina)
  set(CPACK_DEBIAN_PACKAGE_CONFLICTS patina)
else()
  set(CPACK_DEBIAN_PACKAGE_CONFLICTS patina-bundle)
  # LibTorch is content with any BLAS, the reference one too; this is what patina is tested with.
  set(CPACK_DEBIAN_PACKAGE_DEPENDS "libopenblas0-openmp | libopenblas0")
endif()
include(CPack)
