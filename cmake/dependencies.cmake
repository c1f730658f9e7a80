# Every library patina stands on, found once; tools/packages.txt has their packages.
#
# GLOBAL: whoever links patina in another folder of the same build needs them too.
find_package(Threads REQUIRED GLOBAL)
find_package(fmt REQUIRED GLOBAL)
find_package(nlohmann_json REQUIRED GLOBAL)
find_package(tomlplusplus REQUIRED GLOBAL)
find_package(ZLIB REQUIRED GLOBAL)
find_package(PNG REQUIRED GLOBAL)

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

if(PATINA_GET)
  find_package(CURL GLOBAL)
  if(NOT CURL_FOUND)
    message(STATUS "libcurl's headers are not installed (libcurl4-openssl-dev): `patina get` is left out")
  endif()
endif()
if(PATINA_PROGRAM)
  find_package(CLI11 REQUIRED)
endif()
if(PATINA_PROGRAM OR PATINA_TESTS)
  # Inlined into every report page.
  find_file(PATINA_CHART_JS NAMES chart.min.js Chart.min.js
            PATHS /usr/share/javascript/chart.js /usr/share/nodejs/chart.js/dist REQUIRED NO_CACHE)
endif()

include(cmake/libtorch.cmake)
