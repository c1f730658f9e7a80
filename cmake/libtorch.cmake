# Finds LibTorch and says what differs from one to another at build time:
#   PATINA_TORCH_DEFINITIONS  which detours around faults of this version are compiled (0 or 1)
#   PATINA_OPENMP             what to link for OpenMP, so that a process has one runtime
#   PATINA_FMT_HEADERS        a folder to search before LibTorch's, if any
#
# tools/torch chooses which it is; a build folder keeps its choice. -DTorch_DIR and CMAKE_PREFIX_PATH
# come first, and in another project nothing is chosen. The Python module is built with the PyTorch of its
# Python, whatever else is there.
if(PATINA_PYTHON AND NOT Torch_DIR)
  find_package(Python COMPONENTS Interpreter Development.Module REQUIRED)
  set(of_python PATINA_TORCH=${Python_EXECUTABLE})
endif()
if(PROJECT_IS_TOP_LEVEL AND NOT Torch_DIR AND (of_python OR NOT CMAKE_PREFIX_PATH) AND CMAKE_HOST_UNIX)
  execute_process(COMMAND ${CMAKE_COMMAND} -E env ${of_python} ${PROJECT_SOURCE_DIR}/tools/torch
                  OUTPUT_VARIABLE choice RESULT_VARIABLE status ERROR_VARIABLE fault)
  if(NOT status EQUAL 0)
    if(of_python)
      string(APPEND fault "The Python module is built with the PyTorch of the Python that imports it: \
pip install torch, then pip install --no-build-isolation .")
    endif()
    message(FATAL_ERROR "${fault}")
  endif()
  string(REGEX REPLACE "\n.*" "" choice "${choice}")
  if(NOT choice STREQUAL "none")
    set(Torch_DIR ${choice} CACHE PATH "The folder of LibTorch's TorchConfig.cmake" FORCE)
  endif()
endif()

include(${CMAKE_CURRENT_LIST_DIR}/torch_for_cuda.cmake)
if(NOT TARGET torch)
  # A wheel leaves out parts that only its own build links, and its CMake files warn of each.
  set(level "${CMAKE_MESSAGE_LOG_LEVEL}")
  set(CMAKE_MESSAGE_LOG_LEVEL ERROR)
  # They also look for its libraries in the system's folders first, where another LibTorch may be.
  set(prefixes "${CMAKE_PREFIX_PATH}")
  if(Torch_DIR)
    list(PREPEND CMAKE_PREFIX_PATH "${Torch_DIR}/../../..")
  endif()
  find_package(Torch REQUIRED GLOBAL)
  set(CMAKE_PREFIX_PATH "${prefixes}")
  set(CMAKE_MESSAGE_LOG_LEVEL "${level}")
endif()
message(STATUS "LibTorch ${Torch_VERSION}: ${Torch_DIR}")
# Two LibTorchs in one build crash, or fail to link with thousands of lines.
file(REAL_PATH "${TORCH_INSTALL_PREFIX}" root)
foreach(part "${TORCH_LIBRARY}" ${Caffe2_DIR})
  file(REAL_PATH "${part}" folder)
  cmake_path(IS_PREFIX root "${folder}" whole)
  if(NOT whole)
    message(FATAL_ERROR "LibTorch's headers are those of ${root}, but ${part} belongs to another; "
      "remove CMakeCache.txt and configure again")
  endif()
endforeach()

# LibTorch 1.13, and what Debian 12 has with it: oneDNN 2.6, whose AMX kernels crash, and OpenBLAS 0.3.21,
# which takes processors that it does not know for very old ones (mended in 0.3.25).
if(Torch_VERSION VERSION_LESS 2)
  set(PATINA_TORCH_DEFINITIONS PATINA_CAP_ONEDNN=1 PATINA_CHOOSE_OPENBLAS=1)
else()
  set(PATINA_TORCH_DEFINITIONS PATINA_CAP_ONEDNN=0 PATINA_CHOOSE_OPENBLAS=0)
endif()

# PyTorch's wheels bring an OpenMP runtime, some of them under a name of its own. With the compiler's
# beside it a process would have two, each with threads and settings of its own.
find_package(OpenMP REQUIRED GLOBAL COMPONENTS CXX)
set(PATINA_OPENMP OpenMP::OpenMP_CXX)
get_filename_component(torch_libraries "${TORCH_LIBRARY}" DIRECTORY)
if(NOT torch_libraries IN_LIST CMAKE_CXX_IMPLICIT_LINK_DIRECTORIES)
  file(GLOB runtimes "${torch_libraries}/libgomp*.so*" "${torch_libraries}/../../torch.libs/libgomp*.so*")
  if(runtimes)
    list(GET runtimes 0 PATINA_OPENMP)
  endif()
endif()

# A wheel brings the headers of another fmt than the one that is linked. A folder with nothing but ours
# goes before LibTorch's.
get_target_property(fmt_headers fmt::fmt INTERFACE_INCLUDE_DIRECTORIES)
if(EXISTS ${TORCH_INSTALL_PREFIX}/include/fmt AND NOT fmt_headers STREQUAL "${TORCH_INSTALL_PREFIX}/include")
  file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/fmt)
  file(CREATE_LINK ${fmt_headers}/fmt ${PROJECT_BINARY_DIR}/fmt/fmt SYMBOLIC)
  set(PATINA_FMT_HEADERS ${PROJECT_BINARY_DIR}/fmt)
endif()
