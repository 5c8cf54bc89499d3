# SPDX-License-Identifier: MIT
"""A database that holds studies of Optuna's RDBStorage is recognised and never touched.

    optuna_tables.py TRIALOG KIND        KIND: sqlite, postgres, mariadb

Optuna makes a study there; whatever command comes then, it ends with a clear error, and neither tables nor rows have changed; Optuna goes on.
"""
import os
import sqlite3
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))
import servers  # noqa: E402

OPTUNA = os.environ.get("TRIALOG_PYTHON_OPTUNA")
STUDY = """
import sys, optuna
optuna.logging.set_verbosity(optuna.logging.ERROR)
study = optuna.create_study(storage=sys.argv[1], study_name="theirs", load_if_exists=True)
study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3)
assert len(study.trials) == int(sys.argv[2]), len(study.trials)
"""
COMMANDS = (("studies",), ("create-study", "--study-name", "ours"), ("ask", "--study-name", "theirs"), ("trials", "--study-name", "theirs"),
            ("delete-study", "--study-name", "theirs"))


def require(ok, what):
    if not ok:
        raise SystemExit(f"FAILED: {what}")


def contents(kind, place, server):
    """Tables and their numbers of rows."""
    if kind == "sqlite":
        with sqlite3.connect(place) as db:
            names = [r[0] for r in db.execute("select name from sqlite_master where type = 'table' order by name")]
            return {n: db.execute(f"select count(*) from {n}").fetchone()[0] for n in names}
    schema = "'public'" if kind == "postgres" else "database()"
    names = server.sql(f"select table_name from information_schema.tables where table_schema = {schema} order by 1", place).split()
    return {n: int(server.sql(f"select count(*) from {n}", place)) for n in names}


def check(trialog, kind, url, optuna_url, place, server):
    subprocess.run([OPTUNA, "-W", "ignore", "-c", STUDY, optuna_url, "3"], check=True)
    before = contents(kind, place, server)
    require("studies" in before and not any(n.startswith("trialog") for n in before), f"Optuna's tables are {sorted(before)}")
    for words in COMMANDS:
        done = subprocess.run([trialog, words[0], "--storage", url, *words[1:]], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        require(done.returncode == 7 and "Optuna's RDBStorage" in done.stderr and not done.stdout,
                f"{words}: {done.returncode} {done.stdout}{done.stderr}")
    require(contents(kind, place, server) == before, "something was changed")
    subprocess.run([OPTUNA, "-W", "ignore", "-c", STUDY, optuna_url, "6"], check=True)
    print(f"optuna_tables: {kind}: {len(before)} tables left alone: {done.stderr.strip()}")


def main(trialog, kind):
    if not OPTUNA:
        print("SKIPPED: TRIALOG_PYTHON_OPTUNA is not set")
        return 77
    if kind == "sqlite":
        with tempfile.TemporaryDirectory(prefix="trialog-tables-") as folder:
            place = os.path.join(folder, "theirs.db")
            check(trialog, kind, "sqlite:///" + place, "sqlite:///" + place, place, None)
        return 0
    with servers.server(kind) as server:
        url = server.new_database()
        optuna_url = url.replace("postgresql:", "postgresql+psycopg2:").replace("mysql:", "mysql+pymysql:")
        check(trialog, kind, optuna_url, optuna_url, url.rpartition("/")[2], server)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
