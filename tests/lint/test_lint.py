#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A check that cannot fail proves nothing: each check of tools/lint.py and tools/doctest.py is shown a small tree that keeps
its rule, and then one that breaks it."""
import os
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
GOOD = "/* SPDX-License-Identifier: MIT\n *\n * Adds small numbers for the tests of lint.\n */\n"

# check, file that breaks it, its text, what the check must say
BREACHES = [
    ("layers", "src/base/a.c", GOOD + '#include "model/b.h"\n', 'base may not include "model/b.h"'),
    ("layers", "src/journal/a.c", GOOD + '#include "model/state.h"\n', 'journal may not include "model/state.h"'),
    ("layers", "include/trialog/x.h", GOOD + '#include "base/base.h"\n', "a public header includes"),
    ("layers", "src/extra/a.c", GOOD, "has no row in LAYERS"),
    ("sizes", "src/base/a.c", GOOD + "int x;\n" * 1300, "lines; at most 1200"),
    ("sizes", "src/base/a.c", GOOD + "void f(void)\n{\n" + "    ;\n" * 101 + "}\n", "a function of 101 lines"),
    ("banned", "src/base/a.c", GOOD + "int f(const char *s)\n{\n    return atoi(s);\n}\n", "atoi: hides errors"),
    ("banned", "src/base/a.c", GOOD + "void f(void)\n{\n    abort ();\n}\n", "abort: the library never"),
    ("banned", "src/cli/a.c", GOOD + "void *f(void)\n{\n    return malloc(3);\n}\n", "malloc: every allocation"),
    ("headers", "include/trialog/x.h", GOOD + "size_t f(void);\n", "does not compile alone"),
    ("headers", "include/trialog/x.h", GOOD + "int f(int *restrict p);\n", "does not compile alone: c++"),
    ("headers", "src/base/x.h", GOOD + "enum e { A };\n", "does not compile alone"),
    ("comments", "src/base/a.c", "/* Adds small numbers for the tests of lint. */\n", "no SPDX"),
    ("comments", "src/base/a.c", "/* SPDX-License-Identifier: MIT */\nint x;\n", "does not say what the file is for"),
    ("comments", "src/base/a.c", GOOD + "int x; \n", "blanks at the end"),
    ("comments", "src/base/a.c", GOOD + "\tint x;\n", "a tab"),
    ("comments", "tools/a.sh", "#!/bin/sh\n# SPDX-License-Identifier: MIT\n\n", "exactly one line break"),
    ("architecture", "src/base/new.c", GOOD, "src/base/new.c is missing"),
    ("architecture", "ARCHITECTURE.md", "| `src/base/gone.c` | gone |\n", "src/base/gone.c does not exist"),
    ("architecture", "ARCHITECTURE.md", "| `src/base/one.c` | |\n", "what is it for?"),
    ("man", "man/x.1", ".Dd $Mdocdate$\n.Dt X 1\n.Os\n.Sh NAME\n.Xx\n", "x.1"),
    ("shell", "tools/a.sh", "#!/bin/sh\n# SPDX-License-Identifier: MIT\ncd $1\nrm -rf *\n", "SC2164"),
]
# document, does it pass?
DOCUMENTS = [
    ("```console\n$ echo a b; echo c\na ...\nc\n$ false\n# status 1\n```\n", True),
    ("```console\n$ printf '1\\n2\\n3\\n'\n1\n...\n3\n```\n", True),
    ("```console\n$ echo a\nb\n```\n", False),
    ("```console\n$ false\n```\n", False),
    ("```c\nint x = 1;\n```\n", True),
    ("```c\nint f(void) { return y; }\n```\n", False),
    ("nothing to run\n", False),
]


def write(folder, path, text):
    os.makedirs(os.path.dirname(os.path.join(folder, path)), exist_ok=True)
    with open(os.path.join(folder, path), "w", encoding="utf-8") as f:
        f.write(text)


def good_tree(folder):
    for tool in ("lint.py", "doctest.py"):
        os.makedirs(os.path.join(folder, "tools"), exist_ok=True)
        shutil.copy(os.path.join(ROOT, "tools", tool), os.path.join(folder, "tools"))
    write(folder, "src/base/one.c", GOOD + '#include "base/one.h"\n\nint one_add(int x)\n{\n    return x + 1;\n}\n')
    write(folder, "src/base/one.h", GOOD + "#ifndef ONE_H\n#define ONE_H\nint one_add(int x); /* atoi(x), \"malloc(1)\" */\n#endif\n")
    write(folder, "include/trialog/one.h", GOOD + "#ifndef TL_ONE_H\n#define TL_ONE_H\nint tl_one(int x);\n#endif\n")
    write(folder, "ARCHITECTURE.md", "| `src/base/one.c` | Adds. |\n")
    write(folder, "man/one.1", ".Dd November 21, 2026\n.Dt ONE 1\n.Os\n.Sh NAME\n.Nm one\n.Nd adds\n.Sh DESCRIPTION\nAdds.\n")
    write(folder, ".ci/run", "#!/bin/sh\n# SPDX-License-Identifier: MIT\ntrue\n")


def run(folder, *words):
    done = subprocess.run([sys.executable, *words], cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def main():
    failed = 0
    for check, path, text, expected in [(c, None, "", "") for c in sorted({b[0] for b in BREACHES})] + BREACHES:
        with tempfile.TemporaryDirectory() as folder:
            good_tree(folder)
            if path:
                write(folder, path, text)
            status, output = run(folder, "tools/lint.py", check)
        if status == 77:
            print(f"skipped: {check}: {output.rstrip()}")
        elif status != (1 if path else 0) or expected not in output:
            failed += 1
            print(f"FAILED: {check} on {path or 'the good tree'}: status {status}, wanted {expected!r}:\n{output}")
    for text, passes in DOCUMENTS:
        with tempfile.TemporaryDirectory() as folder:
            good_tree(folder)
            write(folder, "x.md", text)
            status, output = run(folder, "tools/doctest.py", "--build", folder, "x.md")
        if status != (0 if passes else 1):
            failed += 1
            print(f"FAILED: doctest, wanted {'pass' if passes else 'failure'}:\n{text}{output}")
    print(f"{len(BREACHES) + len(DOCUMENTS)} breaches and documents, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
