#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares json.c with Python's json: json_vs_python.py TOOL [COUNT] [SEED].

COUNT generated documents, about half of them broken, as bytes. Both must accept the same ones; the compact form must mean
the same and be ASCII without blanks; what our cursor reads and writes again must be what json.dumps prints. Prints the seed.
"""
import json
import random
import re
import subprocess
import sys
import tempfile

TOOL = sys.argv[1]
COUNT = int(sys.argv[2]) if len(sys.argv) > 2 else 100_000
SEED = int(sys.argv[3]) if len(sys.argv) > 3 else random.SystemRandom().getrandbits(32)
rng = random.Random(SEED)
MAX_DEPTH = 900

EDGE = ["", " ", "{", "}", "[", "]", '"', "null", "nul", "nullx", "true", "tru", "false", "truefalse", "[1,]", "[,1]", "{,}", '{"a":1,}', '{"a"}',
        '{"a":}', '{a:1}', "{'a':1}", '{"a":1 "b":2}', "[1 2]", '{"a":1}}', "[]]", "[}", "{]", "[1]x", "1 2", "01", "-01", "1.", ".1", "1.e1",
        "1e", "1e+", "+1", "-", "--1", "NaN", "-NaN", "Infinity", "-Infinity", "+Infinity", "Inf", "nan", "-I", "0x1", "1_0", '"\t"', '"\n"', '"\x00"',
        '"\x7f"', '"\\u12"', '"\\u12g4"', '"\\u+123"', '"\\u 123"', '"\\ud800"', '"\\udc00"', '"\\ud800\\udc00"', '"\\ud800\\ud800\\udc00"',
        '"\\ud83d\\u0041"', '"\\ud83d\\n"', '"\\uD83D\\uDE00"', '"\\a"', '"\\', '"\\"', '"\\u', "\u00a01", "\v1", "\f1", "1\x00", "\ufeff1x",
        '{"a":1,"a":2}', '{"":{}}', "[[],{},[{}]]", "-0", "-0.0", "0e5", "1E5", "1e400", "-1e400", "9" * 25, "9" * 400, "9" * 4300, "9" * 4301,
        "-" + "9" * 4300, "-" + "9" * 4301, "1" * 5000 + ".0", "[" * 100 + "]" * 100, "[" * 100 + "]" * 99, "//1", "/**/1", '"\\/"', "'a'"]
RAW = [b'"\xff"', b'"\xc0\x80"', b'"\xc1\xbf"', b'"\xe0\x80\x80"', b'"\xed\xa0\x80"', b'"\xed\xbf\xbf"', b'"\xed\xa0\x80\\udc00"',
       b'"\xf0\x80\x80\x80"', b'"\xf4\x8f\xbf\xbf"', b'"\xf4\x90\x80\x80"', b'"\xf8\x88\x80\x80\x80"', b'"\xe2\x82"', b'"\xe2\x82\xac"', b'"\x80"',
       b'"\xe2', b'"\xf0\x9f\x98\x80"', b'\xe2\x82\xac', b'"\xe2\x28\xa1"', b'"abc\xe2\x82\xac def\xc3\xa9"']


def random_string():
    n = rng.choice((0, 1, 3, 8, 15, 16, 17, 30, 60))
    kinds = rng.choice(("abcxyz _-", 'ab"\\/\b\f\n\r\t\x00\x1f\x7f', "aé€😀\ud83d\ude00\ud800", "abcdefgh"))
    return "".join(rng.choice(kinds) for _ in range(rng.randrange(n + 1)))


def string_text(text):
    out = ['"']
    for c in text:
        code = ord(c)
        if c in '"\\' or code < 0x20:
            short = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(c)
            out.append(short if short and rng.randrange(2) else "\\u%04x" % code)
        elif rng.randrange(4) == 0 and code < 0x10000:
            out.append(("\\u%04x" if rng.randrange(2) else "\\u%04X") % code)
        elif rng.randrange(2) and code >= 0x10000:
            out.append("\\u%04x\\u%04x" % (0xD800 + (code - 0x10000 >> 10), 0xDC00 + (code & 0x3FF)))
        else:
            out.append("\\/" if c == "/" and rng.randrange(2) else c)
    return "".join(out) + '"'


def blank():
    return "".join(rng.choice(" \t\r\n") for _ in range(rng.randrange(3))) if rng.randrange(4) == 0 else ""


def number_text():
    kind = rng.randrange(7)
    if kind == 0:
        return repr(rng.random())
    if kind == 1:
        return str(rng.randrange(-(2 ** rng.randrange(1, 70)), 2 ** rng.randrange(1, 70)))
    if kind == 2:
        return rng.choice(("NaN", "Infinity", "-Infinity", "-0", "0", "-0.0"))
    if kind == 3:
        return repr(rng.uniform(-1, 1) * 10.0 ** rng.randrange(-300, 300))
    if kind == 4:
        return "%.*e" % (rng.randrange(25), rng.uniform(-10, 10))
    if kind == 5:
        return "%.*f" % (rng.randrange(12), rng.uniform(-1e9, 1e9))
    return "-" * rng.randrange(2) + str(rng.randrange(10)) + rng.choice(("", ".5", ".50", ".0625")) + rng.choice(("", "e5", "E-3", "e+07"))


def value_text(depth=0):
    kind = rng.randrange(9 if depth < 5 else 5)
    if kind == 0:
        return rng.choice(("true", "false", "null"))
    if kind <= 2:
        return number_text()
    if kind <= 4:
        return string_text(random_string())
    n = rng.randrange(5)
    if kind <= 6:
        inner = ",".join(blank() + value_text(depth + 1) + blank() for _ in range(n))
        return "[" + (inner or blank()) + "]"
    inner = ",".join(blank() + string_text(random_string()) + blank() + ":" + blank() + value_text(depth + 1) + blank() for _ in range(n))
    return "{" + (inner or blank()) + "}"


def broken(raw):
    for _ in range(rng.randrange(1, 3)):
        i = rng.randrange(len(raw) + 1)
        kind = rng.randrange(4)
        if kind == 0:
            raw = raw[:i] + raw[i + 1:]
        elif kind == 1:
            raw = raw[:i] + rng.choice([bytes([c]) for c in b'{}[]",:\\0123456789eE+-.tfnuNI \n\x00\x1f\x7f\x80\xc3\xed\xff']) + raw[i:]
        elif kind == 2:
            raw = raw[:i] + bytes([rng.randrange(256)]) + raw[i + 1:]
        else:
            raw = raw[:i]
    return raw


def documents():
    out = [t.encode("utf-8", "surrogatepass") for t in EDGE] + RAW
    out += [b"[" * n + b"]" * n for n in (10, MAX_DEPTH - 1, MAX_DEPTH)]
    while len(out) < COUNT:
        raw = (blank() + value_text() + blank()).encode("utf-8", "surrogatepass")
        out.append(broken(raw) if rng.randrange(2) else raw)
    return out


class Pairs(list):
    """An object with its repeated keys."""


def load(raw):
    return json.loads(raw.decode("utf-8", "surrogatepass"), object_pairs_hook=Pairs)


def dump(value, out):
    if isinstance(value, Pairs):
        out.append("{")
        for i, (key, item) in enumerate(value):
            out.append(("," if i else "") + json.dumps(key) + ":")
            dump(item, out)
        out.append("}")
    elif isinstance(value, list):
        out.append("[")
        for i, item in enumerate(value):
            out.append("," if i else "")
            dump(item, out)
        out.append("]")
    else:
        out.append(json.dumps(value))
    return out


STRING = re.compile(r'"(?:[^"\\]|\\.)*"')


def judge(raw, answer):
    """What is wrong with our answer, or None."""
    try:
        value = load(raw)
    except (ValueError, RecursionError) as e:
        return None if answer == "-" else f"Python refuses it ({e}), we say {answer[:200]}"
    if answer == "-":
        return "Python accepts it, we refuse it"
    compact, _, again = answer.partition("\t")
    expected = "".join(dump(value, []))
    if again != expected:
        return f"read and written again: {again[:300]}, not {expected[:300]}"
    if "".join(dump(load(compact.encode()), [])) != expected:
        return f"the compact form means something else: {compact[:300]}"
    if not compact.isascii() or not compact.isprintable() or " " in STRING.sub("", compact):
        return f"the compact form is not compact: {compact[:300]}"
    return None


def main():
    sys.setrecursionlimit(3000)
    print(f"seed {SEED}")
    docs = documents()
    with tempfile.TemporaryFile() as source:
        for raw in docs:
            source.write(b"%d\n" % len(raw) + raw)
        source.seek(0)
        done = subprocess.run([TOOL], stdin=source, stdout=subprocess.PIPE, check=True)
    answers = done.stdout.decode().splitlines()
    if len(answers) != len(docs):
        sys.exit(f"{len(docs)} documents, {len(answers)} answers")
    bad = 0
    for raw, answer in zip(docs, answers):
        what = judge(raw, answer)
        if what:
            bad += 1
            if bad <= 10:
                print(f"{raw[:300]!r}: {what}")
    refused = answers.count("-")
    print(f"{len(docs)} documents, {len(docs) - refused} accepted, {refused} refused, {bad} different")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
