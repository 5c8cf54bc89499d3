#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes a journal of finished trials in Optuna's line format, without running an optimisation.

    journal.py OUT TRIALS [--params 5] [--reports 5] [--attrs 2]
"""
import argparse
import datetime
import json
import random
import uuid

DIST = json.dumps({"name": "FloatDistribution",
                   "attributes": {"step": None, "low": -10.0, "high": 10.0, "log": False}})


def write(out, trials, params=5, reports=5, attrs=2, workers=4, study="bench", seed=1):
    """Returns (lines, bytes)."""
    rnd = random.Random(seed)
    ids = [f"{uuid.UUID(int=rnd.getrandbits(128))}-{140000000000000 + 4096 * i}" for i in range(workers)]
    clock = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
    step = datetime.timedelta(milliseconds=3)
    lines = 0
    with open(out, "w") as f:
        def put(op, worker, **members):
            nonlocal lines
            lines += 1
            f.write(json.dumps({"op_code": op, "worker_id": worker, **members}, separators=(",", ":")) + "\n")

        put(0, ids[0], study_name=study, directions=[1])
        for i in range(trials):
            me = ids[i % workers]
            clock += step
            put(4, me, study_id=0, datetime_start=clock.isoformat(timespec="microseconds"))
            for j in range(params):
                put(5, me, trial_id=i, param_name=f"x{j}", param_value_internal=rnd.uniform(-10, 10), distribution=DIST)
            for j in range(reports):
                put(7, me, trial_id=i, step=j, intermediate_value=rnd.random())
            for j in range(attrs):
                put(8, me, trial_id=i, user_attr={f"attr{j}": f"value-{rnd.getrandbits(48):012x}"})
            clock += step
            put(6, me, trial_id=i, state=1, values=[rnd.random()],
                datetime_complete=clock.isoformat(timespec="microseconds"))
        return lines, f.tell()


if __name__ == "__main__":
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("out")
    p.add_argument("trials", type=int)
    p.add_argument("--params", type=int, default=5)
    p.add_argument("--reports", type=int, default=5)
    p.add_argument("--attrs", type=int, default=2)
    a = p.parse_args()
    print("%d lines, %d bytes" % write(a.out, a.trials, a.params, a.reports, a.attrs))
