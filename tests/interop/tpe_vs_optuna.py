#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tpe_vs_optuna.py PROBE [--seed N] [--studies N] [--old]: the TPE sampler beside Optuna's own, on generated studies.

Compared, for the preset optuna5 with current Optuna: which trials are good (its _split_trials), and ln l and ln g at random points
(its own estimators, built by its TPESampler), to 1e-9: one and several objectives, constraints, pruned and failed trials, infinite
values, running trials with published parameters, conditional parameters, changed ranges. With --old, under Optuna 3.1: the
kernels of the preset optuna4 and its weights by hypervolume.

Studies are written by Optuna's JournalStorage into memory and copied to a file, which the probe reads.
"""
import argparse
import json
import math
import os
import random
import subprocess
import sys
import tempfile
import warnings

old = "--old" in sys.argv
wanted = os.environ.get("TRIALOG_PYTHON_OPTUNA31" if old else "TRIALOG_PYTHON_OPTUNA")
# A virtual environment's Python is a link to the one that it was made with: only its own name tells them apart.
if wanted and os.path.abspath(sys.executable) != os.path.abspath(wanted) and "TPE_VS_OPTUNA" not in os.environ:
    os.environ["TPE_VS_OPTUNA"] = "1"
    os.execv(wanted, [wanted, *sys.argv])
try:
    import numpy as np
    import optuna
except ImportError:
    print("skipped: no Optuna")
    sys.exit(77)
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import TPESampler
from optuna.samplers._tpe import sampler as tpe
from optuna.trial import TrialState

warnings.simplefilter("ignore")
optuna.logging.set_verbosity(optuna.logging.ERROR)
CHOICES = CategoricalDistribution(["a", "b", None, 2.5, True])
SMALL = {
    "x": FloatDistribution(-3, 5), "step": FloatDistribution(0, 2, step=0.25), "lr": FloatDistribution(1e-4, 10, log=True),
    "n": IntDistribution(-4, 20), "even": IntDistribution(0, 64, step=4), "units": IntDistribution(1, 1000, log=True), "c": CHOICES,
}
# Which of several kernels at one value gets the gap to the left depends on the sorting algorithm, and shows when their weights
# differ, from 25 trials on, or when there are other parameters. So small spaces are for few trials and compared one parameter at a
# time, and in the others no value comes twice.
LARGE = {
    "x": FloatDistribution(-3, 5), "step": FloatDistribution(0, 2, step=1 / 2**9), "lr": FloatDistribution(1e-4, 10, log=True),
    "n": IntDistribution(-500, 500), "even": IntDistribution(0, 4000, step=4), "units": IntDistribution(100, 3000, log=True),
    "c": CHOICES,
}


if old:  # 3.1.0 forgets the logarithm of sigma where a kernel has no steps
    for name in ("x", "lr", "units"):
        del SMALL[name], LARGE[name]


class Lines:
    """A journal in memory."""

    def __init__(self):
        self.lines = []

    def append_logs(self, logs):
        self.lines += [json.dumps(log) for log in logs]

    def read_logs(self, log_number_from):
        return [json.loads(line) for line in self.lines[log_number_from:]]


def storage_of(lines):
    if old:
        base = optuna.storages._journal.base.BaseJournalLogStorage
    else:
        base = optuna.storages.journal.BaseJournalBackend
    return optuna.storages.JournalStorage(type("Backend", (Lines, base), {})() if lines is None else lines)


class Maker:
    def __init__(self, seed):
        self.r = random.Random(seed)
        self.had = set()

    def draw_new(self, name, d):
        """Of a large space: a value that the study does not have yet."""
        v = self.draw(d)
        while d in LARGE.values() and not isinstance(d, CategoricalDistribution) and (name, v) in self.had:
            v = self.draw(d)
        self.had.add((name, v))
        return v

    def draw(self, d):
        r = self.r
        if isinstance(d, CategoricalDistribution):
            return r.choice(d.choices)
        if d.log:
            v = math.exp(r.uniform(math.log(d.low), math.log(d.high)))
            return int(v) if isinstance(d, IntDistribution) else min(max(v, d.low), d.high)
        if d.step:
            v = d.low + d.step * r.randrange(int((d.high - d.low) / d.step) + 1)
            return v
        return r.uniform(d.low, d.high)

    def value(self, tame, direction, n_objectives):
        k = self.r.random()
        if not tame and k < 0.04:  # infinitely good ones of several: Optuna's subset is whatever infinity minus infinity makes it
            worst = math.inf if direction == "minimize" else -math.inf
            return self.r.choice([worst, -worst]) if n_objectives == 1 else worst
        return float(self.r.randrange(4)) if k < 0.3 else self.r.gauss(0, 2)

    def trial(self, space, names, directions, conditional, tame):
        r = self.r
        n_objectives = len(directions)
        params = {name: self.draw_new(name, space[name]) for name in names}
        dists = {name: space[name] for name in names}
        if conditional and r.random() < 0.5:
            params["deep"] = r.uniform(0, 1)
            dists["deep"] = FloatDistribution(0, 1)
        state = r.choices([TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL, TrialState.RUNNING], [12, 2 if n_objectives == 1 else 0, 1, 1])[0]
        if tame:
            state = TrialState.COMPLETE
        attrs = {}
        if not tame and r.random() < 0.3:
            attrs["constraints"] = [r.choice([-1.0, 0.0, r.gauss(0, 1), r.gauss(0, 50)]) for _ in range(r.randrange(1, 3))]
        if state == TrialState.RUNNING and r.random() < 0.5:
            text = json.dumps(params)
            pieces = r.choice([1, 3])
            cut = len(text) // pieces + 1
            attrs.update({f"tpe:relative_params:{i}": text[i * cut:(i + 1) * cut] for i in range(pieces)})
            if r.random() < 0.2:
                attrs["tpe:relative_params:0"] = "{broken"
            kept = r.randrange(len(params))
            params = dict(list(params.items())[:kept])
            dists = {name: dists[name] for name in params}
        reports = {}
        if state == TrialState.PRUNED and r.random() < 0.8:
            reports = {r.randrange(6): r.choice([math.nan, math.inf, r.gauss(0, 1), 1.0]) for _ in range(r.randrange(1, 4))}
        values = [self.value(tame, d, n_objectives) for d in directions] if state == TrialState.COMPLETE else None
        return optuna.trial.create_trial(state=state, params=params, distributions=dists, values=values, system_attrs=attrs,
                                         intermediate_values=reports)

    def study(self, storage, name, n_trials, n_objectives, tame=False):
        directions = [self.r.choice(["minimize", "maximize"]) for _ in range(n_objectives)]
        study = optuna.create_study(storage=storage, study_name=name, directions=directions)
        space = SMALL if n_trials < 25 else LARGE
        names = self.r.sample(sorted(space), self.r.randrange(1, 5))
        conditional = self.r.random() < 0.5
        self.had = set()
        for _ in range(n_trials):
            study.add_trial(self.trial(space, names, directions, conditional, tame))
        return study, {name: space[name] for name in sorted(names)}, conditional


class Probe:
    def __init__(self, program, path):
        self.child = subprocess.Popen([program, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def tell(self, *words):
        self.child.stdin.write(" ".join(str(w) for w in words) + "\n")

    def ask(self, *words):
        self.tell(*words)
        self.child.stdin.flush()
        line = self.child.stdout.readline()
        assert line, "the probe died"
        return line.split()

    def close(self):
        self.child.stdin.close()
        assert self.child.wait() == 0


def close(mine, theirs, what):
    for a, b in zip(mine, theirs):
        if not (abs(a - b) <= 1e-9 * max(1, abs(b)) or a == b):
            sys.exit(f"{what}: {a!r} is not Optuna's {b!r}")


def points(maker, space, n):
    """External and internal values of random points."""
    drawn = [{name: maker.draw(d) for name, d in space.items()} for _ in range(n)]
    return drawn, {name: np.array([d.to_internal_repr(p[name]) for p in drawn]) for name, d in space.items()}


def compare_spaces(maker, probe, what, spaces, estimators):
    for space in spaces:
        _, inner = points(maker, space, 4)
        below, above = estimators(space)
        theirs = [below.log_pdf(inner), above.log_pdf(inner)]
        probe.tell("space", *space)
        for i in range(4):
            out = probe.ask("at", *(repr(float(inner[name][i])) for name in space))
            close([float(out[0]), float(out[1])], [theirs[0][i], theirs[1][i]], f"{what}, space {list(space)}")


def compare_current(maker, probe, study, names, conditional, name):
    n_objectives = len(study.directions)
    constraints = any("constraints" in t.system_attrs for t in study.trials)
    options = {}
    if maker.r.random() < 0.3:
        options["consider_endpoints"] = True
    if maker.r.random() < 0.2:
        options["consider_magic_clip"] = False
    if maker.r.random() < 0.3:
        options["prior_weight"] = 0.5
    probe.tell("study", name, "preset=optuna5", "multivariate=true", *(f"{k}={str(v).lower()}" for k, v in options.items()))
    sampler = TPESampler(multivariate=True, seed=1, constraints_func=(lambda t: [0]) if constraints else None, **options)
    trials = study.get_trials(deepcopy=False)
    use = [t for t in trials if t.state in (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)]
    n = sum(t.state != TrialState.RUNNING for t in use)
    below, above = tpe._split_trials(study, use, tpe.default_gamma(n) if n_objectives == 1 else math.ceil(0.1 * n))
    good = sorted(int(w) for w in probe.ask("good"))
    if good != sorted(t.number for t in below):
        for t in use:
            print(t.number, t.state.name, t.values, t.system_attrs.get("constraints"))
        sys.exit(f"{name}: {study.directions} good trials {good}, Optuna's {[t.number for t in below]}")
    spaces = [{name: d} for name, d in names.items()] + ([names] if names.items() <= LARGE.items() else [])
    if not any(set(names) <= set(t.params) for t in trials):
        return
    if any("deep" in t.params for t in trials):
        spaces.append({"deep": FloatDistribution(0, 1)})
    compare_spaces(maker, probe, name, spaces, lambda space: (
        sampler._build_parzen_estimator(study, space, below, handle_below=True),
        sampler._build_parzen_estimator(study, space, above, handle_below=False)))


def compare_old(maker, probe, study, names, name):
    n_objectives = len(study.directions)
    joint = maker.r.random() < 0.5
    probe.tell("study", name, "preset=optuna4", f"multivariate={str(joint).lower()}")
    space = names if joint else dict([maker.r.choice(list(names.items()))])
    values, scores, _ = tpe._get_observation_pairs(study, list(space), False, False)
    n_below = tpe.default_gamma(len(scores))
    below, above = tpe._split_observation_pairs(scores, n_below, None)
    parameters = tpe._ParzenEstimatorParameters(True, 1.0, True, False, tpe.default_weights, joint)
    weights = None
    if n_objectives > 1:
        weights = tpe._calculate_weights_below_for_multi_objective(scores, below, None)

    def estimators(_):
        def of(rows, w):
            observations = {k: np.asarray(v, dtype=float)[rows] for k, v in values.items()}
            return tpe._ParzenEstimator(observations, space, parameters, w)
        return of(below, weights), of(above, None)
    good = sorted(int(w) for w in probe.ask("good"))
    if good != sorted(int(i) for i in below):
        sys.exit(f"{name}: good trials {good}, Optuna's {sorted(below)}")
    losses = [scores[i][1] for i in below]
    dominated = any(all(x <= y for x, y in zip(a, b)) and a != b for a in losses for b in losses)
    if not dominated:  # 3.1 lets them take away from what the others contribute, later versions do not
        compare_spaces(maker, probe, name, [space], estimators)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("probe")
    p.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**8))
    p.add_argument("--studies", type=int, default=40)
    p.add_argument("--old", action="store_true")
    args = p.parse_args()
    print(f"Optuna {optuna.__version__}, seed {args.seed}")
    maker = Maker(args.seed)
    storage = storage_of(None)
    studies = []
    for i in range(args.studies):
        n_trials = maker.r.choice([1, 2, 7, 12, 30, 60, 150])
        studies.append(maker.study(storage, f"s{i}", n_trials, maker.r.choice([1, 1, 2, 3]), tame=args.old))
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "journal")
        with open(path, "w") as f:
            f.writelines(line + "\n" for line in storage._backend.lines)
        probe = Probe(args.probe, path)
        for i, (study, names, conditional) in enumerate(studies):
            if args.old:
                compare_old(maker, probe, study, names, f"s{i}")
            else:
                compare_current(maker, probe, study, names, conditional, f"s{i}")
        probe.close()
    print(f"{len(studies)} studies are the same")


if __name__ == "__main__":
    main()
