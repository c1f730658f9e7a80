# How patina's own targets are compiled and linked: warnings, sanitizers, the linker. All of it comes
# with the target patina_options, so that nothing changes for a project that patina is part of.
add_library(patina_options INTERFACE)
target_compile_features(patina_options INTERFACE cxx_std_20)
target_compile_options(patina_options INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra;-Wno-missing-field-initializers>)
# GCC 12 warns of std::string's own copies (its bug 105651), and where headers are precompiled does not
# know them for the system's.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  target_compile_options(patina_options INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wno-restrict;-Wno-stringop-overflow;-Wno-stringop-overread;-Wno-array-bounds>)
endif()
# The collector of GCC would go through all that a precompiled header holds, again and again.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(patina_options INTERFACE
    "$<$<COMPILE_LANGUAGE:CXX>:SHELL:--param ggc-min-expand=1000;SHELL:--param ggc-min-heapsize=2000000>")
endif()
if(PATINA_WERROR)
  target_compile_options(patina_options INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Werror>)
endif()
if(PATINA_SANITIZE)
  target_compile_options(patina_options INTERFACE
    -fsanitize=${PATINA_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")  # it warns falsely of code that it instruments
    target_compile_options(patina_options INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wno-maybe-uninitialized>)
  endif()
  target_link_options(patina_options INTERFACE -fsanitize=${PATINA_SANITIZE})
endif()

# patina_unity(TARGET): eight of its sources in one, where PATINA_UNITY asks for it. Each is compiled alone in a
# build without, as clang-tidy sees it.
function(patina_unity target)
  set_target_properties(${target} PROPERTIES UNITY_BUILD ${PATINA_UNITY})
  # What a source keeps to itself looks to GCC like a part of a header there.
  if(PATINA_UNITY AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(${target} PRIVATE -Wno-subobject-linkage)
  endif()
endfunction()

# What follows is for a build of patina alone.
if(NOT PROJECT_IS_TOP_LEVEL)
  return()
endif()
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)

find_program(PATINA_LLD ld.lld)
if(PATINA_LLD)
  target_link_options(patina_options INTERFACE -fuse-ld=lld)
endif()
find_program(PATINA_CCACHE ccache)
if(PATINA_CCACHE AND NOT PATINA_PCH)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${PATINA_CCACHE})
endif()
