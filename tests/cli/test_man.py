#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""test_man.py TRIALOG MANPAGE ERROR_H LOG_H: trialog(1) names exactly the options, words, exit statuses and events that the command has."""
import re
import subprocess
import sys


def tables(trialog):
    """{command: {option: (letter, kind, choices)}}, "*" for the options of every command."""
    out = {"*": {}}
    for line in subprocess.run([trialog, "dump-options"], capture_output=True, text=True, check=True).stdout.splitlines():
        command, option, letter, kind, _, choices = line.split("\t")
        out.setdefault(command, {})
        if kind != "command":
            out[command][option] = (letter, kind, choices)
    return out


def sections(page):
    """{heading: its lines}, of .Ss"""
    out, current = {}, None
    for line in open(page, encoding="utf-8"):
        line = line.rstrip("\n")
        if line.startswith(".Ss "):
            current = out.setdefault(line[4:], [])
        elif line.startswith(".Sh "):
            current = None
        elif current is not None:
            current.append(line)
    return out


def described(lines):
    """{option: (letter, rest of its .It line)} and the set of words."""
    options, words = {}, set()
    for line in lines:
        m = re.match(r"\.It (?:Fl (\w) , )?Fl Fl ([\w-]+)(.*)", line)
        if m:
            options[m.group(2)] = (m.group(1) or "-", m.group(3))
        m = re.match(r"\.It (?:Ar|Op Ar) ([\w=\[\]]+)", line)
        if m:
            words.add(m.group(1))
    return options, words


def main():
    trialog, page, error_h, log_h = sys.argv[1:]
    wrong = []
    found = sections(page)
    for command, options in tables(trialog).items():
        heading = "Options of every command" if command == "*" else command
        if heading not in found:
            wrong.append(f"no section for {heading}")
            continue
        page_options, page_words = described(found[heading])
        for name, (letter, kind, choices) in options.items():
            if kind == "operand":
                if name not in page_words:
                    wrong.append(f"{heading}: the word {name} is missing")
                page_words.discard(name)
                continue
            if name not in page_options:
                wrong.append(f"{heading}: --{name} is missing")
                continue
            page_letter, rest = page_options.pop(name)
            if page_letter != letter:
                wrong.append(f"{heading}: --{name}: short form -{page_letter} instead of -{letter}")
            if choices != "-" and not all(re.search(rf"\b{re.escape(c)}\b", rest) for c in choices.split("|")):
                wrong.append(f"{heading}: --{name}: the choices are {choices}, the page says{rest}")
            if kind == "flag" and rest.strip():
                wrong.append(f"{heading}: --{name} takes no value")
            if kind == "value" and not rest.strip():
                wrong.append(f"{heading}: --{name} takes a value")
        for name in page_options:
            wrong.append(f"{heading}: there is no --{name}")
        for name in page_words:
            wrong.append(f"{heading}: there is no word {name}")
    text = open(page, encoding="utf-8").read()
    page_statuses = set(re.findall(r"^\.It (\d+)$", text, re.M)) - {"0"}
    statuses = {s for s in re.findall(r"X\(TL_\w+, -\d+, \"[^\"]*\", \d, (\d+)\)", open(error_h).read())}
    for status in sorted(page_statuses ^ statuses):
        wrong.append(f"exit status {status} stands in only one of the page and error.h")
    page_events = set(re.findall(r"^\.It Sy ([A-Z_]+)$", text, re.M))
    events = set(re.findall(r"X\(LOG_(\w+), \d\)", open(log_h).read()))
    for event in sorted(page_events ^ events):
        wrong.append(f"the event {event} stands in only one of the page and log.h")
    print("\n".join(wrong) or "the page and the command agree")
    return 1 if wrong else 0


sys.exit(main())
