# SPDX-License-Identifier: MIT
"""The disk is full in the middle of a line: at every byte of it.

    disk_full.py STORM_WORKER [RESIDUES] [TMPFS_ROUNDS]

First with a limit on the file's size, so that exactly 0, 1, 2, … RESIDUES bytes are left; then, as root, on a small file system in
memory that is filled up. Each failure must be TL_ENOSPC, the journal valid at that moment (for the checker here, for
tl_journal_check and for Optuna), and the same handle goes on when there is room again. Nothing acknowledged is lost.
"""
import os
import shutil
import subprocess

import storm

LOOK_EVERY = 4  # journals that are kept for Optuna


class Journal:
    """A probe that appends, what it was told, and copies for Optuna."""

    def __init__(self, program, scratch, folder, name):
        self.path = os.path.join(folder, "full.log")
        self.scratch, self.name = scratch, name
        self.probe = storm.Probe(program, self.path, name, durability="off")
        self.checker = storm.Checker(self.path)
        self.acked, self.failures, self.copies = [], 0, []

    def must(self, command):
        words = self.probe.command(command)
        storm.require(words[:1] == ["ok"], f"{command}: {' '.join(words)}")
        return words

    def append(self):
        """True when it was acknowledged; else it must be TL_ENOSPC."""
        words = self.probe.command("append")
        if words[0] == "ok":
            self.acked.append(("R", words[2], words[3]))
            return True
        storm.require(words[:2] == ["error", "TL_ENOSPC"], f"a full disk gave {' '.join(words)}")
        self.failures += 1
        return False

    def fill(self):
        """Appends until the disk is full, then looks at the journal."""
        for _ in range(2000):
            if not self.append():
                break
        else:
            storm.require(False, "the disk never became full")
        storm.require(self.checker.read() == 0, "a full disk left a torn line")
        self.must("check")
        if self.failures % LOOK_EVERY == 1:
            self.copies.append(self.scratch.file(f"{self.name}-{self.failures}.log"))
            shutil.copyfile(self.path, self.copies[-1])

    def end(self):
        storm.require(self.append(), "no append after space was freed")
        self.probe.close()
        self.checker.read()
        lost = [a for a in self.acked if not self.checker.acknowledged(self.name, a)]
        storm.require(not lost, f"{len(lost)} acknowledged operations are lost: {lost[:3]}")
        if storm.OPTUNA:
            files = storm.optuna_side("load", *self.copies, self.path)["files"]
            bad = [f for f in files if "error" in f]
            storm.require(not bad, f"Optuna cannot read {len(bad)} of {len(files)} journals: {bad[:1]}")
        print(f"disk_full, {self.name}: {self.failures} failures, each TL_ENOSPC and the journal valid after it "
              f"({len(self.copies) + 1 if storm.OPTUNA else 0} read by Optuna); {len(self.acked)} acknowledged operations, 0 lost")


def by_limit(program, scratch, residues):
    os.mkdir(scratch.file("limit"))
    j = Journal(program, scratch, scratch.file("limit"), "size limit")
    for left in range(residues + 1):
        j.must(f"limit {left}")
        j.fill()
        j.must("limit -1")
        storm.require(j.append(), "no append after the limit was lifted")
    j.end()


def fill_up(path):
    """A file that takes all the room that is left."""
    with open(path, "wb", buffering=0) as f:
        for size in (65536, 4096):
            try:
                while f.write(bytes(size)) == size:
                    pass
            except OSError:
                pass


def on_tmpfs(program, scratch, rounds):
    folder = scratch.file("tmpfs")
    os.mkdir(folder)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "trialog-test", folder], stderr=subprocess.DEVNULL).returncode:
        print("disk_full, tmpfs: not run, mounting is not allowed here")
        return
    try:
        j = Journal(program, scratch, folder, "tmpfs")
        ballast = os.path.join(folder, "ballast")
        for r in range(rounds):
            j.must(f"pad {r * 37 % 400}")  # so that the journal ends at another place of its last page
            fill_up(ballast)
            j.fill()
            os.unlink(ballast)
            storm.require(j.append(), "no append after space was freed")
        j.end()
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def run(program, residues, rounds):
    with storm.Scratch() as scratch:
        by_limit(program, scratch, residues)
        on_tmpfs(program, scratch, rounds)
    figures = storm.optuna_side("full", 20)
    if figures:
        print("Optuna {version}: {residues} full disks, {poisoned} journals nobody can open any more".format(**figures))
        storm.require(figures["poisoned"] > 0, "Optuna's journals survived: the harness proves nothing")


if __name__ == "__main__":
    storm.main(run, 400, 100)
