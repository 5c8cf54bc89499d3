# SPDX-License-Identifier: MIT
"""Generator of operation lists for the differential replay test.

One seed gives one list of journal lines, always the same on every Python. The generator keeps a light model of what its
lines do, only to aim: every rule of the replay shall be hit with every outcome, by the own worker and by others. What a line
really does is decided by the oracles.

A line is (flag, bytes, tag). Flags:
  ' '  everybody reads it
  'T'  Trialog alone reads it, and must find it odd: Python would carry on with a member of the wrong type (EXCEPTIONS.md)
  'C'  Trialog alone reads it, and must find it broken: its checksum, at which only Trialog looks, is wrong
  'P'  the place of a create-trial line that was damaged: Trialog skips it with a placeholder, the oracles get a FAIL trial
       (the bytes); the tag holds the study id
Tags name the malformation of a malformed line; "valueless" is a template with a distribution whose parameter has no value; else "".
"""

import json
import os
import random
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from gen_odd import Malformed, Study, Trial  # noqa: E402
from gen_values import (  # noqa: E402
    ISO,
    KEYS,
    STRINGS,
    STUDY_NAMES,
    Family,
    any_json,
    crc32c,
    dist_text,
    number_token,
    step_token,
    text_token,
)

OWN_SHARE = 0.5


class Generator(Malformed):
    def __init__(self, seed):
        r = self.r = random.Random(seed)
        self.fancy = r.random() < 0.55  # unusual notations; the other lists look like Optuna's or ours
        self.malformed = r.random() < 0.75
        self.valueless = r.random() < 0.15  # templates with distributions whose parameter has no value
        self.style = r.choice(["optuna50", "optuna31", "ours"])
        base = "%08x-%04x-" % (r.getrandbits(32), r.getrandbits(16))
        self.own = base + "own"
        if r.random() < 0.1:
            self.own = r.choice(["", "w\u00f6rker", "\ud800", "own"])
        self.others = [base + "w%d" % i for i in range(r.randrange(1, 4))]
        self.counts = {}
        self.studies = []
        self.trials = []
        self.names = r.sample(STUDY_NAMES, 3)
        self.params = {}
        for name in r.sample(STRINGS, r.randrange(2, 5)) + ["p", "q"]:
            self.params[name] = Family(r)
        self.lines = []

    # ---- lines ----

    def worker(self, own=None):
        if own is None:
            own = self.r.random() < OWN_SHARE
        return self.own if own else self.r.choice(self.others)

    def emit(self, members, tag="", worker=None, flag=" "):
        """A line from (name, token) pairs after op_code and worker_id."""
        r = self.r
        if worker is None:
            worker = self.worker()
        members = list(members)
        members.insert(1, ("worker_id", text_token(r, worker, self.fancy)))
        ours = self.style == "ours"
        crc = ours
        colon, comma = (": ", ", ") if self.style == "optuna31" else (":", ",")
        if self.fancy:
            x = r.random()
            if x < 0.12:
                r.shuffle(members)
            elif x < 0.2:
                k = r.choice([m for m in members])
                members.insert(
                    r.randrange(members.index(k) + 1),
                    (k[0], r.choice(["null", "0", "-1", '""', "[]", "{}", "1e5"])),
                )
            elif x < 0.27:
                members.insert(
                    r.randrange(len(members) + 1),
                    (r.choice(["x", "comment", "", "op_code2", "crc", "é"]), any_json(r)),
                )
            elif x < 0.33 and members[0][1] in ("1", "2", "3", "7", "8", "9"):
                # members that other operations read and this one does not
                have = {m[0] for m in members}
                k = r.choice(
                    [
                        "study_name",
                        "directions",
                        "datetime_start",
                        "datetime_complete",
                        "state",
                        "values",
                        "params",
                        "distributions",
                        "distribution",
                        "param_name",
                        "param_value_internal",
                        "intermediate_values",
                        "user_attrs",
                    ]
                )
                if k not in have:
                    members.insert(r.randrange(len(members) + 1), (k, any_json(r)))
            elif x < 0.4:
                colon, comma = r.choice([(" : ", " , "), (":\t", ",\t"), (": ", ",")])
            crc = ours and r.random() < 0.8
        if (ours or (self.fancy and r.random() < 0.05)) and r.random() < 0.95:
            n = self.counts.get(worker, 0) + 1
            self.counts[worker] = n
            members.append(("n", str(n)))
        name_of = (
            (lambda k: text_token(r, k, True)) if self.fancy and r.random() < 0.05 else (lambda k: '"%s"' % k)
        )
        text = "{" + comma.join(name_of(k) + colon + v for k, v in members) + "}"
        if self.fancy and r.random() < 0.03:
            text = r.choice([" ", "\t", "  "]) + text + r.choice([" ", "\r", "\t"])
        data = text.encode("utf-8", "surrogatepass")
        if self.fancy and r.random() < 0.01:
            data = b"\xef\xbb\xbf" + data
        if crc and data.endswith(b"}"):
            data = data[:-1]
            data += b',"crc":"%08x"}' % crc32c(data)
        self.lines.append((flag, data, tag))

    def put(self, code, *members, **kw):
        self.emit([("op_code", str(code))] + list(members), **kw)

    def time(self, odd=True):
        r = self.r
        if self.fancy and r.random() < 0.4:
            return json.dumps(r.choice(ISO))
        t = "20%02d-%02d-%02dT%02d:%02d:%02d.%06d" % (
            r.randrange(20, 30),
            r.randrange(1, 13),
            r.randrange(1, 29),
            r.randrange(24),
            r.randrange(60),
            r.randrange(60),
            r.randrange(1000000),
        )
        return '"%s%s"' % (t, "" if self.style == "optuna31" else "+00:00")

    # ---- choosing a target ----

    def study(self, intent):
        r = self.r
        if intent == "live":
            live = [i for i, s in enumerate(self.studies) if not s.deleted]
            return r.choice(live) if live else None
        if intent == "deleted":
            gone = [i for i, s in enumerate(self.studies) if s.deleted]
            return r.choice(gone) if gone else None
        return r.choice([len(self.studies), len(self.studies) + 3, -1, 4294967295, 2**31, -(2**40)])

    def trial(self, intent):
        r = self.r
        if intent == "unknown":
            return r.choice(
                [len(self.trials), len(self.trials) + 1, len(self.trials) + 7, -1, 4294967295, 2**40, -(2**33)]
            )
        want = (lambda t: t.state in (0, 4)) if intent == "live" else (lambda t: t.state in (1, 2, 3))
        ids = [i for i, t in enumerate(self.trials) if want(t)]
        if not ids:
            return None
        if r.random() < 0.3:
            return ids[-1]
        return r.choice(ids)

    def pick(self, pairs):
        x = self.r.random() * sum(w for _, w in pairs)
        for v, w in pairs:
            x -= w
            if x < 0:
                return v
        return pairs[-1][0]

    # ---- operations ----

    def create_study(self, name=None):
        r = self.r
        taken = [s.name for s in self.studies if not s.deleted]
        if name is None:
            name = r.choice(taken) if taken and r.random() < 0.4 else r.choice(self.names)
        dirs = [r.choice([1, 2]) for _ in range(r.choice([1, 1, 1, 2, 3]))]
        if r.random() < 0.02:
            dirs = r.choice([[0], [], [1] * 40, [0, 1]])
        self.put(
            0,
            ("study_name", text_token(r, name, self.fancy)),
            ("directions", "[" + ",".join(map(str, dirs)) + "]"),
        )
        if name not in taken:
            self.studies.append(Study(name, dirs))

    def delete_study(self):
        intent = self.pick([("live", 30), ("unknown", 20), ("deleted", 60)])
        s = self.study(intent)
        if s is None:
            return
        self.put(1, ("study_id", str(s)))
        if intent == "live":
            self.studies[s].deleted = True

    def study_attr(self):
        r = self.r
        intent = self.pick([("live", 45), ("unknown", 20), ("deleted", 45)])
        s = self.study(intent)
        if s is None:
            return
        user = r.random() < 0.5
        member = ("user_attr" if user else "system_attr", self.attr_token())
        self.put(2 if user else 3, ("study_id", str(s)), member)

    def attr_token(self):
        r = self.r
        key = r.choice(KEYS)
        tok = text_token(r, key, self.fancy)
        value = any_json(r)
        if key.startswith("constraints") and r.random() < 0.8:
            nums = [
                r.choice(["-1.0", "0.0", "0.5", "-0.0", "1e-300", "true", "false", "NaN"])
                for _ in range(r.randrange(3))
            ]
            value = (
                "[" + ",".join(nums) + "]" if key == "constraints" else r.choice(["-1.0", "0.0", "0.5", "-0.0"])
            )
        if self.fancy and r.random() < 0.05:
            return "{%s:%s,%s:%s}" % (tok, any_json(r), text_token(r, key, True), value)
        return "{%s:%s}" % (tok, value)

    def object(self, pairs):
        """Object text; sometimes a key comes twice."""
        if self.fancy and pairs and self.r.random() < 0.08:
            k = self.r.choice(pairs)
            pairs = pairs + [(k[0], k[1])] if self.r.random() < 0.5 else [(k[0], k[1])] + pairs
        return "{" + ",".join(text_token(self.r, k, self.fancy) + ":" + v for k, v in pairs) + "}"

    def create_trial(self):
        r = self.r
        intent = self.pick([("live", 70), ("unknown", 10), ("deleted", 30)])
        s = self.study(intent)
        if s is None:
            return
        members = [("study_id", str(s)), ("datetime_start", self.time() if r.random() < 0.93 else "null")]
        state = 0
        params = {}
        if r.random() < 0.55:
            state = self.pick([(0, 22), (1, 20), (2, 10), (3, 8), (4, 40)])
            params = self.template(members, state, s)
        self.put(4, *members, tag="valueless" if self.valueless else "")
        if intent == "live":
            st = self.studies[s]
            t = Trial(s, st.n, state)
            t.params.update(params)
            st.n += 1
            self.trials.append(t)

    def values_token(self, study):
        r = self.r
        n = (
            len(self.studies[study].dirs)
            if 0 <= study < len(self.studies) and r.random() < 0.85
            else r.choice([0, 1, 2, 3])
        )
        plain = r.random() < 0.6
        vals = [repr(float(r.randrange(0, 5))) if plain else number_token(r) for _ in range(n)]
        return vals

    def template(self, members, state, study):
        r = self.r
        vals = self.values_token(study) if state in (1, 2) or r.random() < 0.1 else None
        members.append(("state", str(state)))
        if vals is None:
            extra = [("value", "null"), ("values", "null")]
        elif len(vals) == 1 and r.random() < 0.9:
            extra = [("value", vals[0]), ("values", "null")]
        else:
            extra = [("value", "null"), ("values", "[" + ",".join(vals) + "]")]
        if self.fancy and r.random() < 0.2:
            extra = [e for e in extra if e[1] != "null" or r.random() < 0.5]
        members += extra
        if state in (1, 2, 3) or r.random() < 0.05:
            if r.random() < 0.95:
                members.append(("datetime_complete", self.time()))
        names = [n for n in self.params if r.random() < 0.5]
        if r.random() < 0.3:
            r.shuffle(names)
        dists, pvals = [], []
        for n in names:
            f = self.params[n]
            if r.random() < 0.06:
                f = f.rival(r)
            dists.append((n, text_token(r, dist_text(r, f), self.fancy)))
            if not self.valueless or r.random() < 0.7:
                pvals.append((n, self.internal(f)))
        if r.random() < 0.15:
            r.shuffle(dists)
        if not (self.fancy and r.random() < 0.1 and not dists):
            members += [("distributions", self.object(dists)), ("params", self.object(pvals))]
        for kind in ("user_attrs", "system_attrs"):
            pairs = [(k, any_json(r)) for k in r.sample(KEYS, r.choice([0, 0, 0, 1, 2, 3]))]
            pairs = [
                (k, v) if k != "constraints" else (k, "[%s]" % r.choice(["0.5", "-1.0", "0,0", "0,1"]))
                for k, v in pairs
            ]
            pairs = [(k, v) if k != "constraints:a" else (k, r.choice(["0.5", "-1.0", "0"])) for k, v in pairs]
            if not (self.fancy and r.random() < 0.15):
                members.append((kind, self.object(pairs)))
        steps = sorted({int(step_token(r)) for _ in range(r.choice([0, 0, 1, 3]))})
        if r.random() < 0.2:
            r.shuffle(steps)
        members.append(("intermediate_values", self.object([(str(k), number_token(r)) for k in steps])))
        return [k for k, _ in pvals]

    def internal(self, f):
        r = self.r
        if f.choices is not None:
            n = len(f.choices)
            x = r.random()
            if x < 0.9:
                i = r.randrange(n)
                return str(i) if r.random() < 0.7 else repr(float(i))
            return r.choice(["-1", "-1.0", str(-n), "-0.5", "0.9", "-0.0", repr(n - 0.5)])
        if f.cls.startswith("Int"):
            if r.random() < 0.85:
                return r.choice(
                    ["1.0", "2.0", "5.0", "3", "-2.0", "10.0", "1.5", "-1.5", "-0.5", "9007199254740993"]
                )
            return r.choice(
                [
                    "1e15",
                    "1e300",
                    "-1e200",
                    "0.0",
                    "-0.0",
                    "2.9999999",
                    "9.2e18",
                    "1e19",
                    "-9223372036854775808",
                    "5e-324",
                    "123456789012345678901234567890",
                ]
            )
        return number_token(r)

    def param(self):
        r = self.r
        intent = self.pick([("live", 66), ("unknown", 12), ("finished", 22)])
        t = self.trial(intent)
        if t is None:
            return
        name = r.choice(list(self.params))
        f = self.params[name]
        if r.random() < 0.25:
            f = f.rival(r)
        self.put(
            5,
            ("trial_id", str(t)),
            ("param_name", text_token(r, name, self.fancy)),
            ("param_value_internal", self.internal(f)),
            ("distribution", text_token(r, dist_text(r, f), self.fancy)),
        )

    def state(self):
        r = self.r
        intent = self.pick([("live", 66), ("unknown", 12), ("finished", 22)])
        t = self.trial(intent)
        if t is None:
            return
        if intent == "live" and r.random() < 0.65:
            waiting = [i for i, x in enumerate(self.trials) if x.state == 4]
            t = r.choice(waiting) if waiting else t
        now = self.trials[t].state if intent != "unknown" else 0
        new = (
            self.pick([(0, 40), (1, 20), (2, 12), (3, 10), (4, 22)])
            if now == 0
            else self.pick([(0, 12), (1, 27), (2, 22), (3, 19), (4, 20)])
        )
        study = self.trials[t].study if intent != "unknown" else 0
        self.put(6, *self.state_members(t, new, study))
        if intent == "live":
            self.trials[t].state = new

    def state_members(self, t, new, study):
        r = self.r
        vals = self.values_token(study) if new in (1, 2) and r.random() < 0.9 or r.random() < 0.06 else None
        m = [
            ("trial_id", str(t)),
            ("state", str(new)),
            ("values", "null" if vals is None else "[" + ",".join(vals) + "]"),
        ]
        if new == 0:
            m.append(("datetime_start", self.time()))
        elif new != 4:
            m.append(("datetime_complete", self.time()))
        if self.fancy and r.random() < 0.05:
            m.append(
                (
                    "datetime_complete" if new in (0, 4) else "datetime_start",
                    r.choice(["null", self.time(), '"garbage"', "5"]),
                )
            )
        return m

    def claim_race(self):
        """Several workers try to claim one WAITING trial."""
        r = self.r
        ids = [i for i, t in enumerate(self.trials) if t.state == 4]
        if not ids:
            return
        t = min(ids) if r.random() < 0.7 else r.choice(ids)
        for _ in range(r.randrange(1, 4)):
            self.put(
                6, ("trial_id", str(t)), ("state", "0"), ("values", "null"), ("datetime_start", self.time())
            )
        self.trials[t].state = 0

    def report(self):
        r = self.r
        t = self.trial(self.pick([("live", 60), ("unknown", 18), ("finished", 24)]))
        if t is None:
            return
        self.put(7, ("trial_id", str(t)), ("step", step_token(r)), ("intermediate_value", number_token(r)))

    def trial_attr(self):
        r = self.r
        t = self.trial(self.pick([("live", 60), ("unknown", 18), ("finished", 24)]))
        if t is None:
            return
        user = r.random() < 0.5
        self.put(
            8 if user else 9, ("trial_id", str(t)), ("user_attr" if user else "system_attr", self.attr_token())
        )

    def discard(self):
        r = self.r
        self.put(10, *r.choice([[], [("study_id", "0"), ("trial_ids", "[0,1]")], [("trial_id", "0")]]))

    # ---- much of one thing ----

    def burst(self):
        """Many operations of one kind: long lists of one trial, many parameters, crowded fronts and queues."""
        r = self.r
        s = self.study("live")
        t = self.trial("live")
        if s is None or t is None:
            return
        kind = r.choice(["reports", "attrs", "params", "study", "front", "front", "queue", "wide"])
        if kind == "front":
            several = [i for i, x in enumerate(self.studies) if len(x.dirs) > 1 and not x.deleted]
            s = r.choice(several or [s])
        keys = r.choice([2, 7, 9, 20, 70, 200])
        for i in range(r.choice([20, 90, 200])):
            if kind == "reports":
                step = i if r.random() < 0.3 else r.randrange(keys) - 2
                self.put(7, ("trial_id", str(t)), ("step", str(step)), ("intermediate_value", number_token(r)))
            elif kind == "attrs":
                user = r.random() < 0.7
                self.put(
                    8 if user else 9,
                    ("trial_id", str(t)),
                    (
                        "user_attr" if user else "system_attr",
                        '{"b%d":%s}' % (r.randrange(keys), any_json(r, 2)),
                    ),
                )
            elif kind == "study":
                self.put(
                    2, ("study_id", str(s)), ("user_attr", '{"b%d":%s}' % (r.randrange(keys), any_json(r, 2)))
                )
            elif kind == "params":
                dist = (
                    '{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": %d.0, "log": false}}'
                    % r.randrange(1, 4)
                )
                self.put(
                    5,
                    ("trial_id", str(t)),
                    ("param_name", '"b%d"' % r.randrange(keys)),
                    ("param_value_internal", number_token(r)),
                    ("distribution", json.dumps(dist)),
                )
            elif kind == "front":
                self.chain = i % 3 > 0
                self.front_trial(s)
            elif kind == "queue":
                self.queue_step(s)
            elif i < 8:
                self.wide_trial(s, keys)

    def front_trial(self, s):
        r = self.r
        st = self.studies[s]
        high = r.choice([2, 4, 10])
        vals = [
            r.choice(["NaN", "Infinity", "-Infinity"]) if r.random() < 0.03 else repr(float(r.randrange(high)))
            for _ in range(len(st.dirs))
        ]
        if self.chain and len(st.dirs) > 1:  # many points of which none dominates another
            a = r.randrange(50)
            vals[:2] = [str(a), str(50 - a if st.dirs[0] == st.dirs[1] else a)]
        attrs = r.choice(
            ["{}"] * 6
            + [
                '{"constraints":[0.5,-1]}',
                '{"constraints":[-1.0,0.0]}',
                '{"constraints:a":1.5}',
                '{"constraints:b":true}',
                '{"constraints":[false,true]}',
                '{"constraints":[false]}',
                '{"constraints:a":-1.5,"constraints:b":0}',
            ]
        )
        dist = dist_text(r, self.params["q"])
        self.put(
            4,
            ("study_id", str(s)),
            ("datetime_start", "null"),
            ("state", "1"),
            ("value", "null"),
            ("values", "[" + ",".join(vals) + "]"),
            ("distributions", '{"q":%s}' % json.dumps(dist)),
            ("params", '{"q":0}'),
            ("system_attrs", attrs),
        )
        self.trials.append(Trial(s, st.n, 1))
        st.n += 1

    def queue_step(self, s):
        """Fills a queue and takes from it, mostly the oldest."""
        r = self.r
        waiting = [i for i, t in enumerate(self.trials) if t.study == s and t.state == 4]
        running = [i for i, t in enumerate(self.trials) if t.study == s and t.state == 0]
        x = r.random()
        if x < 0.35 and running:
            t, new = r.choice(running), 4
        elif x < 0.6 and waiting:
            t, new = (waiting[0] if r.random() < 0.6 else r.choice(waiting)), 0
        else:
            self.put(4, ("study_id", str(s)), ("datetime_start", "null"), ("state", "4"))
            self.trials.append(Trial(s, self.studies[s].n, 4))
            self.studies[s].n += 1
            return
        self.put(6, *self.state_members(t, new, s))
        self.trials[t].state = new

    def wide_trial(self, s, keys):
        """A trial with many parameters, attributes and reports; the names come in a rotated order."""
        r = self.r
        first = r.randrange(keys)
        names = ["b%d" % ((first + i) % keys) for i in range(r.randrange(1, keys + 1))]
        dist = json.dumps(
            '{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": %d.0, "log": false}}'
            % r.randrange(1, 3)
        )
        state = r.choice([0, 1, 2, 3])
        self.put(
            4,
            ("study_id", str(s)),
            ("datetime_start", "null"),
            ("state", str(state)),
            ("values", "[1.0]" if state == 1 else "null"),
            ("distributions", self.object([(n, dist) for n in names])),
            ("params", self.object([(n, number_token(r)) for n in names])),
            ("user_attrs", self.object([(n, any_json(r, 3)) for n in names if r.random() < 0.5])),
            ("intermediate_values", self.object([(n[1:], number_token(r)) for n in names if r.random() < 0.5])),
        )
        self.trials.append(Trial(s, self.studies[s].n, state))
        self.studies[s].n += 1

    # ---- a list ----

    def run(self):
        r = self.r
        n = r.randrange(10, 61)
        self.create_study(self.names[0])
        if r.random() < 0.4:
            self.put(1, ("study_id", "0"))
            self.studies[0].deleted = True
            self.create_study()
        steps = [
            (self.create_study, 5),
            (self.delete_study, 3.2),
            (self.study_attr, 10),
            (self.create_trial, 19),
            (self.param, 23),
            (self.state, 17),
            (self.claim_race, 4),
            (self.report, 11),
            (self.trial_attr, 15),
            (self.discard, 1.5),
        ]
        if self.malformed:
            steps += [(self.odd, 24), (self.broken, 1.6), (self.loose, 2.5), (self.tool_only, 2.4)]
        if r.random() < 0.05:
            steps.append((self.burst, 6))
            n += 200
        while len(self.lines) < n:
            if not any(not s.deleted for s in self.studies) and r.random() < 0.7:
                self.create_study()
            self.pick(steps)()
        return self.own, self.lines


def make_list(seed):
    """(own worker id, [(flag, line, tag)]) of a seed."""
    return Generator(seed).run()


def encode_list(number, own, lines):
    """The form in which lists travel to the oracles and to the tool: a header line, then one flag byte and a line each."""
    head = "#%d %d %s\n" % (number, len(lines), json.dumps(own))
    return head.encode() + b"".join(flag.encode() + data + b"\n" for flag, data, _ in lines)


if __name__ == "__main__":
    import sys

    first, count = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1
    for s in range(first, first + count):
        owner, ops = make_list(s)
        sys.stdout.buffer.write(encode_list(s, owner, ops))
