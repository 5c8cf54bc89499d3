set(model_sources
  facts.c
  image_read.c
  image_write.c
  live.c
  row.c
  state.c
  state_trial.c)
