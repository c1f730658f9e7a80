# Every library patina stands on, found once; tools/packages.txt has their packages.
find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(tomlplusplus REQUIRED)
find_package(CLI11 REQUIRED)
find_package(ZLIB REQUIRED)
find_package(PNG REQUIRED)

find_path(TURBOJPEG_INCLUDE_DIR turbojpeg.h REQUIRED)
find_library(TURBOJPEG_LIBRARY turbojpeg REQUIRED)
add_library(patina_turbojpeg INTERFACE)
target_include_directories(patina_turbojpeg SYSTEM INTERFACE ${TURBOJPEG_INCLUDE_DIR})
target_link_libraries(patina_turbojpeg INTERFACE ${TURBOJPEG_LIBRARY})

# Unicode; it comes without a CMake package.
find_path(UTF8PROC_INCLUDE_DIR utf8proc.h REQUIRED)
find_library(UTF8PROC_LIBRARY utf8proc REQUIRED)
add_library(patina_utf8proc INTERFACE)
target_include_directories(patina_utf8proc SYSTEM INTERFACE ${UTF8PROC_INCLUDE_DIR})
target_link_libraries(patina_utf8proc INTERFACE ${UTF8PROC_LIBRARY})

# Chart.js is inlined into every report page.
find_file(PATINA_CHART_JS NAMES chart.min.js Chart.min.js
          PATHS /usr/share/javascript/chart.js /usr/share/nodejs/chart.js/dist REQUIRED NO_CACHE)

include(cmake/libtorch.cmake)
