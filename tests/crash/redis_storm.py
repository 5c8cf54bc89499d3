# SPDX-License-Identifier: MIT
"""A Redis server that dies under its writers, behind a bad network.

    redis_storm.py STORM_WORKER [SECONDS [WORKERS]]

The server flushes each write (appendfsync always). WORKERS append through a proxy that cuts connections, half-closes them and delivers
requests long after their sender has repeated them. Meanwhile the server is killed (SIGKILL) and started again, its scripts are
forgotten, its clients are killed, and workers are killed and replaced. In the end: nothing that was acknowledged is lost, nothing is
doubled, every line is whole, and no worker ended by itself.
"""
import random
import time

import storm  # which knows where the others are
import proxy
import servers

PREFIX = "storm"


def disturb(server, program, url, folder, workers):
    """One thing at random; its name."""
    what = random.choice(("server", "server", "scripts", "clients", "worker", "worker"))
    if what == "server":
        server.kill()
        time.sleep(random.uniform(0, 0.3))
        server.start()
    elif what == "scripts":
        server.command_line("SCRIPT", "FLUSH")
    elif what == "clients":
        server.command_line("CLIENT", "KILL", "TYPE", "normal")
    else:
        victim = random.choice(workers)
        victim.kill()
        victim.wait_dead()
        fresh = storm.Worker(program, url, folder, seconds=victim.until - time.monotonic() + 1)
        fresh.until = victim.until
        fresh.dead = False
        victim.dead = True
        workers.append(fresh)
    return what


def torture(program, scratch, seconds, n_workers):
    with servers.server("redis", durable=True) as server, proxy.Proxy(server.port, seed=random.getrandbits(32)) as bad:
        url = server.url(PREFIX, port=bad.port)
        workers, happened, end = [], {}, time.monotonic() + seconds
        for _ in range(n_workers):
            w = storm.Worker(program, url, scratch.path, seconds=int(seconds))
            w.until, w.dead = end, False
            workers.append(w)
        for w in workers:
            w.ready()
        bad.every(2.0, bad.cut_now)
        bad.every(0.4, bad.late_now, 1.5)
        bad.every(0.7, bad.half_now)
        while time.monotonic() < end - 2:
            time.sleep(random.uniform(0.1, 0.6))
            alive = [w for w in workers if not w.dead]
            what = disturb(server, program, url, scratch.path, alive)
            workers += [w for w in alive if w not in workers]
            happened[what] = happened.get(what, 0) + 1
        bad.calm()
        sums = [w.finish() for w in workers if not w.dead]
        lines = server.save_journal(PREFIX, scratch.file("journal.log"))
        checker = storm.Checker(scratch.file("journal.log"))
        acks = checker.check(workers)
        storm.require(checker.lines == lines, f"{checker.lines} lines, not {lines}")
        storm.require(happened.get("server", 0) >= 2 and bad.late >= 2 and bad.cuts >= 2, "too little happened")
        print(f"redis_storm: {n_workers} writers, {seconds} s: {acks} acknowledged operations, 0 lost, 0 doubled, {lines} lines; "
              f"server killed {happened.get('server', 0)} times, workers {happened.get('worker', 0)}, clients cut off by the server "
              f"{happened.get('clients', 0)}, scripts flushed {happened.get('scripts', 0)}; connections cut {bad.cuts}, half closed "
              f"{bad.halves}, requests delivered late {bad.late}; longest append {max(s[1] for s in sums) / 1000:.0f} ms, outcomes unknown "
              f"{sum(s[2] for s in sums)}")


def run(program, seconds, n_workers):
    storm.seed()
    with storm.Scratch() as scratch:
        torture(program, scratch, seconds, n_workers)


if __name__ == "__main__":
    storm.main(run, 20, 16)
