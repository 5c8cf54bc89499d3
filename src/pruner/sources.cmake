# SPDX-License-Identifier: MIT
set(pruner_sources pruner.c)
