# SPDX-License-Identifier: MIT
"""What `pip install .` gives: builds a wheel, installs it into a fresh environment without any other package, and uses it there.

usage: wheel.py SOURCE (run.py --script). The Python needs scikit-build-core; without it: exit status 77 (skipped).
"""
import os
import subprocess
import sys
import tempfile
import zipfile

USE = """
import sys, time
before = set(sys.modules)
start = time.perf_counter()
import trialog
took = time.perf_counter() - start
heavy = [m for m in ("optuna", "numpy", "json", "logging", "multiprocessing", "sqlalchemy") if m in set(sys.modules) - before]
assert not heavy, heavy
print(f"import trialog: {took * 1000:.1f} ms")
for storage in (None, "study.journal", trialog.JournalStorage("other.journal")):
    study = trialog.create_study(storage=storage)
    study.optimize(lambda trial: trial.suggest_float("x", -1, 1) ** 2, n_trials=20)
    assert len(study.trials) == 20 and study.best_value < 1
assert "optuna" not in sys.modules
print("fine", trialog.__version__)
"""


def run(*command, **kwargs):
    print("+", *command, flush=True)
    subprocess.run(command, check=True, **kwargs)


def main():
    source = os.path.abspath(sys.argv[1])
    try:
        import scikit_build_core  # noqa: F401
    except ImportError:
        print("scikit-build-core is not installed beside this Python (tools/setup.sh check does it)")
        return 77
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    with tempfile.TemporaryDirectory() as folder:
        run(sys.executable, "-m", "pip", "wheel", "-q", "--disable-pip-version-check", "--no-build-isolation", "--no-deps",
            "-w", folder, source, env=env)
        wheel, = [os.path.join(folder, f) for f in os.listdir(folder) if f.endswith(".whl")]
        names = zipfile.ZipFile(wheel).namelist()
        assert "trialog/py.typed" in names and any(n.startswith("trialog/_native.") for n in names), names
        assert not [n for n in names if n.endswith((".c", ".a", ".h")) or "__pycache__" in n], names
        metadata = zipfile.ZipFile(wheel).read(next(n for n in names if n.endswith("/METADATA"))).decode()
        assert "Requires-Dist" not in metadata
        print(os.path.basename(wheel), os.path.getsize(wheel), "bytes")
        run(sys.executable, "-m", "venv", "--without-pip", folder + "/venv", env=env)
        python = folder + "/venv/bin/python"
        run(sys.executable, "-m", "pip", "-q", "--disable-pip-version-check", "--python", python, "install", "--no-index", "--no-deps",
            wheel, env=env)
        run(python, "-c", USE, env=env, cwd=folder)
        times = sorted(import_time(python, env, folder) for _ in range(7))
        print(f"import trialog over an empty program: {times[3] * 1000:.1f} ms")
        assert times[0] < 0.030, times
    return 0


def import_time(python, env, folder):
    code = "import time; t = time.perf_counter(); import trialog; print(time.perf_counter() - t)"
    return float(subprocess.run([python, "-c", code], env=env, cwd=folder, check=True, capture_output=True).stdout)


if __name__ == "__main__":
    sys.exit(main())
