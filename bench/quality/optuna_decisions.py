# SPDX-License-Identifier: MIT
"""Optuna's side of the comparison of decisions: makes studies, and draws from its TPESampler what it would suggest next.

    optuna_decisions.py --problems libquality_problems.so --into FOLDER [--draws N]

Writes FOLDER/decisions.log, a journal with a study per case, and FOLDER/decisions-CASE.txt, a line "name=value …" (internal values) per
draw. Runs under a Python that has Optuna. The studies are searched by Optuna itself, so points lie as they do in real life.

Among equal observations of an integer or stepped parameter the first and the last in sorted order get the wide kernels; they differ in
weight. Optuna leaves it to numpy's unstable sort which these are, so here that sort is made stable: in the order of the trials.
"""
import argparse
import os
import sys
import warnings

warnings.filterwarnings("ignore")
import numpy  # noqa: E402
import optuna  # noqa: E402
from optuna.storages import JournalStorage  # noqa: E402
from optuna.storages.journal import JournalFileBackend  # noqa: E402

import problems  # noqa: E402
from optuna_runs import suggest_with  # noqa: E402

optuna.logging.set_verbosity(optuna.logging.ERROR)

unstable = numpy.argsort
numpy.argsort = lambda a, axis=-1, kind=None, **more: unstable(a, axis=axis, kind="stable", **more)

# case: problem, finished trials, running trials, every n-th trial pruned (0: none)
CASES = {
    "few": ("hartmann6", 12, 0, 0),
    "ramp": ("hartmann6", 60, 0, 0),
    "floor": ("loggoldstein", 150, 0, 0),
    "dimensions": ("branin25", 80, 0, 0),
    "mixed": ("mixint8", 100, 0, 0),
    "choices": ("func2c", 100, 0, 0),
    "conditional": ("condmodels", 100, 0, 0),
    "constraints": ("pressure", 60, 0, 0),
    "infeasible": ("pressure", 20, 0, 0),
    "running": ("hartmann6", 40, 16, 0),
    "pruned": ("levy6", 50, 0, 2),
    "mostly-pruned": ("levy6", 40, 0, 1),
    "two": ("zdt1_12", 60, 0, 0),
    "two-mixed": ("mixmo", 80, 0, 0),
    "two-many": ("dtlz7_2", 300, 0, 0),
}


def make_study(table, case):
    name, finished, running, prune = CASES[case]
    problem = table.all[name]
    study = optuna.create_study(study_name=case, directions=["minimize"] * problem.n_values,
                                sampler=optuna.samplers.TPESampler(seed=1))
    for i in range(finished + running):
        trial = study.ask()
        values, constraints = table.eval(problem, suggest_with(trial))
        for k, c in enumerate(constraints):
            trial.set_constraint("c%d" % k, c)
        if i >= finished:
            continue
        if prune and i % prune == 0 and i >= 5:
            for step in range(1 + i % 3):
                trial.report(values[0] * (2 - step / 3), step)
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        else:
            study.tell(trial, values)
    return problem, study


def draw(table, problem, study, trial):
    """The suggest state machine, without writing anything down."""
    sampler = study.sampler
    space = sampler.infer_relative_search_space(study, trial)
    relative = sampler.sample_relative(study, trial, space)
    drawn = []

    def suggest(name, d):
        if d.kind == problems.CHOICE:
            dist = optuna.distributions.CategoricalDistribution([d.choices[i].decode() for i in range(d.n_choices)])
        elif d.kind == problems.INT:
            dist = optuna.distributions.IntDistribution(int(d.low), int(d.high), log=bool(d.log))
        else:
            dist = optuna.distributions.FloatDistribution(d.low, d.high, step=d.step or None, log=bool(d.log))
        value = relative[name] if name in relative else sampler.sample_independent(study, trial, name, dist)
        drawn.append("%s=%.10g" % (name, dist.to_internal_repr(value)))
        return dist.to_internal_repr(value)
    table.eval(problem, suggest)
    return " ".join(drawn)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--problems", required=True, help="the shared object")
    p.add_argument("--into", required=True, help="folder of the files")
    p.add_argument("--draws", type=int, default=1000)
    a = p.parse_args()
    table = problems.Problems(a.problems)
    path = os.path.join(a.into, "decisions.log")
    for stale in (path, path + ".new"):
        if os.path.exists(stale):
            os.unlink(stale)
    for case in CASES:
        problem, study = make_study(table, case)
        optuna.copy_study(from_study_name=case, from_storage=study._storage, to_storage=JournalStorage(JournalFileBackend(path)))
        number = study.ask().number
        trial = study.get_trials(deepcopy=False)[number]
        study.sampler = optuna.samplers.TPESampler(seed=2)
        with open(os.path.join(a.into, "decisions-%s.txt" % case), "w", encoding="utf-8") as f:
            for _ in range(a.draws):
                f.write(draw(table, problem, study, trial) + "\n")
        print("%s %s" % (case, problem.name))
        sys.stdout.flush()


if __name__ == "__main__":
    main()
