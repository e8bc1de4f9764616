# SPDX-License-Identifier: Apache-2.0
"""The tables that bench.py prints."""
import statistics

from loads import LOADS
from systems import NO_PEERS, OURS


def figure(value):
    if value >= 1000:
        return "{:,.0f}".format(value)
    return "%.0f" % value if value >= 100 else "%.1f" % value if value >= 10 else "%.2f" % value


def summary(values):
    """median, relative half spread"""
    middle = statistics.median(values)
    return middle, (max(values) - min(values)) / 2 / middle if middle else 0


BY_GIB = ("seq write, 1", "seq write, 2", "seq read cold, 1", "seq read cold, 2")
BY_FILES = ("cp -r", "tar, cold", "epoch, cold", "epoch, warm", "find -ls, cold", "rm -rf")


def show_cost(names, costs, options):
    """Processor seconds of daemon / machine, for each GiB or each 1,000 files."""
    print("\nprocessor seconds for a GiB or 1,000 files, daemon / machine (medians)")
    width = max(len(n) for n in LOADS) + 8
    print(" " * width + "".join(n.rjust(15) for n in names))
    for load in BY_GIB + BY_FILES:
        many = options.size / 1024 if load in BY_GIB else options.files / 1000
        cells = []
        for n in names:
            used = costs[load].get(n)
            cells.append(("%.2f / %.2f" % tuple(statistics.median(v) / many for v in zip(*used))
                          if used else "-").rjust(15))
        if costs[load]:
            print("%-*s%s" % (width, load, "".join(cells)))


def show_room(names, room):
    print("\nthe daemon's memory at its most, MiB; the small files on the store, MiB")
    for what in ("memory", "stored"):
        print("%-*s%s" % (max(len(n) for n in LOADS) + 8, what, "".join(
            ("%.1f" % room[what][n] if n in room[what] else "-").rjust(15) for n in names)))


def show(place, names, results):
    peers = [n for n in names if n not in NO_PEERS]
    print("\n%s (medians; ~: spread over ±25 %%; ratio: to the best of the others, over 1 is better)"
          % place)
    width = max(len(n) for n in LOADS) + 8
    print("".join(["load".ljust(width)] + [n.rjust(12) for n in names] +
                  [("%s ×" % n).rjust(14) for n in names if n in OURS and peers]))
    for load, (_, unit, more) in LOADS.items():
        row = {n: summary(results[load][n]) for n in names if results[load].get(n)}
        if not row:
            continue
        cells = [(figure(row[n][0]) + ("~" if row[n][1] > 0.25 else " ") if n in row else "-"
                  ).rjust(12) for n in names]
        ratios = []
        for n in names:
            if n not in OURS or not peers:
                continue
            others = [row[p][0] for p in peers if p in row]
            ratio = None
            if others and n in row:
                ratio = row[n][0] / max(others) if more else min(others) / row[n][0]
            ratios.append(("%.2f" % ratio if ratio else "-").rjust(14))
        print("%-*s%s%s" % (width, "%s (%s)" % (load, unit), "".join(cells), "".join(ratios)),
              flush=True)
