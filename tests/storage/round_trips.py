# SPDX-License-Identifier: MIT
"""How often we talk to a database server: round trips counted by a proxy, appends by the server's own statement log.

    round_trips.py ROUND_TRIPS KIND        KIND: postgres, mariadb, redis

An append tells what is new in its one round trip, even when others wrote meanwhile; looking for news is one round trip when there is none; a
trial of ten parameters is at most three appends, and three round trips inside Optuna, whose calls by id wait for each other (defer). Nothing of
that needs a temporary table on the server's disk. Optuna's own figures for the same trial come beside ours. These two where a Python
with Optuna is.
"""
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))
import proxy  # noqa: E402
import servers  # noqa: E402

TRIALS = 20
OPTUNA = """
import sys, optuna
optuna.logging.set_verbosity(optuna.logging.ERROR)
url = sys.argv[1]
if sys.argv[3] == "trialog":
    import trialog
    storage = trialog.JournalStorage(url, defer=60)  # however slow the machine is
elif url.startswith("redis"):
    from optuna.storages.journal import JournalRedisBackend
    storage = optuna.storages.JournalStorage(JournalRedisBackend(url.partition("?")[0], prefix="optuna"))
else:
    storage = optuna.storages.RDBStorage(url)
study = optuna.create_study(storage=storage, study_name="s", sampler=optuna.samplers.RandomSampler())
def objective(trial):
    return sum(trial.suggest_float(f"p{i}", 0, 1) for i in range(10))
study.optimize(objective, n_trials=2)
print("ready", flush=True)
sys.stdin.readline()
study.optimize(objective, n_trials=int(sys.argv[2]))
print("done", flush=True)
sys.stdin.readline()
"""


def require(ok, what):
    if not ok:
        raise SystemExit(f"FAILED: {what}")


class Tool:
    def __init__(self, program, url):
        self.process = subprocess.Popen([program, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)

    def do(self, what):
        self.process.stdin.write(what + "\n")
        answer = self.process.stdout.readline()
        require(answer == "ok\n", f"{what}: {answer}")

    def end(self):
        self.process.stdin.close()
        require(self.process.wait() == 0, "the tool ended badly")
        self.process.stdout.close()


def log_settings(kind, server_log):
    if kind == "postgres":
        return {"log_statement": "all", "fsync": "off"}
    return {"general_log": "1", "general_log_file": server_log} if kind == "mariadb" else {}


class Log:
    """Appends by the server's own account: rows put into the log; for Optuna commits that wrote something."""

    def __init__(self, server):
        self.server = server

    def text(self):
        if self.server.kind == "redis":
            return self.server.command_line("info", "commandstats")
        with open(self.server.path("log" if self.server.kind == "postgres" else "general"), errors="replace") as f:
            return f.read()

    def scripts(self):
        return sum(int(n) for n in re.findall(r"cmdstat_(?:evalsha|eval|fcall):calls=(\d+)", self.text()))

    def appends(self):
        return self.scripts() if self.server.kind == "redis" else len(re.findall(r"INSERT INTO trialog_op", self.text()))

    def commits(self):
        """Optuna's: on Redis each operation takes a number first."""
        if self.server.kind == "redis":
            return int(re.search(r"cmdstat_incr:calls=(\d+)", self.text()).group(1))
        return len(re.findall(r"\bCOMMIT\b", self.text()))


def tables_on_disk(server):
    """How many temporary tables the server has written to its disk; None where it does not count them."""
    if server.kind != "mariadb":
        return None
    return int(server.sql("show global status like 'Created_tmp_disk_tables'").split()[1])


def ours(program, server, bad):
    direct = server.new_database()
    url = direct.replace(f":{server.port}/", f":{bad.port}/")
    log, tool, other = Log(server), Tool(program, url), Tool(program, direct)
    tool.do("open")
    other.do("open")
    tool.do("ask")
    tool.do("attr")  # each statement has been seen once: what is prepared is prepared
    tool.do("sync")
    on_disk = tables_on_disk(server)

    def count(what):
        return bad.count(tool.do, what)[0]
    figures = {"append": count("report")}
    other.do("attr")
    figures["append + news"] = count("report")
    figures["idle read"] = count("sync")
    other.do("attr")
    figures["read of news"] = count("sync")
    tool.do("tell")
    before = log.appends()
    trips = count(f"trials {TRIALS}")
    figures["trips a trial"] = trips / TRIALS
    figures["appends a trial"] = (log.appends() - before) / TRIALS
    if on_disk is not None:
        figures["temporary tables on disk"] = tables_on_disk(server) - on_disk
    tool.do("close")
    other.do("close")
    tool.end()
    other.end()
    return figures


def of_optuna(server, bad, package):
    """Optuna's study.optimize, on a storage of its own, or on ours when there is a package."""
    python = os.environ.get("TRIALOG_PYTHON_OPTUNA")
    if not python:
        return None
    url = server.new_database().replace(f":{server.port}/", f":{bad.port}/")
    url = url.replace("postgresql:", "postgresql+psycopg2:").replace("mysql:", "mysql+pymysql:")
    log = Log(server)
    appends = log.appends if package else log.commits
    p = subprocess.Popen([python, "-W", "ignore", "-c", OPTUNA, url, str(TRIALS), "trialog" if package else "optuna"], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, text=True, env=dict(os.environ, PYTHONPATH=package or ""))
    require(p.stdout.readline() == "ready\n", "Optuna did not start")
    trips, commits = bad.turns, appends()
    p.stdin.write("go\n")
    p.stdin.flush()
    require(p.stdout.readline() == "done\n", "Optuna did not finish")
    figures = {"trips a trial": (bad.turns - trips) / TRIALS, "appends a trial": (appends() - commits) / TRIALS}
    p.communicate("end\n")
    return figures


def main(program, kind):
    with servers.server(kind, settings=log_settings(kind, "../general" if kind == "mariadb" else None)) as server, \
            proxy.Proxy(server.port) as bad:
        package = os.path.join(os.path.dirname(program), "..", "..", "python")
        mine, theirs = ours(program, server, bad), of_optuna(server, bad, None)
        inside = of_optuna(server, bad, package) if os.path.isdir(os.path.join(package, "trialog")) else None
        print(f"round_trips: {kind}: " + ", ".join(f"{k} {v:g}" for k, v in mine.items()), flush=True)
        if theirs:
            print(f"round_trips: {kind}: Optuna: " + ", ".join(f"{k} {v:g}" for k, v in theirs.items()), flush=True)
            require(theirs["appends a trial"] >= 10, "Optuna writes less than it did: the harness proves nothing")
        if inside:
            print(f"round_trips: {kind}: Optuna on trialog.JournalStorage: " + ", ".join(f"{k} {v:g}" for k, v in inside.items()), flush=True)
            require(inside["trips a trial"] <= 3.25, "Optuna's trial on our storage is more than a look, its creation and its end")
        require(mine["append"] == 1 and mine["append + news"] == 1, "an append is more than one round trip")
        require(mine["idle read"] <= 1 and mine["read of news"] <= 1, "a read is more than one round trip")
        require(mine.get("temporary tables on disk", 0) == 0, "reads or appends make temporary tables on the server's disk")
        require(0 < mine["appends a trial"] <= 3, "a trial of ten parameters is more than three appends")
        require(mine["trips a trial"] <= 3 + 1, "a trial is more round trips than its appends and a look")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
