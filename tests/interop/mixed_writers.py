# SPDX-License-Identifier: MIT
"""Optuna's workers and ours on one journal file at the same time; with --redis on one prefix of a private Redis server.

4 processes of Optuna and 4 of ours, a fixed number of trials each, the queue filled beforehand so that claims race too. Afterwards: trial
numbers are dense, every trial has exactly one worker and is complete in all its parts, every line is whole JSON, our operation
counts have no gap and no repetition, no operation of Optuna's is lost or doubled, and all processes, fresh ones of all three kinds
included, see the same state. Both kinds must take turns in the log often enough, else the test proves nothing.
With --cluster Optuna counts a line first and writes it then, in two requests (its mode for Redis clusters), so that ours meet holes.
"""

import argparse
import collections
import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time

import interop

sys.path.insert(0, os.path.join(interop.HERE, "..", "support"))
import servers  # noqa: E402

NAME = "mixed"


class Worker:
    def __init__(self, kind, command, index, trials):
        self.kind, self.index = kind, index
        self.process = subprocess.Popen(
            command + [NAME, str(index), str(trials)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def say(self, word):
        self.process.stdin.write(word.encode() + b"\n")
        self.process.stdin.flush()

    def hear(self, word):
        line = self.process.stdout.readline()
        if not line.startswith(word.encode()):
            raise SystemExit(
                "worker %d (%s): %r instead of %r\n%s"
                % (self.index, self.kind, line, word, self.process.stderr.read().decode())
            )
        return line[len(word) :]

    def end(self):
        self.process.stdin.close()
        errors = self.process.stderr.read().decode("utf-8", "replace")
        if self.process.wait() or "Traceback" in errors or "JSONDecodeError" in errors:
            raise SystemExit("worker %d (%s) failed:\n%s" % (self.index, self.kind, errors))
        return sum(int(n) for n in re.findall(r"half lines: (\d+)", errors))


def check_trials(trials, n_workers, per_worker, told):
    """Dense numbers, one worker per trial, all parts there, and every worker's own list of numbers."""
    wrong = []
    if [t[1] for t in trials] != list(range(n_workers * per_worker)):
        wrong.append("numbers are not dense: %d trials" % len(trials))
    seen = collections.defaultdict(dict)
    for t in trials:
        who = dict(t[8]).get("who")
        if not who:
            wrong.append("trial %d has no worker" % t[1])
            continue
        index, k = who
        if k in seen[index]:
            wrong.append("worker %d did its trial %d twice" % (index, k))
        seen[index][k] = t[1]
        state = 2 if k % 7 == 3 else 3 if k % 11 == 5 else 1
        x = dict(t[6])["x"][1]
        if (
            t[2] != state
            or len(t[6]) != 3
            or len(t[7]) != 3
            or [s for s, _ in t[10]] != [0, 1]
            or t[10][0][1] != x
            or not t[3]
            or not t[4]
        ):
            wrong.append("trial %d is not as its worker left it: %r" % (t[1], t))
    for index, numbers in told.items():
        if [seen[index].get(k) for k in range(per_worker)] != numbers:
            wrong.append("worker %d was told other numbers than the journal has" % index)
    return wrong


def check_lines(path, per_worker, n_ours, n_theirs, gaps):
    """(what is wrong, number of turns between the kinds). Ours are the workers whose lines have a count. `gaps`: a database does not use
    the numbers of a decision that came too late."""
    wrong, order, counts = [], [], collections.defaultdict(list)
    ends, reports = collections.Counter(), collections.Counter()
    for i, line in enumerate(open(path, "rb"), 1):
        try:
            op = json.loads(line)
        except ValueError:
            wrong.append("line %d is no JSON: %r" % (i, line[:100]))
            continue
        worker = op["worker_id"]
        if "n" in op:
            counts[worker].append(op["n"])
        order.append("n" in op)
        ends[worker] += op["op_code"] == 6 and op["state"] in (1, 2, 3)
        reports[worker] += op["op_code"] == 7
    if not line.endswith(b"\n"):
        wrong.append("the last line has no end")
    for worker, ns in counts.items():
        rising = all(a < b for a, b in zip(ns, ns[1:]))
        if not rising or (not gaps and ns != list(range(1, len(ns) + 1))):
            wrong.append("operation counts of %s have gaps or repetitions" % worker)
    if len(counts) != n_ours:
        wrong.append("%d workers of ours in the log, not %d" % (len(counts), n_ours))
    for worker in ends:
        if (ends[worker] or reports[worker]) and (ends[worker], reports[worker]) != (
            per_worker,
            2 * per_worker,
        ):
            wrong.append("%s ended %d trials and made %d reports" % (worker, ends[worker], reports[worker]))
    if sum(1 for w in ends if ends[w] and w not in counts) != n_theirs:
        wrong.append("the number of Optuna's workers in the log is not %d" % n_theirs)
    return wrong, sum(1 for a, b in zip(order, order[1:]) if a != b), len(order)


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--tool", required=True)
    p.add_argument("--trials", type=int, default=250)
    p.add_argument("--mix", default="5555", help="one letter per Optuna worker: 5 or 3")
    p.add_argument("--switches", type=int, default=500)
    p.add_argument("--redis", action="store_true")
    p.add_argument("--cluster", action="store_true")
    args = p.parse_args()
    pythons = interop.need_pythons()
    if args.redis:  # Debian's Optuna has no client for it
        if "5" not in pythons:
            print("skipped: TRIALOG_PYTHON_OPTUNA names no Python with Optuna")
            return 77
        pythons = {"5": pythons["5"]}
    mix = [m if m in pythons else next(iter(pythons)) for m in args.mix]
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        path = theirs = os.path.join(folder, "journal.log")
        if args.redis:
            server = stack.enter_context(servers.server("redis"))
            path = server.url(NAME)
            theirs = path + ("&cluster=1" if args.cluster else "")
        interop.run([pythons[mix[0]], interop.SIDE, "create", theirs, NAME, str(args.trials // 2)])
        began = time.monotonic()
        workers = [
            Worker("Optuna " + m, [pythons[m], interop.SIDE, "work", theirs], i, args.trials)
            for i, m in enumerate(mix)
        ]
        workers += [
            Worker("Trialog", [args.tool, "work", path], len(mix) + i, args.trials) for i in range(len(mix))
        ]
        for w in workers:
            w.hear("ready")
        for w in workers:
            w.say("go")
        told = {w.index: json.loads(w.hear("done ")) for w in workers}
        took = time.monotonic() - began
        dumps, half_lines = {}, 0
        for w in workers:
            w.say("dump")
            dumps["worker %d (%s)" % (w.index, w.kind)] = interop.normal(w.hear(""))
            half_lines += w.end()
        dumps["fresh Trialog"] = interop.normal(interop.run([args.tool, "dump", path]))
        for k, python in pythons.items():
            dumps["fresh Optuna " + k] = interop.normal(interop.run([python, interop.SIDE, "dump", theirs]))
        first = dumps["fresh Trialog"]
        if args.redis:
            path = os.path.join(folder, "lines.log")
            server.save_journal(NAME, path)
        wrong, switches, lines = check_lines(path, args.trials, len(mix), len(mix), args.redis)
        wrong += check_trials(first[0][5], len(workers), args.trials, told)
        for name, d in dumps.items():
            found = interop.first_difference(without_naive(d), without_naive(first))
            if found:
                wrong.append("%s sees another state: %s" % (name, found))
        if switches < args.switches:
            wrong.append("only %d turns between the kinds" % switches)
    for w in wrong[:20]:
        print(w)
    print(
        "%d workers (%s + %d Trialog), %d trials, %d lines, %d turns between the kinds, %d equal states, "
        "%d half lines read again by 3.1, %.1f s: %s"
        % (
            len(workers),
            " ".join(sorted(mix)),
            len(mix),
            len(first[0][5]),
            lines,
            switches,
            len(dumps),
            half_lines,
            took,
            "%d errors" % len(wrong) if wrong else "fine",
        )
    )
    return 1 if wrong else 0


def without_naive(studies):
    """Under UTC a naive time of Optuna 3.1 is the instant that Optuna 5 reads."""
    text = json.dumps(studies)
    return json.loads(text.replace('["n", ', '["u", '))


if __name__ == "__main__":
    os.environ["TZ"] = "UTC0"
    raise SystemExit(main())
