#!/bin/bash
# SPDX-License-Identifier: MIT
#
# tests/install/run.sh BUILD-DIR COMPILER CMAKE LIBDIR: installs into a scratch prefix, builds the program here against it in four
# ways (pkg-config and find_package, shared and static), runs each on a journal file, moves the prefix and builds once more,
# and uninstalls without a rest.
set -euo pipefail
build=$1 compiler=$2 cmake=$3 libdir=$4
here=$(cd "$(dirname "$0")" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

fail() { echo "FAILED: $*"; exit 1; }
flags() { PKG_CONFIG_PATH=$prefix/$libdir/pkgconfig pkg-config "$@" trialog; }
compile() { "$compiler" -std=c99 -Wall -Wextra -Werror -o "$scratch/$1" "$here/user.c" "$here/clash.c" "${@:2}"; }
try() # program: runs it on a new journal file
{
    echo "-- $1"
    LD_LIBRARY_PATH=$prefix/$libdir "$scratch/$1" "$scratch/$(basename "$1").log" || fail "$1"
    [ -s "$scratch/$(basename "$1").log" ] || fail "$1 left no journal"
}

command -v pkg-config >/dev/null || { echo "skipped: pkg-config is not installed"; exit 77; }
prefix=$scratch/first
"$cmake" --install "$build" --prefix "$prefix" >"$scratch/install.txt"
for file in bin/trialog include/trialog/trialog.h "$libdir/libtrialog.so" "$libdir/libtrialog.a" \
    "$libdir/pkgconfig/trialog.pc" share/man/man1/trialog.1 share/man/man5/trialog-journal.5 \
    share/bash-completion/completions/trialog share/doc/trialog/LICENSE; do
    [ -e "$prefix/$file" ] || fail "$file is not installed"
done
"$prefix/bin/trialog" --version

mapfile -t cflags < <(flags --cflags | xargs -n1)
mapfile -t libs < <(flags --libs | xargs -n1)
mapfile -t private < <(flags --static --libs | xargs -n1 | grep -v '^-ltrialog$')
compile shared "${cflags[@]}" "${libs[@]}"
try shared
compile static "${cflags[@]}" "$prefix/$libdir/libtrialog.a" "${private[@]}"
try static

mv "$prefix" "$scratch/second"
prefix=$scratch/second
"$cmake" -S "$here/package" -B "$scratch/package" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_C_COMPILER="$compiler" >"$scratch/configure.txt"
"$cmake" --build "$scratch/package" >"$scratch/build.txt" || { cat "$scratch/build.txt"; fail "find_package"; }
try package/user-trialog
try package/user-trialog-static
[ "$(flags --modversion)" = "$("$prefix/bin/trialog" --version | grep -oE '[0-9]+\.[0-9]+\.[0-9]+' | head -n 1)" ] ||
    fail "pkg-config and the command give different versions"

mv "$prefix" "$scratch/first"
"$cmake" -DMANIFEST="$build/install_manifest.txt" -P "$here/../../cmake/uninstall.cmake" >/dev/null
[ -z "$(find "$scratch/first" -type f -o -type l)" ] || fail "uninstall left $(find "$scratch/first" -type f -o -type l)"
echo "all ways work"
