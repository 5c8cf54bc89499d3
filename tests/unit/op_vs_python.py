#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares the reading and writing of lines with Optuna's replay: op_vs_python.py PROBE [COUNT] [SEED].

Each of COUNT generated lines (as Optuna writes them, then changed: members left out, replaced, repeated, reordered,
unknown ones, blanks, odd numbers, cut and changed bytes) is read by us and put back together from what we read; Optuna
must then do with both lines the same: raise, change nothing, or change the same. What we call broken, Python's json must
refuse; what we call odd, Optuna must raise at. The probe itself checks that both of our ways to read a line agree.
Lines that we write must have Optuna's bytes, our count and a right checksum. Lines that Optuna's storage wrote must take
the fast way. Runs under every Python with Optuna that the environment names. Prints the seed.
"""
import datetime as dt
import json
import math
import pickle
import random
import re

import vs_optuna as vs

PROBE, COUNT, SEED = vs.arguments(20_000)

import optuna  # noqa: E402
from optuna import distributions as od  # noqa: E402

try:
    from optuna.storages.journal import _storage as oj
except ImportError:  # 3.1
    from optuna.storages._journal import storage as oj

rng = random.Random(SEED)
score = vs.Score()
WORKER = "6e9a3c1e-6b4a-4a3e-9d57-0c2f5e1a7b10-140000000000000"
ISO = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{3}|\.\d{6})?)?(Z|[+-]\d\d:\d\d(:\d\d)?)?$")
FLOAT = od.distribution_to_json(od.FloatDistribution(0, 10))


# ---- the state that lines meet ----

def start_state():
    """Studies 0, 1 and a deleted 2; trials 0 RUNNING, 1 WAITING, 2 COMPLETE in study 0, 3 in study 1, 4 in study 2."""
    r = oj.JournalStorageReplayResult("nobody-")
    at = "2026-01-01T00:00:00.000000+00:00"
    lines = [{"op_code": 0, "worker_id": "w", "study_name": n, "directions": [1]} for n in "abc"]
    lines += [{"op_code": 4, "worker_id": "w", "study_id": s, "datetime_start": at, **more} for s, more in (
        (0, {}), (0, {"state": 4}), (0, {}), (1, {}), (2, {}))]
    lines += [{"op_code": 5, "worker_id": "w", "trial_id": 2, "param_name": "x", "param_value_internal": 1.0,
               "distribution": FLOAT},
              {"op_code": 6, "worker_id": "w", "trial_id": 2, "state": 1, "values": [1.0], "datetime_complete": at},
              {"op_code": 1, "worker_id": "w", "study_id": 2}]
    r.apply_logs(lines)
    return pickle.dumps(r)


START = start_state()


def plain_number(v):
    """What a double column makes of a value."""
    if isinstance(v, str):
        try:
            v = json.loads(v)
        except ValueError:
            return "NaN"
    if not isinstance(v, (int, float)):
        return "NaN"
    try:
        v = float(v)
    except OverflowError:
        v = math.inf if v > 0 else -math.inf
    return "NaN" if v != v else v


def plain_param(v, d):
    if isinstance(d, od.CategoricalDistribution):
        return repr(v)
    return plain_number(v)


def utc(t):
    if t is not None and t.tzinfo is not None:
        t = t.astimezone(dt.timezone.utc).replace(tzinfo=None)
    return t


def attrs(a):
    return json.dumps(a) if isinstance(a, dict) else "{}"


def dump_trial(t):
    return (int(t.state), None if t.values is None else [plain_number(v) for v in t.values],
            [(k, plain_param(v, t.distributions[k])) for k, v in t.params.items()],
            sorted((k, repr(d)) for k, d in t.distributions.items()), utc(t.datetime_start), utc(t.datetime_complete),
            attrs(t.user_attrs), attrs(t.system_attrs),
            [(int(k), plain_number(v)) for k, v in t.intermediate_values.items()
             if not isinstance(k, int) or -2 ** 63 <= k < 2 ** 63])


def dump(r):
    studies = [(i, s.study_name, [int(d) for d in s.directions], attrs(s.user_attrs), attrs(s.system_attrs))
               for i, s in r._studies.items()]
    return studies, [dump_trial(t) for t in r._trials.values()], r._study_id_to_trial_ids


UNCHANGED = dump(pickle.loads(START))


def replay(log):
    """What Optuna does with it: "raises", or the state afterwards."""
    r = pickle.loads(START)
    try:
        r.apply_logs([log])
    except RecursionError:
        raise
    except Exception:
        return "raises"
    try:
        return dump(r)
    except Exception as e:
        return "no dump: " + repr(e)


# ---- generating ----

def some_text():
    return rng.choice(["x", "y", "lr", "", "é", "\ud800", "\udc00", "\U0001f600", "a\"b\\c", "\n\t\x00", "n" * 40, "\x7f", "crc",
                       "op_code", "[1]", "\u2028"])


def some_number():
    return rng.choice([0.0, -0.0, 1.5, 1e-5, 1e16, 5e-324, 1.7976931348623157e308, float("nan"), float("inf"), float("-inf"),
                       rng.uniform(-1, 1), rng.random() * 10 ** rng.randrange(-20, 20), float(rng.randrange(100))])


def some_distribution():
    return rng.choice([
        FLOAT, FLOAT, od.distribution_to_json(od.FloatDistribution(1e-5, 1, log=True)),
        od.distribution_to_json(od.IntDistribution(1, 10)), od.distribution_to_json(od.CategoricalDistribution([None, 1, "é\""])),
        '{"name":"UniformDistribution","attributes":{"low":0,"high":1}}', '{"type":"int","low":0,"high":4}', "{}", "", "\\",
        '{"name": "FloatDistribution", "attributes": {"low": 2, "high": 1}}'])


def some_time():
    t = dt.datetime(rng.randrange(1970, 2100), rng.randrange(1, 13), rng.randrange(1, 29), rng.randrange(24), rng.randrange(60),
                    rng.randrange(60), rng.randrange(1000000))
    kind = rng.randrange(10)
    if kind < 6:
        return t.replace(tzinfo=dt.timezone.utc).isoformat(timespec="microseconds")
    if kind == 6:
        return t.isoformat(timespec=rng.choice(["minutes", "seconds", "milliseconds", "microseconds"]))
    if kind == 7:
        zone = dt.timezone(dt.timedelta(seconds=rng.randrange(-86399, 86400) if rng.random() < 0.3
                                        else 900 * rng.randrange(-50, 57)))
        return t.replace(tzinfo=zone).isoformat(sep=rng.choice("T "), timespec="microseconds")
    if kind == 8:
        return t.isoformat(timespec="seconds") + "Z"
    return rng.choice(["", "now", "2026-02-30T00:00:00", "2026-01-01T24:00:00", "2026-01-01T00:00:60", "2026-1-1T00:00:00",
                       "2026-01-01T00:00:00+24:00", "2026-01-01 00:00", "0000-01-01T00:00:00"])


def some_json(depth=0):
    kind = rng.randrange(9)
    if kind < 3:
        return some_number()
    if kind < 5:
        return some_text()
    if kind == 5:
        return rng.choice([None, True, False, 0, 1, -1, 2 ** 53 + 1, 2 ** 64, 10 ** 400])
    if depth > 3:
        return None
    if kind == 6:
        return [some_json(depth + 1) for _ in range(rng.randrange(4))]
    return {some_text(): some_json(depth + 1) for _ in range(rng.randrange(4))}


def some_template():
    names = list(dict.fromkeys(some_text() for _ in range(rng.choice([0, 1, 2, 3, 5]))))
    if rng.random() < 0.05:
        names = ["p%d" % i for i in range(40)]
    state = rng.choice([0, 1, 1, 1, 2, 3, 4])
    value, values = rng.choice([(None, None), (some_number(), None), (None, [some_number(), some_number()]), (None, [])])
    out = [("state", state), ("value", value), ("values", values)]
    if rng.random() < 0.6:
        out.append(("datetime_complete", some_time()))
    distributions = {n: some_distribution() for n in names}
    params = {n: rng.choice([0.0, 1.0, 2.0, 0.5]) for n in names if rng.random() < 0.95}
    if rng.random() < 0.1:
        params = dict(reversed(list(params.items())))
    out += [("distributions", distributions), ("params", params),
            ("user_attrs", {some_text(): some_json() for _ in range(rng.randrange(3))}),
            ("system_attrs", {some_text(): some_json() for _ in range(rng.choice([0, 0, 1, 20]))}),
            ("intermediate_values", {str(rng.choice([i, i, i, rng.randrange(-3, 30)])): some_number()
                                     for i in range(rng.randrange(5))})]
    return out


def some_members():
    """A line as Optuna writes it: pairs of key and value."""
    code = rng.choice([0, 1, 2, 3, 4, 4, 4, 5, 5, 6, 6, 6, 7, 7, 8, 9, 10])
    out = [("op_code", code), ("worker_id", rng.choice([WORKER, WORKER, some_text()]))]
    study = ("study_id", rng.choice([0, 0, 0, 1, 2, 3]))
    trial = ("trial_id", rng.choice([0, 0, 0, 1, 1, 2, 3, 4, 5]))
    if code == 0:
        out += [("study_name", rng.choice(["a", "new", some_text()])), ("directions", rng.choices([1, 2, 0], k=rng.randrange(1, 4)))]
    elif code in (1, 2, 3, 4):
        out.append(study)
    elif code < 10:
        out.append(trial)
    if code in (2, 8):
        out.append(("user_attr", {some_text(): some_json()}))
    elif code in (3, 9):
        out.append(("system_attr", {some_text(): some_json()}))
    elif code == 4:
        out.append(("datetime_start", rng.choice([None, some_time(), some_time()])))
        if rng.random() < 0.6:
            out += some_template()
    elif code == 5:
        out += [("param_name", rng.choice(["x", some_text()])), ("param_value_internal", rng.choice([0.0, 1.0, 2.0, some_number()])),
                ("distribution", some_distribution())]
    elif code == 6:
        state = rng.randrange(5)
        out += [("state", state), ("values", rng.choice([None, [some_number()], [some_number(), some_number()], [],
                                                         [some_number()] * 9]))]
        if state == 0:
            out.append(("datetime_start", some_time()))
        elif state < 4:
            out.append(("datetime_complete", some_time()))
    elif code == 7:
        out += [("step", rng.choice([0, 1, 5, 2 ** 40, -1])), ("intermediate_value", some_number())]
    return out


ODD = ["null", "true", "false", "0", "1", "-1", "2", "3", "3.0", "0.0", "1e0", "2.5", "-0", "-0.0", "1e400", "NaN", "Infinity",
       '"0"', '"1"', '""', '"x"', '"1.5"', '"NaN"', "[]", "[1]", "[1,2.0,true]", "[null]", '["1"]', "[[1]]", "{}", '{"a":1}',
       '{"a":1,"a":2}', '{"a":1,"b":2}', '{"a":1,"b":2,"a":3}', '{"\\u0061":1,"a":null}', "9007199254740993",
       "9223372036854775807", "9223372036854775808", "-9223372036854775808", "1" * 320, "4", "5", "10", "11", "1000000000000000000000",
       '{"1":2," 1_0 ":3,"+1":4}', '{"0":1,"0":2}', '{"x":0.5}', '{"1.0":1}', '{"9223372036854775808":1,"-9223372036854775808":2}',
       '"2026-01-01T00:00:00"', '{"x":' + json.dumps(FLOAT) + "}", json.dumps(FLOAT), '{"x":"5","y":null}', "[3]", '[["a",1]]', "[0,1,2,1.0]"]
MEMBERS = ["op_code", "worker_id", "n", "crc", "study_id", "trial_id", "study_name", "directions", "user_attr", "system_attr",
           "datetime_start", "datetime_complete", "state", "value", "values", "distributions", "params", "user_attrs", "system_attrs",
           "intermediate_values", "param_name", "param_value_internal", "distribution", "step", "intermediate_value", "other", ""]


def change(parts):
    """Changes a list of (key text, value text)."""
    kind = rng.randrange(7)
    if kind == 0 and len(parts) > 1:
        del parts[rng.randrange(len(parts))]
    elif kind == 1:
        i = rng.randrange(len(parts))
        parts[i] = (parts[i][0], rng.choice(ODD))
    elif kind == 2:
        parts.insert(rng.randrange(len(parts) + 1), (json.dumps(rng.choice(MEMBERS)), rng.choice(ODD)))
    elif kind == 3:
        rng.shuffle(parts)
    elif kind == 4:
        key, value = rng.choice(parts)
        parts.insert(rng.randrange(len(parts) + 1), (key, rng.choice([value, rng.choice(ODD)])))
    elif kind == 5:
        i = rng.randrange(len(parts))
        key = parts[i][0]
        parts[i] = ('"' + "".join("\\u%04x" % ord(c) for c in key[1:-1]) + '"', parts[i][1])
    else:
        i = rng.randrange(len(parts))
        blank = rng.choice([" ", "\t", "\r", "  "])
        parts[i] = (parts[i][0] + rng.choice(["", blank]), blank + parts[i][1] + rng.choice(["", blank]))
    return parts


def some_line():
    """A line as bytes, and whether it is as Optuna writes it."""
    members = some_members()
    clean = rng.random() < 0.4
    ascii_only = clean or rng.random() < 0.8
    parts = [(json.dumps(k), json.dumps(v, separators=(",", ":"), ensure_ascii=ascii_only)) for k, v in members]
    if not clean:
        for _ in range(rng.choice([0, 1, 1, 2, 3])):
            parts = change(parts)
    line = "{" + ",".join(k + ":" + v for k, v in parts) + "}"
    if not clean and rng.random() < 0.05:
        line = rng.choice(["", "[]", "5", "null", '"x"', line + " ", " " + line, "\ufeff" + line, line[:-1], line + "}", "[" + line + "]"])
    data = line.encode("utf-8", "surrogatepass")
    if not clean and rng.random() < 0.15 and data:
        i = rng.randrange(len(data))
        data = rng.choice([data[:i], data[:i] + data[i + 1:], data[:i] + bytes([rng.randrange(256)]) + data[i + 1:],
                           data[:i] + rng.choice([b'"', b"\\", b",", b"}", b"0", b" "]) + data[i:]])
        data = data.replace(b"\n", b" ")
    return data, clean


# ---- comparing ----

def text_or_none(digits):
    return None if digits is None else vs.from_hex(digits)


def instant(t):
    if t is None:
        return None
    us, naive = t
    text = (dt.datetime(1970, 1, 1) + dt.timedelta(microseconds=us)).isoformat(timespec="microseconds")
    return text if naive else text + "+00:00"


def json_text(digits, escaped):
    raw = vs.from_hex(digits)
    return json.loads('"' + raw + '"') if escaped else raw


def rebuild(op):
    """The log that stands for what was read."""
    log = {"op_code": op["code"]}
    if op["worker"] is not None:
        log["worker_id"] = vs.from_hex(op["worker"])
    code = op["code"]
    if code == 0:
        return dict(log, study_name=vs.from_hex(op["name"]), directions=op["directions"])
    if code == 10:
        return log
    log["study_id" if code < 5 else "trial_id"] = op["target"]
    if code in (2, 3, 8, 9):
        log["user_attr" if code in (2, 8) else "system_attr"] = {vs.from_hex(op["name"]): json.loads(vs.from_hex(op["text"]))}
    elif code == 4:
        log.update(state=op["state"], datetime_start=instant(op["start"]), value=None,
                   values=None if op["values"] is None else [vs.double(v) for v in op["values"]])
        if op["complete"]:
            log["datetime_complete"] = instant(op["complete"])
        log["distributions"] = {vs.from_hex(p["name"]): json_text(p["dist"], p["escaped"]) for p in op["params"]}
        log["params"] = {vs.from_hex(p["name"]): vs.double(p["internal"]) for p in op["params"] if p["has"]}
        for key in ("user_attrs", "system_attrs"):
            log[key] = {vs.from_hex(a["key"]): json.loads(vs.from_hex(a["json"])) for a in op[key]}
        log["intermediate_values"] = {str(step): vs.double(v) for step, v in op["reports"]}
    elif code == 5:
        log.update(param_name=vs.from_hex(op["name"]), param_value_internal=vs.double(op["number"]),
                   distribution=json_text(op["text"], op["escaped"]))
    elif code == 6:
        log.update(state=op["state"], values=None if op["values"] is None else [vs.double(v) for v in op["values"]])
        if op["start"]:
            log["datetime_start"] = instant(op["start"])
        if op["complete"]:
            log["datetime_complete"] = instant(op["complete"])
    elif code == 7:
        log.update(step=op["step"], intermediate_value=vs.double(op["number"]))
    return log


def params_of(log):
    return log["params"] if isinstance(log.get("params"), dict) else {}


def whole_step(v):
    return isinstance(v, (int, float)) and -2 ** 63 <= v < 2 ** 63 and v == int(v)


wanted_seen = {}


def wanted_difference(log):
    """Is it one of those in tests/replay/EXCEPTIONS.md? Asked only where there is a difference."""
    kind = which_difference(log)
    if kind:
        wanted_seen[kind] = wanted_seen.get(kind, 0) + 1
    return kind


def which_difference(log):
    if not isinstance(log, dict):
        return None
    code = log.get("op_code")
    if code == 10:
        return "code 10"
    if code == 0 and not isinstance(log.get("study_name"), str):
        return "study_name"
    if code == 5 and not isinstance(log.get("param_name"), str):
        return "param_name"
    if code == 7 and not whole_step(log.get("step")):
        return "step"
    if code in (2, 3) and isinstance(log.get("user_attr" if code == 2 else "system_attr"), list):
        return "attribute as a list"
    if code in (4, 6) and isinstance(log.get("values"), (str, dict)):
        return "values as text or object"
    if code == 5 and not isinstance(log.get("param_value_internal"), (int, float)):
        return "parameter that is no number"
    if code == 4 and any(not isinstance(v, (int, float)) for v in params_of(log).values()):
        return "parameter that is no number"
    if any(isinstance(log.get(k), str) and not ISO.match(log[k]) for k in ("datetime_start", "datetime_complete")):
        return "instant in another form"
    if code in (4, 5) and "1" * 320 in json.dumps([log.get("params"), log.get("param_value_internal")]):
        return "parameter beyond double"
    return None


def odd_outcome(op, log):
    """What Optuna makes of a line with an odd member, which it may not get to."""
    code, target = op["code"], op["target"]
    if code != 0 and target not in ((0, 1) if code < 5 else (0, 1, 3, 4)):
        # nothing happens; but whether it is its own line Optuna must know, and raises when the line does not say
        return UNCHANGED if "worker_id" in log else "raises"
    if code == 6 and op["state"] == 0 and target in (0, 3, 4):
        return UNCHANGED
    return "raises"


def compare(data, op):
    try:
        log = json.loads(data)
    except RecursionError:
        raise
    except ValueError:
        score.check("broken", op["how"] == 2, data, op)
        return None
    if not score.check("readable", op["how"] != 2, data, op):
        return None
    want = replay(log)
    if op["how"] == 1:
        score.check("odd", want == "raises" or wanted_difference(log), data, want, op)
    elif op["odd"] is not None:
        score.check("odd if reached", want == odd_outcome(op, log) or wanted_difference(log), data, vs.from_hex(op["odd"]), want)
    else:
        got = replay(rebuild(op))
        score.check("applied" if want not in ("raises", UNCHANGED) else "unchanged", got == want or wanted_difference(log), data, want, got)
        for key in ("start", "complete"):
            text = log.get("datetime_" + key)
            if op[key]:
                score.check("naive", op[key][1] == (dt.datetime.fromisoformat(text).tzinfo is None), data, op[key])
    return want


CRC = []
for byte in range(256):
    for _ in range(8):
        byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
    CRC.append(byte)


def crc32c(data):
    c = 0xFFFFFFFF
    for byte in data:
        c = c >> 8 ^ CRC[(c ^ byte) & 255]
    return c ^ 0xFFFFFFFF


def compare_written(data, clean, n, answer, want, op):
    if answer.startswith("refused"):
        score.check("not written", op["odd"] is not None or op["how"] or op["worker"] is None or op["code"] == 10, data, answer)
        return
    line = bytes.fromhex(answer)
    body, crc = line[:-18], line[-18:]
    score.check("checksum", crc == b',"crc":"%08x"}' % crc32c(body), data, line)
    if n:
        score.check("count", body.endswith(b',"n":%d' % n), line)
        body = body[:-len(b',"n":%d' % n)]
    if clean and op["code"] != 0 or clean and op["code"] == 0:
        same_bytes = body == data[:-1]
        if not same_bytes:  # what Optuna writes as one value may come as a list of one, and instants in another zone
            mine, theirs = json.loads(body + b"}"), json.loads(data)
            same_bytes = list(mine) == [k for k in theirs] and replay(mine) == replay(theirs)
        score.check("bytes", same_bytes, data, line)
    got = replay(json.loads(line))
    score.check("written", got == want or wanted_difference(json.loads(data)), data, line)


class Lines:
    """A backend that keeps what Optuna's storage writes."""

    def __init__(self):
        self.lines = []

    def append_logs(self, logs):
        self.lines += [json.dumps(log, separators=(",", ":")) for log in logs]

    def read_logs(self, start):
        return [json.loads(line) for line in self.lines[start:]]


def optuna_writes():
    """A session with Optuna's own storage; every kind of line."""
    backend = Lines()
    storage = oj.JournalStorage(backend)
    study = optuna.create_study(storage=storage, directions=["minimize", "maximize"], study_name="s",
                                sampler=optuna.samplers.RandomSampler(seed=1))
    study.set_user_attr("k", {"a": [1, None]})
    study.enqueue_trial({"x": 1.0})
    for _ in range(20):
        trial = study.ask()
        trial.suggest_float("x", 0, 10)
        trial.suggest_int("i", 1, 10, log=True)
        trial.suggest_float("s", 0, 1, step=0.25)
        trial.suggest_categorical("c", [None, True, 1.5, "adam"])
        trial.set_user_attr("epoch", 3)
        storage.set_trial_system_attr(trial._trial_id, "note", "é")
        storage.set_trial_intermediate_value(trial._trial_id, 3, rng.random())
        study.tell(trial, [rng.random(), float("inf")])
    for t in study.get_trials():
        study.add_trial(t)
    study.add_trial(optuna.create_trial(state=optuna.trial.TrialState.PRUNED, intermediate_values={i: i / 3 for i in range(50)}))
    return [line.encode() for line in backend.lines]


def main():
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    print(f"op_vs_python: Optuna {optuna.__version__}, {COUNT} lines, seed {SEED}", flush=True)
    lines = [some_line() for _ in range(COUNT)]
    ops = [json.loads(a) for a in vs.ask(PROBE, ["line " + vs.to_hex(d) for d, _ in lines])]
    wants = [compare(d, op) for (d, _), op in zip(lines, ops)]
    some = [i for i, w in enumerate(wants) if w is not None and w != "raises"]
    counts = {i: rng.choice([0, 1, 7, 10 ** 9]) for i in some}
    answers = vs.ask(PROBE, ["encode %d " % counts[i] + vs.to_hex(lines[i][0]) for i in some])
    for i, answer in zip(some, answers):
        compare_written(*lines[i], counts[i], answer, wants[i], ops[i])
    # with our members behind them, the same lines must read the same and as fast
    fast = 0
    clean = [(d, op) for (d, c), op in zip(lines, ops) if c]
    tail = [b',"n":5']
    checked = [d[:-1] + tail[0] for d, _ in clean]
    checked = [b + b',"crc":"%08x"}' % crc32c(b) for b in checked]
    for (d, op), a in zip(clean, vs.ask(PROBE, ["line " + vs.to_hex(d) for d in checked])):
        again = json.loads(a)
        score.check("with our members", again["n"] == 5 and again["fast"] == op["fast"] and
                    {**again, "n": 0} == {**op, "n": 0}, d)
        fast += op["fast"]
    wrong = [d[:i] + bytes([d[i] ^ 1]) + d[i + 1:] for d in checked[:2000] for i in (rng.randrange(len(d) - 18),)]
    for d, a in zip(wrong, vs.ask(PROBE, ["line " + vs.to_hex(d) for d in wrong])):
        score.check("wrong checksum", json.loads(a)["how"] == 2, d)
    session = optuna_writes()
    for d, a in zip(session, vs.ask(PROBE, ["line " + vs.to_hex(d) for d in session])):
        op = json.loads(a)
        score.check("session", op["how"] == 0 and op["odd"] is None and (op["fast"] or op["code"] in (0, 1) or b"\\" in d), d, op)
    print("wanted differences met: " + ", ".join(f"{k} {n}" for k, n in sorted(wanted_seen.items())))
    print(f"{fast} of {len(clean)} lines in Optuna's form took the fast way")
    score.end(f"op_vs_python with Optuna {optuna.__version__}")


main()
