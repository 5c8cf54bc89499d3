/* SPDX-License-Identifier: MIT
 *
 * Every statement of the SQL storages, once, in the SQL that SQLite 3.35, PostgreSQL 11, MariaDB 10.5 and MySQL 8 share.
 *
 * Words in braces are the driver's (struct sql_dialect); `?` is a parameter, which sql.c turns into $1, $2 … where the driver wants
 * that. All numbers are 64-bit integers, names and payloads are bytes. What changes a stream locks its row first, in a statement of
 * its own: under READ COMMITTED the later ones then see what was committed while we waited (a statement that waited itself would
 * see the time before).
 */
#ifndef TL_SQL_TEXT_H
#define TL_SQL_TEXT_H

/* Creating the tables. trialog_meta has one row. trialog_stream.name is NULL when its study was deleted; `tag` tells two streams with the
 * same number apart (a restored backup). A row of trialog_op is one append: `count` operations from `first_seq` on, one line each.
 * trialog_writer has a row per worker, and one with an empty name whose last_n counts looks at leases, and whose late_at says until when
 * somebody saves a snapshot. */
#define SQL_SCHEMA_LIST(X)                                                                                                      \
    X("CREATE TABLE IF NOT EXISTS trialog_meta (one {int} NOT NULL PRIMARY KEY, schema_version {int} NOT NULL, "                \
      "min_reader {int} NOT NULL, min_writer {int} NOT NULL, next_stream {int} NOT NULL){table_end}")                           \
    X("CREATE TABLE IF NOT EXISTS trialog_stream (id {int} NOT NULL PRIMARY KEY, name {name} NULL UNIQUE, tag {short} NOT NULL, " \
      "head {int} NOT NULL, base {int} NOT NULL, snapshot_seq {int} NOT NULL, snapshot_bytes {int} NOT NULL, "                  \
      "summary_seq {int} NOT NULL, summary {bytes} NULL){table_end}")                                                           \
    X("CREATE TABLE IF NOT EXISTS trialog_op (stream {int} NOT NULL, first_seq {int} NOT NULL, count {int} NOT NULL, "          \
      "worker {short} NOT NULL, n {int} NOT NULL, payload {bytes} NOT NULL, PRIMARY KEY (stream, first_seq)){table_end}")       \
    X("CREATE TABLE IF NOT EXISTS trialog_snapshot (stream {int} NOT NULL, seq {int} NOT NULL, part {int} NOT NULL, "           \
      "bytes {bytes} NOT NULL, PRIMARY KEY (stream, seq, part)){table_end}")                                                    \
    X("CREATE TABLE IF NOT EXISTS trialog_writer (stream {int} NOT NULL, worker {short} NOT NULL, last_n {int} NOT NULL, "      \
      "beat {int} NOT NULL, lease_ms {int} NOT NULL, retries {int} NOT NULL, closed {int} NOT NULL, late_at {int} NOT NULL, "   \
      "late_beat {int} NOT NULL, PRIMARY KEY (stream, worker)){table_end}")                                                     \
    X("INSERT INTO trialog_meta (one, schema_version, min_reader, min_writer, next_stream) SELECT 1, 1, 1, 1, 1{dual} "         \
      "WHERE NOT EXISTS (SELECT 1 FROM trialog_meta)")

/* X(id, text) */
#define SQL_TEXT_LIST(X)                                                                                                        \
    X(SQL_META, "SELECT schema_version, min_reader, min_writer FROM trialog_meta")                                              \
    /* -- a stream: what is new. position, worker, n of what need not travel, position, from, stream, worker, stream, rows. A long payload \
     * travels only in the first new row: so an answer has a bound. The last row of all always comes along (there is one): MySQL \
     * would sort the rows of an outer join in a temporary table, on disk, each time */                                         \
    X(SQL_READ,                                                                                                                 \
      "SELECT s.head, s.base, s.snapshot_bytes, s.tag, CASE WHEN s.name IS NULL THEN 1 ELSE 0 END, w.last_n, o.first_seq, "     \
      "o.count, o.worker, o.n, CASE WHEN o.first_seq < ? OR (o.worker = ? AND o.n = ?) THEN NULL "                              \
      "WHEN o.first_seq > ? AND LENGTH(o.payload) > 65536 THEN NULL ELSE o.payload END "                                        \
      "FROM trialog_stream s JOIN trialog_op o ON o.stream = s.id AND o.first_seq >= {least}(?, (SELECT MAX(p.first_seq) "      \
      "FROM trialog_op p WHERE p.stream = ?)) LEFT JOIN trialog_writer w ON w.stream = s.id AND w.worker = ? "                  \
      "WHERE s.id = ? ORDER BY o.first_seq LIMIT ?")                                                                            \
    X(SQL_HEAD, "SELECT head FROM trialog_stream WHERE id = ?")                                                                 \
    /* -- an append: lock, write if it holds, raise head and the writer's number, and SQL_READ. A driver may have these four in words of \
     * its own (sql_driver.own_texts), which pass on what the first of them saw */                                              \
    X(SQL_LOCK, "SELECT head FROM trialog_stream WHERE id = ?{for_update}")                                                     \
    /* stream, worker, n, the worker's last n, position, position, exact (0 or 1), position: as in SQL_PUT */                   \
    X(SQL_LOCK_PUT, "SELECT head FROM trialog_stream WHERE id = ?{for_update}")                                                 \
    /* count, worker, n, payload, stream, position, position, exact (0 or 1), position, worker, n, the worker's last n. A       \
     * database that went back in time since the position has a smaller head, or another last n, and takes nothing that was     \
     * decided before. */                                                                                                       \
    X(SQL_PUT,                                                                                                                  \
      "INSERT INTO trialog_op (stream, first_seq, count, worker, n, payload) SELECT s.id, s.head, ?, ?, ?, ? "                  \
      "FROM trialog_stream s WHERE s.id = ? AND s.name IS NOT NULL AND s.base <= ? AND s.head >= ? AND (? = 0 OR s.head = ?) "  \
      "AND EXISTS (SELECT 1 FROM trialog_writer w WHERE w.stream = s.id AND w.worker = ? AND w.last_n < ? AND w.last_n >= ?)")  \
    /* stream, worker, stream, worker: the first append of a worker; one that is there already stays */                         \
    X(SQL_NEW_WRITER,                                                                                                           \
      "INSERT INTO trialog_writer (stream, worker, last_n, beat, lease_ms, retries, closed, late_at, late_beat) "               \
      "SELECT ?, ?, 0, {now}, 0, 0, 0, 0, 0{dual} "                                                                             \
      "WHERE NOT EXISTS (SELECT 1 FROM trialog_writer WHERE stream = ? AND worker = ?)")                                        \
    /* n of the last operation, stream, worker, n of the first: only if SQL_PUT wrote a row at the head */                      \
    X(SQL_RAISE_WRITER,                                                                                                         \
      "UPDATE trialog_writer SET last_n = ?, beat = {now} WHERE stream = ? AND worker = ? AND last_n < ? AND EXISTS "           \
      "(SELECT 1 FROM trialog_op o, trialog_stream s WHERE s.id = trialog_writer.stream AND o.stream = s.id "                   \
      "AND o.first_seq = s.head)")                                                                                              \
    /* count, stream */                                                                                                         \
    X(SQL_RAISE_HEAD,                                                                                                           \
      "UPDATE trialog_stream SET head = head + ? WHERE id = ? AND EXISTS (SELECT 1 FROM trialog_op o "                          \
      "WHERE o.stream = trialog_stream.id AND o.first_seq = trialog_stream.head)")                                              \
    /* -- the catalog */                                                                                                        \
    X(SQL_LOCK_META, "SELECT next_stream FROM trialog_meta{for_update}")                                                        \
    X(SQL_NEW_STREAM, /* name, tag, limit, name */                                                                              \
      "INSERT INTO trialog_stream (id, name, tag, head, base, snapshot_seq, snapshot_bytes, summary_seq, summary) "             \
      "SELECT m.next_stream, ?, ?, 1, 0, 0, 0, 0, NULL FROM trialog_meta m WHERE m.next_stream < ? "                            \
      "AND NOT EXISTS (SELECT 1 FROM trialog_stream s WHERE s.name = ?)")                                                       \
    X(SQL_NEW_STREAM_OP, /* worker, n, payload */                                                                               \
      "INSERT INTO trialog_op (stream, first_seq, count, worker, n, payload) SELECT m.next_stream, 0, 1, ?, ?, ? "              \
      "FROM trialog_meta m WHERE EXISTS (SELECT 1 FROM trialog_stream s WHERE s.id = m.next_stream)")                           \
    X(SQL_NEW_STREAM_WRITER, /* worker, n */                                                                                    \
      "INSERT INTO trialog_writer (stream, worker, last_n, beat, lease_ms, retries, closed, late_at, late_beat) "               \
      "SELECT m.next_stream, ?, ?, {now}, 0, 0, 0, 0, 0 FROM trialog_meta m "                                                   \
      "WHERE EXISTS (SELECT 1 FROM trialog_stream s WHERE s.id = m.next_stream)")                                               \
    X(SQL_COUNT_STREAM,                                                                                                         \
      "UPDATE trialog_meta SET next_stream = next_stream + 1 "                                                                  \
      "WHERE EXISTS (SELECT 1 FROM trialog_stream s WHERE s.id = trialog_meta.next_stream)")                                    \
    X(SQL_FIND, "SELECT id, tag FROM trialog_stream WHERE name = ?")                                                            \
    X(SQL_LIST, "SELECT id, name, head, summary_seq, summary FROM trialog_stream ORDER BY id")                                  \
    X(SQL_ENTRY, "SELECT id, name, head, summary_seq, summary FROM trialog_stream WHERE id = ?")                                \
    X(SQL_SUMMARISE, "UPDATE trialog_stream SET summary_seq = ?, summary = ? WHERE id = ? AND summary_seq < ? AND name IS NOT NULL") \
    X(SQL_REMOVE_OP, /* worker, n, payload, stream */                                                                           \
      "INSERT INTO trialog_op (stream, first_seq, count, worker, n, payload) SELECT s.id, s.head, 1, ?, ?, ? "                  \
      "FROM trialog_stream s WHERE s.id = ? AND s.name IS NOT NULL")                                                            \
    X(SQL_REMOVE,                                                                                                               \
      "UPDATE trialog_stream SET name = NULL, base = head, head = head + 1, snapshot_seq = 0, snapshot_bytes = 0, "             \
      "summary_seq = 0, summary = NULL WHERE id = ? AND name IS NOT NULL")                                                      \
    X(SQL_REMOVE_OPS, /* stream, stream */                                                                                      \
      "DELETE FROM trialog_op WHERE stream = ? AND first_seq < (SELECT s.base FROM trialog_stream s WHERE s.id = ? "            \
      "AND s.name IS NULL)")                                                                                                    \
    X(SQL_REMOVE_PARTS, /* stream, stream */                                                                                    \
      "DELETE FROM trialog_snapshot WHERE stream = ? AND EXISTS (SELECT 1 FROM trialog_stream s WHERE s.id = ? "                \
      "AND s.name IS NULL)")                                                                                                    \
    X(SQL_REMOVED, /* stream: who removed it? */                                                                                \
      "SELECT o.worker, o.n, CASE WHEN s.name IS NULL THEN 1 ELSE 0 END FROM trialog_stream s "                                 \
      "LEFT JOIN trialog_op o ON o.stream = s.id AND o.first_seq = s.base WHERE s.id = ?")                                      \
    /* -- leases */                                                                                                             \
    X(SQL_TAKE, /* length, retries, closed, stream, worker */                                                                   \
      "UPDATE trialog_writer SET beat = {now}, lease_ms = ?, retries = ?, closed = ?, late_at = 0, late_beat = 0 "              \
      "WHERE stream = ? AND worker = ?")                                                                                        \
    X(SQL_RENEW, "UPDATE trialog_writer SET beat = {now} WHERE stream = ? AND worker = ? AND lease_ms > 0")                     \
    X(SQL_TOUCH, "UPDATE trialog_writer SET beat = {now} WHERE stream = ? AND worker = ?")                                      \
    X(SQL_DROP, "UPDATE trialog_writer SET lease_ms = 0 WHERE stream = ? AND worker = ?")                                       \
    X(SQL_TURN, /* stream, worker '', counter known: ours if nobody else asked since */                                         \
      "UPDATE trialog_writer SET last_n = last_n + 1, beat = {now} WHERE stream = ? AND worker = ? AND last_n = ?")             \
    X(SQL_NOW, /* worker '', stream */                                                                                          \
      "SELECT {now}, w.last_n FROM trialog_stream s LEFT JOIN trialog_writer w ON w.stream = s.id AND w.worker = ? "            \
      "WHERE s.id = ?")                                                                                                         \
    X(SQL_LOOK, "SELECT beat, lease_ms, retries, closed, late_at, late_beat FROM trialog_writer WHERE stream = ? AND worker = ?") \
    X(SQL_LATE, /* now, stream, worker, beat */                                                                                 \
      "UPDATE trialog_writer SET late_at = ?, late_beat = beat WHERE stream = ? AND worker = ? AND beat = ?")                   \
    X(SQL_LEASES, "SELECT worker FROM trialog_writer WHERE stream = ? AND lease_ms > 0")                                        \
    /* -- snapshots */                                                                                                          \
    /* Whose turn is it to save one? late_at of the row without a worker is until when somebody is at it: microseconds from now, stream, \
     * worker '', position of the newest that may be there already */                                                           \
    X(SQL_SAVE_TURN,                                                                                                            \
      "UPDATE trialog_writer SET late_at = {now} + ? WHERE stream = ? AND worker = ? AND late_at < {now} AND EXISTS "            \
      "(SELECT 1 FROM trialog_stream s WHERE s.id = trialog_writer.stream AND (s.snapshot_seq = 0 OR s.snapshot_seq <= ?))")     \
    X(SQL_SAVE_GOES_ON, "UPDATE trialog_writer SET late_at = {now} + ? WHERE stream = ? AND worker = ?")                         \
    X(SQL_SAVE_ENDS, "UPDATE trialog_writer SET late_at = 0 WHERE stream = ? AND worker = ?")                                    \
    X(SQL_PART_PUT, "INSERT INTO trialog_snapshot (stream, seq, part, bytes) VALUES (?, ?, ?, ?)")                              \
    X(SQL_PART_GET, "SELECT bytes FROM trialog_snapshot WHERE stream = ? AND seq = ? AND part = ?")                             \
    X(SQL_PARTS_DROP, /* stream, seq, stream: unless they are announced */                                                      \
      "DELETE FROM trialog_snapshot WHERE stream = ? AND seq = ? "                                                              \
      "AND seq <> (SELECT s.snapshot_seq FROM trialog_stream s WHERE s.id = ?)")                                                \
    X(SQL_SNAPSHOT, "SELECT snapshot_seq, snapshot_bytes, base FROM trialog_stream WHERE id = ?")                               \
    /* seq, bytes, base, base, stream, seq, seq, stream, seq, parts: only if all parts are there still, and the operations */   \
    X(SQL_PUBLISH,                                                                                                              \
      "UPDATE trialog_stream SET snapshot_seq = ?, snapshot_bytes = ?, base = CASE WHEN base < ? THEN ? ELSE base END "         \
      "WHERE id = ? AND name IS NOT NULL AND snapshot_seq < ? AND head >= ? "                                                   \
      "AND (SELECT COUNT(*) FROM trialog_snapshot p WHERE p.stream = ? AND p.seq = ?) = ?")                                     \
    X(SQL_TRIM, /* stream, stream */                                                                                            \
      "DELETE FROM trialog_op WHERE stream = ? AND first_seq + count <= (SELECT s.base FROM trialog_stream s WHERE s.id = ?)")  \
    X(SQL_TRIM_WRITERS, /* stream, microseconds, worker '': who was silent for so long sends nothing any more that came before */ \
      "DELETE FROM trialog_writer WHERE stream = ? AND lease_ms = 0 AND beat < {now} - ? AND worker <> ?")                      \
    X(SQL_TRIM_PARTS, /* stream, stream */                                                                                      \
      "DELETE FROM trialog_snapshot WHERE stream = ? AND seq < (SELECT s.snapshot_seq FROM trialog_stream s WHERE s.id = ?)")

enum sql_text {
#define SQL_X(id, text) id,
    SQL_TEXT_LIST(SQL_X)
#undef SQL_X
    SQL_N_TEXTS
};

#endif
