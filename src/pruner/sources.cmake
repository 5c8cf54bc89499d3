# SPDX-License-Identifier: MIT
set(pruner_sources halving.c hyperband.c memories.c patient.c percentile.c pruner.c rungs.c threshold.c wilcoxon.c)
