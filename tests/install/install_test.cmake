# Installs a finished build into a folder of its own, builds the consumer against it and runs it.
#   cmake -DBUILD=... -DSOURCE=... -DCXX=... -DGENERATOR=... -DPREFIX_PATH=... -DTORCH=... -DC_EXAMPLE=... -DPLUGIN=... -P install_test.cmake
cmake_minimum_required(VERSION 3.25)
set(work ${BUILD}/test-scratch/install)
file(REMOVE_RECURSE ${work})

function(run)
  execute_process(COMMAND ${ARGN} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${work}/prefix)
# Moved, so that a path into the installation's first place is found out.
file(RENAME ${work}/prefix ${work}/moved)

# Headers that only patina's own sources include stay at home, and nobody misses them.
file(GLOB_RECURSE headers RELATIVE ${work}/moved/include ${work}/moved/include/patina/*.h)
if(NOT "patina/patina.h" IN_LIST headers)
  message(FATAL_ERROR "patina/patina.h is not installed")
endif()
foreach(header ${headers})
  file(STRINGS ${work}/moved/include/${header} includes REGEX "^#include [\"<]")
  foreach(include ${includes})
    string(REGEX REPLACE "^#include [\"<]([^\">]+).*" "\\1" include "${include}")
    if(include MATCHES "^patina/" AND NOT include IN_LIST headers)
      message(SEND_ERROR "${header} includes ${include}, which is not installed")
    elseif(include MATCHES "^(torch/|toml|png|turbojpeg|utf8proc|CLI/)|^patina/kernels/instructions")
      message(SEND_ERROR "${header} is installed and includes ${include}")
    endif()
  endforeach()
endforeach()

run(${CMAKE_COMMAND} -S ${SOURCE} -B ${work}/consumer -G ${GENERATOR} -DCMAKE_BUILD_TYPE=Release
    -DCMAKE_CXX_COMPILER=${CXX} "-DCMAKE_PREFIX_PATH=${work}/moved;${PREFIX_PATH}" "-DTorch_DIR=${TORCH}")
run(${CMAKE_COMMAND} --build ${work}/consumer)
run(${work}/consumer/core_consumer)
run(${work}/consumer/consumer)
run(${work}/consumer/session)

# C, as its example says. Where the libraries are not the system's, a program says where they are.
find_program(pkg_config pkg-config)
find_program(cc NAMES cc gcc)
if(pkg_config AND cc)
  file(GLOB_RECURSE pc ${work}/moved/*/patina.pc)
  cmake_path(GET pc PARENT_PATH pc_folder)
  execute_process(COMMAND ${CMAKE_COMMAND} -E env PKG_CONFIG_PATH=${pc_folder} ${pkg_config} --cflags --libs patina
    OUTPUT_VARIABLE flags OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  separate_arguments(flags UNIX_COMMAND "${flags}")
  cmake_path(GET pc_folder PARENT_PATH library_folder)
  run(${cc} -std=c99 -pedantic -Wall -Wextra -Werror ${C_EXAMPLE} ${flags} -Wl,-rpath,${library_folder}
      -o ${work}/colours)
  execute_process(COMMAND ${work}/colours ${work}/colours.patina OUTPUT_VARIABLE best COMMAND_ERROR_IS_FATAL ANY)
  if(NOT best MATCHES "^green [0-9.]+\n(red|blue) [0-9.]+\n$" OR NOT EXISTS ${work}/colours.patina)
    message(FATAL_ERROR "the example in C says: ${best}")
  endif()
else()
  message("install_test: no pkg-config or C compiler here: the example in C was not run")
endif()

run(${work}/moved/bin/patina --version)
# A learner of a library that knows patina only by what is installed.
run(${CMAKE_COMMAND} -S ${PLUGIN} -B ${work}/plugin -G ${GENERATOR} -DCMAKE_BUILD_TYPE=Release
    -DCMAKE_CXX_COMPILER=${CXX} "-DCMAKE_PREFIX_PATH=${work}/moved;${PREFIX_PATH}" "-DTorch_DIR=${TORCH}")
run(${CMAKE_COMMAND} --build ${work}/plugin)
set(intents ${work}/moved/share/patina/recipes/small_intents)
run(${work}/moved/bin/patina --plugin ${work}/plugin/nearest_mean.so run ${intents}/simplecil.toml
    --set learner.name=nearest_mean --set data.path=${intents}/intents.csv --out ${work}/plugin/run)
# What needs LibTorch.
run(${work}/moved/bin/patina inspect ${work}/moved/share/patina/models/starter.safetensors --summary)
foreach(file share/patina/recipes/fashion_mnist/simplecil.toml share/patina/models/starter.safetensors
    share/patina/models/text_starter.safetensors
    share/patina/models/clip_starter.safetensors)
  if(NOT EXISTS ${work}/moved/${file})
    message(FATAL_ERROR "not installed: ${file}")
  endif()
endforeach()

file(REMOVE_RECURSE ${work})
