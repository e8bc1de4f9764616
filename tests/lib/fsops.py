#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every operation that a filesystem knows, one after the other: fsops.py DIR [PART…] > RESULTS

Each line is what an operation gave: a value, or the name of an errno.  Run on a plain directory
and on a mount the lines must be the same, and so must what is left in DIR.  What is compared is
the caller's business; fsops.py compare A B knows the few lines that may differ.
"""
import sys

import fsops_attributes
import fsops_contents
import fsops_handles
import fsops_names
import fsops_open
from fsops_run import Run

ALL = (fsops_open.PARTS + fsops_contents.PARTS + fsops_names.PARTS + fsops_attributes.PARTS +
       fsops_handles.PARTS)

# What a mount may answer differently from ext4, and with what: cmkfs(1) says so.
OTHERWISE = {
    "fallocate collapse": "ENOTSUP", "fallocate insert": "ENOTSUP",
    "rename whiteout": "EINVAL", "link of a symlink": "EPERM", "O_TMPFILE": "ENOTSUP",
    "a file named .D": "EINVAL",
}


def compare(a, b):
    """Lines of a plain directory, and of a mount."""
    with open(a, encoding="utf-8") as one, open(b, encoding="utf-8") as two:
        one, two = one.read().splitlines(), two.read().splitlines()
    bad = 0
    section = ""
    for k in range(max(len(one), len(two))):
        x, y = (lines[k] if k < len(lines) else "(nothing)" for lines in (one, two))
        if x.startswith("# "):
            section = x
        what = y.split(": ")[0]
        if x == y or y == "%s: %s" % (what, OTHERWISE.get(what)):
            continue
        bad += 1
        if bad <= 30:
            print("%s\n  plain directory: %s\n  mount:           %s" % (section, x, y))
        if x.split(": ")[0] != what:
            print("(they go different ways from here)")
            break
    print("%d answers, %d different" % (len(one), bad))
    return bad == 0


def main():
    if sys.argv[1] == "compare":
        return 0 if compare(*sys.argv[2:4]) else 1
    run = Run(sys.argv[1])
    for part in ALL:
        if len(sys.argv) == 2 or part.__name__ in sys.argv[2:]:
            print("# " + part.__name__, flush=True)
            part(run)
    return 0


if __name__ == "__main__":
    sys.exit(main())
