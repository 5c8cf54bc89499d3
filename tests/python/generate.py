# SPDX-License-Identifier: MIT
"""Random studies with everything that a storage of Optuna must hold: all states, kinds of distributions, numbers, texts and attributes."""
import datetime
import math
import random

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState

TEXTS = ["", "a", "é", "日本", "\U0001f600", 'quote " and \\', "line\nbreak\ttab\x01\x7f", "\ud800 alone", "\udfff", "a" * 3000]
NUMBERS = [0, 1, -1, 2**53, 2**53 + 1, -(2**63), 2**64, 10**40, 0.1, -0.0, 1e-300, 1e300, 5e-324, math.inf, -math.inf, math.nan]


def attribute(rng, depth=0):
    kind = rng.randrange(8 if depth < 3 else 5)
    if kind == 0:
        return rng.choice(TEXTS)
    if kind in (1, 2):
        return rng.choice(NUMBERS)
    if kind == 3:
        return rng.choice([None, True, False])
    if kind == 4:
        return rng.random()
    if kind == 5:
        return [attribute(rng, depth + 1) for _ in range(rng.randrange(4))]
    return {rng.choice(TEXTS[:7]) + str(i): attribute(rng, depth + 1) for i in range(rng.randrange(4))}


def distribution(rng):
    kind = rng.randrange(6)
    if kind == 0:
        return FloatDistribution(-rng.random(), 1 + rng.random())
    if kind == 1:
        return FloatDistribution(1e-5, 10.0, log=True)
    if kind == 2:
        return FloatDistribution(0.0, 1.0, step=0.1)
    if kind == 3:
        return IntDistribution(-5, 5 + rng.randrange(3) * 2, step=2)
    if kind == 4:
        return IntDistribution(1, 1000, log=True)
    return CategoricalDistribution([None, True, "x", "é\ud800", 1.5, 7, math.inf][: rng.randrange(1, 8)])


def value_of(rng, d):
    if isinstance(d, CategoricalDistribution):
        return rng.choice(d.choices)
    if isinstance(d, IntDistribution):
        return rng.randrange(d.low, d.high + 1, d.step)
    return d.low if d.step else rng.uniform(d.low, d.high)


def moment(rng):
    return datetime.datetime(2026, 1, 1) + datetime.timedelta(microseconds=rng.randrange(300 * 86400 * 10**6))


def trial(rng, dists, n_values):
    state = rng.choice(list(TrialState))
    started = state != TrialState.WAITING
    names = rng.sample(sorted(dists), rng.randrange(len(dists) + 1))
    t = optuna.trial.FrozenTrial(
        number=-1, trial_id=-1, state=state, value=None,
        values=[rng.choice([rng.random(), 1, math.inf, -math.inf]) for _ in range(n_values)] if state == TrialState.COMPLETE else None,
        datetime_start=moment(rng) if started else None,
        datetime_complete=moment(rng) if state.is_finished() else None,
        params={n: value_of(rng, dists[n]) for n in names}, distributions={n: dists[n] for n in names},
        user_attrs={rng.choice(TEXTS[1:7]): attribute(rng) for _ in range(rng.randrange(3))},
        system_attrs={rng.choice(TEXTS[1:7]): attribute(rng) for _ in range(rng.randrange(3))},
        intermediate_values={s: rng.choice([rng.random(), math.nan, math.inf]) for s in rng.sample(range(100), rng.randrange(4))},
    )
    return t


def fill(study, seed, n_trials=20):
    """Adds random trials and attributes to a study."""
    rng = random.Random(seed)
    dists = {name: distribution(rng) for name in ("x", "y", "z", "é", "q r")}
    for _ in range(3):
        study.set_user_attr(rng.choice(TEXTS[1:7]), attribute(rng))
        study._storage.set_study_system_attr(study._study_id, rng.choice(TEXTS[1:7]), attribute(rng))
    for _ in range(n_trials):
        study._storage.create_new_trial(study._study_id, trial(rng, dists, len(study.directions)))
