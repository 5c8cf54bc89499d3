# SPDX-License-Identifier: MIT
"""Files from Optuna open in Trialog, files from Trialog open in Optuna: equal ids, states, doubles bit by bit, attributes, instants.

Each maker (Optuna 5, Optuna 3.1, Trialog) writes a journal with everything it can write and prints what it has in memory; then each
reader opens the file. All must agree. Run under UTC and under a zone with summer time.
"""

import argparse
import datetime
import json
import os
import tempfile
import time

import interop

EPOCH = datetime.datetime(1970, 1, 1)
EPOCH_UTC = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
US = datetime.timedelta(microseconds=1)


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--tool", required=True)
    args = p.parse_args()
    pythons = interop.need_pythons()
    makers = {"Trialog": [args.tool, "make"]}
    readers = {"Trialog": [args.tool, "dump"]}
    for k, python in pythons.items():
        makers["Optuna " + k] = [python, interop.SIDE, "make"]
        readers["Optuna " + k] = [python, interop.SIDE, "dump"]
    failures = pairs = trials = 0
    for zone in ("UTC0", "CET-1CEST,M3.5.0,M10.5.0/3"):
        os.environ["TZ"] = zone
        with tempfile.TemporaryDirectory() as folder:
            for maker, make in makers.items():
                path = os.path.join(folder, "journal.log")
                made = interop.normal(interop.run(make + [path]))
                trials += sum(len(s[5]) for s in made)
                for reader, read in readers.items():
                    expected = local_made_aware(made) if reader == "Optuna 5" else made
                    pairs += 1
                    found = interop.first_difference(interop.normal(interop.run(read + [path])), expected)
                    if found:
                        failures += 1
                        print("TZ=%s, made by %s, read by %s: %s" % (zone, maker, reader, found))
                os.unlink(path)
    print("%d pairs of maker and reader, %d trials made, %d differences" % (pairs, trials, failures))
    return 1 if failures else 0


def local_made_aware(studies):
    """Optuna 3.1 writes local times without offset. We keep them so; Optuna 5 makes instants of them."""
    time.tzset()
    out = json.loads(json.dumps(studies))
    for t in (t for s in out for t in s[5]):
        for i in (3, 4):
            if t[i] and t[i][0] == "n":
                t[i] = ["u", ((EPOCH + t[i][1] * US).astimezone() - EPOCH_UTC) // US]
    return out


if __name__ == "__main__":
    raise SystemExit(main())
