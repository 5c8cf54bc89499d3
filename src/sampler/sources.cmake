# SPDX-License-Identifier: MIT
set(sampler_sources sampler.c random.c grid.c grid_order.c grid_cells.c)
