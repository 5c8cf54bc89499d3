#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""test_watch.py TRIALOG: `trialog watch` in a pseudo-terminal of its own and in pipes, beside writers."""
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import journals  # noqa: E402

TRIALOG = os.path.abspath(sys.argv[1])
LONGEST = 60  # seconds that anything may take here


class Screen:
    """`trialog watch` behind a pseudo-terminal; `rows` is what a terminal would show."""

    def __init__(self, args, cwd, env, cols=100, lines=30):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(cwd)
            os.execve(TRIALOG, [TRIALOG, "watch", *args], env)
        self.resize(cols, lines)
        self.bytes, self.status = b"", None
        self.before = termios.tcgetattr(self.fd)

    def resize(self, cols, lines):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", lines, cols, 0, 0))

    def read(self, seconds=0.2):
        if not select.select([self.fd], [], [], seconds)[0]:
            return False
        try:
            more = os.read(self.fd, 1 << 16)
        except OSError:  # the other side is closed
            more = b""
        self.bytes += more
        return bool(more)

    def wait_for(self, what):
        """Reads until the text of the last frame holds `what`."""
        end = time.monotonic() + LONGEST
        while time.monotonic() < end:
            if what in self.frame():
                return self.frame()
            self.read()
        raise AssertionError(f"no {what!r} in:\n{self.frame()}\n{self.bytes[-2000:]!r}")

    def frame(self):
        last = self.bytes.rsplit(b"\033[H", 1)[-1].decode(errors="replace")
        return re.sub(r"\033\[[0-9;?]*[a-zA-Z]", "", last).replace("\r", "")

    def end(self):
        """Reads to the end; (exit status, everything that came)."""
        end = time.monotonic() + LONGEST
        while time.monotonic() < end:
            while self.read(0.05):
                pass
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                while self.read(0):
                    pass
                os.close(self.fd)
                self.status = os.waitstatus_to_exitcode(status)
                return self.status, self.bytes
        os.kill(self.pid, signal.SIGKILL)
        raise AssertionError(f"it does not end:\n{self.frame()}")


class Case(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="trialog-watch-")
        self.addCleanup(folder.cleanup)
        self.work = folder.name
        self.env = {"PATH": os.environ["PATH"], "TRIALOG_STORAGE": "s.journal", "TZ": "UTC", "LC_ALL": "C.UTF-8",
                    "TERM": "xterm-256color"}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"):
            if name in os.environ:
                self.env[name] = os.environ[name]

    def call(self, *args, status=0, **env):
        done = subprocess.run([TRIALOG, *args], cwd=self.work, env={**self.env, **env}, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=LONGEST)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def path(self, name="s.journal"):
        return os.path.join(self.work, name)

    def tell(self, value, study="s"):
        """A whole trial, as a worker would write it."""
        number = json.loads(self.call("ask", "--study-name", study, "--search-space",
                                      '{"x": {"type": "float", "low": 0, "high": 1}}'))["number"]
        self.call("tell", "--study-name", study, "--trial-number", str(number), "--values", str(value))

    def watch(self, *args, **kwargs):
        screen = Screen(["--interval", "20ms", *args], self.work, self.env, **kwargs)
        self.addCleanup(lambda: screen.status is None and os.kill(screen.pid, signal.SIGKILL))
        return screen

    def restored(self, screen, out):
        """The page of its own was left, the cursor shown again, the keys as before."""
        self.assertEqual(out.count(b"\033[?1049h"), out.count(b"\033[?1049l"))
        self.assertGreater(out.rfind(b"\033[?1049l"), out.rfind(b"\033[?1049h"))
        self.assertGreater(out.rfind(b"\033[?25h"), out.rfind(b"\033[?25l"))


class InATerminal(Case):
    def setUp(self):
        super().setUp()
        self.call("create-study", "--study-name", "s")

    def test_follows_and_quits(self):
        screen = self.watch()
        screen.wait_for("no trial is complete yet")
        self.tell(0.75)
        frame = screen.wait_for("1 complete")
        self.assertIn("best 0.75 (trial 0)  x=", frame)
        self.tell(0.5)
        self.assertIn("2 complete", screen.wait_for("best 0.5 (trial 1)"))
        during = termios.tcgetattr(screen.fd)
        self.assertFalse(during[3] & termios.ECHO)
        os.write(screen.fd, b"q")
        status, out = screen.end()
        self.assertEqual(status, 0)
        self.restored(screen, out)
        self.assertTrue(screen.before[3] & termios.ECHO)

    def test_ctrl_c_leaves_the_terminal_as_it_was(self):
        holder, other = pty.openpty()  # so that the terminal can be looked at afterwards
        before = termios.tcgetattr(other)
        child = subprocess.Popen([TRIALOG, "watch"], cwd=self.work, env=self.env, stdin=other, stdout=other,
                                 stderr=subprocess.PIPE, start_new_session=True)
        seen = b""
        while b"quit" not in seen:
            seen += os.read(holder, 65536)
        self.assertNotEqual(termios.tcgetattr(other), before)
        child.send_signal(signal.SIGINT)
        reader = threading.Thread(target=child.communicate)
        reader.start()
        while b"\033[?1049l" not in seen:
            seen += os.read(holder, 65536)
        reader.join(LONGEST)
        self.assertEqual(child.returncode, 128 + signal.SIGINT)
        self.assertEqual(termios.tcgetattr(other), before)
        os.close(holder)
        os.close(other)

    def test_resize(self):
        screen = self.watch("--color", "never")
        screen.wait_for("q quit")
        screen.resize(60, 12)
        end = time.monotonic() + LONGEST
        while time.monotonic() < end and not (len(screen.frame().split("\n")) == 12):
            screen.read()
        rows = screen.frame().split("\n")
        self.assertEqual(len(rows), 12)
        self.assertLessEqual(max(map(len, rows)), 60)
        screen.resize(10, 2)  # nothing fits: nothing breaks
        screen.resize(300, 100)
        while time.monotonic() < end and not (len(screen.frame().split("\n")) == 100):
            screen.read()
        os.write(screen.fd, b"q")
        self.assertEqual(screen.end()[0], 0)

    def test_until_finished_leaves_a_last_frame(self):
        screen = self.watch("--until-finished", "2")
        screen.wait_for("0/2 finished")
        self.tell(3)
        screen.wait_for("1/2 finished")
        self.tell(4)
        status, out = screen.end()
        self.assertEqual(status, 0)
        self.restored(screen, out)
        self.assertIn("2/2 finished", out[out.rfind(b"\033[?1049l"):].decode())

    def test_until_idle(self):
        self.tell(3)
        status, _ = self.watch("--until-idle", "0").end()
        self.assertEqual(status, 0)

    def test_suspend(self):
        screen = self.watch()
        screen.wait_for("q quit")
        os.kill(screen.pid, signal.SIGTSTP)
        _, status = os.waitpid(screen.pid, os.WUNTRACED)
        self.assertTrue(os.WIFSTOPPED(status))
        while screen.read(0.05):
            pass
        self.restored(screen, screen.bytes)
        screen.bytes = b""
        os.kill(screen.pid, signal.SIGCONT)
        screen.wait_for("q quit")
        os.write(screen.fd, b"q")
        self.assertEqual(screen.end()[0], 0)

    def test_journal_is_replaced(self):
        self.tell(0.75)
        screen = self.watch()
        screen.wait_for("best 0.75")
        j = journals.Journal()
        j.study("other")
        s = j.study("s")
        for i in range(40):
            j.trial(s, 7.5 + i)
        j.write(self.path("new"))
        os.rename(self.path("new"), self.path())
        self.assertIn("40 complete", screen.wait_for("best 7.5"))
        # the study is not there for a while
        gone = journals.Journal()
        gone.study("elsewhere")
        gone.write(self.path("new"))
        os.rename(self.path("new"), self.path())
        screen.wait_for("no study")
        j.trial(s, 1.25)
        j.write(self.path("new"))
        os.rename(self.path("new"), self.path())
        screen.wait_for("best 1.25")
        os.write(screen.fd, b"q")
        self.assertEqual(screen.end()[0], 0)

    def test_hostile_names(self):
        self.call("create-study", "--study-name", "\033[31mred\n\a\u202e")
        screen = self.watch("--study-name", "\033[31mred\n\a\u202e")
        screen.wait_for("red")
        os.write(screen.fd, b"q")
        out = screen.end()[1]
        self.assertNotIn(b"\033[31mred", out)
        self.assertNotIn(b"\a", out)
        self.assertNotIn("\u202e".encode(), out)

    def test_no_colour(self):
        self.tell(1)
        self.env["NO_COLOR"] = "1"
        screen = self.watch()
        screen.wait_for("1 complete")
        os.write(screen.fd, b"q")
        self.assertIsNone(re.search(rb"\033\[[0-9;]*3[0-9][0-9;]*m", screen.end()[1]))


class InPipes(Case):
    def test_once(self):
        j = journals.Journal()
        s = j.study("s", 1)
        for i in range(30):
            j.trial(s, 10.0 - i, params={"lr": (0.1, journals.floats(0, 1))}, start=i)
        j.trial(s, state="RUNNING", reports={3: 0.25}, start=40)
        j.write(self.path())
        out = self.call("watch", "--once", "--trials", "100")
        for text in ("30/100 finished", "1 running by 1 worker   30 complete", "best -19 (trial 29)  lr=0.1", "best so far", "0.25 @3"):
            self.assertIn(text, out)
        self.assertNotIn("\033", out)
        plain = self.call("watch", "--once", "--ascii", COLUMNS="60", LINES="16")
        self.assertTrue(plain.isascii())
        self.assertLessEqual(max(map(len, plain.split("\n"))), 60)
        self.assertTrue(self.call("watch", "--once", LC_ALL="C").isascii())
        facts = json.loads(self.call("watch", "--once", "--json"))
        self.assertEqual((facts["COMPLETE"], facts["best"]["number"], facts["running"][0]["report"]), (30, 29, 0.25))
        self.assertEqual(facts["best"]["params"], {"lr": 0.1})
        self.assertEqual((facts["workers"], facts["workers_seen"]), (1, 1))

    def test_several_objectives(self):
        j = journals.Journal()
        s = j.study("s", 1, 2, metric_names=["loss", "speed"])
        for i in range(10):
            j.trial(s, i, i % 4)
        j.write(self.path())
        out = self.call("watch", "--once", LINES="40")
        for text in ("front: 4 trials", "loss", "speed", "9 1"):
            self.assertIn(text, out)
        self.assertEqual(json.loads(self.call("watch", "--once", "--json"))["front"], 4)

    def test_constraints(self):
        j = journals.Journal()
        s = j.study("s")
        j.trial(s, 1.0, system={"constraints": [1.0]})
        j.trial(s, 2.0)
        j.write(self.path())
        self.assertIn("best 2 (trial 1)", self.call("watch", "--once"))

    def test_lines_for_a_pipe(self):
        self.call("create-study", "--study-name", "s")
        for args, first in ((["--json"], '"finished": 0'), ([], "0/2 finished")):
            self.call("delete-study", "--study-name", "s")
            self.call("create-study", "--study-name", "s")
            child = subprocess.Popen([TRIALOG, "watch", "-i", "10ms", "--until-finished", "2", *args], cwd=self.work, env=self.env,
                                     stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
            self.assertIn(first, child.stdout.readline())
            self.tell(1)
            self.tell(2)
            rest = child.stdout.readlines()
            self.assertEqual(child.wait(LONGEST), 0)
            self.assertIn("2", rest[-1])
            self.assertLess(len(rest), 40)
            child.stdout.close()

    def test_a_writer_is_not_disturbed(self):
        """Nothing is written beside the journal, no lock taken, and a journal without write permission can be watched."""
        self.call("create-study", "--study-name", "s")
        before = {name: os.stat(self.path(name)).st_mtime_ns for name in os.listdir(self.work)}
        self.call("watch", "--once")
        self.assertEqual(before, {name: os.stat(self.path(name)).st_mtime_ns for name in os.listdir(self.work)})

    def test_mistakes(self):
        self.assertIn("there is no journal", self.call("watch", "--once", status=3))
        self.call("create-study", "--study-name", "s")
        self.assertIn("no study 'x'", self.call("watch", "--study-name", "x", "--once", status=3))
        self.assertIn("above zero", self.call("watch", "--trials", "0", status=2))
        self.assertIn("at least 10ms", self.call("watch", "--interval", "1ms", status=2))


unittest.main(argv=[sys.argv[0]])
