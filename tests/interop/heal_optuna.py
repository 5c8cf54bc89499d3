# SPDX-License-Identifier: MIT
"""Torn lines, healed by us, read by Optuna.

    heal_optuna.py HEAL_TOOL [STEP]    the test; STEP > 1 takes every STEP-th cut only
    heal_optuna.py --read              child: reads paths from stdin, prints what Optuna finds in each (in heal_tool's form)

Every cut of every kind of line, as Optuna 5 and 3.1 write it and unescaped, stands at the end of a journal; we append to it. Then both
Optunas and we must find what the whole lines say, no byte before the cut may have changed, and Optuna goes on writing there.
After that a group of five records is cut at every byte while Optuna has the journal open: it must never raise, and find whole
records only. (One case is left out for 3.1, which takes a last line for whole although its newline is missing, and then cannot
read on behind the newline that anybody adds.)
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import warnings

W = "0b1c-139"
FLOAT = json.dumps({"name": "FloatDistribution", "attributes": {"step": None, "low": 1e-05, "high": 1.0, "log": True}})
CHOICE = json.dumps({"name": "CategoricalDistribution", "attributes": {"choices": [None, True, 1, 0.5, "\u3042"]}})
TIME = "2026-01-01T00:00:00.000000+00:00"
BASE = [
    {"op_code": 0, "worker_id": W, "study_name": "s", "directions": [1]},
    {"op_code": 4, "worker_id": W, "study_id": 0, "datetime_start": TIME},
]
ODD = {"k\u00e9\"\\": {"a": [1, {"b": True, "c": None}, [], {}], "s": "\U0001f600 \u3042", "t": "\x00\x1f\u007f\u2028\ud7ff\uffff"}}
KINDS = [
    {"op_code": 0, "worker_id": W, "study_name": "other \u00e9\U0001f600", "directions": [1, 2]},
    {"op_code": 1, "worker_id": W, "study_id": 7},
    {"op_code": 2, "worker_id": W, "study_id": 0, "user_attr": ODD},
    {"op_code": 3, "worker_id": W, "study_id": 0, "system_attr": {"x": -0.0}},
    {"op_code": 4, "worker_id": W, "study_id": 0, "datetime_start": TIME},
    {"op_code": 4, "worker_id": W, "study_id": 0, "datetime_start": None, "state": 4, "value": None, "values": None, "distributions": {},
     "params": {}, "user_attrs": {}, "system_attrs": {"fixed_params": {"i": 1}}, "intermediate_values": {}},
    {"op_code": 4, "worker_id": W, "study_id": 0, "datetime_start": TIME, "datetime_complete": TIME, "state": 1, "value": None,
     "values": [-1.5e-300], "distributions": {"x": FLOAT, "\u3042": CHOICE}, "params": {"x": 0.25, "\u3042": 4}, "user_attrs": ODD,
     "system_attrs": {}, "intermediate_values": {"0": float("nan"), "1": float("-inf")}},
    {"op_code": 5, "worker_id": W, "trial_id": 0, "param_name": "x", "param_value_internal": 1.5e-05, "distribution": FLOAT},
    {"op_code": 5, "worker_id": W, "trial_id": 0, "param_name": "\U0001f600", "param_value_internal": 2, "distribution": CHOICE},
    {"op_code": 6, "worker_id": W, "trial_id": 0, "state": 1, "values": [-0.25], "datetime_complete": TIME},
    {"op_code": 7, "worker_id": W, "trial_id": 0, "step": 3, "intermediate_value": float("inf")},
    {"op_code": 8, "worker_id": W, "trial_id": 0, "user_attr": ODD},
    {"op_code": 9, "worker_id": W, "trial_id": 0, "system_attr": {"numbers": [123456789012345678901234567890, 1e22, False]}},
    {"op_code": 8, "worker_id": W, "trial_id": 0, "user_attr": {"k": "v"}, "n": 12, "crc": None},
    {"op_code": 10, "worker_id": W, "trial_ids": [0, 1]},
]
GROUP = [
    {"op_code": 4, "worker_id": W, "study_id": 0, "datetime_start": TIME},
    {"op_code": 5, "worker_id": W, "trial_id": 1, "param_name": "x", "param_value_internal": 0.5, "distribution": FLOAT},
    {"op_code": 7, "worker_id": W, "trial_id": 1, "step": 0, "intermediate_value": 1.25},
    {"op_code": 8, "worker_id": W, "trial_id": 1, "user_attr": {"k\u3042": ["v", None]}},
    {"op_code": 6, "worker_id": W, "trial_id": 1, "state": 1, "values": [0.125], "datetime_complete": TIME},
]


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def compact(record, ensure_ascii=True):
    """As Optuna 5 writes; a checksum is made where the record has one."""
    text = json.dumps(record, separators=(",", ":"), ensure_ascii=ensure_ascii)
    if "crc" in record:
        text = text[:text.rindex(',"crc"')]
        text += ',"crc":"%08x"}' % crc32c(text.encode())
    return text


WRITERS = [  # name, how a record becomes text
    ("as Optuna 5 writes", compact),
    ("as Optuna 3.1 writes", json.dumps),
    ("unescaped", lambda r: compact(r, False)),
]


# ---- Optuna's side ----

def read_child():
    warnings.simplefilter("ignore")
    import optuna
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    from optuna.storages import JournalStorage
    try:
        from optuna.storages.journal import JournalFileBackend as Backend
    except ImportError:
        from optuna.storages import JournalFileStorage as Backend

    def digest(s):
        text = ""
        for st in s.get_all_studies():
            text += "S %d %d" % (len(st.directions), len(st.user_attrs) + len(st.system_attrs))
            for t in s.get_all_trials(st._study_id):
                text += " T %d %d %d %d %d" % (t.state.value, len(t.params), len(t.user_attrs) + len(t.system_attrs),
                                               len(t.intermediate_values), len(t.values or []))
            text += " "
        return text

    print(optuna.__version__, flush=True)
    live = {}
    for line in sys.stdin:
        what, path = line.rstrip("\n").split(" ", 1)
        try:
            if what == "write":  # Optuna goes on behind us
                s = JournalStorage(Backend(path))
                s.create_new_trial(0)
                answer = digest(JournalStorage(Backend(path)))
            elif what == "poll":
                if path not in live:
                    live.clear()
                    live[path] = JournalStorage(Backend(path))
                answer = digest(live[path])
            else:
                answer = digest(JournalStorage(Backend(path)))
        except BaseException as e:  # whatever it is, it is the answer
            answer = "%s: %s" % (type(e).__name__, str(e)[:200].replace("\n", " "))
        print(answer, flush=True)


class Child:
    """A process that answers one line for each line."""

    def __init__(self, command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().rstrip("\n")

    def ask_all(self, lines):
        """In batches that fit into the pipes."""
        answers = []
        for i in range(0, len(lines), 50):
            batch = lines[i:i + 50]
            self.process.stdin.write("".join(x + "\n" for x in batch))
            self.process.stdin.flush()
            answers += [self.process.stdout.readline().rstrip("\n") for _ in batch]
        return answers

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(60) == 0


# ---- the test ----

class Test:
    def __init__(self, tool, step):
        self.dir = tempfile.mkdtemp(prefix="trialog-heal-")
        self.tool = Child([tool])
        self.step, self.failures = step, 0
        self.optunas = {}
        for name in ("TRIALOG_PYTHON_OPTUNA", "TRIALOG_PYTHON_OPTUNA31"):
            if os.environ.get(name):
                child = Child([os.environ[name], os.path.abspath(__file__), "--read"])
                self.optunas[child.process.stdout.readline().strip()] = child

    def close(self):
        for child in [self.tool] + list(self.optunas.values()):
            child.close()
        shutil.rmtree(self.dir)

    def fail(self, text):
        self.failures += 1
        if self.failures <= 10:
            print("FAILED", text, flush=True)

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, data):
        with open(self.path(name), "wb") as f:
            f.write(data)
        return self.path(name)

    def expected(self, base, records, dumps):
        """What a journal of whole lines says: our answer, which both Optunas must share (unless they cannot read it)."""
        path = self.write("whole.log", base + b"".join(dumps(r).encode() + b"\n" for r in records))
        ours = self.tool.ask(path)
        for version, child in self.optunas.items():
            theirs = child.ask("read " + path)
            if theirs != ours and not any(r["op_code"] == 10 for r in records):
                self.fail("whole lines %s: ours %r, Optuna %s %r" % (records, ours, version, theirs))
        return ours

    def cut_lines(self):
        for title, dumps in WRITERS:
            base = b"".join(dumps(r).encode() + b"\n" for r in BASE)
            nothing = self.expected(base, [], dumps)
            paths, wanted, before = [], [], []
            for i, record in enumerate(KINDS):
                line = dumps(record).encode()
                with_it = self.expected(base, [record], dumps)
                for cut in sorted(set(range(1, len(line), self.step)) | {len(line)}):
                    if cut == len(line) and record["op_code"] == 10:
                        continue  # a whole line that Optuna before 5 refuses
                    before.append(base + line[:cut])
                    paths.append(self.write("%d-%d.log" % (i, cut), before[-1]))
                    wanted.append(with_it if cut == len(line) else nothing)
            self.compare("we", title, paths, wanted, self.tool.ask_all(paths))
            for path, start in zip(paths, before):
                with open(path, "rb") as f:
                    if f.read(len(start)) != start:
                        self.fail("%s: bytes before the cut have changed" % path)
            for version, child in self.optunas.items():
                self.compare("Optuna " + version, title, paths, wanted, child.ask_all(["read " + p for p in paths]))
            one_more = [x.rstrip() + " T 0 0 0 0 0 " for x in wanted]
            some = slice(0, None, 29)
            for version, child in self.optunas.items():
                ok = [(p, w) for p, w in zip(paths[some], one_more[some]) if w.count("S") == 1]
                self.compare("Optuna %s, writing" % version, title, [p for p, _ in ok], [w for _, w in ok],
                             child.ask_all(["write " + p for p, _ in ok]))
                one_more = [x.rstrip() + " T 0 0 0 0 0 " for x in one_more]
            for p in paths:
                os.unlink(p)
            print("%-21s %5d cuts of %d kinds of lines healed, appended to and read by us and by Optuna %s" % (
                title + ":", len(paths), len(KINDS), " and ".join(self.optunas)), flush=True)

    def compare(self, who, title, paths, wanted, answers):
        for path, want, answer in zip(paths, wanted, answers):
            if want != answer:
                with open(path, "rb") as f:
                    data = f.read()
                self.fail("%s, %s, %s: %r instead of %r in\n%s" % (who, title, path, answer, want, data.decode("utf-8", "replace")))

    def cut_group(self, version, child):
        dumps = WRITERS[0][1]  # ours are escaped too; 3.1 cannot bear half a UTF-8 sequence, torn or not
        base = b"".join(dumps(r).encode() + b"\n" for r in BASE)
        lines = [dumps(r).encode() + b"\n" for r in GROUP]
        whole = [self.expected(base, GROUP[:n], dumps) for n in range(6)]
        group, polls, left_out = b"".join(lines), 0, 0
        for cut in list(range(0, len(group) + 1, self.step)):
            n = sum(len(b"".join(lines[:k + 1])) <= cut for k in range(5))
            lacks_newline = group[cut:cut + 1] == b"\n"
            path = self.write("live-%d.log" % cut, base)
            first = child.ask("poll " + path)
            with open(path, "ab") as f:
                f.write(group[:cut])
            if lacks_newline and not version.startswith("5"):
                left_out += 1
            else:
                seen = child.ask("poll " + path)
                polls += 1
                if "Error" in first + seen:
                    self.fail("Optuna %s at cut %d: %r, %r" % (version, cut, first, seen))
            ours = self.tool.ask(path)
            for _ in range(2):
                theirs = child.ask("poll " + path)
                polls += 1
                if not ours == theirs == whole[n + lacks_newline]:
                    self.fail("cut %d of the group: ours %r, Optuna %s %r, instead of %r" % (cut, ours, version, theirs,
                                                                                             whole[n + lacks_newline]))
            os.unlink(path)
        print("five records cut at %d places while Optuna %s reads: %d polls, whole records only%s" % (
            len(range(0, len(group) + 1, self.step)), version, polls, ", %d polls left out" % left_out if left_out else ""), flush=True)


def main():
    test = Test(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    if not test.optunas:
        print("skipped: neither TRIALOG_PYTHON_OPTUNA nor TRIALOG_PYTHON_OPTUNA31 names a Python with Optuna")
        test.close()
        sys.exit(77)
    test.cut_lines()
    for version, child in test.optunas.items():
        test.cut_group(version, child)
    failures = test.failures
    test.close()
    print("%d failures" % failures)
    sys.exit(failures != 0)


if __name__ == "__main__":
    read_child() if sys.argv[1] == "--read" else main()
