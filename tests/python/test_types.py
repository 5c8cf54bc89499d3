# SPDX-License-Identifier: MIT
"""Types: the package and a typed program of a user pass mypy --strict, and the stubs of the extension name what it has."""
import ast
import os
import pathlib
import subprocess
import sys

import pytest

from trialog import _native

HERE = pathlib.Path(__file__).resolve().parent


def test_types():
    """The package and a typed program of a user pass mypy --strict."""
    pytest.importorskip("mypy", reason="mypy is not installed: tools/setup.sh check installs it")
    package = HERE.parent.parent / "python"
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", str(package / "mypy.ini"), "--cache-dir", os.devnull, "-p", "trialog", "-m", "typed_program"],
        capture_output=True, text=True, cwd=package, env={**os.environ, "MYPYPATH": f"{package}{os.pathsep}{HERE}"},
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_stubs_name_what_there_is():
    """Every public name of the extension is in _native.pyi, with its methods, and the other way round."""
    tree = ast.parse((HERE.parent.parent / "python" / "trialog" / "_native.pyi").read_text())
    stub = {}
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            stub[node.name] = {
                n.name if isinstance(n, ast.FunctionDef) else n.target.id
                for n in node.body
                if isinstance(n, (ast.FunctionDef, ast.AnnAssign))
            }
        elif isinstance(node, ast.FunctionDef):
            stub[node.name] = None
        elif isinstance(node, ast.AnnAssign):
            stub[node.target.id] = None
    real = {name for name in dir(_native) if not name.startswith("__") or name == "__version__"}
    assert real == set(stub)
    for name in ("Storage", "Study", "Trial", "Sampler", "Pruner"):
        has = {n for n in vars(getattr(_native, name)) if not n.startswith("__")}
        assert has == {n for n in stub[name] if not n.startswith("__")}, name
