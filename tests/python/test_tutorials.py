# SPDX-License-Identifier: MIT
"""The features of Optuna's quick start and key-features tutorials, as programs of our own in tutorials/: each runs with Optuna, and with only
the import changed with Trialog, where Optuna is not to be found; both print the same.

Exceptions, told in docs/python.md: plots need Optuna itself (visualization.py runs where it is installed); samplers that Trialog does not
have (CmaEsSampler, GPSampler, NSGAIISampler and others); databases in Optuna's own tables, and Optuna's gRPC storage.
"""
import os
import pathlib
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
PROGRAMS = sorted((HERE / "tutorials").glob("*.py"))
NEEDS_OPTUNA = {"visualization"}


def run(python, text, folder):
    program = folder / "program.py"
    program.write_text(text)
    done = subprocess.run([*python, program], cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    return [line for line in lines if not line.startswith("[I ")]  # with a progress bar Optuna's messages go to standard output


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.stem)
def test_only_the_import_is_changed(program, tmp_path):
    if program.stem in NEEDS_OPTUNA:
        pytest.importorskip("plotly", reason="plotly is not installed: tools/setup.sh check installs it")
    text = program.read_text()
    assert text.count("import optuna\n") == 1
    theirs = run([sys.executable, "-W", "ignore"], text, tmp_path)
    ours_text = text.replace("import optuna\n", "import trialog as optuna\n")
    if program.stem in NEEDS_OPTUNA:
        ours = run([sys.executable, "-W", "ignore"], ours_text, tmp_path)
    else:  # -S: without site-packages, so without Optuna and what comes with it
        probe = "import importlib.util as u; print(u.find_spec('optuna'), u.find_spec('numpy'))"
        assert subprocess.run([sys.executable, "-S", "-c", probe], capture_output=True, text=True).stdout == "None None\n"
        ours = run([sys.executable, "-S"], ours_text, tmp_path)
    assert ours == theirs and ours


def test_the_package_is_found_by_path_alone():
    assert "trialog" in os.listdir(os.environ["PYTHONPATH"].split(os.pathsep)[0])
