# SPDX-License-Identifier: MIT
"""A connection to a database server ends in the middle of an answer, at every place where that can be.

    cut_answers.py TRIALOG KIND [CUTS]     KIND: postgres, mariadb, redis

A proxy passes the first n bytes of all answers of a connection, then the client sees the end of the stream or a reset; n goes through
the whole conversation, from logging in to the last result, in CUTS steps. A command that reads must print what it prints on a good
network; a command that creates a trial must create one, and only one: half an answer is never taken for a whole one. The first step is
shifted by a random number, whose seed is printed.
"""
import json
import os
import random
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))
import proxy  # noqa: E402
import servers  # noqa: E402


def require(ok, what):
    if not ok:
        raise SystemExit(f"FAILED: {what}")


class Command:
    def __init__(self, program, url):
        self.program, self.url = program, url

    def run(self, *args):
        command = [self.program, args[0], "--storage", self.url, "--study-name", "s", *args[1:]]
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        return done.returncode, done.stdout, done.stderr

    def must(self, *args):
        status, out, said = self.run(*args)
        require(status == 0, f"{args[0]} ended with {status}: {said}")
        return out


def cuts(bad, shift, n, run, *args):
    """Yields what `run` gives for each place; measures first how long the whole conversation is."""
    before = bad.bytes_in
    run(*args)
    whole = bad.bytes_in - before
    for i in range(n):
        at = int((i + shift) * whole / n)
        bad.bite(at, rude=i % 2 == 1)
        yield at, run(*args)
    bad.bite(None)


def main(program, kind, n):
    seed = int(os.environ.get("TRIALOG_SEED", random.randrange(1 << 32)))
    print("seed", seed, flush=True)
    shift = random.Random(seed).random()
    with servers.server(kind) as server, proxy.Proxy(server.port) as bad:
        direct = server.new_database()
        good, command = Command(program, direct), Command(program, direct.replace(f":{server.port}/", f":{bad.port}/"))
        good.must("create-study")
        space = json.dumps({f"p{i}": {"name": "FloatDistribution", "attributes": {"low": 0, "high": 1, "log": False, "step": None}}
                            for i in range(5)})
        asked = [json.loads(good.must("ask", "--search-space", space, "-f", "json"))["number"] for _ in range(30)]
        table = good.must("trials", "-f", "json")
        for at, (status, out, said) in cuts(bad, shift, n, command.run, "trials", "-f", "json"):
            require(status == 0 and out == table, f"trials, cut after {at} bytes, ended with {status}: {said}\n{out[:500]}")
        asked.append(json.loads(command.must("ask", "-f", "json"))["number"])
        for at, (status, out, said) in cuts(bad, shift, n, command.run, "ask", "-f", "json"):
            require(status == 0, f"ask, cut after {at} bytes, ended with {status}: {said}")
            asked.append(json.loads(out)["number"])
        trials = len(json.loads(good.must("trials", "-f", "json")))
        # `cuts` itself makes one trial whose number it does not hand on
        require(trials == len(asked) + 1, f"{len(asked) + 1} trials were asked for, {trials} are there")
        require(len(set(asked)) == len(asked), "a number was given out twice")
        require(bad.bites >= 2 * n * 9 // 10, f"only {bad.bites} connections were cut: the harness proves nothing")
        print(f"cut_answers: {kind}: {bad.bites} connections ended inside an answer, every answer whole in the end, {trials} trials")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 200)
