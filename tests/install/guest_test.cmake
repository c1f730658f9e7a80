# Makes patina a part of the project in guest/ and checks what that does to the project: nothing. Builds
# two files only.
#   cmake -DPATINA=... -DWORK=... -DSOURCE=... -DCXX=... -DGENERATOR=... -DPREFIX_PATH=... -P guest_test.cmake
cmake_minimum_required(VERSION 3.25)
file(REMOVE_RECURSE ${WORK})
execute_process(COMMAND_ERROR_IS_FATAL ANY COMMAND ${CMAKE_COMMAND} -S ${SOURCE} -B ${WORK} -G ${GENERATOR}
  -DPATINA=${PATINA} -DCMAKE_CXX_COMPILER=${CXX} "-DCMAKE_PREFIX_PATH=${PREFIX_PATH}" "-DTorch_DIR=${TORCH}")

# command_of(OUT OBJECT): how an object file is compiled.
file(READ ${WORK}/compile_commands.json commands)
string(JSON count LENGTH "${commands}")
function(command_of out object)
  foreach(i RANGE 1 ${count})
    math(EXPR i "${i} - 1")
    string(JSON command GET "${commands}" ${i} command)
    if(command MATCHES " -o [^ ]*${object} ")
      set(${out} "${command}" PARENT_SCOPE)
      return()
    endif()
  endforeach()
  message(FATAL_ERROR "no command makes ${object}")
endfunction()

# The project's own file: as before, but for include folders and what the libraries below ask for.
command_of(before before.dir/guest.cc.o)
command_of(after guest.dir/guest.cc.o)
string(REGEX MATCHALL " -(O|std|g|W|f)[^ ]*| -DOURS" flags_before "${before}")
string(REGEX MATCHALL " -(O|std|g|W|f)[^ ]*| -DOURS" flags_after "${after}")
if(NOT flags_before STREQUAL flags_after)
  message(FATAL_ERROR "the project's own file was compiled with${flags_before}, now with${flags_after}")
endif()
if(NOT flags_before MATCHES "-O0" OR after MATCHES "AT_PER_OPERATOR_HEADERS|PATINA_")
  message(FATAL_ERROR "the project's own file is compiled so: ${after}")
endif()

# A file of patina: as the project says, C++23 included.
command_of(ours eval/matrix.cc.o)
foreach(flag -O0 -DOURS -std=c\\+\\+23 -Wall)
  if(NOT ours MATCHES " ${flag} ")
    message(FATAL_ERROR "without ${flag}: ${ours}")
  endif()
endforeach()
if(ours MATCHES " -(O2|O3|g1|Werror) ")
  message(FATAL_ERROR "with ${CMAKE_MATCH_0}: ${ours}")
endif()

if(GENERATOR STREQUAL Ninja)
  execute_process(COMMAND_ERROR_IS_FATAL ANY COMMAND ${CMAKE_COMMAND} --build ${WORK}
    --target before patina/patina/CMakeFiles/patina_core_quick.dir/eval/matrix.cc.o)
  execute_process(COMMAND_ERROR_IS_FATAL ANY OUTPUT_VARIABLE link
    COMMAND ${CMAKE_COMMAND} --build ${WORK} --target guest -- -n -v)
  if(NOT link MATCHES "-o ours/guest" OR link MATCHES "fuse-ld|--target core_tests")
    message(FATAL_ERROR "the program would be linked so: ${link}")
  endif()
endif()
