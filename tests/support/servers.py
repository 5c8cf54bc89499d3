#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Private database servers for tests and benchmarks: PostgreSQL, MariaDB, Redis on free ports of the loopback, each with a data folder
of its own, which goes away with it. Nothing here touches a server of the system.

    servers.py run KIND [OPTIONS] -- COMMAND…   runs COMMAND beside a server and stops it; the exit status is COMMAND's
    servers.py start KIND FOLDER [OPTIONS]      starts one that stays, prints its URL
    servers.py url|new|stop|kill|restart|wait|pid FOLDER

KIND is postgres, mariadb or redis. OPTIONS: --durable (an acknowledged commit survives a power cut; otherwise the server is as
fast as it can be, but a SIGKILL of the server alone still loses nothing that the kernel has), --password WORD, --set NAME=VALUE
(of the server's own settings; any number of times), --folder FOLDER for run.
In COMMAND, the word {url} becomes the URL of an empty database. COMMAND finds in its environment: TRIALOG_TEST_URL, an empty database; TRIALOG_TEST_NEW_URL, a shell command that makes another empty
one and prints its URL; TRIALOG_TEST_SERVER, the folder for the other verbs.

As root, PostgreSQL and MariaDB run as the users `postgres` and `mysql`. `run` and class Server let the server die with their own
process, however that ends. A program that is missing ends with status 77, which ctest counts as skipped.
"""
import argparse
import ctypes
import glob
import json
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

KINDS = ("postgres", "mariadb", "redis")
START_S = 60  # on a machine that is busy with other tests
SKIP = 77
PR_SET_PDEATHSIG = 1


class Missing(Exception):
    """A program of the server is not installed."""


def find_program(name, *places):
    for pattern in places:
        found = sorted(glob.glob(os.path.join(pattern, name)))
        if found:
            return found[-1]
    path = os.environ.get("PATH", "") + os.pathsep + "/usr/sbin" + os.pathsep + "/usr/local/sbin"
    found = shutil.which(name, path=path)
    if not found:
        raise Missing(f"{name} is not installed (tools/setup.sh check installs it)")
    return found


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def birth(pid):
    """What tells a process from a later one with the same id."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as f:
            fields = f.read().rpartition(b")")[2].split()
        return None if fields[0] in (b"Z", b"X") else int(fields[19])
    except OSError:
        return None


def dies_with_parent(sig):
    libc = ctypes.CDLL(None, use_errno=True)
    return lambda: libc.prctl(PR_SET_PDEATHSIG, sig, 0, 0, 0)


class Server:
    """One server. Use as a context manager, or call stop()."""
    kind = user = None
    quick, durable_settings = {}, {}
    gentle = signal.SIGTERM

    def __init__(self, folder=None, durable=False, settings=None, password=None, stays=False):
        self.own_folder = folder is None
        self.folder = os.path.realpath(folder or tempfile.mkdtemp(prefix="trialog-db-"))
        self.settings = dict(self.durable_settings if durable else self.quick, **(settings or {}))
        self.password, self.stays = password, stays
        self.port, self.pid, self.birth = 0, 0, None
        self.process = None
        os.makedirs(self.folder, exist_ok=True)
        try:
            self.programs()
            self.uid = self.gid = None
            if os.geteuid() == 0 and self.user:
                entry = pwd.getpwnam(self.user)
                self.uid, self.gid = entry.pw_uid, entry.pw_gid
                os.chown(self.folder, self.uid, self.gid)
            self.create()
            self.start()
            self.prepare()
        except BaseException:
            self.stop()
            raise

    # ---- to be filled in by each kind ----
    def programs(self):
        """Finds them, or raises Missing."""

    def create(self):
        """Makes the data folder."""

    def command(self):
        """The words that run the server in the foreground."""

    def answers(self):
        """Does it take commands?"""

    def prepare(self):
        """User and rights, once."""

    def make_database(self, name):
        pass

    def url(self, name="trialog", port=None, user="trialog"):
        raise NotImplementedError

    # ---- common ----
    def path(self, name):
        return os.path.join(self.folder, name)

    def run(self, *command, check=True, stdin=None):
        """Runs a helper program as the server's user; returns what it printed."""
        extra = {} if self.uid is None else {"user": self.uid, "group": self.gid, "extra_groups": []}
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=self.folder, input=stdin, **extra)
        if check and done.returncode != 0:
            raise RuntimeError("%s: %s%s" % (" ".join(command[:6]), done.stdout, done.stderr))
        return done.stdout if done.returncode == 0 else None

    def launch(self):
        extra = {} if self.uid is None else {"user": self.uid, "group": self.gid, "extra_groups": []}
        with open(self.path("log"), "ab") as log:
            self.process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder, start_new_session=True,
                preexec_fn=None if self.stays else dies_with_parent(self.gentle), **extra)
        self.pid, self.birth = self.process.pid, birth(self.process.pid)

    def start(self):
        """Starts it; after a kill on the same port, with what was on its disk. Returns when it answers."""
        limit = time.monotonic() + START_S
        again = self.port != 0
        while True:
            if not again:
                self.port = free_port()
            self.launch()
            while self.alive():
                if self.answers():
                    self.save()
                    return
                if time.monotonic() > limit:
                    break
                time.sleep(0.02)
            # Somebody else took the port, or what a kill left behind is not gone yet.
            if time.monotonic() > limit:
                self.kill()
                raise RuntimeError("%s did not start:\n%s" % (self.kind, self.log_end()))
            time.sleep(0.1)

    def log_end(self, n=2000):
        try:
            with open(self.path("log"), errors="replace") as f:
                return f.read()[-n:]
        except OSError:
            return ""

    def alive(self):
        if self.process:
            return self.process.poll() is None
        return self.birth is not None and birth(self.pid) == self.birth

    def signal(self, sig):
        if self.alive():
            try:
                os.kill(self.pid, sig)
            except ProcessLookupError:
                pass

    def gone(self, seconds):
        limit = time.monotonic() + seconds
        while self.alive():
            if time.monotonic() > limit:
                return False
            time.sleep(0.01)
        return True

    def kill(self):
        """SIGKILL; start() brings it back."""
        self.signal(signal.SIGKILL)
        if not self.gone(30):
            raise RuntimeError(f"process {self.pid} does not die")

    def shut_down(self):
        """As an administrator would; start() brings it back."""
        self.signal(self.gentle)
        if not self.gone(30):
            self.kill()

    def stop(self):
        """For good: the folder goes, too."""
        if self.pid and os.path.exists(self.path("server.json")):  # another process may have restarted it
            with open(self.path("server.json")) as f:
                state = json.load(f)
            if state["pid"] != self.pid:
                self.process, self.pid, self.birth = None, state["pid"], state["birth"]
        if self.pid:
            self.shut_down()
        if self.own_folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def new_database(self):
        """An empty one; its URL. Every caller gets another one, in whatever process."""
        name = "t" + secrets.token_hex(6)
        self.make_database(name)
        return self.url(name)

    def new_place(self):
        """An empty place, another one for each caller, but not always a database: for many short tests."""
        return self.new_database()

    def save(self):
        state = {k: getattr(self, k) for k in ("kind", "folder", "settings", "password", "stays", "port", "pid", "birth", "uid", "gid")}
        with open(self.path("server.json.new"), "w") as f:
            json.dump(state, f)
        os.rename(self.path("server.json.new"), self.path("server.json"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Postgres(Server):
    kind, user = "postgres", "postgres"
    quick = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    gentle = signal.SIGINT  # "fast": clients are cut off

    def programs(self):
        places = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin")
        self.initdb, self.postgres, self.psql = (find_program(p, *places) for p in ("initdb", "postgres", "psql"))

    def create(self):
        how = ["-A", "trust"]
        if self.password:
            with open(self.path("password"), "w") as f:
                f.write(self.password)
            os.chmod(self.path("password"), 0o644)
            how = ["-A", "scram-sha-256", "--pwfile", self.path("password")]
        self.run(self.initdb, "-D", self.path("data"), "-U", "trialog", "-E", "UTF8", "--locale=C", "-N", *how)

    def command(self):
        words = [self.postgres, "-D", self.path("data"), "-p", str(self.port), "-c", "listen_addresses=127.0.0.1",
                 "-c", "unix_socket_directories=" + (self.folder if len(self.folder) < 80 else "")]
        for name, value in self.settings.items():
            words += ["-c", f"{name}={value}"]
        return words

    def sql(self, text, database="postgres", check=True):
        return self.run("env", "PGPASSWORD=" + (self.password or ""), self.psql, "-h", "127.0.0.1", "-p", str(self.port), "-U", "trialog",
                        "-qAtX", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", text, check=check)

    def answers(self):
        return self.sql("select 1", check=False) == "1\n"

    def prepare(self):
        self.make_database("trialog")

    def make_database(self, name):
        self.sql(f"create database {name} strategy=file_copy")

    def new_place(self):  # a schema: making a database copies some hundred files
        name = "s" + secrets.token_hex(6)
        self.sql(f"create schema {name}", "trialog")
        return self.url("trialog") + "?options=-csearch_path%3D" + name

    def url(self, name="trialog", port=None, user="trialog"):
        secret = ":" + self.password if self.password else ""
        return f"postgresql://{user}{secret}@127.0.0.1:{port or self.port}/{name}"


class MariaDB(Server):
    kind, user = "mariadb", "mysql"
    quick = {"innodb_flush_log_at_trx_commit": "0", "innodb_flush_method": "nosync", "innodb_doublewrite": "0"}
    durable_settings = {"innodb_flush_log_at_trx_commit": "1"}

    def programs(self):
        self.install = find_program("mariadb-install-db")
        self.mariadbd, self.client = find_program("mariadbd"), find_program("mariadb")

    def temporary(self):
        """A server removes what other servers left in its folder for temporary tables, and takes what theirs are using for that."""
        return "--tmpdir=" + self.folder

    def create(self):
        self.run(self.install, "--no-defaults", "--datadir=" + self.path("data"), self.temporary(), "--auth-root-authentication-method=normal",
                 "--skip-test-db", "--innodb-flush-method=nosync", "--innodb-flush-log-at-trx-commit=0")

    def command(self):
        words = [self.mariadbd, "--no-defaults", "--datadir=" + self.path("data"), self.temporary(), "--socket=" + self.path("sock"),
                 "--pid-file=" + self.path("pid"), "--bind-address=127.0.0.1", f"--port={self.port}", "--skip-name-resolve"]
        return words + [f"--{name.replace('_', '-')}={value}" for name, value in self.settings.items()]

    def sql(self, text, database="", check=True):
        return self.run(self.client, "--no-defaults", "-u", "root", "-S", self.path("sock"), "-BN", "-e", text, database, check=check)

    def answers(self):
        return self.sql("select 1", check=False) == "1\n"

    def prepare(self):
        secret = f"identified by '{self.password}'" if self.password else ""
        self.sql(f"create user trialog@'%' {secret}; grant all on *.* to trialog@'%'; create user trialog@localhost {secret}; "
                 "grant all on *.* to trialog@localhost; create database trialog")

    def make_database(self, name):
        self.sql(f"create database {name}")

    def url(self, name="trialog", port=None, user="trialog"):
        secret = ":" + self.password if self.password else ""
        return f"mysql://{user}{secret}@127.0.0.1:{port or self.port}/{name}"


class Redis(Server):
    kind = "redis"
    quick = {"appendonly": "no", "save": ""}
    durable_settings = {"appendonly": "yes", "appendfsync": "always", "save": ""}

    def programs(self):
        self.server, self.cli = find_program("redis-server"), find_program("redis-cli")

    def command(self):
        words = [self.server, "--bind", "127.0.0.1", "--port", str(self.port), "--dir", self.folder, "--daemonize", "no",
                 "--unixsocket", self.path("sock") if len(self.folder) < 80 else ""]
        if self.password:
            words += ["--requirepass", self.password]
        for name, value in self.settings.items():
            words += ["--" + name, value]
        return words

    def command_line(self, *words, check=True):
        return self.run("env", "REDISCLI_AUTH=" + (self.password or ""), self.cli, "-p", str(self.port), *words, check=check)

    def answers(self):
        return (self.command_line("ping", check=False) or "").startswith("PONG")

    def url(self, name=None, port=None, user=None):
        secret = f":{self.password}@" if self.password else ""
        return f"redis://{secret}127.0.0.1:{port or self.port}/0" + ("?prefix=" + name if name else "")

    def save_journal(self, prefix, path):
        """The lines under a prefix as a journal file; their number."""
        n = int(self.command_line("GET", prefix + ":log_number") or -1) + 1
        with open(path, "w") as f:
            for at in range(0, n, 500):
                f.write(self.command_line("--raw", "MGET", *[f"{prefix}:log:{i}" for i in range(at, min(n, at + 500))]))
        return n


CLASSES = {"postgres": Postgres, "mariadb": MariaDB, "redis": Redis}


def server(kind, **options):
    """Starts one; ends the program with status 77 when it is not installed."""
    try:
        return CLASSES[kind](**options)
    except Missing as e:
        print(f"SKIPPED: {e}")
        sys.exit(SKIP)


def attach(folder):
    """The server that another process started."""
    with open(os.path.join(folder, "server.json")) as f:
        state = json.load(f)
    cls = CLASSES[state["kind"]]
    s = cls.__new__(cls)
    s.__dict__.update(state, process=None, own_folder=False)
    s.programs()
    return s


def run_beside(s, command):
    here = os.path.abspath(__file__)
    with s:
        environment = dict(os.environ, TRIALOG_TEST_URL=s.url(), TRIALOG_TEST_SERVER=s.folder,
                           TRIALOG_TEST_NEW_URL=f"'{sys.executable}' '{here}' new '{s.folder}'")
        try:
            return subprocess.run([s.url() if word == "{url}" else word for word in command], env=environment).returncode
        except OSError as e:
            print(f"servers.py: {command[0]}: {e.strerror}", file=sys.stderr)
            return 127


def main():
    words = sys.argv[1:]
    command = []
    if "--" in words:
        at = words.index("--")
        words, command = words[:at], words[at + 1:]
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("verb", choices=("run", "start", "url", "new", "stop", "kill", "restart", "wait", "pid"))
    p.add_argument("what", help="KIND for run and start, otherwise FOLDER")
    p.add_argument("place", nargs="?", help="FOLDER for start")
    p.add_argument("--folder")
    p.add_argument("--durable", action="store_true")
    p.add_argument("--password")
    p.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    args = p.parse_args(words)
    if args.verb in ("run", "start"):
        if args.what not in KINDS or (args.verb == "run") != bool(command) or (args.verb == "start") != bool(args.place):
            p.error("usage: run KIND [OPTIONS] -- COMMAND… or start KIND FOLDER [OPTIONS]")
        s = server(args.what, folder=args.place or args.folder, durable=args.durable, password=args.password,
                   settings=dict(x.split("=", 1) for x in args.set), stays=args.verb == "start")
        if args.verb == "start":
            print(s.url())
            return 0
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the server is stopped, too
        return run_beside(s, command)
    s = attach(args.what)
    if args.verb in ("url", "pid"):
        print(s.url() if args.verb == "url" else s.pid)
    elif args.verb == "new":
        print(s.new_database())
    elif args.verb == "wait":
        while not s.answers():
            time.sleep(0.02)
    elif args.verb == "kill":
        s.kill()
    elif args.verb == "restart":
        s.stays = True
        s.kill()
        s.start()
    else:
        s.shut_down()
    return 0


if __name__ == "__main__":
    sys.exit(main())
