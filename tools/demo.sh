#!/bin/bash
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2034,SC2154 # variables are shared with tools/demo_faster.sh
#
# make demo: four worker processes tune zstd's advanced parameters together, through one journal file. Two jobs, two studies.
#
# The first job: the smallest archive of a part of /usr/include within the processor time that `zstd -6` takes for it. Processor time is
# user and system time of the child, not time on the clock. A trial's value is the compressed size; a setting that takes
# longer than allowed gets a value above the size that -6 reaches, which grows with its time, so it can never win and a sampler still
# sees how far off it was. Times vary, so a setting that would win is measured in turns with -6 (examples/zstd_run.h); at the
# end the best ones are measured again, alone, and only what still keeps to the time counts.
#
# The second job: as small as `zstd -19`, in how little processor time? Here trials report how they do after each of eight files, and
# a pruner stops those that do badly (tools/demo_faster.sh).
#
# TRIALOG_DEMO_SECONDS (180) is the time for both searches, TRIALOG_DEMO_TRIALS (2000) the most trials of each; TRIALOG_DEMO_SAMPLER
# and TRIALOG_DEMO_PRUNER may name others than tpe and median. Leaves everything in demo-out/: the journal, the data, plots, the
# workers' output and report.txt.
set -euo pipefail
cd "$(dirname "$0")/.."
export LC_ALL=C

seconds=${TRIALOG_DEMO_SECONDS:-180}
sampler=${TRIALOG_DEMO_SAMPLER:-tpe}
trials=${TRIALOG_DEMO_TRIALS:-2000}
workers=4
data_bytes=12000000
out=demo-out
data=$out/include.tar
journal=$out/zstd.journal
release=build/release
objective=build/release/examples/zstd_objective

mkdir -p $out
# shellcheck source=tools/demo_faster.sh
source tools/demo_faster.sh

say() { echo "$*" | tee -a $out/report.txt; }

# ---- build ----

tools/setup.sh demo
echo "demo: building the release"
cmake --preset release --log-level=WARNING >/dev/null
cmake --build --preset release -- --quiet
mkdir -p $out
rm -f $journal* $out/worker-* $out/*.csv $out/*.svg $out/report.txt

# ---- data ----

# Files in the order of their names until 12 MB are full, always the same ones on the same machine.
find /usr/include -type f -printf '%s %P\n' | sort -k2 |
    awk -v max=$data_bytes '{ size = $1; sub(/^[0-9]+ /, "") } total + size <= max { total += size; print }' >$out/files.txt
tar -C /usr/include --no-recursion --mtime=@0 --owner=0 --group=0 --numeric-owner -cf $data -T $out/files.txt
say "demo: data: $(wc -l <$out/files.txt) files of /usr/include, $(wc -c <$data) bytes as $data"
if [ "$(wc -c <$data)" -lt 8000000 ]; then
    say "demo: there is little in /usr/include here: times are short, so results vary more"
fi

# ---- zstd -6: its settings, its size, its time ----

# "name=value ..." for the words of zstd_objective
level_6=$(zstd -6 --show-default-cparams $data -o /dev/null -q -f 2>&1 | awk '
    BEGIN { split("windowLog wlog hashLog hlog chainLog clog searchLog slog minMatch mml", names)
            for (i = 1; i in names; i += 2) short[names[i]] = names[i + 1] }
    $1 == "-" && $2 in short { printf "%s=%s,", short[$2], $4 }
    $1 == "-" && $2 == "strategy" { gsub(/[^0-9]/, "", $NF); printf "strategy=%s", $NF }') || true
case $level_6 in
    *wlog=*strategy=[1-6]) ;;
    *) level_6=wlog=21,clog=18,hlog=19,slog=3,mml=5,strategy=4 ;; # zstd 1.5
esac

median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

# Its time is measured in as many processes at once as the search will have.
echo "demo: measuring zstd -6 ($level_6)"
for _ in $(seq $workers); do $objective $data measure & done >$out/level-6.txt
wait
read -r size_6 _ <$out/level-6.txt
limit=$(cut -d' ' -f2 $out/level-6.txt | median)
say "demo: zstd -6: $size_6 bytes, $limit us of processor time while $workers run at a time"

# ---- searching ----

pids=() ticker=
stop()
{
    trap '' INT TERM
    echo
    echo "demo: stopping the workers"
    [ ${#pids[@]} -eq 0 ] || kill "${pids[@]}" $ticker 2>/dev/null || true
    wait
    exit 130
}
trap stop INT TERM

# run_search STUDY: runs the command in the array `search` in all workers
run_search()
{
    local worker status=0 began=$SECONDS pid
    for word in "${search[@]}"; do
        case $word in --param | --enqueue | --sampler | --pruner | --) printf ' \\\n        ' ;; esac
        [[ $word =~ ^[A-Za-z0-9_./=,:-]+$ ]] || word="'$word'"
        printf ' %s' "$word"
    done | sed '1s/^/   /' | tee -a $out/report.txt
    echo
    # Only the first worker draws the study's progress, and only on a terminal.
    for worker in $(seq $workers); do
        if [ "$worker" = 1 ] && [ -t 2 ]; then
            "${search[@]}" >"$out/worker-$worker.txt" &
        else
            "${search[@]}" >"$out/worker-$worker.txt" 2>&1 &
        fi
        pids+=($!)
    done
    if [ ! -t 2 ]; then
        # without a terminal, a line now and then says how far they are
        while sleep 10 >/dev/null 2>&1; do tail -n 1 $out/worker-1.txt | cut -c 1-200; done &
        ticker=$!
    fi
    for pid in "${pids[@]}"; do
        wait "$pid" || status=$?
    done
    pids=()
    [ -z "$ticker" ] || kill "$ticker"
    ticker=
    if [ $status != 0 ]; then
        say "demo: a worker ended with status $status:"
        tail -n 5 $out/worker-*.txt >&2
        exit 1
    fi
    "$trialog" export --storage $journal --study-name "$1" -o "$out/$1.csv"
    say "demo: $(($(wc -l <"$out/$1.csv") - 1)) trials in $((SECONDS - began)) seconds"
    "$trialog" plot history --storage $journal --study-name "$1" "${@:2}" -o "$out/$1.svg"
}

# Strategies 7 to 9, the optimal parsers, take several times the time allowed and are left out. The chain log matters from the
# second strategy on, the search log from the third, the target length for the first alone.
search=("$trialog" optimize --storage "$journal" --study-name smaller --sampler "$sampler" --seed 1 --trials "$trials"
    --timeout "$((seconds / 2))s" --trial-timeout 60s
    --param 'strategy=int(1,6)'
    --param 'wlog=int(19,25)'
    --param 'hlog=int(16,22)'
    --param 'clog=int(15,22) if strategy>=2'
    --param 'slog=int(1,6) if strategy>=3'
    --param 'mml=int(3,7)'
    --param 'tlen=int(1,64) if strategy==1'
    --enqueue "$level_6"
    -- "$objective" "$data" "$size_6" "$limit" 'strategy={strategy}' 'wlog={wlog}' 'hlog={hlog}' 'clog={clog}' 'slog={slog}' 'mml={mml}'
    'tlen={tlen}')
echo "demo: smaller than zstd -6 in its time: $workers workers, at most $trials trials and $((seconds / 2)) seconds:"
run_search smaller --title "zstd: bytes within the time of -6 (-6 itself: $size_6)"

# ---- the best, measured again ----

# Settings that came out smaller than -6 within the time, best first: size, number, words. Columns are found by their names.
# Those that were just within it come last: most of them were lucky.
candidates()
{
    awk -F, -v limit="$size_6" '
        NR == 1 { for (i = 1; i <= NF; i++) { if ($i == "value") value = i
                                              if ($i == "user_attrs_time") time = i
                                              if (sub(/^params_/, "", $i)) param[i] = $i } next }
        $value != "" && $value + 0 < limit + 0 {
            line = ""
            for (i = 1; i <= NF; i++) if (i in param && $i != "") line = line " " param[i] "=" int($i)
            printf "%d %d %d%s\n", ($time > 0.97), $value, $1, line }' $out/smaller.csv |
        sort -n -k1,1 -k2,2 | head -n 12 | cut -d' ' -f2-
}

# compare N WORD...: the median processor time of N measurements in turns with -6; prints "TIME TIME_OF_6"
compare()
{
    local n=$1
    shift
    for _ in $(seq "$n"); do
        echo "$($objective $data run "$@" | cut -d' ' -f2) $($objective $data run -6 | cut -d' ' -f2)"
    done >$out/again.txt
    echo "$(cut -d' ' -f1 $out/again.txt | median) $(cut -d' ' -f2 $out/again.txt | median)"
}

say "demo: smaller than zstd -6 within its time: $(candidates | wc -l) of the best trials; measuring them again, alone"
found=
while read -r size number setting; do
    # shellcheck disable=SC2086 # a list of words
    read -r time time_6 <<<"$(compare 11 $setting)"
    if [ "$time" -le "$time_6" ]; then
        found=yes
        break
    fi
    echo "demo: trial $number ($size bytes) takes $time us against $time_6 us: over the limit after all"
done < <(candidates)
rm -f $out/again.txt $out/level-6.txt

if [ -z "$found" ]; then
    say "demo: nothing better than zstd -6 was found this time"
else
    saved=$(awk -v a="$size" -v b="$size_6" 'BEGIN { printf "%.2f", 100 * (b - a) / b }')
    say ""
    say "                     bytes    processor time (median of 11, in turns)"
    say "$(printf 'zstd -6       %12d %12d us   %s' "$size_6" "$time_6" "$level_6")"
    say "$(printf 'best found    %12d %12d us   %s' "$size" "$time" "${setting// /,}")"
    say ""
    say "demo: trial $number is $saved % smaller than zstd -6 in no more processor time"
    say "      zstd --single-thread --zstd=$(tr -s ' ' , <<<"$setting") $data"
fi

# ---- the second job: as small as -19, in less time ----

say ""
echo "demo: measuring zstd -19 on eight files"
make_parts
measure_level_19
say "demo: zstd -19: $size_19 bytes, $time_19 us of processor time for $(cat "$parts"/*.tar | wc -c) bytes in eight files"
search_command "$journal" faster "$sampler" 1 "$trials" $((seconds / 2))
echo "demo: as small as zstd -19 in less time: $workers workers, at most $trials trials and $((seconds / 2)) seconds:"
run_search faster --log --title 'zstd: time as a part of that of -19 (above 1: larger than -19)'
say "demo: $(grep -c PRUNED $out/faster.csv) of the trials were stopped early by the pruner"

found=
while read -r _ bytes number setting; do
    # shellcheck disable=SC2086 # a list of words
    read -r _ time time_again <<<"$(again 3 $setting)"
    if [ $((time * 100)) -lt $((time_again * 98)) ] && { [ -z "$found" ] || [ $((time * 1000 / time_again)) -lt "$found" ]; }; then # less than 2 % may be chance
        found=$((time * 1000 / time_again))
        best=("$bytes" "$time" "$time_again" "$number" "$setting")
    fi
done < <(best_settings "$journal" faster 3)
if [ -z "$found" ]; then
    say "demo: nothing as small as zstd -19 in less time was found this time"
else
    say ""
    say "                     bytes    processor time (median of 3, in turns)"
    say "$(printf 'zstd -19      %12d %12d us' "$size_19" "${best[2]}")"
    say "$(printf 'best found    %12d %12d us   %s' "${best[0]}" "${best[1]}" "${best[4]// /,}")"
    say ""
    say "demo: trial ${best[3]} is $((size_19 - best[0])) bytes smaller than zstd -19, in $(((1000 - found) / 10)) % less processor time"
fi
echo "demo: kept in $out: journal $(basename $journal), smaller.csv, faster.csv, their histories as .svg, report.txt, worker-N.txt"
