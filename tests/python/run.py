# SPDX-License-Identifier: MIT
"""Runs tests of the Python package as one ctest.

usage: run.py PACKAGE-FOLDER [--with VARIABLE] [--script] [--preload LIBRARY] FILE [pytest option …]

PACKAGE-FOLDER is where the package was built (BUILD/python). The Python is the one that the environment variable names
(TRIALOG_PYTHON_OPTUNA by default); without it: exit status 77 (skipped). FILE is run by pytest, or with --script as a program.
"""
import argparse
import os
import sys


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("package")
    parser.add_argument("--with", dest="variable", default="TRIALOG_PYTHON_OPTUNA")
    parser.add_argument("--script", action="store_true")
    parser.add_argument("--preload", help="a sanitizer's library")
    parser.add_argument("file")
    options, rest = parser.parse_known_args()
    python = os.environ.get(options.variable)
    if not python:
        print(f"no Python for this test: set {options.variable} (tools/setup.sh check installs it)")
        return 77
    here = os.path.dirname(os.path.abspath(__file__))
    path = [options.package, here, os.environ.get("PYTHONPATH", "")]
    os.environ["PYTHONPATH"] = os.pathsep.join(p for p in path if p)
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    if options.preload:
        os.environ["LD_PRELOAD"] = options.preload
    how = [] if options.script else ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "ignore::FutureWarning", "--rootdir", here]
    sys.stdout.flush()
    os.execv(python, [python, *how, os.path.join(here, options.file), *rest])


if __name__ == "__main__":
    sys.exit(main())
