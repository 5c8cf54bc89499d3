/* SPDX-License-Identifier: MIT
 *
 * The pass over a mixture's blocks, compiled for vectors of 2 doubles (SSE2, NEON), 4 (AVX2) and 8 (AVX-512), and chosen at the first
 * call. Nothing fails.
 */
#include "numeric/parzen_density.h"

#include <stdatomic.h>

#define LANES 2
#define TARGET
#define LANED(name) name##_2
#include "numeric/parzen_lanes.inc"
#undef LANES
#undef TARGET
#undef LANED

#if defined(__x86_64__)
#define LANES       4
#define TARGET      __attribute__((target("avx2")))
#define LANED(name) name##_4
#include "numeric/parzen_lanes.inc"
#undef LANES
#undef TARGET
#undef LANED

#define LANES       8
#define TARGET      __attribute__((target("avx512f,avx512dq")))
#define LANED(name) name##_8
#include "numeric/parzen_lanes.inc"
#undef LANES
#undef TARGET
#undef LANED
#endif

size_t pass_variants(struct pass_variant out[4])
{
    size_t n = 0;
    out[n++] = (struct pass_variant){"2 lanes", run_2};
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2")) {
        out[n++] = (struct pass_variant){"4 lanes (AVX2)", run_4};
    }
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq")) {
        out[n++] = (struct pass_variant){"8 lanes (AVX-512)", run_8};
    }
#endif
    return n;
}

static _Atomic(pass_run *) chosen;

void pass_force(pass_run *run)
{
    atomic_store(&chosen, run);
}

void pass_blocks(const struct pass *p)
{
    pass_run *run = atomic_load_explicit(&chosen, memory_order_relaxed);
    if (!run) {
        struct pass_variant all[4];
        run = all[pass_variants(all) - 1].run;
        atomic_store_explicit(&chosen, run, memory_order_relaxed);
    }
    run(p);
}
