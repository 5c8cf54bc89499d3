set(engine_sources
  snapshot.c
  storage.c
  store.c
  view.c)
