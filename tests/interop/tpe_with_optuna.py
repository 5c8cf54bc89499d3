#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tpe_with_optuna.py TRIALOG LIBRARY [--seed N]: Optuna's TPE workers and ours on one journal.

Two processes of Optuna (define-by-run, constant liar) and one of ours with two jobs share a study with a conditional parameter. At
the end every trial is COMPLETE, inside its distributions, as both read it, and each side did its part. Then: what a define-by-run
trial of ours publishes is what Optuna's sampler takes that trial's parameters to be.
"""
import argparse
import ctypes
import os
import random
import subprocess
import sys
import tempfile

wanted = os.environ.get("TRIALOG_PYTHON_OPTUNA")
# A virtual environment's Python is a link to the one that it was made with: only its own name tells them apart.
if wanted and os.path.abspath(sys.executable) != os.path.abspath(wanted) and "TPE_WITH_OPTUNA" not in os.environ:
    os.environ["TPE_WITH_OPTUNA"] = "1"
    os.execv(wanted, [wanted, *sys.argv])
try:
    import optuna
    from optuna.storages.journal import JournalFileBackend
except ImportError:
    print("skipped: no current Optuna")
    sys.exit(77)

WORKER = """
import sys, optuna
from optuna.storages.journal import JournalFileBackend
optuna.logging.set_verbosity(optuna.logging.ERROR)
sampler = optuna.samplers.TPESampler(multivariate=True, constant_liar=True, seed=int(sys.argv[2]), n_startup_trials=5)
study = optuna.load_study(study_name="s", storage=optuna.storages.JournalStorage(JournalFileBackend(sys.argv[1])), sampler=sampler)
def objective(trial):
    x, n = trial.suggest_float("x", -10, 10), trial.suggest_int("n", 1, 8)
    c = trial.suggest_categorical("c", ["a", "b"])
    return (x - 2) ** 2 + abs(n - 3) + (trial.suggest_float("deep", 1e-3, 1, log=True) if c == "b" else 0.5)
study.optimize(objective, n_trials=int(sys.argv[3]))
"""
PARAMS = ["--param", "x=float(-10,10)", "--param", "n=int(1,8)", "--param", "c=choice(a,b)", "--param", 'deep=float(0.001,1,log) if c=="b"']


def shared_study(trialog, path, seed):
    optuna.create_study(study_name="s", storage=optuna.storages.JournalStorage(JournalFileBackend(path)))
    theirs = [subprocess.Popen([sys.executable, "-c", WORKER, path, str(seed + i), "20"]) for i in range(2)]
    ours = subprocess.run([trialog, "optimize", "--storage", path, "--study-name", "s", "--jobs", "2", "--trials-here", "30", *PARAMS,
                           "--", "awk", "BEGIN {{ print ({x} - 2) ^ 2 + ({n} > 3 ? {n} - 3 : 3 - {n}) + 0.5 }}"],
                          capture_output=True, text=True, timeout=200)
    codes = [worker.wait(timeout=200) for worker in theirs]
    assert ours.returncode == 0, ours.stdout + ours.stderr
    assert codes == [0, 0], codes
    study = optuna.load_study(study_name="s", storage=optuna.storages.JournalStorage(JournalFileBackend(path)))
    trials = study.trials
    assert len(trials) == 70 and all(t.state.name == "COMPLETE" for t in trials), [t.state for t in trials]
    for t in trials:
        assert all(t.distributions[k]._contains(t.distributions[k].to_internal_repr(v)) for k, v in t.params.items()), t
        assert ("deep" in t.params) == (t.params["c"] == "b"), t
    best = subprocess.run([trialog, "best-trial", "--storage", path, "--study-name", "s", "--json"], capture_output=True, text=True, check=True)
    assert f'"number": {study.best_trial.number}' in best.stdout, best.stdout
    assert study.best_value < 5, study.best_value
    return study


def published(library, path, study):
    """A trial of Optuna's runs; one of ours asks for its first parameter."""
    tl = ctypes.CDLL(library)
    tl.tl_study_load.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]
    tl.tl_study_ask.argtypes = [ctypes.c_void_p] * 4
    tl.tl_trial_suggest_float.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_double, ctypes.c_double, ctypes.c_double, ctypes.c_bool,
                                          ctypes.c_void_p, ctypes.c_void_p]
    tl.tl_trial_number.restype = ctypes.c_int64
    for name in ("tl_trial_number", "tl_trial_free", "tl_study_free", "tl_storage_close"):
        getattr(tl, name).argtypes = [ctypes.c_void_p]
    storage, handle, trial, x = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_double()
    study.ask()
    assert tl.tl_storage_open(path.encode(), None, ctypes.byref(storage), None) == 0
    assert tl.tl_study_load(storage, b"s", None, ctypes.byref(handle), None) == 0
    assert tl.tl_study_ask(handle, None, ctypes.byref(trial), None) == 0
    assert tl.tl_trial_suggest_float(trial, b"x", -10, 10, 0, False, ctypes.byref(x), None) == 0
    seen = study.get_trials(deepcopy=False)[tl.tl_trial_number(trial)]
    assert seen.params == {}, seen.params
    params = optuna.samplers.TPESampler(multivariate=True, constant_liar=True)._get_params(seen, study)
    assert params.keys() == {"c", "n", "x"} and params["x"] == x.value and params["c"] in ("a", "b"), params
    tl.tl_trial_free(trial)
    tl.tl_study_free(handle)
    tl.tl_storage_close(storage)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("trialog")
    p.add_argument("library")
    p.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    args = p.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    print(f"Optuna {optuna.__version__}, seed {args.seed}")
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "journal")
        published(args.library, path, shared_study(args.trialog, path, args.seed))


if __name__ == "__main__":
    main()
