#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The tests' own tools: servers.py (a server starts, is killed, comes back with its data, goes) and proxy.py (counts, cuts, delays).

    test_servers.py postgres|mariadb|redis|proxy
"""
import os
import socket
import socketserver
import sys
import threading
import time

import proxy
import servers


def require(ok, what):
    if not ok:
        raise SystemExit(f"FAILED: {what}")


def one_server(kind):
    with servers.server(kind, durable=True) as s:
        if kind == "redis":
            def put(): return s.command_line("set", "k", "v")
            def get(): return s.command_line("get", "k")
        else:
            s.sql("create table t(v int)", "trialog")
            def put(): return s.sql("insert into t values (7)", "trialog")
            def get(): return s.sql("select v from t", "trialog")
        put()
        before, pid = get(), s.pid
        require(before.strip() in ("7", "v"), f"read back: {before!r}")
        s.kill()
        require(not s.alive() and not s.answers(), "it answers after SIGKILL")
        began = time.monotonic()
        s.start()
        require(s.pid != pid and get() == before, "what was acknowledged is gone after SIGKILL")
        print(f"{kind}: back after {time.monotonic() - began:.2f} s")
        s.shut_down()
        s.start()
        require(get() == before, "what was acknowledged is gone after a restart")
        require(s.new_database() != s.new_database(), "new databases have the same name")
        other = servers.attach(s.folder)
        require(other.url() == s.url() and other.alive(), "another process does not find it")
        pid, folder = s.pid, s.folder
    require(servers.birth(pid) is None and not os.path.exists(folder), "something was left behind")


class Echo(socketserver.BaseRequestHandler):
    seen = []

    def handle(self):
        try:
            while data := self.request.recv(1000):
                Echo.seen.append(data)
                self.request.sendall(data.upper())
        except ConnectionError:
            pass


def ask(s, data):
    s.sendall(data)
    return s.recv(1000)


def lost(s, data):
    try:
        s.settimeout(10)
        return ask(s, data) == b""
    except ConnectionError:
        return True


def until(condition, what):
    limit = time.monotonic() + 20
    while not condition():
        require(time.monotonic() < limit, what)
        time.sleep(0.01)


def the_proxy():
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo) as target:
        target.daemon_threads = True
        threading.Thread(target=target.serve_forever, daemon=True).start()
        with proxy.Proxy(target.server_address[1], seed=1) as p:
            def connect(): return socket.create_connection(("127.0.0.1", p.port))
            with connect() as s:
                n, answer = p.count(lambda: [ask(s, b"a"), ask(s, b"b"), ask(s, b"c")])
                require(n == 3 and answer == [b"A", b"B", b"C"], f"three questions are {n} round trips")
                require(p.cut() == 1 and lost(s, b"d"), "a cut connection answers")
            with connect() as s:
                ask(s, b"e")
                p.call(p.late_now, 0.2)
                began = time.monotonic()
                require(lost(s, b"late") and time.monotonic() - began < 0.2, "the sender of a late request is told late")
                require(b"late" not in Echo.seen, "a late request is there at once")
                until(lambda: b"late" in Echo.seen, "a late request never arrives")
            with connect() as s:
                ask(s, b"f")
                p.call(p.half_now)
                require(s.recv(10) == b"", "a half-closed connection has more to say")
                s.sendall(b"half")
                until(lambda: b"half" in Echo.seen, "what a half-closed client sends is lost")
            with connect() as s:
                p.dark()
                s.settimeout(0.1)
                try:
                    require(not ask(s, b"g"), "something passes in the dark")
                except TimeoutError:
                    pass
                p.light()
                s.settimeout(10)
                require(s.recv(10) == b"G", "it stays dark")
                p.delay = 0.05
                began = time.monotonic()
                ask(s, b"h")
                require(time.monotonic() - began >= 0.1, "no delay")
        target.shutdown()


def main():
    if sys.argv[1] == "proxy":
        the_proxy()
    else:
        one_server(sys.argv[1])
    return 0


if __name__ == "__main__":
    sys.exit(main())
