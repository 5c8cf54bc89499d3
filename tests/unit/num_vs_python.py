#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares num.c and time.c with Python: num_vs_python.py TOOL [COUNT] [SEED].

COUNT doubles go through num_format and back, COUNT texts through num_parse, a quarter as many through the integer and
time functions. Python's repr, float, int and datetime are the oracle. Prints the seed; the first differences end it.
"""
import datetime
import json
import math
import random
import re
import struct
import subprocess
import sys
import tempfile
from fractions import Fraction

TOOL = sys.argv[1]
COUNT = int(sys.argv[2]) if len(sys.argv) > 2 else 300_000
SEED = int(sys.argv[3]) if len(sys.argv) > 3 else random.SystemRandom().getrandbits(32)
rng = random.Random(SEED)
failures = 0


def ask(questions):
    with tempfile.TemporaryFile() as source:
        source.write("".join(q + "\n" for q in questions).encode())
        source.seek(0)
        done = subprocess.run([TOOL], stdin=source, stdout=subprocess.PIPE, check=True)
    answers = done.stdout.decode().splitlines()
    assert len(answers) == len(questions), (len(answers), len(questions))
    return answers


def compare(name, questions, expected):
    global failures
    different = 0
    for question, want, got in zip(questions, expected, ask(questions)):
        if want != got:
            different += 1
            if different <= 10:
                print(f"{name}: {question[:200]!r}: Python says {want}, we say {got}")
    failures += different
    print(f"{name}: {len(questions)} compared, {different} different")


def bits_of(v):
    return struct.unpack("<Q", struct.pack("<d", v))[0]


def double_of(bits):
    return struct.unpack("<d", struct.pack("<Q", bits))[0]


def neighbours(bits):
    return [b for b in (bits - 1, bits, bits + 1) if 0 <= b < 1 << 64]


def json_repr(v):
    return json.dumps(v)


def doubles():
    special = [0, 1, 2, (1 << 52) - 1, 1 << 52, (1 << 52) + 1, (2046 << 52) | ((1 << 52) - 1), 2047 << 52, 0x7FF8 << 48]
    for exponent in range(2047):  # powers of two, where the interval is lopsided
        special += neighbours(exponent << 52)
    for q in range(-330, 309):
        for m in (1, 2, 5, 9):
            special += neighbours(bits_of(float(f"{m}e{q}")))
    for k in range(1, 54):
        special += neighbours(bits_of(float(2**k - 1)))
    special += [b | 1 << 63 for b in special]
    out = list(special)
    while len(out) < COUNT:
        kind = rng.randrange(7)
        if kind <= 1:
            bits = rng.getrandbits(64)
        elif kind == 2:
            bits = rng.getrandbits(rng.randrange(1, 53))  # subnormal
        elif kind == 3:
            bits = bits_of(rng.random() * 10 ** rng.randrange(-8, 18))
        elif kind == 4:
            bits = bits_of(round(rng.uniform(-1000, 1000), rng.randrange(0, 8)))
        elif kind == 5:
            bits = bits_of(float(rng.randrange(10 ** rng.randrange(1, 17))))
        else:
            bits = bits_of(float(f"{rng.randrange(1, 10**rng.randrange(1, 17))}e{rng.randrange(-320, 300)}"))
        out.append(bits)
    return out


def midpoint_text(bits):
    """Exactly half way between a double and the next one, in decimal digits."""
    exponent, fraction = bits >> 52, bits & ((1 << 52) - 1)
    m = 2 * ((fraction | 1 << 52) if exponent else fraction) + 1
    e = max(exponent, 1) - 1076
    if e >= 0:
        return str(m << e), 0
    return str(m * 5**-e), e  # digits, power of ten


def place_point(digits, power):
    """digits * 10^power in one of many spellings."""
    form = rng.randrange(4)
    if form == 0 or power > 0 and form == 1:
        return f"{digits}e{power}" if power else digits
    if form == 1:
        return f"{digits}E{power:+d}"
    cut = rng.randrange(1, len(digits) + 1)
    whole, rest = digits[:cut], digits[cut:]
    power += len(rest)
    if form == 2 and rest:
        return f"{whole}.{rest}e{power}"
    zeros = rng.randrange(5)
    return f"0.{'0' * zeros}{digits}e{power + zeros + len(whole)}"


def texts():
    out = ["0", "-0", "0.0", "-0.0", "0e0", "0e999999999999999999999", "1e999999999999999999999", "1e-99999999999999999999",
           "NaN", "Infinity", "-Infinity", "-NaN", "nan", "inf", "Infinit", "Na", "-", "+1", ".5", "1.", "1.e5", "1e", "1e+", "1e-",
           "01", "-01", "00", "0x10", "1_000", "1E5", "1e05", "1e+005", "", " 1", "1 ", "--1", "1.5.5", "1e5e5",
           "9007199254740993", "9007199254740992.5", "18446744073709551615", "18446744073709551616", "9999999999999999999",
           "2.4703282292062327208e-324", "2.4703282292062328e-324", "1.7976931348623158e308", "1.7976931348623159e308",
           "0." + "0" * 400 + "1e400", "1" + "0" * 400 + "e-400", "0" * 1 + "." + "0" * 5000 + "17e4990",
           "1" + "0" * 2000 + "1e-2001", "4.9406564584124654e-324", "2.2250738585072011e-308", "2.2250738585072012e-308"]
    while len(out) < COUNT:
        kind = rng.randrange(8)
        if kind == 0:  # half way, and a hair beside it
            digits, power = midpoint_text(rng.choice((rng.getrandbits(63) % (2047 << 52), rng.getrandbits(52),
                                                      bits_of(rng.random()))) % (2047 << 52))
            beside = rng.randrange(4)
            if beside == 1:
                digits, power = digits + "0" * rng.randrange(30) + "1", None
            elif beside == 2:
                digits = str(int(digits) - 1)
            elif beside == 3 and len(digits) > 25:  # cut near the end of what fits into 64 bits
                cut = rng.randrange(17, 25)
                power += len(digits) - cut
                digits = digits[:cut]
            if power is None:
                continue_from = digits
                original = continue_from.rstrip("1").rstrip("0")
                digits, power = midpoint_text(rng.getrandbits(63) % (2047 << 52))
                tail = "0" * rng.randrange(30) + "1"
                digits, power = digits + tail, power - len(tail)
            out.append(place_point(digits, power))
        elif kind == 1:
            out.append(repr(rng.random()))
        elif kind == 2:
            out.append(repr(abs(double_of(rng.getrandbits(63) % (2047 << 52)))))
        elif kind == 3:
            n = rng.choice((1, 5, 16, 17, 18, 19, 20, 21, 25, 40))
            out.append(place_point(str(rng.randrange(10 ** (n - 1), 10**n)), rng.randrange(-345, 310) - n * rng.randrange(2)))
        elif kind == 4:
            out.append(str(rng.randrange(-(2 ** rng.randrange(1, 80)), 2 ** rng.randrange(1, 80))))
        elif kind == 5:
            out.append("%.*f" % (rng.randrange(20), rng.uniform(-1e6, 1e6)))
        elif kind == 6:
            out.append("%.*e" % (rng.randrange(25), rng.uniform(-10, 10) * 10.0 ** rng.randrange(-300, 300)))
        else:  # rubbish made of the right letters
            out.append("".join(rng.choice("0123456789.eE+-") for _ in range(rng.randrange(1, 9))))
    return out


NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")


def expect_parse(text):
    for word in ("NaN", "Infinity", "-Infinity"):
        if text.startswith(word):
            return f"{bits_of(float(word)):016x} {len(word)} 0"
    match = NUMBER.match(text)
    if not match:
        return "-"
    integer = match.group(1) is None and match.group(2) is None
    value = 0.0 if integer and int(match.group(0)) == 0 else float(match.group(0))  # json makes an int of "-0"
    return f"{bits_of(value):016x} {match.end()} {int(integer)}"


def expect_int(text):
    match = re.match(r"-?(?:0|[1-9][0-9]*)", text)
    if not match or not -(2**63) <= int(match.group(0)) < 2**63:
        return "-"
    return f"{int(match.group(0))} {match.end()}"


EPOCH = datetime.datetime(1970, 1, 1)
MICROSECOND = datetime.timedelta(microseconds=1)
# What isoformat writes. Python reads more: one-digit fractions, dates without hyphens, offsets of 99 minutes (3.11).
CLOCK = r"\d\d:[0-5]\d(:[0-5]\d(\.\d{3}(\d{3})?)?)?"
TIME_FORM = re.compile(rf"\d{{4}}-\d\d-\d\d[T ]{CLOCK}([+-]{CLOCK}|Z)?", re.ASCII)


def expect_time(text):
    if not TIME_FORM.fullmatch(text):
        return "-"
    try:
        t = datetime.datetime.fromisoformat(text[:-1] + "+00:00" if text.endswith("Z") else text)
    except ValueError:
        return "-"
    us = (t.replace(tzinfo=None) - EPOCH) // MICROSECOND
    if t.tzinfo is not None:
        us -= t.utcoffset() // MICROSECOND
        small = re.search(r"([+-])00:00:00\.(\d+)$", text)
        if small and not t.utcoffset():  # CPython forgets an offset of less than a second
            us -= int(small.group(1) + small.group(2).ljust(6, "0"))
    return f"{us} {int(t.tzinfo is None)}"


def random_time():
    t = datetime.datetime(1, 1, 1) + datetime.timedelta(days=rng.randrange(3652059), seconds=rng.randrange(86400))
    if rng.randrange(3):
        t = t.replace(microsecond=rng.randrange(1000000))
    kind = rng.randrange(5)
    if kind == 0:
        t = t.replace(tzinfo=datetime.timezone.utc)
    elif kind == 1:
        t = t.replace(tzinfo=datetime.timezone(datetime.timedelta(minutes=rng.randrange(-1439, 1440))))
    elif kind == 2:
        t = t.replace(tzinfo=datetime.timezone(datetime.timedelta(microseconds=rng.randrange(-86399999999, 86400000000))))
    return t


def time_texts():
    out = ["2026-01-31T09:30:60+00:00", "2026-02-29T00:00:00", "2024-02-29T00:00:00", "1900-02-29T00:00:00", "0000-01-01T00:00:00",
           "2000-02-29T23:59:59.999999Z", "2026-01-31T24:00:00", "2026-01-31", "", "2026-01-31T09:30Z", "2026-01-31T09:30:00z",
           "2026-01-31T09:30:00+24:00", "2026-01-31T09:30:00-23:59", "2026-01-31t09:30:00", "2026-01-31T09:30:00.1",
           "20260131T093000", "2026-01-31T09:30:00+0000", "2026-01-31T09:30:00 +00:00", "2026-13-01T00:00:00",
           "2026-00-01T00:00:00", "2026-01-00T00:00:00", "2026-01-32T00:00:00", "2026-01-31T09:30:00Z+00:00"]
    while len(out) < COUNT // 4:
        t = random_time()
        text = t.isoformat(sep=rng.choice("TT "), timespec=rng.choice(("auto", "minutes", "seconds", "milliseconds", "microseconds")))
        if rng.randrange(3) == 0:  # broken, or by luck another instant
            i = rng.randrange(len(text) + 1)
            text = text[:i] + rng.choice("0123456789:-+TZ. /;") * rng.randrange(2) + text[i + rng.randrange(2):]
        out.append(text)
    return out


def check_times():
    texts_ = time_texts()
    compare("time_parse", ["t " + t for t in texts_], [expect_time(t) for t in texts_])
    questions, expected = [], []
    low = (datetime.datetime(1, 1, 1) - EPOCH) // MICROSECOND
    high = (datetime.datetime(9999, 12, 31, 23, 59, 59, 999999) - EPOCH) // MICROSECOND
    moments = [low, high, 0, -1, low - 1, high + 1, -(2**63), 2**63 - 1]
    moments += [rng.randrange(low, high + 1) for _ in range(COUNT // 4)]
    # each day of four hundred years once
    moments += [(datetime.datetime(1, 1, 1) + datetime.timedelta(days=d) - EPOCH) // MICROSECOND for d in range(0, 3652059, 7)]
    for us in moments:
        naive = rng.randrange(2)
        t = EPOCH + min(max(us, low), high) * MICROSECOND
        questions.append(f"w {us} {naive}")
        expected.append(t.isoformat(timespec="microseconds") + ("" if naive else "+00:00"))
    compare("time_format", questions, expected)


def check_table():
    """Every power of ten is used by some number: a digit string next to its rounding bound shows a wrong one."""
    questions = []
    for q in range(-342, 309):
        for _ in range(20):
            questions.append(f"p {rng.randrange(10**18, 10**19)}e{q}")
    compare("each power", questions, [expect_parse(q[2:]) for q in questions])


def main():
    print(f"seed {SEED}")
    values = doubles()
    compare("num_format", [f"f {b:016x}" for b in values], [json_repr(double_of(b)) for b in values])
    parse = texts()
    compare("num_parse", ["p " + t for t in parse], [expect_parse(t) for t in parse])
    check_table()
    whole = [str(v) for k in range(64) for v in (2**k - 1, 2**k, 2**k + 1, -(2**k), -(2**k) - 1, 1 - 2**k, 10 ** (k // 3))]
    whole += [t for t in parse[: COUNT // 4]]
    compare("num_parse_int", ["i " + t for t in whole], [expect_int(t) for t in whole])
    check_times()
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    if hasattr(sys, "set_int_max_str_digits"):
        sys.set_int_max_str_digits(0)
    main()
