set(base_sources err.c guard.c thread.c mem.c buf.c stream.c svec.c map.c log.c os.c crc32c.c num.c time.c json.c)
