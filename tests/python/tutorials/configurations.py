# SPDX-License-Identifier: MIT
# Key feature 2: search spaces in Python: every kind of parameter, branches, loops, parameters in other functions.
import optuna

optuna.logging.set_verbosity(optuna.logging.ERROR)


def every_kind(trial):
    optimizer = trial.suggest_categorical("optimizer", ["momentum", "adam"])
    layers = trial.suggest_int("layers", 1, 3)
    channels = trial.suggest_int("channels", 32, 512, log=True)
    units = trial.suggest_int("units", 10, 100, step=5)
    dropout = trial.suggest_float("dropout", 0.0, 1.0)
    rate = trial.suggest_float("rate", 1e-5, 1e-2, log=True)
    drop_path = trial.suggest_float("drop_path", 0.0, 1.0, step=0.1)
    assert optimizer in ("momentum", "adam") and 1 <= layers <= 3 and 32 <= channels <= 512
    assert units % 5 == 0 and 0 <= dropout <= 1 and 1e-5 <= rate <= 1e-2 and abs(drop_path * 10 - round(drop_path * 10)) < 1e-9
    return layers + dropout


def branches(trial):
    if trial.suggest_categorical("classifier", ["SVC", "RandomForest"]) == "SVC":
        return trial.suggest_float("svc_c", 1e-10, 1e10, log=True)
    return trial.suggest_int("rf_max_depth", 2, 32, log=True)


def make_layers(trial):
    n_layers = trial.suggest_int("n_layers", 1, 4)
    return [trial.suggest_int(f"n_units_l{i}", 4, 128, log=True) for i in range(n_layers)]


def loops(trial):
    return sum(make_layers(trial)) / 128


for objective in (every_kind, branches, loops):
    study = optuna.create_study()
    study.optimize(objective, n_trials=40)
    names = sorted({name for trial in study.trials for name in trial.params})
    kinds = {name: type(d).__name__ for trial in study.trials for name, d in trial.distributions.items()}
    print(objective.__name__, [t.state.name for t in study.trials].count("COMPLETE"), names[:1], sorted(set(kinds.values())))

fixed = optuna.trial.FixedTrial({"classifier": "SVC", "svc_c": 2.5})
print("without a study:", branches(fixed), fixed.params)
