# SPDX-License-Identifier: MIT
#
# Removes the files that the last `cmake --install` of this build directory wrote (cmake -DMANIFEST=FILE -P uninstall.cmake).
# Folders stay, because others may use them.

if(NOT EXISTS "${MANIFEST}")
  message(FATAL_ERROR "nothing to uninstall: ${MANIFEST} does not exist")
endif()
file(STRINGS "${MANIFEST}" files)
foreach(file IN LISTS files)
  set(path "$ENV{DESTDIR}${file}")
  if(EXISTS "${path}" OR IS_SYMLINK "${path}")
    message(STATUS "Removing ${path}")
    file(REMOVE "${path}")
  endif()
endforeach()
