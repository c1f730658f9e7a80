# Installs the library, its headers and the program; `find_package(patina)` then offers patina::patina.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
