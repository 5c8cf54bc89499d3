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
import random
import struct

OWN_SHARE = 0.5


def _crc_table():
    table = []
    for i in range(256):
        c = i
        for _ in range(8):
            c = (c >> 1) ^ 0x82F63B78 if c & 1 else c >> 1
        table.append(c)
    return table


_CRC = _crc_table()


def crc32c(data):
    c = 0xFFFFFFFF
    table = _CRC
    for b in data:
        c = (c >> 8) ^ table[(c ^ b) & 255]
    return c ^ 0xFFFFFFFF


STRINGS = ["", "a", "x", "lr", "value", "é", "名前", "\U0001F600", "\ud800", "\udc00x", "y\ud83d", "nul\x00nul", "\x7f", "\u2028",
           'quote"back\\slash/', "\b\f\n\r\t", "long" * 40, " ", "op_code", "constraints"]
STUDY_NAMES = STRINGS + ["study", "s1", "s2"]
KEYS = ["k", "k1", "k2", "", "schlüssel", "\ud801", "constraints", "constraints:a", "fixed_params", "grid_id", "\U0001F600"]
STEPS = [0, 0, 1, 1, 2, 3, 4, 5, 7, 10, 100, -1, 2**31, 2**53 + 1, 2**63 - 1, -2**63]
NUMBERS = ["0.0", "1.0", "-1.0", "0.5", "1", "0", "-0", "-0.0", "NaN", "Infinity", "-Infinity", "1e400", "-1e400", "5e-324", "2e-324", "3e-324",
           "1.7976931348623157e308", "1.7976931348623159e308", "2.2250738585072011e-308", "9007199254740993", "9007199254740993.0",
           "123456789012345678901234567890", "1" + "0" * 308, "0.1", "0.30000000000000004", "1E5", "1e+05", "1.0E-5", "100000.000000", "0.1000000000000000055511151231257827",
           "0.10000000000000000555111512312578270211815834045410156250000000000000000000001", "4.35", "1e22", "1e23", "8.41e21", "9.5e-7", "2.5e-8",
           "179769313486231580793728971405301e276", "6.62607015e-34", "0e0", "-0e5", "0.000000000000000000000000000000000000000000001e10"]
CHOICE_SETS = [["a", "b", "c"], [True, 0], [1, 0.0], [1.0, False], [None, "None", 0.5], ["x"], [float("nan"), 1], [float("nan"), True],
               [1, 2, 3], [1.0, 2.0, 3.0], ["é", "名前", "\ud800"], [0, -0.0, "0"], [2**53 + 1, 2**53], [9007199254740993, 9007199254740992.0],
               [float("inf"), float("-inf")], ["", " "], [False, True], [2**62, -2**62], [1e300, 5e-324], ["a", "b"],
               [2**63 - 1, 2.0**63], [2**63, 2.0**63], [-2**63, 2**70, 1e20], [10**20, 10**21]]
# Choices that are neither null, bool, number nor text: Optuna warns and goes on.
ODD_CHOICE_SETS = [[[1, 2], [3]], [{"a": 1}, {"b": [None]}], [[], {}], [[1.0, True], [3]]]
ISO = ["2026-01-31T09:30:00.000001+00:00", "2026-01-31T09:30:00+00:00", "2026-01-31T09:30:00.999999Z", "2026-01-31 09:30:00.5"[:19] + ".500000",
       "2026-01-31T10:30:00.000001+01:00", "2024-02-29T23:59:59.999999-11:00", "1999-12-31T23:59:59.123456+05:45", "2100-02-28T00:00:00+14:00",
       "2026-01-31T09:30:00.000001", "2023-07-01T12:00:00.123456", "2023-07-01T12:00:00", "2026-10-25T02:30:00", "2026-03-29T02:30:00",
       "2026-10-25T00:30:00+00:00", "2026-10-25T01:30:00.000007+00:00", "1970-01-01T00:00:00.000000+00:00", "1969-12-31T23:59:59.999999+00:00",
       "2038-01-19T03:14:08.000000+00:00", "1905-06-07T08:09:10.111213+00:00", "2026-01-31T09:30:00.123", "2026-01-31T09:30"]
BAD_ISO = ['"garbage"', '""', "null", "5", '"2026-13-01T00:00:00"', '"2026-02-30T00:00:00"', '"2026-01-31T24:00:00"', '"2026-01-31T09:60:00"',
           '"2026-01-31T09:30:00+25:00"', "[]", '"2026-01-31T09:30:00.000001+00:00 "', '"2026-01-31T09:30:61+00:00"', '"0000-01-01T00:00:00+00:00"',
           '"2026-01-31T"', '"2026-1-31T09:30:00"', '"2026-01-31T09:30:00+0:00"', "true"]
# Python 3.11's fromisoformat reads more than datetime.isoformat writes; no Optuna ever wrote these.
LOOSE_ISO = ['"20260131T093000"', '"2026-01-31"', '"2026-W05-6"', '"2026-01-31T09:30:00,5"', '"2026-01-31T09:30:00+0530"', '"2026-01-31T09"',
               '"2026-01-31T09:30:00.1234567"', '"2026-01-31T09:30:00.+00:00"', '"2026-01-31x09:30:00"', '"2026-01-31T093000"']

STATE_NAMES = ["RUNNING", "COMPLETE", "PRUNED", "FAIL", "WAITING"]


def text_token(r, s, fancy):
    """JSON token of a string, in one of the ways in which a string can be written."""
    if not fancy or r.random() < 0.6:
        return json.dumps(s)
    how = r.randrange(4)
    if how == 0:
        if any(0xD800 <= ord(c) < 0xE000 for c in s):
            return json.dumps(s)
        return json.dumps(s, ensure_ascii=False)
    out = ['"']
    for c in s:
        if how == 1 or r.random() < 0.3:
            o = ord(c)
            units = [o] if o < 0x10000 else [0xD800 + ((o - 0x10000) >> 10), 0xDC00 + ((o - 0x10000) & 0x3FF)]
            out.extend(("\\u%04X" if how == 2 else "\\u%04x") % u for u in units)
        elif c == "/" and how == 3:
            out.append("\\/")
        else:
            out.append(json.dumps(c)[1:-1])
    out.append('"')
    return "".join(out)


def number_token(r, odd=0.25):
    x = r.random()
    if x < odd:
        return r.choice(NUMBERS)
    if x < odd + 0.05:
        v = struct.unpack(">d", struct.pack(">Q", r.getrandbits(64)))[0]
        return json.dumps(v)
    if x < odd + 0.1:
        return "%de%d" % (r.randrange(10**17), r.randrange(-340, 300))
    if x < odd + 0.3:
        return str(r.randrange(-5, 6))
    return repr(round(r.uniform(-10, 10), r.randrange(1, 17)))


def step_token(r):
    if r.random() < 0.85:
        return str(r.randrange(0, 6))
    return str(r.choice(STEPS))


def any_json(r, depth=0):
    """Text of any JSON value, as an attribute may hold it."""
    x = r.random()
    if x < 0.3:
        return number_token(r)
    if x < 0.55:
        return text_token(r, r.choice(STRINGS), True)
    if x < 0.7 or depth > 3:
        return r.choice(["null", "true", "false"])
    if depth == 0 and x < 0.71:
        n = r.choice([20, 100, 300])
        return r.choice(["[" * n + "]" * n, '{"a":' * n + "0" + "}" * n])
    if x < 0.85:
        return "[" + r.choice([",", ", ", " ,\t"]).join(any_json(r, depth + 1) for _ in range(r.randrange(4))) + "]"
    members = [text_token(r, r.choice(KEYS), True) + r.choice([":", ": ", " :"]) + any_json(r, depth + 1) for _ in range(r.randrange(4))]
    return "{" + ",".join(members) + "}"


# ---- distributions ----

class Family:
    """What a parameter name stands for in one list: its compatible distributions."""

    __slots__ = ("cls", "log", "choices")

    def __init__(self, r):
        x = r.random()
        self.log = False
        self.choices = None
        if x < 0.3:
            self.cls = "FloatDistribution"
            self.log = r.random() < 0.4
        elif x < 0.5:
            self.cls = "IntDistribution"
            self.log = r.random() < 0.4
        elif x < 0.8:
            self.cls = "CategoricalDistribution"
            self.choices = r.choice(CHOICE_SETS) if r.random() < 0.93 else r.choice(ODD_CHOICE_SETS)
        else:
            self.cls = r.choice(["UniformDistribution", "LogUniformDistribution", "DiscreteUniformDistribution",
                                 "IntUniformDistribution", "IntLogUniformDistribution"])

    def rival(self, r):
        """Another family that clashes with this one: in its kind, its log flag or its choices."""
        other = Family.__new__(Family)
        other.cls, other.log, other.choices = self.cls, self.log, self.choices
        x = r.random()
        if self.choices is not None and x < 0.8:
            other.choices = r.choice([c for c in CHOICE_SETS if c is not self.choices])
        elif self.cls in ("FloatDistribution", "IntDistribution") and x < 0.7:
            other.log = not self.log
        else:
            while other.cls == self.cls:
                other = Family(r)
        return other


def choice_token(r, v):
    """A choice, sometimes written as another value that Python holds for equal."""
    if isinstance(v, (list, dict)):
        return json.dumps(v)
    if isinstance(v, str):
        return text_token(r, v, True)
    if v is not None and r.random() < 0.15:
        if isinstance(v, float) and v == v and abs(v) < 2**53 and v == int(v):
            return str(int(v))
        if isinstance(v, int) and abs(v) < 2**53:
            if v in (0, 1) and r.random() < 0.5:
                return "true" if v else "false"
            return repr(float(v))
    return json.dumps(v)


def bounds(r, whole, log):
    if whole:
        lo = r.choice([1, 1, 2, 3, 5]) if log else r.choice([-5, -1, 0, 0, 1, 2, 10])
        hi = lo + r.choice([0, 1, 2, 3, 7, 10, 99])
        if r.random() < 0.03:
            lo, hi = r.choice([(-2**53, 2**53), (1, 2**53 - 1), (2**40, 2**50)])
        return str(lo), str(hi)
    lo = r.choice(["1e-05", "0.1", "1.0", "0.5", "5e-324", "3"]) if log else r.choice(["-1.0", "0.0", "0", "0.1", "-0.0", "-10", "-1e+300"])
    hi = r.choice(["3.0", "10.0", "100", "1e+16", "1.7976931348623157e+308", "3.5", "123456.789"])
    if r.random() < 0.02:
        lo, hi = r.choice([("-Infinity", "Infinity"), ("1.0", "Infinity"), ("NaN", "1.0"), ("1.0", "NaN"), ("-1e400", "1e400")])
    return lo, hi


def dist_text(r, f):
    """JSON text of a distribution of family f, in one of its notations."""
    whole = f.cls.startswith("Int")
    attrs = []
    name = f.cls
    if f.choices is not None:
        attrs = [("choices", "[" + ", ".join(choice_token(r, c) for c in f.choices) + "]")]
    else:
        log = f.log or "Log" in f.cls
        low, high = bounds(r, whole, log)
        attrs = [("low", low), ("high", high)]
        step = None
        if name == "FloatDistribution":
            if not log and r.random() < 0.3:
                step = r.choice(["0.1", "0.25", "1.0", "2", "0.3", "1e-05", "100.0", "0.7"])
            attrs = [("step", step or "null")] + attrs + [("log", "true" if f.log else "false")]
        elif name == "IntDistribution":
            step = "1" if log or r.random() < 0.6 else r.choice(["2", "3", "7", "1000"])
            attrs = [("log", "true" if f.log else "false"), ("step", step)] + attrs
        elif name == "DiscreteUniformDistribution":
            attrs.append(("q", r.choice(["0.1", "0.5", "1", "3.0"])))
        elif name == "IntUniformDistribution" and r.random() < 0.7:
            attrs.append(("step", r.choice(["1", "2", "5"])))
        elif name == "IntLogUniformDistribution" and r.random() < 0.5:
            attrs.append(("step", "1"))
    x = r.random()
    short = {"FloatDistribution": "float", "IntDistribution": "int", "CategoricalDistribution": "categorical"}.get(name)
    if short and x < 0.12:
        members = [("type", json.dumps(short))] + [a for a in attrs if r.random() < 0.9 or a[0] not in ("log", "step")
                                                   or a[1] not in ("null", "false", "1")]
        if r.random() < 0.5:
            r.shuffle(members)
        if r.random() < 0.2:
            members.append(("note", "1"))
        return "{" + ", ".join('"%s": %s' % m for m in members) + "}"
    if x < 0.3:
        r.shuffle(attrs)
        if len(attrs) > 2 and r.random() < 0.3:
            attrs = [a for a in attrs if a[0] not in ("log", "step") or a[1] not in ("null", "false", "1")] or attrs
        if r.random() < 0.3:
            k = r.choice(attrs)[0]
            attrs.insert(0, (k, r.choice(["0", "null", "true", "[]"])))
        gap = r.choice(["", " ", "  ", "\t", "\n "])
        body = ("," + gap).join('"%s"%s:%s%s' % (k, r.choice(["", " "]), gap, v) for k, v in attrs)
        parts = ['"name":%s%s' % (gap, text_token(r, name, True)), '"attributes":%s{%s%s}' % (gap, gap, body)]
        if r.random() < 0.4:
            parts.reverse()
        if r.random() < 0.2:
            parts.append('"version":1')
        return gap + "{" + ",".join(parts) + "}" + gap
    return '{"name": "%s", "attributes": {%s}}' % (name, ", ".join('"%s": %s' % a for a in attrs))


BAD_DISTS = [
    "", "{", "null", "[]", "5", '"FloatDistribution"', "{}", '{"name": "NormalDistribution", "attributes": {}}', '{"name": "FloatDistribution"}',
    '{"name": "FloatDistribution", "attributes": {"low": 0.0}}', '{"name": "FloatDistribution", "attributes": {"low": 0.0, "high": 1.0, "extra": 1}}',
    '{"name": "FloatDistribution", "attributes": {"low": 2.0, "high": 1.0}}', '{"name": "FloatDistribution", "attributes": {"low": 0.0, "high": 1.0, "log": true, "step": null}}',
    '{"name": "FloatDistribution", "attributes": {"low": 1.0, "high": 2.0, "log": true, "step": 0.5}}',
    '{"name": "FloatDistribution", "attributes": {"low": 0.0, "high": 1.0, "step": 0.0}}', '{"name": "FloatDistribution", "attributes": {"low": 0.0, "high": 1.0, "step": -0.5}}',
    '{"name": "FloatDistribution", "attributes": {"low": "0", "high": 1.0}}', '{"name": "FloatDistribution", "attributes": {"low": null, "high": 1.0}}',
    '{"name": "FloatDistribution", "attributes": {"low": -Infinity, "high": 1.0, "step": 0.5}}',
    '{"name": "IntDistribution", "attributes": {"low": 3, "high": 1}}', '{"name": "IntDistribution", "attributes": {"low": 0, "high": 5, "log": true}}',
    '{"name": "IntDistribution", "attributes": {"low": 1, "high": 5, "log": true, "step": 2}}', '{"name": "IntDistribution", "attributes": {"low": 1, "high": 5, "step": 0}}',
    '{"name": "IntDistribution", "attributes": {"low": 1, "high": NaN}}', '{"name": "IntDistribution", "attributes": {"low": 1, "high": Infinity}}',
    '{"name": "IntDistribution", "attributes": {"low": 1, "high": 5, "step": 0.5}}', '{"name": "IntDistribution", "attributes": {"low": 1, "high": 5, "step": null}}',
    '{"name": "CategoricalDistribution", "attributes": {"choices": []}}', '{"name": "CategoricalDistribution", "attributes": {"choices": 5}}',
    '{"name": "CategoricalDistribution", "attributes": {}}', '{"name": "CategoricalDistribution", "attributes": {"choices": [1], "low": 0}}',
    '{"name": "UniformDistribution", "attributes": {"low": 0.0, "high": 1.0, "log": false}}', '{"name": "UniformDistribution", "attributes": {"low": 1.0, "high": 0.0}}',
    '{"name": "LogUniformDistribution", "attributes": {"low": 0.0, "high": 1.0}}', '{"name": "DiscreteUniformDistribution", "attributes": {"low": 0.0, "high": 1.0}}',
    '{"name": "DiscreteUniformDistribution", "attributes": {"low": 0.0, "high": 1.0, "q": 0}}', '{"name": "IntUniformDistribution", "attributes": {"low": 0, "high": 5, "step": 0}}',
    '{"name": "IntLogUniformDistribution", "attributes": {"low": 0, "high": 5}}', '{"name": "IntLogUniformDistribution", "attributes": {"low": 1, "high": 5, "step": 2}}',
    '{"type": "float", "low": 0}', '{"type": "normal", "low": 0, "high": 1}', '{"type": "categorical", "choices": []}', '{"type": "categorical"}',
    '{"type": "int", "low": 0, "high": 5, "log": true}', '{"low": 0, "high": 1}', '{"type": "float", "low": 0, "high": 1, "log": true}',
    '{"name": "FloatDistribution", "attributes": {"low": 0.0, "high": 1.0}} x', "{'name': 'FloatDistribution'}", '{"name": null, "attributes": {"low": 0.0, "high": 1.0}}',
    '{"name": "FloatDistribution", "attributes": []}', '{"name": "floatdistribution", "attributes": {"low": 0.0, "high": 1.0}}',
    '{"name": "FloatDistribution", "attributes": {"low": 0.0, "high": 1.0}, }', '{"name": "FloatDistribution", "attributes": {"low": 01, "high": 2}}',
    '{"name": "FloatDistribution", "attributes": {"low": 0.0, "high": 1.0, "q": 0.5}}', '{"name": "FloatDistribution", "type": "float", "low": 0, "high": 1}']
# Python takes these although a member has the wrong type or is out of our range (EXCEPTIONS.md).
LOOSE_DISTS = [
    '{"name": "FloatDistribution", "attributes": {"low": true, "high": 2.0}}',
    '{"name": "IntDistribution", "attributes": {"low": 1.5, "high": 3.7}}', '{"name": "IntDistribution", "attributes": {"low": 1e2, "high": 1e30, "step": 2.5}}',
    '{"name": "IntDistribution", "attributes": {"low": 0, "high": 18446744073709551616}}', '{"name": "FloatDistribution", "attributes": {"low": 0, "high": 1, "log": 0}}',
    '{"name": "IntDistribution", "attributes": {"low": 1, "high": 3, "log": 1}}',
    '{"name": "FloatDistribution", "attributes": {"low": 0.0, "high": 1.0, "step": true}}', '{"name": "IntDistribution", "attributes": {"low": false, "high": true}}',
    '{"name": "FloatDistribution", "attributes": {"low": 0, "high": 123456789012345678901234567890, "step": 7}}',
    '{"name": "FloatDistribution", "attributes": {"low": 0.0, "high": 1e300, "step": 1e-10}}']
TEXT_CHOICES = ['{"name": "CategoricalDistribution", "attributes": {"choices": "abc"}}', '{"name": "CategoricalDistribution", "attributes": {"choices": {"a": 1}}}',
                '{"type": "categorical", "choices": "abc"}']


class Trial:
    __slots__ = ("study", "number", "state", "params")

    def __init__(self, study, number, state):
        self.study, self.number, self.state, self.params = study, number, state, set()


class Study:
    __slots__ = ("name", "deleted", "n", "n_dirs", "live")

    def __init__(self, name, n_dirs):
        self.name, self.deleted, self.n, self.n_dirs = name, False, 0, n_dirs


class Generator:
    def __init__(self, seed):
        r = self.r = random.Random(seed)
        self.fancy = r.random() < 0.55   # unusual notations; the other lists look like Optuna's or ours
        self.malformed = r.random() < 0.75
        self.valueless = r.random() < 0.15 # templates with distributions whose parameter has no value
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
                members.insert(r.randrange(members.index(k) + 1), (k[0], r.choice(["null", "0", "-1", '""', "[]", "{}", "1e5"])))
            elif x < 0.27:
                members.insert(r.randrange(len(members) + 1), (r.choice(["x", "comment", "", "op_code2", "crc", "é"]), any_json(r)))
            elif x < 0.33 and members[0][1] in ("1", "2", "3", "7", "8", "9"):
                # members that other operations read and this one does not
                have = {m[0] for m in members}
                k = r.choice(["study_name", "directions", "datetime_start", "datetime_complete", "state", "values", "params", "distributions",
                              "distribution", "param_name", "param_value_internal", "intermediate_values", "user_attrs"])
                if k not in have:
                    members.insert(r.randrange(len(members) + 1), (k, any_json(r)))
            elif x < 0.4:
                colon, comma = r.choice([(" : ", " , "), (":\t", ",\t"), (": ", ",")])
            crc = ours and r.random() < 0.8
        if (ours or (self.fancy and r.random() < 0.05)) and r.random() < 0.95:
            n = self.counts.get(worker, 0) + 1
            self.counts[worker] = n
            members.append(("n", str(n)))
        name_of = (lambda k: text_token(r, k, True)) if self.fancy and r.random() < 0.05 else (lambda k: '"%s"' % k)
        text = "{" + comma.join(name_of(k) + colon + v for k, v in members) + "}"
        if self.fancy and r.random() < 0.03:
            text = r.choice([" ", "\t", "  "]) + text + r.choice([" ", "\r", "\t"])
        data = text.encode("utf-8", "surrogatepass")
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
        t = "20%02d-%02d-%02dT%02d:%02d:%02d.%06d" % (r.randrange(20, 30), r.randrange(1, 13), r.randrange(1, 29), r.randrange(24),
                                                     r.randrange(60), r.randrange(60), r.randrange(1000000))
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
        return r.choice([len(self.studies), len(self.studies) + 3, -1, 4294967295, 2**31, -2**40])

    def trial(self, intent):
        r = self.r
        if intent == "unknown":
            return r.choice([len(self.trials), len(self.trials) + 1, len(self.trials) + 7, -1, 4294967295, 2**40, -2**33])
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
        self.put(0, ("study_name", text_token(r, name, self.fancy)), ("directions", "[" + ",".join(map(str, dirs)) + "]"))
        if name not in taken:
            self.studies.append(Study(name, len(dirs)))

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
            nums = [r.choice(["-1.0", "0.0", "0.5", "-0.0", "1e-300"]) for _ in range(r.randrange(3))]
            value = "[" + ",".join(nums) + "]" if key == "constraints" else r.choice(["-1.0", "0.0", "0.5", "-0.0"])
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
        n = self.studies[study].n_dirs if 0 <= study < len(self.studies) and r.random() < 0.85 else r.choice([0, 1, 2, 3])
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
            pairs = [(k, v) if k != "constraints" else (k, "[%s]" % r.choice(["0.5", "-1.0", "0,0", "0,1"])) for k, v in pairs]
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
                return r.choice(["1.0", "2.0", "5.0", "3", "-2.0", "10.0", "1.5", "-1.5", "-0.5", "9007199254740993"])
            return r.choice(["1e15", "1e300", "-1e200", "0.0", "-0.0", "2.9999999", "9.2e18", "1e19", "-9223372036854775808", "5e-324", "123456789012345678901234567890"])
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
        self.put(5, ("trial_id", str(t)), ("param_name", text_token(r, name, self.fancy)), ("param_value_internal", self.internal(f)),
                 ("distribution", text_token(r, dist_text(r, f), self.fancy)))

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
        new = self.pick([(0, 40), (1, 20), (2, 12), (3, 10), (4, 22)]) if now == 0 else self.pick([(0, 12), (1, 27), (2, 22), (3, 19), (4, 20)])
        study = self.trials[t].study if intent != "unknown" else 0
        self.put(6, *self.state_members(t, new, study))
        if intent == "live":
            self.trials[t].state = new

    def state_members(self, t, new, study):
        r = self.r
        vals = self.values_token(study) if new in (1, 2) and r.random() < 0.9 or r.random() < 0.06 else None
        m = [("trial_id", str(t)), ("state", str(new)), ("values", "null" if vals is None else "[" + ",".join(vals) + "]")]
        if new == 0:
            m.append(("datetime_start", self.time()))
        elif new != 4:
            m.append(("datetime_complete", self.time()))
        if self.fancy and r.random() < 0.05:
            m.append(("datetime_complete" if new in (0, 4) else "datetime_start", r.choice(["null", self.time(), '"garbage"', "5"])))
        return m

    def claim_race(self):
        """Several workers try to claim one WAITING trial."""
        r = self.r
        ids = [i for i, t in enumerate(self.trials) if t.state == 4]
        if not ids:
            return
        t = min(ids) if r.random() < 0.7 else r.choice(ids)
        for _ in range(r.randrange(1, 4)):
            self.put(6, ("trial_id", str(t)), ("state", "0"), ("values", "null"), ("datetime_start", self.time()))
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
        self.put(8 if user else 9, ("trial_id", str(t)), ("user_attr" if user else "system_attr", self.attr_token()))

    def discard(self):
        r = self.r
        self.put(10, *r.choice([[], [("study_id", "0"), ("trial_ids", "[0,1]")], [("trial_id", "0")]]))

    # ---- lines on which Python raises ----

    def odd(self):
        r = self.r
        kind = self.pick([("study", 3.5), ("delete", 4), ("sattr", 12), ("ctrial", 13), ("param", 11), ("state", 12), ("report", 6), ("tattr", 14),
                          ("code", 4), ("shape", 2)])
        getattr(self, "odd_" + kind)()

    @staticmethod
    def without(members, name):
        return [m for m in members if m[0] != name]

    @staticmethod
    def replaced(members, name, token):
        return [(k, token if k == name else v) for k, v in members]

    def any_trial(self):
        return self.trial(self.pick([("live", 80), ("unknown", 6), ("finished", 10)]))

    def any_study(self):
        return self.study(self.pick([("live", 85), ("unknown", 8), ("deleted", 8)]))

    ID_TOKENS = ["null", "[]", "{}", '"0"', "0.5", '"x"', "[0]", "NaN", "18446744073709551616", "-9223372036854775809"]

    def odd_study(self):
        r = self.r
        taken = [s.name for s in self.studies if not s.deleted]
        name = json.dumps(r.choice(taken) if taken and r.random() < 0.3 else r.choice(self.names))
        good = [("study_name", name), ("directions", "[1]")]
        how = r.randrange(4)
        if how == 0:
            self.put(0, *self.without(good, r.choice(["study_name", "directions"])), tag="odd:missing")
        else:
            bad = r.choice(["null", "5", "[3]", "[-1]", "[1,null]", '["x"]', "[[1]]", "[1.5]", "[NaN]", '["MINIMIZE"]', "[1,99]"])
            self.put(0, good[0], ("directions", bad), tag="odd:directions")

    def odd_delete(self):
        if self.r.random() < 0.5:
            self.put(1, tag="odd:missing")
        else:
            self.put(1, ("study_id", self.r.choice(self.ID_TOKENS)), tag="odd:id")

    def odd_attr(self, code, target, member):
        r = self.r
        how = r.randrange(3)
        if how == 0:
            m = [target, (member, '{"k":1}')]
            self.put(code, *self.without(m, r.choice([target[0], member])), tag="odd:missing")
        elif how == 1:
            self.put(code, target, (member, r.choice(["{}", '{"a":1,"b":2}', '{"a":1,"b":2,"a":3}', "5", "null", "[]", '""', "true"])), tag="odd:attr")
        else:
            self.put(code, (target[0], r.choice(self.ID_TOKENS)), (member, '{"k":1}'), tag="odd:id")

    def odd_sattr(self):
        s = self.any_study()
        if s is None:
            return
        user = self.r.random() < 0.5
        self.odd_attr(2 if user else 3, ("study_id", str(s)), "user_attr" if user else "system_attr")

    def odd_tattr(self):
        t = self.any_trial()
        if t is None:
            return
        user = self.r.random() < 0.5
        self.odd_attr(8 if user else 9, ("trial_id", str(t)), "user_attr" if user else "system_attr")

    def odd_ctrial(self):
        r = self.r
        s = self.any_study()
        if s is None:
            return
        m = [("study_id", str(s)), ("datetime_start", self.time())]
        how = r.choice([0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])
        if how == 0:
            self.put(4, *self.without(m, r.choice(["study_id", "datetime_start"])), tag="odd:missing")
            return
        if how == 1:
            self.put(4, m[0], ("datetime_start", r.choice([b for b in BAD_ISO if b != "null"])), tag="odd:time")
            return
        if how == 2:
            self.put(4, ("study_id", r.choice(self.ID_TOKENS)), m[1], tag="odd:id")
            return
        self.template(m, r.choice([0, 1, 2, 3, 4]), s)
        tag = "odd:template"
        if how == 3:
            m = self.replaced(m, "state", r.choice(["5", "-1", "null", '"COMPLETE"', "99", "[]", "1.5", "{}"]))
            tag = "odd:state"
        elif how == 4:
            m = self.without(m, "datetime_complete") + [("datetime_complete", r.choice(BAD_ISO))]
            tag = "odd:time"
        elif how == 5:
            m = self.without(self.without(m, "value"), "values") + [("value", "1.0"), ("values", "[1.0]")]
            tag = "odd:values"
        elif how == 6:
            m = self.without(m, "intermediate_values") + [("intermediate_values", r.choice(['{"x":1.0}', '{"":1.0}', '{"1.0":2.0}', "[1]", "null", "5", '{"1e3":0.5}', '{"0x1":1}', '{"--1":1}']))]
            tag = "odd:steps"
        elif how == 7:
            m = self.without(self.without(m, "params"), "distributions") + [("params", '{"p":1.0}')] + r.choice([[], [("distributions", "{}")], [("distributions", '{"q":%s}' % json.dumps(dist_text(r, self.params["q"])))]])
            tag = "odd:params"
        elif how in (8, 9):
            bad = json.dumps(r.choice(BAD_DISTS)) if r.random() < 0.9 else r.choice(["5", "null", "{}", "[]"])
            good = json.dumps(dist_text(r, self.params["q"]))
            m = self.without(self.without(m, "params"), "distributions") + [("distributions", '{"q":%s,"p":%s}' % (good, bad)), ("params", r.choice(["{}", '{"p":1.0}']))]
            tag = "odd:dist"
        elif how in (10, 11):
            dist, value = self.bad_value()
            m = self.without(self.without(m, "params"), "distributions") + [("distributions", '{"p":%s}' % json.dumps(dist)), ("params", '{"p":%s}' % value)]
            tag = "odd:choice"
        else:
            k = r.choice(["distributions", "params", "user_attrs", "intermediate_values"])
            if k == "user_attrs":
                m = self.without(m, "datetime_start")
            else:
                m = self.without(m, k) + [(k, r.choice(["null", "5", "true"]))]
            tag = "odd:member"
        self.put(4, *m, tag=tag)

    def bad_value(self):
        r = self.r
        if r.random() < 0.6:
            f = Family(r)
            while f.choices is None:
                f = Family(r)
            n = len(f.choices)
            return dist_text(r, f), r.choice([str(n), str(n + 5), str(-n - 1), "NaN", "Infinity", "-Infinity", "1e400", "1e300", repr(float(-n - 1))])
        f = Family(r)
        while not f.cls.startswith("Int"):
            f = Family(r)
        return dist_text(r, f), r.choice(["NaN", "Infinity", "-Infinity", "1e999"])

    def odd_param(self):
        r = self.r
        t = self.any_trial()
        if t is None:
            return
        name = r.choice(list(self.params))
        f = self.params[name]
        m = [("trial_id", str(t)), ("param_name", text_token(r, name, self.fancy)), ("param_value_internal", self.internal(f)),
             ("distribution", text_token(r, dist_text(r, f), self.fancy))]
        how = r.randrange(8)
        if how <= 1:
            self.put(5, *self.without(m, r.choice([k for k, _ in m])), tag="odd:missing")
        elif how == 2:
            self.put(5, *self.replaced(m, "trial_id", r.choice(self.ID_TOKENS)), tag="odd:id")
        elif how == 3:
            self.put(5, *self.replaced(m, "distribution", r.choice(["5", "null", "{}", "[]", "true"])), tag="odd:dist")
        elif how in (4, 5):
            self.put(5, *self.replaced(m, "distribution", json.dumps(r.choice(BAD_DISTS))), tag="odd:dist")
        else:
            dist, value = self.bad_value()
            self.put(5, m[0], ("param_name", json.dumps("fresh" + str(r.randrange(3)))) if r.random() < 0.8 else m[1],
                     ("param_value_internal", value), ("distribution", json.dumps(dist)), tag="odd:choice")

    def odd_state(self):
        r = self.r
        t = self.any_trial()
        if t is None:
            return
        new = r.choice([0, 1, 2, 3, 4])
        study = self.trials[t].study if 0 <= t < len(self.trials) else 0
        m = self.state_members(t, new, study)
        how = r.randrange(5)
        if how == 0:
            self.put(6, *self.without(m, r.choice(["trial_id", "state", "values"])), tag="odd:missing")
        elif how == 1:
            self.put(6, *self.replaced(m, "state", r.choice(["5", "-1", "null", '"x"', "99", "[]", "2.5", "{}", "NaN"])), tag="odd:state")
        elif how == 2:
            self.put(6, *self.replaced(m, "trial_id", r.choice(self.ID_TOKENS)), tag="odd:id")
        elif new != 4:
            k = "datetime_start" if new == 0 else "datetime_complete"
            m = self.without(m, k)
            if how == 4:
                m.append((k, r.choice(BAD_ISO)))
            self.put(6, *m, tag="odd:time")

    def odd_report(self):
        r = self.r
        t = self.any_trial()
        if t is None:
            return
        m = [("trial_id", str(t)), ("step", step_token(r)), ("intermediate_value", number_token(r))]
        if r.random() < 0.6:
            self.put(7, *self.without(m, r.choice([k for k, _ in m])), tag="odd:missing")
        else:
            self.put(7, *self.replaced(m, "trial_id", r.choice(self.ID_TOKENS)), tag="odd:id")

    def odd_code(self):
        r = self.r
        m = [("study_id", "0"), ("trial_id", "0"), ("study_name", '"x"'), ("directions", "[1]")]
        self.put(r.choice(["11", "12", "99", "-1", "4294967296", "4294967300", '"4"', "null", "[]", "{}", "1.5", "1e3", "NaN", "-Infinity", "18446744073709551616"]), *m, tag="odd:code")

    def odd_shape(self):
        data = self.r.choice([b"[]", b"{}", b"null", b"5", b'"x"', b"true", b"NaN", b'[{"op_code":0}]', b'{"worker_id":"w"}', b"1.5e3", b'{"study_id":0}'])
        self.lines.append((" ", data, "odd:shape"))

    # ---- damage ----

    def broken(self):
        r = self.r
        if len(self.lines[-1][1]) < 3 or r.random() < 0.4:
            before = len(self.lines)
            self.put(8, ("trial_id", "0"), ("user_attr", '{"k":1}'))
            line = self.lines.pop()[1]
            assert len(self.lines) == before
        else:
            line = self.lines[-1][1]
        how = r.randrange(12)
        if how < 4:
            line = line[:r.randrange(len(line.rstrip()))]
        elif how == 4:
            line += r.choice([b"x", b"}", b"{}", b",", b"\x00", b'"', b"\x0c"])
        elif how == 5:
            at = r.randrange(1, len(line))
            line = line[:at] + r.choice([b"\x00", b"\xff", b"\x01", b"\xc3(", b"\xe2\x82", b"\xf5\x80\x80\x80", b"\xc0\xaf"]) + line[at:]
        elif how == 6:
            line = line.replace(b":", b"=", 1)
        elif how == 7:
            line = line.replace(b'"', b"'")
        elif how == 8:
            token = r.choice([b"01", b"+1", b".5", b"1.", b"-", b"nan", b"infinity", b"-NaN", b"--1", b"0x10", b"1e", b"1e+", b"True", b"None", b"tru", b"nulll",
                              b'"\\x41"', b'"\\u12g4"', b'"\\u12"', b'"\\', b'"tab\there"', b"[1,]", b"[1 2]", b'{"a":1,}', b'{"a" 1}', b"{a:1}", b"{1:2}", b"[", b"]", b"Inf", b"1_000", b"/*c*/1"])
            line = b'{"op_code":8,"worker_id":"w","trial_id":0,"user_attr":{"k":' + token + b"}}"
        elif how == 9:
            line = r.choice([b"", b" ", b"\r", b"\x00" * 20, b"\xff\xfe", b"\t"])
        elif how == 10:
            depth = 100000 if r.random() < 0.02 else 2000
            line = b'{"op_code":8,"worker_id":"w","trial_id":0,"user_attr":{"k":' + b"[" * depth + b"]" * depth + b"}}"
        else:
            line = line.rstrip()[:-1] + b',}'
        self.lines.append((" ", line, "broken"))

    # ---- Python's looseness with types ----

    def loose(self):
        """Members of the wrong type at which Python does not stop, and which we read as it does."""
        r = self.r
        live = self.any_trial()
        if live is None:
            return
        good5 = [("trial_id", str(live)), ("param_name", '"p"'), ("param_value_internal", "1.0"), ("distribution", json.dumps(dist_text(r, self.params["p"])))]
        target = r.choice(["%d.0" % live, "%de0" % live, "true", "false", str(live)])
        how = r.randrange(9)
        if how == 0:
            m = [("op_code", "7"), ("trial_id", target), ("step", r.choice(["true", "1.0", "false", "2e0", "[]", "-1e15"])), ("intermediate_value", "1.0")]
        elif how == 1:
            m = [("op_code", r.choice(["7", "7.0", "7e0"])), ("trial_id", target), ("step", "1"), ("intermediate_value", r.choice(["null", '"x"', "true", "[]", "{}", '"NaN"', '"1.5"', '""']))]
        elif how == 2:
            m = [("op_code", "6"), ("trial_id", target), ("state", r.choice(["1", "2", "1.0", "true", "4.0", "2e0"])),
                 ("values", r.choice(["[null]", '["x"]', "[[1]]", "[true]", '["Infinity"]', "5", "true", "null"])), ("datetime_complete", self.time())]
        elif how == 3:
            m = [("op_code", "0"), ("study_name", json.dumps(r.choice(self.names))), ("directions", r.choice(["[1.0]", "[true]", "{}", '""', "[2.0,1]"]))]
            if not any(s.name == json.loads(m[1][1]) and not s.deleted for s in self.studies):
                self.studies.append(Study(json.loads(m[1][1]), 1))
        elif how == 4:
            m = [("op_code", "5")] + self.replaced(good5, "param_value_internal", r.choice(["null", '"1"', "true", "[]", '"x"', "false"]))
        elif how == 5:
            m = [("op_code", "8.0"), ("trial_id", target), ("user_attr", '{"k":1}')]
        elif how == 6:
            m = [("op_code", "5")] + self.replaced(good5, "distribution", json.dumps(r.choice(LOOSE_DISTS)))
        elif how == 7:
            s = self.study("live")
            if s is None:
                return
            m = [("op_code", "4"), ("study_id", str(s)), ("datetime_start", "null"), ("state", r.choice(["3", "3.0"])),
                 r.choice([("user_attrs", "null"), ("system_attrs", "5"), ("user_attrs", "[]"), ("intermediate_values", '{" 5 ":1,"+6":2,"1_0":3,"007":4,"5":5}'),
                           ("intermediate_values", '{"18446744073709551616":1.0,"9223372036854775807":2.0}'), ("value", '"x"'), ("value", "true")])]
            st = self.studies[s]
            self.trials.append(Trial(s, st.n, 3))
            st.n += 1
        else:
            m = [("op_code", "7"), ("trial_id", str(live)), ("step", "0"), ("intermediate_value", "1.0")]
            self.emit(m, tag="odd:worker")
            flag, data, tag = self.lines.pop()
            if b"crc" in data or data.count(b'"worker_id"') != 1:
                return
            worker = data[data.index(b'"worker_id"'):data.find(b",", data.index(b'"worker_id"')) + 1]
            if not worker:
                return
            self.lines.append((flag, data.replace(worker, r.choice([b"", b'"worker_id":5,', b'"worker_id":null,'])), tag))
            return
        self.emit(m, tag="odd:type")

    # ---- Trialog alone ----

    def tool_only(self):
        r = self.r
        how = r.randrange(8)
        if how == 0:
            self.put(8, ("trial_id", "0"), ("user_attr", '{"k":1}'))
            line = bytearray(self.lines.pop()[1].rstrip())
            line[-1:] = b""
            good = crc32c(bytes(line))
            line += b',"crc":"%08x"}' % (good ^ (1 << r.randrange(32)))
            self.lines.append(("C", bytes(line), "broken:crc"))
            return
        s = self.study("live")
        if how == 1 and s is not None:
            self.lines.append(("P", b'{"op_code":4,"worker_id":"placeholder","study_id":%d,"datetime_start":null,"state":3}' % s, str(s)))
            st = self.studies[s]
            self.trials.append(Trial(s, st.n, 3))
            st.n += 1
            return
        live = self.trial("live")
        if live is None or s is None:
            return
        trial = ("trial_id", str(live))
        if how <= 3:
            m = [("op_code", "7"), trial, ("step", r.choice(["1.5", "null", '"1"', "9223372036854775808", "-1e30", "NaN"])), ("intermediate_value", "1.0")]
        elif how == 4:
            m = [("op_code", "6"), trial, ("state", "1"), ("values", r.choice(['"ab"', "{}", '{"a":1}'])), ("datetime_complete", self.time())]
        elif how == 5:
            m = r.choice([[("op_code", "6"), trial, ("state", "1"), ("values", "null"), ("datetime_complete", r.choice(LOOSE_ISO))],
                          [("op_code", "4"), ("study_id", str(s)), ("datetime_start", r.choice(LOOSE_ISO))]])
        elif how == 6:
            m = r.choice([[("op_code", "0"), ("study_name", r.choice(["5", "null", "[]"])), ("directions", "[1]")],
                          [("op_code", "5"), trial, ("param_name", r.choice(["null", "5", "true"])), ("param_value_internal", "1.0"),
                           ("distribution", json.dumps(dist_text(r, self.params["p"])))]])
        else:
            m = r.choice([[("op_code", "8"), trial, ("user_attr", r.choice(['[["a",1]]', '["ab"]']))],
                          [("op_code", "5"), trial, ("param_name", '"p"'), ("param_value_internal", "1.0"), ("distribution", json.dumps(r.choice(TEXT_CHOICES)))],
                          [("op_code", "4"), ("study_id", str(s)), ("datetime_start", "null"), ("intermediate_values", '{"\u0663":1.0}')]])
        self.emit(m, flag="T", tag="odd:type")

    # ---- much of one thing ----

    def burst(self):
        """Many operations of one kind: long lists of one trial, many parameters, crowded fronts and queues."""
        r = self.r
        s = self.study("live")
        t = self.trial("live")
        if s is None or t is None:
            return
        kind = r.choice(["reports", "attrs", "params", "study", "front", "queue", "wide"])
        keys = r.choice([2, 7, 9, 20, 70, 200])
        for i in range(r.choice([20, 90, 200])):
            if kind == "reports":
                step = i if r.random() < 0.3 else r.randrange(keys) - 2
                self.put(7, ("trial_id", str(t)), ("step", str(step)), ("intermediate_value", number_token(r)))
            elif kind == "attrs":
                user = r.random() < 0.7
                self.put(8 if user else 9, ("trial_id", str(t)), ("user_attr" if user else "system_attr", '{"b%d":%s}' % (r.randrange(keys), any_json(r, 2))))
            elif kind == "study":
                self.put(2, ("study_id", str(s)), ("user_attr", '{"b%d":%s}' % (r.randrange(keys), any_json(r, 2))))
            elif kind == "params":
                dist = '{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": %d.0, "log": false}}' % r.randrange(1, 4)
                self.put(5, ("trial_id", str(t)), ("param_name", '"b%d"' % r.randrange(keys)), ("param_value_internal", number_token(r)),
                         ("distribution", json.dumps(dist)))
            elif kind == "front":
                self.front_trial(s)
            elif kind == "queue":
                self.queue_step(s)
            elif i < 8:
                self.wide_trial(s, keys)

    def front_trial(self, s):
        r = self.r
        st = self.studies[s]
        high = r.choice([2, 4, 10])
        vals = [r.choice(["NaN", "Infinity", "-Infinity"]) if r.random() < 0.03 else repr(float(r.randrange(high))) for _ in range(st.n_dirs)]
        attrs = r.choice(["{}"] * 6 + ['{"constraints":[0.5,-1]}', '{"constraints":[-1.0,0.0]}', '{"constraints:a":1.5}', '{"constraints:a":-1.5,"constraints:b":0}'])
        dist = dist_text(r, self.params["q"])
        self.put(4, ("study_id", str(s)), ("datetime_start", "null"), ("state", "1"), ("value", "null"), ("values", "[" + ",".join(vals) + "]"),
                 ("distributions", '{"q":%s}' % json.dumps(dist)), ("params", '{"q":0}'), ("system_attrs", attrs))
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
        dist = json.dumps('{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": %d.0, "log": false}}' % r.randrange(1, 3))
        state = r.choice([0, 1, 2, 3])
        self.put(4, ("study_id", str(s)), ("datetime_start", "null"), ("state", str(state)), ("values", "[1.0]" if state == 1 else "null"),
                 ("distributions", self.object([(n, dist) for n in names])), ("params", self.object([(n, number_token(r)) for n in names])),
                 ("user_attrs", self.object([(n, any_json(r, 3)) for n in names if r.random() < 0.5])),
                 ("intermediate_values", self.object([(n[1:], number_token(r)) for n in names if r.random() < 0.5])))
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
        steps = [(self.create_study, 5), (self.delete_study, 3.2), (self.study_attr, 10), (self.create_trial, 19), (self.param, 23), (self.state, 17),
                 (self.claim_race, 4), (self.report, 11), (self.trial_attr, 15), (self.discard, 1.5)]
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
