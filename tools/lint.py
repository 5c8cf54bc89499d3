#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""tools/lint.py CHECK [options]: the rules of CONTRIBUTING.md that a machine can check.

Every check is a ctest of its own (tests/lint/CMakeLists.txt). A check prints one line per breach, "file:line: what", and ends
with 1 when there was any, else with 0; 77 means that a tool it needs is not installed. The tables at the top are the rules;
the functions below only apply them.
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# ---- tables ----

# Who may use whom. "model/op.h" names one header: only what it declares may be used.
LAYERS = {
    "base": ["base"],
    "numeric": ["numeric", "base"],
    "model": ["model", "base"],
    "journal": ["journal", "model/op.h", "base"],
    "sampler": ["sampler", "model", "numeric", "base"],
    "pruner": ["pruner", "sampler/sampler.h", "model", "numeric", "base"],
    "engine": ["engine", "journal", "model", "sampler", "pruner", "numeric", "base"],
    "cli": ["cli", "base"],
}
# Layers that may call public functions wherever they are defined: a built-in sampler reads views as a user's own would.
PUBLIC_USERS = {"sampler", "pruner", "engine", "cli"}

FILE_WARN, FILE_MAX, HEADER_MAX, FUNCTION_MAX, LINE_MAX = 900, 1200, 400, 100, 140
TABLE_FILES = set()  # files that are tables of data: no ceiling

# Names that must not be called: (names, folders or files where they may be, why).
BANNED = [
    ("strtod strtof strtold atof setlocale newlocale uselocale", [], "depends on the locale: base/num.h"),
    ("atoi atol atoll sscanf", [], "hides errors: num_parse_int"),
    ("sprintf vsprintf strcpy strcat strncpy strncat gets stpcpy", [], "no bound, or a surprising one: base/buf.h"),
    ("strtok strtok_r", [], "changes its input"),
    ("system popen", [], "runs a shell"),
    ("rand srand random srandom drand48 rand_r", [], "numeric/rng.h"),
    ("malloc calloc realloc free strdup strndup asprintf vasprintf", ["src/base/mem.c"], "every allocation must be "
     "able to fail in tests: base/mem.h"),
    ("printf fprintf puts fputs putchar perror exit _exit abort signal longjmp setjmp", ["src/cli"], "the library never "
     "prints, exits or aborts"),
    ("alloca", [], "no bound on the stack"),
    ("pthread_cond_timedwait pthread_cond_clockwait pthread_condattr_setclock", ["src/base/thread.c"], "by which clock? base/thread.h"),
    ("pthread_create", ["src/base/thread.c", "src/engine/optimize.c"], "it would run the program's signal handlers: base/thread.h"),
]

# What objects of the library may ask of libc: nothing that reaches the system or keeps global state. os.c and mem.c have lists of
# their own: os.c may call anything, mem.c the allocator.
LIBC = """
    memcpy memmove memset memcmp bcmp memchr memrchr memmem strlen strnlen strcmp strncmp strchr strrchr strstr strspn strcspn
    strcasecmp strncasecmp strpbrk strerror_r __xpg_strerror_r strerrordesc_np __cpu_model __cpu_indicator_init snprintf vsnprintf qsort bsearch __errno_location
    __memcpy_chk __memmove_chk __memset_chk __snprintf_chk __vsnprintf_chk __stack_chk_fail __assert_fail
    pthread_mutex_init pthread_mutex_lock pthread_mutex_trylock pthread_mutex_unlock pthread_mutex_destroy
    pthread_mutex_timedlock pthread_mutex_clocklock pthread_once pthread_self pthread_equal
    pthread_mutexattr_init pthread_mutexattr_settype pthread_mutexattr_destroy
    pthread_cond_init pthread_cond_wait pthread_cond_timedwait pthread_cond_clockwait pthread_cond_signal pthread_cond_broadcast
    pthread_cond_destroy pthread_condattr_init pthread_condattr_setclock pthread_condattr_destroy
    pthread_sigmask sigfillset
    pthread_create pthread_join pthread_detach pthread_atfork __register_atfork
    pthread_attr_init pthread_attr_setstacksize pthread_attr_setdetachstate pthread_attr_destroy
    pthread_rwlock_init pthread_rwlock_rdlock pthread_rwlock_wrlock pthread_rwlock_unlock pthread_rwlock_destroy
    exp log log2 log10 log1p expm1 pow sqrt cbrt floor ceil round trunc rint nearbyint lround llround llrint lrint fabs fmod
    fmin fmax ldexp frexp modf copysign nextafter remainder scalbn erf erfc lgamma lgamma_r tgamma sin cos tan atan atan2 hypot
    _GLOBAL_OFFSET_TABLE_ __tls_get_addr
""".split()
ALLOCATOR = "malloc calloc realloc free posix_memalign aligned_alloc".split()
# Sanitizers and coverage bring symbols of their own.
INSTRUMENTED = re.compile(r"^_*(asan|ubsan|tsan|sanitizer|lsan|gcov|llvm|start___|stop___|sancov)")


# ---- helpers ----

class Report:
    """Breaches found; `done` prints the sum and gives the exit status."""

    def __init__(self, check):
        self.check, self.breaches, self.warnings, self.looked_at = check, 0, 0, 0

    def bad(self, path, line, text):
        self.breaches += 1
        print(f"{path}:{line}: {text}")

    def warn(self, path, line, text):
        self.warnings += 1
        print(f"{path}:{line}: warning: {text}")

    def done(self):
        print(f"{self.check}: looked at {self.looked_at}, {self.breaches} breaches, {self.warnings} warnings")
        if self.looked_at == 0:
            print(f"{self.check}: nothing to look at: is the check itself broken?")
            return 1
        return 1 if self.breaches else 0


def skip(text):
    print(f"skipped: {text}")
    sys.exit(77)


def files(*folders, suffixes):
    """Paths relative to the root, sorted; build folders and hidden ones are left out."""
    found = []
    for folder in folders:
        for where, folders_in, names in os.walk(os.path.join(ROOT, folder)):
            folders_in[:] = [f for f in folders_in if not f.startswith((".", "build")) and f != "__pycache__"]
            for name in names:
                if name.endswith(suffixes):
                    found.append(os.path.relpath(os.path.join(where, name), ROOT))
    return sorted(found)


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        return f.read()


def code_only(text):
    """C text with comments, strings and character constants blanked out, line breaks kept."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match.group(0))
    return re.sub(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text, flags=re.S)


def line_of(text, position):
    return text.count("\n", 0, position) + 1


def run(command, **kwargs):
    return subprocess.run(command, capture_output=True, text=True, check=False, **kwargs)


def objects_of(args):
    """Paths of the library's object files, as CMake wrote them."""
    if not args.objects:
        sys.exit("this check needs --objects FILE")
    with open(args.objects, encoding="utf-8") as f:
        return [line.strip() for line in f if line.strip()]


def symbols_of(paths):
    """For each object file the sets (defined, undefined) of names."""
    found = {path: (set(), set()) for path in paths}
    for line in run(["nm", "--format=posix", "--print-file-name", *paths]).stdout.splitlines():
        path, _, rest = line.partition(": ")
        name, kind = rest.split()[:2]
        name = name.split("@")[0]
        if kind in "Uw":
            found[path][1].add(name)
        elif kind.isupper():
            found[path][0].add(name)
    return found


def source_of(object_path):
    """src/base/os.c for …/trialog-objects.dir/src/base/os.c.o"""
    return "src/" + object_path.split("/src/")[-1].removesuffix(".o")


# ---- checks ----

def check_layers(args):
    """#include lines, and which layer's functions the objects really use, against LAYERS."""
    report = Report("layers")
    for path in files("src", suffixes=(".c", ".h")):
        layer = path.split("/")[1]
        text = read(path)
        report.looked_at += 1
        if layer not in LAYERS:
            report.bad(path, 1, f"the layer {layer} has no row in LAYERS of tools/lint.py")
            continue
        for match in re.finditer(r'^\s*#\s*include\s+"([^"]+)"', text, flags=re.M):
            header = match.group(1)
            if os.path.exists(os.path.join(ROOT, "src", layer, header)):
                continue
            if header.split("/")[0] not in LAYERS[layer] and header not in LAYERS[layer]:
                report.bad(path, line_of(text, match.start()), f'{layer} may not include "{header}"')
    for path in files("include", suffixes=(".h",)):
        report.looked_at += 1
        text = read(path)
        for match in re.finditer(r"^\s*#\s*include\s+\"", text, flags=re.M):
            report.bad(path, line_of(text, match.start()), "a public header includes <trialog/…> and <std…> only")
    if args.objects:
        layers_by_symbol(report, objects_of(args))
    return report.done()


def layers_by_symbol(report, objects):
    symbols = symbols_of(objects)
    home = {name: source_of(path) for path, (defined, _) in symbols.items() for name in defined}
    for path, (_, used) in symbols.items():
        source = source_of(path)
        layer = source.split("/")[1]
        for name in sorted(used & home.keys()):
            other = home[name].split("/")[1]
            if layer in PUBLIC_USERS and name.startswith("tl_"):
                continue
            allowed = LAYERS.get(layer, [])
            headers = [h for h in allowed if h.startswith(other + "/")]
            declared = any(re.search(rf"\b{name}\b", read("src/" + h)) for h in headers)
            if other not in allowed and not declared:
                report.bad(source, 1, f"uses {name} of {home[name]}: {layer} may not use {other}")


def check_sizes(_):
    """Lines per file and per function; columns, outside of tests, whose tables of texts may be wide."""
    report = Report("sizes")
    for path in files("src", "include", "python", "tests", "bench", "examples", "fuzz", suffixes=(".c", ".h")):
        report.looked_at += 1
        lines = read(path).split("\n")
        maximum = HEADER_MAX if path.endswith(".h") else FILE_MAX
        if path not in TABLE_FILES and len(lines) > maximum:
            report.bad(path, len(lines), f"{len(lines)} lines; at most {maximum}: split it by verb")
        elif path not in TABLE_FILES and len(lines) > FILE_WARN:
            report.warn(path, len(lines), f"{len(lines)} lines; more than {FILE_WARN}")
        start = None
        for number, line in enumerate(lines, 1):
            if len(line) > LINE_MAX and path.startswith(("src/", "include/", "python/")) and path not in TABLE_FILES:
                report.bad(path, number, f"{len(line)} columns; at most {LINE_MAX}")
            if line == "{":
                start = number
            elif line.startswith("}") and start:
                if number - start - 1 > FUNCTION_MAX:
                    report.bad(path, start, f"a function of {number - start - 1} lines; at most {FUNCTION_MAX}")
                start = None
    return report.done()


def check_banned(args):
    """Calls in the source against BANNED, and the objects' undefined symbols against LIBC."""
    report = Report("banned")
    for path in files("src", suffixes=(".c", ".h")):
        report.looked_at += 1
        text = code_only(read(path))
        for names, allowed, why in BANNED:
            if any(path == place or path.startswith(place + "/") for place in allowed):
                continue
            pattern = r"(?<![\w.>])(" + "|".join(names.split()) + r")\s*\("
            for match in re.finditer(pattern, text):
                report.bad(path, line_of(text, match.start()), f"{match.group(1)}: {why}")
    if args.objects:
        symbols = symbols_of(objects_of(args))
        ours = set().union(*(defined for defined, _ in symbols.values()))
        for path, (_, used) in symbols.items():
            source = source_of(path)
            if source == "src/base/os.c":
                continue
            allowed = set(LIBC) | ours | (set(ALLOCATOR) if source == "src/base/mem.c" else set())
            allowed |= {"dlopen", "dlsym", "dlclose"} if source == "src/journal/client_library.c" else set()
            for name in sorted(used - allowed):
                if not INSTRUMENTED.match(name):
                    report.bad(source, 1, f"uses {name}, which is neither ours nor in LIBC of tools/lint.py: only os.c may "
                               "call the system")
    return report.done()


def check_headers(args):
    """Each public header compiles alone as C99 and C++17, each internal one alone as C11."""
    report = Report("headers")
    strict = ["-Wall", "-Wextra", "-pedantic", "-Werror", "-fsyntax-only"]
    ways = [("include", "c", [args.cc, "-std=c99"]), ("src", "c", [args.cc, "-std=c11", "-D_GNU_SOURCE"])]
    if shutil.which(args.cxx):
        ways.append(("include", "c++", [args.cxx, "-std=c++17"]))
    else:
        print("headers: no C++ compiler: C++ is not checked")
    for folder, language, command in ways:
        for path in files(folder, suffixes=(".h",)):
            report.looked_at += 1
            name = path.split("/", 1)[1]
            # Twice: the include guard has to work. A declaration of our own keeps -pedantic content with empty headers.
            text = f'#include "{name}"\n#include "{name}"\nextern int trialog_lint;\n'
            done = run(command + strict + ["-x", language, "-I", os.path.join(ROOT, "include"), "-I", os.path.join(ROOT, "src"), "-"],
                       input=text)
            if done.returncode:
                report.bad(path, 1, f"does not compile alone: {' '.join(command)}\n{done.stderr.rstrip()}")
    return report.done()


def declared_functions(cc):
    """Names of the functions that the public headers declare."""
    done = run([cc, "-std=c99", "-E", "-P", "-I", os.path.join(ROOT, "include"), "-x", "c", "-"],
               input="#include <trialog/trialog.h>\n")
    if done.returncode:
        sys.exit(done.stderr)
    text = done.stdout
    while re.search(r"\{[^{}]*\}", text):  # bodies of structs, unions and enums
        text = re.sub(r"\{[^{}]*\}", " ", text)
    names = set()
    for statement in text.split(";"):
        match = re.search(r"\b(tl_\w+)\s*\(", statement)
        if match and not statement.strip().startswith("typedef"):
            names.add(match.group(1))
    return names


def check_symbols(args):
    """What the shared library exports, and what the static one defines, equals what the public headers declare."""
    report = Report("symbols")
    declared = declared_functions(args.cc)
    for path, options in ((args.shared, ["--dynamic"]), (args.static, [])):
        if not path:
            continue
        done = run(["nm", "--format=posix", "--extern-only", "--defined-only", *options, path])
        exported = {line.split()[0].split("@")[0] for line in done.stdout.splitlines() if len(line.split()) >= 3}
        exported = {name for name in exported if not INSTRUMENTED.match(name)}
        report.looked_at += len(exported)
        for name in sorted(declared - exported):
            report.bad(os.path.basename(path), 1, f"{name} is declared in include/trialog but not exported (TL_API?)")
        for name in sorted(exported - declared):
            report.bad(os.path.basename(path), 1, f"{name} is exported but not declared in include/trialog")
    return report.done()


def check_comments(_):
    """Each file has its SPDX line, and C files say in their first comment what they are for. Plain text only: no tabs, no blanks at
    line ends, a line break at the end."""
    report = Report("comments")
    paths = files("src", "include", "python", "tests", "bench", "examples", "fuzz", "tools", "cmake",
                  suffixes=(".c", ".h", ".py", ".sh", ".cmake", "CMakeLists.txt"))
    for path in paths + ["CMakeLists.txt", "Makefile", ".ci/run"]:
        if not os.path.exists(os.path.join(ROOT, path)):
            continue
        report.looked_at += 1
        text = read(path)
        lines = text.split("\n")
        if not path.endswith("/sources.cmake") and "SPDX-License-Identifier: MIT" not in "\n".join(lines[:3]):
            report.bad(path, 1, "no SPDX-License-Identifier: MIT in the first lines")
        if path.endswith((".c", ".h")):
            first = re.match(r"\s*/\*.*?\*/", text, flags=re.S)
            words = first.group(0).split("SPDX-License-Identifier: MIT")[-1] if first else ""
            if len(re.findall(r"\w+", words)) < 5:
                report.bad(path, 1, "the first comment does not say what the file is for")
        for number, line in enumerate(lines, 1):
            if line != line.rstrip():
                report.bad(path, number, "blanks at the end of the line")
            if "\t" in line and path != "Makefile":
                report.bad(path, number, "a tab")
        if not text.endswith("\n") or text.endswith("\n\n"):
            report.bad(path, len(lines), "the file must end in exactly one line break")
    return report.done()


def check_architecture(_):
    """The table of files in ARCHITECTURE.md equals the tree: each C and Python file, and each header that has no C file of its name."""
    report = Report("architecture")
    tree = files("src", "python/csrc", suffixes=(".c", ".h")) + files("python/trialog", suffixes=(".py",))
    wanted = {p for p in tree if not p.endswith(".h") or p.removesuffix(".h") + ".c" not in tree}
    listed = {}
    text = read("ARCHITECTURE.md")
    for match in re.finditer(r"^\| `((?:src|python)/[^`]+)` \| *(.*?) *\|", text, flags=re.M):
        if match.group(1) in listed:
            report.bad("ARCHITECTURE.md", line_of(text, match.start()), f"{match.group(1)} is listed twice")
        if not match.group(2):
            report.bad("ARCHITECTURE.md", line_of(text, match.start()), f"{match.group(1)}: what is it for?")
        listed[match.group(1)] = line_of(text, match.start())
    report.looked_at = len(wanted)
    for path in sorted(wanted - listed.keys()):
        report.bad("ARCHITECTURE.md", 1, f"{path} is missing")
    for path in sorted(listed.keys() - wanted):
        report.bad("ARCHITECTURE.md", listed[path], f"{path} does not exist")
    return report.done()


def check_man(_):
    """mandoc has nothing to say about the man pages."""
    if not shutil.which("mandoc"):
        skip("mandoc is not installed")
    report = Report("man")
    for path in files("man", suffixes=tuple("123456789")):
        report.looked_at += 1
        done = run(["mandoc", "-Tlint", "-W", "warning", path], cwd=ROOT)
        for line in (done.stdout + done.stderr).splitlines():
            report.bad(path, 1, line)
    return report.done()


def check_shell(_):
    """shellcheck has nothing to say about the shell scripts."""
    if not shutil.which("shellcheck"):
        skip("shellcheck is not installed")
    report = Report("shell")
    for path in files("tools", "tests", "bench", "examples", "fuzz", suffixes=(".sh",)) + [".ci/run"]:
        report.looked_at += 1
        done = run(["shellcheck", "--format=gcc", "--severity=warning", path], cwd=ROOT)
        for line in done.stdout.splitlines():
            report.bad(*line.split(":", 2))
    return report.done()


def check_libc_only(args):
    """The command needs libc alone (libm and libpthread belong to it)."""
    report = Report("libc-only")
    needed = re.findall(r"NEEDED.*\[(.*?)\]", run(["readelf", "--dynamic", args.command]).stdout)
    for name in needed:
        report.looked_at += 1
        if not re.match(r"(libc|libm|libpthread|ld-linux.*|ld-musl.*)\.so", name):
            report.bad(os.path.basename(args.command), 1, f"needs {name}")
    return report.done()


def check_tidy(args):
    """clang-tidy (.clang-tidy) has nothing to say about the library and the command. Not a ctest: it takes minutes."""
    if not shutil.which("clang-tidy"):
        skip("clang-tidy is not installed")
    report = Report("tidy")
    paths = files("src", suffixes=(".c",))
    with tempfile.TemporaryDirectory() as folder:
        running = []
        for path in paths + [None] * args.jobs:
            if len(running) >= args.jobs or path is None:
                if running:
                    name, process, output = running.pop(0)
                    process.wait()
                    with open(output, encoding="utf-8") as f:
                        for line in f:
                            match = re.match(rf"{re.escape(ROOT)}/(.*?):(\d+):\d+: (?:warning|error): (.*)", line)
                            if match:
                                report.bad(*match.groups())
                    report.looked_at += 1
                    if process.returncode and not report.breaches:
                        report.bad(name, 1, "clang-tidy failed")
            if path:
                output = os.path.join(folder, path.replace("/", "_"))
                with open(output, "w", encoding="utf-8") as f:
                    running.append((path, subprocess.Popen(["clang-tidy", "--quiet", "-p", args.build, path], cwd=ROOT, stdout=f,
                                                           stderr=subprocess.DEVNULL), output))
    return report.done()


def main():
    checks = {name.removeprefix("check_").replace("_", "-"): function
              for name, function in globals().items() if name.startswith("check_")}
    parser = argparse.ArgumentParser(description="Checks the rules of CONTRIBUTING.md.",
                                     epilog="; ".join(f"{n}: {f.__doc__.split('. ')[0].rstrip('.')}" for n, f in checks.items()))
    parser.add_argument("check", choices=checks)
    parser.add_argument("--objects", help="file that lists the library's object files")
    parser.add_argument("--shared", help="the shared library")
    parser.add_argument("--static", help="the static library")
    parser.add_argument("--command", help="the command")
    parser.add_argument("--build", help="a build directory with compile_commands.json")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--cc", default="cc")
    parser.add_argument("--cxx", default="c++")
    args = parser.parse_args()
    sys.exit(checks[args.check](args))


if __name__ == "__main__":
    main()
