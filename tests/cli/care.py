#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""care.py TRIALOG REPLAY_TOOL [--lists N] [--seed N]: check, repair and compact on journals of every kind.

The operation lists of the differential replay test (valid, invalid, damaged, deleted studies, odd numbers) become journal
files. What the replay makes of the original, of its clean copy and of its shortest form must be the same studies and trials, under
the same ids; only the trials of deleted studies may lose what is in them.
"""
import argparse
import json
import os
import random
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "replay"))
import gen  # noqa: E402


def replay(tool, lines):
    """The tool's picture of [(flag, line)]."""
    data = gen.encode_list(0, "nobody", [(flag, line, "") for flag, line in lines])
    done = subprocess.run([tool], input=data, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout.split(b"\n")[-2])  # behind its version


def read(path):
    with open(path, "rb") as f:
        data = f.read()
    assert not data or data.endswith(b"\n"), path
    return [(" ", line) for line in data.split(b"\n")[:-1]]


class Checker:
    def __init__(self, trialog, tool, work):
        self.trialog, self.tool, self.work = trialog, tool, work
        self.counts = {"lines": 0, "broken": 0, "odd": 0, "rejected": 0, "placeholders": 0, "deleted": 0}

    def call(self, *args, status=(0,)):
        done = subprocess.run([self.trialog, *args], cwd=self.work, capture_output=True, stdin=subprocess.DEVNULL, timeout=60)
        assert done.returncode in status, (args, done.returncode, done.stdout[-2000:], done.stderr[-2000:])
        return done.stdout

    def look(self, path, status=(0,)):
        return json.loads(self.call("check", path, "--json", status=status))

    def live(self, picture):
        """Studies, trials and facts that are to be seen, and the number of all trials."""
        studies = {s[0] for s in picture["studies"]}
        trials = [t[:8] + [sorted(t[8])] + t[9:] for t in picture["trials"] if t[1] in studies]  # distributions in any order
        facts = [f[:4] + [sorted(json.dumps(x) for x in part) for part in f[4:]] for f in picture["facts"] if f[0] in studies]
        return picture["studies"], trials, facts, len(picture["trials"])

    @staticmethod
    def nameless(path):
        """The lines without who wrote them: a finished trial's worker is forgotten the second time."""
        return [re.sub(rb'"worker_id":"[^"]*"|"crc":.*', b"", line) for _, line in read(path)]

    def one(self, seed):
        _, ops = gen.make_list(seed)
        lines = [(flag, line[:-1] if flag == "P" else line) for flag, line, _ in ops]
        path = os.path.join(self.work, f"{seed}")
        with open(path, "wb") as f:
            f.write(b"".join(line + b"\n" for _, line in lines))

        # what the replay makes of it: damaged create-trial lines hold their places
        verdicts = replay(self.tool, [(" ", line) for _, line in lines])["v"]
        marked = [("P" if v == "B" and line.startswith(b'{"op_code":4,') and b'"study_id":' in line else " ", line)
                  for v, (_, line) in zip(verdicts, lines)]
        want = replay(self.tool, marked)
        report = self.look(path, status=(0, 20))
        broken = verdicts.count("B")
        odd = want["v"].count("O")
        rejected = sum(1 for (flag, _), v in zip(marked, want["v"]) if v in "YNFEI" and flag == " ")
        got = (report["lines"], report["broken"], report["odd"], report["rejected"], report["torn"])
        assert got == (len(lines), broken, odd, rejected, 0), (got, (len(lines), broken, odd, rejected))
        found = {f["line"] for f in report["findings"] if f["kind"] == "broken"}
        assert found == {i + 1 for i, v in enumerate(verdicts) if v == "B"}

        # the clean copy
        self.call("repair", path)
        repaired = read(path + ".repaired")
        again = replay(self.tool, repaired)
        assert (again["studies"], again["trials"]) == (want["studies"], want["trials"])
        assert "B" not in again["v"] and "O" not in again["v"]
        if not broken and not odd:
            assert [line for _, line in repaired] == [line for _, line in lines]

        # the shortest form, twice
        if broken:
            self.call("compact", path, status=(20,))
        self.call("compact", path + ".repaired", path + ".short")
        short = replay(self.tool, read(path + ".short"))
        assert self.live(short) == self.live(want), "compact"
        assert set(short["v"]) <= {"A"}
        self.call("compact", path + ".short", path + ".shorter")
        assert self.nameless(path + ".short") == self.nameless(path + ".shorter")

        for name, n in (("lines", len(lines)), ("broken", broken), ("odd", odd), ("rejected", rejected),
                        ("placeholders", sum(flag == "P" for flag, _ in marked)),
                        ("deleted", len(want["trials"]) - len(self.live(want)[1]))):
            self.counts[name] += n
        for name in os.listdir(self.work):
            os.unlink(os.path.join(self.work, name))


def main():
    p = argparse.ArgumentParser()
    p.add_argument("trialog")
    p.add_argument("tool")
    p.add_argument("--lists", type=int, default=150)
    p.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**8))
    args = p.parse_args()
    print(f"seed {args.seed}")
    with tempfile.TemporaryDirectory(prefix="trialog-care-") as work:
        checker = Checker(os.path.abspath(args.trialog), os.path.abspath(args.tool), work)
        for seed in range(args.seed, args.seed + args.lists):
            try:
                checker.one(seed)
            except Exception:
                print(f"list {seed} (repeat: --seed {seed} --lists 1)")
                raise
    print(f"{args.lists} journals: " + ", ".join(f"{n} {name}" for name, n in checker.counts.items()))
    return 0


sys.exit(main())
