#!/bin/bash
# SPDX-License-Identifier: MIT
#
# make quality: how well our samplers search beside the current Optuna (bench/quality/quality.py says what is measured). Runs are kept
# in build/quality, and Optuna's are done once. Words given here go to quality.py: tools/quality.sh --seeds 10 one
set -euo pipefail
cd "$(dirname "$0")/.."
tools/setup.sh bench
# shellcheck source=/dev/null
. build/env.sh
echo "quality: building the release"
cmake --preset release --log-level=WARNING >/dev/null
cmake --build --preset release -- --quiet
exec python3 bench/quality/quality.py --build build/release --into build/quality "$@"
