# SPDX-License-Identifier: MIT
"""Ways to one database server: passwords in the URL, the environment and the client library's own files; sockets; drivers' names; what is wrong.

    server_urls.py TRIALOG KIND        KIND: postgres, mariadb
"""
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))
import servers  # noqa: E402

PASSWORD = "s@cret/%:?"
ENCODED = "s%40cret%2F%25%3A%3F"


def require(ok, what):
    if not ok:
        raise SystemExit(f"FAILED: {what}")


class Ways:
    def __init__(self, trialog, home):
        self.trialog, self.home, self.n = trialog, home, 0

    def run(self, url, **environment):
        env = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "MYSQL_", "MARIADB_"))}
        env.update(environment, HOME=self.home)
        return subprocess.run([self.trialog, "studies", "--storage", url, "--lock-timeout", "3", "-f", "value"], env=env, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True)

    def works(self, url, **environment):
        done = self.run(url, **environment)
        require(done.returncode == 0 and done.stdout == "one ('MINIMIZE',) 0\n", f"{url} {environment}: {done.stdout}{done.stderr}")
        self.n += 1

    def fails(self, status, text, url, **environment):
        done = self.run(url, **environment)
        require(done.returncode == status and text in done.stderr, f"{url} {environment}: {done.returncode} {done.stderr}")
        require(PASSWORD not in done.stderr and ENCODED not in done.stderr and "wrong" not in done.stderr, f"a password is shown: {done.stderr}")
        self.n += 1


def main(trialog, kind):
    with tempfile.TemporaryDirectory(prefix="trialog-home-") as home, servers.server(kind, password=PASSWORD) as s:
        w = Ways(trialog, home)
        url = s.url().replace(PASSWORD, ENCODED)
        bare = s.url().replace(":" + PASSWORD, "")
        file = os.path.join(home, ".pgpass" if kind == "postgres" else ".my.cnf")
        scheme = url.partition(":")[0]
        subprocess.run([trialog, "create-study", "--storage", url, "--study-name", "one"], check=True, stdout=subprocess.DEVNULL)
        w.works(url)
        for driver in ("psycopg2", "psycopg", "asyncpg") if kind == "postgres" else ("pymysql", "mysqldb"):
            w.works(url.replace(scheme, f"{scheme}+{driver}"))
        w.works(url.replace(scheme, "postgres" if kind == "postgres" else "mariadb"))
        w.works(bare, **{"PGPASSWORD" if kind == "postgres" else "MYSQL_PWD": PASSWORD})
        w.fails(16, "assword", bare)
        w.fails(16, "assword", url.replace(ENCODED, "wrong"))
        with open(file, "w") as f:
            f.write("*:*:*:trialog:" + PASSWORD.replace(":", "\\:") + "\n" if kind == "postgres" else
                    f"[client]\npassword = '{PASSWORD}'\n")
        os.chmod(file, 0o600)
        w.works(bare)
        if kind == "postgres":
            w.works(f"postgresql://trialog@/trialog?host={s.folder}&port={s.port}")
            w.works("postgresql:///", PGHOST="127.0.0.1", PGPORT=str(s.port), PGUSER="trialog", PGDATABASE="trialog")
            w.works(url.replace("127.0.0.1:", f"127.0.0.1:9,127.0.0.1:"))  # the first of two hosts is down
            w.fails(2, "sslmod", url + "?sslmod=require")
            w.fails(16, "SSL", url + "?sslmode=require")
        else:
            w.works(f"mysql://trialog@/trialog?unix_socket={s.path('sock')}")
            w.works(bare + "?charset=utf8mb4&read_default_file=" + file)
            w.fails(2, "charse", url + "?charse=utf8")
            w.fails(16, "TLS", url + "?ssl_mode=REQUIRED")
        w.fails(3, "no_such", url.rpartition("/")[0] + "/no_such")
        print(f"server_urls: {kind}: {w.n} ways")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
