#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""test_completion.py TRIALOG FOLDER: the scripts in completion/ are what the command prints, and bash completes with them."""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

TRIALOG, FOLDER = map(os.path.abspath, sys.argv[1:3])

BASH = r"""
source /dev/stdin <<< "$SCRIPT"
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_trialog
printf '%s\n' "${COMPREPLY[@]}"
"""


def script(shell):
    return subprocess.run([TRIALOG, "completion", shell], capture_output=True, text=True, check=True).stdout


class Completion(unittest.TestCase):
    def complete(self, *words, cwd=None):
        env = {"SCRIPT": script("bash"), "PATH": os.environ["PATH"]}
        done = subprocess.run(["bash", "-c", BASH, "bash", TRIALOG, *words], capture_output=True, text=True, env=env, cwd=cwd)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout.split("\n")[:-1]

    def test_files_are_current(self):
        for shell, name in (("bash", "trialog.bash"), ("zsh", "_trialog"), ("fish", "trialog.fish")):
            with open(os.path.join(FOLDER, name), encoding="utf-8") as f:
                self.assertEqual(f.read(), script(shell), f"write it anew: trialog completion {shell} > completion/{name}")

    def test_shells_can_read_them(self):
        for shell in ("bash", "zsh", "fish"):
            if shutil.which(shell):
                done = subprocess.run([shell, "-n"], input=script(shell), capture_output=True, text=True)
                self.assertEqual((done.returncode, done.stderr), (0, ""), shell)

    def test_commands(self):
        self.assertEqual(self.complete("as"), ["ask"])
        self.assertIn("study", self.complete(""))
        self.assertNotIn("dump-options", self.complete(""))
        self.assertIn("set-user-attr", self.complete("study", ""))
        self.assertEqual(self.complete("help", "opt"), ["optimize"])
        self.assertEqual(self.complete("completion", "z"), ["zsh"])

    def test_options(self):
        self.assertEqual(self.complete("ask", "--se"), ["--search-space"])
        self.assertEqual(self.complete("study", "set-user-attr", "--k"), ["--key"])
        self.assertEqual(self.complete("--storage", "x", "trials", "--fl"), ["--flatten"])
        self.assertIn("--storage", self.complete("tell", "--"))

    def test_choices(self):
        self.assertEqual(self.complete("ask", "-f", ""), ["value", "json", "table", "yaml"])
        self.assertEqual(self.complete("ask", "--format", "=", "j"), ["json"])
        self.assertEqual(self.complete("ask", "--sampler", "r"), ["random"])
        self.assertEqual(self.complete("create-study", "--directions", "ma"), ["maximize"])

    def test_studies_and_files(self):
        with tempfile.TemporaryDirectory() as work:
            for name in ("first", "second", "with blank"):
                subprocess.run([TRIALOG, "create-study", "--storage", "j.log", "--study-name", name], cwd=work, check=True,
                               capture_output=True)
            self.assertEqual(self.complete("trials", "--storage", "j.log", "--study-name", "s", cwd=work), ["second"])
            self.assertIn("with blank", self.complete("trials", "--storage", "j.log", "--study-name", "", cwd=work))
            self.assertEqual(self.complete("check", "j", cwd=work), ["j.log"])


unittest.main(argv=[sys.argv[0]])
