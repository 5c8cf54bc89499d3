# SPDX-License-Identifier: MIT
"""What the drivers of this folder share: the Pythons with Optuna, and dumps brought into one form."""

import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
SIDE = os.path.join(HERE, "optuna_side.py")
PYTHONS = {"5": os.environ.get("TRIALOG_PYTHON_OPTUNA"), "3": os.environ.get("TRIALOG_PYTHON_OPTUNA31")}


def need_pythons():
    """The Pythons there are; ends the test as skipped when there is none."""
    there = {k: v for k, v in PYTHONS.items() if v}
    if not there:
        print("skipped: neither TRIALOG_PYTHON_OPTUNA nor TRIALOG_PYTHON_OPTUNA31 names a Python with Optuna")
        sys.exit(77)
    return there


def run(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
    if done.returncode or b"Traceback" in done.stderr:
        raise SystemExit(
            "%s: status %d\n%s"
            % (" ".join(command[:3]), done.returncode, done.stderr.decode("utf-8", "replace"))
        )
    return done.stdout


def normal(text):
    """A dump of either side as one form: distributions by name, whole numbers of any length alike."""
    studies = json.loads(text)
    for study in studies:
        for t in study[5]:
            t[7].sort(key=lambda d: d[0])
            for _, v in t[6]:
                whole(v)
            for d in t[7]:
                if d[1] == "categorical":
                    for v in d[2]:
                        whole(v)
    return studies


def whole(v):
    if v[0] == "j" and isinstance(v[1], int):
        v[:] = ["i", str(v[1])]


def first_difference(a, b):
    x, y = json.dumps(a), json.dumps(b)
    if x == y:
        return None
    at = next((i for i in range(min(len(x), len(y))) if x[i] != y[i]), min(len(x), len(y)))
    return "at %d:\n  …%s\n  …%s" % (at, x[max(0, at - 200) : at + 200], y[max(0, at - 200) : at + 200])
