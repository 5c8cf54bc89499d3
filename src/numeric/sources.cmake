# SPDX-License-Identifier: MIT
set(numeric_sources order_stat.c rng.c)
