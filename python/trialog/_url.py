# SPDX-License-Identifier: MIT
"""Passwords in URLs of storages: who is shown a URL sees none, and a pickle holds none.

A pickle may lie in a file or go to another machine. Only while multiprocessing starts a child, which gets what its parent has, the
password goes along; else it comes from where the server's own programs take it (PGPASSFILE, ~/.my.cnf, REDISCLI_AUTH).
"""
from __future__ import annotations

import sys

_SECRETS = ("password", "passwd", "sslpassword")  # options of URLs


def without_password(url: str, mark: str = "") -> str:
    """The URL with ``mark`` in the place of a password, or with nothing there."""
    scheme, colons, rest = url.partition("://")
    if not colons or scheme == "memory":
        return url
    rest, question, options = rest.partition("?")
    place, slash, path = rest.partition("/")
    who, _, host = place.rpartition("@")
    user, colon, _ = who.partition(":")
    if colon:
        who = f"{user}:{mark}" if mark else user
        place = f"{who}@{host}" if who else host
    kept = []
    for option in options.split("&"):
        name = option.partition("=")[0]
        if name not in _SECRETS:
            kept.append(option)
        elif mark:
            kept.append(f"{name}={mark}")
    options = "&".join(kept)
    return scheme + colons + place + slash + path + (question + options if options else "")


def shown(url: str) -> str:
    """The URL for people."""
    return without_password(url, "***")


def pickled(url: str) -> str:
    """The URL for a pickle that is made now."""
    context = sys.modules.get("multiprocessing.context")
    spawning = context is not None and context.get_spawning_popen() is not None
    return url if spawning else without_password(url)
