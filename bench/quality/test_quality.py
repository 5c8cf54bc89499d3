#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The parts of the comparison of search quality: test_quality.py PROBLEMS-LIBRARY BENCH-QUALITY

The problems against their probes (values from an independent implementation), the statistics against known values and brute
force, and short runs of the program.
"""
import contextlib
import io
import itertools
import math
import os
import random
import statistics
import subprocess
import sys
import tempfile
import types
import unittest

import problems
import quality
import stats

LIBRARY, PROGRAM = sys.argv[1:3]


class ProblemsTest(unittest.TestCase):
    def setUp(self):
        self.table = problems.Problems(LIBRARY)

    def at_fractions(self, problem, fractions):
        """Values where the i-th parameter stands at the i-th fraction of its distribution, and what was asked for."""
        fractions, asked = iter(fractions), []
        at = self.table.lib.quality_at
        at.restype = problems.ctypes.c_double
        at.argtypes = [problems.ctypes.POINTER(problems.Dist), problems.ctypes.c_double]

        def suggest(name, dist):
            asked.append((name, dist.kind, dist.low, dist.high, at(dist, next(fractions))))
            return asked[-1][-1]
        return self.table.eval(problem, suggest)[0], asked

    def test_probes(self):
        self.assertEqual(len(self.table.all), 19)
        for problem in self.table.all.values():
            values, _ = self.at_fractions(problem, (math.modf(0.7548776662466927 * i)[0] for i in itertools.count(1)))
            for value, probe in zip(values, problem.probe):
                self.assertAlmostEqual(value, probe, delta=1e-8 * max(1, abs(probe)), msg=problem.name)

    def test_nothing_is_better_than_the_known_optimum(self):
        rng = random.Random(4)
        for problem in self.table.all.values():
            for _ in range(500):
                values, asked = self.at_fractions(problem, iter(rng.random, None))
                self.assertEqual(len({a[0] for a in asked}), len(asked))
                for _, kind, low, high, x in asked:
                    self.assertTrue(kind == problems.CHOICE or low <= x <= high)
                if problem.n_values == 1 and problem.n_constraints == 0:
                    self.assertGreaterEqual(values[0], problem.best)

    def test_an_exception_passes_through(self):
        def suggest(name, dist):
            raise KeyError(name)
        self.assertRaises(KeyError, self.table.eval, self.table.all["func2c"], suggest)

    def test_run_times_are_lognormal_and_repeatable(self):
        logs = [math.log(self.table.run_time(s, t)) for s in range(10) for t in range(400)]
        self.assertAlmostEqual(statistics.mean(logs), 0, delta=0.04)
        self.assertAlmostEqual(statistics.stdev(logs), 0.5, delta=0.03)
        self.assertEqual(self.table.run_time(3, 7), self.table.run_time(3, 7))
        self.assertEqual(len(set(logs)), len(logs))


class StatsTest(unittest.TestCase):
    def test_mann_whitney_exact(self):
        # R: wilcox.test(x, y), the example of its manual page, two-sided
        x = [0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46]
        y = [1.15, 0.88, 0.90, 0.74, 1.21]
        self.assertAlmostEqual(stats.mann_whitney(x, y), 0.2544, places=4)
        self.assertAlmostEqual(stats.mann_whitney(y, x), 0.2544, places=4)
        self.assertEqual(sum(stats.rank_distribution(9, 7)), math.comb(16, 9))
        self.assertAlmostEqual(stats.mann_whitney([1, 2, 3, 4], [5, 6, 7, 8]), 2 / math.comb(8, 4))

    def test_mann_whitney_with_ties(self):
        # The variance over all ways to deal the ranks.
        a, b = [1, 2, 2, 5], [2, 3, 3, 4, 5]
        us = []
        for chosen in itertools.combinations(range(9), 4):
            pool = a + b
            ours, theirs = [pool[i] for i in chosen], [pool[i] for i in range(9) if i not in chosen]
            us.append(20 * stats.win_probability(ours, theirs))
        self.assertAlmostEqual(stats.rank_variance(a, b), statistics.pvariance(us))
        # 25 + 25 without ties: U = 200, mean 312.5, variance 25 * 25 * 51 / 12
        ours, theirs = [*range(25)], [*range(25)]
        ours, theirs = [2 * x + 9.5 for x in ours], [2 * x for x in theirs]
        u = 625 * stats.win_probability(ours, theirs)
        z = (abs(u - 312.5) - 0.5) / math.sqrt(625 * 51 / 12)
        self.assertAlmostEqual(stats.mann_whitney(ours, theirs), math.erfc(z / math.sqrt(2)))
        self.assertEqual(stats.mann_whitney([1.0] * 30, [1.0] * 30), 1.0)

    def test_win_probability(self):
        rng = random.Random(5)
        for _ in range(50):
            a = [rng.randrange(9) for _ in range(rng.randrange(1, 9))]
            b = [rng.randrange(9) for _ in range(rng.randrange(1, 9))]
            brute = sum((x < y) + (x == y) / 2 for x in a for y in b) / len(a) / len(b)
            self.assertAlmostEqual(stats.win_probability(a, b), brute)

    def test_holm(self):
        # The example of R's p.adjust(c(0.01, 0.02, 0.03, 0.04), "holm"), in another order
        for got, want in zip(stats.holm([0.03, 0.01, 0.04, 0.02]), [0.06, 0.04, 0.06, 0.06]):
            self.assertAlmostEqual(got, want)

    def test_theta(self):
        same = [[float(x) for x in range(30)]] * 2
        better = ([x - 0.5 for x in range(10)], [x + 100.0 for x in range(10)])
        self.assertEqual(stats.theta([better] * 3, 200), (1.0, 1.0, 1.0))
        point, low, high = stats.theta([tuple(same)] * 14, 1000)
        # One problem's A12 has the variance (2 * 30 + 1) / (12 * 30 * 30) at least; the mean of 14 a fourteenth of it.
        half = 1.96 * math.sqrt(61 / 10800 / 14)
        self.assertEqual(point, 0.5)
        self.assertAlmostEqual(high - low, 2 * half, delta=0.2 * half)

    def test_hypervolumes(self):
        rng, step = random.Random(6), 0.25
        for _ in range(200):
            points = [(rng.randrange(9) * step, rng.randrange(9) * step) for _ in range(12)]
            curve = stats.hypervolumes(points, (1.5, 1.75))
            for n in range(1, 13):
                cells = sum(any(x <= i * step and y <= j * step for x, y in points[:n]) for i in range(6) for j in range(7))
                self.assertAlmostEqual(curve[n - 1], cells * step * step)

    def test_scores(self):
        self.assertEqual(stats.best_so_far([3, math.inf, 1, 2]), [3, 3, 1, 1])
        self.assertEqual([stats.log_share(r, 2) for r in (math.inf, 2, 0.2, -1)], [1, 0, -1, -12])
        self.assertEqual(stats.area([1, 0, -1, -4]), -1)
        # 10 until 1, then 1 until 3, then 0.01 until 4
        self.assertEqual(stats.area_over_time([1, 3, 4], [0, -2, -5]), (1 * 1 + 2 * 0 + 1 * -2) / 4)

    def test_chi_square(self):
        # 95 % points from the usual table
        for freedom, x in ((1, 3.841), (2, 5.991), (3, 7.815), (10, 18.307), (25, 37.652)):
            self.assertAlmostEqual(stats.chi_square_p(x, freedom), 0.05, places=4)
        self.assertAlmostEqual(stats.same_counts([1] * 30 + [2] * 10, [1] * 20 + [2] * 20), stats.chi_square_p(16 / 3, 1))

    def test_kolmogorov_smirnov(self):
        # lambda = 1.358 is the 5 % point
        n, step = 1000, 1.358 / (math.sqrt(500) + 0.12 + 0.11 / math.sqrt(500))
        p = stats.same_distribution([i / n for i in range(n)], [i / n + step for i in range(n)])
        self.assertAlmostEqual(p, 0.05, delta=0.005)  # D moves in steps of 1 / n

    def test_same_draws(self):
        rng = random.Random(7)

        def draw(turned):
            x, y = rng.gauss(0, 1), rng.gauss(0, 1)
            return {"x": x, "y": x + y / 2 if turned else x * 0 + math.sqrt(1.25) * rng.gauss(0, 1)}
        same = [stats.same_draws([draw(True) for _ in range(300)], [draw(True) for _ in range(300)])[0] for _ in range(20)]
        self.assertGreater(min(same), 0.001)
        self.assertGreater(statistics.mean(same), 0.3)
        p, name = stats.same_draws([draw(True) for _ in range(1000)], [draw(False) for _ in range(1000)])
        self.assertLess(p, 1e-6)
        self.assertIn("projection", name)
        p, name = stats.same_draws([{"x": 1}] * 50 + [{"y": 1}] * 50, [{"x": 1}] * 80 + [{"y": 1}] * 20)
        self.assertLess(p, 1e-3)
        self.assertEqual(name, "names")


class ProgramTest(unittest.TestCase):
    def runs(self, *words):
        lines = subprocess.run([PROGRAM, *words], check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
        return [line.rsplit(",", 1)[0] for line in lines]  # without the seconds

    def test_all_problems_run(self):
        lines = self.runs("random", "random", "", "1", "1", "2", "12") + self.runs("random", "random", "", "2", "1", "2", "12")
        self.assertEqual(len(lines), 2 * 19)
        for line in lines:
            self.assertEqual(len(line.split(",")[4].split()), 12)

    def test_workers_change_the_order_only(self):
        """Random search tries the same points however many workers there are."""
        one = self.runs("r", "random", "", "1", "1", "1", "40", "hartmann6")
        many = self.runs("r", "random", "", "1", "16", "1", "40", "hartmann6")
        ended = [o.split(":") for o in many[0].split(",")[4].split()]
        self.assertEqual(sorted(v for _, v in ended), sorted(one[0].split(",")[4].split()))
        times = [float(t) for t, _ in ended]
        self.assertEqual(times, sorted(times))
        table = problems.Problems(LIBRARY)
        self.assertAlmostEqual(times[0], min(table.run_time(0, t) for t in range(16)), places=4)

    def test_a_bad_option_is_an_error(self):
        done = subprocess.run([PROGRAM, "r", "random", "no=1", "1", "1", "1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("no", done.stderr)

    def test_tpe_is_better_than_random(self):
        ends = {}
        for sampler in ("tpe", "random"):
            lines = self.runs(sampler, sampler, "", "1", "1", "8", "60", "griewank6")
            ends[sampler] = [min(map(float, line.split(",")[4].split())) for line in lines]
        self.assertGreater(stats.win_probability(ends["tpe"], ends["random"]), 0.9)


class TablesTest(unittest.TestCase):
    def report(self, part, optuna, ours):
        """What is printed about a part, and the verdicts, when Optuna's runs and ours are made by random search with these options."""
        with tempfile.TemporaryDirectory() as into:
            build = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(PROGRAM))))
            q = quality.Quality(types.SimpleNamespace(build=build, into=into, seeds=5, draws=50))
            q.program, q.table = PROGRAM, problems.Problems(LIBRARY)
            objectives, workers = quality.PARTS[part][:2]
            out = subprocess.run([PROGRAM, "optuna", "random", optuna, str(objectives), str(workers), "5", "30"], check=True,
                                 stdout=subprocess.PIPE, text=True).stdout
            quality.read_runs(out.splitlines(keepends=True), q.table, q.runs)
            text, solvers = io.StringIO(), dict(quality.SOLVERS)
            try:
                quality.SOLVERS.update({label: ("random", ours) for label in solvers})
                problems.N_TRIALS, before = 30, problems.N_TRIALS
                quality.CHECKPOINTS, points = (10, 20, 30), quality.CHECKPOINTS
                with contextlib.redirect_stdout(text):
                    q.part(part)
            finally:
                quality.SOLVERS.update(solvers)
                problems.N_TRIALS, quality.CHECKPOINTS = before, points
        return text.getvalue(), q.verdicts

    def test_equal_runs(self):
        """Against itself a sampler searches as well, but no better."""
        text, verdicts = self.report("one", "", "")
        self.assertIn("theta 0.500 [", text)
        self.assertIn("significant wins/losses 0/0 in A", text)
        self.assertEqual(verdicts, [True, False])

    def test_the_other_parts(self):
        for part in ("parallel", "two"):
            text, _ = self.report(part, "", "")
            self.assertIn("theta 0.500 [", text)
            self.assertEqual(text.count("\n| M9 mixmo |" if part == "two" else "\n| P27 pressure |"), len(text.split("beside Optuna:")))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
