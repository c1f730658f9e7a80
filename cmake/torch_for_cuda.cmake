# What find_package(Torch) would define, for PyTorch's wheel for CUDA: the target torch, Torch_FOUND,
# Torch_VERSION, TORCH_INSTALL_PREFIX, TORCH_LIBRARY. LibTorch's own files need CUDA's toolkit, which a
# compiler of kernels for GPUs needs; patina compiles none, and whoever installs the wheel with pip has
# the libraries and no toolkit. Included with Torch_DIR set; does nothing for any other LibTorch.
cmake_path(SET prefix NORMALIZE "${Torch_DIR}/../../..")
string(REGEX REPLACE "/$" "" prefix "${prefix}")
if(NOT EXISTS "${prefix}/lib/libtorch_cuda.so")
  return()
endif()
include("${Torch_DIR}/TorchConfigVersion.cmake")
set(Torch_VERSION ${PACKAGE_VERSION})
set(TORCH_INSTALL_PREFIX "${prefix}")
set(TORCH_LIBRARY "${prefix}/lib/libtorch.so")
set(Torch_FOUND TRUE)
if(NOT TARGET torch)
  add_library(torch SHARED IMPORTED GLOBAL)
  # Nothing calls libtorch_cuda, which announces itself when it is loaded, so it is linked by force. What
  # it needs itself is found by its own paths when the program starts.
  set_target_properties(torch PROPERTIES
    IMPORTED_LOCATION "${TORCH_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${prefix}/include;${prefix}/include/torch/csrc/api/include"
    INTERFACE_LINK_LIBRARIES "${prefix}/lib/libtorch_cpu.so;${prefix}/lib/libc10.so;${prefix}/lib/libc10_cuda.so"
    INTERFACE_LINK_OPTIONS "LINKER:--allow-shlib-undefined;LINKER:--no-as-needed,${prefix}/lib/libtorch_cuda.so,--as-needed")
endif()
