# SPDX-License-Identifier: MIT
set(numeric_sources hssp.c hypervolume.c normal.c order_stat.c pareto.c parzen.c parzen_blocks.c parzen_density.c parzen_order.c rng.c signed_rank.c)
