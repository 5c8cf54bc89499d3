set(journal_sources backend.c backend_check.c memory.c file.c file_read.c file_append.c file_flush.c file_keeper.c file_lock.c
    file_owner.c file_heal.c file_peers.c file_lease.c file_snapshot.c file_unlock.c url.c client_library.c
    sqlite.c sql.c sql_stream.c sql_snapshot.c sql_lease.c)
if(TRIALOG_POSTGRES_HEADERS)
  list(APPEND journal_sources postgres.c postgres_connect.c postgres_failure.c)
endif()
if(TRIALOG_MYSQL_HEADERS)
  list(APPEND journal_sources mysql.c)
endif()
if(TRIALOG_REDIS_HEADERS)
  list(APPEND journal_sources redis.c redis_url.c redis_io.c redis_tls.c redis_reply.c redis_script.c redis_link.c redis_probe.c
       redis_snapshot.c redis_lease.c)
endif()
