#!/bin/bash
# SPDX-License-Identifier: MIT
#
# tools/setup.sh build|demo|bench|check|long: makes sure that what a target needs is installed, and says what it does.
#
# Database servers (bench, check, long) are installed for their programs: tests start private ones. A system service that was not there
# before is neither started nor enabled.
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
# Headers of the client libraries of databases, which are loaded when a URL asks for them, and the servers.
databases="libpq-dev libmariadb-dev libhiredis-dev libsqlite3-dev libssl-dev postgresql mariadb-server redis-server"
python="python3 python3-venv ca-certificates"
case $target in
    build) packages=$build ;;
    demo) packages="$build g++ zstd gnuplot-nox" ;; # g++ brings headers worth compressing
    bench) packages="$build $databases zstd $python python3-dev python3-optuna" ;;
    check | long)
        packages="$build $databases g++ pkg-config check libsubunit-dev zstd strace mandoc clang libclang-rt-14-dev llvm"
        packages="$packages clang-tidy shellcheck gnuplot-nox $python python3-dev python3-optuna" ;;
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

# Prints the services that the missing packages would bring.
new_services()
{
    local package
    for package in $missing; do
        case $package in
            postgresql) echo postgresql ;;
            mariadb-server) echo mariadb ;;
            redis-server) echo redis-server ;;
        esac
    done
}

# While packages are installed, nothing is started (Debian's policy-rc.d; one that is there already stays); afterwards what came new is off
# for the next start of the machine, too.
policy=/usr/sbin/policy-rc.d
policy_is_ours=
hold_services()
{
    if [ -n "$(new_services)" ] && [ ! -e $policy ]; then
        printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee $policy >/dev/null
        "${as_root[@]}" chmod 755 $policy
        policy_is_ours=1
        trap release_services EXIT
    fi
}

release_services()
{
    [ -z "$policy_is_ours" ] || "${as_root[@]}" rm -f $policy
    policy_is_ours=
}

services_off()
{
    local service
    release_services
    command -v systemctl >/dev/null || return 0
    for service in $(new_services); do
        "${as_root[@]}" systemctl disable "$service" >>build/setup-apt.log 2>&1 || say "could not disable the service $service"
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
if [ -n "$missing" ]; then
    hold_services
    install_missing
    services_off
fi
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
