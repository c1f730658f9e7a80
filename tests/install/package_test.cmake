# Packs a finished build into a .tar.gz, unpacks it elsewhere and runs what is in it.
#   cmake -DBUILD=... -P package_test.cmake
cmake_minimum_required(VERSION 3.25)
set(work ${BUILD}/test-scratch/package)
file(REMOVE_RECURSE ${work})

function(run)
  execute_process(COMMAND ${ARGN} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

run(${CMAKE_CPACK_COMMAND} -G TGZ --config ${BUILD}/CPackConfig.cmake -B ${work}/made)
file(GLOB package ${work}/made/*.tar.gz)
file(ARCHIVE_EXTRACT INPUT ${package} DESTINATION ${work}/unpacked)
file(GLOB program ${work}/unpacked/*/bin/patina)
cmake_path(GET program PARENT_PATH folder)
cmake_path(GET folder PARENT_PATH folder)
# Elsewhere than where it was unpacked, and with nothing left of where it was built but the system.
file(RENAME ${folder} ${work}/moved)
run(${CMAKE_COMMAND} -E env --unset=LD_LIBRARY_PATH ${work}/moved/bin/patina --version)
# What needs LibTorch.
run(${CMAKE_COMMAND} -E env --unset=LD_LIBRARY_PATH ${work}/moved/bin/patina inspect
    ${work}/moved/share/patina/models/starter.safetensors --summary)
execute_process(COMMAND ${work}/moved/bin/patina list learners OUTPUT_VARIABLE learners
  COMMAND_ERROR_IS_FATAL ANY)
if(NOT learners MATCHES "simplecil")
  message(FATAL_ERROR "patina list learners, in ${work}/moved: ${learners}")
endif()
if(NOT EXISTS ${work}/moved/share/patina/recipes/fashion_mnist/simplecil.toml)
  message(FATAL_ERROR "no recipes in ${work}/moved")
endif()
file(GLOB headers ${work}/moved/include)
if(headers)
  message(FATAL_ERROR "a package of the program brings headers: ${headers}")
endif()

file(REMOVE_RECURSE ${work})
