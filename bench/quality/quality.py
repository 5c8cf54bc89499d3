#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How well the samplers search, beside Optuna: `make quality` calls this with a release build.

    quality.py --build DIR --into DIR [--seeds N] [decisions] [one] [parallel] [two]

  decisions what optuna5 suggests next for studies that Optuna searched, beside what Optuna does
  one       fourteen problems with one objective, one trial at a time
  parallel  the same with sixteen asynchronous workers, scored against virtual time
  two       five problems with two objectives

30 runs each (two: 15) of 200 evaluations. Optuna (of $TRIALOG_PYTHON_OPTUNA) runs its TPESampler at its defaults; its runs are kept
in the folder and done once per version of Optuna, ours are done anew. `random` shows that the harness measures something.

What is scored: the regret of the best feasible value so far, divided by the median that random search has after 10 evaluations and
cut to [1e-12, 10]; A is the mean of its log10 over all evaluations (or over virtual time), E its log10 at the end. A12 is the
probability that a run of ours beats one of Optuna's; theta its mean over the problems, in A. p is Mann and Whitney's, two-sided; a
difference is significant when Holm's adjustment over the problems leaves it below 0.05. The statistics are in stats.py, the
problems in problems.c. The exit status is 1 when a criterion is missed.
"""
import argparse
import os
import statistics
import subprocess
import sys

import problems
import stats

HERE = os.path.dirname(os.path.abspath(__file__))
SOLVERS = {  # label: name of the sampler, its options
    "optuna5": ("tpe", "preset=optuna5"),
    "tpe2": ("tpe", ""),
    "tpe2 without liar": ("tpe", "constant_liar=false"),
    "random": ("random", ""),
}
PARTS = {  # objectives, workers, runs, solvers, title
    "one": (1, 1, 30, ["optuna5", "tpe2", "random"], "One objective"),
    "parallel": (1, 16, 30, ["optuna5", "tpe2", "tpe2 without liar"], "One objective, 16 asynchronous workers"),
    "two": (2, 1, 15, ["optuna5", "tpe2", "random"], "Two objectives"),
}

CHECKPOINTS = (50, 100, 200)


def read_outcome(text):
    """Virtual time (None with one worker) and values of one trial."""
    time, _, values = text.rpartition(":")
    return float(time) if time else None, [float(v) for v in values.split("/")]


def regrets(problem, outcomes):
    """Regret after each evaluation; with two objectives the share of the hypervolume that is missing."""
    if problem.n_values == 1:
        curve = [best - problem.best for best in stats.best_so_far(v[0] for _, v in outcomes)]
    else:
        volumes = stats.hypervolumes([tuple(v) for _, v in outcomes], problem.reference)
        curve = [1 - v / problem.best for v in volumes]
    if curve[-1] < -1e-6 * max(1, abs(problem.best)):
        sys.exit("quality.py: %s: better than the known optimum by %g" % (problem.name, -curve[-1]))
    return curve


def read_draws(lines):
    return [{name: float(value) for name, _, value in (word.partition("=") for word in line.split())} for line in lines]


class Run:
    def __init__(self, problem, outcomes):
        self.curve = regrets(problem, outcomes)
        shares = [stats.log_share(r, problem.scale or 1) for r in self.curve]
        times = [t for t, _ in outcomes]
        self.a = stats.area(shares) if times[0] is None else stats.area_over_time(times, shares)
        self.e = shares[-1]


def read_runs(lines, table, into):
    """Adds complete lines of runs to into[solver, workers, problem][seed]."""
    for line in lines:
        if not line.endswith("\n"):
            continue
        solver, name, seed, workers, outcomes, _ = line.split(",")
        run = Run(table.all[name], [read_outcome(o) for o in outcomes.split()])
        into.setdefault((solver, int(workers), name), {})[int(seed)] = run


class Quality:
    def __init__(self, args):
        self.args = args
        folder = os.path.join(args.build, "bench", "quality")
        self.program = os.path.join(folder, "bench_quality")
        self.library = os.path.join(folder, "libquality_problems.so")
        self.table = problems.Problems(self.library)
        self.runs, self.verdicts = {}, []

    # ---- running ----

    def optuna(self, script, *words):
        """What one of Optuna's scripts prints."""
        python = os.environ.get("TRIALOG_PYTHON_OPTUNA")
        if not python:
            sys.exit("quality.py: set TRIALOG_PYTHON_OPTUNA to a Python with Optuna (make quality does)")
        command = [python, os.path.join(HERE, script), "--problems", self.library, "--into", self.args.into, *words]
        env = dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=env).stdout.strip()

    def run_optuna(self, parts):
        version, path = self.optuna("optuna_runs.py", "--seeds", str(self.args.seeds), *parts).split(" ", 1)
        with open(path, encoding="utf-8") as f:
            read_runs(f, self.table, self.runs)
        return version

    def run_ours(self, part):
        objectives, workers, seeds, solvers, _ = PARTS[part]
        for solver in solvers:
            sampler, options = SOLVERS[solver]
            command = [self.program, solver, sampler, options, str(objectives), str(workers), str(min(seeds, self.args.seeds)),
                       str(problems.N_TRIALS)]
            out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            with open(os.path.join(self.args.into, "%s-%s.csv" % (solver.replace(" ", "-"), part)), "w", encoding="utf-8") as f:
                f.write(out)
            read_runs(out.splitlines(keepends=True), self.table, self.runs)

    def of(self, solver, part, problem):
        """Runs by seed."""
        found = self.runs[solver, PARTS[part][1], problem.name]
        return [found[s] for s in range(min(PARTS[part][2], self.args.seeds))]

    # ---- decisions ----

    def decisions(self):
        """Draws of both sides from the same studies."""
        print("\n## Decisions: %d suggestions of each side for the same study\n" % self.args.suggestions)
        cases = [line.split() for line in self.optuna("optuna_decisions.py", "--draws", str(self.args.suggestions)).splitlines()]
        sampler, options = SOLVERS["optuna5"]
        found = []
        for case, problem in cases:
            with open(os.path.join(self.args.into, "decisions-%s.txt" % case), encoding="utf-8") as f:
                theirs = read_draws(f)
            command = [os.path.join(os.path.dirname(self.program), "bench_decisions"), os.path.join(self.args.into, "decisions.log"),
                       case, problem, sampler, options + ",seed=1", str(self.args.suggestions)]
            ours = read_draws(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines())
            found.append(stats.same_draws(ours, theirs))
        adjusted = stats.holm([p for p, _ in found])
        print("| study | problem | p that they are of one distribution | Holm | most different in |\n|---|---|---|---|---|")
        for (case, problem), (p, name), a in zip(cases, found, adjusted):
            print("| %s | %s | %.2g | %.2g | %s |" % (case, problem, p, a, name))
        bad = sum(a < 0.01 for a in adjusted)
        print()
        self.verdict("optuna5 decides as Optuna does: no study with p < 0.01", bad == 0, "%d such studies" % bad)

    # ---- tables ----

    def part(self, part):
        objectives, _, _, solvers, title = PARTS[part]
        chosen = [p for p in self.table.all.values() if p.n_values == objectives]
        self.run_ours(part)
        print("\n## %s\n" % title)
        self.medians(part, chosen, ["optuna"] + solvers)
        for solver in solvers:
            if solver != "random":
                self.compare(part, chosen, solver)

    def medians(self, part, chosen, solvers):
        what = "regret" if chosen[0].n_values == 1 else "missing share of the hypervolume"
        print("Median %s after %s evaluations:\n" % (what, ", ".join(map(str, CHECKPOINTS))))
        print("| | " + " | ".join(solvers) + " |\n|---|" + "---|" * len(solvers))
        for p in chosen:
            cells = []
            for solver in solvers:
                runs = self.of(solver, part, p)
                cells.append(" / ".join("%.3g" % statistics.median(r.curve[n - 1] for r in runs) for n in CHECKPOINTS))
            print("| %s %s | %s |" % (p.id, p.name, " | ".join(cells)))
        print()

    def compare(self, part, chosen, solver):
        """Prints one solver beside Optuna and decides its criteria."""
        scores = {metric: [([getattr(r, metric) for r in self.of(solver, part, p)],
                            [getattr(r, metric) for r in self.of("optuna", part, p)]) for p in chosen] for metric in "ae"}
        tests = {}
        for metric, pairs in scores.items():
            ps = [stats.mann_whitney(a, b) for a, b in pairs]
            tests[metric] = list(zip([stats.win_probability(a, b) for a, b in pairs], ps, stats.holm(ps)))
        print("%s beside Optuna:\n\n| | A12 of A | p | Holm | A12 of E | p | Holm | |\n|---|---|---|---|---|---|---|---|" % solver)
        for i, p in enumerate(chosen):
            cells = ["%.2f | %.2g | %.2g" % tests[m][i] for m in "ae"]
            print("| %s %s | %s | %s |" % (p.id, p.name, " | ".join(cells), verdict(tests["a"][i])))
        theta = stats.theta(scores["a"], self.args.draws)
        final = stats.theta(scores["e"], self.args.draws)
        wins, losses = count(tests["a"])
        print("\ntheta %.3f [%.3f, %.3f] in A, %.3f [%.3f, %.3f] in E; significant wins/losses %d/%d in A, %d/%d in E; p < 0.05 "
              "%d/%d in A, %d/%d in E\n" % (*theta, *final, wins, losses, *count(tests["e"]), *count(tests["a"], 1), *count(tests["e"], 1)))
        self.decide(part, solver, theta, tests)

    def decide(self, part, solver, theta, tests):
        wins, losses = count(tests["a"])
        if part == "one" and solver == "optuna5":
            worse = losses + count(tests["e"])[1]
            self.verdict("optuna5 searches as Optuna does: theta in [0.45, 0.55], no problem significantly worse in A or E",
                         0.45 <= theta[0] <= 0.55 and worse == 0, "theta %.3f, %d worse" % (theta[0], worse))
        elif part == "one":
            self.verdict("tpe2 searches better: theta's interval above 0.60, 5 significant wins, at most a fifth as many losses",
                         theta[1] > 0.60 and wins >= 5 and 5 * losses <= wins,
                         "theta from %.3f, %d wins, %d losses" % (theta[1], wins, losses))
        elif part == "parallel" and solver == "tpe2":
            bad = sum(a12 < 0.30 and adjusted < 0.01 for a12, _, adjusted in tests["a"])
            self.verdict("tpe2 is not worse with 16 workers: theta's interval above 0.45, no problem with A12 < 0.30 and p < 0.01",
                         theta[1] > 0.45 and bad == 0, "theta from %.3f, %d such problems" % (theta[1], bad))

    def verdict(self, what, passed, figures):
        self.verdicts.append(passed)
        print("%s: %s (%s)\n" % ("PASS" if passed else "FAIL", what, figures))


def significant(test, column=2):
    return test[column] < 0.05


def verdict(test):
    return ("better" if test[0] > 0.5 else "worse") if significant(test) else ""


def count(tests, column=2):
    """Significant wins and losses, after Holm's adjustment or (column 1) without."""
    found = [t[0] for t in tests if significant(t, column)]
    return sum(a12 > 0.5 for a12 in found), sum(a12 < 0.5 for a12 in found)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--build", required=True)
    p.add_argument("--into", required=True, help="folder for the runs")
    p.add_argument("--seeds", type=int, default=30, help="runs per problem, at most")
    p.add_argument("--draws", type=int, default=10000, help="of the bootstrap")
    p.add_argument("--solver", action="append", default=[], metavar="LABEL=SAMPLER[:OPTION=VALUE,...]",
                   help="one more of ours to compare; may be repeated")
    p.add_argument("--suggestions", type=int, default=1000, help="of each side per study in the part decisions")
    p.add_argument("parts", nargs="*", metavar="part", help="decisions, one, parallel, two; all when none is named")
    a = p.parse_args()
    parts = a.parts or ["decisions"] + list(PARTS)
    if not set(parts) <= {"decisions", *PARTS}:
        p.error("parts are decisions, " + ", ".join(PARTS))
    for text in a.solver:
        label, _, what = text.partition("=")
        sampler, _, options = what.partition(":")
        SOLVERS[label] = (sampler, options)
        for part in PARTS.values():
            part[3].append(label)
    os.makedirs(a.into, exist_ok=True)
    q = Quality(a)
    races = [part for part in parts if part != "decisions"]
    print("# Quality of search beside Optuna%s" % (" " + q.run_optuna(races) if races else ""))
    sys.stdout.flush()
    for part in parts:
        if part == "decisions":
            q.decisions()
        else:
            q.part(part)
        sys.stdout.flush()
    sys.exit(not all(q.verdicts))


if __name__ == "__main__":
    main()
