# patina_embed(TARGET NAME FILE): links FILE's bytes into TARGET as
#   extern const unsigned char NAME[];  extern const unsigned char NAME_end[];
function(patina_embed target name file)
  set(source ${CMAKE_CURRENT_BINARY_DIR}/${name}.S)
  # Written where it changes only: else every configuration would build all of it again.
  file(CONFIGURE OUTPUT ${source} @ONLY CONTENT "\
    .section .rodata\n\
    .global ${name}\n\
    .global ${name}_end\n\
    .balign 64\n\
${name}:\n\
    .incbin \"${file}\"\n\
${name}_end:\n\
    .byte 0\n\
    .section .note.GNU-stack,\"\",@progbits\n")
  # The target may live in a parent folder, where properties set here would not be seen.
  set_source_files_properties(${source} TARGET_DIRECTORY ${target}
    PROPERTIES OBJECT_DEPENDS ${file})
  target_sources(${target} PRIVATE ${source})
endfunction()
