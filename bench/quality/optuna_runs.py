# SPDX-License-Identifier: MIT
"""Optuna's side of the comparison: runs its TPESampler at its defaults on the problems, and keeps the runs in a file.

    optuna_runs.py --problems libquality_problems.so --into FOLDER [--seeds N] one|two|parallel ...

Runs under a Python that has Optuna. All of it takes minutes, so finished runs are kept in FOLDER/optuna-VERSION-HASH.csv (one line
each, see problems.py) and not done again; one that was stopped is simply missing there. The hash is that of this file and of
problems.c. Prints Optuna's version and the name of that file at the end.
"""
import argparse
import hashlib
import heapq
import os
import sys
import time
import warnings

warnings.filterwarnings("ignore")
import optuna  # noqa: E402

import problems  # noqa: E402

optuna.logging.set_verbosity(optuna.logging.ERROR)


def suggest_with(trial):
    def suggest(name, d):
        if d.kind == problems.CHOICE:
            choices = [d.choices[i].decode() for i in range(d.n_choices)]
            return float(choices.index(trial.suggest_categorical(name, choices)))
        if d.kind == problems.INT:
            return float(trial.suggest_int(name, int(d.low), int(d.high), log=bool(d.log)))
        return trial.suggest_float(name, d.low, d.high, step=d.step or None, log=bool(d.log))
    return suggest


def run(table, problem, seed, workers):
    """One run: as many trials at a time as there are workers, told in the order of their virtual ends."""
    study = optuna.create_study(directions=["minimize"] * problem.n_values, sampler=optuna.samplers.TPESampler(seed=seed))
    running, done, asked, now = [], [], 0, 0.0
    while len(done) < problems.N_TRIALS:
        if len(running) < workers and asked < problems.N_TRIALS:
            trial = study.ask()
            values, constraints = table.eval(problem, suggest_with(trial))
            heapq.heappush(running, (now + table.run_time(seed, asked), asked, trial, values, constraints))
            asked += 1
            continue
        now, _, trial, values, constraints = heapq.heappop(running)
        for i, c in enumerate(constraints):
            trial.set_constraint("c%d" % i, c)
        study.tell(trial, values)
        done.append(problems.outcome(values, constraints, now if workers > 1 else None))
    return done


def jobs(table, parts, seeds):
    """Seed by seed, so that a file that is not complete yet is of use."""
    for part in parts:
        wanted = {"one": (1, 30, 1), "two": (2, 15, 1), "parallel": (1, 30, 16)}[part]
        for seed in range(min(seeds, wanted[1])):
            for problem in table.all.values():
                if problem.n_values == wanted[0]:
                    yield problem, seed, wanted[2]


def name_of_file():
    sources = b""
    for name in ("optuna_runs.py", "problems.c"):
        with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), name), "rb") as f:
            sources += f.read()
    return "optuna-%s-%s.csv" % (optuna.__version__, hashlib.sha256(sources).hexdigest()[:8])


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--problems", required=True, help="the shared object")
    p.add_argument("--into", required=True, help="folder of the file of runs")
    p.add_argument("--seeds", type=int, default=30)
    p.add_argument("parts", nargs="+", choices=["one", "two", "parallel"])
    a = p.parse_args()
    table = problems.Problems(a.problems)
    os.makedirs(a.into, exist_ok=True)
    path = os.path.join(a.into, name_of_file())
    have = set()
    if os.path.exists(path):
        with open(path, encoding="utf-8") as f:
            have = {tuple(line.split(",")[1:4]) for line in f if line.endswith("\n")}
    todo = [j for j in jobs(table, a.parts, a.seeds) if (j[0].name, str(j[1]), str(j[2])) not in have]
    if todo:
        print("optuna_runs.py: %d runs of Optuna %s to do" % (len(todo), optuna.__version__), file=sys.stderr, flush=True)
    with open(path, "a", encoding="utf-8") as f:
        for i, (problem, seed, workers) in enumerate(todo):
            start = time.process_time()
            done = run(table, problem, seed, workers)
            f.write("optuna,%s,%d,%d,%s,%.4f\n" % (problem.name, seed, workers, " ".join(done), time.process_time() - start))
            f.flush()
            if i % 14 == 13:
                print("optuna_runs.py: %d of %d" % (i + 1, len(todo)), file=sys.stderr, flush=True)
    print(optuna.__version__, path)


if __name__ == "__main__":
    main()
