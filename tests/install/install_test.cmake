# Installs a finished build into a folder of its own, builds the consumer against it and runs it.
#   cmake -DBUILD=... -DSOURCE=... -DCXX=... -DGENERATOR=... -DPREFIX_PATH=... -P install_test.cmake
set(work ${BUILD}/test-scratch/install)
file(REMOVE_RECURSE ${work})

function(run)
  execute_process(COMMAND ${ARGN} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${work}/prefix)
# Moved, so that a path into the installation's first place is found out.
file(RENAME ${work}/prefix ${work}/moved)
run(${CMAKE_COMMAND} -S ${SOURCE} -B ${work}/consumer -G ${GENERATOR} -DCMAKE_BUILD_TYPE=Release
    -DCMAKE_CXX_COMPILER=${CXX} "-DCMAKE_PREFIX_PATH=${work}/moved;${PREFIX_PATH}")
run(${CMAKE_COMMAND} --build ${work}/consumer)
run(${work}/consumer/consumer)
run(${work}/moved/bin/patina --version)
foreach(file share/patina/recipes/fashion_mnist/simplecil.toml share/patina/models/starter.safetensors)
  if(NOT EXISTS ${work}/moved/${file})
    message(FATAL_ERROR "not installed: ${file}")
  endif()
endforeach()
