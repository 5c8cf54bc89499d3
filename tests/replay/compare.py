# SPDX-License-Identifier: MIT
"""Differential replay: the same generated operation lists through Optuna's JournalStorage and through our replay.

Compares every line's verdict (own and foreign), the ids of what was created, the whole state at the end of each list, the highest
operation count per worker and the facts kept up as operations apply. For some lists all prefixes are compared too: the state after
each single operation. Half of the lists run under UTC, the other half in a zone with summer time.

Oracles: the Pythons in TRIALOG_PYTHON_OPTUNA and TRIALOG_PYTHON_OPTUNA31. None set: exit status 77 (skipped). A failing list is
reduced to the lines it needs and printed with its seed. --min-cell: every counter (rule, outcome, own or foreign) must reach it.
"""

import argparse
import collections
import datetime
import json
import multiprocessing
import os
import random
import struct
import subprocess
import sys
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import gen  # noqa: E402

ZONES = ["UTC0", "CET-1CEST,M3.5.0,M10.5.0/3"]
SAME = {"D": "N", "K": "I", "L": "I", "C": "I"}
OUTCOMES = {
    "A": "applied",
    "Y": "not yours",
    "N": "not found",
    "D": "deleted",
    "F": "finished",
    "E": "exists",
    "K": "other kind",
    "L": "other log flag",
    "C": "other choices",
    "O": "malformed",
    "B": "damaged",
    "S": "skipped",
}
STUDY_RULES = ["delete study", "study user attr", "study system attr", "create trial", "create template"]
TRIAL_RULES = ["param", "report", "user attr", "system attr"]


def required_cells():
    cells = [("create study", o) for o in "AEO"]
    cells += [(rule, o) for rule in STUDY_RULES for o in "ANDO"]
    cells += [(rule, o) for rule in TRIAL_RULES for o in "ANFO"]
    cells += [("param", o) for o in "KLC"] + [("state", o) for o in "NFO"]
    cells += [("state 0>0", "Y")] + [
        ("state %d>%d" % (a, b), "A") for a in (0, 4) for b in range(5) if (a, b) != (0, 0)
    ]
    cells += [("discard", "S"), ("other", "O")]
    return [(rule, o, own) for rule, o in cells for own in (True, False)] + [("damaged line", "B", False)]


# ---- our result in the oracle's form ----

EPOCH = datetime.datetime(1970, 1, 1)
EPOCH_UTC = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
US = datetime.timedelta(microseconds=1)


def as_local(t):
    """What Optuna from 5.0 on makes of a time: local and without offset."""
    if t is None:
        return None
    start = EPOCH_UTC if t[0] == "u" else EPOCH
    local = (start + datetime.timedelta(microseconds=t[1])).astimezone().replace(tzinfo=None)
    return ["l", (local - EPOCH) // US, local.fold]


def as_external(v):
    if v[0] == "i" and abs(int(v[1])) >= 2**53:
        return v
    return ["i", str(v[1])] if v[0] == "j" and isinstance(v[1], int) else v


def normal_params(params, dists):
    classes = {d[0]: d[1] for d in dists}
    for p in params:
        v = as_external(p[1])
        if v[0] == "i" and "Int" in classes[p[0]] and abs(int(v[1])) >= 2**53:
            v = ["f", struct.pack(">d", float(int(v[1]))).hex()]
        p[1] = v


def dump_text(res, local, sort=False):
    """Canonical text of a result of ours, for Optuna 5 (local times) or 3.1. `sort`: parameters by name."""
    trials = []
    for t in res["trials"]:
        if local:
            t = t[:4] + [as_local(t[4]), as_local(t[5])] + t[6:]
        if sort:
            t = t[:7] + [sorted(t[7])] + t[8:]
        trials.append(t)
    return json.dumps([res["studies"], trials])


def unordered(res):
    return json.dumps([res["studies"], [t[:7] + [sorted(t[7])] + t[8:] for t in res["trials"]]])


def prepare(res):
    for t in res["trials"]:
        normal_params(t[7], t[8])
        t[8].sort()
    for f in res["facts"]:
        f[4].sort()
        f[5].sort()
        f[6].sort()


# ---- comparing one list ----


def differing_line(lines, ours, theirs, oracle, allowed):
    """The first line whose verdict differs, as text; None when there is none."""
    if len(ours) != len(theirs):
        return "%d verdicts instead of %d" % (len(ours), len(theirs))
    for i, (flag, data, tag) in enumerate(lines):
        a, b = ours[i], theirs[i]
        if flag in "TC":
            if a in ("ONFE" if flag == "T" else "B"):
                allowed[tag] += 1
                continue
        else:
            b = SAME.get(b, b)
            if a == b:
                continue
            if tag == "odd:worker" and a in "NF" and b == "O":
                allowed["rejected line without a worker"] += 1
                continue
            if a == "S" and b == "O" and oracle == "3":
                allowed["operation 10, where 3.1 stops"] += 1
                continue
        return "line %d (%s): ours says %s, Optuna %s: %r" % (i, tag or "valid", a, b, data[:600])
    return None


def first_difference(a, b):
    """Where two canonical texts part."""
    n = next((i for i in range(min(len(a), len(b))) if a[i] != b[i]), min(len(a), len(b)))
    return "at byte %d:\n    ours:   …%s\n    Optuna: …%s" % (
        n,
        a[max(0, n - 150) : n + 150],
        b[max(0, n - 150) : n + 150],
    )


def facts_differ(ours, theirs):
    for a, b in zip(ours, theirs):
        if [a[0], a[1], a[2], a[5], a[6]] != [b[0], b[1], b[2], b[4], b[5]] or (
            b[3] is not None and [a[3], a[4]] != b[3]
        ):
            return "facts: ours %r, Optuna %r" % (a, b)
    return None if len(ours) == len(theirs) else "facts of %d studies, not %d" % (len(ours), len(theirs))


def compare_list(lines, ours, oracles, allowed):
    """None when all agree, else the difference as text. `oracles`: {"5": result, "3": result}."""
    if "error" in ours:
        return ours["error"]
    prepare(ours)
    for name, theirs in oracles.items():
        if theirs.get("notes"):
            return "Optuna %s: %s" % (name, theirs["notes"][0])
        found = differing_line(lines, ours["v"], theirs["v"], name, allowed)
        if found:
            return "Optuna %s: %s" % (name, found)
        if ours["ids"] != theirs["ids"]:
            return "Optuna %s: new ids %r, Optuna's %r" % (name, ours["ids"], theirs["ids"])
        a, b = dump_text(ours, name == "5"), json.dumps([theirs["studies"], theirs["trials"]])
        if (
            a != b
            and any(tag == "valueless" for _, _, tag in lines)
            and dump_text(ours, name == "5", True) == unordered(theirs)
        ):
            allowed["parameter whose distribution came first"] += 1
        elif a != b:
            return "Optuna %s: state differs %s" % (name, first_difference(a, b))
        if sorted(ours["workers"]) != sorted(theirs["workers"]):
            return "operation counts: ours %r, expected %r" % (ours["workers"], theirs["workers"])
        if theirs["facts"] is not None and facts_differ(ours["facts"], theirs["facts"]):
            return facts_differ(ours["facts"], theirs["facts"])
    return None


# ---- the processes ----


class Reader:
    """A process that answers lists with lines of JSON; started again when it dies."""

    def __init__(self, command):
        self.command = command
        self.process = None

    def start(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.version = self.process.stdout.readline().decode().strip()
        return self.version

    def send(self, blob):
        if not self.process:
            self.start()
        try:
            self.process.stdin.write(blob)
            self.process.stdin.flush()
        except BrokenPipeError:
            pass

    def receive(self):
        line = self.process.stdout.readline()
        if line.endswith(b"\n"):
            try:
                return json.loads(line)
            except ValueError as e:
                return {
                    "error": "%s: answer is no JSON: %s in %r"
                    % (self.command[0], e, line[max(0, getattr(e, "pos", 0) - 80) :][:200])
                }
        status = self.process.wait()
        self.process = None
        return {"error": "%s died with status %d" % (self.command[0], status)}

    def stop(self):
        if self.process:
            self.process.stdin.close()
            self.process.stdout.close()
            self.process.wait()


def readers(tool, only):
    oracle = os.path.join(HERE, "oracle.py")
    pythons = {"5": os.environ.get("TRIALOG_PYTHON_OPTUNA"), "3": os.environ.get("TRIALOG_PYTHON_OPTUNA31")}
    return Reader([tool]), {k: Reader([p, oracle]) for k, p in pythons.items() if p and k in only}


def judge(own, lines, tool, oracles, allowed):
    blob = gen.encode_list(0, own, lines)
    for r in [tool] + list(oracles.values()):
        r.send(blob)
    results = {k: r.receive() for k, r in oracles.items()}
    ours = tool.receive()
    for k, v in results.items():
        if "error" in v:
            return results, "oracle %s: %s" % (k, v["error"])
    return results, compare_list(lines, ours, results, allowed)


def reduce_list(own, lines, tool, oracles):
    """Takes away whatever lines the difference does not need."""
    bad = lambda l: judge(own, l, tool, oracles, collections.Counter())[1]  # noqa: E731
    step = max(1, len(lines) // 2)
    while True:
        i = 0
        while i < len(lines):
            fewer = lines[:i] + lines[i + step :]
            if fewer and bad(fewer):
                lines = fewer
            else:
                i += step
        if step == 1:
            return lines, bad(lines)
        step //= 2


def shard(number, args, queue):
    try:
        queue.put(run_shard(number, args))
    except BaseException:
        queue.put(traceback.format_exc())


def run_shard(number, args):
    os.environ["TZ"] = ZONES[number % len(ZONES)]
    time.tzset()
    tool, oracles = readers(args.tool, args.oracles)
    cells, tags, allowed, failures = collections.Counter(), collections.Counter(), collections.Counter(), []
    lines_seen = prefixes = 0
    for seed in range(args.seed + number, args.seed + args.lists, args.jobs):
        own, lines = gen.make_list(seed)
        lines_seen += len(lines)
        results, found = judge(own, lines, tool, oracles, allowed)
        if not found and (seed - args.seed) < args.prefixes:
            for n in range(1, len(lines)):
                prefixes += 1
                found = judge(own, lines[:n], tool, oracles, collections.Counter())[1]
                if found:
                    lines = lines[:n]
                    break
        if found:
            small, again = reduce_list(own, lines, tool, oracles)
            failures.append((seed, found, [(f, d, t) for f, d, t in small], again))
            if len(failures) >= args.max_failures:
                break
            continue
        one = next(iter(results.values()))
        for cell, (_, _, tag) in zip(one["cells"], lines):
            if cell:
                cells[tuple(cell)] += 1
                if tag and ":" in tag:
                    tags[tag, cell[2]] += 1
    for r in [tool] + list(oracles.values()):
        r.stop()
    return cells, tags, allowed, failures, lines_seen, prefixes


def print_counters(cells, tags, allowed):
    print("%-18s %-15s %9s %9s" % ("rule", "outcome", "own", "foreign"))
    for rule, o in sorted({c[:2] for c in cells}):
        print("%-18s %-15s %9d %9d" % (rule, OUTCOMES.get(o, o), cells[rule, o, True], cells[rule, o, False]))
    print(
        "malformed lines by kind (own, foreign): "
        + ", ".join("%s %d %d" % (t[4:], tags[t, True], tags[t, False]) for t in sorted({t for t, _ in tags}))
    )
    print(
        "deliberate differences (EXCEPTIONS.md): " + ", ".join("%s %d" % kv for kv in sorted(allowed.items()))
    )


def print_failure(failure):
    seed, found, small, again = failure
    print("\nDIFFERENCE, seed %d\n  %s" % (seed, found))
    print("  reduced to %d lines, which give: %s" % (len(small), again))
    for flag, data, tag in small:
        print(
            "   %s %s %s"
            % (flag, data.decode("utf-8", "backslashreplace")[:2000], "   <" + tag + ">" if tag else "")
        )


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--tool", required=True)
    p.add_argument("--lists", type=int, default=2000)
    p.add_argument("--prefixes", type=int, default=0, help="lists of which every prefix is compared")
    p.add_argument("--seed", type=int, help="first seed; a fresh one if left out")
    p.add_argument("--jobs", type=int, default=2)
    p.add_argument("--min-cell", type=int, default=0)
    p.add_argument("--oracles", default="53")
    p.add_argument("--max-failures", type=int, default=3)
    args = p.parse_args()
    if args.seed is None:
        args.seed = random.SystemRandom().randrange(10**12)
    _, oracles = readers(args.tool, args.oracles)
    if not oracles:
        print("skipped: neither TRIALOG_PYTHON_OPTUNA nor TRIALOG_PYTHON_OPTUNA31 names a Python with Optuna")
        return 77
    versions = []
    for r in oracles.values():
        versions.append(r.start())
        r.stop()
    print(
        "oracles: Optuna %s; first seed %d, %d lists" % (" and ".join(versions), args.seed, args.lists),
        flush=True,
    )
    began = time.monotonic()
    queue = multiprocessing.Queue()
    workers = [multiprocessing.Process(target=shard, args=(i, args, queue)) for i in range(args.jobs)]
    for w in workers:
        w.start()
    parts = [queue.get() for _ in workers]
    for w in workers:
        w.join()
    for part in parts:
        if isinstance(part, str):
            print(part)
            return 2
    cells, tags, allowed = (sum((p[i] for p in parts), collections.Counter()) for i in range(3))
    failures = [f for p in parts for f in p[3]]
    print_counters(cells, tags, allowed)
    for f in failures:
        print_failure(f)
    # 3.1 stops at a discarded trial, so only a later Optuna can agree about one
    required = [c for c in required_cells() if c[0] != "discard" or "5" in oracles]
    low = [(c, cells[c]) for c in required if cells[c] < args.min_cell]
    for c, n in low:
        print(
            "too rare: %s, %s, %s: %d of %d"
            % (c[0], OUTCOMES[c[1]], "own" if c[2] else "foreign", n, args.min_cell)
        )
    print(
        "%d lists, %d lines, %d prefixes, %d counters (lowest %d), %d differences, %.0f s"
        % (
            args.lists,
            sum(p[4] for p in parts),
            sum(p[5] for p in parts),
            len(required_cells()),
            min(cells[c] for c in required_cells()),
            len(failures),
            time.monotonic() - began,
        )
    )
    return 1 if failures or low else 0


if __name__ == "__main__":
    sys.exit(main())
