# SPDX-License-Identifier: MIT
#
# trialog_localize(TARGET OUTPUT): all objects of an object library as one relocatable object in which hidden symbols are
# local. Internal functions carry no prefix (json_string, buf_add); without this step a program that has its own
# json_string would not link against the static library. ELF and binutils (or LLVM's objcopy) only. Compiled with
# -flto the objects hold no symbols that objcopy could make local: use the shared library then.

function(trialog_localize target output)
  if(NOT CMAKE_OBJCOPY)
    message(FATAL_ERROR "objcopy is missing (Debian: apt-get install binutils)")
  endif()
  add_custom_command(
    OUTPUT ${output}
    COMMAND ${CMAKE_LINKER} -r -o ${output}.all $<TARGET_OBJECTS:${target}>
    COMMAND ${CMAKE_OBJCOPY} --localize-hidden ${output}.all ${output}
    COMMAND ${CMAKE_COMMAND} -E rm ${output}.all
    DEPENDS ${target} $<TARGET_OBJECTS:${target}>
    COMMENT "Making internal symbols local"
    COMMAND_EXPAND_LISTS VERBATIM)
  set_source_files_properties(${output} PROPERTIES EXTERNAL_OBJECT TRUE GENERATED TRUE)
endfunction()
