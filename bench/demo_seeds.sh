#!/bin/bash
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2034,SC2154 # variables are shared with tools/demo_faster.sh
#
# bench/demo_seeds.sh [SEEDS [TRIALS]]: the demo's second job ("as small as zstd -19, in less time") with TPE and with random search,
# several seeds each, the same number of trials and the same pruner. Prints a table: the least time, as a part of that of -19, at no
# more bytes; as it was found, and measured again in turns with -19. SEEDS: 5, TRIALS: 100 by default; TRIALOG_DEMO_SAMPLERS names
# other samplers to compare. Needs the release build (make) and zstd; runs half an hour on a busy machine, a few minutes on an idle one.
set -euo pipefail
cd "$(dirname "$0")/.."
export LC_ALL=C

seeds=${1:-5}
trials=${2:-100}
samplers=${TRIALOG_DEMO_SAMPLERS:-tpe random}
workers=2
release=${TRIALOG_DEMO_RELEASE:-build/release}
out=${TRIALOG_DEMO_OUT:-demo-out/seeds}
mkdir -p "$out"
# shellcheck source=tools/demo_faster.sh
source tools/demo_faster.sh

make_parts
measure_level_19
echo "zstd -19: $size_19 bytes, $time_19 us of processor time; $trials trials, pruner ${TRIALOG_DEMO_PRUNER:-median}, $workers workers"
printf '%-8s %4s %9s %7s %7s %8s %8s %8s   %s\n' sampler seed complete pruned seconds found again bytes setting

# one_search SAMPLER SEED
one_search()
{
    local journal=$out/$1-$2.journal began=$SECONDS worker value bytes setting measured best=
    rm -f "$journal"*
    search_command "$journal" s "$1" "$2" "$trials" 3600
    for worker in $(seq $workers); do
        "${search[@]}" >"$out/worker-$worker.txt" 2>&1 &
    done
    wait
    local counts took=$((SECONDS - began))
    counts=$("$trialog" export --storage "$journal" | awk -F, '
        NR == 1 { for (i = 1; i <= NF; i++) if ($i == "state") state = i }
        { n[$state]++ } END { print n["COMPLETE"] + 0, n["PRUNED"] + 0 }')
    # the three that looked best, measured again: the best of them is the result
    while read -r value bytes _ setting; do
        # shellcheck disable=SC2086 # a list of words
        measured=$(again 3 $setting | awk '{ printf "%.4f", $2 / $3 }')
        best+="$measured $value $bytes ${setting// /,}"$'\n'
    done < <(best_settings "$journal" s 3)
    best=${best:-"1.0000 1.0000 $size_19 (nothing that beats -19)"}
    read -r measured value bytes setting <<<"$(sort -g <<<"$best" | grep . | head -n 1)"
    printf '%-8s %4d %9d %7d %7d %8.4f %8.4f %8d   %s\n' "$1" "$2" "${counts% *}" "${counts#* }" "$took" "$value" "$measured" "$bytes" \
        "$setting"
    echo "$1 $measured" >>"$out/results.txt"
}

rm -f "$out/results.txt"
for seed in $(seq "$seeds"); do
    for sampler in $samplers; do
        one_search "$sampler" "$seed"
    done
done
echo
echo "least time as a part of that of zstd -19, at no more bytes (measured again; 1: nothing found):"
for sampler in $samplers; do
    grep "^$sampler " "$out/results.txt" | sort -g -k2 | awk '
        { v[NR] = $2; sum += $2 }
        END { printf "  %-8s median %.3f, mean %.3f, best %.3f, worst %.3f\n", $1, v[int((NR + 1) / 2)], sum / NR, v[1], v[NR] }'
done
