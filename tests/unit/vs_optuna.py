# SPDX-License-Identifier: MIT
"""What dist_vs_python.py and op_vs_python.py share: each runs itself once under every Python with Optuna that the
environment names, and talks to text_probe."""
import os
import random
import struct
import subprocess
import sys
import tempfile
import warnings

PYTHONS = ("TRIALOG_PYTHON_OPTUNA", "TRIALOG_PYTHON_OPTUNA31")
MARK = "TRIALOG_VS_OPTUNA"


def arguments(default_count):
    """Probe, count and seed. In the outer process: runs the script under each Python and ends."""
    probe = sys.argv[1]
    count = int(sys.argv[2]) if len(sys.argv) > 2 else default_count
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else random.SystemRandom().getrandbits(32)
    if os.environ.get(MARK):
        warnings.simplefilter("ignore")
        return probe, count, seed
    pythons = [os.environ[name] for name in PYTHONS if os.environ.get(name)]
    if not pythons:
        print("skipped: no Python with Optuna (" + ", ".join(PYTHONS) + ")")
        sys.exit(77)
    environment = dict(os.environ, TZ="UTC", PYTHONWARNINGS="ignore", **{MARK: "1"})
    status = 0
    for python in pythons:
        done = subprocess.run([python, sys.argv[0], probe, str(count), str(seed)], env=environment)
        status = status or done.returncode
    sys.exit(status)


def ask(probe, questions):
    with tempfile.TemporaryFile() as source:
        source.write("".join(q + "\n" for q in questions).encode())
        source.seek(0)
        done = subprocess.run([probe], stdin=source, stdout=subprocess.PIPE, check=True)
    answers = done.stdout.decode().splitlines()
    assert len(answers) == len(questions), (len(answers), len(questions))
    return answers


def to_hex(text):
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    return data.hex()


def from_hex(digits):
    return bytes.fromhex(digits).decode("utf-8", "surrogatepass")


def bits(value):
    return struct.pack(">d", value).hex()


def double(digits):
    return struct.unpack(">d", bytes.fromhex(digits))[0]


class Score:
    """Counts comparisons by kind and prints the first differences of each."""

    def __init__(self):
        self.compared, self.different, self.shown = {}, {}, {}

    def check(self, kind, ok, *what):
        self.compared[kind] = self.compared.get(kind, 0) + 1
        if not ok:
            self.different[kind] = self.different.get(kind, 0) + 1
            if self.different[kind] <= 5:
                print("DIFFERENT", kind, *(repr(x)[:600] for x in what))
        return ok

    def end(self, title):
        print(title + ": " + ", ".join(f"{k} {n}" for k, n in sorted(self.compared.items())))
        bad = sum(self.different.values())
        print(f"{title}: {bad} different")
        sys.exit(1 if bad else 0)
