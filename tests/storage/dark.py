# SPDX-License-Identifier: MIT
"""What waits for a server that has fallen silent ends when it should: at its time limit, once, or when it is cancelled.

    dark.py DARK_WORKER TRIALOG KIND

KIND: postgres, mariadb, redis. A proxy goes dark: connections stay, nothing passes. Most handles here have no time limit at all, so that
what did not end by being cancelled or closed would never end; a watchdog ends the test then.
"""
import os
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))
import proxy  # noqa: E402
import servers  # noqa: E402

WATCHDOG_S = 120
LIMIT_MS = 5000


def require(condition, text):
    if not condition:
        print(f"FAILED: {text}", flush=True)
        sys.exit(1)


class Worker:
    def __init__(self, program, url, timeout_ms, lease_ms=-1):
        self.process = subprocess.Popen([program, url, str(timeout_ms), str(lease_ms)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, bufsize=1, preexec_fn=servers.dies_with_parent(signal.SIGKILL))
        self.expect(self.answer(), "TL_OK")

    def answer(self):
        line = self.process.stdout.readline()
        require(line, "a worker ended by itself")
        code, ms, message = line.rstrip("\n").split(" ", 2)
        return code, int(ms), message

    def tell(self, line):
        self.process.stdin.write(line + "\n")
        return self.answer()

    def expect(self, answer, *codes):
        require(answer[0] in codes, f"expected {' or '.join(codes)}, not {answer}")
        return answer

    def do(self, line, *codes):
        return self.expect(self.tell(line), *codes)

    def close(self):
        took = self.do("close", "TL_OK")[1]
        require(self.process.wait() == 0, "a worker ended badly")
        self.process.stdin.close()
        self.process.stdout.close()
        return took


def one_limit(program, url, bad):
    """A write, and then a read, end when their time limit has passed, not two or three of them."""
    w = Worker(program, url, LIMIT_MS)
    w.do("write 1", "TL_OK")
    bad.dark()
    _, wrote, _ = w.do("write 2", "TL_EUNKNOWN")
    _, read, _ = w.do("read", "TL_EUNAVAILABLE", "TL_ENET")
    took = max(wrote, read)
    require(LIMIT_MS - 1000 <= took < 2.5 * LIMIT_MS, f"{took} ms with a limit of {LIMIT_MS}")
    bad.light()
    w.do("write 3", "TL_OK")
    w.do("read", "TL_OK")
    require(w.do("value", "TL_OK")[2] == "3", "a request that was given up came after a later one")
    w.close()
    return f"limit of {LIMIT_MS} ms: write {wrote} ms, read {read} ms"


def cancelled(program, url, bad):
    """No time limit; the user does not want to wait any longer. `cancel 8`: when the request has long been sent."""
    w = Worker(program, url, -1)
    w.do("write 0", "TL_OK")  # the first one reads more
    took = []
    for line, codes in (("write 4", ["TL_EUNKNOWN"]), ("read", ["TL_ECANCELLED"]), ("wait", ["TL_ECANCELLED"]), ("write 5", ["TL_ECANCELLED", "TL_EUNKNOWN"])):
        w.do("cancel 0", "TL_OK")
        bad.light()
        w.do("read", "TL_OK")
        bad.dark()
        w.do("cancel 8", "TL_OK")
        took.append(w.do(line, *codes)[1])
    w.do("cancel 0", "TL_OK")
    bad.light()
    w.do("write 6", "TL_OK")
    require(w.do("value", "TL_OK")[2] == "6", "a request that was cancelled came after a later one")
    w.close()
    return f"cancelled at the eighth question: {', '.join(str(t) for t in took)} ms"


def lease_thread(program, url, bad):
    """The thread that renews the lease hangs with the connection: calls that come then can be cancelled too, and closing ends it."""
    w = Worker(program, url, -1, 1000)
    w.do("begin", "TL_OK")
    bad.dark()
    before = bad.turns
    while bad.turns == before:
        time.sleep(0.01)
    w.do("cancel 8", "TL_OK")
    _, wrote, _ = w.do("write 7", "TL_ECANCELLED")
    _, read, _ = w.do("read", "TL_ECANCELLED")
    w.do("cancel 0", "TL_OK")
    took = w.close()
    bad.light()
    return f"behind a renewal that hangs: write {wrote} ms, read {read} ms, close {took} ms"


def command(trialog, url, bad):
    """Ctrl-C ends a command that only shows something. `optimize` wants to record how its trials ended; the second signal ends it."""
    common = ["--storage", url, "--study-name", "dark", "--lock-timeout", "1h"]
    ends = []
    for words, signals in ((["best-trial", *common], [signal.SIGINT]),
                           (["optimize", *common, "--param", "x=float(0,1)", "-q", "--", "sh", "-c", "echo 1"], [signal.SIGINT, signal.SIGTERM])):
        bad.light()
        before = bad.turns if len(signals) > 1 else bad.accepted
        if len(signals) == 1:
            bad.dark()
        p = subprocess.Popen([trialog, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                             preexec_fn=servers.dies_with_parent(signal.SIGKILL))
        while (bad.turns < before + 20) if len(signals) > 1 else (bad.accepted == before):
            require(p.poll() is None, f"'{words[0]}' ended: {p.communicate() if p.poll() is not None else ''}")
            time.sleep(0.01)
        bad.dark()
        for s in signals:
            p.send_signal(s)
        p.communicate()
        require(p.returncode != 0, f"'{words[0]}' was interrupted and ended well")
        ends.append(f"'{words[0]}' ended with {p.returncode}")
    bad.light()
    return ", ".join(ends)


def main(program, trialog, kind):
    signal.alarm(WATCHDOG_S)
    with servers.server(kind) as server, proxy.Proxy(server.port) as bad:
        url = server.new_database().replace(f":{server.port}/", f":{bad.port}/")
        for what in (lambda: one_limit(program, url, bad), lambda: cancelled(program, url, bad), lambda: lease_thread(program, url, bad),
                     lambda: command(trialog, url, bad)):
            print(f"dark: {kind}: {what()}", flush=True)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
