# SPDX-License-Identifier: MIT
"""Mutation test of the replay: every branch, flipped, must make the differential test fail.

Negates one condition at a time (if, while, for, ?:) and takes away one `case` at a time, compiles the replay tool with it, and
compares generated lists with what Optuna made of them (asked once). A mutant is killed by a difference, a crash, a hang or
the address sanitizer. One that survives must stand in EQUIVALENT with the reason why nobody could see it; an entry that no
longer survives is an error too.

Mutants are named FILE:FUNCTION:CONDITION, so the list holds while lines move.
"""

import argparse
import collections
import fnmatch
import multiprocessing
import os
import random
import re
import resource
import signal
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import compare  # noqa: E402
import gen  # noqa: E402

# What gives operations their meaning: the rules, the lists of unfinished trials, finished ones as rows, derived facts.
FILES = ["state.c", "state_trial.c", "live.c", "row.c", "facts.c"]

# Functions that give operations no meaning: what tests them instead.
OUTSIDE = {
    "verdict_code": "codes for callers: unit tests",
    "explain": "messages for people: unit tests",
    "study_free": "end of life: unit tests under the address sanitizer",
    "state_unref": "end of life: unit tests under the address sanitizer",
    "list_pool_release": "end of life: unit tests under the address sanitizer",
    "list_ref_get": "readers of other threads: unit tests, thread sanitizer",
    "list_ref_drop": "readers of other threads: unit tests, thread sanitizer",
    "front_drop": "readers of other threads: unit tests, thread sanitizer",
    "list_find": "for the engine: unit tests",
    "column_restore": "snapshots: unit tests",
    "column_block_restore": "snapshots: unit tests",
}

# Names of mutants, or how they begin (with a *): why no difference can be seen.
EQUIVALENT = {
    "state.c:state_apply:if v != V_APPLIED": "explain() writes messages only",
    "state.c:dispatch:case OP_N_CODES": "no such operation gets here, and the end of the function answers the same",
    "state_trial.c:template_dists:? p->name.n < 120": "length of a name in a message",
    "live.c:entry_key:case LIST_REPORTS": "the end of the function is about reports",
    "live.c:list_recycle:*": "whether a list is reused is a matter of memory and time",
    "live.c:list_put:operand r->n <= 2 * r->distinct + 64": "when a list is made anew is a matter of memory",
    "live.c:list_append:operand (at > 0*": "a map from the first entry on: time",
    "row.c:column_set:operand p->dist != b->dist": "a list of equal distributions instead of one for all: memory",
    "row.c:put_attrs:? padded*": "bytes that fill up are never read",
    "row.c:shape_same:operand*": "needs two shapes with one hash",
    "row.c:shape_index:operand shape_same*": "needs two shapes with one hash",
    "facts.c:front_writable:operand f->n < f->cap": "a copy at each change, never a full one: time",
    "facts.c:front_writable:operand atomic_load*": "nobody else holds the front here; with views: unit tests",
    "facts.c:front_add_2d:operand !dominates*": "the order of equal points in the front",
    "facts.c:front_add_2d:operand loss(st, front_values(st, f, lo)*": "the order of equal points in the front",
    "facts.c:space_fold:? k + 1 < n": "where the search for the next name begins",
}

TOKEN = re.compile(
    r"""/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[A-Za-z_]\w*|\d[\w.]*|->|\+\+|--|<<=|>>=|<<|>>|[<>=!+\-*/%&|^]=|&&|\|\||[^\s]""",
    re.S,
)


def tokens(text):
    """(start, end, text) of each token outside comments and preprocessor lines."""
    skip = [m.span() for m in re.finditer(r"^[ \t]*#(?:.*\\\n)*.*$", text, re.M)]
    out = []
    for m in TOKEN.finditer(text):
        if m.group().startswith(("/*", "//")) or any(a <= m.start() < b for a, b in skip):
            continue
        out.append((m.start(), m.end(), m.group()))
    return out


def closing(toks, i):
    """Index of the bracket that closes the one at i."""
    depth = 0
    for k in range(i, len(toks)):
        if toks[k][2] in "([{":
            depth += 1
        elif toks[k][2] in ")]}":
            depth -= 1
            if depth == 0:
                return k
    raise ValueError("unbalanced")


def function_at(text, place):
    """Name of the function that holds a place: definitions begin in the first column and their body's brace stands alone."""
    name = "?"
    for m in re.finditer(r"^[A-Za-z_][^\n;={}]*?\**(\w+)\([^;{}]*\)\n\{", text, re.M):
        if m.start() > place:
            break
        name = m.group(1)
    return name


def condition_start(toks, i):
    """Index of the first token of the condition whose `?` stands at i."""
    k = i - 1
    while k >= 0:
        t = toks[k][2]
        if t in (")", "]"):
            depth = 0
            while True:
                depth += (toks[k][2] in ")]") - (toks[k][2] in "([")
                if depth == 0:
                    break
                k -= 1
        elif t in ("(", "[", "{", "}", ";", ",", "=", "return", "?", ":") or t in ("+=", "-=", "|=", "&="):
            return k + 1
        k -= 1
    return 0


BOUNDARY = {"{", "}", ";", ",", "=", "return", "?", ":", "&&", "||", "+=", "-=", "|=", "&="}


def operand(toks, i, step):
    """Indexes of the first and last token of the operand before (step -1) or behind (step 1) the && or || at i."""
    k = i + step
    opening, closers = ({")", "]"}, {"(", "["}) if step < 0 else ({"(", "["}, {")", "]"})
    while 0 <= k < len(toks) and toks[k][2] not in BOUNDARY | closers:
        if toks[k][2] in opening:
            depth = 0
            while True:
                depth += (toks[k][2] in opening) - (toks[k][2] in closers)
                if depth == 0:
                    break
                k += step
        k += step
    return (k + 1, i - 1) if step < 0 else (i + 1, k - 1)


def mutants_of(path):
    """(name, mutated text) of each mutant of a file."""
    text = open(path).read()
    toks = tokens(text)
    spans = []
    cases, operands = [], []
    for i, (start, end, t) in enumerate(toks):
        if t in ("if", "while") and toks[i + 1][2] == "(":
            close = closing(toks, i + 1)
            spans.append((t, toks[i + 1][1], toks[close][0]))
        elif t == "for" and toks[i + 1][2] == "(":
            close = closing(toks, i + 1)
            semis = [k for k in range(i + 2, close) if toks[k][2] == ";"]
            if toks[semis[0]][1] < toks[semis[1]][0]:
                spans.append((t, toks[semis[0]][1], toks[semis[1]][0]))
        elif t == "?":
            first = condition_start(toks, i)
            spans.append(("?", toks[first][0], start))
        elif t in ("&&", "||"):
            for a, b in (operand(toks, i, -1), operand(toks, i, 1)):
                if (toks[a][0], toks[b][1]) not in operands:
                    operands.append((toks[a][0], toks[b][1]))
        elif t == "case":
            k = next(k for k in range(i, len(toks)) if toks[k][2] == ":")
            cases.append((start, toks[k][1], text[toks[i + 1][0] : toks[k][0]]))
    spans += [("operand", a, b) for a, b in operands]
    seen = collections.Counter()
    for kind, a, b in spans:
        cond = " ".join(text[a:b].split())
        name = "%s:%s:%s %s" % (os.path.basename(path), function_at(text, a), kind, cond)
        seen[name] += 1
        if seen[name] > 1:
            name += " #%d" % seen[name]
        yield name, text[:a] + "!(" + text[a:b].strip() + ")" + text[b:]
    for a, b, label in cases:
        name = "%s:%s:case %s" % (os.path.basename(path), function_at(text, a), label)
        # what follows becomes unreachable unless another label leads there
        yield name, text[:a] + "case 0x7000 + __LINE__:" + text[b:]


# ---- building ----


class Builder:
    def __init__(self, args):
        self.args = args
        self.flags = [
            "-std=c11",
            "-D_GNU_SOURCE",
            "-O1",
            "-w",
            "-fsanitize=address",
            "-I",
            args.source + "/include",
            "-I",
            args.source + "/src",
        ]
        os.makedirs(args.scratch, exist_ok=True)

    def sources(self):
        src = self.args.source + "/src/"
        for layer in ("base", "model"):
            listed = re.sub(r"#.*", "", open(src + layer + "/sources.cmake").read())
            for name in re.search(r"set\(\s*%s_sources\s+([^)]*)\)" % layer, listed).group(1).split():
                yield src + layer + "/" + name
        yield HERE + "/replay_tool.c"

    def object(self, path):
        return os.path.join(self.args.scratch, os.path.basename(path) + ".o")

    def compile(self, path, out):
        return subprocess.run(
            [self.args.compiler] + self.flags + ["-c", path, "-o", out], stderr=subprocess.PIPE
        )

    def all(self):
        for path in self.sources():
            done = self.compile(path, self.object(path))
            if done.returncode:
                raise SystemExit("cannot compile %s: %s" % (path, done.stderr.decode()))

    def tool(self, number, changed, text):
        """The tool with one file replaced; None when the mutant does not compile."""
        stem = os.path.join(self.args.scratch, "mutant%d" % number)
        with open(stem + ".c", "w") as f:
            f.write(text)
        self.flags.append("-I" + os.path.dirname(changed))
        done = self.compile(stem + ".c", stem + ".o")
        self.flags.pop()
        if done.returncode:
            return None
        objects = [stem + ".o" if p == changed else self.object(p) for p in self.sources()]
        subprocess.run(
            [self.args.compiler, "-fsanitize=address", "-o", stem] + objects + ["-lm", "-lpthread"],
            check=True,
            stderr=subprocess.DEVNULL,
        )
        return stem


# ---- running ----


ENVIRONMENT = dict(os.environ, ASAN_OPTIONS="detect_leaks=0:hard_rss_limit_mb=1500:allocator_may_return_null=1")


def limits():
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (20, 20))  # endless loops


def difference(tool, corpus):
    """Why a tool fails on the corpus, None when it does not."""
    process = subprocess.Popen(
        [tool],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        preexec_fn=limits,
        env=ENVIRONMENT,
    )
    signal.alarm(900)
    try:
        process.stdout.readline()
        for number, (own, lines, results) in enumerate(corpus):
            process.stdin.write(gen.encode_list(number, own, lines))
            process.stdin.flush()
            answer = process.stdout.readline()
            if not answer.endswith(b"\n"):
                return "the tool died"
            try:
                ours = compare.json.loads(answer)
                found = compare.compare_list(lines, ours, results, collections.Counter())
            except (ValueError, KeyError, IndexError, OverflowError) as e:
                return "answer: %r" % e
            if found:
                return found
    except BrokenPipeError:
        return "the tool died"
    except TimeoutError:
        return "hangs"
    finally:
        signal.alarm(0)
        process.kill()
        try:
            process.stdin.close()
        except BrokenPipeError:
            pass
        process.stdout.close()
        process.wait()
    return None


def on_alarm(*_):
    raise TimeoutError


def build_corpus(count, seed):
    os.environ["TZ"] = "UTC0"
    compare.time.tzset()
    _, oracles = compare.readers("", "53")
    if not oracles:
        return None
    corpus = []
    for s in range(seed, seed + count):
        own, lines = gen.make_list(s)
        blob = gen.encode_list(s, own, lines)
        for r in oracles.values():
            r.send(blob)
        corpus.append((own, lines, {k: r.receive() for k, r in oracles.items()}))
    for r in oracles.values():
        r.stop()
    return corpus


def work(args, jobs, corpus, queue):
    signal.signal(signal.SIGALRM, on_alarm)
    builder = Builder(args)
    while True:
        job = jobs.get()
        if job is None:
            return
        number, path, name, text = job
        tool = builder.tool(number, path, text)
        if tool is None:
            queue.put((name, "does not compile"))
            continue
        queue.put((name, difference(tool, corpus)))
        for suffix in ("", ".o", ".c"):
            os.unlink(tool + suffix)


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--source", required=True)
    p.add_argument("--scratch", required=True)
    p.add_argument("--compiler", default="cc")
    p.add_argument("--lists", type=int, default=2500)
    p.add_argument("--seed", type=int)
    p.add_argument("--jobs", type=int, default=2)
    p.add_argument("--only", default="*", help="pattern of mutant names")
    p.add_argument("--files", nargs="*", default=FILES)
    p.add_argument("--verbose", action="store_true")
    args = p.parse_args()
    if args.seed is None:
        args.seed = random.SystemRandom().randrange(10**12)
    corpus = build_corpus(args.lists, args.seed)
    if corpus is None:
        print("skipped: neither TRIALOG_PYTHON_OPTUNA nor TRIALOG_PYTHON_OPTUNA31 names a Python with Optuna")
        return 77
    print("first seed %d, %d lists" % (args.seed, args.lists), flush=True)
    builder = Builder(args)
    builder.all()
    signal.signal(signal.SIGALRM, on_alarm)
    clean = builder.tool(0, HERE + "/replay_tool.c", open(HERE + "/replay_tool.c").read())
    found = difference(clean, corpus)
    if found:
        print("the unchanged tool fails: " + found)
        return 1
    jobs, queue = multiprocessing.Queue(), multiprocessing.Queue()
    total = 0
    for f in args.files:
        path = args.source + "/src/model/" + f
        for name, text in mutants_of(path):
            if name.split(":")[1] in OUTSIDE or not fnmatch.fnmatchcase(name, args.only):
                continue
            total += 1
            jobs.put((total, path, name, text))
    for _ in range(args.jobs):
        jobs.put(None)
    workers = [multiprocessing.Process(target=work, args=(args, jobs, corpus, queue)) for _ in range(args.jobs)]
    for w in workers:
        w.start()
    survivors, unbuilt, excused = [], [], []
    used = set()
    for _ in range(total):
        name, why = queue.get()
        if args.verbose:
            print("%s: %s" % (name, "SURVIVES" if why is None else why[:100]), flush=True)
        if why == "does not compile":
            unbuilt.append(name)
        elif why is None:
            reason = next(
                (k for k in EQUIVALENT if name == k or (k[-1] == "*" and name.startswith(k[:-1]))), None
            )
            used.add(reason)
            (excused if reason else survivors).append(name)
    for w in workers:
        w.join()
    for name in excused:
        print("equivalent: " + name)
    for name in unbuilt:
        print("does not compile: " + name)
    for name in survivors:
        print("SURVIVES: " + name)
    stale = [k for k in EQUIVALENT if k not in used and args.only == "*" and k.split(":")[0] in args.files]
    for k in stale:
        print("listed as equivalent, but killed or gone: " + k)
    print(
        "%d mutants: %d killed, %d equivalent, %d survive, %d do not compile"
        % (
            total,
            total - len(survivors) - len(excused) - len(unbuilt),
            len(excused),
            len(survivors),
            len(unbuilt),
        )
    )
    return 1 if survivors or stale else 0


if __name__ == "__main__":
    sys.exit(main())
