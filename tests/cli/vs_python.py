#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""vs_python.py TOOL [--values N] [--seed N]: how values are written, beside Python's json.dumps, repr and yaml.safe_dump.

TOOL is values_tool. Random values with all that is odd in them; yaml is compared when PyYAML is there (Optuna brings it).
"""
import argparse
import json
import os
import random
import subprocess
import sys

PYTHON = os.environ.get("TRIALOG_PYTHON_OPTUNA")
if PYTHON and os.path.abspath(PYTHON) != os.path.abspath(sys.executable):
    os.execv(PYTHON, [PYTHON] + sys.argv)
try:
    import yaml
except ImportError:
    yaml = None

WORDS = ["", "a", "b c", "yes", "no", "null", "~", "1", "1.0", "1e5", "1.0e+5", "0x1f", "0b1", "017", "08", "1_000", "1:30", "1:30.5", "-",
         "- a", "-a", "?", "? x", ":", ": a", "a: b", "a:b", "a #b", "a#b", "#a", ",x", "[x", "{x}", "&a", "*a", "!a", "|", "> x", "'q'",
         '"d"', "it's", "%a", "@a", "`a", "=", "<<", "---", "--- a", "...", "2024-01-01", "2024-1-1", "2024-01-01 10:00:00",
         "2024-01-01T10:00:00Z", "2024-01-01 10:00:00 +01:00", "2024-01-01 1:00:00.5", "a\nb", "a\n", "\na", "a\n\nb", "a \nb", "a\n b",
         " a", "a ", "\t", "a\tb", "é", "日本", "\u2028", "\x85", "\ud800", "😀", "\x00", "\x1b", "a" * 90, "word " * 30, "é " * 60,
         "ab\n" * 40, "x" * 70 + " " + "y" * 70, "x" * 85 + "  " + "y", "+.inf", ".nan", "-.INF", "0", "-0", "+1", "00", "0.", "._1", ".5",
         "1.e+3", "12e03", "nan", "inf", "NaN", "True", "FALSE", "on", "Off", "y", "n", "a,b", "a]b", "a?b", "a{b}", "x'y z'w" * 10,
         'q"u"o ' * 20, "\ufeff", "\xa0", "\U0010ffff", "a\\b", "tab\there " * 12, "-1 ", "- ", "a:", "a :b", "\r", "a\r\nb"]
NUMBERS = [None, True, False, 0, -1, 10**30, 1e-5, 1e16, 1e17, -0.0, float("nan"), float("inf"), -float("inf"), 5e-324, 1e22, 1.5]


class Maker:
    def __init__(self, seed):
        self.r = random.Random(seed)

    def text(self):
        k = self.r.random()
        if k < 0.6:
            return self.r.choice(WORDS)
        if k < 0.8:
            return "".join(self.r.choice(" ab:#-'\"\n,é\\?[]{}0123.\t") for _ in range(self.r.randrange(200)))
        return " ".join(self.r.choice(WORDS) for _ in range(self.r.randrange(1, 12)))

    def key(self):
        k = self.r.random()
        if k < 0.5:
            return self.r.choice("abcdefgh") + str(self.r.randrange(20))
        return self.text() if k < 0.9 else "k" * self.r.randrange(110, 135)

    def value(self, depth):
        k = self.r.random()
        if depth > 5 or k < 0.5:
            if self.r.random() < 0.5:
                return self.text()
            return self.r.choice(NUMBERS + [self.r.random(), self.r.randrange(-10**9, 10**9)])
        return self.container(depth, k < 0.75)

    def container(self, depth, as_list):
        if as_list:
            return [self.value(depth + 1) for _ in range(self.r.randrange(4))]
        return {self.key(): self.value(depth + 1) for _ in range(self.r.randrange(4))}


def typed_numbers(r, n):
    """What people may type for a number, right and wrong."""
    parts = ["0", "1", "9", "12", "007", "1_0", "_1", "1_", "1__0", "123456789012345678901234567890", "9223372036854775807", "9223372036854775808"]
    out = ["", " ", "inf", "-Infinity", "+INF", "nan", "-NaN", "infinit", "0x1f", "1e400", "-1e-400", "١", " 1\t", "\xa02\u3000", "--1", "+-1", "1 2",
           "-9223372036854775808", "-9223372036854775809", "-0", "+00", "1e5", ".", "-.", "e5", ".e5", "5.", ".5", "1e", "1e+", "1_0.0_1e0_1"]
    for _ in range(n):
        s = r.choice(["", "", "-", "+", " "]) + r.choice(parts + [""])
        if r.random() < 0.6:
            s += "." + r.choice(parts + [""])
        if r.random() < 0.4:
            s += r.choice("eE") + r.choice(["", "-", "+"]) + r.choice(["0", "5", "12", "308", "_1", "1_0", ""])
        out.append(s + r.choice(["", "", "", " ", "x", "\f"]))
    return out


def compare_numbers(tool, r):
    different = 0
    texts = typed_numbers(r, 5000)
    for how, read in (("float", float), ("int", int)):
        for text, got in zip(texts, run(tool, how, "\n".join(texts) + "\n")):
            try:
                want = json.dumps(read(text))
                if how == "int" and not -2**63 <= int(text) < 2**63:
                    want = "!"
            except ValueError:
                want = "!"
            if want != got and not any(c.isdigit() and not c.isascii() for c in text):  # digits of other scripts: ours is stricter
                different += 1
                if different <= 5:
                    print(f"{how} of {text!r}: want {want}, got {got}")
    return different


def run(tool, how, text):
    done = subprocess.run([tool, how], input=text.encode(), stdout=subprocess.PIPE, check=True)
    return done.stdout.decode("utf-8", "surrogatepass").split("\0")[:-1]


def main():
    p = argparse.ArgumentParser()
    p.add_argument("tool")
    p.add_argument("--values", type=int, default=3000)
    p.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**9))
    args = p.parse_args()
    maker = Maker(args.seed)
    texts = [json.dumps(maker.container(0, maker.r.random() < 0.5)) for _ in range(args.values)]
    texts += ['{"a": 1, "b": 2, "a": 3}', '[-0, 1E5, 1e400, -1e-400, 123456789012345678901234567890]', "[" * 800 + "]" * 800,
              json.dumps(["".join(map(chr, range(i, i + 512))) for i in range(0, 0x30000, 512) if i != 0xD800 and i != 0xDA00])]
    values = [json.loads(t) for t in texts]
    forms = [("json", json.dumps), ("repr", repr)]
    if yaml:
        forms.append(("yaml", yaml.safe_dump))
    different = 0
    for how, form in forms:
        ours = run(args.tool, how, "\n".join(texts) + "\n")
        assert len(ours) == len(values), (how, len(ours))
        for text, value, got in zip(texts, values, ours):
            if how == "yaml" and len(text) > 1500 and text.startswith("[[["):
                continue  # PyYAML recurses
            want = form(value)
            if want != got:
                different += 1
                if different <= 3:
                    print(f"{how} of {text[:400]}\n  want {want[:800]!r}\n  got  {got[:800]!r}")
    different += compare_numbers(args.tool, maker.r)
    bad = ["", "{", "[1,]", '{"a" 1}', "nul", '"\x01"', "[1] 2", "[" * 1200 + "]" * 1200]
    answers = run(args.tool, "json", "\n".join(b for b in bad if b) + "\n")
    for text, answer in zip([b for b in bad if b], answers):
        if not answer.startswith("!"):
            different += 1
            print(f"taken although wrong: {text[:40]!r}: {answer[:40]!r}")
    print(f"seed {args.seed}: {len(values)} values as {', '.join(h for h, _ in forms)}: {different} different")
    return 1 if different else 0


sys.exit(main())
