# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# The job "as small as zstd -19, in less time", for tools/demo.sh and bench/demo_seeds.sh, which source it: the data, what -19
# needs for it, one search, and measuring settings again. They set $out (a folder), $release and $workers.
#
# The data: eight tars of about half a megabyte each of /usr/include, each compressed by itself. The value of a trial
# (examples/zstd_faster.c): processor time as a part of that of -19, which runs again beside it, while the sum of the sizes is at most
# that of -19; otherwise above 1. After each file the trial reports how it does so far, so that a pruner can stop it.
# shellcheck disable=SC2034 # used by those who source it

: "${release:?}" "${out:?}" "${workers:?}"
trialog=$release/trialog
faster=$release/examples/zstd_faster
parts=$out/parts
profile=$out/level-19.txt

# Writes $parts/1.tar to 8.tar: files in the order of their names, always the same ones on the same machine.
make_parts()
{
    local i
    mkdir -p "$parts"
    rm -f "$parts"/*
    find /usr/include -type f -size -400k -printf '%s %P\n' | LC_ALL=C sort -k2 |
        awk -v max=500000 -v parts="$parts" '
            { size = $1; sub(/^[0-9]+ /, ""); if (total + size > max) { total = 0; n++ }
              total += size; if (n < 8) print >(parts "/" n + 1 ".list") }'
    for i in "$parts"/*.list; do
        tar -C /usr/include --no-recursion --mtime=@0 --owner=0 --group=0 --numeric-owner -cf "${i%.list}.tar" -T "$i"
    done
}

# What -19 needs, measured in as many processes at once as the search will have; the one with the middle time counts.
measure_level_19()
{
    local i
    for i in $(seq "$workers"); do "$faster" profile "$parts"/*.tar >"$out/profile-$i" & done
    wait
    for i in $(seq "$workers"); do
        echo "$(awk '{ t += $2 } END { print t }' "$out/profile-$i") $i"
    done | sort -n | awk '{ v[NR] = $2 } END { print v[int((NR + 1) / 2)] }' >"$out/profile-middle"
    cp "$out/profile-$(cat "$out/profile-middle")" "$profile"
    rm -f "$out"/profile-*
    read -r size_19 time_19 <<<"$(awk '{ s += $1; t += $2 } END { print s, t }' "$profile")"
}

# search_command JOURNAL STUDY SAMPLER SEED TRIALS SECONDS: puts the words of a worker into the array `search`. The first trial is what
# -19 itself does with files of this size.
search_command()
{
    search=("$trialog" optimize --storage "$1" --study-name "$2" --sampler "$3" --seed "$4" --trials "$5" --timeout "${6}s"
        --pruner "${TRIALOG_DEMO_PRUNER:-median}"
        --trial-timeout 60s
        --param 'strategy=int(6,9)'
        --param 'wlog=int(17,21)'
        --param 'hlog=int(10,22)'
        --param 'clog=int(14,22)'
        --param 'slog=int(3,10)'
        --param 'mml=int(3,6)'
        --param 'tlen=int(8,999,log)'
        --enqueue 'strategy=9,wlog=20,hlog=20,clog=21,slog=7,mml=3,tlen=256'
        -- "$faster" trial "$profile" 'strategy={strategy}' 'wlog={wlog}' 'hlog={hlog}' 'clog={clog}' 'slog={slog}'
        'mml={mml}' 'tlen={tlen}')
}

# best_settings JOURNAL STUDY N: the N best complete trials that beat -19 where they ran, but for the first one, which is -19:
# "VALUE BYTES NUMBER NAME=VALUE..."
best_settings()
{
    "$trialog" export --storage "$1" --study-name "$2" | awk -F, '
        NR == 1 { for (i = 1; i <= NF; i++) { if ($i == "value") value = i
                                              if ($i == "state") state = i
                                              if ($i == "user_attrs_bytes") bytes = i
                                              if (sub(/^params_/, "", $i)) param[i] = $i } next }
        $1 > 0 && $state == "COMPLETE" && $value != "" && $value < 1 {
            line = ""
            for (i = 1; i <= NF; i++) if (i in param && $i != "") line = line " " param[i] "=" int($i)
            printf "%s %d %d%s\n", $value, $bytes, $1, line }' | sort -g | head -n "$3"
}

# again N NAME=VALUE...: N runs in turns with -19: "BYTES TIME TIME_19", the medians of both times, in microseconds
again()
{
    local n=$1 i
    shift
    for i in $(seq "$n"); do
        echo "$("$faster" run "$profile" "--zstd=$(tr ' ' , <<<"$*")") $("$faster" run "$profile" -19)"
    done | awk '
        { bytes = $1; ours[NR] = $2; theirs[NR] = $4 }
        function middle(v,    i, k, t) {
            for (i = 2; i <= NR; i++) for (k = i; k > 1 && v[k - 1] > v[k]; k--) { t = v[k]; v[k] = v[k - 1]; v[k - 1] = t }
            return v[int((NR + 1) / 2)] }
        END { print bytes, middle(ours), middle(theirs) }'
}
