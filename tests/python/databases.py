# SPDX-License-Identifier: MIT
"""Where tests keep a journal in a database: on the private server beside which they run (tests/support/servers.py), else in SQLite.

Every call gives another database (in PostgreSQL a schema, in Redis a prefix), so tests share a server and nothing else.
"""
import os
import sys


def new_url(folder):
    """The URL of an empty journal; `folder` is where a SQLite file may lie."""
    server = os.environ.get("TRIALOG_TEST_SERVER")
    if not server:
        return f"sqlite:///{folder}/study.db"
    support = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "support")
    if support not in sys.path:
        sys.path.append(support)
    import servers

    return servers.attach(server).new_place()
