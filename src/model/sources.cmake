set(model_sources
  facts.c
  live.c
  row.c
  state.c
  state_trial.c)
