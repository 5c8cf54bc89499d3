#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Our storage for Optuna beside Optuna's JournalStorage, in one run. bench.py calls it.

    python_storage.py --package BUILD/python --folder DIR [--runs N] [--trials N] [--quick]     prints tables
    python_storage.py --side calls KIND FOLDER SECONDS | open KIND FILE | workers KIND FOLDER W TRIALS   one line of JSON

Kinds: `optuna` (JournalStorage on a file, its symbolic-link lock), `both` (ours, with Optuna's lock), `kernel` (ours, lock="kernel"), for
`open` also `log` and `snapshot` (ours without and with one). Jobs:

  calls    one client, one call at a time, each method of the storage interface: calls a second and processor time a call, on tmpfs and
           on the disk of DIR. Reads are of a journal that nothing else writes; the running trial has 5 parameters.
  open     a journal of N trials (5 parameters, 5 reports, 2 attributes each): open it and take study.trials, in a fresh process
  workers  trials a second of 1 to 16 processes in study.optimize (RandomSampler, 5 parameters, 5 reports, durable) on one journal

The sides take turns; medians over the runs are printed, and ratios to Optuna.
"""
import argparse
import json
import multiprocessing
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time


def make(kind, path):
    import optuna

    if kind == "optuna":
        return optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(path))
    import trialog

    options = {"kernel": {"lock": "kernel"}, "log": {"snapshot": False}}.get(kind, {})
    return trialog.JournalStorage(path, **options)


# ---- one side of a job ----


def timed(call, seconds, arguments=None):
    """Calls a second and processor microseconds a call."""
    n, cpu, start = 0, time.process_time(), time.perf_counter()
    end = start + seconds
    if arguments is None:
        while time.perf_counter() < end:
            for _ in range(10):
                call()
            n += 10
    else:
        for a in arguments:
            call(*a)
            n += 1
            if time.perf_counter() >= end:
                break
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    return [n / wall, cpu / n * 1e6]


def side_calls(kind, folder, seconds):
    import optuna
    from optuna.distributions import FloatDistribution
    from optuna.study import StudyDirection
    from optuna.trial import TrialState

    path = os.path.join(folder, "calls-" + kind)
    s = make(kind, path)
    study = s.create_new_study([StudyDirection.MINIMIZE], "s")
    dist = FloatDistribution(-10.0, 10.0)
    ids = []
    out = {}
    out["create_new_trial"] = timed(lambda: ids.append(s.create_new_trial(study)), seconds)
    params = ((i, f"x{j}", 0.1 * j, dist) for i in ids for j in range(5))
    out["set_trial_param"] = timed(s.set_trial_param, seconds, params)
    out["set_trial_intermediate_value"] = timed(s.set_trial_intermediate_value, seconds, ((i, j, 0.5) for i in ids for j in range(5)))
    out["set_trial_user_attr"] = timed(s.set_trial_user_attr, seconds, ((i, f"a{j}", "value-0123456789") for i in ids for j in range(3)))
    out["set_study_user_attr"] = timed(lambda: s.set_study_user_attr(study, "k", "value-0123456789"), seconds)
    running = ids.pop()
    done = iter(ids)
    out["set_trial_state_values"] = timed(lambda i: s.set_trial_state_values(i, TrialState.COMPLETE, [0.5]), seconds, ((i,) for i in done))
    for i in done:  # the rest, so that reads meet one running trial
        s.set_trial_state_values(i, TrialState.COMPLETE, [0.5])
    ended = ids[0]
    for j in range(5):
        s.set_trial_param(running, f"x{j}", 0.1 * j, dist)
    s.get_all_trials(study, deepcopy=False)
    time.sleep(0.1)
    reads = {
        "get_trial (running)": lambda: s.get_trial(running),
        "get_trial (finished)": lambda: s.get_trial(ended),
        "get_trial_param": lambda: s.get_trial_param(running, "x0"),
        "get_trial_number_from_id": lambda: s.get_trial_number_from_id(running),
        "get_trial_id_from_study_id_trial_number": lambda: s.get_trial_id_from_study_id_trial_number(study, 3),
        "get_study_directions": lambda: s.get_study_directions(study),
        "get_study_name_from_id": lambda: s.get_study_name_from_id(study),
        "get_study_id_from_name": lambda: s.get_study_id_from_name("s"),
        "get_study_user_attrs": lambda: s.get_study_user_attrs(study),
        "get_all_studies": lambda: s.get_all_studies(),
        "get_n_trials": lambda: s.get_n_trials(study),
        "get_best_trial": lambda: s.get_best_trial(study),
    }
    for name, call in reads.items():
        out[name] = timed(call, seconds)
    fresh = s.create_new_study([StudyDirection.MINIMIZE], "1000 trials")  # of the same size on every side
    template = optuna.trial.create_trial(value=1.0, params={"x": 0.5}, distributions={"x": FloatDistribution(0, 1)})
    for _ in range(1000):
        s.create_new_trial(fresh, template)
    s.get_all_trials(fresh, deepcopy=False)
    time.sleep(0.1)
    out["get_all_trials(deepcopy=False), 1,000"] = timed(lambda: s.get_all_trials(fresh, deepcopy=False), seconds)
    out["get_all_trials(), 1,000"] = timed(lambda: s.get_all_trials(fresh), seconds)
    return out


def side_open(kind, path):
    import optuna

    start, cpu = time.perf_counter(), time.process_time()
    storage = make(kind, path)
    opened = time.perf_counter()
    study = optuna.load_study(study_name=None, storage=storage)
    n = len(study.trials)
    end, cpu = time.perf_counter(), time.process_time() - cpu
    storage.get_all_trials(study._study_id, deepcopy=False)
    time.sleep(0.1)
    again = time.perf_counter()
    shared = storage.get_all_trials(study._study_id, deepcopy=False)
    listed = time.perf_counter()
    list(shared)
    copied = time.perf_counter()
    return {"n": n, "open": opened - start, "trials": end - opened, "all": end - start, "cpu": cpu, "again": listed - again,
            "copy": copied - listed, "rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def work(kind, path, n, ready, start):
    import optuna

    study = optuna.load_study(study_name="s", storage=make(kind, path), sampler=optuna.samplers.RandomSampler())

    def objective(trial):
        x = [trial.suggest_float(f"x{j}", -1, 1) for j in range(5)]
        for step in range(5):
            trial.report(x[step], step)
        return x[0]

    ready.release()
    start.wait()
    study.optimize(objective, n_trials=n)


def side_workers(kind, folder, n_workers, n_trials):
    import optuna

    path = os.path.join(folder, f"workers-{kind}")
    optuna.create_study(study_name="s", storage=make(kind, path))
    context = multiprocessing.get_context("fork")
    ready, start = context.Semaphore(0), context.Event()
    each = max(1, n_trials // n_workers)
    workers = [context.Process(target=work, args=(kind, path, each, ready, start)) for _ in range(n_workers)]
    for w in workers:
        w.start()
    for _ in workers:
        ready.acquire()
    begun = time.perf_counter()
    start.set()
    for w in workers:
        w.join()
    took = time.perf_counter() - begun
    assert all(w.exitcode == 0 for w in workers)
    states = [t.state.name for t in make(kind, path).get_all_trials(0)]
    assert states == ["COMPLETE"] * (each * n_workers), states
    return {"rate": each * n_workers / took}


def side(job, kind, folder, *numbers):
    import warnings

    import optuna

    warnings.filterwarnings("ignore")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    if job == "calls":
        return side_calls(kind, folder, float(numbers[0]))
    if job == "open":
        return side_open(kind, folder)
    return side_workers(kind, folder, *map(int, numbers))


# ---- the jobs ----


class Bench:
    def __init__(self, options):
        self.options = options
        self.python = os.environ.get("TRIALOG_PYTHON_OPTUNA")
        if not self.python:
            sys.exit("python_storage.py: set TRIALOG_PYTHON_OPTUNA to a Python with Optuna (make bench does)")
        self.env = dict(os.environ, PYTHONPATH=os.path.abspath(options.package))

    def side(self, *words):
        done = subprocess.run([self.python, os.path.abspath(__file__), "--side", *map(str, words)], env=self.env, check=True,
                              capture_output=True, text=True)
        return json.loads(done.stdout.splitlines()[-1])

    def in_turn(self, kinds, run):
        """{kind: [results]} of all runs, the kinds in turn."""
        results = {kind: [] for kind in kinds}
        for _ in range(self.options.runs):
            for kind in kinds:
                results[kind].append(run(kind))
        return results

    def calls(self, where, title):
        kinds = ("optuna", "both", "kernel")

        def run(kind):
            with tempfile.TemporaryDirectory(dir=where) as folder:
                return self.side("calls", kind, folder, 0.1 if self.options.quick else 0.4)

        results = self.in_turn(kinds, run)
        print(f"\n### Calls a second, {title} (in brackets: processor microseconds a call, and their ratio)\n")
        print("| method | Optuna | ours, Optuna's lock | | ours, `lock=\"kernel\"` | |")
        print("| --- | --- | --- | --- | --- | --- |")
        for method in results["optuna"][0]:
            rate = {k: statistics.median(r[method][0] for r in results[k]) for k in kinds}
            cpu = {k: statistics.median(r[method][1] for r in results[k]) for k in kinds}
            cells = [f"{rate['optuna']:,.0f} ({cpu['optuna']:.1f})"]
            for k in kinds[1:]:
                cells += [f"{rate[k]:,.0f} ({cpu[k]:.1f})", f"{rate[k] / rate['optuna']:.1f} × ({cpu['optuna'] / cpu[k]:.1f} ×)"]
            print(f"| `{method}` | " + " | ".join(cells) + " |")
        self.floor(where)
        sys.stdout.flush()

    def floor(self, where):
        """What the system calls of an append cost by themselves, in the same folder."""
        program = os.path.join(self.options.package, os.pardir, "bench", "bench_append_floor")
        if os.path.exists(program):
            least = json.loads(subprocess.run([program, where], check=True, capture_output=True, text=True).stdout)
            print(f"\nThe bare system calls of an append, processor microseconds: with Optuna's lock {least['both']:.1f} "
                  f"({least['both_linked']:.1f} where no link is kept), with `lock=\"kernel\"` {least['kernel']:.1f}; "
                  f"Optuna's lock file alone, as it makes it: {least['optuna_lock']:.1f}.")

    def open(self):
        import journal

        n = self.options.trials
        path = os.path.join(self.options.folder, f"python-open-{n}.journal")
        size = journal.write(path, n)[1]
        kinds = ("optuna", "log", "snapshot")

        def run(kind):
            if kind != "snapshot" and os.path.exists(path + ".snapshot"):
                os.unlink(path + ".snapshot")
            if kind == "snapshot":
                self.side("open", kind, path)  # leaves one
            return self.side("open", kind, path)

        results = self.in_turn(kinds, run)
        print(f"\n### Opening a journal of {n:,} trials ({size / 1e6:.0f} MB) and taking `study.trials`\n")
        print("| | open, s | `study.trials`, s | together, s | | `get_all_trials(deepcopy=False)` again, ms | copying that list, ms | memory, MB |")
        print("| --- | --- | --- | --- | --- | --- | --- | --- |")
        base = statistics.median(r["all"] for r in results["optuna"])
        for kind, name in zip(kinds, ("Optuna", "ours, from the log", "ours, from a snapshot")):
            m = {key: statistics.median(r[key] for r in results[kind]) for key in results[kind][0]}
            assert m["n"] == n, (m["n"], n)
            print(f"| {name} | {m['open']:.2f} | {m['trials']:.2f} | {m['all']:.2f} | {base / m['all']:.1f} × | {m['again'] * 1e3:.2f} | "
                  f"{m['copy'] * 1e3:.2f} | {m['rss']:.0f} |")
        for name in (path, path + ".snapshot"):
            if os.path.exists(name):
                os.unlink(name)
        sys.stdout.flush()

    def workers(self):
        kinds = ("optuna", "both", "kernel")
        print("\n### Trials a second of processes in `study.optimize` on one journal (durable, on disk)\n")
        print("| processes | Optuna | ours, Optuna's lock | | ours, `lock=\"kernel\"` | |")
        print("| --- | --- | --- | --- | --- | --- |")
        for n in (1, 4, 16) if self.options.quick else (1, 2, 4, 8, 16):

            def run(kind):
                with tempfile.TemporaryDirectory(dir=self.options.folder) as folder:
                    return self.side("workers", kind, folder, n, 48 if kind == "optuna" else 960)

            results = self.in_turn(kinds, run)
            rate = {k: statistics.median(r["rate"] for r in results[k]) for k in kinds}
            print(f"| {n} | {rate['optuna']:.1f} | {rate['both']:.0f} | {rate['both'] / rate['optuna']:.1f} × | {rate['kernel']:.0f} | "
                  f"{rate['kernel'] / rate['optuna']:.1f} × |")
            sys.stdout.flush()


def main():
    if sys.argv[1:2] == ["--side"]:
        print(json.dumps(side(*sys.argv[2:])))
        return
    p = argparse.ArgumentParser()
    p.add_argument("--package", required=True, help="BUILD/python")
    p.add_argument("--folder", required=True, help="for journals, on a real disk")
    p.add_argument("--runs", type=int, default=3)
    p.add_argument("--trials", type=int, default=100000, help="of the journal that is opened")
    p.add_argument("--quick", action="store_true")
    p.add_argument("jobs", nargs="*", metavar="job", help="calls, open, workers; all when none is named")
    options = p.parse_args()
    os.makedirs(options.folder, exist_ok=True)
    b = Bench(options)
    for job in options.jobs or ["calls", "open", "workers"]:
        if job == "calls":
            if os.path.isdir("/dev/shm"):
                b.calls("/dev/shm", "on tmpfs")
            b.calls(options.folder, "on disk")
        else:
            getattr(b, job)()


if __name__ == "__main__":
    main()
