# SPDX-License-Identifier: MIT
set(pruner_sources memories.c percentile.c pruner.c)
