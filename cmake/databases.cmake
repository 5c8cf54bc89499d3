# SPDX-License-Identifier: MIT
#
# Which databases can be built in. Only the headers of their client libraries are needed: the libraries themselves are opened when a
# URL asks for one. A driver whose headers are missing is left out; `trialog --version` says which are there.

# tl_database(NAME header [folder…]): defines TRIALOG_HAVE_<NAME> when src/journal has the driver and the header is found
function(tl_database name header)
  string(TOUPPER ${name} upper)
  if(NOT EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/src/journal/${name}.c)
    return()
  endif()
  find_path(TRIALOG_${upper}_HEADERS ${header} PATH_SUFFIXES ${ARGN})
  mark_as_advanced(TRIALOG_${upper}_HEADERS)
  if(TRIALOG_${upper}_HEADERS)
    set_source_files_properties(src/journal/${name}.c PROPERTIES INCLUDE_DIRECTORIES ${TRIALOG_${upper}_HEADERS})
    add_compile_definitions(TRIALOG_HAVE_${upper})
  else()
    message(STATUS "no ${header}: storages in ${name} are left out")
  endif()
endfunction()

tl_database(sqlite sqlite3.h)
tl_database(postgres libpq-fe.h postgresql)
tl_database(mysql mysql.h mariadb mysql)
tl_database(redis hiredis/hiredis.h)

# postgres_connect.c includes libpq's header, too.
if(TRIALOG_POSTGRES_HEADERS)
  set_source_files_properties(src/journal/postgres_connect.c PROPERTIES INCLUDE_DIRECTORIES ${TRIALOG_POSTGRES_HEADERS})
endif()

# What redis.c stands on includes the headers: redis_reply.c hiredis', redis_tls.c OpenSSL's (without them there is no rediss://).
if(TRIALOG_REDIS_HEADERS)
  set_source_files_properties(src/journal/redis_reply.c PROPERTIES INCLUDE_DIRECTORIES ${TRIALOG_REDIS_HEADERS})
  find_path(TRIALOG_OPENSSL_HEADERS openssl/ssl.h)
  mark_as_advanced(TRIALOG_OPENSSL_HEADERS)
  if(TRIALOG_OPENSSL_HEADERS)
    set_source_files_properties(src/journal/redis_tls.c PROPERTIES INCLUDE_DIRECTORIES ${TRIALOG_OPENSSL_HEADERS}
                                COMPILE_DEFINITIONS TRIALOG_HAVE_OPENSSL)
  else()
    message(STATUS "no openssl/ssl.h: Redis without TLS")
  endif()
endif()
