# SPDX-License-Identifier: MIT
"""Generated lines that something is wrong with: malformed operations, members of the wrong type, damage, wrong checksums.

A part of gen.Generator, which has the model of what was written so far (`studies`, `trials`) and `put` and `emit`.
"""

import json

from gen_values import (
    BAD_DISTS,
    BAD_ISO,
    LOOSE_DISTS,
    LOOSE_ISO,
    TEXT_CHOICES,
    Family,
    crc32c,
    dist_text,
    number_token,
    step_token,
    text_token,
)


class Trial:
    __slots__ = ("study", "number", "state", "params")

    def __init__(self, study, number, state):
        self.study, self.number, self.state, self.params = study, number, state, set()


class Study:
    __slots__ = ("name", "deleted", "n", "dirs")

    def __init__(self, name, dirs):
        self.name, self.deleted, self.n, self.dirs = name, False, 0, dirs


class Malformed:
    # ---- lines on which Python raises ----

    def odd(self):
        kind = self.pick(
            [
                ("study", 3.5),
                ("delete", 4),
                ("sattr", 12),
                ("ctrial", 13),
                ("param", 11),
                ("state", 12),
                ("report", 6),
                ("tattr", 14),
                ("code", 4),
                ("shape", 2),
            ]
        )
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

    ID_TOKENS = [
        "null",
        "[]",
        "{}",
        '"0"',
        "0.5",
        '"x"',
        "[0]",
        "NaN",
        "18446744073709551616",
        "-9223372036854775809",
    ]

    def odd_study(self):
        r = self.r
        taken = [s.name for s in self.studies if not s.deleted]
        name = json.dumps(r.choice(taken) if taken and r.random() < 0.3 else r.choice(self.names))
        good = [("study_name", name), ("directions", "[1]")]
        how = r.randrange(4)
        if how == 0:
            self.put(0, *self.without(good, r.choice(["study_name", "directions"])), tag="odd:missing")
        else:
            bad = r.choice(
                [
                    "null",
                    "5",
                    "[3]",
                    "[-1]",
                    "[1,null]",
                    '["x"]',
                    "[[1]]",
                    "[1.5]",
                    "[NaN]",
                    '["MINIMIZE"]',
                    "[1,99]",
                ]
            )
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
            self.put(
                code,
                target,
                (
                    member,
                    r.choice(["{}", '{"a":1,"b":2}', '{"a":1,"b":2,"a":3}', "5", "null", "[]", '""', "true"]),
                ),
                tag="odd:attr",
            )
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
            m = self.without(m, "intermediate_values") + [
                (
                    "intermediate_values",
                    r.choice(
                        [
                            '{"x":1.0}',
                            '{"":1.0}',
                            '{"1.0":2.0}',
                            "[1]",
                            "null",
                            "5",
                            '{"1e3":0.5}',
                            '{"0x1":1}',
                            '{"--1":1}',
                        ]
                    ),
                )
            ]
            tag = "odd:steps"
        elif how == 7:
            m = (
                self.without(self.without(m, "params"), "distributions")
                + [("params", '{"p":1.0}')]
                + r.choice(
                    [
                        [],
                        [("distributions", "{}")],
                        [("distributions", '{"q":%s}' % json.dumps(dist_text(r, self.params["q"])))],
                    ]
                )
            )
            tag = "odd:params"
        elif how in (8, 9):
            bad = json.dumps(r.choice(BAD_DISTS)) if r.random() < 0.9 else r.choice(["5", "null", "{}", "[]"])
            good = json.dumps(dist_text(r, self.params["q"]))
            m = self.without(self.without(m, "params"), "distributions") + [
                ("distributions", '{"q":%s,"p":%s}' % (good, bad)),
                ("params", r.choice(["{}", '{"p":1.0}'])),
            ]
            tag = "odd:dist"
        elif how in (10, 11):
            dist, value = self.bad_value()
            m = self.without(self.without(m, "params"), "distributions") + [
                ("distributions", '{"p":%s}' % json.dumps(dist)),
                ("params", '{"p":%s}' % value),
            ]
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
            return dist_text(r, f), r.choice(
                [
                    str(n),
                    str(n + 5),
                    str(-n - 1),
                    "NaN",
                    "Infinity",
                    "-Infinity",
                    "1e400",
                    "1e300",
                    repr(float(-n - 1)),
                ]
            )
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
        m = [
            ("trial_id", str(t)),
            ("param_name", text_token(r, name, self.fancy)),
            ("param_value_internal", self.internal(f)),
            ("distribution", text_token(r, dist_text(r, f), self.fancy)),
        ]
        how = r.randrange(8)
        if how <= 1:
            self.put(5, *self.without(m, r.choice([k for k, _ in m])), tag="odd:missing")
        elif how == 2:
            self.put(5, *self.replaced(m, "trial_id", r.choice(self.ID_TOKENS)), tag="odd:id")
        elif how == 3:
            self.put(
                5,
                *self.replaced(m, "distribution", r.choice(["5", "null", "{}", "[]", "true"])),
                tag="odd:dist"
            )
        elif how in (4, 5):
            self.put(5, *self.replaced(m, "distribution", json.dumps(r.choice(BAD_DISTS))), tag="odd:dist")
        else:
            dist, value = self.bad_value()
            self.put(
                5,
                m[0],
                ("param_name", json.dumps("fresh" + str(r.randrange(3)))) if r.random() < 0.8 else m[1],
                ("param_value_internal", value),
                ("distribution", json.dumps(dist)),
                tag="odd:choice",
            )

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
            self.put(
                6,
                *self.replaced(
                    m, "state", r.choice(["5", "-1", "null", '"x"', "99", "[]", "2.5", "{}", "NaN"])
                ),
                tag="odd:state"
            )
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
        self.put(
            r.choice(
                [
                    "11",
                    "12",
                    "99",
                    "-1",
                    "4294967296",
                    "4294967300",
                    '"4"',
                    "null",
                    "[]",
                    "{}",
                    "1.5",
                    "1e3",
                    "NaN",
                    "-Infinity",
                    "18446744073709551616",
                ]
            ),
            *m,
            tag="odd:code"
        )

    def odd_shape(self):
        data = self.r.choice(
            [
                b"[]",
                b"{}",
                b"null",
                b"5",
                b'"x"',
                b"true",
                b"NaN",
                b'[{"op_code":0}]',
                b'{"worker_id":"w"}',
                b"1.5e3",
                b'{"study_id":0}',
            ]
        )
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
            line = line[: r.randrange(len(line.rstrip()))]
        elif how == 4:
            line += r.choice([b"x", b"}", b"{}", b",", b"\x00", b'"', b"\x0c"])
        elif how == 5:
            at = r.randrange(1, len(line))
            line = (
                line[:at]
                + r.choice([b"\x00", b"\xff", b"\x01", b"\xc3(", b"\xe2\x82", b"\xf5\x80\x80\x80", b"\xc0\xaf"])
                + line[at:]
            )
        elif how == 6:
            line = line.replace(b":", b"=", 1)
        elif how == 7:
            line = line.replace(b'"', b"'")
        elif how == 8:
            token = r.choice(
                [
                    b"01",
                    b"+1",
                    b".5",
                    b"1.",
                    b"-",
                    b"nan",
                    b"infinity",
                    b"-NaN",
                    b"--1",
                    b"0x10",
                    b"1e",
                    b"1e+",
                    b"True",
                    b"None",
                    b"tru",
                    b"nulll",
                    b'"\\x41"',
                    b'"\\u12g4"',
                    b'"\\u12"',
                    b'"\\',
                    b'"tab\there"',
                    b"[1,]",
                    b"[1 2]",
                    b'{"a":1,}',
                    b'{"a" 1}',
                    b"{a:1}",
                    b"{1:2}",
                    b"[",
                    b"]",
                    b"Inf",
                    b"1_000",
                    b"/*c*/1",
                ]
            )
            line = b'{"op_code":8,"worker_id":"w","trial_id":0,"user_attr":{"k":' + token + b"}}"
        elif how == 9:
            line = r.choice([b"", b" ", b"\r", b"\x00" * 20, b"\xff\xfe", b"\t"])
        elif how == 10:
            depth = 100000 if r.random() < 0.02 else 2000
            line = (
                b'{"op_code":8,"worker_id":"w","trial_id":0,"user_attr":{"k":'
                + b"[" * depth
                + b"]" * depth
                + b"}}"
            )
        else:
            line = line.rstrip()[:-1] + b",}"
        self.lines.append((" ", line, "broken"))

    # ---- Python's looseness with types ----

    def loose(self):
        """Members of the wrong type at which Python does not stop, and which we read as it does."""
        r = self.r
        live = self.any_trial()
        if live is None:
            return
        good5 = [
            ("trial_id", str(live)),
            ("param_name", '"p"'),
            ("param_value_internal", "1.0"),
            ("distribution", json.dumps(dist_text(r, self.params["p"]))),
        ]
        target = r.choice(["%d.0" % live, "%de0" % live, "true", "false", str(live)])
        how = r.randrange(9)
        if how == 0:
            m = [
                ("op_code", "7"),
                ("trial_id", target),
                ("step", r.choice(["true", "1.0", "false", "2e0", "[]", "-1e15"])),
                ("intermediate_value", "1.0"),
            ]
        elif how == 1:
            m = [
                ("op_code", r.choice(["7", "7.0", "7e0"])),
                ("trial_id", target),
                ("step", "1"),
                ("intermediate_value", r.choice(["null", '"x"', "true", "[]", "{}", '"NaN"', '"1.5"', '""'])),
            ]
        elif how == 2:
            m = [
                ("op_code", "6"),
                ("trial_id", target),
                ("state", r.choice(["1", "2", "1.0", "true", "4.0", "2e0"])),
                (
                    "values",
                    r.choice(["[null]", '["x"]', "[[1]]", "[true]", '["Infinity"]', "5", "true", "null"]),
                ),
                ("datetime_complete", self.time()),
            ]
        elif how == 3:
            m = [
                ("op_code", "0"),
                ("study_name", json.dumps(r.choice(self.names))),
                ("directions", r.choice(["[1.0]", "[true]", "{}", '""', "[2.0,1]"])),
            ]
            if not any(s.name == json.loads(m[1][1]) and not s.deleted for s in self.studies):
                self.studies.append(Study(json.loads(m[1][1]), [1]))
        elif how == 4:
            m = [("op_code", "5")] + self.replaced(
                good5, "param_value_internal", r.choice(["null", '"1"', "true", "[]", '"x"', "false"])
            )
        elif how == 5:
            m = [("op_code", "8.0"), ("trial_id", target), ("user_attr", '{"k":1}')]
        elif how == 6:
            m = [("op_code", "5")] + self.replaced(good5, "distribution", json.dumps(r.choice(LOOSE_DISTS)))
        elif how == 7:
            s = self.study("live")
            if s is None:
                return
            m = [
                ("op_code", "4"),
                ("study_id", str(s)),
                ("datetime_start", "null"),
                ("state", r.choice(["3", "3.0"])),
                r.choice(
                    [
                        ("user_attrs", "null"),
                        ("system_attrs", "5"),
                        ("user_attrs", "[]"),
                        ("intermediate_values", '{" 5 ":1,"+6":2,"1_0":3,"007":4,"5":5}'),
                        ("intermediate_values", '{"18446744073709551616":1.0,"9223372036854775807":2.0}'),
                        ("value", '"x"'),
                        ("value", "true"),
                    ]
                ),
            ]
            st = self.studies[s]
            self.trials.append(Trial(s, st.n, 3))
            st.n += 1
        else:
            m = [("op_code", "7"), ("trial_id", str(live)), ("step", "0"), ("intermediate_value", "1.0")]
            self.emit(m, tag="odd:worker")
            flag, data, tag = self.lines.pop()
            if b"crc" in data or data.count(b'"worker_id"') != 1:
                return
            worker = data[data.index(b'"worker_id"') : data.find(b",", data.index(b'"worker_id"')) + 1]
            if not worker:
                return
            self.lines.append(
                (flag, data.replace(worker, r.choice([b"", b'"worker_id":5,', b'"worker_id":null,'])), tag)
            )
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
            self.lines.append(
                (
                    "P",
                    b'{"op_code":4,"worker_id":"placeholder","study_id":%d,"datetime_start":null,"state":3}'
                    % s,
                    str(s),
                )
            )
            st = self.studies[s]
            self.trials.append(Trial(s, st.n, 3))
            st.n += 1
            return
        live = self.trial("live")
        if live is None or s is None:
            return
        trial = ("trial_id", str(live))
        if how <= 3:
            m = [
                ("op_code", "7"),
                trial,
                ("step", r.choice(["1.5", "null", '"1"', "9223372036854775808", "-1e30", "NaN"])),
                ("intermediate_value", "1.0"),
            ]
        elif how == 4:
            m = [
                ("op_code", "6"),
                trial,
                ("state", "1"),
                ("values", r.choice(['"ab"', "{}", '{"a":1}'])),
                ("datetime_complete", self.time()),
            ]
        elif how == 5:
            m = r.choice(
                [
                    [
                        ("op_code", "6"),
                        trial,
                        ("state", "1"),
                        ("values", "null"),
                        ("datetime_complete", r.choice(LOOSE_ISO)),
                    ],
                    [("op_code", "4"), ("study_id", str(s)), ("datetime_start", r.choice(LOOSE_ISO))],
                ]
            )
        elif how == 6:
            m = r.choice(
                [
                    [("op_code", "0"), ("study_name", r.choice(["5", "null", "[]"])), ("directions", "[1]")],
                    [
                        ("op_code", "5"),
                        trial,
                        ("param_name", r.choice(["null", "5", "true"])),
                        ("param_value_internal", "1.0"),
                        ("distribution", json.dumps(dist_text(r, self.params["p"]))),
                    ],
                ]
            )
        else:
            m = r.choice(
                [
                    [("op_code", "8"), trial, ("user_attr", r.choice(['[["a",1]]', '["ab"]']))],
                    [
                        ("op_code", "5"),
                        trial,
                        ("param_name", '"p"'),
                        ("param_value_internal", "1.0"),
                        ("distribution", json.dumps(r.choice(TEXT_CHOICES))),
                    ],
                    [
                        ("op_code", "4"),
                        ("study_id", str(s)),
                        ("datetime_start", "null"),
                        ("intermediate_values", '{"\u0663":1.0}'),
                    ],
                ]
            )
        self.emit(m, flag="T", tag="odd:type")
