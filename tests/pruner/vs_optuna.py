#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Decisions of our pruners beside Optuna's, on generated studies.

usage: vs_optuna.py PRUNER_TOOL [--studies N] [--seed N] [--jobs N]

Runs itself under the Python in TRIALOG_PYTHON_OPTUNA (not set: exit status 77, skipped). Studies have values that repeat, are NaN or
infinite, steps that are missing, late or out of order, trials of every state and several that run at once; pruners have every option at
its edges. Optuna runs first; what happened is then played to PRUNER_TOOL, which must decide alike and leave the same attributes.
At the end each pruner must have said yes and no often enough for the test to mean something.
"""
import argparse
import math
import os
import random
import subprocess
import sys
import time

KINDS = {  # pruner -> how many of 50 studies
    "median": 8, "percentile": 8, "successive_halving": 8, "hyperband": 8, "threshold": 3, "patient": 8, "wilcoxon": 6, "nop": 1,
}


def text(v):
    return "NaN" if math.isnan(v) else ("Infinity" if v > 0 else "-Infinity") if math.isinf(v) else repr(float(v))


# ---- what studies are made of ----

class Values:
    """Values of one study: how coarse, how odd."""

    def __init__(self, r):
        self.r = r
        self.odd = r.choice((0, 0, 0, 0.02, 0.1, 0.4))
        self.coarse = r.choice((0, 0, 3, 8, 50))

    def one(self, level=0.0):
        r = self.r
        if r.random() < self.odd:
            return r.choice((math.nan, math.nan, math.inf, -math.inf))
        v = r.gauss(level, 1)
        return float(round(v * self.coarse / 4)) if self.coarse else v


def steps_of(r, style, longest):
    n = r.randint(1, longest)
    if style == "dense":
        return list(range(n))
    if style == "from 1":
        return list(range(1, n + 1))
    if style == "sparse":
        return sorted(r.sample(range(3 * longest), n))
    if style == "every 5th":
        return [5 * i for i in range(1, n + 1)]
    if style == "long":
        return [r.randint(0, 60) * 10 + 400 * i for i in range(n)]
    steps = r.sample(range(2 * longest), n)  # shuffled
    return steps


def gate(r):
    return {"n_warmup_steps": r.choice((0, 0, 1, 3, 10)), "interval_steps": r.choice((1, 1, 2, 3, 7))}


def some(r, options):
    """Leaves some out: defaults count too."""
    return {k: v for k, v in options.items() if r.random() < 0.8}


def pruner_of(r, kind, depth=0):
    """(our name, our options, Optuna's arguments)."""
    if kind in ("median", "percentile"):
        o = some(r, {"n_startup_trials": r.choice((0, 1, 2, 5)), "n_min_trials": r.choice((1, 1, 2, 4)), **gate(r)})
        if kind == "percentile":
            o["percentile"] = r.choice((0.0, 10.0, 25.0, 33.3, 50.0, 75.0, 100.0, r.uniform(0, 100)))
        return o
    if kind == "successive_halving":
        o = some(r, {"reduction_factor": r.choice((2, 3, 4, 5)), "min_early_stopping_rate": r.choice((0, 0, 1, 2)),
                     "bootstrap_count": r.choice((0, 0, 1, 3))})
        o["min_resource"] = r.choice(("auto", 1, 1, 2, 3, 5))
        if o["min_resource"] == "auto":
            o.pop("bootstrap_count", None)
        return o
    if kind == "hyperband":
        o = some(r, {"reduction_factor": r.choice((2, 3, 4)), "bootstrap_count": r.choice((0, 0, 1, 2)), "min_resource": r.choice((1, 1, 2, 4))})
        o["max_resource"] = r.choice(("auto", 1, 3, 9, 20, 27, 81, 243, 1000))
        if o["max_resource"] == "auto":
            o.pop("bootstrap_count", None)
        return o
    if kind == "threshold":
        low, high = sorted((r.gauss(0, 1.5), r.gauss(0, 1.5)))
        o = {"lower": low, "upper": high}
        if r.random() < 0.5:
            o.pop(r.choice(("lower", "upper")))
        return {**o, **some(r, gate(r))}
    if kind == "patient":
        o = {"patience": r.choice((0, 1, 2, 3, 6))}
        if r.random() < 0.5:
            o["min_delta"] = r.choice((0.0, 0.5, 1.0))
        if r.random() < 0.65:
            inner = r.choice(("median", "percentile", "successive_halving", "threshold", "wilcoxon", "hyperband", "nop") + (("patient",) if depth == 0 else ()))
            o["wrapped_pruner"] = (inner, pruner_of(r, inner, depth + 1))
        return o
    if kind == "wilcoxon":
        return some(r, {"p_threshold": r.choice((0.05, 0.1, 0.2, 0.3, 0.5, 1.0)), "n_startup_steps": r.choice((0, 1, 2, 5))})
    return {}


def our_options(options, prefix=""):
    words = []
    for k, v in options.items():
        if isinstance(v, tuple):
            words.append("%s%s=%s" % (prefix, k, v[0]))
            words += our_options(v[1], "%s%s." % (prefix, k))
        else:
            words.append("%s%s=%s" % (prefix, k, text(v) if isinstance(v, float) else v))
    return words


def make_pruner(p, kind, options, inner_from=None):
    """A pruner of the module `p`, Optuna's or one with the same classes; what it wraps is one of the module `inner_from`."""
    makers = {"median": p.MedianPruner, "percentile": p.PercentilePruner, "successive_halving": p.SuccessiveHalvingPruner,
              "hyperband": p.HyperbandPruner, "threshold": p.ThresholdPruner, "patient": p.PatientPruner, "wilcoxon": p.WilcoxonPruner,
              "nop": p.NopPruner}
    options = dict(options)
    if kind == "patient":
        inner = options.pop("wrapped_pruner", None)
        return makers[kind](make_pruner(inner_from or p, *inner) if inner else None, **options)
    return makers[kind](**options)


def optuna_pruner(kind, options):
    import optuna.pruners

    return make_pruner(optuna.pruners, kind, options)


# ---- one study, by Optuna ----

def like_journal():
    """Quick, but of several best trials the one with the lowest number is the best, as in a journal (in Optuna's memory: the first that ended)."""
    from optuna.storages import BaseStorage, InMemoryStorage

    class Storage(InMemoryStorage):
        get_best_trial = BaseStorage.get_best_trial

    return Storage()


class Story:
    """What happened in a study, as lines for the tool, with Optuna's answers."""

    def __init__(self):
        self.lines, self.answers = [], []

    def say(self, *words):
        self.lines.append("\t".join(map(str, words)))


def add_earlier(r, story, storage, study_id, values, style, longest):
    from optuna.trial import TrialState, create_trial

    state = r.choices((TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL, TrialState.RUNNING, TrialState.WAITING), (20, 4, 2, 1, 1))[0]
    level = r.gauss(0, 1)
    reports = {s: values.one(level) for s in steps_of(r, style, longest)} if r.random() < 0.95 else {}
    value = None
    if state == TrialState.COMPLETE:
        value = values.one(level)
        value = 0.5 if math.isnan(value) else value
    attrs = {}
    if r.random() < 0.3:
        rungs = list(range(r.randint(0, 3)))
        if rungs and r.random() < 0.1:
            rungs.remove(r.choice(rungs))
        for k in rungs:
            v = values.one(level)
            attrs["completed_rung_%d" % k] = 2 if math.isnan(v) else v
        if r.random() < 0.1:
            attrs["completed_rung_00"] = 1.0
            attrs["completed_rungs"] = 1.0
    storage.create_new_trial(study_id, create_trial(state=TrialState.WAITING, system_attrs=attrs, intermediate_values=reports)
                             if state == TrialState.WAITING else
                             create_trial(state=state, value=value, system_attrs=attrs, intermediate_values=reports))
    # what create_trial says of a time that is not over yet does not matter here
    story.say("add", state.name, "-" if value is None else text(value), ",".join("%d=%s" % (s, text(v)) for s, v in reports.items()) or "-",
              *("%s=%s" % (k, text(v) if isinstance(v, float) else v) for k, v in attrs.items()))


def run_study(seed, kind):
    import optuna
    from optuna.trial import TrialState

    r = random.Random(seed)
    options = pruner_of(r, kind)
    direction = r.choice(("minimize", "maximize"))
    name = r.choice(("s", "study", "\u00e9t\u00fcde", "no-name-1")) + str(r.randrange(10**6))
    values = Values(r)
    inner = options.get("wrapped_pruner", (kind,))[0]
    if "wilcoxon" in (kind, inner):
        style, longest = r.choice(("dense", "shuffled", "shuffled", "from 1")), r.choices((4, 8, 16, 30, 60), (4, 6, 6, 2, 1))[0]
        values.odd = r.choice((0, 0, 0, 0.01))
    else:
        style = r.choice(("dense", "dense", "from 1", "sparse", "every 5th", "shuffled", "long"))
        longest = r.choices((4, 8, 12, 30), (4, 4, 3, 1))[0]
    story = Story()
    story.kind, story.options = kind, options
    study = optuna.create_study(study_name=name, direction=direction, storage=like_journal(), pruner=optuna_pruner(kind, options))
    storage, study_id = study._storage, study._study_id
    story.say("study", name, direction[:3], kind, *our_options(options))
    for _ in range(r.choice((0, 2, 5, 8, 12))):
        add_earlier(r, story, storage, study_id, values, style, longest)
    # trials that run, a few at a time
    waiting = r.choice((1, 2, 2, 3, 4))
    running, left, done = [], waiting, {}
    slow = "wilcoxon" in (kind, inner) and values.coarse  # ties, up to 13 steps: SciPy tries all 2^n signs, up to half a second a question (test_signed_rank.c tries them too)
    while running or left:
        if left and (not running or r.random() < 0.3):
            trial = study.ask()
            if trial.number >= 4000:
                raise RuntimeError("too many trials")
            story.say("ask")
            steps = steps_of(r, style, longest)
            running.append((trial, steps, r.gauss(0.7 if direction == "minimize" else -0.7, 1.2)))
            left -= 1
            continue
        at = r.randrange(len(running))
        trial, steps, level = running[at]
        state, value = None, None
        if steps:
            step = steps.pop(0)
            v = values.one(level)
            trial.report(v, step)
            story.say("report", trial.number, step, text(v))
            done[trial.number] = done.get(trial.number, 0) + 1
            if r.random() < (0.04 if slow and 6 <= done[trial.number] <= 14 else 0.9):
                answer = bool(trial.should_prune())
                story.say("prune", trial.number)
                story.answers.append((len(story.lines), answer))
                if answer and r.random() < 0.7:
                    state = TrialState.PRUNED
        elif r.random() < 0.85:
            state, value = TrialState.COMPLETE, values.one(level)
            value = 0.25 if math.isnan(value) else value
        else:
            state = r.choice((TrialState.FAIL, TrialState.PRUNED))
        if state is not None:
            study.tell(trial, value, state=state)
            story.say("tell", trial.number, state.name, "-" if value is None else text(value))
            del running[at]
    story.say("attrs")
    story.attrs = "".join("%d %s %s;" % (t.number, k, text(v) if isinstance(v, float) else v) for t in study.get_trials(deepcopy=False)
                          for k, v in t.system_attrs.items() if k.startswith("completed_"))
    return story


# ---- all of them ----

def complain(story, upto, what, seed):
    print("\n".join(story.lines[:upto]))
    sys.exit("%s (study seed %r, pruner %s): the lines above are its story" % (what, seed, story.kind))


def inside(tool, n, seed, part, parts):
    import warnings

    import optuna

    warnings.simplefilter("ignore")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    kinds = [k for k, share in KINDS.items() for _ in range(share)]
    stories = [("%s/%d" % (seed, i), run_study("%s/%d" % (seed, i), kinds[i % len(kinds)])) for i in range(part, n, parts)]
    script = "\n".join(line for _, s in stories for line in s.lines) + "\n"
    done = subprocess.run([tool], input=script, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    said = iter(done.stdout.splitlines())
    counts = {k: [0, 0] for k in KINDS}
    for story_seed, s in stories:
        for upto, answer in s.answers:
            ours = next(said, None)
            if ours is None:
                complain(s, upto, "the tool ended: %s" % done.stderr.strip(), story_seed)
            if ours != str(int(answer)):
                complain(s, upto, "Optuna says %s, we say %s" % (answer, ours), story_seed)
            counts[s.kind][answer] += 1
        ours = next(said, None)
        if ours != s.attrs:
            complain(s, len(s.lines), "attributes: Optuna has\n%s\nwe have\n%s\n%s" % (s.attrs, ours, done.stderr), story_seed)
    if done.returncode:
        sys.exit("the tool failed: " + done.stderr)
    for k, (no, yes) in counts.items():
        print("count", k, no, yes)
    print(done.stderr.strip())


def main():
    p = argparse.ArgumentParser()
    p.add_argument("tool")
    p.add_argument("--studies", type=int, default=5000)
    p.add_argument("--seed", default=str(random.randrange(10**6)))
    p.add_argument("--jobs", type=int, default=2)
    p.add_argument("--part", type=int)
    a = p.parse_args()
    if a.part is not None:
        return inside(a.tool, a.studies, a.seed, a.part, a.jobs)
    python = os.environ.get("TRIALOG_PYTHON_OPTUNA")
    if not python:
        print("no Python with Optuna: set TRIALOG_PYTHON_OPTUNA")
        return 77
    return run_parts([python, __file__, a.tool], a, "%d studies, %.1f s; decisions:")


def run_parts(command, a, title):
    """Runs the studies in a.jobs processes, each a part of them, and judges what they counted."""
    print("seed", a.seed)
    start = time.monotonic()
    options = ["--studies", str(a.studies), "--seed", a.seed, "--jobs", str(a.jobs)]
    procs = [subprocess.Popen(command + options + ["--part", str(i)], stdout=subprocess.PIPE, text=True) for i in range(a.jobs)]
    counts, bad = {k: [0, 0] for k in KINDS}, 0
    for proc in procs:
        out, _ = proc.communicate()
        bad = bad or proc.returncode
        for line in out.splitlines():
            words = line.split()
            if words[:1] == ["count"]:
                counts[words[1]][0] += int(words[2])
                counts[words[1]][1] += int(words[3])
            else:
                print(line)
    if bad:
        return 1
    print(title % (a.studies, time.monotonic() - start))
    for k, (no, yes) in counts.items():
        print("  %-18s go on %6d   prune %6d" % (k, no, yes))
        least = a.studies * KINDS[k] // 200  # twice as many and more are usual, and chance takes a tenth of them at the most
        if no < least or (yes < least and k != "nop"):
            sys.exit("%s was not put to the test: at least %d of each were expected" % (k, least))
    return 0


if __name__ == "__main__":
    sys.exit(main())
