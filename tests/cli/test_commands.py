#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""test_commands.py TRIALOG: every command, every kind of error, the environment, exit statuses; as a user's shell sees them.

What Optuna's command prints is compared in vs_optuna.py; here is what is ours, and what goes wrong.
"""
import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import unittest

TRIALOG = os.path.abspath(sys.argv[1])
SPACE = json.dumps({"x": {"type": "float", "low": 0, "high": 1}, "n": {"type": "int", "low": 1, "high": 9},
                    "c": {"type": "categorical", "choices": ["a", None, True, 1.5]}})


class Case(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="trialog-cli-")
        self.addCleanup(folder.cleanup)
        self.work = folder.name
        self.env = {"PATH": os.environ["PATH"], "TRIALOG_STORAGE": "s.journal", "TZ": "UTC", "LC_ALL": "C"}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"):
            if name in os.environ:
                self.env[name] = os.environ[name]

    def call(self, *args, status=0, env=None, **kwargs):
        """(stdout, stderr) of the command, after its exit status was looked at."""
        done = subprocess.run([TRIALOG, *args], cwd=self.work, env={**self.env, **(env or {})}, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=60, **kwargs)
        self.assertEqual(done.returncode, status, f"{args}: {done.stdout}{done.stderr}")
        return done.stdout, done.stderr

    def out(self, *args, **kwargs):
        out, err = self.call(*args, **kwargs)
        self.assertEqual(err, "")
        return out

    def fails(self, status, pattern, *args, **kwargs):
        """An error: the status, nothing on standard output, and a message that begins with "trialog: "."""
        out, err = self.call(*args, status=status, **kwargs)
        self.assertEqual(out, "")
        self.assertTrue(err.startswith("trialog: "), err)
        self.assertRegex(err, pattern)

    def json(self, *args):
        return json.loads(self.out(*args))

    def study(self, name="s", *args):
        self.out("create-study", "--study-name", name, *args)

    def path(self, name):
        return os.path.join(self.work, name)


class CommandLine(Case):
    def test_help(self):
        everything = self.out()
        self.assertEqual(everything, self.out("help"))
        self.assertEqual(everything, self.out("--help"))
        self.assertNotIn("dump-options", everything)
        commands = [l.split("\t")[0] for l in self.out("dump-options").splitlines() if l.split("\t")[3] == "command"]
        self.assertGreater(len(commands), 15)
        for command in commands:
            text = self.out("help", *command.split())
            self.assertTrue(text.startswith(f"usage: trialog {command}"), text)
            self.assertEqual(text, self.out(*command.split(), "--help"))
            self.assertEqual(text, self.out("-h", *command.split()))
            self.assertIn(command, everything)
            self.assertLessEqual(max(len(l) for l in text.splitlines() if "type\":" not in l), 90, text)
        self.assertIn("study set-user-attr", self.out("help", "study"))
        self.fails(2, "no command 'nonsense'", "help", "nonsense")

    def test_version(self):
        self.assertRegex(self.out("--version"), r"^trialog \d+\.\d+\.\d+ \(.*file.*\)\n$")
        self.assertEqual(self.out("--version"), self.out("version"))

    def test_mistyped(self):
        self.fails(2, "did you mean 'create-study'", "creat-study")
        self.fails(2, "did you mean 'best-trial", "best")
        self.fails(2, "did you mean 'study set-user-attr'", "study", "set-user-atr")
        self.fails(2, "'study' wants a second word", "study")
        self.fails(2, r"no command 'xyzzy'\nTry 'trialog help'", "xyzzy")
        self.fails(2, "did you mean '--study-name'", "trials", "--stuyd-name", "s")
        self.fails(2, r"no option '--zzzzz'\nTry 'trialog help trials'", "trials", "--zzzzz")
        self.fails(2, "no option '-z'", "trials", "-z")
        self.fails(2, "a command is missing", "--storage", "x")
        self.fails(2, "one word too many: 'y'", "trials", "--study-name", "s", "y")

    def test_options(self):
        self.study()
        want = self.out("study-names", "-f", "json")
        self.assertEqual(want, '[{"name": "s"}]\n')
        for args in (["study-names", "--format=json"], ["study-names", "-fjson"], ["study-names", "-f=json"], ["study-names", "--form", "json"],
                     ["--format", "json", "study-names"], ["-f", "json", "study-names"], ["study-names", "--json"],
                     ["study-names", "-f", "table", "-f", "json"], ["--storage", "s.journal", "study-names", "--json"]):
            self.assertEqual(want, self.out(*args), args)
        self.fails(2, "'xml' is not one of value, json, table or yaml", "study-names", "-f", "xml")
        self.fails(2, "--format needs a value", "study-names", "-f")
        self.fails(2, "--study-name needs a value", "trials", "--study-name", "--json")
        self.fails(2, "--json takes no value", "study-names", "--json=1")
        self.fails(2, "ambiguous", "trials", "--s", "s")
        self.fails(2, "--study-name is missing", "trials")
        self.fails(2, "not a whole number", "tell", "--trial-number", "1.5")
        self.fails(2, "not a number", "tell", "--trial-number", "1", "--values", "1", "two")
        self.fails(2, "contradict", "trials", "-q", "-v", "--study-name", "s")
        self.fails(2, "not a time", "trials", "--lock-timeout", "soon", "--study-name", "s")
        for good in ("1", "1.5s", "250ms", "2m", "1h", "1d"):
            self.out("study-names", "--lock-timeout", good)

    def test_messages(self):
        self.study()
        _, err = self.call("ask", "--study-name", "s", "-v")
        self.assertIn("asked for trial 0", err)
        _, err = self.call("tell", "--trial-number", "0", "--log-file", "log")
        self.assertEqual(err, "trialog: warning: no values: the trial counts as failed\n")
        _, err = self.call("ask", "-q", "--log-file", "log")
        _, err = self.call("tell", "--trial-number", "1", "-q", "--log-file", "log")
        self.assertEqual(err, "")
        with open(self.path("log")) as f:
            lines = f.read().splitlines()
        self.assertRegex(lines[0], r"^\[I \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] no --study-name: 's' is the only study")
        self.assertRegex(lines[1], r"^\[W .*\] no values")
        self.assertIn("asked for trial 1", "".join(lines))
        self.fails(5, "TL_EFINISHED", "tell", "--trial-number", "0", "--values", "1", "--debug")
        self.fails(10, "cannot open the log file", "study-names", "--log-file", "no/such/folder")
        with open(self.path("log")) as f:
            self.assertEqual(len(f.read().splitlines()), len(lines))

    def test_closed_pipe(self):
        self.study()
        for i in range(20):
            self.out("enqueue", *[f"parameter{k}={k}" for k in range(300)])
        for command in (["export", "-f", "json"], ["trials", "--study-name", "s", "-f", "value"], ["help"]):
            read, write = os.pipe()
            os.close(read)
            p = subprocess.Popen([TRIALOG, *command], cwd=self.work, env=self.env, stdout=write, stderr=subprocess.PIPE)
            os.close(write)
            self.assertEqual(p.communicate(timeout=60)[1], b"")
            self.assertEqual(p.returncode, -signal.SIGPIPE)
            ignored = subprocess.run(["sh", "-c", 'trap "" PIPE; "$0" "$@" | true', TRIALOG, *command], cwd=self.work, env=self.env,
                                     stderr=subprocess.PIPE, timeout=60)
            self.assertEqual(ignored.stderr, b"")

    def test_full_disk(self):
        with open("/dev/full", "w") as full:
            done = subprocess.run([TRIALOG, "help"], stdout=full, stderr=subprocess.PIPE, text=True)
        self.assertEqual(done.returncode, 11)
        self.assertIn("cannot write to standard output", done.stderr)

    def test_closed_descriptors(self):
        self.study()
        done = subprocess.run(["sh", "-c", '"$0" enqueue x=1 <&- >&- 2>&-', TRIALOG], cwd=self.work, env=self.env)
        self.assertEqual(done.returncode, 0)
        self.assertEqual(self.json("check", "s.journal", "--json")["broken"], 0)
        self.assertEqual(len(self.json("trials", "--study-name", "s", "--json")), 1)


class Storages(Case):
    def test_environment(self):
        self.out("create-study", "--study-name", "a", env={"TRIALOG_STORAGE": "a", "OPTUNA_STORAGE": "b"})
        self.out("create-study", "--study-name", "b", env={"TRIALOG_STORAGE": "", "OPTUNA_STORAGE": "b"})
        self.assertEqual(sorted(n for n in os.listdir(self.work) if "." not in n), ["a", "b"])
        self.assertEqual(self.out("study-names", "--storage", "b", env={"TRIALOG_STORAGE": "a"}), "b\n")
        self.fails(2, "which journal", "study-names", env={"TRIALOG_STORAGE": ""})

    def test_missing(self):
        self.fails(3, "no journal 's.journal' .*create-study", "study-names")
        self.fails(3, "no journal", "ask", "--study-name", "s")
        self.assertEqual(os.listdir(self.work), [])
        self.fails(3, "no/such/folder", "create-study", "--storage", "no/such/folder")

    def test_other_kinds(self):
        self.fails(7, "Trialog servers are not supported yet", "study-names", "--storage", "grpc://x")
        self.fails(7, "'nonsense://' is no kind of storage", "study-names", "--storage", "nonsense://u:TOPSECRET@x")
        self.fails(2, "does not fit the storage 's.journal'", "study-names", "--storage-class", "RDBStorage")
        self.fails(2, "'redis://u:[*]{3}@x'", "study-names", "--storage", "redis://u:TOPSECRET@x", "--storage-class", "RDBStorage")
        self.fails(2, "not one of", "study-names", "--storage-class", "Nonsense")
        self.study()
        for name in ("JournalFileBackend", "JournalFileStorage"):
            self.assertEqual(self.out("study-names", "--storage-class", name), "s\n")
        self.assertEqual(self.out("create-study", "--storage", "memory://", "--study-name", "m"), "m\n")
        out, err = self.call("study-names", "--storage", self.work, status=10)
        self.assertEqual(out, "")

    def test_levels(self):
        self.study("s", "--durability", "off", "--lock", "kernel")
        self.out("enqueue", "--durability", "relaxed", "x=1")
        self.fails(2, "not one of full, relaxed or off", "enqueue", "--durability", "some", "x=1")

    def test_read_only(self):
        self.study()
        os.chmod(self.path("s.journal"), 0o444)
        os.chmod(self.work, 0o555)
        self.addCleanup(os.chmod, self.work, 0o755)
        self.assertEqual(self.out("study-names"), "s\n")
        if os.geteuid() != 0:
            self.fails(16, "s.journal", "enqueue", "x=1")


class Studies(Case):
    def test_create(self):
        self.assertEqual(self.out("create-study", "--study-name", "Ünï 日本"), "Ünï 日本\n")
        self.assertRegex(self.out("create-study"), r"^no-name-[0-9a-f-]{36}\n$")
        self.assertRegex(self.out("create-study", "--study-name", ""), r"^no-name-[0-9a-f-]{36}\n$")
        self.fails(2, "UTF-8", "create-study", "--study-name", b"\xff")
        self.fails(4, "--skip-if-exists", "create-study", "--study-name", "Ünï 日本")
        self.assertEqual(self.out("create-study", "--study-name", "Ünï 日本", "--skip-if-exists"), "Ünï 日本\n")
        _, err = self.call("create-study", "--study-name", "Ünï 日本", "--skip-if-exists", "--direction", "maximize")
        self.assertIn("keeps them", err)
        self.fails(2, "either", "create-study", "--direction", "minimize", "--directions", "minimize")
        self.out("create-study", "--study-name", "m", "--directions", "maximize", "minimize")
        self.assertEqual(self.json("studies", "--json")[3]["direction"], ["MAXIMIZE", "MINIMIZE"])

    def test_delete(self):
        self.study()
        self.study("other")
        self.assertEqual(self.out("delete-study", "--study-name", "s"), "")
        self.assertEqual(self.out("study-names"), "other\n")
        self.fails(3, "no study 's'", "delete-study", "--study-name", "s")
        self.fails(2, "--study-name is missing", "delete-study")

    def test_unknown_study(self):
        self.study("training")
        self.fails(3, "did you mean 'training'", "trials", "--study-name", "trainign")
        self.fails(3, "there is 'training'", "trials", "--study-name", "quite another")
        for i in range(5):
            self.study(f"other {i}")
        self.fails(3, "study-names", "trials", "--study-name", "unheard of")
        self.out("create-study", "--storage", "e")
        self.out("delete-study", "--storage", "e", "--study-name", self.out("study-names", "--storage", "e").strip())
        self.fails(3, "no study at all", "trials", "--storage", "e", "--study-name", "s")

    def test_only_study(self):
        self.study()
        self.assertEqual(self.out("enqueue", "x=1"), "0\n")
        self.study("t")
        self.fails(2, "which study", "enqueue", "x=1")

    def test_attributes(self):
        self.study()
        self.out("study", "set-user-attr", "--study-name", "s", "--key", "k", "--value", "3")
        self.out("study", "set-user-attr", "--study-name", "s", "-k", "j", "--json-value", '{"a": [1, null, "é"]}')
        self.assertEqual(self.json("studies", "--json")[0]["user_attrs"], {"k": "3", "j": {"a": [1, None, "é"]}})
        self.fails(2, "either --value or --json-value", "study", "set-user-attr", "--study-name", "s", "-k", "k")
        self.fails(2, "--json-value", "study", "set-user-attr", "--study-name", "s", "-k", "k", "--json-value", "{")
        self.fails(3, "no study", "study", "set-user-attr", "--study-name", "x", "-k", "k", "--value", "1")

    def test_copy(self):
        self.study()
        self.out("enqueue", "x=1")
        self.out("ask", "--search-space", SPACE)
        self.out("tell", "--trial-number", "0", "--values", "0.5")
        self.assertEqual(self.out("copy", "--to-study-name", "s2"), "s2\n")
        self.assertEqual(self.out("copy", "--study-name", "s", "--to", "t.journal"), "s\n")
        want = self.out("trials", "--study-name", "s", "-f", "json")
        self.assertEqual(want, self.out("trials", "--study-name", "s2", "-f", "json"))
        self.assertEqual(want, self.out("trials", "--storage", "t.journal", "--study-name", "s", "-f", "json"))
        self.fails(4, "another --to-study-name", "copy", "--study-name", "s", "--to", "t.journal")
        self.fails(2, "copy where", "copy", "--study-name", "s")
        self.fails(3, "no study", "copy", "--study-name", "x", "--to", "t.journal")


class Trials(Case):
    def test_ask_and_tell(self):
        self.study()
        asked = self.json("ask", "--search-space", SPACE)
        self.assertEqual(asked["number"], 0)
        self.assertEqual(list(asked["params"]), ["x", "n", "c"])
        self.assertTrue(0 <= asked["params"]["x"] <= 1)
        self.assertIn(asked["params"]["c"], ["a", None, True, 1.5])
        self.out("tell", "--trial-number", "0", "--values", "-1e-3")
        best = self.json("best-trial", "--study-name", "s", "--json")
        self.assertEqual((best["value"], best["state"], best["params"]), (-0.001, "COMPLETE", asked["params"]))
        self.assertEqual(self.json("ask")["params"], {})

    def leases(self):
        return sorted(n for n in os.listdir(self.work) if n.startswith("s.journal.lease.") and "+" not in n)

    def older(self, name, seconds):
        """Time passes for a file."""
        path = self.path(name)
        os.utime(path, ns=(0, os.stat(path).st_mtime_ns - seconds * 10**9))

    def test_lease(self):
        self.study()
        self.json("ask", "--search-space", SPACE)
        self.assertEqual(self.leases(), [])
        self.json("ask", "--search-space", SPACE, "--lease", "10m", "--retry-lost", "2")
        [lease] = self.leases()
        with open(self.path(lease)) as f:
            self.assertEqual(f.read().split(), ["trialog-lease", "1", "600000", "2", "left"])
        self.older(lease, 500)
        before = os.stat(self.path(lease)).st_mtime_ns
        size = os.stat(self.path("s.journal")).st_size
        self.out("tell", "--trial-number", "0", "--values", "1")  # another trial: no sign of life
        self.assertEqual(os.stat(self.path(lease)).st_mtime_ns, before)
        self.out("report", "--trial-number", "1", "--step", "1", "--value", "1")
        self.assertGreater(os.stat(self.path(lease)).st_mtime_ns, before + 499 * 10**9)
        self.assertGreater(os.stat(self.path("s.journal")).st_size, size)
        self.out("tell", "--trial-number", "1", "--values", "1")
        self.assertEqual(self.leases(), [])

    def test_workers(self):
        self.study()
        self.study("t")
        self.assertEqual(self.json("workers", "--json"), [])
        self.json("ask", "--study-name", "t", "--lease", "10m")
        self.json("ask", "--study-name", "s")
        self.json("ask", "--study-name", "t")
        self.older(self.leases()[0], 100)
        self.call("tell", "--study-name", "t", "--trial-number", "1", "--values", "1")
        found = self.json("workers", "--json")
        self.assertEqual([(t["study"], t["number"], t["lease"]) for t in found], [("s", 0, None), ("t", 0, 600)])
        self.assertTrue(100 <= found[1]["silent"] < 160, found)
        self.assertIsNone(found[0]["silent"])
        self.assertIn(found[1]["worker"], self.leases()[0])
        self.assertEqual(self.json("workers", "--study-name", "s", "--json"), found[:1])
        self.assertEqual(len(self.out("workers").splitlines()), 6)

    def test_lost(self):
        self.study()
        asked = self.json("ask", "--search-space", SPACE, "--lease", "10m", "--retry-lost", "2")
        [lease] = self.leases()
        self.older(lease, 700)
        self.assertEqual(self.json("ask")["number"], 1)  # the first that looks only notes it
        self.older(lease + "+late", 300)
        again, err = self.call("ask", "--search-space", SPACE)
        self.assertIn("1 trial of lost workers failed, 1 queued again", err)
        self.assertEqual(json.loads(again), {"number": 2, "params": asked["params"]})
        self.assertEqual(self.leases(), [])
        self.fails(5, "has finished already", "tell", "--trial-number", "0", "--values", "1")
        self.fails(5, "has finished already", "report", "--trial-number", "0", "--step", "1", "--value", "1")
        self.assertEqual([t["state"] for t in json.loads(self.out("trials", "--study-name", "s", "-f", "json"))],
                         ["FAIL", "RUNNING", "RUNNING"])

    def test_lease_errors(self):
        self.study()
        self.fails(2, "between 500ms", "ask", "--lease", "0.1s")
        self.fails(2, "needs a lease", "ask", "--retry-lost", "1")
        self.fails(2, "--retry-lost must be", "ask", "--lease", "1m", "--retry-lost", "-1")

    def test_ask_is_reproducible(self):
        for name in ("a", "b"):
            self.study(name)
        args = ["--sampler", "RandomSampler", "--sampler-kwargs", '{"seed": 7}', "--search-space", SPACE]
        both = [[self.json("ask", "--study-name", name, *args) for _ in range(3)] for name in ("a", "b")]
        self.assertEqual(both[0], both[1])
        self.assertNotEqual(both[0][0]["params"], both[0][1]["params"])

    def test_ask_grid(self):
        self.study()
        args = ["--sampler", "grid", "--sampler-kwargs", '{"search_space": {"x": [0.25, 0.5], "c": ["a", null]}, "seed": 1}', "--search-space",
                '{"x": {"type": "float", "low": 0, "high": 1}, "c": {"type": "categorical", "choices": ["a", null]}}']
        cells = {(t["params"]["x"], t["params"]["c"]) for t in (self.json("ask", *args) for _ in range(4))}
        self.assertEqual(cells, {(0.25, "a"), (0.25, None), (0.5, "a"), (0.5, None)})
        self.fails(32, "grid", "ask", *args)
        self.study("t")
        args = ["ask", "--study-name", "t", "--sampler", "grid", "--search-space", '{"n": {"type": "int", "low": 1, "high": 5, "step": 2}}']
        self.assertEqual(sorted(self.json(*args)["params"]["n"] for _ in range(3)), [1, 3, 5])
        self.fails(32, "grid", *args)
        self.fails(2, "few values", "ask", "--study-name", "t", "--sampler", "grid", "--search-space", SPACE)
        self.fails(2, "needs parameters", "ask", "--study-name", "t", "--sampler", "grid")

    def test_ask_errors(self):
        self.study()
        for kwargs, pattern in (("{", "--sampler-kwargs: .*byte"), ("[]", "JSON object"), ('{"sed": 1}', "sed"), ('{"seed": "x"}', "seed")):
            self.fails(2, pattern, "ask", "--sampler", "random", "--sampler-kwargs", kwargs)
        self.fails(2, "needs --sampler", "ask", "--sampler-kwargs", "{}")
        self.fails(7, "did you mean 'random'", "ask", "--sampler", "randon")
        self.fails(7, "NSGAIISampler", "ask", "--sampler", "NSGAIISampler")
        for space, pattern in (("{", "--search-space: "), ("[]", "JSON object"), ('{"x": 1}', "'x'.*object"),
                               ('{"x": {"type": "real"}}', "'x'.*no distribution 'real'"), ('{"x": {"low": 1}}', "neither 'name'"),
                               ('{"x": {"type": "float", "low": 0}}', "'x'.*'high' is missing"),
                               ('{"x": {"type": "float", "low": 0, "high": "1"}}', "'high' must be a finite number"),
                               ('{"x": {"type": "float", "low": 0, "high": NaN}}', "'high' must be a finite number"),
                               ('{"x": {"type": "int", "low": 0.5, "high": 1}}', "'low' must be a whole number"),
                               ('{"x": {"type": "float", "low": 1, "high": 0}}', "'x'"), ('{"x": {"type": "float", "low": 0, "high": 1, "log": true}}', "'x'"),
                               ('{"x": {"type": "float", "low": 0, "high": 1, "step": 0}}', "'step' must be above 0"),
                               ('{"x": {"type": "float", "low": 0, "high": 1, "log": 1}}', "'log' must be true or false"),
                               ('{"x": {"type": "categorical", "choices": []}}', "choices"), ('{"x\\u0000": {}}', "NUL"),
                               ('{"x": {"type": "float", "low": 0, "high": 1, "sigma": 1}}', "unknown attribute 'sigma'"),
                               ('{"x": {"name": "FloatDistribution"}}', "'attributes' is missing")):
            self.fails(2, pattern, "ask", "--search-space", space)
        self.out("ask", "--search-space", '{"x": {"type": "float", "low": 0, "high": 1}}')
        self.fails(6, "x", "ask", "--search-space", '{"x": {"type": "int", "low": 0, "high": 1}}')
        self.assertEqual(len(self.json("trials", "--study-name", "s", "--json")), 1)
        _, err = self.call("ask", "--search-space", '{"y": {"type": "float", "low": 0, "high": 1, "step": 0.3}}')
        self.assertRegex(err, "becomes 0.9")

    def test_tell_errors(self):
        self.study()
        self.study("two", "--directions", "minimize", "maximize")
        self.json("ask", "--study-name", "s")
        self.json("ask", "--study-name", "two")
        tell = ["tell", "--study-name", "s", "--trial-number"]
        self.fails(3, "no trial 5", *tell, "5", "--values", "1")
        self.fails(3, "no trial -1", *tell, "-1", "--values", "1")
        self.fails(2, "needs --values", *tell, "0", "--state", "complete")
        self.fails(2, "complete only", *tell, "0", "--state", "fail", "--values", "1")
        self.fails(2, "nan", *tell, "0", "--state", "complete", "--values", "nan")
        self.fails(2, "1 objective", *tell, "0", "--state", "complete", "--values", "1", "2")
        self.fails(2, "not one of", *tell, "0", "--state", "running")
        self.fails(2, "--trial-number is missing", "tell", "--study-name", "s", "--values", "1")
        self.out(*tell, "0", "--values", "inf")
        self.fails(5, "--skip-if-finished", *tell, "0", "--values", "1")
        self.out(*tell, "0", "--values", "1", "--skip-if-finished")
        self.out("enqueue", "--study-name", "s", "x=1")
        self.fails(2, "waiting in the queue", *tell, "1", "--values", "1")
        _, err = self.call("tell", "--study-name", "two", "--trial-number", "0", "--values", "1")
        self.assertIn("counts as failed", err)
        self.assertEqual([t["state"] for t in self.json("trials", "--study-name", "two", "--json")], ["FAIL"])

    def test_report(self):
        self.study()
        self.study("two", "--directions", "minimize", "maximize")
        self.json("ask", "--study-name", "s")
        self.json("ask", "--study-name", "two")
        report = ["report", "--study-name", "s", "--trial-number"]
        self.out(*report, "0", "--step", "1", "--value", "0.5")
        self.out(*report, "0", "--step", "3", "--value", "nan")
        _, err = self.call(*report, "0", "--step", "1", "--value", "7")
        self.assertIn("step 1 already", err)
        self.fails(2, "below 0", *report, "0", "--step", "-1", "--value", "1")
        self.fails(3, "no trial 9", *report, "9", "--step", "1", "--value", "1")
        self.fails(2, "one objective", "report", "--study-name", "two", "--trial-number", "0", "--step", "1", "--value", "1")
        trial = self.json("export", "--study-name", "s", "-f", "json")["trials"][0]
        self.assertEqual(str(trial["intermediate_values"]), "{'1': 0.5, '3': nan}")
        self.out("tell", "--study-name", "s", "--trial-number", "0", "--state", "pruned")
        self.fails(5, "finished already", *report, "0", "--step", "4", "--value", "1")

    def test_report_asks_a_pruner(self):
        self.study()
        kwargs = ["--pruner-kwargs", '{"upper": 1, "n_warmup_steps": 2}']
        self.json("ask")
        report = ["report", "--trial-number", "0", "--pruner", "threshold", *kwargs]
        self.assertEqual(self.out(*report, "--step", "1", "--value", "7"), "continue\n")
        self.assertEqual(self.out("report", "--trial-number", "0", "--step", "2", "--value", "7"), "")
        self.assertEqual(self.out(*report, "--step", "3", "--value", "7", status=1), "prune\n")
        self.assertEqual(json.loads(self.out(*report, "--step", "4", "--value", "0.5", "--json")),
                         {"number": 0, "step": 4, "value": 0.5, "prune": False})
        self.assertEqual(json.loads(self.out(*report, "--step", "5", "--value", "inf", "--json", status=1)),
                         {"number": 0, "step": 5, "value": float("inf"), "prune": True})
        self.assertEqual(json.loads(self.out("report", "--trial-number", "0", "--step", "6", "--value", "1", "--json"))["prune"], None)
        out, err = self.call(*report, "--step", "5", "--value", "0") # the value stays; the last step is 6 by now
        self.assertEqual((out, "step 5 already" in err), ("continue\n", True))
        # from the environment
        env = {"TRIALOG_STUDY_NAME": "s", "TRIALOG_TRIAL_NUMBER": "0", "TRIALOG_PRUNER": "threshold", "TRIALOG_PRUNER_KWARGS": '{"lower": 2}'}
        self.assertEqual(self.out("report", "--step", "7", "--value", "1", env=env, status=1), "prune\n")
        self.assertEqual(self.out("report", "--step", "8", "--value", "1", "--pruner", "nop", env=env), "continue\n")
        self.assertEqual(self.out("report", "--step", "9", "--value", "1", "--pruner-kwargs", '{"upper": 5}', env=env), "continue\n")
        self.fails(2, "--trial-number is missing", "report", "--step", "1", "--value", "1")
        self.fails(2, "TRIALOG_TRIAL_NUMBER", "report", "--step", "1", "--value", "1", env={"TRIALOG_TRIAL_NUMBER": "x"})
        self.fails(2, "needs --pruner", "report", "--trial-number", "0", "--step", "1", "--value", "1", *kwargs)
        self.fails(7, "did you mean 'median'", "report", "--trial-number", "0", "--step", "1", "--value", "1", "--pruner", "meidan")
        self.assertEqual(len(self.json("export", "-f", "json")["trials"][0]["intermediate_values"]), 9) # mistakes write nothing

    def test_pruners_inside_pruners(self):
        self.study()
        self.json("ask")
        report = ["report", "--trial-number", "0", "--pruner", "patient", "--pruner-kwargs"]
        inner = '{"patience": 0, "wrapped_pruner": {"name": "patient", "patience": 1, "wrapped_pruner": {"name": "threshold", "upper": 5}}}'
        for step, (value, answer) in enumerate([(1, "continue"), (2, "continue"), (3, "continue"), (9, "prune")]):
            self.assertEqual(self.out(*report, inner, "--step", str(step), "--value", str(value), status=int(answer == "prune")), answer + "\n")
        self.assertEqual(self.out(*report, '{"patience": 0, "wrapped_pruner": "threshold", "wrapped_pruner.upper": 50}', "--step", "4", "--value", "9"),
                         "continue\n")
        for status, pattern, kwargs in ((2, "has no option 'upper'", '{"patience": 0, "upper": 1}'), (2, "needs the option patience", "{}"),
                                        (7, "wrapped_pruner: there is no pruner 'x'", '{"patience": 0, "wrapped_pruner": "x"}'),
                                        (2, "wrapped_pruner: pruner 'median' has no option 'z'", '{"patience": 0, "wrapped_pruner": {"name": "median", "z": 1}}'),
                                        (2, "no wrapped_pruner", '{"patience": 0, "wrapped_pruner.upper": 1}'), (2, "JSON object", "[]")):
            self.fails(status, pattern, *report, kwargs, "--step", "5", "--value", "1")

    def test_enqueue(self):
        self.study()
        self.assertEqual(self.out("enqueue", "--params", '{"x": 0.5, "c": null}', "n=3"), "0\n")
        self.assertEqual(self.out("enqueue", "x=0.25", "c=a", "--user-attrs", '{"why": ["guess"]}'), "1\n")
        self.assertEqual(self.out("enqueue", "--skip-if-exists", "c=a", "x=0.25"), "")
        self.assertEqual(self.out("enqueue", "n=2", 'c="a"', "--skip-if-exists"), "2\n")
        self.assertEqual(self.json("ask", "--search-space", SPACE)["params"], {"x": 0.5, "n": 3, "c": None})
        second = self.json("ask", "--search-space", SPACE)["params"]
        self.assertEqual((second["x"], second["c"]), (0.25, "a"))
        self.assertEqual(self.json("ask", "--search-space", SPACE)["params"]["n"], 2)
        self.assertEqual(self.json("trials", "--study-name", "s", "--json")[1]["user_attrs"], {"why": ["guess"]})
        self.assertEqual(self.out("enqueue"), "3\n")
        self.fails(2, "not NAME=VALUE", "enqueue", "x")
        self.fails(2, "not NAME=VALUE", "enqueue", "=1")
        self.fails(2, "twice", "enqueue", "x=1", "x=2")
        self.fails(2, "twice", "enqueue", "--params", '{"x": 1}', "x=2")
        self.fails(2, "--params", "enqueue", "--params", "{")
        self.fails(2, "NUL", "enqueue", "--params", '{"a\\u0000b": 1}')
        self.fails(2, "NUL", "enqueue", "--user-attrs", '{"a\\u0000b": 1}')
        self.fails(2, "UTF-8", "enqueue", b"x=\xff")
        self.fails(2, "--user-attrs must be a JSON object", "enqueue", "--user-attrs", "[]")

    def test_best(self):
        self.study()
        self.study("two", "--directions", "minimize", "maximize")
        self.fails(3, "no trial is complete", "best-trial", "--study-name", "s")
        self.fails(2, "best-trials", "best-trial", "--study-name", "two")
        self.assertEqual(self.json("best-trials", "--study-name", "two", "--json"), [])
        for i, values in enumerate((["1", "1"], ["2", "2"], ["3", "1"])):
            self.json("ask", "--study-name", "two")
            self.out("tell", "--study-name", "two", "--trial-number", str(i), "--values", *values)
        self.assertEqual([t["number"] for t in self.json("best-trials", "--study-name", "two", "--json")], [0, 1])

    def test_table(self):
        self.study("s", "--direction", "maximize")
        self.out("enqueue", "name=é日本")
        self.out("ask", "--search-space", '{"name": {"type": "categorical", "choices": ["a", "é日本"]}}')
        self.out("tell", "--trial-number", "0", "--values", "0.1")
        lines = self.out("best-trial", "--study-name", "s", "--flatten").splitlines()
        self.assertEqual(len({len(l) for l in lines}), 1, lines)
        self.assertRegex(lines[1], r"^\| number \| value \| datetime_start      \| datetime_complete   \| duration +\| params_name \| state    \|$")
        self.assertRegex(lines[3], r"^\|      0 \|   0\.1 \| \d{4}-\d\d-\d\d \d\d:\d\d:\d\d \| .* \| é日本 {8} \| COMPLETE \|$")


class Exports(Case):
    def setUp(self):
        super().setUp()
        self.study()
        self.out("study", "set-user-attr", "--study-name", "s", "-k", "k", "--json-value", "[1, NaN]")
        self.out("enqueue", 'c="a, \\"b\\"\\nc"', "x=0.1", "--user-attrs", '{"list": [1, "é"], "empty": "", "t": true}')
        space = {"x": {"type": "float", "low": 0, "high": 1}, "c": {"type": "categorical", "choices": ['a, "b"\nc', None]}}
        self.out("ask", "--search-space", json.dumps(space))
        self.out("report", "--trial-number", "0", "--step", "0", "--value", "0.5")
        self.out("tell", "--trial-number", "0", "--values", "1e-5")
        self.out("ask")

    def test_csv(self):
        text = self.out("export")
        rows = list(csv.DictReader(io.StringIO(text)))
        self.assertEqual(len(rows), 2)
        first = rows[0]
        self.assertEqual((first["number"], first["value"], first["state"]), ("0", "1e-05", "COMPLETE"))
        self.assertEqual((first["params_x"], first["params_c"]), ("0.1", 'a, "b"\nc'))
        self.assertEqual(json.loads(first["user_attrs_list"]), [1, "é"])
        self.assertEqual((first["user_attrs_t"], rows[1]["user_attrs_t"], rows[1]["value"]), ("True", "", ""))
        self.assertIn(',""', text)
        self.assertRegex(first["datetime_start"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00$")
        self.assertGreaterEqual(float(first["duration"]), 0)

    def test_json(self):
        study = self.json("export", "-f", "json")
        self.assertEqual((study["study_name"], study["directions"]), ("s", ["MINIMIZE"]))
        self.assertEqual(str(study["user_attrs"]), "{'k': [1, nan]}")
        first, second = study["trials"]
        self.assertEqual((first["values"], first["params"]), ([1e-05], {"x": 0.1, "c": 'a, "b"\nc'}))
        self.assertEqual(first["distributions"]["x"], {"name": "FloatDistribution",
                                                       "attributes": {"low": 0.0, "high": 1.0, "step": None, "log": False}})
        self.assertEqual(first["intermediate_values"], {"0": 0.5})
        self.assertEqual((second["state"], second["values"], second["datetime_complete"]), ("RUNNING", None, None))

    def test_journal(self):
        self.fails(2, "needs --output", "export", "-f", "journal")
        self.out("export", "-f", "journal", "-o", "copy")
        self.assertEqual(self.out("trials", "--study-name", "s", "--json"), self.out("trials", "--storage", "copy", "--study-name", "s", "--json"))
        self.fails(4, "exists already", "export", "-f", "journal", "-o", "copy")

    def test_output(self):
        for f in ("csv", "json"):
            self.out("export", "-f", f, "-o", "x." + f)
            with open(self.path("x." + f)) as file:
                self.assertEqual(file.read(), self.out("export", "-f", f))
            self.fails(4, "not overwritten", "export", "-f", f, "-o", "x." + f)
        self.fails(10, "cannot create", "export", "-o", "no/such/folder")


@unittest.skipUnless("sqlite" in subprocess.run([TRIALOG, "--version"], capture_output=True, text=True).stdout,
                     "built without SQLite")
class Databases(Case):
    """The same commands on a URL."""

    def setUp(self):
        super().setUp()
        self.env["TRIALOG_STORAGE"] = "sqlite:///s.db"

    def test_a_study(self):
        self.study("s", "--direction", "maximize")
        self.out("study", "set-user-attr", "--study-name", "s", "--key", "k", "--value", "v")
        asked = self.json("ask", "--study-name", "s", "--search-space", SPACE)
        self.out("tell", "--study-name", "s", "--trial-number", str(asked["number"]), "--values", "3.5")
        self.call("optimize", "--study-name", "s", "--trials", "6", "--jobs", "2", "--sampler", "random", "--param", "x=float(0,1)",
                  "--", "sh", "-c", "trialog=$0; echo $1", TRIALOG, "{x}")
        self.assertEqual(self.json("best-trial", "--study-name", "s", "-f", "json")["value"], 3.5)
        self.assertEqual(len(self.json("trials", "--study-name", "s", "-f", "json")), 6)
        rows = self.json("studies", "--json")
        self.assertEqual([(r["name"], r["n_trials"], r["direction"], r["user_attrs"]) for r in rows], [("s", 6, ["MAXIMIZE"], {"k": "v"})])
        self.assertEqual(self.out("study-names"), "s\n")
        self.assertRegex(self.out("check"), r"sqlite:///s.db: \d+ lines \(\d+ with a checksum\), 1 studies, 6 trials; 0 broken, 0 odd")
        self.assertRegex(self.out("export", "--study-name", "s"), "(?s)number.*3.5")
        self.fails(3, "there is 's'", "trials", "--study-name", "t")
        self.out("delete-study", "--study-name", "s")
        self.assertEqual(self.json("study-names", "--json"), [])

    def test_copies(self):
        self.study()
        self.call("optimize", "--study-name", "s", "--trials", "5", "--sampler", "random", "--param", "x=float(0,1)", "--", "sh", "-c",
                  "echo $0", "{x}")
        want = self.json("trials", "--study-name", "s", "-f", "json")
        self.out("copy", "--study-name", "s", "--to", "s.journal")
        self.out("copy", "--storage", "s.journal", "--study-name", "s", "--to", "sqlite:///t.db", "--to-study-name", "t")
        self.out("copy", "--study-name", "s", "--to-study-name", "u")
        for storage, name in (("s.journal", "s"), ("sqlite:///t.db", "t"), ("sqlite:///s.db", "u")):
            self.assertEqual(want, self.json("trials", "--storage", storage, "--study-name", name, "-f", "json"))
        self.fails(4, "there is a study 's' in 's.journal' already", "copy", "--study-name", "s", "--to", "s.journal")

    def test_messages(self):
        self.fails(3, "no SQLite database 's.db': creating a study makes it", "study-names")
        self.assertEqual(os.listdir(self.work), [])
        self.fails(2, "option 'tiemout'", "create-study", "--storage", "sqlite:///s.db?tiemout=1")
        self.assertEqual(os.listdir(self.work), [])
        self.fails(7, "no file: this command is for journal files", "compact")
        self.fails(7, "no file: this command is for journal files", "repair")


class Journals(Case):
    def setUp(self):
        super().setUp()
        self.study("gone")
        self.out("ask", "--study-name", "gone")
        self.study()
        for i in range(4):
            self.out("ask", "--study-name", "s", "--search-space", SPACE)
        self.out("delete-study", "--study-name", "gone")
        self.out("tell", "--trial-number", "1", "--values", "0.5")
        self.out("report", "--trial-number", "2", "--step", "1", "--value", "0.25")
        with open(self.path("s.journal"), "rb") as f:
            self.lines = f.read().splitlines(keepends=True)

    def write(self, name, lines):
        with open(self.path(name), "wb") as f:
            f.write(b"".join(lines))

    def test_check(self):
        out = self.out("check", "s.journal")
        self.assertEqual(out, f"s.journal: {len(self.lines)} lines ({len(self.lines)} with a checksum), 1 studies, 4 trials; "
                              "0 broken, 0 odd, 0 torn, 0 rejected\n")
        self.assertEqual(out, self.out("check"))
        self.fails(3, "cannot open 'missing'", "check", "missing")
        self.fails(7, "no file", "compact", "memory://")
        self.fails(2, "which journal", "check", env={"TRIALOG_STORAGE": ""})

    def test_check_damage(self):
        lines = list(self.lines)
        lines[3] = lines[3][:40] + b"#" + lines[3][41:]
        lines.insert(5, b'{"op_code":99,"worker_id":"x"}\n')
        lines.append(b'{"op_code":6,"worker_id":"x","trial_id":2,"state":1,"values":[1.0],"datetime_complete":"2024-01-01T00:00:00.000000+00:00"}\n')
        lines.append(b'{"op_code":2,"worker')
        self.write("bad", lines)
        out, err = self.call("check", "bad", status=20)
        self.assertEqual(err, "")
        self.assertRegex(out, r"(?m)^bad:4: broken: ")
        self.assertRegex(out, r"(?m)^bad:6: odd: ")
        self.assertRegex(out, r"(?m)^bad:%d: torn: " % len(lines))
        self.assertNotIn(": rejected:", out)
        self.assertRegex(out, r"1 broken, 1 odd, 1 torn, 1 rejected\n$")
        self.assertRegex(self.call("check", "bad", "-v", status=20)[0], r"(?m)^bad:%d: rejected: " % (len(lines) - 1))
        report = json.loads(self.call("check", "bad", "--json", status=20)[0])
        self.assertEqual([f["kind"] for f in report["findings"]], ["broken", "odd", "rejected", "torn"])
        self.assertEqual(report["findings"][0]["offset"], sum(map(len, lines[:3])))
        self.assertEqual((report["lines"], report["bytes"]), (len(lines) - 1, sum(map(len, lines))))

    def test_damaged_journal_is_read_and_not_written(self):
        lines = list(self.lines)
        lines[3] = lines[3][:40] + b"#" + lines[3][41:]
        self.write("bad", lines)
        out, err = self.call("study-names", "--storage", "bad")
        self.assertEqual(out, "s\n")
        self.assertRegex(err, r"line 4.*BAD_LINE")
        out, err = self.call("enqueue", "--storage", "bad", "x=1", status=20)
        self.assertIn("repair", err)

    def test_repair(self):
        bad = [i for i, l in enumerate(self.lines) if b'"op_code":4' in l and b'"study_id":1' in l][1]
        lines = list(self.lines)
        lines[bad] = lines[bad][:-5] + b"\n"
        lines.append(b"rubbish\n")
        lines.append(b'{"op_code":2')
        self.write("bad", lines)
        out, err = self.call("repair", "bad")
        self.assertRegex(out, r"(?m)^bad:%d: broken" % (bad + 1))
        self.assertIn("bad.repaired:", out)
        self.assertRegex(self.out("check", "bad.repaired"), "0 broken, 0 odd, 0 torn")
        trials = self.json("trials", "--storage", "bad.repaired", "--study-name", "s", "--json")
        self.assertEqual([t["state"] for t in trials], ["RUNNING", "FAIL", "RUNNING", "RUNNING"])
        self.fails(4, "exists already", "repair", "bad")
        self.out("repair", "s.journal", "same")
        with open(self.path("same"), "rb") as f:
            self.assertEqual(f.read(), b"".join(self.lines))

    def test_compact(self):
        for i in range(30):
            self.out("study", "set-user-attr", "--study-name", "s", "-k", "k", "--value", str(i))
        self.assertRegex(self.out("compact"), r"^s\.journal\.compacted: \d+ lines instead of \d+\n$")
        before, after = (self.out("export", "-f", "json", "--storage", name) for name in ("s.journal", "s.journal.compacted"))
        self.assertEqual(before, after)
        counts = [self.json("check", name, "--json") for name in ("s.journal", "s.journal.compacted")]
        self.assertLess(counts[1]["lines"], counts[0]["lines"] - 30)
        self.assertEqual(counts[1]["rejected"], 0)
        self.assertEqual(counts[0]["trials"], counts[1]["trials"])
        for name in ("s.journal", "s.journal.compacted"):
            self.out("tell", "--storage", name, "--trial-number", "3", "--values", "1")
            self.assertEqual(self.json("ask", "--storage", name)["number"], 4)
        self.fails(4, "exists already", "compact")
        self.write("bad", self.lines[:3] + [b"rubbish\n"] + self.lines[3:])
        self.fails(20, "repair", "compact", "bad")

    def test_unlock(self):
        self.assertEqual(self.out("unlock"), "s.journal: there was no lock\n")
        os.symlink("s.journal", self.path("s.journal.lock"))
        self.fails(12, "--force", "unlock")
        self.assertEqual(self.out("unlock", "--force"), "s.journal: lock removed\n")
        self.assertFalse(os.path.lexists(self.path("s.journal.lock")))


unittest.main(argv=[sys.argv[0]] + sys.argv[2:])
