#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""guide.py PAGE TOP: run the commands of a manual page's examples, in one shell, with /srv/volume
and /mnt/data below TOP.  Lines beneath a command are what it prints; what it says of an error means
that it fails.
"""
import re
import subprocess
import sys


def steps(page):
    """(command, what it prints) of all literal displays."""
    found, inside = [], False
    with open(page, encoding="utf-8") as file:
        for line in file:
            line = line.rstrip("\n")
            if line.startswith(".Bd -literal"):
                inside = True
            elif line.startswith(".Ed"):
                inside = False
            elif inside and line.startswith("$ "):
                found.append((line[2:].replace("\\e", "\\"), []))
            elif inside:
                found[-1][1].append(line.replace("\\e", "\\"))
    return found


def main():
    page, top = sys.argv[1:3]
    shell = subprocess.Popen(["bash"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True)
    count = 0
    for command, printed in steps(page):
        real = re.sub(r"(?<![\w.])/(srv|mnt)/", top + r"/\1/", command)
        shell.stdin.write(real + "\necho \"-- $?\"\n")
        shell.stdin.flush()
        out = []
        for line in shell.stdout:
            if line.startswith("-- "):
                break
            out.append(line.replace(top, "").rstrip("\n"))
        code = int(line.split()[1])
        fails = any("error: " in p or "revoked" in p for p in printed)
        problem = "exit %d" % code if bool(code) != fails else None
        for want in printed:
            if not any(want in line for line in out):
                problem = "nothing like '%s'" % want
        if problem:
            print("$ %s\n%s" % (command, "\n".join(out[:12])))
            sys.exit("%s: %s" % (problem, command))
        count += 1
    assert count > 20, "the page has no examples"
    print("%d commands did what the page says" % count)


main()
