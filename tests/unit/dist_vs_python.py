#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares distributions with Optuna's own: dist_vs_python.py PROBE [COUNT] [SEED].

COUNT distribution texts, good and bad: are they read or refused, what comes out (class, bounds after snapping, step,
log, bytes when written again, single), which values they contain, external and internal forms, and pairs of them:
equal, compatible. Runs under every Python with Optuna that the environment names. Prints the seed.
"""
import json
import math
import random

import vs_optuna as vs

PROBE, COUNT, SEED = vs.arguments(20_000)

import optuna  # noqa: E402
from optuna import distributions as od  # noqa: E402

rng = random.Random(SEED)
score = vs.Score()
CLASSES = ["FloatDistribution", "IntDistribution", "CategoricalDistribution", "UniformDistribution",
           "LogUniformDistribution", "DiscreteUniformDistribution", "IntUniformDistribution", "IntLogUniformDistribution"]


# ---- texts ----

def some_float():
    kind = rng.randrange(9)
    if kind == 0:
        return rng.choice([0.0, -0.0, 1.0, -1.0, 0.1, 0.3, 1e-5, 1e16, 5e-324, 1.7976931348623157e308, 2.0 ** 53])
    if kind == 1:
        return round(rng.uniform(-10, 10), rng.randrange(4))
    if kind == 2:
        return rng.uniform(-1, 1) * 10.0 ** rng.randrange(-12, 13)
    if kind == 3:
        return vs.double("%016x" % rng.getrandbits(64))
    if kind == 4:
        return float(rng.randrange(-1000, 1000))
    return rng.randrange(-200, 200) / rng.choice([1, 2, 4, 5, 8, 10, 20, 100, 1000, 3, 7])


def some_int():
    return rng.choice([rng.randrange(-20, 20), rng.randrange(-1000, 1000), rng.randrange(-2 ** 53, 2 ** 53), 0, 1])


def some_step(scale):
    kind = rng.randrange(6)
    if kind == 0:
        return some_float()
    if kind == 1:
        return abs(scale) / rng.choice([1, 2, 3, 4, 7, 10, 100]) if math.isfinite(scale) else 1.0
    return rng.choice([0.1, 0.2, 0.25, 0.3, 0.5, 1.0, 1, 2, 0.05, 0.01, 1e-3, 1e-7, 1e-30, 1.5, 7, 1e300, 0.7, 1e-9])


def some_text():
    return rng.choice(["", "a", "adam", "sgd", "é", "\ud800", "\U0001f600", "a\"b\\c", "\n\t\x00", "0", "1", "true", "ß" * 20])


def some_choice(depth=0):
    kind = rng.randrange(13)
    if kind < 2:
        return rng.choice([None, True, False])
    if kind < 4:
        return rng.choice([0, 1, 2, -1, 2 ** 53, 2 ** 53 + 1, 2 ** 63, -2 ** 63, 2 ** 64, 10 ** 22, 10 ** 23, 2 ** 70, -2 ** 70,
                           10 ** 300])
    if kind < 6:
        return rng.choice([0.0, -0.0, 1.0, 2.0, 0.5, float(2 ** 53), 1e22, 1e23, 2.0 ** 70, -2.0 ** 70, 2.0 ** 63, -2.0 ** 63,
                           1e300, float("nan"), float("inf"), float("-inf")])
    if kind < 8:
        return some_float()
    if kind < 12 or depth > 2:
        return some_text()
    return [some_choice(depth + 1) for _ in range(rng.randrange(3))] if rng.random() < 0.7 else {
        some_text(): some_choice(depth + 1) for _ in range(rng.randrange(2))}


def some_attributes(name):
    if name == "CategoricalDistribution":
        return {"choices": [some_choice() for _ in range(rng.choice([0, 1, 2, 2, 3, 3, 5]))]}
    whole = name.startswith("Int")
    low, high = sorted([some_int(), some_int()] if whole else [some_float(), some_float()])
    if rng.random() < 0.1:
        high = low
    if rng.random() < 0.04:
        low, high = high, low
    out = {"low": low, "high": high}
    positive = "Log" in name
    if name in ("FloatDistribution", "IntDistribution"):
        out["log"] = positive = rng.random() < 0.3
        if rng.random() < 0.1:
            del out["log"]
            positive = False
    if positive and rng.random() < 0.9:
        out["low"], out["high"] = sorted([abs(low) or 1, abs(high) or 1])
    if name == "DiscreteUniformDistribution":
        out["q"] = some_step(high - low)
    elif whole and rng.random() < 0.8:
        out["step"] = 1 if positive and rng.random() < 0.9 else rng.choice([1, 1, 2, 3, 7, 10, 1000, 0, -1])
    elif name == "FloatDistribution":
        out["step"] = some_step(high - low) if not positive and rng.random() < 0.6 else None
        if rng.random() < 0.1:
            del out["step"]
    return out


ODD = [None, True, False, 0, 1, -1, 1.5, 2.0, 0.5, "", "x", [], {}, [1], float("nan"), float("inf"), 10 ** 400, 1e300, 2.7]


def spoil(out):
    """Changes members of `out` at random."""
    for _ in range(rng.choice([1, 1, 2])):
        kind = rng.randrange(4)
        if kind == 0 and out:
            del out[rng.choice(list(out))]
        elif kind == 1 and out:
            out[rng.choice(list(out))] = rng.choice(ODD)
        elif kind == 2:
            out[rng.choice(["low", "high", "step", "log", "q", "choices", "x"])] = rng.choice(ODD)
        else:
            keys = list(out)
            rng.shuffle(keys)
            out = {k: out[k] for k in keys}
    return out


def some_distribution():
    if rng.random() < 0.15:
        kind = rng.choice(["float", "int", "categorical", "float", "int", "other", 5, None])
        name = {"float": "FloatDistribution", "int": "IntDistribution"}.get(kind, "CategoricalDistribution")
        top = {"type": kind, **some_attributes(name)}
        if rng.random() < 0.3:
            top = spoil(top)
    else:
        name = rng.choice(CLASSES)
        attributes = some_attributes(name)
        if rng.random() < 0.25:
            attributes = spoil(attributes)
        top = {"name": name, "attributes": attributes}
        if rng.random() < 0.05:
            top["name"] = rng.choice(["NormalDistribution", 5, None, "", ["FloatDistribution"]])
        if rng.random() < 0.03:
            top["attributes"] = rng.choice(ODD)
        if rng.random() < 0.05:
            top = spoil(top)
    separators = rng.choice([None, (",", ":"), (" , ", " :\t")])
    text = json.dumps(top, separators=separators, ensure_ascii=rng.random() < 0.8)
    if rng.random() < 0.02:
        text = rng.choice(["", "[]", "5", '"name"', text[:-1], text + "x", text.replace('"low"', '"\\u006cow"'),
                           text.replace('"high":', '"high":0,"high":')])
    return text


def wanted_difference(text):
    """Is it one of those in tests/replay/EXCEPTIONS.md?"""
    try:
        top = json.loads(text)
        attributes = top["attributes"] if "name" in top else top
    except Exception:
        return False
    if not isinstance(attributes, dict):
        return False
    numbers = [attributes.get(k) for k in ("low", "high", "step", "q")]
    return (any(isinstance(x, str) for x in numbers) or isinstance(attributes.get("choices"), (str, dict))
            or not isinstance(attributes.get("log", False), bool)
            or any(isinstance(x, (int, float)) and not isinstance(x, bool) and 2 ** 53 < abs(x) < math.inf
                   for x in numbers if isinstance(x, int) or str(top.get("name", top.get("type")))[:3].lower() == "int"))


def has_object(value):
    return isinstance(value, dict) or isinstance(value, list) and any(map(has_object, value))


# ---- comparing ----

def optuna_reads(text):
    try:
        return od.json_to_distribution(text)
    except RecursionError:
        raise
    except Exception:
        return None


def same(a, b):
    return vs.bits(a) == vs.bits(b) or (a != a and b != b) or a == b == 0


def compare_one(text, answer, pool):
    want = optuna_reads(text)
    wanted = wanted_difference(text)
    refused = answer.startswith("refused")
    if want is None or refused:
        score.check("refused", (want is None) == refused or wanted, text, want, answer)
        return
    ident, class_, kind, log, low, high, step, single, cardinality, written = answer.split(" ")
    score.check("class", CLASSES[int(class_)] == type(want).__name__, text, answer)
    written = vs.from_hex(written)
    if isinstance(want, od.CategoricalDistribution):
        score.check("choices", written == od.distribution_to_json(want), text, written)
        score.check("cardinality", int(cardinality) == len(want.choices), text, cardinality)
    else:
        if wanted:
            return
        got = [vs.double(low), vs.double(high), vs.double(step)]
        expect = [float(want.low), float(want.high), float(want.step or 0)]
        score.check("bounds", all(map(same, got, expect)), text, got, expect)
        score.check("log", bool(want.log) == bool(int(log)), text, log)
        # not through a constructor, which would move `high` a second time
        new = "IntDistribution" if isinstance(want, od.IntDistribution) else "FloatDistribution"
        keys = ("log", "step", "low", "high") if new[0] == "I" else ("step", "low", "high", "log")
        plain = json.dumps({"name": new, "attributes": {k: getattr(want, k) for k in keys}})
        score.check("written", written == plain, text, written)
        if type(want).__name__ == new:
            score.check("bytes", written == od.distribution_to_json(want), text, written)
        if isinstance(want, od.IntDistribution):
            n = (want.high - want.low) // want.step + 1
            score.check("cardinality", int(cardinality) == n, text, cardinality, n)
    try:
        score.check("single", want.single() == bool(int(single)), text, single)
    except Exception:  # NaN
        pass
    pool.append((ident, want, text))


def some_internal(d):
    if isinstance(d, od.CategoricalDistribution):
        return rng.choice([0.0, 1.0, 2.0, -1.0, -0.5, 0.9, float(len(d.choices)), float(len(d.choices) - 1), 1e300,
                           float(-len(d.choices)), float(-len(d.choices) - 1)])
    step = float(d.step or 0) or rng.choice([0.1, 1.0])
    k = rng.choice([0, 1, 2, 3, 10, 1000])
    base = rng.choice([float(d.low) + k * step, float(d.high) - k * step, float(d.high), some_float()])
    return rng.choice([base, base, base + step / 2, base + step * 1e-9, math.nextafter(base, math.inf)
                       if hasattr(math, "nextafter") else base])


def compare_values(pool):
    questions, wants = [], []
    for ident, d, text in rng.choices(pool, k=COUNT):
        v = some_internal(d)
        if not math.isfinite(v):
            continue
        try:
            want = str(int(d._contains(v)))
        except (OverflowError, ValueError, ZeroDivisionError):
            continue
        questions.append(f"contains {ident} {vs.bits(v)}")
        wants.append(("contains", want, (text, v)))
    for ident, d, text in rng.choices(pool, k=COUNT // 2):
        v = rng.choice([some_internal(d), float("nan"), float("inf")])
        try:
            want = d.to_external_repr(v)
        except Exception:
            want = None, "refused"
        questions.append(f"external {ident} {vs.bits(v)}")
        wants.append(("external", want, (text, v)))
    for ident, d, text in rng.choices(pool, k=COUNT // 2):
        value = some_choice()
        if isinstance(d, od.CategoricalDistribution) and rng.random() < 0.7:
            value = rng.choice(d.choices)
        if isinstance(value, int) and abs(value) > 1e308:
            continue
        try:
            want = float(d.to_internal_repr(value))
        except Exception:
            want = None
        if isinstance(d, od.CategoricalDistribution) and has_object(list(d.choices) + [value]):
            continue
        questions.append(f"internal {ident} " + vs.to_hex(json.dumps({"type": "categorical", "choices": [value]})))
        wants.append(("internal", want, (text, value)))
    for (a, x, ta), (b, y, tb) in zip(rng.choices(pool, k=2 * COUNT), rng.choices(pool, k=2 * COUNT)):
        if rng.random() < 0.5:  # something similar
            same_class = [p for p in rng.choices(pool, k=20) if type(p[1]) is type(x)]
            if same_class:
                b, y, tb = same_class[0]
        if has_object(getattr(x, "choices", ()) and list(x.choices) + list(getattr(y, "choices", ()))):
            continue
        questions.append(f"equal {a} {b}")
        wants.append(("equal", str(int(x == y)), (ta, tb)))
        try:
            od.check_distribution_compatibility(x, y)
            want = "1"
        except Exception:
            want = "0"
        questions.append(f"compatible {a} {b}")
        wants.append(("compatible", want, (ta, tb)))
    return questions, wants


def settle(answers, wants):
    for answer, (kind, want, what) in zip(answers, wants):
        if kind == "external":
            if want == (None, "refused"):
                ok = answer.startswith("refused")
            elif answer.startswith("refused"):
                ok = False
            else:
                got = json.loads(answer.split(" ", 1)[1])
                ok = json.dumps(got) == json.dumps(want) or (abs(want) > 2 ** 53 and got == want)
        elif kind == "internal":
            ok = answer.startswith("refused") if want is None else not answer.startswith("refused") and same(
                vs.double(answer), want)
        else:
            ok = answer == want
        score.check(kind, ok, what, want, answer)


def main():
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    print(f"dist_vs_python: Optuna {optuna.__version__}, {COUNT} texts, seed {SEED}", flush=True)
    texts = [some_distribution() for _ in range(COUNT)]
    # small ones, of which many are equal or compatible
    texts += [json.dumps({"type": "categorical", "choices": rng.choices([0, 1, 1.0, True, "a", None, float("nan"), False, -0.0], k=2)})
              for _ in range(COUNT // 10)]
    texts += [json.dumps({"name": rng.choice(CLASSES[:2] + CLASSES[3:5]), "attributes": {"low": rng.choice([1, 2]),
                                                                                         "high": rng.choice([3, 4.0])}})
              for _ in range(COUNT // 20)]
    questions = ["dist " + vs.to_hex(t) for t in texts]
    pool = []
    for text, answer in zip(texts, vs.ask(PROBE, questions)):
        compare_one(text, answer, pool)
    more, wants = compare_values(pool)
    # the numbers of distributions hold only if the probe sees the same texts before
    settle(vs.ask(PROBE, questions + more)[len(questions):], wants)
    score.end(f"dist_vs_python with Optuna {optuna.__version__}")


main()
