# SPDX-License-Identifier: MIT
"""A backup comes back under a handle that goes on writing.

    restored.py DARK_WORKER KIND

KIND: postgres, mariadb. The database is dumped, written to, and put back as it was; then the handle that wrote writes again, at once or after
another one has written more than the first ever knew. It notices before anything is written, says so once, and what it writes counts.
"""
import os
import signal
import subprocess
import sys

import dark
import servers


class Backup:
    def __init__(self, server, kind, name):
        if kind == "postgres":
            where = ["-h", "127.0.0.1", "-p", str(server.port), "-U", "trialog"]
            self.dump = [servers.find_program("pg_dump", os.path.dirname(server.psql)), *where, "--clean", name]
            self.load = [server.psql, *where, "-qAtX", "-v", "ON_ERROR_STOP=1", "-d", name]
        else:
            where = ["--no-defaults", "-u", "root", "-S", server.path("sock")]
            self.dump = [servers.find_program("mariadb-dump"), *where, name]
            self.load = [server.client, *where, name]

    def save(self):
        return subprocess.run(self.dump, check=True, stdout=subprocess.PIPE).stdout

    def restore(self, text):
        subprocess.run(self.load, check=True, input=text, stdout=subprocess.DEVNULL)


def main(program, kind):
    signal.alarm(dark.WATCHDOG_S)
    with servers.server(kind) as server:
        url = server.new_database()
        backup = Backup(server, kind, url.rpartition("/")[2])
        a = dark.Worker(program, url, 60000)
        a.do("write 1", "TL_OK")
        for times, others in enumerate((0, 5), 1):
            text = backup.save()
            for i in range(3):
                a.do(f"write {10 + i}", "TL_OK")
            backup.restore(text)
            if others:
                b = dark.Worker(program, url, 60000)
                for i in range(others):
                    b.do(f"write {20 + i}", "TL_OK")
                b.close()
            a.do(f"write {30 + times}", "TL_OK")
            dark.require(a.do("replaced", "TL_OK")[2] == str(times), "a handle did not notice that its database was restored")
            c = dark.Worker(program, url, 60000)
            c.do("read", "TL_OK")
            value = c.do("value", "TL_OK")[2]
            dark.require(value == str(30 + times), f"what was written after the restore is not there, but {value}")
            c.close()
        a.close()
        print(f"restored: {kind}: noticed twice, before anything was written")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
