# SPDX-License-Identifier: MIT
"""Is what many clients were told linearizable? The journal's order is the witness, so the check is O(n): no search.

    linear.py HISTORY_WORKER [CALLS [PROCESSES [KILLS]]]

PROCESSES processes (single ones, ones with two threads on one handle, ones that fork and go on with one handle on both sides) make CALLS
calls on one study; every call's begin and end on the monotonic clock and everything that it returned is on record (history.h); KILLS of
them are killed in the middle and replaced. Then:
  (1) what returned before another call began lies before it in the journal, and reads see all of it;
  (2) every value that was returned is what a replay (replayed.py) of that prefix gives: trial numbers, the oldest queued trial, who has it,
      best trial, counts, states, the budget, "only if absent", how a trial ended; a call that failed must have had a moment to fail;
  (3) a call that never returned is in the journal once or not at all, and every line of the journal is somebody's call;
  (4) trial numbers are dense.
The checker is tested first: faults of every kind are planted into a history of the same clients, and it must find each.
"""
import bisect
import collections
import heapq
import os
import random
import signal
import struct
import time

import replayed
import storm
from replayed import COMPLETE, FAIL, PRUNED, RUNNING, WAITING

NONE, ASK, ENQUEUE, REPORT, ATTR, TELL, READ, BEST, LOOK = range(9)
OK, EINVAL, ENOTFOUND, EFINISHED, EUNKNOWN, EEXHAUSTED = 0, -1, -2, -4, -30, -32
RECORD = struct.Struct("<qqiiqqqqqqdq")
HEAD = struct.Struct("<8sQ64s48s")
NEVER = 1 << 62


class Call:
    """One record. `at` is its place in the journal: its line, or for a read the number of lines that it saw; 0: none."""
    __slots__ = ("begun", "ended", "event", "code", "number", "seq", "a", "b", "d", "e", "c", "worker", "at")

    def __init__(self, fields, worker):
        (self.begun, self.ended, self.event, self.code, self.number, self.seq, self.a, self.b, self.d, self.e, self.c,
         _) = fields
        self.worker = worker
        self.at = 0
        if self.ended == 0 or self.code == EUNKNOWN:
            self.ended, self.code = NEVER, EUNKNOWN

    def copy(self):
        other = Call.__new__(Call)
        for name in Call.__slots__:
            setattr(other, name, getattr(self, name))
        return other

    def __repr__(self):
        return " ".join(f"{name}={getattr(self, name)}" for name in Call.__slots__)


def load_calls(folder):
    calls = []
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), "rb") as f:
            data = f.read()
        if len(data) < HEAD.size or data[:7] != b"HISTORY":
            continue  # killed before its first call
        worker = HEAD.unpack_from(data)[2].partition(b"\0")[0].decode()
        for fields in RECORD.iter_unpack(data[HEAD.size:HEAD.size + (len(data) - HEAD.size) // RECORD.size * RECORD.size]):
            if fields[0] == 0 or fields[2] == NONE:
                break  # the client got no further
            calls.append(Call(fields, worker))
    return calls


class Prefixes:
    """What replay gives after each line."""

    def __init__(self, lines):
        self.study = study = replayed.Study()
        self.lines = lines
        self.wrong = []
        self.counts = [(0, 0, 0, 0, 0)]  # by line: of states
        self.trials = [0]
        self.best = [None]
        self.free = set()  # lines that somebody must have written, until a call is found for them
        self.create, self.run, self.end, self.report, self.attr, self.x_first = {}, {}, {}, {}, {}, {}
        self.oldest_before = {}  # of lines that create a RUNNING trial or run a queued one: the oldest queued one before it
        self.reports = collections.defaultdict(list)
        self.queued = set()  # numbers that began as WAITING
        last_n = {}
        for at, op in enumerate(lines, 1):
            worker = op["worker_id"]
            if "n" in op:
                if op["n"] <= last_n.get(worker, 0):
                    self.wrong.append(f"doubled: line {at} is operation {op['n']} of {worker} again")
                last_n[worker] = op["n"]
            oldest = study.first_waiting()
            self.note(at, op, study.apply(op), oldest)
            self.counts.append(tuple(study.counts))
            self.trials.append(len(study.trials))
            self.best.append(study.best)

    def note(self, at, op, effect, oldest):
        if effect is None:
            if op["op_code"] != 1:
                self.wrong.append(f"void: line {at} changes nothing: {op}")
            return
        kind = effect[0]
        if kind == "study":
            return
        trial = effect[1]
        n = trial.number
        if kind == "param":
            if trial.worker != op["worker_id"]:
                self.wrong.append(f"foreign: line {at} sets a parameter of somebody else's trial")
            return
        self.free.add(at)
        if kind == "create":
            self.create[n] = at
            x = trial.system.get("fixed_params", trial.params).get("x")
            if x is not None:
                self.x_first.setdefault(x, at)
            if trial.state == WAITING:
                self.queued.add(n)
            else:
                self.oldest_before[at] = oldest
        elif kind == "run":
            self.run[n] = at
            self.oldest_before[at] = oldest
        elif kind == "end":
            self.end[n] = at
        elif kind == "report":
            self.report[n, effect[2]] = at
            self.reports[n].append((at, effect[2], trial.reports[effect[2]]))
        elif kind == "attr":
            self.attr[n, effect[2]] = at

    def used(self, at, refund):
        c = self.counts[at]
        return c[RUNNING] + c[COMPLETE] + c[PRUNED] + (0 if refund else c[FAIL])

    def state(self, n, at):
        if at < self.create.get(n, NEVER):
            return -1
        if at >= self.end.get(n, NEVER):
            return self.study.trials[n].state
        return WAITING if n in self.queued and at < self.run.get(n, NEVER) else RUNNING


class Check:
    def __init__(self, calls, lines):
        self.p = Prefixes(lines)
        self.wrong = list(self.p.wrong)
        self.calls = calls
        self.returned = [c for c in calls if c.ended != NEVER]
        self.pending = [c for c in calls if c.ended == NEVER]
        self.find_places()
        self.find_low()
        self.find_pending()
        self.real_time()
        self.decisions, self.floor = [], 0
        for c in sorted(self.returned, key=lambda c: c.begun):
            self.values(c)
        self.by_line = {c.at: c for c in calls if c.at and c.event == TELL}
        self.abandoned = {at for at in self.p.free if self.is_abandoned(at)}
        for at in sorted(self.p.free - self.abandoned):
            self.bad("nobody's", f"line {at} is no call's: {lines[at - 1]}")
        if len(self.p.study.trials) != len(self.p.create):
            self.bad("dense", "trial numbers have gaps")

    def bad(self, kind, text):
        self.wrong.append(f"{kind}: {text}")

    # ---- where a call lies in the journal ----

    def place(self, c):
        p = self.p
        if c.event == ASK:
            return p.run.get(c.number, 0) if c.number in p.queued else p.create.get(c.number, 0)
        if c.event == ENQUEUE:
            return p.create.get(c.number, 0) if c.number in p.queued else 0
        if c.event == REPORT:
            return p.report.get((c.number, c.a), 0)
        if c.event == ATTR:
            return p.attr.get((c.number, f"k{c.a}"), 0)
        return p.end.get(c.number, 0)

    def find_places(self):
        for c in self.returned:
            c.at = 0
            if c.event in (READ, LOOK):
                c.at = c.seq
            elif c.code == OK and c.event != BEST and not (c.event == ENQUEUE and c.number < 0):
                c.at = self.place(c)
                if c.at == 0:
                    self.bad("lost", f"no line for {c}")
                elif c.at not in self.p.free:
                    self.bad("twice", f"line {c.at} belongs to another call, too: {c}")
                    c.at = 0
                elif self.p.lines[c.at - 1]["worker_id"] != c.worker:
                    self.bad("foreign", f"line {c.at} is another worker's: {c}")
                self.p.free.discard(c.at)

    def find_pending(self):
        """Of what began and never returned: the last line that it could have written. (Two threads of one worker may have been under
        way: the one that began later has fewer lines to choose from, so it goes first.)"""
        by_worker = collections.defaultdict(list)
        for at in sorted(self.p.free, reverse=True):
            by_worker[self.p.lines[at - 1]["worker_id"]].append(at)
        for c in sorted(self.pending, key=lambda c: -self.low[id(c)]):
            c.at = next((at for at in by_worker[c.worker]
                         if at in self.p.free and at > self.low[id(c)] and self.could_be(c, at)), 0)
            self.p.free.discard(c.at)

    def could_be(self, c, at):
        op, p = self.p.lines[at - 1], self.p
        code = op["op_code"]
        if c.event == ASK:
            return at in p.oldest_before and (code == 4 or code == 6)
        if c.event == ENQUEUE:
            return code == 4 and op.get("state") == WAITING and op["system_attrs"]["fixed_params"]["x"] == c.c
        return c.event in (REPORT, ATTR, TELL) and self.place(c) == at

    def is_abandoned(self, at):
        """A claim of a queued trial that somebody ended by its number at once: the same ask went on to the next."""
        op, p = self.p.lines[at - 1], self.p
        n = op["trial_id"] if op["op_code"] == 6 and op["state"] == RUNNING else -1
        ended_by = self.by_line.get(p.end.get(n, 0))
        return ended_by is not None and ended_by.b and any(
            c.event == ASK and c.worker == op["worker_id"] and self.low[id(c)] < at < (c.at or NEVER) for c in self.calls)

    # ---- real time ----

    def find_low(self):
        """How far the journal had been acknowledged when a call began."""
        ends = sorted((c for c in self.returned if c.at), key=lambda c: c.ended)
        i, reached = 0, 0
        self.low, self.high = {}, {}
        for c in sorted(self.calls, key=lambda c: c.begun):
            while i < len(ends) and ends[i].ended < c.begun:
                reached = max(reached, ends[i].at)
                i += 1
            self.low[id(c)] = reached

    def real_time(self):
        placed = [c for c in self.calls if c.at]
        for c in placed:
            low = self.low[id(c)]
            if c.at < low or (c.at == low and c.event not in (READ, LOOK)):
                self.bad("real time", f"line {low} was acknowledged before this began: {c}")
        starts = sorted(placed, key=lambda c: -c.begun)
        i, before = 0, len(self.p.lines)
        for c in sorted(self.returned, key=lambda c: -c.ended):  # what began after c had returned lies behind `before`
            while i < len(starts) and starts[i].begun > c.ended:
                before = min(before, starts[i].at - (starts[i].event not in (READ, LOOK)))
                i += 1
            self.high[id(c)] = before

    def decided(self, c, so):
        """Is there a prefix at which a call that wrote nothing may have been decided? The first one is taken; calls that began after this
        one had returned were decided there or later. To be called in the order in which calls began."""
        while self.decisions and self.decisions[0][0] < c.begun:
            self.floor = max(self.floor, heapq.heappop(self.decisions)[1])
        for s in range(max(self.low[id(c)], self.floor), self.high[id(c)] + 1):
            if so(s):
                heapq.heappush(self.decisions, (c.ended, s))
                return True
        return False

    # ---- values ----

    def values(self, c):
        p = self.p
        if c.event == ASK:
            self.ask(c)
        elif c.event == ENQUEUE and c.code == OK:
            first = p.x_first.get(c.c, NEVER)
            if c.number >= 0 and c.b and first < c.at:
                self.bad("absent", f"x={c.c} was there since line {first}: {c}")
            if c.number < 0 and not self.decided(c, lambda s: first <= s):
                self.bad("absent", f"x={c.c} is not there before line {first}: {c}")
            if c.at and p.lines[c.at - 1]["system_attrs"]["fixed_params"]["x"] != c.c:
                self.bad("value", f"another x in line {c.at}: {c}")
        elif c.event == REPORT and c.code == OK and c.at and p.lines[c.at - 1]["intermediate_value"] != c.c:
            self.bad("value", f"another value in line {c.at}: {c}")
        elif c.event in (REPORT, ATTR) and c.code != OK:
            self.failed(c)
        elif c.event == TELL:
            self.tell(c)
        elif c.event == READ:
            self.read(c)
        elif c.event == BEST:
            wanted = (c.c, c.number) if c.code == OK else None
            if not self.decided(c, lambda s: p.best[s] == wanted):
                self.bad("best", f"never so between {p.best[self.low[id(c)]]} and {p.best[self.high[id(c)]]}: {c}")
        elif c.event == LOOK:
            self.look(c)

    def ask(self, c):
        p = self.p
        if c.code == EEXHAUSTED:
            if not self.decided(c, lambda s: p.used(s, c.b) >= c.a):
                self.bad("budget", f"was not used up: {c}")
        elif c.at:
            if c.a and p.used(c.at - 1, c.b) >= c.a:
                self.bad("budget", f"was used up at line {c.at}: {c}")
            if p.oldest_before[c.at] != (c.number if c.number in p.queued else None):
                self.bad("queue", f"line {c.at}: the oldest queued trial was {p.oldest_before[c.at]}: {c}")
            if c.number not in p.queued and p.trials[c.at - 1] != c.number:
                self.bad("number", f"line {c.at} makes trial {p.trials[c.at - 1]}: {c}")
            if c.c >= 0 and p.study.trials[c.number].params.get("x") != c.c:
                self.bad("value", f"x is {p.study.trials[c.number].params.get('x')}: {c}")

    def failed(self, c):
        wanted = {EFINISHED: (COMPLETE, PRUNED, FAIL), EINVAL: (WAITING,), ENOTFOUND: (-1,)}.get(c.code, ())
        if not self.decided(c, lambda s: self.p.state(c.number, s) in wanted):
            self.bad("failure", f"the trial was in no such state: {c}")

    def tell(self, c):
        if c.code != OK:
            self.failed(c)
        elif c.at:
            op = self.p.lines[c.at - 1]
            if op["state"] != c.a or c.d != c.a or (c.a == COMPLETE and op["values"] != [c.c]):
                self.bad("value", f"line {c.at} says otherwise, {op['state']} {op['values']}: {c}")
            if self.p.state(c.number, c.at - 1) != RUNNING:
                self.bad("final", f"the trial was in {self.p.state(c.number, c.at - 1)}: {c}")

    def read(self, c):
        p = self.p
        if not 0 <= c.seq < len(p.trials):
            return self.bad("read", f"there is no such prefix: {c}")
        best = (c.c, c.number) if c.number >= 0 else None
        counts = p.counts[c.seq]
        if (c.a, c.b, c.d, c.e) != (p.trials[c.seq], counts[COMPLETE], counts[RUNNING], counts[WAITING]):
            self.bad("read", f"replay has {p.trials[c.seq]} trials, {counts}: {c}")
        if best != p.best[c.seq]:
            self.bad("best", f"replay has {p.best[c.seq]}: {c}")

    def look(self, c):
        p = self.p
        if not 0 <= c.seq < len(p.trials):
            return self.bad("read", f"there is no such prefix: {c}")
        reports = p.reports.get(c.number, [])
        i = bisect.bisect(reports, (c.seq, NEVER, 0))
        step, value = reports[i - 1][1:] if i else (-1, 0.0)
        if c.a != p.state(c.number, c.seq) or (c.b, c.c) != (step, value):
            self.bad("read", f"replay has state {p.state(c.number, c.seq)}, report {step}: {value}: {c}")


# ---- runs ----

class Crowd:
    """Processes until each has ended by itself. Some are killed, at any moment or by themselves inside the critical section, and
    replaced by others of their kind (the last words of their command lines)."""
    POINTS = ("locked", "before-write", "half-write", "after-write", "release", "moved")

    def __init__(self, argv, kinds, kills):
        self.argv, self.kills, self.inside = argv, 0, 0
        self.to_kill, self.to_arm = kills - kills // 2, kills // 2
        began = time.monotonic()
        read_end, self.inherited = os.pipe()  # whoever lives holds the write end: forked children outlive a killed parent
        self.alive = [self.start(kind) for kind in kinds]
        while any(p.poll() is None for p in self.alive):
            time.sleep(random.uniform(0.005, 0.1))
            i = random.randrange(len(self.alive))
            if self.to_kill > 0 and self.alive[i].poll() is None:
                self.to_kill -= 1
                self.alive[i].kill()
                self.alive[i].wait()
            for i, p in enumerate(self.alive):
                if p.poll() == -signal.SIGKILL or (p.poll() == 3 and p.armed):  # the latter: a child of it died so
                    self.kills += 1
                    self.inside += p.armed
                    self.alive[i] = self.start(p.kind)
        os.close(self.inherited)
        os.read(read_end, 1)
        os.close(read_end)
        self.took = time.monotonic() - began
        codes = [p.returncode for p in self.alive]
        storm.require(not any(codes), f"clients ended with {codes}")

    def start(self, kind):
        armed = self.to_arm > 0 and random.random() < 0.7
        environment = dict(os.environ)
        if armed:
            self.to_arm -= 1
            environment["STORM_AT"] = f"{random.choice(self.POINTS)}:{random.randrange(1, 200)}"
        p = storm.start(self.argv + [str(word) for word in kind], pass_fds=[self.inherited], env=environment)
        p.kind, p.armed = kind, armed
        return p


def crowd(program, journal, folder, calls, processes, kills):
    """A quarter of the processes are forkers' (four at a time), a quarter have two threads."""
    os.mkdir(folder)
    kinds = ["fork"] * (processes // 8) + ["threads"] * (processes // 4)
    kinds += ["one"] * (processes - len(kinds) - processes // 8)
    each = calls // sum(2 if k != "one" else 1 for k in kinds)
    return Crowd([program, journal, folder, str(each)], [(k, random.randrange(2**31)) for k in kinds], kills)


def shorten(wrong):
    kinds = collections.Counter(w.partition(":")[0] for w in wrong)
    return f"{dict(kinds)}\n  " + "\n  ".join(wrong[:8])


# ---- planted faults ----

def pick(calls, test):
    return random.choice([c for c in calls if c.ended != NEVER and test(c)])


def told(*events):
    return lambda c: c.event in events and c.code == OK and c.at > 0


def fault_lost_line(calls, lines):
    """A trial that nobody else mentions vanishes with the last lines."""
    c = max((c for c in calls if told(REPORT, ATTR)(c)), key=lambda c: c.at)
    del lines[c.at - 1]
    return ("lost",)


def fault_doubled_line(calls, lines):
    c = pick(calls, told(REPORT))
    lines.insert(c.at, dict(lines[c.at - 1]))
    return ("doubled",)


def fault_foreign_line(calls, lines):
    """An enqueued trial that no call asked for."""
    c = pick(calls, told(ENQUEUE))
    line = dict(lines[c.at - 1], n=lines[c.at - 1]["n"], worker_id="nobody")
    lines.append(line)
    return ("nobody's",)


def fault_order(calls, lines):
    """A call that was begun after another had returned, yet lies before it."""
    a, b = sorted(random.sample([c for c in calls if told(REPORT, ATTR)(c) and c.ended != NEVER], 2), key=lambda c: c.at)
    a.begun, a.ended = b.ended + 1, b.ended + 1000
    return ("real time",)


def fault_number(calls, lines):
    c = pick(calls, lambda c: told(ASK)(c) and any(d.number == c.number + 1 for d in calls if told(ASK)(d)))
    c.number += 1
    return ("twice", "foreign", "number", "queue")


def fault_claimed_twice(calls, lines):
    c, d = pick(calls, told(ASK)), pick(calls, told(ASK))
    while d.number == c.number or d.worker == c.worker:
        d = pick(calls, told(ASK))
    d.number = c.number
    return ("twice",)


def fault_younger_claimed(calls, lines):
    """A queued trial is taken although an older one waits: two claims change places."""
    runs = sorted(c.at for c in calls if told(ASK)(c) and lines[c.at - 1]["op_code"] == 6)
    pairs = [(a - 1, b - 1) for a, b in zip(runs, runs[1:])
             if not any(op.get("trial_id") == lines[a - 1]["trial_id"] for op in lines[a:b])]
    a, b = random.choice(pairs)
    lines[a]["trial_id"], lines[b]["trial_id"] = lines[b]["trial_id"], lines[a]["trial_id"]
    return ("queue", "foreign")


def fault_stale_read(calls, lines):
    """A read that misses what was acknowledged before it, yet is right about its prefix."""
    p = Prefixes(lines)
    reads = sorted((c for c in calls if c.event == READ and c.ended != NEVER), key=lambda c: c.begun)
    for c in reversed(reads):
        old = reads[len(reads) // 3]
        if old.ended < c.begun and p.counts[old.seq] != p.counts[c.seq]:
            c.seq, c.number, c.c, c.a, c.b, c.d, c.e = old.seq, old.number, old.c, old.a, old.b, old.d, old.e
            return ("real time",)
    raise AssertionError


def fault_read_count(calls, lines):
    pick(calls, lambda c: c.event == READ).e += 1
    return ("read",)


def fault_view_best(calls, lines):
    pick(calls, lambda c: c.event == READ and c.number >= 0).c += 1
    return ("best",)


def fault_best(calls, lines):
    """The best of long ago."""
    bests = sorted((c for c in calls if c.event == BEST and c.code == OK), key=lambda c: c.begun)
    old, new = bests[0], bests[-1]
    assert (old.c, old.number) != (new.c, new.number)
    new.c, new.number = old.c, old.number
    return ("best",)


def fault_look(calls, lines):
    pick(calls, lambda c: c.event == LOOK and c.a == RUNNING).a = COMPLETE
    return ("read",)


def fault_look_report(calls, lines):
    pick(calls, lambda c: c.event == LOOK and c.b >= 0).b += 1
    return ("read",)


def fault_budget_overrun(calls, lines):
    p = Prefixes(lines)
    c = pick(calls, lambda c: told(ASK)(c) and c.a > 0)
    c.a = p.used(c.at - 1, c.b)
    return ("budget",)


def fault_budget_refused(calls, lines):
    c = pick(calls, lambda c: c.event == ASK and c.code == EEXHAUSTED)
    c.a = 10**9
    return ("budget",)


def fault_absent(calls, lines):
    """Enqueued although it was there."""
    c = pick(calls, lambda c: c.event == ENQUEUE and c.b and c.number < 0)
    d = max((d for d in calls if told(ENQUEUE)(d) and not d.b), key=lambda d: d.at)
    lines[d.at - 1]["system_attrs"] = {"fixed_params": {"x": c.c}}
    d.b, d.c = 1, c.c
    return ("absent",)


def fault_present(calls, lines):
    """Refused although nothing was there."""
    c = pick(calls, lambda c: c.event == ENQUEUE and c.b and c.number < 0)
    c.c = 123456.5
    return ("absent",)


def fault_told_twice(calls, lines):
    c = pick(calls, told(TELL))
    d = pick(calls, lambda d: d.event == TELL and d.code == EFINISHED)
    d.code, d.number = OK, c.number
    return ("twice",)


def fault_refused_tell(calls, lines):
    """EFINISHED on a trial that ended long after."""
    p = Prefixes(lines)
    early = min((c for c in calls if c.event == TELL and c.code == EFINISHED), key=lambda c: c.begun)
    early.number = max(p.end)
    return ("failure",)


def fault_told_value(calls, lines):
    pick(calls, lambda c: told(TELL)(c) and c.a == COMPLETE).c += 1
    return ("value",)


def fault_report_value(calls, lines):
    pick(calls, told(REPORT)).c += 1
    return ("value",)


def fault_unknown_twice(calls, lines):
    """A call that never returned stands in the journal twice, as two operations."""
    c = pick(calls, lambda c: told(ENQUEUE)(c) and not c.b)
    line = lines[c.at - 1]
    c.ended, c.code = NEVER, EUNKNOWN
    lines.append(dict(line, n=10**9))
    return ("nobody's",)


def fault_asked_value(calls, lines):
    pick(calls, lambda c: told(ASK)(c) and c.c >= 0).c += 1
    return ("value",)


def planted(calls, lines):
    """Every fault alone in an otherwise sound history."""
    faults = [f for name, f in sorted(globals().items()) if name.startswith("fault_")]
    for f in faults:
        copies = [c.copy() for c in calls]
        changed = [dict(op) for op in lines]
        expected = f(copies, changed)
        found = {w.partition(":")[0] for w in Check(copies, changed).wrong}
        storm.require(found & set(expected), f"{f.__name__}: found {found or 'nothing'}, not one of {expected}")
    return len(faults)


# ---- against a search over all orders ----

class Model:
    """A study in a few lines, for the search: what the calls say, without a journal."""

    def __init__(self, trials=()):
        self.trials = list(trials)  # (state, x, value)

    def states(self):
        return [t[0] for t in self.trials]

    def call(self, c):
        """Applies the call; what it must say: (code, number, whatever it read)."""
        states = self.states()
        if c.event == ENQUEUE:
            if c.b and any(x == c.c for _, x, _ in self.trials):
                return (OK, -1, None)
            self.trials.append((WAITING, c.c, None))
            return (OK, len(states), None)
        if c.event == ASK:
            if c.a and len(states) - states.count(WAITING) >= c.a:
                return (EEXHAUSTED, -1, None)
            if WAITING in states:
                n = states.index(WAITING)
                self.trials[n] = (RUNNING,) + self.trials[n][1:]
                return (OK, n, None)
            self.trials.append((RUNNING, None, None))
            return (OK, len(states), None)
        if c.event == TELL:
            if c.number >= len(states):
                return (ENOTFOUND, c.number, None)
            if states[c.number] != RUNNING:
                return (EINVAL if states[c.number] == WAITING else EFINISHED, c.number, None)
            self.trials[c.number] = (COMPLETE, self.trials[c.number][1], c.c)
            return (OK, c.number, None)
        best = min(((v, n) for n, (s, _, v) in enumerate(self.trials) if s == COMPLETE), default=(0.0, -1))
        return (OK, best[1], (best[0], len(states), states.count(COMPLETE), states.count(RUNNING), states.count(WAITING)))

    @staticmethod
    def said(c):
        return (c.code, c.number, (c.c, c.a, c.b, c.d, c.e) if c.event == READ else None)


def some_order(calls, trials=()):
    """Wing and Gong's search: an order that real time allows and that explains every answer?"""
    left = [c for c in calls if c.ended != NEVER]
    if not left:
        return True
    first_end = min(c.ended for c in left)
    for c in calls:
        if c.begun > first_end:
            continue
        model = Model(trials)
        said = model.call(c)
        if c.ended != NEVER and said != Model.said(c):
            continue
        if some_order([d for d in calls if d is not c], model.trials):
            return True
    return False


def small_history(size):
    """Calls in a random order of effects, each in an interval around its effect, and their journal."""
    model, calls = Model(), []
    lines = [{"op_code": 0, "worker_id": "first", "n": 1, "study_name": "small"}]  # a read of no line at all cannot be
    for i in range(size):
        event = random.choice([ASK, ASK, ENQUEUE, TELL, TELL, READ])
        c = Call((20 * i - random.randrange(40) + 41, 20 * i + random.randrange(40) + 42, event, OK, -1, -1, 0, 0, 0, 0, 0.0, 0), f"w{i}")
        if event == ENQUEUE:
            c.b, c.c = random.randrange(2), float(random.randrange(3))
        elif event == ASK:
            c.a, c.c = random.choice([0, 1, 2]), -1.0
        elif event == TELL:
            c.number, c.a, c.b, c.d, c.c = random.randrange(3), COMPLETE, 1, COMPLETE, float(random.randrange(9))
        before = len(model.trials)
        c.code, c.number, seen = model.call(c)
        line = {"worker_id": c.worker, "n": 1, "study_id": 0, "trial_id": c.number}
        if event == READ:
            c.seq, (c.c, c.a, c.b, c.d, c.e) = len(lines), seen
        elif event == TELL and c.code == OK:
            lines.append(dict(line, op_code=6, state=COMPLETE, values=[c.c]))
        elif event == ENQUEUE and c.number >= 0:
            lines.append(dict(line, op_code=4, state=WAITING, system_attrs={"fixed_params": {"x": c.c}}))
        elif event == ASK and c.code == OK:
            lines.append(dict(line, op_code=4 if c.number == before else 6, state=RUNNING))
        calls.append(c)
        if event in (ASK, ENQUEUE) and random.random() < 0.1:
            c.ended, c.code = NEVER, EUNKNOWN
    return calls, lines


def spoil(calls):
    """One answer, or one moment, is another."""
    c = random.choice(calls)
    what = random.randrange(4)
    if what == 0 and c.code == OK:
        c.number = max(-1 if c.event in (READ, ENQUEUE) else 0, c.number + random.choice([-1, 1]))
    elif what == 1 and c.event == READ:
        c.e += 1
    elif what == 1 and c.event == TELL:
        c.code = random.choice([OK, EFINISHED, EINVAL])
    elif what == 2:
        c.begun = max(d.begun for d in calls) + random.randrange(60)
        c.ended = NEVER if c.ended == NEVER else c.begun + random.randrange(40)
    else:
        shift = random.randrange(-100, 100)
        c.begun, c.ended = c.begun + shift, NEVER if c.ended == NEVER else c.ended + shift


def cross_check(rounds):
    """What the checker accepts, the search explains, too; sound histories are accepted by both."""
    accepted = refused = 0
    for i in range(rounds):
        calls, lines = small_history(random.randrange(3, 8))
        spoilt = i % 3 > 0
        if spoilt:
            spoil(calls)
        wrong, order = Check(calls, lines).wrong, some_order(calls)
        text = "\n  ".join(map(str, wrong + calls + lines))
        storm.require(order or wrong, f"accepted, although no order explains it:\n  {text}")
        storm.require(spoilt or not wrong, f"refused, although it is sound:\n  {text}")
        accepted += not wrong
        refused += not order
    storm.require(refused > rounds // 10, f"only {refused} spoilt histories of {rounds} cannot be explained")
    return f"{rounds} small histories beside a search over all orders: {accepted} accepted, {refused} that no order explains all found"


def run(program, calls, processes, kills):
    storm.seed()
    print("linear:", cross_check(2000), flush=True)
    with storm.Scratch() as scratch:
        journal = scratch.file("small.log")
        crowd(program, journal, scratch.file("small"), 8000, 8, 0)
        small, lines = load_calls(scratch.file("small")), list(replayed.lines(journal))
        wrong = Check(small, lines).wrong
        storm.require(not wrong, shorten(wrong))
        n_faults = planted(small, lines)
        journal = scratch.file("history.log")
        clients = crowd(program, journal, scratch.file("history"), calls, processes, kills)
        began = time.monotonic()
        check = Check(load_calls(scratch.file("history")), list(replayed.lines(journal)))
        storm.require(not check.wrong, shorten(check.wrong))
        landed = sum(c.at > 0 for c in check.pending)
        by_code = collections.Counter(c.code for c in check.returned)
        print(f"linear: {len(check.calls)} calls of {len({c.worker for c in check.calls})} handles in {processes} processes and their "
              f"children, {clients.kills} killed, {clients.inside} of them in the critical section ({len(check.pending)} calls never returned, {landed} of them landed), "
              f"{len(check.p.lines)} lines, {clients.took:.1f} s; refused: {by_code[EEXHAUSTED]} by the budget, {by_code[EFINISHED]} finished, "
              f"{by_code[EINVAL]} queued; {len(check.abandoned)} claims given up; 0 violations, checked in {time.monotonic() - began:.1f} s; "
              f"all {n_faults} planted faults found")


if __name__ == "__main__":
    storm.main(run, 200000, 16, 40)
