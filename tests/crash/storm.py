# SPDX-License-Identifier: MIT
"""What the torture drivers share: workers and their acknowledgements, the checker of a growing journal, Optuna's side.

The checker is written anew here, in Python and from the format's page, so that it does not share a mistake with the library.
"""
import json
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))
import servers  # noqa: E402

OPTUNA = os.environ.get("TRIALOG_PYTHON_OPTUNA")
HEALER = "torn-tail-repair"


# ---- a run ----

def seed():
    """The run's seed, printed; TRIALOG_SEED repeats a run."""
    value = int(os.environ.get("TRIALOG_SEED", "0")) or int.from_bytes(os.urandom(4), "little")
    random.seed(value)
    print(f"seed {value}", flush=True)
    return value


class Scratch:
    """A folder of its own, kept when the test failed."""

    def __enter__(self):
        self.path = tempfile.mkdtemp(prefix="trialog-storm-", dir=os.environ.get("TMPDIR"))
        return self

    def __exit__(self, kind, value, trace):
        if kind is None:
            shutil.rmtree(self.path, ignore_errors=True)
        else:
            print(f"files kept in {self.path}", flush=True)

    def file(self, name):
        return os.path.join(self.path, name)


def require(condition, text):
    if not condition:
        raise SystemExit(f"FAILED: {text}")


def optuna_side(*args, timeout=300):
    """Optuna's figures from optuna_side.py, as a dictionary; None without a Python that has Optuna."""
    if not OPTUNA:
        return None
    run = subprocess.run([OPTUNA, os.path.join(HERE, "optuna_side.py"), *map(str, args)], stdout=subprocess.PIPE,
                         timeout=timeout, check=True)
    return json.loads(run.stdout)


def percentile(values, part):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


# ---- processes ----

def start(argv, **options):
    """A process that is killed when the test ends, however it ends."""
    return subprocess.Popen(argv, preexec_fn=servers.dies_with_parent(signal.SIGKILL), **options)


class Worker:
    """storm_worker write: appends until it is killed or done."""
    count = 0

    def __init__(self, program, journal, folder, **options):
        Worker.count += 1
        self.name = f"storm-{os.getpid()}-{Worker.count}"
        self.acks_path = os.path.join(folder, self.name + ".acks")
        self.read_to = 0
        argv = [program, "write", journal, self.acks_path, self.name] + [f"{k}={v}" for k, v in options.items()]
        stdin = subprocess.PIPE if options.get("barrier") else subprocess.DEVNULL
        self.process = start(argv, stdin=stdin, stdout=subprocess.PIPE, bufsize=0)
        self.pid = self.process.pid

    def ready(self):
        line = self.process.stdout.readline().decode()
        require(line == "ready\n", f"a worker did not begin: {line!r}")

    def go(self):
        self.process.stdin.write(b"g")

    def kill(self):
        self.process.send_signal(signal.SIGKILL)

    def stop(self):
        self.process.send_signal(signal.SIGSTOP)
        require(self.wait_stopped(10), f"worker {self.name} ended by itself: {self.process.poll()}")

    def wait_dead(self):
        self.process.wait()
        self.process.stdout.close()

    def wait_stopped(self, timeout):
        """Until it stopped itself (SIGSTOP); False: it did not."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            with open(f"/proc/{self.pid}/stat", "rb") as f:
                state = f.read().rpartition(b") ")[2][:1]
            if state == b"T":
                return True
            if state == b"Z":
                return False
            time.sleep(0.002)
        return False

    def finish(self, timeout=120):
        """Its last words: (appends, longest wait in us, unknown outcomes, repeated appends)."""
        text = self.process.stdout.read().decode()
        self.process.wait(timeout)
        last = text.strip().rpartition("\n")[2].split()
        require(last[:1] == ["done"] and self.process.returncode == 0, f"worker {self.name}: {text!r} {self.process.returncode}")
        return tuple(int(x) for x in last[1:])

    def new_acks(self):
        """Acknowledgements that came since the last call; an unfinished line waits."""
        try:
            with open(self.acks_path, "rb") as f:
                f.seek(self.read_to)
                data = f.read()
        except FileNotFoundError:
            return []
        data = data[:data.rfind(b"\n") + 1]
        self.read_to += len(data)
        return [tuple(line.split()) for line in data.decode().splitlines()]


class Probe:
    """storm_worker probe: one append when asked, with its duration."""

    def __init__(self, program, journal, name, **options):
        argv = [program, "probe", journal, name] + [f"{k}={v}" for k, v in options.items()]
        self.process = start(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        line = self.process.stdout.readline()
        require(line == b"ready\n", f"the probe did not begin: {line!r}")

    def ask(self):
        self.process.stdin.write(b"append\n")

    def command(self, text):
        """The answer's words."""
        self.process.stdin.write(text.encode() + b"\n")
        return self.process.stdout.readline().decode().split()

    def answer(self):
        """Seconds that the append took."""
        words = self.process.stdout.readline().decode().split()
        require(words[:1] == ["ok"], f"the next append failed: {words}")
        return int(words[1]) / 1e6

    def append(self):
        self.ask()
        return self.answer()

    def close(self):
        self.process.stdin.close()
        require(self.process.wait(30) == 0, "the probe ended badly")
        self.process.stdout.close()


def lock_holder(journal):
    """Process id in the owner's name, which stands in the lock file; 0 when there is none, -1 for a lock of Optuna's."""
    try:
        if os.path.islink(journal + ".lock"):
            return -1
        with open(journal + ".lock") as f:
            target = f.read().strip()
    except FileNotFoundError:
        return 0
    words = target.split(".")
    return int(words[-3]) if ".lock.own." in target and words[-3].isdigit() else -1


def holds_kernel_lock(pid):
    """Is this stopped process inside the critical section? An open-file-description lock from byte 0 on is the journal's (the gate's lies
    far behind any data)."""
    for fd in os.listdir(f"/proc/{pid}/fdinfo"):
        try:
            with open(f"/proc/{pid}/fdinfo/{fd}") as f:
                locks = [line.split() for line in f if line.startswith("lock:")]
        except FileNotFoundError:
            continue
        if any("OFDLCK" in words and words[-2] == "0" for words in locks):
            return True
    return False


# ---- the checker ----

def crc_table():
    table = []
    for i in range(256):
        c = i
        for _ in range(8):
            c = (c >> 1) ^ (0x82F63B78 if c & 1 else 0)
        table.append(c)
    return table


CRC = crc_table()


def crc32c(data):
    c = 0xFFFFFFFF
    table = CRC
    for b in data:
        c = table[(c ^ b) & 255] ^ (c >> 8)
    return c ^ 0xFFFFFFFF


class Checker:
    """Reads a journal as it grows. Every line must be one JSON object, ours with the right checksum; no (worker, n) and no
    (trial, step) twice; trials are counted as Optuna counts them. `acknowledged` says whether an acknowledgement is in it."""

    def __init__(self, path):
        self.path = path
        self.offset = self.lines = self.healed = 0
        self.last_n = {}
        self.owners = []  # of trials, by id
        self.found = set()

    def line(self, raw):
        self.lines += 1
        try:
            op = json.loads(raw)
        except ValueError as why:
            require(False, f"line {self.lines} is not JSON: {raw[:200]!r}: {why}")
        worker = op["worker_id"]
        if worker == HEALER:
            self.healed += 1
            return
        if "n" in op:
            at = raw.rfind(b',"crc":"')
            require(at > 0 and raw[at + 16:] == b'"}' and crc32c(raw[:at]) == int(raw[at + 8:at + 16], 16),
                    f"line {self.lines} has a wrong checksum: {raw[:200]!r}")
            require(op["n"] > self.last_n.get(worker, 0), f"line {self.lines}: operation {op['n']} of {worker} is doubled")
            self.last_n[worker] = op["n"]
        self.count(worker, op)

    def count(self, worker, op):
        code = op["op_code"]
        if code == 4:
            self.owners.append(worker)
            return
        key = None
        if code == 7:
            key = ("R", op["trial_id"], str(op["step"]))
        elif code == 8:
            key = ("A", op["trial_id"], next(iter(op["user_attr"])))
        if key:
            require(key not in self.found, f"line {self.lines}: {key} is doubled")
            self.found.add(key)

    def read(self):
        """Whole lines that are new."""
        with open(self.path, "rb") as f:
            f.seek(self.offset)
            data = f.read()
        whole = data[:data.rfind(b"\n") + 1]
        for raw in whole.splitlines():
            self.line(raw)
        self.offset += len(whole)
        return len(data) - len(whole)

    def acknowledged(self, worker, ack):
        kind, trial, what = ack
        if kind == "T":
            return int(trial) < len(self.owners) and self.owners[int(trial)] == worker
        return (kind, int(trial), what) in self.found

    def check(self, workers):
        """What the workers were told up to now is in the journal. Returns how many acknowledgements were looked at."""
        new = [(w.name, ack) for w in workers for ack in w.new_acks()]
        self.read()
        lost = [x for x in new if not self.acknowledged(*x)]
        require(not lost, f"{len(lost)} acknowledged operations are lost: {lost[:3]}")
        return len(new)


# ---- shared counters (storm_hooks.h) ----

def read_counters(path):
    with open(path, "rb") as f:
        inside, overlaps, entries, most = struct.unpack("<4Q", f.read(32))
    return {"inside": inside, "overlaps": overlaps, "entries": entries, "most": most}


def main(run, *defaults):
    """run(program, *integers): the program's path comes first on the command line, integers with defaults behind it."""
    words = sys.argv[1:]
    numbers = [int(x) for x in words[1:]]
    run(words[0], *(numbers + list(defaults[len(numbers):])))
