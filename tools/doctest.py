#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tools/doctest.py --build DIR FILE.md…: what a document shows is run.

Blocks of a Markdown file, in their order, one scratch folder per file:
  ```c        a whole C file: compiled without warnings, and linked with the shared library and run when it has a main
  ```console  lines "$ COMMAND" are run by one bash per file, with the built `trialog` first in PATH; the lines below a
              command are its expected output (standard output and error). A line "..." stands for any lines, "..." inside
              a line for any text; a command with no output below it may print anything, but must succeed. "# status N" as the
              last line expects the exit status N. A block with a URL of a storage that the build lacks (--without) is not run.
  ```python   a whole program, run by $TRIALOG_PYTHON_OPTUNA with the package in BUILD/python; not run where one of them is missing
Other blocks (sh, text, no language) are not run. Prints one line per block; exit status 1 when one failed.
"""
import argparse
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
END = "doctest-end-of-command"


def blocks(text):
    """(line, language, body) of each fenced block."""
    for match in re.finditer(r"^```(\w*)[^\n]*\n(.*?)^```$", text, flags=re.M | re.S):
        yield text.count("\n", 0, match.start()) + 1, match.group(1), match.group(2)


def run_c(body, args, folder):
    source, program = os.path.join(folder, "block.c"), os.path.join(folder, "block")
    with open(source, "w", encoding="utf-8") as f:
        f.write(body)
    command = [args.cc, "-std=c99", "-Wall", "-Wextra", "-Werror", *args.cflags.split(), "-I", os.path.join(ROOT, "include"), source]
    whole = re.search(r"\bmain\s*\(", body)
    if whole:
        command += ["-o", program, "-L", args.build, "-ltrialog", f"-Wl,-rpath,{args.build}", "-lm"]
    else:
        command += ["-fsyntax-only"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0 and whole:
        done = subprocess.run([program], cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    return None if done.returncode == 0 else f"status {done.returncode}\n{done.stdout}{done.stderr}"


def run_python(body, args, folder):
    environment = {**os.environ, "PYTHONPATH": os.path.join(args.build, "python"), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([os.environ["TRIALOG_PYTHON_OPTUNA"], "-c", body], cwd=folder, env=environment, capture_output=True, text=True,
                          timeout=120, check=False)
    return None if done.returncode == 0 else f"status {done.returncode}\n{done.stdout}{done.stderr}"


class Shell:
    """One bash for all console blocks of a file, so that variables and files stay."""

    def __init__(self, args, folder):
        path = args.build + os.pathsep + os.environ["PATH"]
        environment = {"PATH": path, "HOME": folder, "LC_ALL": "C.UTF-8", "TZ": "UTC", "COLUMNS": "120"}
        environment.update({k: v for k, v in os.environ.items() if k.endswith("SAN_OPTIONS")})
        self.bash = subprocess.Popen(["bash", "--norc"], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                     stderr=subprocess.STDOUT, text=True, env=environment)

    def run(self, command):
        self.bash.stdin.write(f"{{ {command}\n}} </dev/null\nprintf '\\n{END} %d\\n' $?\n")
        self.bash.stdin.flush()
        output = ""
        for line in self.bash.stdout:
            if line.startswith(END):
                return output.removesuffix("\n"), int(line.split()[1])
            output += line
        return output, -1

    def close(self):
        self.bash.stdin.close()
        self.bash.wait()


def matches(expected, output):
    parts = []
    for line in expected:
        parts.append(r"(?:.*\n)*?" if line == "..." else ".*?".join(map(re.escape, line.split("..."))) + r"\n")
    return re.fullmatch("".join(parts), output if output.endswith("\n") or not output else output + "\n") is not None


def run_console(body, shell):
    lines = body.split("\n")[:-1]
    at = 0
    while at < len(lines):
        if not lines[at].startswith("$ "):
            return f"not a command: {lines[at]}"
        command = lines[at][2:]
        at += 1
        while command.endswith("\\") and at < len(lines):
            command = command[:-1] + lines[at].strip()
            at += 1
        expected = []
        while at < len(lines) and not lines[at].startswith("$ "):
            expected.append(lines[at])
            at += 1
        status = 0
        if expected and re.fullmatch(r"# status \d+", expected[-1]):
            status = int(expected.pop().split()[-1])
        output, got = shell.run(command)
        if got != status:
            return f"$ {command}\n{output}\nstatus {got}, expected {status}"
        if expected and not matches(expected, output):
            return f"$ {command}\n{output}\nexpected:\n" + "\n".join(expected)
    return None


def main():
    parser = argparse.ArgumentParser(description="Runs the examples of documents.")
    parser.add_argument("--build", required=True, type=os.path.abspath, help="build directory with the command and the library")
    parser.add_argument("--cc", default="cc")
    parser.add_argument("--cflags", default="", help="added when C blocks are compiled and linked")
    parser.add_argument("--without", action="append", default=[], metavar="SCHEME", help="URLs that this build does not know: sqlite")
    parser.add_argument("files", nargs="+")
    args = parser.parse_args()
    failed = count = 0
    has_python = os.environ.get("TRIALOG_PYTHON_OPTUNA") and os.path.isdir(os.path.join(args.build, "python", "trialog"))
    for name in args.files:
        with open(os.path.join(ROOT, name), encoding="utf-8") as f:
            text = f.read()
        with tempfile.TemporaryDirectory() as folder:
            shell = Shell(args, folder)
            for line, language, body in blocks(text):
                if language not in ("c", "console", "python"):
                    continue
                count += 1
                missing = [w for w in args.without if language == "console" and f" {w}:" in body]
                if missing:
                    print(f"{name}:{line}: console: not run: built without {missing[0]}", flush=True)
                    continue
                if language == "python" and not has_python:
                    print(f"{name}:{line}: python: not run: no Python with Optuna, or no package", flush=True)
                    continue
                trouble = (run_c(body, args, folder) if language == "c" else run_python(body, args, folder) if language == "python"
                           else run_console(body, shell))
                print(f"{name}:{line}: {language}: {'ok' if trouble is None else trouble}", flush=True)
                failed += trouble is not None
            shell.close()
    print(f"doctest: {count} blocks, {failed} failed")
    sys.exit(1 if failed or not count else 0)


if __name__ == "__main__":
    main()
