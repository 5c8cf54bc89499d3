#!/bin/bash
# SPDX-License-Identifier: MIT
#
# tools/setup.sh build|demo|bench|check|long: makes sure that what a target needs is installed, and says what it does.
#
# Debian packages that are missing are installed when we are root or have sudo without a password; otherwise one line
# says what to install, and the exit status is 1. bench, check and long also get Optuna: the current one in a virtual
# environment of its own (.venv-optuna), 3.1 from Debian; bench also gets Rustuna (.venv-rustuna). build/env.sh then names the
# Pythons. Running it again changes nothing and takes well under a second.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { echo "setup: $*"; }

target=${1:-}
build="gcc libc6-dev cmake ninja-build"
python="python3 python3-venv ca-certificates"
case $target in
    build) packages=$build ;;
    demo) packages="$build g++ zstd gnuplot-nox" ;; # g++ brings headers worth compressing
    bench) packages="$build zstd $python python3-optuna" ;;
    check | long)
        packages="$build g++ pkg-config check libsubunit-dev zstd strace mandoc clang libclang-rt-14-dev llvm"
        packages="$packages clang-tidy shellcheck gnuplot-nox $python python3-optuna" ;;
    *)
        echo "usage: tools/setup.sh build|demo|bench|check|long" >&2
        exit 2 ;;
esac

# ---- Debian packages ----

installed() # one package per argument; prints those that are missing
{
    local package
    for package; do
        dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || echo "$package"
    done
}

install_missing()
{
    local log=build/setup-apt.log
    local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300)
    say "installing $missing (log: $log)"
    # shellcheck disable=SC2086 # a list of words
    if ! "${apt[@]}" install -y --no-install-recommends $missing >"$log" 2>&1; then
        say "package lists are missing or old: apt-get update"
        if ! { "${apt[@]}" update && "${apt[@]}" install -y --no-install-recommends $missing; } >>"$log" 2>&1; then
            tail -n 20 "$log" >&2
            echo "setup: apt-get failed (see above); please install: $missing" >&2
            exit 1
        fi
    fi
}

missing=
as_root=()
if command -v dpkg-query >/dev/null; then
    # shellcheck disable=SC2086
    missing=$(installed $packages | tr '\n' ' ')
    missing=${missing% }
else
    # The build itself will say what it cannot find.
    say "no Debian packages on this system; needed are: $packages"
fi
if [ -n "$missing" ] && [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null || ! sudo -n true 2>/dev/null; then
        echo "setup: please install as root: apt-get install --no-install-recommends $missing" >&2
        exit 1
    fi
    as_root=(sudo -n)
fi
mkdir -p build
exec 9>build/setup.lock
flock 9
[ -z "$missing" ] || install_missing
case $target in build | demo) exit 0 ;; esac

# ---- Optuna ----

has_venv() { "$1" -c 'import ensurepip, venv' 2>/dev/null; }

optuna_current()
{
    local venv=.venv-optuna wanted python
    if [ -n "${TRIALOG_PYTHON_OPTUNA:-}" ]; then
        say "the current Optuna is taken from TRIALOG_PYTHON_OPTUNA=$TRIALOG_PYTHON_OPTUNA"
        return
    fi
    wanted=$(cksum <tools/requirements-optuna.txt)
    TRIALOG_PYTHON_OPTUNA=$PWD/$venv/bin/python
    # The stamp is written last, so a half-made environment is made anew.
    if [ -x "$venv/bin/python" ] && [ "$(cat $venv/complete 2>/dev/null)" = "$wanted" ]; then
        return
    fi
    for python in /usr/bin/python3 python3 none; do
        if has_venv $python; then break; fi
    done
    say "putting $(grep -v '^#' tools/requirements-optuna.txt | tr '\n' ' ')into $venv (a minute or two; log: build/setup-pip.log)"
    if [ $python != none ] && rm -rf $venv && $python -m venv $venv >build/setup-pip.log 2>&1 &&
        $venv/bin/python -m pip install --disable-pip-version-check -r tools/requirements-optuna.txt >>build/setup-pip.log 2>&1 &&
        $venv/bin/python -c 'import optuna' 2>>build/setup-pip.log; then
        echo "$wanted" >$venv/complete
    else
        say "WARNING: no current Optuna (see build/setup-pip.log): tests that need it will be skipped"
        TRIALOG_PYTHON_OPTUNA=
    fi
}

optuna_31()
{
    if [ -z "${TRIALOG_PYTHON_OPTUNA31:-}" ] && compgen -G '/usr/lib/python3/dist-packages/optuna-3.1*' >/dev/null; then
        TRIALOG_PYTHON_OPTUNA31=/usr/bin/python3
    fi
    [ -n "${TRIALOG_PYTHON_OPTUNA31:-}" ] || say "WARNING: no Optuna 3.1: tests that need it will be skipped"
}

# Only benchmarks compare with Rustuna; without it they say so.
rustuna()
{
    local venv=.venv-rustuna wanted=rustuna==0.2.0
    TRIALOG_PYTHON_RUSTUNA=${TRIALOG_PYTHON_RUSTUNA:-}
    if [ -n "$TRIALOG_PYTHON_RUSTUNA" ] || [ "$target" != bench ]; then
        return
    fi
    TRIALOG_PYTHON_RUSTUNA=$PWD/$venv/bin/python
    if [ -x "$venv/bin/python" ] && [ "$(cat $venv/complete 2>/dev/null)" = "$wanted" ]; then
        return
    fi
    say "putting $wanted into $venv (log: build/setup-pip-rustuna.log)"
    if rm -rf $venv && python3 -m venv $venv >build/setup-pip-rustuna.log 2>&1 &&
        $venv/bin/python -m pip install --disable-pip-version-check $wanted numpy >>build/setup-pip-rustuna.log 2>&1 &&
        $venv/bin/python -c 'import rustuna' 2>>build/setup-pip-rustuna.log; then
        echo "$wanted" >$venv/complete
    else
        say "WARNING: no Rustuna (see build/setup-pip-rustuna.log): the TPE benchmark will leave it out"
        TRIALOG_PYTHON_RUSTUNA=
    fi
}

optuna_current
optuna_31
rustuna
{
    echo "# Written by tools/setup.sh: the Pythons with Optuna, for tests and benchmarks."
    [ -z "$TRIALOG_PYTHON_OPTUNA" ] || echo "export TRIALOG_PYTHON_OPTUNA='$TRIALOG_PYTHON_OPTUNA'"
    [ -z "${TRIALOG_PYTHON_OPTUNA31:-}" ] || echo "export TRIALOG_PYTHON_OPTUNA31='$TRIALOG_PYTHON_OPTUNA31'"
    [ -z "$TRIALOG_PYTHON_RUSTUNA" ] || echo "export TRIALOG_PYTHON_RUSTUNA='$TRIALOG_PYTHON_RUSTUNA'"
} >build/env.sh.new
mv build/env.sh.new build/env.sh
