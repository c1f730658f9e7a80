# Tests as ctest sees them: entries with labels, shares and costs, so that `ctest -j` keeps every
# core busy to the end and `./test --fast` finds the quick ones.
#
# Labels: core (needs no LibTorch), fast (what `./test --fast` runs), unit, conformance, parity,
# cli, and others that a folder gives in PATINA_TEST_LABELS for everything in it.

# All tests that do not need LibTorch compiled: what the sanitizer preset builds.
add_custom_target(core_tests)

# patina_entry(NAME TARGET [FILTER pattern] [SHARDS n] [COST seconds] [PROCESSORS n]
#              [TIMEOUT seconds] [LABELS label...] [ENVIRONMENT name=value...])
#
# An entry that runs the GoogleTest program TARGET, or those of its tests that FILTER names.
# SHARDS: as so many entries, NAME_1 and on, each with its share of the tests. A process that loads
# LibTorch takes a second to start, so a share should take many.
# COST: about how many seconds it takes; the costly ones start first.
# PROCESSORS: threads it computes with, and as many of ctest's places. One by default: on small
# tensors more threads only wait for each other. Entries with two prove that threads change nothing.
function(patina_entry name target)
  cmake_parse_arguments(PARSE_ARGV 2 arg ""
    "FILTER;SHARDS;COST;PROCESSORS;TIMEOUT" "LABELS;ENVIRONMENT")
  foreach(option_default "SHARDS 1" "COST 2" "PROCESSORS 1" "TIMEOUT 900")
    separate_arguments(pair UNIX_COMMAND "${option_default}")
    list(GET pair 0 option)
    if(NOT DEFINED arg_${option})
      list(GET pair 1 arg_${option})
    endif()
  endforeach()
  set(command ${target})
  if(DEFINED arg_FILTER)
    list(APPEND command "--gtest_filter=${arg_FILTER}")
  endif()
  foreach(shard RANGE 1 ${arg_SHARDS})
    set(entry ${name})
    # Threads that wait do not spin: tests share their machine with builds.
    set(environment OMP_WAIT_POLICY=passive OMP_NUM_THREADS=${arg_PROCESSORS} ${arg_ENVIRONMENT})
    if(arg_SHARDS GREATER 1)
      set(entry ${name}_${shard})
      math(EXPR index "${shard} - 1")
      list(APPEND environment GTEST_TOTAL_SHARDS=${arg_SHARDS} GTEST_SHARD_INDEX=${index})
    endif()
    # Entries that run at the same time write to folders of their own.
    list(APPEND environment PATINA_SCRATCH=${entry})
    add_test(NAME ${entry} COMMAND ${command})
    set_tests_properties(${entry} PROPERTIES TIMEOUT ${arg_TIMEOUT} COST ${arg_COST}
      PROCESSORS ${arg_PROCESSORS} LABELS "${PATINA_TEST_LABELS};${arg_LABELS}"
      ENVIRONMENT "${environment}")
  endforeach()
endfunction()

# What all tests include is precompiled twice: with LibTorch and without. The headers belong to a
# program of their own, because they must be compiled the way the programs that use them are.
function(patina_test_headers name library)
  add_executable(${name} EXCLUDE_FROM_ALL ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/support/headers.cc)
  target_link_libraries(${name} PRIVATE ${library} patina_options GTest::gtest_main)
  patina_compile_tests(${name})
  target_precompile_headers(${name} PRIVATE <gtest/gtest.h> <algorithm> <cmath> <filesystem> <fstream>
    <functional> <map> <memory> <fmt/format.h> <fmt/ranges.h> ${ARGN})
endfunction()
# Half the compile time of -O2; what tests spend their time in is the library.
function(patina_compile_tests name)
  target_compile_options(${name} PRIVATE $<$<CONFIG:Release>:-O1>)
endfunction()
if(PATINA_PCH)
  patina_test_headers(patina_core_test_headers patina_core)
  patina_test_headers(patina_test_headers patina
    ${PROJECT_SOURCE_DIR}/patina/ops.h ${PROJECT_SOURCE_DIR}/patina/learners/registry.h
    ${PROJECT_SOURCE_DIR}/patina/config/recipe_file.h)
endif()

# patina_test_program(NAME LIBRARY source...): a GoogleTest program without an entry.
function(patina_test_program name library)
  add_executable(${name} ${ARGN})
  patina_compile_tests(${name})
  if(PATINA_PCH)
    target_precompile_headers(${name} REUSE_FROM ${library}_test_headers)
  endif()
  # zlib: some tests pack their own files.
  target_link_libraries(${name} PRIVATE ${library} patina_options GTest::gtest_main ZLIB::ZLIB)
  target_compile_definitions(${name} PRIVATE
    PATINA_SOURCE_DIR="${PROJECT_SOURCE_DIR}" PATINA_BINARY_DIR="${CMAKE_BINARY_DIR}")
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR})
  if(library STREQUAL patina_core)
    add_dependencies(core_tests ${name})
  endif()
  patina_unity(${name})
endfunction()

# patina_test(NAME LIBRARY source... [options of patina_entry]): a program and its entry.
function(patina_test name library)
  cmake_parse_arguments(PARSE_ARGV 2 arg ""
    "FILTER;SHARDS;COST;PROCESSORS;TIMEOUT" "LABELS;ENVIRONMENT")
  set(options)
  foreach(option FILTER SHARDS COST PROCESSORS TIMEOUT ENVIRONMENT)
    if(DEFINED arg_${option})
      list(APPEND options ${option} ${arg_${option}})
    endif()
  endforeach()
  if(library STREQUAL patina_core)
    list(APPEND arg_LABELS core)
  endif()
  patina_test_program(${name} ${library} ${arg_UNPARSED_ARGUMENTS})
  patina_entry(${name} ${name} ${options} LABELS ${arg_LABELS})
endfunction()
