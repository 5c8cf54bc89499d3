# SPDX-License-Identifier: MIT
#
# The commands of README.md. CMake does the work (CMakePresets.json); this file only gives the way in.

PRESET = release

all:
	@tools/setup.sh build
	@cmake --preset $(PRESET) --log-level=WARNING
	@cmake --build --preset $(PRESET)

demo:
	@tools/demo.sh

check:
	@tools/check.sh all

check-fast:
	@tools/check.sh fast

check-long:
	@tools/check.sh long

bench:
	@tools/bench.sh

quality:
	@tools/quality.sh

install: all
	@cmake --install build/$(PRESET)

clean:
	rm -rf build demo-out

help:
	@echo 'make             build the library and the command in build/release'
	@echo 'make demo        tune zstd on real data with four workers: TPE, pruning, plots (a few minutes)'
	@echo 'make check       everything that must hold: all tests, sanitizers, both compilers (under 30 minutes)'
	@echo 'make check-fast  the same in short, for everyday work (under 3 minutes)'
	@echo 'make check-long  the long tier: hours of kills, faults and fuzzing'
	@echo 'make bench       benchmarks beside Optuna'
	@echo 'make quality     how well the samplers search, beside Optuna (about ten minutes the first time)'
	@echo 'make install     install build/release (as root for the default prefix /usr/local)'
	@echo 'make clean       remove build/ and demo-out/'
	@echo 'demo, check, bench and quality install missing Debian packages when they may (tools/setup.sh).'
	@echo 'Other builds: cmake --list-presets; one stage of the check: cmake --workflow --preset ci-asan'

.PHONY: all demo check check-fast check-long bench quality install clean help
