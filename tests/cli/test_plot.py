#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""test_plot.py TRIALOG [CLASS...]: `trialog plot`: what is shown (as JSON), how it is drawn, and that no name can do harm.

Drawing into files needs gnuplot; those tests are skipped without it.
"""
import json
import math
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
import xml.dom.minidom

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from journals import Journal, choices, floats, ints  # noqa: E402

TRIALOG = os.path.abspath(sys.argv[1])
KINDS = ("history", "slice", "parallel", "contour", "intermediate", "edf")
HOSTILE = ['"', "'", "`touch pwned`", "$(touch pwned)", "\\", "a\nset output 'pwned'\n", "EOD", "\nEOD\n!touch pwned\n", "x\"\n!touch pwned #",
           "%s%n%d", "{/Bold x}_y^z", "<b>&amp;</b>", "\u00e9\u4e2d\U0001f600", "\u202e\a\033[31m", "@macro", "# c", " ", "-", "]]>", "x" * 500,
           "\ud800", "' . system('touch pwned') . '"]
needs_gnuplot = unittest.skipUnless(shutil.which("gnuplot"), "gnuplot is not installed")


class Case(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="trialog-plot-")
        self.addCleanup(folder.cleanup)
        self.work = folder.name
        self.env = {"PATH": os.environ["PATH"], "TRIALOG_STORAGE": "s.journal", "TZ": "UTC", "LC_ALL": "C.UTF-8"}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"):
            if name in os.environ:
                self.env[name] = os.environ[name]
        self.journal = Journal()

    def path(self, name):
        return os.path.join(self.work, name)

    def call(self, *args, status=0, **env):
        done = subprocess.run([TRIALOG, "plot", *args], cwd=self.work, env={**self.env, **env}, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, status, f"{args}: {done.stdout}{done.stderr}")
        return done.stdout, done.stderr

    def out(self, *args, **env):
        self.journal.write(self.path("s.journal"))
        out, err = self.call(*args, **env)
        self.assertEqual(err, "")
        return out

    def fails(self, status, pattern, *args, **env):
        self.journal.write(self.path("s.journal"))
        out, err = self.call(*args, status=status, **env)
        self.assertEqual(out, "")
        self.assertRegex(err, pattern)

    def json(self, *args):
        return json.loads(self.out(*args, "--json"))

    def series(self, *args, panel=0):
        """{name: [(trial, x, y)]}"""
        return {s["name"]: list(zip(s.get("trial", s["x"]), s["x"], s["y"]))
                for s in self.json(*args)["panels"][panel]["series"]}

    def usual(self, name="s", n=60, seed=1):
        """A study with everything: conditions, pruned, failed, infeasible, unfinished trials."""
        rng = random.Random(seed)
        s = self.journal.study(name)
        for i in range(n):
            lr, depth, opt = 10 ** rng.uniform(-5, -1), rng.randint(1, 9), rng.randrange(3)
            params = {"lr": (lr, floats(1e-5, 1e-1, True)), "depth": (depth, ints(1, 9)), "opt": (opt, choices("sgd", None, 1.5))}
            if depth > 4:
                params["drop"] = (rng.random(), floats(0, 1))
            value = (math.log10(lr) + 3) ** 2 + depth + rng.random()
            state = "PRUNED" if i % 7 == 3 else "FAIL" if i % 9 == 5 else "COMPLETE"
            reports = {k: value + 9 / (k + 1) for k in range(3 if state == "PRUNED" else 10)}
            self.journal.trial(s, *([value] if state == "COMPLETE" else []), state=state, params=params, reports=reports,
                               system={"constraints": [1.0]} if i % 11 == 8 else None)
        self.journal.trial(s, state="RUNNING", params={"lr": (0.01, floats(1e-5, 1e-1, True))}, reports={0: 5.0, 1: 4.0})
        self.journal.trial(s, state="WAITING")
        return s


class WhatIsShown(Case):
    def test_history(self):
        s = self.journal.study("s", 2)
        for v in (1, 3, 2, 5, float("inf"), float("nan"), 4):
            self.journal.trial(s, v)
        self.journal.trial(s, 9, system={"constraints": [0.5]})
        self.journal.trial(s, 8, state="PRUNED")
        self.journal.trial(s, state="FAIL")
        self.journal.trial(s, state="RUNNING")
        self.assertEqual(self.series("history"), {"complete trials": [(0, 0, 1), (1, 1, 3), (2, 2, 2), (3, 3, 5), (6, 6, 4)],
                                                  "infeasible": [(7, 7, 9)],
                                                  "best so far": [(0, 0, 1), (1, 1, 3), (3, 3, 5), (3, 6, 5)]})
        self.assertRegex(self.json("history")["note"], "[12] of 8 complete trials are not shown: .* not finite")

    def test_history_minimises_too_and_compares(self):
        for name, values in (("a", (5, 7, 3)), ("b", (1, 0.5))):
            s = self.journal.study(name)
            for v in values:
                self.journal.trial(s, v)
        shown = self.json("history", "--study-name", "a", "--study-name", "b")["panels"][0]["series"]
        self.assertEqual([(x["name"], x["y"]) for x in shown], [(None, [5, 7, 3]), ("a", [5, 3]), (None, [1, 0.5]), ("b", [1, 0.5])])

    def test_target(self):
        s = self.journal.study("s", 1, 2, metric_names=["loss", "speed"])
        for pair in ((1, 5), (2, 7), (0.5, 6)):
            self.journal.trial(s, *pair)
        self.fails(2, "2 objectives: choose one with --target 0 to 1", "history")
        self.assertEqual(self.json("history", "--target", "speed"), self.json("history", "-t", "1"))
        figure = self.json("history", "-t", "1")
        self.assertEqual(figure["panels"][0]["y"]["title"], "speed")
        self.assertEqual(self.series("history", "-t", "1")["best so far"], [(0, 0, 5), (1, 1, 7), (1, 2, 7)])
        for wrong in ("2", "-1", "x", "0.5"):
            self.fails(2, "neither the name of an objective", "history", "--target=" + wrong)

    def test_slice(self):
        self.usual()
        figure = self.json("slice")
        axes = {p["x"]["title"]: p["x"] for p in figure["panels"]}
        self.assertEqual(list(axes), ["depth", "drop", "lr", "opt"])
        self.assertEqual([axes[k]["scale"] for k in axes], ["linear", "linear", "log", "names"])
        self.assertEqual(axes["opt"]["names"], ["sgd", "None", "1.5"])
        self.assertEqual([p["x"]["title"] for p in self.json("slice", "-p", "opt", "--param", "lr")["panels"]], ["opt", "lr"])
        complete = [i for i in range(60) if i % 7 != 3 and i % 9 != 5]
        by_name = self.series("slice", "-p", "lr")
        self.assertEqual([t for t, _, _ in by_name[None]], [i for i in complete if i % 11 != 8])
        self.assertEqual([t for t, _, _ in by_name["infeasible"]], [i for i in complete if i % 11 == 8])
        self.assertEqual(by_name["best"], [min(by_name[None], key=lambda p: p[2])])
        self.fails(3, "no parameter 'x'", "slice", "-p", "x")

    def test_parallel(self):
        self.usual()
        panel = self.json("parallel", "-p", "lr", "-p", "drop")["panels"][0]
        self.assertEqual([a["title"] for a in panel["axes"]], ["objective value", "lr", "drop"])
        lines, best = panel["series"]
        self.assertEqual(best["y"], lines["y"][-4:])  # the best one lies on top
        self.assertEqual(best["name"], "best")
        values = lines["value"][::4]
        self.assertEqual(values, sorted(values, reverse=True))
        gaps = sum(y is None for y in lines["y"])
        self.assertGreater(gaps, len(values))  # ends of lines, and trials without "drop"

    def test_bands_of_parallel(self):
        s = self.journal.study("s")
        for i in range(5):
            self.journal.trial(s, i, params={f"p{k:02}": (i / 5, floats(0, 1)) for k in range(50)})
        panels = self.json("parallel")["panels"]
        self.assertEqual(sum(len(p["axes"]) - 1 for p in panels), 50)
        self.assertEqual({p["axes"][0]["title"] for p in panels}, {"objective value"})
        self.assertLess(max(len(p["axes"]) for p in panels) - min(len(p["axes"]) for p in panels), 2)

    def test_contour(self):
        self.usual()
        figure = self.json("contour", "-p", "lr", "-p", "depth")
        self.assertEqual(len(figure["panels"]), 1)
        panel = figure["panels"][0]
        z, side = panel["field"]["z"], panel["field"]["side"]
        points = panel["series"][0]
        low, high = min(points["value"]), max(points["value"])
        self.assertEqual(len(z), side * side)
        self.assertTrue(all(low - 1e-9 <= v <= high + 1e-9 for v in z))
        # the surface is low near the best trial and high at the far corner
        self.assertLess(min(z), low + (high - low) / 3)
        self.assertEqual(len(self.json("contour")["panels"]), 6)
        self.fails(2, "wants two parameters", "contour", "-p", "lr")

    def test_intermediate(self):
        self.usual()
        by_name = self.series("intermediate")
        self.assertEqual(list(by_name), ["pruned", "complete", "running", "best"])
        self.assertEqual([p[1:] for p in by_name["running"]], [(0, 5), (1, 4), (1, None)])
        self.assertEqual({t for t, _, _ in by_name["pruned"]}, {i for i in range(60) if i % 7 == 3})
        self.journal = Journal()
        self.journal.trial(self.journal.study("s"), 1.0)
        self.fails(3, "no trial of study 's' has reported", "intermediate")

    def test_steps_are_sorted(self):
        s = self.journal.study("s")
        self.journal.trial(s, 1.0, reports={10: 3.0, 2: 5.0, 9: float("nan"), 30: 1.0})
        self.assertEqual(self.series("intermediate")["best"], [(0, 2, 5), (0, 10, 3), (0, 30, 1), (0, 30, None)])

    def test_pareto(self):
        s = self.journal.study("s", 1, 2)
        for pair in ((1, 1), (2, 2), (2, 1), (3, 3), (3, float("inf"))):
            self.journal.trial(s, *pair)
        self.journal.trial(s, 0, 9, system={"constraints": [1]})
        by_name = self.series("pareto")
        self.assertEqual([t for t, _, _ in by_name["front"]], [0, 1])
        self.assertEqual([t for t, _, _ in by_name["dominated"]], [2, 3])
        self.assertEqual([t for t, _, _ in by_name["infeasible"]], [5])
        s = self.journal.study("three", 1, 1, 1)
        self.journal.trial(s, 1, 2, 3)
        self.assertEqual(len(self.json("pareto", "--study-name", "three")["panels"]), 3)
        self.journal.trial(self.journal.study("single"), 1)
        self.fails(2, "one objective and so no Pareto front", "pareto", "--study-name", "single")

    def test_edf(self):
        s = self.journal.study("a")
        for v in (3, 1, 2, 2):
            self.journal.trial(s, v)
        self.journal.trial(self.journal.study("b"), 5)
        a, b = self.json("edf", "--study-name", "a", "--study-name", "b")["panels"][0]["series"]
        self.assertEqual((a["x"], a["y"]), ([1, 1, 2, 2, 3, 5], [0, 0.25, 0.5, 0.75, 1, 1]))
        self.assertEqual((b["x"], b["y"]), ([1, 5, 5], [0, 1, 1]))

    def test_log(self):
        s = self.journal.study("s")
        for v in (-1, 0, 0.001, 10):
            self.journal.trial(s, v)
        figure = self.json("history", "--log")
        self.assertEqual(figure["panels"][0]["series"][0]["y"], [0.001, 10])
        self.assertEqual(figure["panels"][0]["y"]["scale"], "log")
        self.assertIn("2 of 4 complete trials are not shown", figure["note"])

    def test_nothing_to_show(self):
        self.journal.study("empty")
        s = self.journal.study("waiting")
        self.journal.trial(s, state="WAITING")
        s = self.journal.study("odd")
        for v in (float("inf"), float("-inf")):
            self.journal.trial(s, v)
        s = self.journal.study("negative")
        self.journal.trial(s, -1)
        s = self.journal.study("same")
        for _ in range(5):
            self.journal.trial(s, 3.0, params={"x": (1.0, floats(1, 1)), "y": (0, choices("only"))})
        for kind in KINDS:
            self.fails(3, "nothing to plot", kind, "--study-name", "empty")
            self.fails(3, "nothing to plot", kind, "--study-name", "waiting")
            self.fails(3, "nothing to plot", kind, "--study-name", "odd")
            if kind != "intermediate":
                self.out(kind, "--study-name", "same")
        self.fails(3, "above zero", "history", "--log", "--study-name", "negative")
        self.fails(3, "no trial of study 'negative' has a parameter", "slice", "--study-name", "negative")

    def test_mistakes(self):
        self.usual("a")
        self.usual("b")
        self.fails(2, "give --study-name", "history")
        self.fails(2, "one of history, slice, parallel, contour, intermediate, pareto or edf|no plot 'pie'", "pie")
        self.fails(2, "KIND", "--study-name", "a")
        self.fails(2, "shows one study, not 2", "slice", "--study-name", "a", "--study-name", "b")
        self.fails(2, "--param means nothing", "history", "--study-name", "a", "-p", "lr")
        self.fails(2, "--target means nothing", "pareto", "--study-name", "a", "-t", "0")
        self.fails(2, "neither in .svg nor in .png", "history", "--study-name", "a", "-o", "x.pdf")
        self.fails(2, "contradict", "history", "--study-name", "a", "-o", "x.svg", "--json")
        for size in ("9", "axb", "0x100", "100x-1", "99999x9"):
            self.fails(2, "not WIDTHxHEIGHT", "history", "--study-name", "a", "--size", size)


class InTheTerminal(Case):
    def test_sizes_and_characters(self):
        self.usual()
        for kind in KINDS:
            for cols in (20, 80, 200):
                out = self.out(kind, COLUMNS=str(cols), LINES="30")
                self.assertNotIn("\033", out)
                self.assertLessEqual(max(map(len, out.split("\n"))), cols, (kind, cols))
                plain = self.out(kind, "--ascii", COLUMNS=str(cols))
                self.assertTrue(plain.isascii())
                self.assertEqual(self.out(kind, COLUMNS=str(cols), LC_ALL="C"), plain)
        self.assertEqual(len(self.out("history", "--size", "60x15").split("\n")), 1 + 15 + 1)

    def test_picture(self):
        """Points stand where they belong."""
        s = self.journal.study("s")
        for i in range(9):
            self.journal.trial(s, i)
        rows = self.out("history", "--ascii", "--size", "64x14").split("\n")
        self.assertRegex(rows[0], "^history: s$")
        self.assertRegex(rows[1], r"^objective value +\* complete trials +- best so far$")
        area = [r for r in rows if re.match(r" *\d?[|+]", r)]
        marked = [len(r.rstrip()) for r in area[:-1] if re.search(r"[*.':_-]", r[3:])]
        self.assertEqual(marked[:-1], sorted(marked[:-1], reverse=True))  # falling to the left; the last row is the best so far
        self.assertRegex(rows[-3], r"^ +0 +2 +4 +6 +8$")
        self.assertEqual(rows[-2].strip(), "trial")

    def test_colours(self):
        self.usual()
        self.assertIn("\033[", self.out("history", "--color", "always"))
        self.assertIn(";38;5;", self.out("slice", "--color", "always", TERM="xterm-256color"))
        self.assertNotIn(";38;5;", self.out("slice", "--color", "always", TERM="xterm"))


@needs_gnuplot
class InFiles(Case):
    def check_png(self, name, width, height):
        with open(self.path(name), "rb") as f:
            head = f.read(24)
        self.assertEqual(head[:8], b"\x89PNG\r\n\x1a\n")
        self.assertEqual((int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")), (width, height))

    def texts(self, name):
        """Texts of an SVG file, which must be well-formed and without scripts."""
        with open(self.path(name), encoding="utf-8") as f:
            text = f.read()
        self.assertNotIn("<script", text)
        return ["".join(n.data for n in e.childNodes).replace("\u200b", "")
                for e in xml.dom.minidom.parseString(text).getElementsByTagName("text")]

    def test_every_kind(self):
        self.usual()
        for kind in KINDS:
            self.assertEqual(self.out(kind, "-o", "a.svg", "--title", "Title!"), "")
            self.assertIn("Title!", self.texts("a.svg"))
            self.out(kind, "-o", "a.PNG", "--size", "640x480")
            self.check_png("a.PNG", 640, 480)
        s = self.journal.study("m", 1, 1, 2)
        for i in range(20):
            self.journal.trial(s, i, 20 - i, i % 5)
        self.out("pareto", "--study-name", "m", "-o", "a.svg")
        self.assertIn("objective 2", self.texts("a.svg"))
        self.assertEqual(sorted(os.listdir(self.work)), ["a.PNG", "a.svg", "s.journal"])

    def test_texts(self):
        self.usual()
        self.out("slice", "-o", "a.svg")
        texts = self.texts("a.svg")
        for text in ("lr", "depth", "opt", "sgd", "None", "0.001", "best", "objective value", "slice: s"):
            self.assertIn(text, texts)

    def test_hostile_names(self):
        """Names that are commands, quotes, markup or nothing at all: no file appears, all is drawn, texts arrive as they are."""
        for i, name in enumerate(HOSTILE):
            self.journal = Journal()
            s = self.journal.study(name, 1, metric_names=[name])
            for k in range(4):
                self.journal.trial(s, k, params={name: (k / 4, floats(0, 1)), name + "c": (k % 2, choices(name, name + "2"))},
                                   reports={0: 1.0, 1: k})
            kinds = KINDS if i < 9 else ("slice",)
            for kind in kinds:
                self.out(kind, "-o", "a.svg", "--title", name.encode("utf-8", "replace").decode())
                texts = self.texts("a.svg")
            self.out("history")
            self.out("slice", "-o", "a.png")
            if name.isprintable() and name.strip() and len(name) < 30:
                self.assertIn(name, " ".join(texts) if "  " in name else texts)
        self.assertEqual(sorted(os.listdir(self.work)), ["a.png", "a.svg", "s.journal"])

    def test_output_name(self):
        self.usual()
        for name in ("a b'\"`$(touch pwned)`.svg", "sub/x.svg", "'; touch pwned; '.png"):
            os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
            self.out("history", "-o", name)
            self.assertGreater(os.path.getsize(self.path(name)), 1000)
        self.assertFalse(os.path.exists(self.path("pwned")))
        self.fails(10, "cannot write 'nowhere/x.svg'", "history", "-o", "nowhere/x.svg")

    def test_older_file_stays_until_there_is_a_new_one(self):
        self.usual()
        with open(self.path("a.svg"), "w") as f:
            f.write("old")
        os.mkdir(self.path("bin"))
        with open(self.path("bin/gnuplot"), "w") as f:
            f.write("#!/bin/sh\necho 'line 3: no such terminal' >&2\nexit 1\n")
        os.chmod(self.path("bin/gnuplot"), 0o755)
        self.fails(10, "gnuplot failed: line 3: no such terminal", "history", "-o", "a.svg", PATH=self.path("bin") + ":/usr/bin:/bin")
        with open(self.path("a.svg")) as f:
            self.assertEqual(f.read(), "old")
        self.out("history", "-o", "a.svg")
        self.texts("a.svg")

    def test_user_settings_do_not_matter(self):
        self.usual()
        with open(self.path(".gnuplot"), "w") as f:
            f.write("set terminal dumb\nset output 'pwned'\n")
        self.out("history", "-o", "a.svg", HOME=self.work)
        self.assertFalse(os.path.exists(self.path("pwned")))
        self.texts("a.svg")


class WithoutGnuplot(Case):
    def test_missing(self):
        self.usual()
        os.mkdir(self.path("empty"))
        self.fails(7, "gnuplot, which is not installed.*gnuplot-nox", "history", "-o", "a.svg", PATH=self.path("empty"))
        self.assertIn("best so far", self.out("history", PATH=self.path("empty")))


class Many(Case):
    def test_many_trials(self):
        s = self.journal.study("s")
        rng = random.Random(3)
        for i in range(20000):
            self.journal.trial(s, rng.gauss(0, 1), params={"x": (rng.random(), floats(0, 1))})
        self.journal.write(self.path("s.journal"))
        figure = json.loads(self.call("parallel", "--json")[0])
        self.assertEqual(len(set(figure["panels"][0]["series"][0]["trial"])), 1000)
        self.assertIn("1000 of 20000 trials", figure["note"])
        values = figure["panels"][0]["series"][0]["value"]
        history = json.loads(self.call("history", "--json")[0])["panels"][0]["series"]
        self.assertEqual(len(history[0]["x"]), 20000)
        self.assertEqual(values[-1], history[1]["y"][-1])  # the best one is among them
        if shutil.which("gnuplot"):
            self.call("history", "-o", "a.svg")
            self.assertLess(os.path.getsize(self.path("a.svg")), 4 << 20)


unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
