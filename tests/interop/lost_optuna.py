# SPDX-License-Identifier: MIT
"""A trial that Trialog gave up as lost and queued again, as Optuna sees it; and a trial that Optuna runs, as Trialog's leases see it.

    lost_optuna.py LEASE_WORKER TRIALOG

A worker is killed, its lease made older than it is (the time of the file is set back), and `trialog ask` fails its trial and queues it.
Optuna then reads the chain as that of its own callback for retries, runs the queued trial with the same parameter, and leaves another
trial RUNNING, which no look ever touches.
"""
import json
import os
import subprocess
import sys
import tempfile

OPTUNA = os.environ.get("TRIALOG_PYTHON_OPTUNA")

SIDE = """
import json, sys, warnings
warnings.simplefilter("ignore")
import optuna
from optuna.storages.journal import JournalFileBackend
optuna.logging.set_verbosity(optuna.logging.ERROR)
try:
    from optuna.storages import RetryHeartbeatStaleTrialCallback as Retry
except ImportError:
    from optuna.storages import RetryFailedTrialCallback as Retry
study = optuna.load_study(study_name="lost", storage=optuna.storages.JournalStorage(JournalFileBackend(sys.argv[1])))
lost, queued = study.trials[0], [t for t in study.trials if t.state.name == "WAITING"]
out = {"lost": [lost.state.name, lost.system_attrs], "queued": [t.number for t in queued],
       "retried": Retry.retried_trial_number(queued[0]), "history": Retry.retry_history(queued[0])}
trial = study.ask()
out["asked"], out["x"] = trial.number, trial.suggest_float("x", 0, 1)
study.tell(trial, 1.0)
out["running"] = study.ask().number
print(json.dumps(out))
"""


def older(path, seconds):
    os.utime(path, ns=(0, os.stat(path).st_mtime_ns - seconds * 10**9))


def main():
    worker, trialog = map(os.path.abspath, sys.argv[1:])
    if not OPTUNA:
        print("TRIALOG_PYTHON_OPTUNA is not set: nothing to test")
        raise SystemExit(77)
    with tempfile.TemporaryDirectory(prefix="trialog-lost-") as folder:
        journal = os.path.join(folder, "j")

        def call(*args):
            return json.loads(subprocess.run([trialog, *args, "--storage", journal], check=True, capture_output=True, text=True).stdout)

        def leases(suffix=""):
            return [os.path.join(folder, n) for n in os.listdir(folder) if n.startswith("j.lease.") and n.endswith(suffix) and
                    ("+" in n) == bool(suffix)]

        with subprocess.Popen([worker, journal, "60000", "3", "100"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as p:
            word, number, x = p.stdout.readline().split()
            assert (word, number) == ("asked", "0")
            p.kill()
        older(leases()[0], 100)
        number = call("ask")["number"]  # notes that the worker is late
        assert number == 1
        subprocess.run([trialog, "tell", "--storage", journal, "--trial-number", "1", "--values", "1"], check=True)
        older(leases("+late")[0], 60)
        # Two are queued and one is taken, so that Optuna finds one that waits.
        subprocess.run([trialog, "enqueue", "--storage", journal, "x=0.5"], check=True, capture_output=True)
        taken = call("ask", "--search-space", '{"x": {"type": "float", "low": 0, "high": 1}}')
        assert taken == {"number": 2, "params": {"x": 0.5}}, taken
        out = json.loads(subprocess.run([OPTUNA, "-c", SIDE, journal], check=True, capture_output=True, text=True).stdout)
        print(out)
        assert out["lost"][0] == "FAIL" and out["lost"][1]["trialog:lost"]["lease_ms"] == 60000, out
        assert out["queued"] == [3] and out["retried"] == 0 and out["history"] == [0], out
        assert out["asked"] == 3 and out["x"] == float(x), out
        for _ in range(3):
            call("ask")
        states = {t["number"]: t["state"] for t in call("trials", "--study-name", "lost", "-f", "json")}
        assert states[out["running"]] == "RUNNING", states
        assert not leases(), leases()


main()
