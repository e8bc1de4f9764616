# SPDX-License-Identifier: Apache-2.0
"""Whether a process holds a text outside of the memory for secrets.

memory.py PID < TEXTS, one a line.  Memory for secrets is left out of core dumps
(VmFlags dd).  Prints where else a text or a part of it lies; exit 1 then.
"""
import re
import sys


def areas(pid):
    """(first, last + 1, may be read, is left out of dumps)"""
    area = None
    with open(f"/proc/{pid}/smaps", encoding="utf-8", errors="replace") as f:
        for line in f:
            m = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+) ", line)
            if m:
                area = int(m[1], 16), int(m[2], 16), m[3].startswith("rw")
            elif line.startswith("VmFlags:"):
                yield *area, " dd" in line


def main():
    texts = [t.strip().encode() for t in sys.stdin if t.strip()]
    found = False
    with open(f"/proc/{sys.argv[1]}/mem", "rb", 0) as mem:
        for first, end, readable, secret in areas(sys.argv[1]):
            if not readable or secret:
                continue
            try:
                mem.seek(first)
                data = mem.read(end - first)
            except OSError:
                continue
            for t in texts:
                if t in data or (len(t) > 80 and t[20:60] in data):
                    print(f"a secret at {first + data.find(t[20:60] if len(t) > 80 else t):#x}")
                    found = True
    sys.exit(found)


main()
