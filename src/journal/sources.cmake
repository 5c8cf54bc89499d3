set(journal_sources
  backend.c
  memory.c)
