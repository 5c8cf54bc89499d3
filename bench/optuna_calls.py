# SPDX-License-Identifier: MIT
"""Optuna's side of calls.c and worker.c on any storage (redis://…?prefix=P is its JournalRedisBackend, else what get_storage makes of the URL).

    optuna_calls.py calls URL STUDY TRIALS     {"calls": N, "seconds": S, "cpu": S}
    optuna_calls.py read URL STUDY             {"trials": N, "seconds": S, "cpu": S}
    optuna_calls.py fill URL STUDY TRIALS      a study to read, through the tables of RDBStorage: by calls it takes an hour
    optuna_calls.py work URL STUDY TRIALS      "ready", waits for a line, {"trials": N, "start": S, "end": E}
"""
import json
import resource
import sys
import time
import warnings

warnings.simplefilter("ignore")
import optuna  # noqa: E402
from optuna.distributions import FloatDistribution  # noqa: E402
from optuna.study import StudyDirection  # noqa: E402
from optuna.trial import TrialState  # noqa: E402

optuna.logging.set_verbosity(optuna.logging.ERROR)


def open_storage(url):
    if url.startswith("redis://"):
        from optuna.storages.journal import JournalRedisBackend

        url, _, prefix = url.partition("?prefix=")
        return optuna.storages.JournalStorage(JournalRedisBackend(url, prefix=prefix))
    return optuna.storages.get_storage(url)


def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def say(**figures):
    print(json.dumps(figures), flush=True)


def calls(url, name, trials):
    s = open_storage(url)
    study = s.create_new_study([StudyDirection.MINIMIZE], name)
    dist = FloatDistribution(-10, 10)
    start, used, n = time.monotonic(), cpu(), 0
    for i in range(trials):
        t = s.create_new_trial(study)
        for k in range(5):
            s.set_trial_param(t, "x%d" % k, k + 0.25, dist)
        for k in range(5):
            s.set_trial_intermediate_value(t, k, i % 1000 + k)
        for k in range(2):
            s.set_trial_user_attr(t, "attr%d" % k, "value")
        s.set_trial_state_values(t, TrialState.COMPLETE, [i % 1000])
        n += 14
    say(calls=n, seconds=time.monotonic() - start, cpu=cpu() - used)


def fill(url, name, trials):
    import datetime
    from optuna.distributions import distribution_to_json
    from optuna.storages._rdb import models as m

    s = open_storage(url)
    study = s.create_new_study([StudyDirection.MINIMIZE], name)
    engine = s._backend.engine
    now, dist = datetime.datetime.now(), distribution_to_json(FloatDistribution(-10, 10))
    table = m.TrialModel.__table__
    for first in range(0, trials, 1000):
        numbers = range(first, min(first + 1000, trials))
        with engine.begin() as c:
            c.execute(table.insert(), [{"number": n, "study_id": study, "state": "COMPLETE", "datetime_start": now, "datetime_complete": now}
                                       for n in numbers])
            rows = c.execute(table.select().with_only_columns(table.c.trial_id, table.c.number).where(
                (table.c.study_id == study) & (table.c.number >= first)))
            ids = sorted((n, i) for i, n in rows)
            c.execute(m.TrialParamModel.__table__.insert(), [{"trial_id": i, "param_name": "x%d" % k, "param_value": k + 0.25,
                                                              "distribution_json": dist} for _, i in ids for k in range(5)])
            c.execute(m.TrialIntermediateValueModel.__table__.insert(), [
                {"trial_id": i, "step": k, "intermediate_value": n % 1000 + k, "intermediate_value_type": "FINITE"}
                for n, i in ids for k in range(5)])
            c.execute(m.TrialUserAttributeModel.__table__.insert(), [{"trial_id": i, "key": "attr%d" % k, "value_json": '"value"'}
                                                                     for _, i in ids for k in range(2)])
            c.execute(m.TrialValueModel.__table__.insert(), [{"trial_id": i, "objective": 0, "value": n % 1000, "value_type": "FINITE"}
                                                             for n, i in ids])


def read(url, name):
    start, used = time.monotonic(), cpu()
    s = open_storage(url)
    n = len(s.get_all_trials(s.get_study_id_from_name(name)))
    say(trials=n, seconds=time.monotonic() - start, cpu=cpu() - used)


def objective(trial):
    total = sum(trial.suggest_float("x%d" % j, -10, 10) ** 2 for j in range(5))
    for j in range(5):
        trial.report(total + j, j)
    return total


def work(url, name, trials):
    study = optuna.create_study(study_name=name, storage=open_storage(url), load_if_exists=True, sampler=optuna.samplers.RandomSampler())
    print("ready", flush=True)
    sys.stdin.readline()
    start = time.time()
    study.optimize(objective, n_trials=trials)
    say(trials=trials, start=start, end=time.time())


if __name__ == "__main__":
    {"calls": calls, "fill": fill, "read": read, "work": work}[sys.argv[1]](*sys.argv[2:4], *[int(x) for x in sys.argv[4:]])
