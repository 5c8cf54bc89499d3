# SPDX-License-Identifier: MIT
"""Trialog's own Python API: a study in a journal file, without Optuna.

    PYTHONPATH=build/dev/python python3 examples/native_study.py [JOURNAL]
"""
import math
import os
import sys
import tempfile

import trialog


def objective(trial):
    """How far a ball flies, thrown at an angle from a height; bad throws are given up half-way."""
    angle = trial.suggest_float("angle", 0, 90)
    hand = trial.suggest_categorical("hand", ["left", "right"])
    speed = 20 if hand == "right" else 14
    height = 1 + trial.suggest_int("boxes", 0, 3) / 2
    rise, forward = speed * math.sin(math.radians(angle)), speed * math.cos(math.radians(angle))
    end = (rise + math.sqrt(rise**2 + 2 * 9.81 * height)) / 9.81
    for step in range(10):
        trial.report(forward * end * (step + 1) / 10, step)
        if trial.should_prune():
            raise trialog.TrialPruned
    trial.set_user_attr("seconds", end)
    return forward * end


def main():
    trialog.logging.set_verbosity(trialog.logging.WARNING)
    folder = tempfile.TemporaryDirectory()
    path = sys.argv[1] if len(sys.argv) > 1 else os.path.join(folder.name, "throws.journal")

    study = trialog.create_study(storage=path, study_name="throws", direction="maximize", load_if_exists=True)
    study.enqueue_trial({"angle": 45, "hand": "right"})  # a guess of our own comes first
    study.optimize(objective, n_trials=60, show_progress_bar=True)
    best = study.best_trial
    states = [trial.state.name for trial in study.trials]
    print(f"best: {best.value:.2f} m with {best.params}, {best.user_attrs['seconds']:.1f} s in the air")
    print({state: states.count(state) for state in sorted(set(states))})

    # Ask and tell: whoever has the loop.
    for _ in range(20):
        trial = study.ask({"angle": trialog.distributions.FloatDistribution(0, 90)})
        study.tell(trial, 40 - abs(trial.params["angle"] - 43))
    print(f"{len(study.trials)} trials in {os.path.basename(path)}, best {study.best_value:.2f}")

    # Several objectives: far, but soon down.
    both = trialog.create_study(storage=path, study_name="far and quick", directions=["maximize", "minimize"], load_if_exists=True)
    both.optimize(lambda t: (math.sin(2 * (a := t.suggest_float("angle", 0.1, 1.5))), math.sin(a)), n_trials=60)
    print(f"{len(both.best_trials)} of {len(both.trials)} are on the front")
    print("studies:", trialog.get_all_study_names(path))


main()
