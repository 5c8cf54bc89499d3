#!/bin/bash
# SPDX-License-Identifier: MIT
#
# tools/check.sh fast|all|long: sets up, builds, tests. Every stage runs even when an earlier one failed. The last line
# is "N passed, N failed, N skipped" over all stages (a stage that does not build counts as one failed); the exit status
# is 0 only when nothing failed.
#
#   fast  gcc, the tests with the label fast
#   all   gcc: all but the long tests; address and undefined-behaviour sanitizers; thread sanitizer; clang; the other presets
#         compile; clang-tidy
#   long  all, and then the long tests
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
kind=${1:-all}
case $kind in fast | all | long) ;; *) echo "usage: tools/check.sh fast|all|long" >&2; exit 2 ;; esac

if [ "$kind" = long ]; then tools/setup.sh long; else tools/setup.sh check; fi || exit 1
# shellcheck source=/dev/null
. build/env.sh
reports=build/reports
rm -rf $reports && mkdir -p $reports
passed=0 failed=0 skipped=0 summary='' failures=''

title() { printf '\n==== %s ====\n' "$*"; }

finish_stage() # name, result
{
    summary+=$(printf '%-28s %4ds  %s' "$1" $((SECONDS - began)) "$2")$'\n'
}

# build NAME PRESET: 0 when it builds
build()
{
    began=$SECONDS
    title "build: $1"
    local log=$reports/$1-configure.txt
    if ! cmake --preset "$2" >"$log" 2>&1; then
        cat "$log"
    elif cmake --build --preset "$2" -- --quiet; then
        finish_stage "build $1" ok
        return 0
    fi
    failed=$((failed + 1))
    finish_stage "build $1" FAILED
    return 1
}

# run_tests NAME TEST-PRESET [ctest option…]
run_tests()
{
    began=$SECONDS
    title "tests: $1"
    local report=$PWD/$reports/$1.xml good bad skip
    ctest --preset "$2" --output-junit "$report" "${@:3}"
    good=$(with_status run "$report") bad=$(with_status fail "$report")
    skip=$(($(with_status notrun "$report") + $(with_status disabled "$report")))
    if [ $((good + bad + skip)) -eq 0 ]; then
        failed=$((failed + 1))
        finish_stage "tests $1" "FAILED: no test ran"
        return
    fi
    passed=$((passed + good)) failed=$((failed + bad)) skipped=$((skipped + skip))
    failures+=$(sed -nE "s/.*<testcase name=\"([^\"]*)\".* status=\"fail\".*/failed: \1 ($1)/p" "$report")$'\n'
    finish_stage "tests $1" "$good passed, $bad failed, $skip skipped"
}

with_status() # status, report; a report that is not there counts nothing
{
    local n
    n=$(grep -cs "^[[:blank:]]*<testcase .* status=\"$1\"" "$2")
    echo "${n:-0}"
}

# stage NAME PRESET TEST-PRESET
stage() { if build "$1" "$2"; then run_tests "$1" "$3"; fi; }

tidy()
{
    began=$SECONDS
    title "clang-tidy"
    if python3 tools/lint.py tidy --build build/ci-clang; then
        passed=$((passed + 1))
        finish_stage clang-tidy ok
    else
        failed=$((failed + 1))
        finish_stage clang-tidy FAILED
    fi
}

if [ "$kind" = fast ]; then
    stage gcc ci-gcc ci-fast
else
    # Some crash tests want to run on the optimised build without assertions, too.
    if build release release; then export TRIALOG_RELEASE_BUILD=$PWD/build/release; fi
    stage gcc ci-gcc ci-gcc
    stage asan ci-asan ci-asan
    stage tsan ci-tsan ci-tsan
    stage clang ci-clang ci-clang
    build fuzz fuzz
    build minimal minimal
    tidy
    if [ "$kind" = long ]; then run_tests long ci-long; fi
fi

title "summary"
printf '%s' "$summary"
[ -z "$failures" ] || printf '%s\n' "$failures" | grep .
printf '%d minutes %d seconds\n' $((SECONDS / 60)) $((SECONDS % 60))
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ]
