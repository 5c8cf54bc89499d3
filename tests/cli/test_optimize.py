#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""test_optimize.py TRIALOG [unittest option...]: `trialog optimize` from the outside.

Programs are small shell scripts; what happened is read back with `trialog export`. Waiting is waiting for something to appear,
with a deadline. Programs that hang do so in `sleep` with a number of seconds that no other process has, so that a test can see
whether one survived.
"""
import fcntl
import json
import os
import pty
import random
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest

TRIALOG = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else None
DEADLINE = 60 # seconds; sanitizers and a busy machine are slow


def until(condition, what):
    """Waits for a condition."""
    end = time.monotonic() + DEADLINE
    while not (result := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"this did not happen in {DEADLINE} s: {what}")
        time.sleep(0.01)
    return result


def plain(script):
    """A script whose braces are no placeholders."""
    return script.replace("{", "{{").replace("}", "}}")


def processes(marker):
    """Ids of processes (no zombies) with `marker` among their words."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                words = f.read().split(b"\0")
        except OSError:
            continue
        if marker.encode() in words:
            found.append(int(pid))
    return found


def signal_caught(pid, number):
    """Has the process installed a handler?"""
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        mask = next(int(line.split()[1], 16) for line in f if line.startswith("SigCgt"))
    return mask >> (number - 1) & 1


class Optimize(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="trialog-optimize-")
        self.journal = os.path.join(self.dir, "j.journal")
        self.marker = f"{random.randrange(10**6, 10**7)}.{random.randrange(10**6, 10**7)}"
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)

    def words(self, *args):
        return [TRIALOG, "optimize", "--storage", self.journal, "--study-name", "s", *args]

    def start(self, *args, **kwargs):
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **kwargs}
        process = subprocess.Popen(self.words(*args), **options)
        self.addCleanup(lambda: process.poll() is None and process.kill())
        return process

    def run_it(self, *args, status=0, **kwargs):
        process = self.start(*args, **kwargs)
        process.out, process.err = process.communicate(timeout=2 * DEADLINE)
        self.assertEqual(process.returncode, status, f"{process.out}\n{process.err}")
        return process

    def study(self):
        done = subprocess.run([TRIALOG, "export", "--storage", self.journal, "--study-name", "s", "-f", "json"],
                              capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    def trials(self):
        return self.study()["trials"]

    def reason(self, trial=0):
        return self.trials()[trial]["system_attrs"].get("fail_reason")

    def states(self):
        return [t["state"] for t in self.trials()]

    def has_report(self):
        try:
            with open(self.journal, "rb") as f:
                return b'"op_code":7' in f.read().replace(b" ", b"")
        except FileNotFoundError:
            return False

    def value(self, script, *args):
        """Value of one trial of a shell script, which may be None."""
        if os.path.exists(self.journal):
            os.unlink(self.journal)
        process = self.start("--trials", "1", *args, "--", "sh", "-c", plain(script))
        process.communicate(timeout=DEADLINE)
        trial = self.trials()[0]
        self.assertEqual(process.returncode, 0 if trial["state"] == "COMPLETE" else 1)
        values = trial["values"]
        return values[0] if values and len(values) == 1 else values


class Values(Optimize):
    def test_last_line(self):
        self.assertEqual(self.value("echo start; echo 0.25"), 0.25)
        self.assertEqual(self.value("printf '1\\n\\n -3e2 \\n\\n'"), -300)
        self.assertEqual(self.value("printf 7"), 7)

    def test_several_objectives(self):
        self.assertEqual(self.value("echo 1 2.5", "--directions", "minimize", "maximize"), [1, 2.5])
        self.assertIsNone(self.value("echo 1", "--directions", "minimize", "maximize"))
        self.assertEqual(self.reason(), "no value: the last line has 1 numbers, the study 2 objectives")

    def test_json(self):
        self.assertEqual(self.value("""echo '{"loss": 1}'; echo '{"loss": 0.5, "m": {"acc": 3}}'; echo bye""",
                                    "--value-json", "loss"), 0.5)
        self.assertEqual(self.value("""echo '{'; echo '"m": {"acc": 3}}'""", "--value-json", "m.acc"), 3)
        self.assertEqual(self.value("""echo '{"a": 1, "b": 2}'""", "--directions", "minimize", "minimize", "--value-json", "b",
                                    "--value-json", "a"), [2, 1])
        self.assertIsNone(self.value("echo 1", "--value-json", "loss"))
        self.assertEqual(self.reason(), "no value: the program printed no JSON object")

    def test_pattern(self):
        self.assertEqual(self.value("echo loss=3; echo loss=2 end; echo done", "--value-pattern", "loss=([0-9.]+)"), 2)
        two = ("--directions", "minimize", "minimize")
        self.assertEqual(self.value("echo a=1 b=2", *two, "--value-pattern", "a=(.*) b=(.*)"), [1, 2])
        self.assertEqual(self.value("echo a=1; echo b=2", *two, "--value-pattern", "b=(.*)", "--value-pattern", "a=(.*)"), [2, 1])
        self.assertIsNone(self.value("echo done", "--value-pattern", "loss=(.*)"))
        self.assertEqual(self.reason(), "no value: no line matches the pattern with a number")

    def test_no_value(self):
        self.assertIsNone(self.value("true"))
        self.assertEqual(self.reason(), "no value: the program printed nothing")
        self.assertIsNone(self.value("echo 0.5; echo done"))
        self.assertEqual(self.reason(), "no value: the last line is no number: 'done'")
        self.assertIsNone(self.value("echo nan"))
        self.assertEqual(self.reason(), "the value is NaN")
        self.assertEqual(self.value("echo inf"), float("inf"))

    def test_rules_that_do_not_fit(self):
        self.run_it("--value-json", "a", "--value-json", "b", "--", "true", status=2)
        self.run_it("--value-json", "a", "--value-pattern", "b", "--", "true", status=2)
        self.assertIn("Unmatched (", self.run_it("--value-pattern", "(", "--", "true", status=2).err)

    def test_much_output(self):
        """More than a pipe holds, on both streams, and lines of any length."""
        self.assertEqual(self.value("i=0; while [ $i -lt 300 ]; do printf '%01000d\\n' $i; printf '%01000d' $i >&2; i=$((i+1)); done;"
                                    "head -c 3000000 /dev/zero; echo; echo 5"), 5)


class Parameters(Optimize):
    def test_placeholders_and_environment(self):
        self.run_it("--trials", "1", "--param", "lr=float(1e-7,1e-7)", "--param", "n=int(3,3)", "--param", 'c=choice("a b")',
                    "--", "sh", "-c", 'printf "%s|" "$@" "$TRIALOG_PARAM_LR" "$TRIALOG_PARAM_N" "$TRIALOG_PARAM_C" '
                    '"$TRIALOG_TRIAL_NUMBER" "$TRIALOG_STUDY_NAME" "$TRIALOG_STORAGE" >' + self.dir + '/out; echo 1',
                    "x", "--lr={lr}", "{n}{c}", "{{n}}", "{trial}/{study}", "")
        with open(self.dir + "/out", encoding="utf-8") as f:
            self.assertEqual(f.read(), f"--lr=1e-07|3a b|{{n}}|0/s||1e-07|3|a b|0|s|{self.journal}|")
        self.assertEqual(self.trials()[0]["params"], {"lr": 1e-7, "n": 3, "c": "a b"})

    def test_kinds(self):
        self.run_it("--trials", "30", "--param", "x=float(0,1,step=0.25)", "--param", "n=int(1,100,log)",
                    "--param", 'c=choice("a b",1,2.5,true,null)', "--", "echo", "1")
        trials = self.trials()
        self.assertEqual({t["params"]["x"] for t in trials} - {0, 0.25, 0.5, 0.75, 1}, set())
        self.assertTrue(all(type(t["params"]["n"]) is int and 1 <= t["params"]["n"] <= 100 for t in trials))
        self.assertEqual(json.loads(trials[0]["distributions"]["x"] if isinstance(trials[0]["distributions"]["x"], str)
                                    else json.dumps(trials[0]["distributions"]["x"]))["attributes"],
                         {"low": 0.0, "high": 1.0, "log": False, "step": 0.25})
        self.assertTrue({type(t["params"]["c"]) for t in trials} <= {str, int, float, bool, type(None)})

    def test_conditions(self):
        self.run_it("--trials", "60", "--value-pattern", "^VALUE (.*)", "--param", "s=int(1,9)", "--param", "k=int(1,4) if s>=5",
                    "--param", "d=int(0,1) if k==2", "--", "sh", "-c",
                    plain('echo "trialog-attr got \\"$# ${TRIALOG_PARAM_K-none} $3\\""; echo VALUE 1'), "x", "{k}", "{k}{d}", "s{s}k{k}")
        seen = set()
        for trial in self.trials():
            params = trial["params"]
            self.assertEqual("k" in params, params["s"] >= 5)
            self.assertEqual("d" in params, params.get("k") == 2)
            if "k" in params:
                self.assertEqual(trial["user_attrs"]["got"], f"3 {params['k']} s{params['s']}k{params['k']}")
            else:
                self.assertEqual(trial["user_attrs"]["got"], "1 none ")
            seen.add(tuple(sorted(params)))
        self.assertEqual(seen, {("s",), ("k", "s"), ("d", "k", "s")})

    def test_one_operation_for_what_has_no_condition(self):
        self.run_it("--trials", "1", "--param", "a=float(0,1)", "--param", "b=int(0,9)", "--param", "c=choice(x,y)", "--", "echo", "1")
        with open(self.journal, encoding="utf-8") as f:
            codes = [json.loads(line)["op_code"] for line in f]
        self.assertEqual(codes, [0, 4, 6])

    def test_absent_parameters_leave_nothing_in_the_environment(self):
        env = {**os.environ, "TRIALOG_PARAM_K": "old", "TRIALOG_TRIAL_NUMBER": "old"}
        self.run_it("--trials", "1", "--param", "s=int(1,1)", "--param", "k=int(1,4) if s>5", "--", "sh", "-c",
                    plain('[ -z "${TRIALOG_PARAM_K+x}" ] && echo $TRIALOG_TRIAL_NUMBER'), env=env)
        self.assertEqual(self.trials()[0]["values"], [0])

    def test_enqueue(self):
        args = ("--trials", "4", "--param", "lr=float(0,1)", "--param", "n=int(1,9)", "--param", "c=choice(a,b)",
                "--enqueue", "lr=0.125,n=3", "--enqueue", "c=b", "--", "echo", "{lr}")
        self.run_it(*args, "")
        trials = self.trials()
        self.assertEqual((trials[0]["params"]["lr"], trials[0]["params"]["n"]), (0.125, 3))
        self.assertEqual(trials[1]["params"]["c"], "b")
        self.run_it("--trials", "8", *args[2:], "")
        again = [t for t in self.trials() if t["params"]["lr"] == 0.125]
        self.assertEqual(len(again), 1, "the same command queues nothing twice")

    def test_mistakes_show_their_place(self):
        def shows(option, text, place, *more):
            err = self.run_it(*more, option, text, "--", "true", status=2).err.splitlines()
            self.assertEqual(err[0], "    " + text)
            self.assertEqual(err[1], "    " + " " * place + "^")
            self.assertRegex(err[2], f"^trialog: {option}: ")
        shows("--param", "lr=float(1e-5,x)", 14)
        shows("--param", "é=flot(0,1)", 2)
        shows("--enqueue", "lr=2", 3, "--param", "lr=float(0,1)")
        shows("--enqueue", "z=2", 0, "--param", "lr=float(0,1)")
        err = self.run_it("--param", "x=int(0,1)", "--", "run", "a{y}b", status=2).err.splitlines()
        self.assertEqual(err[:2], ["    a{y}b", "     ^"])
        self.assertFalse(os.path.exists(self.journal), "the journal is not touched by a wrong command line")

    def test_seed(self):
        runs = []
        for jobs in ("1", "5"):
            self.journal = os.path.join(self.dir, jobs)
            self.run_it("--trials", "12", "--seed", "7", "--sampler", "random", "--jobs", jobs, "--param", "x=float(0,1)", "--param", "y=float(0,1) if x>0.5",
                        "--", "echo", "{x}")
            runs.append([t["params"] for t in self.trials()])
        self.assertEqual(runs[0], runs[1])
        self.assertEqual(len({json.dumps(p) for p in runs[0]}), 12)
        self.run_it("--seed", "1", "--sampler", "random", "--sampler-kwargs", '{"seed": 2}', "--trials", "13", "--", "echo", "1")

    def test_grid(self):
        self.run_it("--sampler", "grid", "--jobs", "3", "--param", "n=int(1,3)", "--param", "c=choice(a,b)", "--", "echo", "{n}")
        cells = sorted((t["params"]["n"], t["params"]["c"]) for t in self.trials())
        self.assertEqual(cells, [(n, c) for n in (1, 2, 3) for c in "ab"])
        self.run_it("--sampler", "grid", "--param", "n=int(1,3)", "--param", "c=int(0,1) if n==1", "--", "true", status=2)

    def test_parameter_known_as_another_kind(self):
        self.run_it("--trials", "1", "--param", "x=int(1,3)", "--", "echo", "1")
        self.assertIn("x", self.run_it("--trials", "2", "--param", "x=choice(a,b)", "--", "echo", "1", status=6).err)

    def test_directions(self):
        self.run_it("--trials", "5", "--direction", "maximize", "--param", "x=int(1,1000)", "--", "echo", "{x}")
        self.assertEqual(self.study()["directions"], ["MAXIMIZE"])
        out = self.run_it("--trials", "5", "--", "echo", "1").out
        self.assertIn(f"with {max(t['values'][0] for t in self.trials())}", out)
        self.run_it("--trials", "6", "--direction", "minimize", "--", "echo", "1", status=2)


class Failures(Optimize):
    def test_reasons(self):
        self.assertIsNone(self.value("echo 1; echo 'out of cheese' >&2; echo >&2; exit 3"))
        self.assertEqual(self.reason(), "exit status 3: out of cheese")
        self.assertIsNone(self.value("kill -SEGV $$"))
        self.assertEqual(self.reason(), "killed by signal 11 (Segmentation fault)")

    def test_programs_that_cannot_run(self):
        self.assertIn("no-such-program", self.run_it("--trials", "3", "--", "no-such-program", status=127).err)
        self.assertFalse(os.path.exists(self.journal))
        text = os.path.join(self.dir, "text")
        with open(text, "w", encoding="utf-8") as f:
            f.write("echo 1\n")
        self.run_it("--trials", "3", "--", text, status=126)
        # found out only when it is started: one failed trial, no more
        self.run_it("--trials", "3", "--param", "p=choice(no-such-program)", "--", "{p}", status=127)
        self.assertEqual(self.states(), ["FAIL"])

    def test_time_limit(self):
        began = time.monotonic()
        self.run_it("--trials", "2", "--jobs", "2", "--trial-timeout", "300ms", "--", "sh", "-c", f"sleep {self.marker} & wait", status=1)
        self.assertLess(time.monotonic() - began, 20)
        self.assertEqual([self.reason(0), self.reason(1)], ["time limit of 300 ms"] * 2)
        self.assertEqual(processes(self.marker), [])

    def test_time_limit_of_a_deaf_program(self):
        self.run_it("--trials", "1", "--trial-timeout", "100ms", "--grace", "200ms", "--", "sh", "-c",
                    f"trap '' TERM; sleep {self.marker}; echo 1", status=1)
        self.assertEqual(self.reason(), "time limit of 100 ms")
        self.assertEqual(processes(self.marker), [])

    def test_what_a_program_leaves_behind_is_killed(self):
        began = time.monotonic()
        self.assertEqual(self.value(f"sleep {self.marker} & echo 1"), 1)
        self.assertLess(time.monotonic() - began, 20)
        self.assertEqual(processes(self.marker), [])

    def test_a_daemon_that_keeps_the_pipes_is_not_waited_for(self):
        began = time.monotonic()
        self.assertEqual(self.value("setsid sleep 25 & echo 1"), 1)
        self.assertLess(time.monotonic() - began, 20)

    def test_standard_input_is_empty(self):
        self.assertEqual(self.value("cat; echo 1"), 1)

    def test_sigpipe_and_signals_are_as_usual(self):
        # 0x180000000: glibc's own two signals, which posix_spawn (make, for one) leaves ignored
        self.assertEqual(self.value("set -- $(sed -nE 's/^Sig(Ign|Blk):\\s*/0x/p' /proc/self/status); "
                                    "echo $((($1 | $2) & ~0x180000000))"), 0)


class Limits(Optimize):
    def test_trials_and_trials_here(self):
        self.run_it("--trials", "5", "--trials-here", "3", "--", "echo", "1")
        self.assertEqual(len(self.trials()), 3)
        self.run_it("--trials", "5", "--", "echo", "1")
        self.run_it("--trials", "5", "--", "echo", "1")
        self.assertEqual(self.states(), ["COMPLETE"] * 5)

    def test_failed_trials_count_or_not(self):
        script = "[ $(( {trial} % 3 )) -ne 1 ] && echo 1"
        self.run_it("--trials", "6", "--", "sh", "-c", script)
        self.assertEqual(self.states().count("FAIL"), 2)
        self.assertEqual(len(self.states()), 6)
        self.run_it("--trials", "8", "--refund-failed", "--jobs", "3", "--", "sh", "-c", script)
        self.assertEqual(self.states().count("COMPLETE"), 8)

    def test_failures_in_a_row(self):
        err = self.run_it("--trials", "9", "--max-failures", "4", "--", "false", status=1).err
        self.assertIn("4 failed trials in a row", err)
        self.assertEqual(self.states(), ["FAIL"] * 4)
        self.run_it("--trials", "9", "--refund-failed", "--", "false", status=1)
        self.assertEqual(len(self.states()), 24)

    def test_timeout(self):
        began = time.monotonic()
        self.run_it("--timeout", "700ms", "--", "sh", "-c", "sleep 0.1; echo 1")
        self.assertLess(time.monotonic() - began, 20)
        self.assertEqual(set(self.states()), {"COMPLETE"})

    def test_wrong_numbers(self):
        for option in ("--trials", "--trials-here", "--jobs", "--trial-timeout"):
            self.run_it(option, "0", "--", "true", status=2)

    def test_jobs_run_at_once(self):
        """Four programs that only end when all four have begun."""
        fifo = os.path.join(self.dir, "begun")
        os.mkdir(fifo)
        script = f"touch {fifo}/{{trial}}; while [ $(ls {fifo} | wc -l) -lt 4 ]; do sleep 0.02; done; echo 1"
        self.run_it("--trials", "4", "--jobs", "4", "--trial-timeout", "50", "--", "sh", "-c", script)

    def test_wait_for_what_runs_elsewhere(self):
        """Two cells: somebody else has the first and fails it when the second is done here."""
        grid = ("--sampler", "grid", "--param", "n=int(1,2)")
        first = self.start(*grid, "--", "sh", "-c", f"sleep {self.marker}")
        until(lambda: processes(self.marker), "the first cell runs")
        process = self.start(*grid, "--wait", "--", "echo", "{n}")
        until(lambda: "COMPLETE" in self.states(), "the second cell is done")
        idle = self.start(*grid, "--wait", "--", "echo", "{n}")  # can be told to stop
        until(lambda: signal_caught(idle.pid, signal.SIGINT), "it heeds signals")
        idle.send_signal(signal.SIGINT)
        idle.communicate(timeout=DEADLINE)
        self.assertEqual(idle.returncode, 130)
        first.send_signal(signal.SIGINT)
        first.communicate(timeout=DEADLINE)
        _, err = process.communicate(timeout=DEADLINE)
        self.assertEqual(process.returncode, 0, err)
        self.assertEqual(sorted(t["params"]["n"] for t in self.trials() if t["state"] == "COMPLETE"), [1, 2])
        other = self.start("--trials", "1", "--wait", "--", "echo", "1")  # used up, and nothing runs
        other.communicate(timeout=DEADLINE)
        self.assertEqual(len(self.trials()), 3)

    def test_a_budget_shared_by_four_processes(self):
        workers = [self.start("--trials", "60", "--jobs", "2", "--param", "x=float(0,1)", "--seed", "3", "--", "echo", "{x}")
                   for _ in range(4)]
        for worker in workers:
            out, err = worker.communicate(timeout=2 * DEADLINE)
            self.assertEqual(worker.returncode, 0, out + err)
        trials = self.trials()
        self.assertEqual([t["number"] for t in trials], list(range(60)))
        self.assertEqual({t["state"] for t in trials}, {"COMPLETE"})
        self.assertEqual(len({t["params"]["x"] for t in trials}), 60)


class Stopping(Optimize):
    def begin(self, *args, script="", **kwargs):
        """Starts two programs that hang, and waits until both do."""
        begun = os.path.join(self.dir, "begun")
        os.makedirs(begun, exist_ok=True)
        process = self.start("--trials", "5", "--jobs", "2", *args, "--", "sh", "-c",
                             f"{script} touch {begun}/{{trial}}; sleep {self.marker}", **kwargs)
        until(lambda: len(os.listdir(begun)) == 2 and len(processes(self.marker)) == 2, "both programs run")
        return process

    def ends(self, process, status):
        out, err = process.communicate(timeout=DEADLINE)
        self.assertEqual(process.returncode, status, out + err)
        return out, err

    def resume(self):
        self.run_it("--trials", "5", "--jobs", "2", "--", "echo", "1")
        return self.states()

    def test_interrupt_and_resume(self):
        process = self.begin()
        process.send_signal(signal.SIGINT)
        out, err = self.ends(process, 130)
        self.assertIn("stopping: 2 running trials are told to end", err)
        self.assertEqual(self.states(), ["FAIL"] * 2)
        self.assertEqual([self.reason(0), self.reason(1)], ["interrupted"] * 2)
        self.assertEqual(processes(self.marker), [])
        self.assertEqual(self.resume(), ["FAIL"] * 2 + ["COMPLETE"] * 3)

    def test_other_signals(self):
        for sig in (signal.SIGTERM, signal.SIGHUP):
            shutil.rmtree(self.dir + "/begun", ignore_errors=True)
            process = self.begin("--trials", "20")
            process.send_signal(sig)
            self.ends(process, 128 + sig)
        self.assertEqual(self.states(), ["FAIL"] * 4)

    def test_deaf_programs_and_the_grace_period(self):
        process = self.begin("--grace", "200ms", script="trap '' TERM;")
        process.send_signal(signal.SIGINT)
        self.ends(process, 130)
        self.assertEqual(self.states(), ["FAIL"] * 2)
        self.assertEqual(processes(self.marker), [])

    def test_second_interrupt_kills(self):
        process = self.begin("--grace", "1h", script="trap '' TERM;", bufsize=1)
        process.send_signal(signal.SIGINT)
        until(lambda: "stopping" in process.stderr.readline(), "the first signal is heard")
        process.send_signal(signal.SIGINT)
        self.ends(process, 130)
        self.assertEqual(processes(self.marker), [])
        self.assertEqual(self.states(), ["FAIL"] * 2)

    def test_killed_and_resumed(self):
        process = self.begin()
        process.kill()
        self.ends(process, -signal.SIGKILL)
        # the shells get SIGTERM; what they started belongs to nobody
        for pid in processes(self.marker):
            os.kill(pid, signal.SIGKILL)
        self.assertEqual(self.states(), ["RUNNING"] * 2)
        self.assertEqual(self.resume(), ["RUNNING"] * 2 + ["COMPLETE"] * 3)

    def test_programs_end_with_a_killed_worker(self):
        begun = os.path.join(self.dir, "begun")
        process = self.start("--trials", "1", "--", "sh", "-c", f"touch {begun}; exec sleep {self.marker}")
        until(lambda: os.path.exists(begun) and processes(self.marker), "the program runs")
        process.kill()
        self.ends(process, -signal.SIGKILL)
        until(lambda: not processes(self.marker), "the program has ended")

    def lock(self):
        """Holds the journal's kernel lock until the returned file is closed."""
        f = open(self.journal, "r+b") # pylint: disable=consider-using-with
        self.addCleanup(f.close)
        fcntl.fcntl(f, fcntl.F_OFD_SETLKW, struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
        return f

    def test_interrupt_while_the_journal_is_locked(self):
        self.run_it("--trials", "1", "--", "echo", "1")
        self.lock()
        process = self.start("--trials", "5", "--", "echo", "1")
        until(lambda: os.path.exists(f"/proc/{process.pid}/fd") and
              any(os.path.realpath(f"/proc/{process.pid}/fd/{fd}") == os.path.realpath(self.journal)
                  for fd in os.listdir(f"/proc/{process.pid}/fd")), "the journal is open")
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        self.ends(process, 130)
        self.assertLess(time.monotonic() - began, 20, "it does not wait for the lock")

    def test_a_value_is_recorded_although_the_journal_is_locked_at_the_interrupt(self):
        begun, go = os.path.join(self.dir, "begun"), os.path.join(self.dir, "go")
        process = self.start("--trials", "5", "--", "sh", "-c",
                             f"touch {begun}; while ! [ -e {go} ]; do sleep 0.02; done; echo 7", "x", self.marker)
        until(lambda: os.path.exists(begun), "the program runs")
        locked = self.lock()
        with open(go, "w", encoding="utf-8"):
            pass
        until(lambda: processes(self.marker) == [process.pid], "the program has ended")
        process.send_signal(signal.SIGINT)
        with self.assertRaises(subprocess.TimeoutExpired):
            process.wait(0.5)
        locked.close()
        self.ends(process, 130)
        self.assertEqual([(t["state"], t["values"]) for t in self.trials()], [("COMPLETE", [7])])

    def test_ignored_signals_stay_ignored(self):
        process = self.begin(preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGTERM)
        self.ends(process, 128 + signal.SIGTERM)

    def test_a_trial_that_somebody_else_ends(self):
        process = self.start("--trials", "1", "--grace", "1s", "--", "sh", "-c",
                             f"i=0; while :; do i=$((i+1)); echo trialog-report $i 1; sleep 0.05; done")
        until(self.has_report, "a report")
        subprocess.run([TRIALOG, "tell", "--storage", self.journal, "--trial-number", "0", "--values", "3"], check=True)
        _, err = self.ends(process, 0)
        self.assertIn("trial 0 was ended elsewhere", err)
        self.assertEqual(self.trials()[0]["values"], [3])


class Messages(Optimize):
    def test_reports_and_attributes(self):
        self.run_it("--trials", "1", "--", "sh", "-c", "echo trialog-report 1 0.5; echo trialog-report 2 0.25; echo trialog-report 2 9; "
                    "echo 'trialog-attr where {{\"host\": \"a\"}}'; echo 'trialog-attr \"two words\" [1]'; echo 0.125")
        trial = self.trials()[0]
        self.assertEqual(trial["intermediate_values"], {"1": 0.5, "2": 0.25})
        self.assertEqual(trial["user_attrs"], {"where": {"host": "a"}, "two words": [1]})
        self.assertEqual(trial["values"], [0.125])

    def test_messages_are_written_while_the_program_runs(self):
        process = self.start("--trials", "1", "--", "sh", "-c", f"echo trialog-report 1 0.5; sleep {self.marker}")
        until(self.has_report, "the report is in the journal")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=DEADLINE)
        self.assertEqual(self.trials()[0]["intermediate_values"], {"1": 0.5})

    def test_messages_that_cannot_be_read(self):
        err = self.run_it("--trials", "1", "--", "sh", "-c", "echo trialog-report x 1; echo trialog-attr k word; echo 1").err
        self.assertIn("this line cannot be read: trialog-report x 1", err)
        self.assertIn("this line cannot be read: trialog-attr k word", err)

    def test_reports_with_several_objectives(self):
        err = self.run_it("--trials", "1", "--directions", "minimize", "minimize", "--", "sh", "-c",
                          "echo trialog-report 1 1; echo trialog-report 2 1; echo 1 2").err
        self.assertEqual(err.count("several objectives"), 1)

    def test_pruners(self):
        self.run_it("--trials", "1", "--pruner", "nop", "--", "sh", "-c", "echo trialog-report 1 1; echo 1")
        self.run_it("--pruner", "no-such-pruner", "--", "true", status=7)
        self.run_it("--pruner-kwargs", "{}", "--", "true", status=2)
        self.run_it("--pruner", "median", "--directions", "minimize", "minimize", "--", "true", status=2)
        err = self.run_it("--pruner", "median", "--pruner-kwargs", '{"n_startup": 1}', "--", "true", status=2).err
        self.assertIn("pruner 'median' has no option 'n_startup'; it has: n_startup_trials, n_warmup_steps", err)
        err = self.run_it("--pruner", "median", "--pruner-kwargs", '{"n_startup_trials": -1}', "--", "true", status=2).err
        self.assertIn("option 'n_startup_trials' is '-1'", err)

    def test_lines(self):
        process = self.run_it("--trials", "3", "--param", "x=int(1,1)", "--enqueue", "x=1", "--", "sh", "-c", "[ {trial} -ne 1 ] && echo {x}.5")
        lines = process.err.splitlines()
        self.assertEqual(len(lines), 3)
        self.assertRegex(lines[0], r"^trial 0: 1\.5  x=1  \([0-9.]+s, 1/3, best 1\.5 by trial 0\)$")
        self.assertRegex(lines[1], r"^trial 1: failed: exit status 1  x=1  \([0-9.]+s, 2/3, best 1\.5 by trial 0\)$")
        self.assertEqual(process.out, "study 's': 3 trials: 2 complete, 1 failed\nbest: trial 0 with 1.5\n    x = 1\n")

    def test_quiet(self):
        process = self.run_it("-q", "--trials", "2", "--", "echo", "1")
        self.assertEqual((process.out, process.err), ("", ""))

    def test_json(self):
        process = self.run_it("--json", "--trials", "2", "--param", "x=float(0.5,0.5)", "--param", "c=choice(null)",
                              "--param", "k=int(0,1) if x>1", "--", "sh", "-c", "[ {trial} -ne 1 ] && echo 7")
        objects = [json.loads(line) for line in process.out.splitlines()]
        self.assertEqual([o["number"] for o in objects], [0, 1])
        self.assertEqual([o["state"] for o in objects], ["COMPLETE", "FAIL"])
        self.assertEqual([o["values"] for o in objects], [[7.0], None])
        self.assertEqual(objects[0]["params"], {"x": 0.5, "c": None})
        self.assertEqual([o["fail_reason"] for o in objects], [None, "exit status 1"])
        self.assertEqual(process.err, "")

    def test_log_dir(self):
        logs = os.path.join(self.dir, "logs")
        self.run_it("--trials", "2", "--log-dir", logs, "--", "sh", "-c", "echo out {trial} >&2; echo {trial}")
        for number in "01":
            with open(f"{logs}/trial-{number}.out", encoding="utf-8") as f:
                self.assertEqual(f.read(), f"{number}\n")
            with open(f"{logs}/trial-{number}.err", encoding="utf-8") as f:
                self.assertEqual(f.read(), f"out {number}\n")

    def test_verbose_shows_what_programs_print(self):
        err = self.run_it("-v", "--trials", "1", "--", "sh", "-c", "echo to err >&2; echo to out; printf 1").err
        for line in ("[0] to err", "[0] to out", "[0] 1"):
            self.assertIn(line + "\n", err)

    def test_bar_on_a_terminal(self):
        master, slave = pty.openpty()
        process = self.start("--trials", "3", "--", "sh", "-c", "[ {trial} -ne 1 ] && echo 2", stderr=slave)
        os.close(slave)
        shown = b""
        while select.select([master], [], [], DEADLINE)[0]:
            try:
                shown += os.read(master, 65536)
            except OSError:
                break
        os.close(master)
        process.communicate(timeout=DEADLINE)
        text = shown.decode()
        self.assertRegex(text, r"\[#+\.*\] \d/3  best 2\.0 \(#0\)")
        self.assertRegex(text, r"trial 1: failed: exit status 1")
        self.assertTrue(re.search(r"\x1b\[K$", text.rstrip("\n")), "the bar is taken away at the end")

    def test_closed_standard_output(self):
        read, write = os.pipe()
        os.close(read)
        process = self.start("--trials", "3", "--json", "--", "echo", "1", stdout=write, restore_signals=False,
                             preexec_fn=lambda: signal.signal(signal.SIGPIPE, signal.SIG_DFL))
        os.close(write)
        process.communicate(timeout=DEADLINE)
        self.assertIn(process.returncode, (-signal.SIGPIPE, 128 + signal.SIGPIPE))

    def test_summary_of_several_objectives(self):
        out = self.run_it("--trials", "4", "--directions", "minimize", "maximize", "--", "echo", "{trial}", "{trial}").out
        self.assertIn("best: 4 trials on the Pareto front", out)


class Pruning(Optimize):
    """Trial 0 reports 1 at steps 1 to 3; later ones report 5 and would never end."""
    MEDIAN = ["--pruner", "median", "--pruner-kwargs", '{"n_startup_trials": 1}']
    GOOD = "if [ {trial} -eq 0 ]; then for i in 1 2 3; do echo trialog-report $i 1; done; echo 1; exit; fi; "

    def prune(self, script, *more, trials=2):
        """Runs a good trial and then one that is pruned; what it says on standard error."""
        return self.run_it("--trials", str(trials), *self.MEDIAN, *more, "--", "sh", "-c", self.GOOD + script).err

    def pruned(self, number=1, value=5, step="1"):
        trial = self.trials()[number]
        self.assertEqual(trial["state"], "PRUNED", trial)
        self.assertEqual(trial["values"], [value])
        self.assertEqual(list(trial["intermediate_values"])[-1], step)

    def test_a_program_that_obeys(self):
        err = self.prune(f"echo trialog-report 1 5; exec sleep {self.marker}", "--grace", "1h")
        self.pruned()
        self.assertIn("trial 1: pruned at 5.0", err)
        self.assertEqual(processes(self.marker), [])

    def test_a_program_with_last_words(self):
        self.prune("trap 'echo trialog-report 9 9; echo 7; exit 3' TERM; echo trialog-report 1 5; while :; do sleep 0.01; done",
                   "--grace", "1h")
        self.pruned()

    def test_a_program_that_ignores_sigterm_is_killed(self):
        self.prune(f"trap '' TERM; echo trialog-report 1 5; sleep {self.marker}", "--grace", "100ms")
        self.pruned()
        self.assertEqual(processes(self.marker), [])

    def test_what_the_program_left_running_is_killed(self):
        self.prune(f"(trap '' TERM; exec sleep {self.marker}) & (trap '' TERM; exec sleep {self.marker}) & "
                   f"echo trialog-report 1 5; exec sleep {self.marker}", "--grace", "1h")
        self.pruned()
        self.assertEqual(processes(self.marker), [])

    def test_a_program_that_has_ended_meanwhile(self):
        self.prune("echo trialog-report 1 5; echo trialog-report 2 0; echo 0.5")
        self.pruned()

    def test_json(self):
        out = self.run_it("--trials", "2", "--json", *self.MEDIAN, "--", "sh", "-c", self.GOOD + "echo trialog-report 1 5; sleep 60").out
        lines = [json.loads(line) for line in out.splitlines()]
        self.assertEqual([(t["state"], t["values"]) for t in lines], [("COMPLETE", [1.0]), ("PRUNED", [5.0])])

    def test_good_trials_go_on(self):
        self.prune("for i in 1 2 3; do echo trialog-report $i 0.5; done; echo 0.5")
        self.assertEqual([t["state"] for t in self.trials()], ["COMPLETE", "COMPLETE"])

    def test_many_at_once(self):
        self.prune("echo trialog-report 1 5; exec sleep 60", "--jobs", "1", trials=1)
        self.prune(f"echo trialog-report 1 5; exec sleep {self.marker}", "--jobs", "4", trials=12)
        self.assertEqual([t["state"] for t in self.trials()], ["COMPLETE"] + 11 * ["PRUNED"])

    def test_a_program_that_asks_by_itself(self):
        """`trialog report` inside finds study, trial and pruner in its environment, and its answer is the last line or the status."""
        script = ("if [ {trial} -eq 0 ]; then v=1; else v=5; fi; for i in 1 2 3; do "
                  f"{TRIALOG} report --step $i --value $v >&2 || {{{{ [ $? -eq 1 ] && echo trialog-pruned; exit 0; }}}}; done; echo $v")
        self.run_it("--trials", "3", *self.MEDIAN, "--", "sh", "-c", script)
        self.assertEqual([(t["state"], t["values"], t["intermediate_values"]) for t in self.trials()],
                         [("COMPLETE", [1], {"1": 1, "2": 1, "3": 1}), ("PRUNED", [5], {"1": 5}), ("PRUNED", [5], {"1": 5})])

    def test_reports_of_both_kinds(self):
        """What the program reported by itself is known when it reports by printing."""
        self.prune(f"{TRIALOG} report --step 1 --value 0.5 >&2; echo trialog-report 2 5; echo 3; sleep 0")
        self.assertEqual(self.trials()[1]["state"], "COMPLETE") # the best so far is 0.5, better than the median
        self.assertEqual(self.trials()[1]["intermediate_values"], {"1": 0.5, "2": 5})

    def test_without_a_pruner_nobody_answers(self):
        self.run_it("--trials", "1", "--", "sh", "-c", f"{TRIALOG} report --step 1 --value 5 --json", env={**os.environ, "TRIALOG_PRUNER": "median"}, status=1)
        self.assertIn('"prune": null', self.trials()[0]["system_attrs"]["fail_reason"])

    def test_a_program_that_prunes_itself(self):
        self.run_it("--trials", "3", "--", "sh", "-c", "echo trialog-report 4 2; echo trialog-pruned; exit {trial}", status=1)
        self.assertEqual([(t["state"], t["values"]) for t in self.trials()],
                         [("PRUNED", [2]), ("FAIL", None), ("FAIL", None)])


if __name__ == "__main__":
    if not TRIALOG:
        sys.exit(__doc__)
    unittest.main(verbosity=1)
