# SPDX-License-Identifier: MIT
set(numeric_sources rng.c)
