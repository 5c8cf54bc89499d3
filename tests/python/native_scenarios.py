# SPDX-License-Identifier: MIT
"""Scenarios that do the same with Optuna and with Trialog's native API: each takes the module, and returns what it found.

test_native_vs_optuna.py runs every function here on both modules and compares results, exceptions and warnings. So nothing here may depend on
what a sampler draws. A name that begins with `_` is no scenario.
"""
import math


def _trial_facts(t):
    return {
        "number": t.number,
        "state": t.state.name,
        "values": t.values,
        "params": t.params,
        "distributions": {name: repr(d) for name, d in t.distributions.items()},
        "user_attrs": t.user_attrs,
        "system_attrs": {k: v for k, v in t.system_attrs.items() if not k.startswith("tpe:")},
        "reports": t.intermediate_values,
        "begun": t.datetime_start is not None,
        "ended": t.datetime_complete is not None,
        "last_step": t.last_step,
        "constraints": t.constraints,
    }


def _outcome(call, *args, **kwargs):
    """A call's result or exception inside a scenario that goes on."""
    try:
        return call(*args, **kwargs)
    except Exception as e:
        return ("raised", next(c.__name__ for c in type(e).__mro__ if c.__module__ == "builtins" or c.__name__ in _OWN))


_OWN = {"DuplicatedStudyError", "UpdateFinishedTrialError", "TrialPruned", "StorageInternalError"}


def _quiet(o):
    o.logging.set_verbosity(o.logging.ERROR)


# ---- creating studies ----


def directions(o):
    found = []
    for kwargs in ({}, {"direction": "maximize"}, {"direction": o.study.StudyDirection.MAXIMIZE}, {"directions": ["minimize", "maximize"]}):
        s = o.create_study(**kwargs)
        found.append([d.name for d in s.directions])
    return found


def direction_of_several(o):
    return o.create_study(directions=["minimize", "minimize"]).direction


def bad_direction(o):
    return o.create_study(direction="up")


def no_directions(o):
    return o.create_study(directions=[])


def direction_twice(o):
    return o.create_study(direction="minimize", directions=["minimize"])


def directions_as_direction(o):
    return o.create_study(direction=["minimize"])


def names(o):
    s = o.create_study(study_name="a name, ü")
    return s.study_name, o.create_study().study_name.startswith("no-name-")


def a_name_twice(o):
    storage = o.storages.InMemoryStorage()
    o.create_study(storage=storage, study_name="s")
    return o.create_study(storage=storage, study_name="s")


def load_if_exists(o):
    storage = o.storages.InMemoryStorage()
    one = o.create_study(storage=storage, study_name="s", direction="maximize")
    one.set_user_attr("k", 1)
    two = o.create_study(storage=storage, study_name="s", load_if_exists=True, direction="maximize")
    return two.user_attrs, two.direction.name


def load_and_delete(o):
    storage = o.storages.InMemoryStorage()
    o.create_study(storage=storage, study_name="s")
    first = o.load_study(study_name="s", storage=storage).study_name
    only = o.load_study(study_name=None, storage=storage).study_name
    o.delete_study(study_name="s", storage=storage)
    gone = _outcome(o.load_study, study_name="s", storage=storage)
    none = _outcome(o.load_study, study_name=None, storage=storage)
    again = _outcome(o.delete_study, study_name="s", storage=storage)
    return first, only, gone, none, again, o.get_all_study_names(storage)


def all_names(o):
    storage = o.storages.InMemoryStorage()
    for name in ("b", "a", "c"):
        o.create_study(storage=storage, study_name=name)
    return o.study.get_all_study_names(storage), _outcome(o.load_study, study_name=None, storage=storage)


def summaries(o):
    _quiet(o)
    storage = o.storages.InMemoryStorage()
    s = o.create_study(storage=storage, study_name="one", direction="maximize")
    s.set_user_attr("k", [1])
    s.enqueue_trial({"x": 2})
    s.enqueue_trial({"x": 3})
    s.optimize(lambda t: t.suggest_int("x", 0, 5), n_trials=2)
    o.create_study(storage=storage, study_name="two", directions=["minimize", "maximize"])
    found = o.get_all_study_summaries(storage)
    without = o.get_all_study_summaries(storage, include_best_trial=False)
    return [
        (x.study_name, [d.name for d in x.directions], x.best_trial and x.best_trial.number, x.user_attrs, x.n_trials,
         x.datetime_start is not None)
        for x in found
    ], without[0].best_trial, found[0] < found[1], found[0] == found[0], _outcome(lambda: found[1].direction)


def copying(o):
    _quiet(o)
    a, b = o.storages.InMemoryStorage(), o.storages.InMemoryStorage()
    s = o.create_study(storage=a, study_name="s", directions=["minimize", "maximize"])
    s.set_user_attr("k", {"deep": [1, None]})
    s.enqueue_trial({"x": 1.5}, user_attrs={"u": 1})
    s.optimize(lambda t: (t.suggest_float("x", 0, 2), 1), n_trials=1)
    s.enqueue_trial({"x": 1})
    s.ask()
    s.ask()
    o.copy_study(from_study_name="s", from_storage=a, to_storage=b)
    o.copy_study(from_study_name="s", from_storage=a, to_storage=b, to_study_name="t")
    again = _outcome(o.copy_study, from_study_name="s", from_storage=a, to_storage=b)
    copies = [o.load_study(study_name=name, storage=b) for name in ("s", "t")]
    return [[_trial_facts(t) for t in c.trials] for c in copies], [c.user_attrs for c in copies], again


def study_attributes(o):
    s = o.create_study()
    s.set_user_attr("k", {"a": [1, 2.5, None, True, "ü\U0001f600"]})
    s.set_user_attr("nan", float("inf"))
    s.set_user_attr("big", 2**70)
    s.user_attrs["k"] = "changed"
    return s.user_attrs


def metric_names(o):
    s = o.create_study(directions=["minimize", "maximize"])
    before = s.metric_names
    s.set_metric_names(["loss", "speed"])
    return before, s.metric_names, _outcome(s.set_metric_names, ["one"])


# ---- suggesting ----


def _with(o, params, f):
    _quiet(o)
    s = o.create_study()
    s.enqueue_trial(params)
    found = []

    def objective(t):
        found.append(f(t))
        return 0.0

    s.optimize(objective, n_trials=1)
    return found[0], _trial_facts(s.trials[0])


def fixed_values(o):
    return _with(o, {"x": 0.25, "n": 3, "c": "b"}, lambda t: (
        t.suggest_float("x", 0, 1), t.suggest_int("n", 0, 5), t.suggest_categorical("c", ["a", "b"]), t.number))


def fixed_outside(o):
    return _with(o, {"x": 5.0, "n": 9}, lambda t: (t.suggest_float("x", 0, 1), t.suggest_int("n", 0, 5)))


def fixed_no_choice(o):
    return _with(o, {"c": "z"}, lambda t: _outcome(t.suggest_categorical, "c", ["a", "b"]))


def single_values(o):
    return _with(o, {}, lambda t: (
        t.suggest_float("x", 2, 2), t.suggest_int("n", 3, 3), t.suggest_categorical("c", [None]), t.suggest_float("s", 0, 1, step=2)))


def old_names(o):
    return _with(o, {"a": 0.5, "b": 0.5, "c": 0.5}, lambda t: (
        t.suggest_uniform("a", 0, 1), t.suggest_loguniform("b", 0.1, 1), t.suggest_discrete_uniform("c", 0, 1, 0.25)))


def kinds_of_choices(o):
    return _with(o, {"b": True, "n": None, "i": 3, "f": 2.5, "s": "ü"}, lambda t: (
        t.suggest_categorical("b", (True, False)), t.suggest_categorical("n", [None, 1]), t.suggest_categorical("i", [1, 2, 3]),
        t.suggest_categorical("f", [1.5, 2.5]), t.suggest_categorical("s", ["u", "ü"])))


def range_ends_are_reached(o):
    def f(t):
        x = t.suggest_float("x", 0, 1, step=0.3)
        n = t.suggest_int("n", 0, 10, step=3)
        return x, n

    return _with(o, {"x": 0.9, "n": 9}, f)


def the_same_name_again(o):
    def f(t):
        return (
            t.suggest_float("x", 0, 1), t.suggest_float("x", 0, 1), t.suggest_float("x", 0, 2),
            _outcome(t.suggest_int, "x", 0, 1), _outcome(t.suggest_float, "x", 0.1, 1, log=True),
            t.suggest_categorical("c", ["a", "b"]), t.suggest_categorical("c", ["a", "b"]),
            _outcome(t.suggest_categorical, "c", ["a", "c"]),
        )

    return _with(o, {"x": 0.5, "c": "b"}, f)


def another_kind_in_a_later_trial(o):
    _quiet(o)
    s = o.create_study()
    s.ask().suggest_float("x", 0, 1)
    t = s.ask()
    return _outcome(t.suggest_int, "x", 0, 1), _outcome(t.suggest_categorical, "x", [1]), t.params


def bad_ranges(o):
    t = o.create_study().ask()
    return [
        _outcome(t.suggest_float, "a", 1, 0), _outcome(t.suggest_float, "a", 0, 1, log=True), _outcome(t.suggest_float, "a", 1, 2, step=0.5, log=True),
        _outcome(t.suggest_float, "a", 0, 1, step=0), _outcome(t.suggest_float, "a", 0, 1, step=-1), _outcome(t.suggest_int, "a", 1, 0),
        _outcome(t.suggest_int, "a", 0, 1, log=True), _outcome(t.suggest_int, "a", 1, 9, log=True, step=2), _outcome(t.suggest_int, "a", 0, 1, step=0),
        _outcome(t.suggest_categorical, "a", []), _outcome(t.suggest_float, "a", "0", 1), _outcome(t.suggest_float, "a", 0),
        _outcome(t.suggest_float, "a", 0, 1, 0.5), t.params,
    ]


def by_name(o):
    t = o.create_study().ask()
    return t.suggest_float(name="x", low=1, high=1), t.suggest_int(high=4, low=4, name="n"), t.suggest_categorical(choices=["c"], name="c")


def params_are_copies(o):
    t = o.create_study().ask()
    t.suggest_float("x", 1, 1)
    t.params["x"] = 9
    t.distributions.clear()
    return t.params, {k: repr(d) for k, d in t.distributions.items()}


# ---- reporting, attributes ----


def reports(o):
    t = o.create_study().ask()
    t.report(1, 0)
    t.report("2.5", 1)
    t.report(float("nan"), 2)
    t.report(7, 1)
    bad = [
        _outcome(t.report, "x", 3), _outcome(t.report, 1, "x"), _outcome(t.report, 1, -1), _outcome(t.report, None, 3), _outcome(t.report, 1, None),
        _outcome(t.report, [1], 3),
    ]
    return bad, str(t.study.trials[0].intermediate_values), t.should_prune()


def reports_with_several_objectives(o):
    t = o.create_study(directions=["minimize", "minimize"]).ask()
    return _outcome(t.report, 1, 0), _outcome(t.should_prune)


def pruned_by_the_median(o):
    _quiet(o)
    s = o.create_study(pruner=o.pruners.MedianPruner(n_startup_trials=2, n_warmup_steps=1))
    found = []
    for values in ([1, 2, 3], [2, 3, 4], [5, 1, 9], [0, 0, 0]):
        t = s.ask()
        pruned = False
        for step, value in enumerate(values):
            t.report(value, step)
            pruned = t.should_prune()
            if pruned:
                break
        found.append((pruned, step))
        s.tell(t, state=o.trial.TrialState.PRUNED if pruned else o.trial.TrialState.COMPLETE, values=None if pruned else values[-1])
    return found, [_trial_facts(t) for t in s.trials]


def trial_attributes(o):
    t = o.create_study().ask()
    t.set_user_attr("k", {"a": [1, None]})
    t.set_user_attr("k", 2)
    t.set_user_attr("u", "ü")
    t.user_attrs["k"] = 5
    return t.user_attrs, t.study.trials[0].user_attrs


def constraints(o):
    t = o.create_study().ask()
    t.set_constraint("c", 1)
    t.set_constraint("d", "0.5")
    t.set_constraint("c", -1)
    return t.constraints, _outcome(t.set_constraint, "n", float("nan")), _outcome(t.set_constraint, "n", None), t.study.trials[0].constraints


def best_is_feasible(o):
    _quiet(o)
    s = o.create_study()
    for value, limit in ((1.0, 1), (2.0, 0), (3.0, -1)):
        t = s.ask()
        t.set_constraint("c", limit)
        s.tell(t, value)
    only = o.create_study()
    t = only.ask()
    t.set_constraint("c", 1)
    only.tell(t, 1.0)
    return s.best_trial.number, s.best_value, [x.number for x in s.best_trials], _outcome(lambda: only.best_trial), only.best_trials


# ---- ask and tell ----


def ask_and_tell(o):
    _quiet(o)
    s = o.create_study()
    t = s.ask()
    x = t.suggest_float("x", 1, 1)
    told = s.tell(t, x)
    return _trial_facts(told), t.number, t.params, _trial_facts(s.trials[0]), t.datetime_start is not None


def ask_with_distributions(o):
    s = o.create_study()
    t = s.ask({"x": o.distributions.FloatDistribution(1, 1), "n": o.distributions.IntDistribution(2, 2),
               "c": o.distributions.CategoricalDistribution(("a",))})
    return t.params, {k: repr(d) for k, d in t.distributions.items()}, t.suggest_float("x", 1, 1)


def tell_by_number(o):
    _quiet(o)
    s = o.create_study()
    t = s.ask()
    t.suggest_float("x", 1, 1)
    return _trial_facts(s.tell(t.number, 2)), _outcome(s.tell, 7, 1.0), _outcome(s.tell, "0", 1.0), _outcome(s.tell, None, 1.0)


def tell_states(o):
    _quiet(o)
    State = o.trial.TrialState
    s = o.create_study()
    found = []
    for kwargs in (
        {"values": 1}, {"values": [2]}, {"values": 1.0, "state": State.COMPLETE}, {"state": State.PRUNED}, {"state": State.FAIL},
        {"values": 1.0, "state": State.FAIL}, {"values": 1.0, "state": State.PRUNED}, {"state": State.COMPLETE}, {"state": State.RUNNING},
        {"state": State.WAITING}, {"values": math.nan}, {"values": "x"}, {"values": None}, {"values": [1, 2]}, {"values": math.inf},
        {"values": math.nan, "state": State.COMPLETE}, {"values": [1, 2], "state": State.COMPLETE}, {"values": (4,)},
        {"values": []}, {"values": True},
    ):
        t = s.ask()
        result = _outcome(s.tell, t, **kwargs)
        found.append(result if isinstance(result, tuple) else (result.state.name, result.values))
    return found, [t.state.name for t in s.trials]


def a_pruned_trial_takes_its_last_report(o):
    _quiet(o)
    s = o.create_study()
    found = []
    for reports_ in ([], [(0, 1.0), (5, 2.0), (3, 9.0)], [(0, 1.0), (1, math.nan)]):
        t = s.ask()
        for step, value in reports_:
            t.report(value, step)
        found.append(s.tell(t, state=o.trial.TrialState.PRUNED).values)
    return found


def tell_twice(o):
    _quiet(o)
    s = o.create_study()
    t = s.ask()
    s.tell(t, 1.0)
    skipped = s.tell(t, 2.0, skip_if_finished=True)
    s.enqueue_trial({})
    return (
        _outcome(s.tell, t, 2.0), _outcome(s.tell, 0, 2.0), skipped.value, s.tell(0, state=o.trial.TrialState.FAIL, skip_if_finished=True).value,
        _outcome(s.tell, 1, 2.0), _outcome(s.tell, 1, 2.0, skip_if_finished=True), _outcome(t.set_user_attr, "k", 1), _outcome(t.report, 1.0, 0),
        _outcome(t.suggest_float, "new", 0, 1),
    )


def tell_with_several_objectives(o):
    _quiet(o)
    s = o.create_study(directions=["minimize", "maximize"])
    found = [_outcome(s.tell, s.ask(), v) for v in ([1, 2], (3, 4), 1.0, [1], [1, math.nan])]
    return [f if isinstance(f, tuple) else (f.state.name, f.values) for f in found], _outcome(lambda: s.trials[0].value)


# ---- the queue ----


def the_queue(o):
    _quiet(o)
    s = o.create_study()
    s.enqueue_trial({"x": 1.0}, user_attrs={"why": "first"})
    s.enqueue_trial({"x": 2})
    s.enqueue_trial({"x": 1.0}, skip_if_exists=True)
    s.enqueue_trial({"x": 1.0000001}, skip_if_exists=True)
    s.enqueue_trial({"x": 3, "y": 1}, skip_if_exists=True)
    before = [_trial_facts(t) for t in s.trials]
    s.optimize(lambda t: t.suggest_float("x", 0, 9), n_trials=3)
    return before, [_trial_facts(t) for t in s.trials], _outcome(s.enqueue_trial, [1]), s.ask().number


def adding_trials(o):
    _quiet(o)
    s = o.create_study()
    State = o.trial.TrialState
    d = {"x": o.distributions.FloatDistribution(0, 1), "c": o.distributions.CategoricalDistribution(["a", None])}
    s.add_trial(o.trial.create_trial(value=1.0, params={"x": 0.5, "c": None}, distributions=d, user_attrs={"u": 1}, system_attrs={"s": [2]},
                                     intermediate_values={0: 1.0, 5: 2.0}))
    s.add_trials([o.create_trial(state=state) for state in (State.FAIL, State.PRUNED, State.RUNNING, State.WAITING)])
    other = o.create_study()
    other.add_trials(s.trials)
    several = o.create_study(directions=["minimize", "minimize"])
    return (
        [_trial_facts(t) for t in s.trials], [_trial_facts(t) for t in other.trials], _outcome(several.add_trial, s.trials[0]), s.best_params,
        len(s.trials),
    )


def bad_trials(o):
    State = o.trial.TrialState
    d = o.distributions.FloatDistribution(0, 1)
    make = o.trial.create_trial
    return [
        _outcome(make), _outcome(make, value=1, values=[1]), _outcome(make, value=math.nan), _outcome(make, state=State.FAIL, value=1.0),
        _outcome(make, value=1, params={"x": 1}), _outcome(make, value=1, params={"x": 5.0}, distributions={"x": d}),
        _outcome(make, value=1, params={"x": "a"}, distributions={"x": d}), _outcome(make, value=1, distributions={"x": d}),
        make(value=1, constraints={"c": 1}).constraints, _outcome(make, value=1, constraints={"c": math.nan}),
    ]


# ---- optimize ----


def optimize_states(o):
    _quiet(o)
    s = o.create_study()

    def objective(t):
        t.suggest_float("x", 1, 1)
        if t.number == 1:
            raise o.TrialPruned()
        if t.number == 2:
            t.report(4.0, 3)
            raise o.exceptions.TrialPruned("because")
        if t.number == 3:
            raise ValueError("caught")
        return {4: None, 5: math.nan, 6: "x", 8: [8], 9: (1, 2), 10: math.inf}.get(t.number, 0.5)

    s.optimize(objective, n_trials=11, catch=(ValueError,))
    return [_trial_facts(t) for t in s.trials], s.best_trial.number


def an_exception_ends_it(o):
    _quiet(o)
    s = o.create_study()

    def objective(t):
        if t.number == 2:
            raise KeyError("boom")
        return 1.0

    return _outcome(s.optimize, objective, n_trials=9, catch=ValueError), [t.state.name for t in s.trials]


def catching(o):
    _quiet(o)
    s = o.create_study()

    def objective(t):
        raise (KeyError, OSError)[t.number % 2]("boom")

    s.optimize(objective, n_trials=2, catch=[KeyError, OSError])
    s.optimize(objective, n_trials=2, catch=Exception)
    return [t.state.name for t in s.trials]


def stopping(o):
    _quiet(o)
    s = o.create_study()

    def objective(t):
        if t.number == 3:
            t.study.stop()
        return 1.0

    s.optimize(objective, n_trials=9)
    outside = _outcome(s.stop)
    s.optimize(lambda t: 1.0, n_trials=2)
    return len(s.trials), outside


def nested(o):
    _quiet(o)
    s = o.create_study()
    found = []

    def objective(t):
        found.append(_outcome(s.optimize, lambda t: 1.0, n_trials=1))
        return 1.0

    s.optimize(objective, n_trials=1)
    return found


def callbacks(o):
    _quiet(o)
    s = o.create_study()
    seen = []

    def one(study, trial):
        seen.append((study is s, type(trial).__name__, trial.number, trial.state.name, trial.params))
        trial.params["x"] = "changed"

    def two(study, trial):
        seen.append(dict(trial.params))

    s.optimize(lambda t: t.suggest_int("x", 2, 2), n_trials=2, callbacks=[one, two])
    return seen


def max_trials(o):
    _quiet(o)
    s = o.create_study()
    s.optimize(lambda t: 1.0 if t.number % 2 else None, n_trials=50, callbacks=[o.study.MaxTrialsCallback(3)])
    n = len(s.trials)
    s.optimize(lambda t: 1.0, n_trials=50, callbacks=[o.study.MaxTrialsCallback(9, states=None)])
    return n, len(s.trials)


def several_jobs(o):
    _quiet(o)
    s = o.create_study()
    s.optimize(lambda t: float(t.number), n_trials=20, n_jobs=3, gc_after_trial=True)
    return sorted(t.value for t in s.trials), s.best_value


def an_exception_with_several_jobs(o):
    _quiet(o)
    s = o.create_study()

    def objective(t):
        raise KeyError("boom")

    return _outcome(s.optimize, objective, n_trials=20, n_jobs=2), {t.state.name for t in s.trials}


def no_time(o):
    s = o.create_study()
    s.optimize(lambda t: 1.0, timeout=0)
    s.optimize(lambda t: 1.0, n_trials=0)
    s.optimize(lambda t: 1.0, n_trials=-1)
    return len(s.trials)


def an_objective_sees_its_own_trial(o):
    _quiet(o)
    s = o.create_study()
    seen = []

    def objective(t):
        t.suggest_float("x", 1, 1)
        t.set_user_attr("k", 1)
        me = t.study.get_trials(deepcopy=False)[t.number]
        seen.append((me.state.name, me.params, me.user_attrs, t.study.trials[-1].params))
        return 1.0

    s.optimize(objective, n_trials=2)
    return seen


def multi_objective(o):
    _quiet(o)
    s = o.create_study(directions=["minimize", "maximize"])
    points = [(1, 1), (2, 2), (1, 2), (3, 1), (1, 2), (0, 0)]
    s.optimize(lambda t: points[t.number], n_trials=6)
    return [t.number for t in s.best_trials], [t.values for t in s.trials], _outcome(lambda: s.best_trial), _outcome(lambda: s.best_value)


# ---- results ----


def nothing_yet(o):
    s = o.create_study()
    return s.trials, _outcome(lambda: s.best_trial), _outcome(lambda: s.best_value), _outcome(lambda: s.best_params), s.best_trials


def the_best(o):
    _quiet(o)
    found = []
    for direction in ("minimize", "maximize"):
        s = o.create_study(direction=direction)
        s.optimize(lambda t: {0: 3.0, 1: 1.0, 2: 9.0, 3: 9.0, 4: 1.0}.get(t.number), n_trials=6)
        found.append((s.best_trial.number, s.best_value, s.best_params, [t.number for t in s.best_trials]))
    return found


def filtered(o):
    _quiet(o)
    State = o.trial.TrialState
    s = o.create_study()
    s.optimize(lambda t: 1.0 if t.number != 1 else None, n_trials=3)
    s.enqueue_trial({"x": 1})
    return [[t.number for t in s.get_trials(deepcopy=False, states=states)]
            for states in (None, (State.COMPLETE,), [State.FAIL, State.WAITING], {State.RUNNING}, ())]


def trials_are_copies(o):
    _quiet(o)
    s = o.create_study()
    s.optimize(lambda t: t.suggest_float("x", 1, 1), n_trials=1)
    s.trials[0].params["x"] = 5
    s.best_trial.user_attrs["k"] = 5
    s.trials[0].values = [7]
    return _trial_facts(s.trials[0]), s.best_value


# ---- objects ----


def frozen_trials(o):
    t = o.trial.create_trial(value=2.0, params={"x": 0.5}, distributions={"x": o.distributions.FloatDistribution(0, 1)},
                             intermediate_values={3: 1.0, 1: 2.0})
    u = o.trial.create_trial(values=[1, 2])
    late = _outcome(lambda: u.value)
    t.value = 3
    first = t.values
    t.value = None
    t.report(1, 1)
    return (
        first, t.value, t.last_step, t.duration.total_seconds(), late, t.suggest_float("x", 0, 1), t.suggest_float("x", 0, 0.25),
        _outcome(t.suggest_int, "x", 0, 1), _outcome(t.suggest_float, "y", 0, 1), t.should_prune(), t < u, t <= u, t == u, t == t,
        sorted(vars(t)), repr(u).partition("datetime_start")[0], _outcome(hash, t),
    )


def fixed_trials(o):
    t = o.trial.FixedTrial({"x": 0.5, "n": 2, "c": "a"}, number=7)
    found = t.suggest_float("x", 0, 1), t.suggest_int("n", 0, 5), t.suggest_categorical("c", ["a", "b"])
    before = t.params
    t.set_user_attr("k", 1)
    t.set_constraint("c", 1)
    t.report(1, 1)
    return (
        found, dict(before), t.number, t.user_attrs, t.constraints, t.should_prune(), _outcome(t.suggest_float, "z", 0, 1),
        _outcome(t.suggest_float, "n", 0, 1, log=True), t.suggest_float("x", 0, 0.25), _outcome(t.suggest_categorical, "c", ["b"]),
        {k: repr(d) for k, d in t.distributions.items()}, t.datetime_start is not None,
    )


def states_and_directions(o):
    State, Direction = o.trial.TrialState, o.study.StudyDirection
    return [(s.name, int(s), s.is_finished(), repr(s), str(s)) for s in State], [(d.name, int(d), repr(d)) for d in Direction]


def exceptions(o):
    e = o.exceptions
    return [
        issubclass(e.TrialPruned, e.OptunaError), issubclass(e.UpdateFinishedTrialError, RuntimeError), issubclass(e.DuplicatedStudyError, e.OptunaError),
        issubclass(e.StorageInternalError, e.OptunaError), issubclass(e.OptunaError, Exception), o.TrialPruned is e.TrialPruned,
    ]


def distributions(o):
    d = o.distributions
    F, I, C = d.FloatDistribution, d.IntDistribution, d.CategoricalDistribution
    every = [F(0, 1), F(0, 1, step=0.25), F(1e-5, 1, log=True), I(0, 5), I(1, 9, log=True), I(0, 9, step=3), C(("a", 1, None, 2.5, True)),
             F(3, 3), I(0, 1, step=5), C([math.nan])]
    facts = []
    for x in every:
        text = d.distribution_to_json(x)
        again = d.json_to_distribution(text)
        facts.append((repr(x), text, again == x, x.single(), type(again).__name__, str(vars(x)),
                      [x._contains(v) for v in (0, 0.5, 1, 3, 5, 9, -1)],
                      [repr(_outcome(x.to_internal_repr, v)) for v in (1, "a", None, math.nan, "2", -1, True, 2.5)],
                      [repr(x.to_external_repr(0.0))]))
    same = [[a == b for b in every] for a in every]
    hashes = len({hash(x) for x in every[:7]})
    return facts, same, hashes, F(0, 1) == 5


def choices_equal_as_in_python(o):
    C = o.distributions.CategoricalDistribution
    return C([1, 0]) == C([True, False]), C([1.0]).to_internal_repr(True), C(["a", math.nan]).to_internal_repr(math.nan), C(["a"]) == C(["a", "b"])


def bad_distributions(o):
    d = o.distributions
    F, I, C = d.FloatDistribution, d.IntDistribution, d.CategoricalDistribution
    return [
        _outcome(F, 1, 0), _outcome(F, 0, 1, log=True), _outcome(F, 1, 2, log=True, step=1), _outcome(F, 0, 1, step=0), _outcome(I, 1, 0),
        _outcome(I, 0, 1, log=True), _outcome(I, 1, 2, log=True, step=2), _outcome(I, 0, 1, step=0), _outcome(C, []), repr(F(0, 1, step=0.3)),
        repr(I(0, 10, step=3)), repr(C([(1, 2)])), _outcome(d.json_to_distribution, '{"name": "Nothing", "attributes": {}}'),
        _outcome(d.json_to_distribution, '{"type": "nothing"}'),
    ]


def distributions_as_people_write_them(o):
    read = o.distributions.json_to_distribution
    return [repr(read(t)) for t in (
        '{"type": "float", "low": 0, "high": 1}', '{"type": "float", "low": 1, "high": 2, "log": true}', '{"type": "int", "low": 0, "high": 9, "step": 3}',
        '{"type": "int", "low": 0, "high": 9, "step": null}', '{"type": "categorical", "choices": ["a", 1]}')]


def old_distributions(o):
    d = o.distributions
    every = [d.UniformDistribution(0, 1), d.LogUniformDistribution(1, 2), d.DiscreteUniformDistribution(0, 1, 0.25), d.IntUniformDistribution(0, 9, 3),
             d.IntLogUniformDistribution(1, 9)]
    t = o.create_trial(value=1, params={"x": 0.5}, distributions={"x": every[0]})
    return [(repr(x), d.distribution_to_json(x), x.single()) for x in every], repr(t.distributions["x"]), every[0] == d.FloatDistribution(0, 1)


def compatibility(o):
    d = o.distributions
    F, I, C = d.FloatDistribution, d.IntDistribution, d.CategoricalDistribution
    pairs = [(F(0, 1), F(5, 9)), (F(0, 1), F(0, 1, step=0.5)), (F(1, 2), F(1, 2, log=True)), (F(0, 1), I(0, 1)), (I(0, 1), I(0, 5, step=5)),
             (C([1, 2]), C([1, 2])), (C([1, 2]), C([2, 1])), (C([1]), C([True]))]
    return [_outcome(d.check_distribution_compatibility, *p) for p in pairs]


def search_spaces(o):
    _quiet(o)
    s = o.create_study()

    def objective(t):
        t.suggest_int("n", 0, 1)
        t.suggest_float("x", 0, 1 + (t.number == 2))
        if t.number % 2:
            t.suggest_float("b", 0, 1)
            raise o.TrialPruned
        return t.suggest_categorical("a", [1, 2])

    found = [o.search_space.intersection_search_space(s.trials)]
    s.optimize(objective, n_trials=2)
    found.append(o.search_space.IntersectionSearchSpace().calculate(s))
    found.append(o.search_space.IntersectionSearchSpace(include_pruned=True).calculate(s))
    s.optimize(objective, n_trials=1)
    found.append(o.search_space.intersection_search_space(s.trials))
    return [[(name, repr(d)) for name, d in space.items()] for space in found]


def verbosity(o):
    log = o.logging
    log.set_verbosity(log.WARNING)
    found = [log.get_verbosity()]
    log.set_verbosity(log.INFO)
    found.append(log.get_verbosity())
    log.disable_default_handler()
    log.enable_default_handler()
    log.enable_propagation()
    log.disable_propagation()
    return found, [getattr(log, n) for n in ("CRITICAL", "DEBUG", "ERROR", "FATAL", "INFO", "WARN", "WARNING")], log.get_logger("optuna") is not None


def what_is_logged(o):
    """The number of messages and their levels, not their words."""
    import logging

    records = []

    class Keep(logging.Handler):
        def emit(self, record):
            records.append((record.levelname, record.exc_info is not None and record.exc_info[0] is not None))

    o.logging.set_verbosity(o.logging.INFO)
    o.logging.disable_default_handler()
    keep = Keep()
    o.logging.get_logger("optuna").addHandler(keep)
    try:
        s = o.create_study()
        records.clear()

        def objective(t):
            t.suggest_float("x", 0, 1)
            if t.number == 1:
                raise o.TrialPruned
            if t.number == 2:
                raise ValueError("boom")
            return None if t.number == 3 else 1.0

        s.optimize(objective, n_trials=4, catch=(ValueError,))
    finally:
        o.logging.get_logger("optuna").removeHandler(keep)
        o.logging.enable_default_handler()
    return records
