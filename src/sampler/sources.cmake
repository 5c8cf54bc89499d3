# SPDX-License-Identifier: MIT
set(sampler_sources sampler.c loop.c random.c grid.c grid_order.c grid_cells.c
    tpe.c tpe_options.c tpe_history.c tpe_fronts.c tpe_groups.c tpe_finite.c tpe_given.c tpe_live.c tpe_space.c tpe_model.c)
