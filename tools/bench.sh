#!/bin/bash
# SPDX-License-Identifier: MIT
#
# make bench: the release build beside the current Optuna, both in one run (bench/bench.py says what is measured). Journals are
# made in build/bench, whose disk's flush rate is printed. Words given here go to bench.py: tools/bench.sh ask
set -euo pipefail
cd "$(dirname "$0")/.."
tools/setup.sh bench
# shellcheck source=/dev/null
. build/env.sh
echo "bench: building the release"
cmake --preset release -DTRIALOG_PYTHON=ON --log-level=WARNING >/dev/null
cmake --build --preset release -- --quiet
exec python3 bench/bench.py --build build/release --folder build/bench "$@"
