# SPDX-License-Identifier: MIT
"""Values for generated journal lines: strings, numbers, instants, any JSON, distributions - usual ones, odd ones, and bad ones."""

import json
import struct


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


STRINGS = [
    "",
    "a",
    "x",
    "lr",
    "value",
    "é",
    "名前",
    "\U0001f600",
    "\ud800",
    "\udc00x",
    "y\ud83d",
    "nul\x00nul",
    "\x7f",
    "\u2028",
    'quote"back\\slash/',
    "\b\f\n\r\t",
    "long" * 40,
    " ",
    "op_code",
    "constraints",
]
STUDY_NAMES = STRINGS + ["study", "s1", "s2"]
KEYS = [
    "k",
    "k1",
    "k2",
    "",
    "schlüssel",
    "\ud801",
    "constraints",
    "constraints:a",
    "fixed_params",
    "grid_id",
    "\U0001f600",
]
STEPS = [0, 0, 1, 1, 2, 3, 4, 5, 7, 10, 100, -1, 2**31, 2**53 + 1, 2**63 - 1, -(2**63)]
NUMBERS = [
    "0.0",
    "1.0",
    "-1.0",
    "0.5",
    "1",
    "0",
    "-0",
    "-0.0",
    "NaN",
    "Infinity",
    "-Infinity",
    "1e400",
    "-1e400",
    "5e-324",
    "2e-324",
    "3e-324",
    "1.7976931348623157e308",
    "1.7976931348623159e308",
    "2.2250738585072011e-308",
    "9007199254740993",
    "9007199254740993.0",
    "123456789012345678901234567890",
    "1" + "0" * 308,
    "0.1",
    "0.30000000000000004",
    "1E5",
    "1e+05",
    "1.0E-5",
    "100000.000000",
    "0.1000000000000000055511151231257827",
    "0.10000000000000000555111512312578270211815834045410156250000000000000000000001",
    "4.35",
    "1e22",
    "1e23",
    "8.41e21",
    "9.5e-7",
    "2.5e-8",
    "179769313486231580793728971405301e276",
    "6.62607015e-34",
    "0e0",
    "-0e5",
    "0.000000000000000000000000000000000000000000001e10",
]
CHOICE_SETS = [
    ["a", "b", "c"],
    [True, 0],
    [1, 0.0],
    [1.0, False],
    [None, "None", 0.5],
    ["x"],
    [float("nan"), 1],
    [float("nan"), True],
    [1, 2, 3],
    [1.0, 2.0, 3.0],
    ["é", "名前", "\ud800"],
    [0, -0.0, "0"],
    [2**53 + 1, 2**53],
    [9007199254740993, 9007199254740992.0],
    [float("inf"), float("-inf")],
    ["", " "],
    [False, True],
    [2**62, -(2**62)],
    [1e300, 5e-324],
    ["a", "b"],
    [2**63 - 1, 2.0**63],
    [2**63, 2.0**63],
    [-(2**63), 2**70, 1e20],
    [10**20, 10**21],
]
# Choices that are neither null, bool, number nor text: Optuna warns and goes on.
ODD_CHOICE_SETS = [
    [[1, 2], [3]],
    [{"a": 1}, {"b": [None]}],
    [[], {}],
    [[1.0, True], [3]],
    [[2**53 + 1, "x"], [2**64], {"k": [0.5, False, None]}],
    [["a", ["b"]], ["a", "b"]],
    [[float("inf"), -0.0], 2**70, 1e30],
]
ISO = [
    "2026-01-31T09:30:00.000001+00:00",
    "2026-01-31T09:30:00+00:00",
    "2026-01-31T09:30:00.999999Z",
    "2026-01-31 09:30:00.5"[:19] + ".500000",
    "2026-01-31T10:30:00.000001+01:00",
    "2024-02-29T23:59:59.999999-11:00",
    "1999-12-31T23:59:59.123456+05:45",
    "2100-02-28T00:00:00+14:00",
    "2026-01-31T09:30:00.000001",
    "2023-07-01T12:00:00.123456",
    "2023-07-01T12:00:00",
    "2026-10-25T02:30:00",
    "2026-03-29T02:30:00",
    "2026-10-25T00:30:00+00:00",
    "2026-10-25T01:30:00.000007+00:00",
    "1970-01-01T00:00:00.000000+00:00",
    "1969-12-31T23:59:59.999999+00:00",
    "2038-01-19T03:14:08.000000+00:00",
    "1905-06-07T08:09:10.111213+00:00",
    "2026-01-31T09:30:00.123",
    "2026-01-31T09:30",
]
BAD_ISO = [
    '"garbage"',
    '""',
    "null",
    "5",
    '"2026-13-01T00:00:00"',
    '"2026-02-30T00:00:00"',
    '"2026-01-31T24:00:00"',
    '"2026-01-31T09:60:00"',
    '"2026-01-31T09:30:00+25:00"',
    "[]",
    '"2026-01-31T09:30:00.000001+00:00 "',
    '"2026-01-31T09:30:61+00:00"',
    '"0000-01-01T00:00:00+00:00"',
    '"2026-01-31T"',
    '"2026-1-31T09:30:00"',
    '"2026-01-31T09:30:00+0:00"',
    "true",
]
# Python 3.11's fromisoformat reads more than datetime.isoformat writes; no Optuna ever wrote these.
LOOSE_ISO = [
    '"20260131T093000"',
    '"2026-01-31"',
    '"2026-W05-6"',
    '"2026-01-31T09:30:00,5"',
    '"2026-01-31T09:30:00+0530"',
    '"2026-01-31T09"',
    '"2026-01-31T09:30:00.1234567"',
    '"2026-01-31T09:30:00.+00:00"',
    '"2026-01-31x09:30:00"',
    '"2026-01-31T093000"',
]


def text_token(r, s, fancy):
    """JSON token of a string, in one of the ways in which a string can be written."""
    if not fancy or r.random() < 0.6:
        return json.dumps(s)
    how = r.randrange(4)
    if how == 0:  # lone surrogates too go out as bytes: Python reads them
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
        return (
            "["
            + r.choice([",", ", ", " ,\t"]).join(any_json(r, depth + 1) for _ in range(r.randrange(4)))
            + "]"
        )
    members = [
        text_token(r, r.choice(KEYS), True) + r.choice([":", ": ", " :"]) + any_json(r, depth + 1)
        for _ in range(r.randrange(4))
    ]
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
            self.cls = r.choice(
                [
                    "UniformDistribution",
                    "LogUniformDistribution",
                    "DiscreteUniformDistribution",
                    "IntUniformDistribution",
                    "IntLogUniformDistribution",
                ]
            )

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


def equal_number(r, v):
    """Another number that Python holds for equal, or nearly so beyond 2^53; booleans are numbers."""
    if isinstance(v, float) and v == v and abs(v) != float("inf") and v == int(v):
        return int(v)
    if isinstance(v, int):
        if v in (0, 1) and r.random() < 0.5:
            return not v if isinstance(v, bool) and r.random() < 0.1 else bool(v)
        return float(v)
    return v


def vary(r, v):
    """A choice of lists and objects with some numbers replaced."""
    if isinstance(v, list):
        return [vary(r, x) for x in v]
    if isinstance(v, dict):
        return {k: vary(r, x) for k, x in v.items()}
    if isinstance(v, (int, float)) and r.random() < 0.3:
        return equal_number(r, v)
    return v


def choice_token(r, v):
    """A choice, sometimes written as another value that Python holds for equal."""
    if isinstance(v, (list, dict)):
        return json.dumps(vary(r, v))
    if isinstance(v, str):
        return text_token(r, v, True)
    if v is not None and r.random() < 0.15:
        return json.dumps(equal_number(r, v))
    return json.dumps(v)


def decimal_text(r):
    """A decimal number as people and programs write them."""
    return r.choice(
        [
            "%.*f" % (r.randrange(1, 20), r.uniform(-100, 100)),
            "%de%d" % (r.randrange(1, 1000), r.randrange(-30, 30)),
            repr(r.uniform(-1, 1) * 10 ** r.randrange(-20, 20)),
            str(r.randrange(-(10**20), 10**20)),
            str(r.randrange(-100, 100)),
        ]
    )


def bounds(r, whole, log):
    if whole:
        lo = r.choice([1, 1, 2, 3, 5]) if log else r.choice([-5, -1, 0, 0, 1, 2, 10])
        hi = lo + r.choice([0, 1, 2, 3, 7, 10, 99])
        if r.random() < 0.03:
            lo, hi = r.choice([(-(2**53), 2**53), (1, 2**53 - 1), (2**40, 2**50)])
        return str(lo), str(hi)
    lo = (
        r.choice(["1e-05", "0.1", "1.0", "0.5", "5e-324", "3"])
        if log
        else r.choice(["-1.0", "0.0", "0", "0.1", "-0.0", "-10", "-1e+300"])
    )
    hi = r.choice(["3.0", "10.0", "100", "1e+16", "1.7976931348623157e+308", "3.5", "123456.789"])
    if r.random() < 0.02:
        lo, hi = r.choice(
            [
                ("-Infinity", "Infinity"),
                ("1.0", "Infinity"),
                ("NaN", "1.0"),
                ("1.0", "NaN"),
                ("-1e400", "1e400"),
            ]
        )
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
                if r.random() < 0.4:
                    step = decimal_text(r).lstrip("-")
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
    short = {
        "FloatDistribution": "float",
        "IntDistribution": "int",
        "CategoricalDistribution": "categorical",
    }.get(name)
    if short and x < 0.12:
        members = [("type", json.dumps(short))] + [
            a
            for a in attrs
            if r.random() < 0.9 or a[0] not in ("log", "step") or a[1] not in ("null", "false", "1")
        ]
        if r.random() < 0.5:
            r.shuffle(members)
        if r.random() < 0.2:
            members.append(("note", "1"))
        return "{" + ", ".join('"%s": %s' % m for m in members) + "}"
    if x < 0.3:
        r.shuffle(attrs)
        if len(attrs) > 2 and r.random() < 0.3:
            attrs = [
                a for a in attrs if a[0] not in ("log", "step") or a[1] not in ("null", "false", "1")
            ] or attrs
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
    "",
    "{",
    "null",
    "[]",
    "5",
    '"FloatDistribution"',
    "{}",
    '{"name": "NormalDistribution", "attributes": {}}',
    '{"name": "FloatDistribution"}',
    '{"name": "FloatDistribution", "attributes": {"low": 0.0}}',
    '{"name": "FloatDistribution", "attributes": {"low": 0.0, "high": 1.0, "extra": 1}}',
    '{"name": "FloatDistribution", "attributes": {"low": 2.0, "high": 1.0}}',
    '{"name": "FloatDistribution", "attributes": {"low": 0.0, "high": 1.0, "log": true, "step": null}}',
    '{"name": "FloatDistribution", "attributes": {"low": 1.0, "high": 2.0, "log": true, "step": 0.5}}',
    '{"name": "FloatDistribution", "attributes": {"low": 0.0, "high": 1.0, "step": 0.0}}',
    '{"name": "FloatDistribution", "attributes": {"low": 0.0, "high": 1.0, "step": -0.5}}',
    '{"name": "FloatDistribution", "attributes": {"low": "0", "high": 1.0}}',
    '{"name": "FloatDistribution", "attributes": {"low": null, "high": 1.0}}',
    '{"name": "FloatDistribution", "attributes": {"low": -Infinity, "high": 1.0, "step": 0.5}}',
    '{"name": "IntDistribution", "attributes": {"low": 3, "high": 1}}',
    '{"name": "IntDistribution", "attributes": {"low": 0, "high": 5, "log": true}}',
    '{"name": "IntDistribution", "attributes": {"low": 1, "high": 5, "log": true, "step": 2}}',
    '{"name": "IntDistribution", "attributes": {"low": 1, "high": 5, "step": 0}}',
    '{"name": "IntDistribution", "attributes": {"low": 1, "high": NaN}}',
    '{"name": "IntDistribution", "attributes": {"low": 1, "high": Infinity}}',
    '{"name": "IntDistribution", "attributes": {"low": 1, "high": 5, "step": 0.5}}',
    '{"name": "IntDistribution", "attributes": {"low": 1, "high": 5, "step": null}}',
    '{"name": "CategoricalDistribution", "attributes": {"choices": []}}',
    '{"name": "CategoricalDistribution", "attributes": {"choices": 5}}',
    '{"name": "CategoricalDistribution", "attributes": {}}',
    '{"name": "CategoricalDistribution", "attributes": {"choices": [1], "low": 0}}',
    '{"name": "UniformDistribution", "attributes": {"low": 0.0, "high": 1.0, "log": false}}',
    '{"name": "UniformDistribution", "attributes": {"low": 1.0, "high": 0.0}}',
    '{"name": "LogUniformDistribution", "attributes": {"low": 0.0, "high": 1.0}}',
    '{"name": "DiscreteUniformDistribution", "attributes": {"low": 0.0, "high": 1.0}}',
    '{"name": "DiscreteUniformDistribution", "attributes": {"low": 0.0, "high": 1.0, "q": 0}}',
    '{"name": "IntUniformDistribution", "attributes": {"low": 0, "high": 5, "step": 0}}',
    '{"name": "IntLogUniformDistribution", "attributes": {"low": 0, "high": 5}}',
    '{"name": "IntLogUniformDistribution", "attributes": {"low": 1, "high": 5, "step": 2}}',
    '{"type": "float", "low": 0}',
    '{"type": "normal", "low": 0, "high": 1}',
    '{"type": "categorical", "choices": []}',
    '{"type": "categorical"}',
    '{"type": "int", "low": 0, "high": 5, "log": true}',
    '{"low": 0, "high": 1}',
    '{"type": "float", "low": 0, "high": 1, "log": true}',
    '{"name": "FloatDistribution", "attributes": {"low": 0.0, "high": 1.0}} x',
    "{'name': 'FloatDistribution'}",
    '{"name": null, "attributes": {"low": 0.0, "high": 1.0}}',
    '{"name": "FloatDistribution", "attributes": []}',
    '{"name": "floatdistribution", "attributes": {"low": 0.0, "high": 1.0}}',
    '{"name": "FloatDistribution", "attributes": {"low": 0.0, "high": 1.0}, }',
    '{"name": "FloatDistribution", "attributes": {"low": 01, "high": 2}}',
    '{"name": "FloatDistribution", "attributes": {"low": 0.0, "high": 1.0, "q": 0.5}}',
    '{"name": "FloatDistribution", "type": "float", "low": 0, "high": 1}',
]
# Python takes these although a member has the wrong type or is out of our range (EXCEPTIONS.md).
LOOSE_DISTS = [
    '{"name": "FloatDistribution", "attributes": {"low": true, "high": 2.0}}',
    '{"name": "IntDistribution", "attributes": {"low": 1.5, "high": 3.7}}',
    '{"name": "IntDistribution", "attributes": {"low": 1e2, "high": 1e30, "step": 2.5}}',
    '{"name": "IntDistribution", "attributes": {"low": 0, "high": 18446744073709551616}}',
    '{"name": "FloatDistribution", "attributes": {"low": 0, "high": 1, "log": 0}}',
    '{"name": "IntDistribution", "attributes": {"low": 1, "high": 3, "log": 1}}',
    '{"name": "FloatDistribution", "attributes": {"low": 0.0, "high": 1.0, "step": true}}',
    '{"name": "IntDistribution", "attributes": {"low": false, "high": true}}',
    '{"name": "FloatDistribution", "attributes": {"low": 0, "high": 123456789012345678901234567890, "step": 7}}',
    '{"name": "FloatDistribution", "attributes": {"low": 0.0, "high": 1e300, "step": 1e-10}}',
]
TEXT_CHOICES = [
    '{"name": "CategoricalDistribution", "attributes": {"choices": "abc"}}',
    '{"name": "CategoricalDistribution", "attributes": {"choices": {"a": 1}}}',
    '{"type": "categorical", "choices": "abc"}',
]
