#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A TCP proxy that is a bad network: it counts round trips, delays, cuts connections, delivers requests long after their sender gave them up,
closes one direction only.

    with Proxy(port_of_the_server) as p: … p.port …
    proxy.py PORT [--delay SECONDS] [--cut-every SECONDS] [--late SECONDS] [--half SECONDS]     prints its port, runs until its stdin ends

A round trip is a turn: bytes from the client after bytes from the server (or at the start of a connection). So a pipeline that is sent
whole before it is answered is one, however many packets it takes.

What is done to connections from time to time (all at once or one at random, see `victims`):
    cut     both sides are reset; what was in flight may or may not have arrived
    late    the client is reset; the request that it sends just then is held back and reaches the server SECONDS later, when
            the client has long since repeated it over another connection; the answer is thrown away
    half    the client's reading side is closed (it sees the end of the stream); what it sends still arrives
    dark    nothing passes any more, in either direction, until `light()`; no side is told
    bite    the next connection ends, politely or not, when so many bytes of answers have come back over it (`bite()`)
"""
import argparse
import asyncio
import collections
import random
import socket
import struct
import sys
import threading

CHUNK = 1 << 16


class Connection:
    def __init__(self, proxy, reader, writer):
        self.proxy, self.reader, self.writer = proxy, reader, writer
        self.to_server = None
        self.turns = 0
        self.client_spoke = False  # since the server did last
        self.hold = None           # seconds: the next request is for later, and its client is cut off
        self.dead = self.deaf = False
        self.left, self.rude = proxy.bite_next  # None, or how many bytes of answers may still pass; reset behind them?
        proxy.bite_next = (None, False)

    async def serve(self):
        try:
            back, self.to_server = await asyncio.open_connection("127.0.0.1", self.proxy.target)
        except OSError:
            self.proxy.refused += 1
            self.reset(self.writer)
            return
        for w in (self.writer, self.to_server):
            try:
                w.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError:
                pass  # it was cut while we connected
        try:
            await asyncio.gather(self.one_way(self.requests()), self.one_way(self.answers(back)))
        finally:
            for w in (self.writer, self.to_server):
                w.close()

    async def one_way(self, flow):
        """When one side is lost, the other is told in the same way."""
        try:
            await flow
        except OSError:
            for w in (self.writer, self.to_server):
                self.reset(w)

    async def pass_on(self, writer, data):
        if self.proxy.delay:
            await asyncio.sleep(self.proxy.delay)
        await self.proxy.lit.wait()
        writer.write(data)
        await writer.drain()

    async def requests(self):
        while data := await self.reader.read(CHUNK):
            if not self.client_spoke:
                self.client_spoke = True
                self.turns += 1
                self.proxy.turns += 1
            if self.hold is not None:
                await self.deliver_late(data)
                return
            self.proxy.bytes_out += len(data)
            await self.pass_on(self.to_server, data)
        if self.to_server.can_write_eof():
            self.to_server.write_eof()

    async def deliver_late(self, data):
        """The client is told at once that the connection is gone; the server gets the request when the client has repeated it."""
        self.reset(self.writer)
        await asyncio.sleep(self.hold)
        self.proxy.late += 1
        self.to_server.write(data)
        await self.to_server.drain()
        # Nothing more comes: a whole request is carried out whenever the server gets round to reading it, half of one is thrown away (it may
        # hold a lock).
        if self.to_server.can_write_eof():
            self.to_server.write_eof()
        await asyncio.sleep(30)
        self.reset(self.to_server)  # a server that goes on waiting all the same

    async def answers(self, back):
        while data := await back.read(CHUNK):
            self.client_spoke = False
            if self.deaf:
                continue
            if self.left is not None and len(data) > self.left:
                await self.bite_off(data[:self.left])
            elif self.hold is None:
                self.left = None if self.left is None else self.left - len(data)
                self.proxy.bytes_in += len(data)
                await self.pass_on(self.writer, data)
            elif not self.writer.is_closing():
                self.writer.write(data)
        if not self.deaf and not self.writer.is_closing() and self.writer.can_write_eof():
            self.writer.write_eof()

    def reset(self, writer):
        """Not a polite end: the peer gets ECONNRESET."""
        self.dead = True
        try:
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except OSError:
            pass
        writer.transport.abort()

    def cut(self):
        self.proxy.cuts += 1
        self.reset(self.writer)
        if self.to_server:
            self.reset(self.to_server)

    async def bite_off(self, last):
        self.proxy.bites += 1
        if last:
            await self.pass_on(self.writer, last)
        if not self.rude:
            return self.half()
        self.reset(self.writer)
        self.reset(self.to_server)

    def half(self):
        self.proxy.halves += 1
        self.dead = self.deaf = True
        if not self.writer.is_closing() and self.writer.can_write_eof():
            self.writer.write_eof()


class Proxy:
    """Runs in a thread of its own; its methods may be called from any."""

    def __init__(self, target, delay=0.0, seed=None):
        self.target, self.delay = target, delay
        self.turns = self.refused = self.cuts = self.late = self.halves = self.bites = self.bytes_out = self.bytes_in = self.accepted = 0
        self.connections = set()
        self.bite_next = (None, False)
        self.random = random.Random(seed)
        self.tasks = []
        self.loop = asyncio.new_event_loop()
        ready = threading.Event()
        self.thread = threading.Thread(target=self.main, args=(ready,), daemon=True)
        self.thread.start()
        ready.wait()

    def main(self, ready):
        asyncio.set_event_loop(self.loop)
        self.lit = asyncio.Event()
        self.lit.set()
        self.server = self.loop.run_until_complete(asyncio.start_server(self.accept, "127.0.0.1", 0, backlog=1024))
        self.port = self.server.sockets[0].getsockname()[1]
        ready.set()
        self.loop.run_forever()
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.run_until_complete(asyncio.sleep(0))
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())

    async def accept(self, reader, writer):
        self.accepted += 1
        c = Connection(self, reader, writer)
        self.connections.add(c)
        try:
            await c.serve()
        except asyncio.CancelledError:
            pass  # close()
        finally:
            self.connections.discard(c)

    def call(self, function, *args):
        """Runs it in the loop and waits."""
        done = threading.Event()
        box = collections.deque()

        def inside():
            try:
                box.append(function(*args))
            finally:
                done.set()
        self.loop.call_soon_threadsafe(inside)
        done.wait()
        return box[0] if box else None

    # ---- what can be done to connections ----
    def live(self):
        return [c for c in self.connections if not c.dead and c.hold is None]

    def cut_now(self):
        """All of them; how many."""
        return len([c.cut() for c in self.live()])

    def late_now(self, seconds):
        """One at random: its next request arrives that much later."""
        victims = self.live()
        if victims:
            self.random.choice(victims).hold = seconds

    def half_now(self):
        victims = self.live()
        if victims:
            self.random.choice(victims).half()

    def cut(self):
        return self.call(self.cut_now)

    def bite(self, n, rude=False):
        """The next connection gets n bytes of answers, then its end (rude: a reset)."""
        self.bite_next = (n, rude)

    def dark(self):
        self.call(self.lit.clear)

    def light(self):
        self.call(self.lit.set)

    def every(self, seconds, what, *args):
        """what: cut_now, late_now or half_now, again and again, at random moments that are `seconds` apart on average."""
        async def again():
            while True:
                await asyncio.sleep(seconds * self.random.uniform(0.3, 1.7))
                what(*args)
        self.tasks.append(asyncio.run_coroutine_threadsafe(again(), self.loop))

    def calm(self):
        for t in self.tasks:
            t.cancel()
        self.tasks = []

    def count(self, function, *args):
        """How many round trips are made by calling it, and what it returns."""
        before = self.turns
        result = function(*args)
        return self.turns - before, result

    def close(self):
        self.calm()
        self.call(self.server.close)
        self.cut()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("port", type=int)
    a.add_argument("--delay", type=float, default=0.0)
    a.add_argument("--cut-every", type=float)
    a.add_argument("--late", type=float, help="one request in a while arrives that much later")
    a.add_argument("--half", type=float, help="one connection in a while is half closed")
    args = a.parse_args()
    with Proxy(args.port, args.delay) as p:
        if args.cut_every:
            p.every(args.cut_every, p.cut_now)
        if args.late:
            p.every(args.late, p.late_now, args.late)
        if args.half:
            p.every(args.half, p.half_now)
        print(p.port, flush=True)
        sys.stdin.read()
        print("round trips %d, connections %d, cut %d, late requests %d, half closed %d" % (p.turns, p.accepted, p.cuts, p.late, p.halves))
    return 0


if __name__ == "__main__":
    sys.exit(main())
