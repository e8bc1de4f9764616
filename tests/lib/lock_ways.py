#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""lock_ways.py DIR MNT KEY-URI VAULT: take access away in each way while a process holds files,
maps and directories; judge what each attempt gives, give access back, compare every byte.
"""
import json
import os
import sys

from world import World, attempt, cmkfs, wait_until

USES = "get,wrapKey,unwrapKey"
# What may be answered by the kernel alone (lockout.md, "Cannot be promised").
KERNEL = {"stat, held": ("ok",)}
MAPS = ("map, held", "store to map, held", "private map, held", "new map")


def ways(mnt, volume, uri, vault, principal):
    """(name, command that locks, command that unlocks, errno)"""
    policy = ("vault", "policy", "set", vault, principal)
    yield "key disabled", ("vault", "key", "disable", uri), ("vault", "key", "enable", uri), \
        "EKEYREVOKED"
    yield "key deleted", ("vault", "key", "delete", uri), ("vault", "key", "recover", uri), \
        "EKEYREVOKED"
    yield "key expires", ("vault", "key", "update", uri, "--expires", "+2s"), \
        ("vault", "key", "update", uri, "--expires", "none"), "EKEYEXPIRED"
    for permission in USES.split(","):
        rest = ",".join(p for p in USES.split(",") if p != permission)
        yield "policy lacks " + permission, (*policy, rest), (*policy, USES), "EKEYREVOKED"
    yield "policy deleted", ("vault", "policy", "delete", vault, principal), (*policy, USES), \
        "EKEYREVOKED"
    yield "identity off", ("identity", "off", volume), ("identity", "on", volume), "EKEYREVOKED"
    yield "operator", ("lock", mnt), ("unlock", mnt), "ENOKEY"


def judge(results, errno):
    wrong = []
    for what, got in results.items():
        wanted = ("SIGBUS",) if what in MAPS else (errno,)
        if got not in wanted + KERNEL.get(what, ()):
            wrong.append("%s: %s instead of %s" % (what, got, wanted[0]))
    return wrong


def state(mnt):
    return json.loads(cmkfs("status", "--json", mnt))


def backing_works(volume):
    """What those with rights on the backing store may still do."""
    os.statvfs(volume)
    tree = os.path.join(volume, "tree")
    return all(attempt(os.lstat, os.path.join(tree, n)) == "ok" for n in os.listdir(tree))


def main():
    volume, mnt, uri, vault = sys.argv[1:5]
    principal = json.loads(cmkfs("identity", "show", "--json", volume))["principal"]
    failed = 0
    world = World(mnt, 1)
    for name, lock, unlock, errno in ways(mnt, volume, uri, vault, principal):
        world.dirty()
        limit = 2000 + 1000 if "+2s" in lock else 1000
        cmkfs(*lock)
        ms = wait_until(lambda: attempt(os.listdir, mnt) != "ok", 4)
        # Refusals come first, the sweep then: all is cut within a second of the command.
        swept = wait_until(lambda: state(mnt)["zones"][0]["state"] == "locked", 3)
        wrong = ["never locked"] if ms is None or swept is None else judge(
            world.attempts(), errno)
        if ms is not None and ms + (swept or 0) > limit:
            wrong.append("locked after %d ms" % ms)
        status = state(mnt)
        if status["lost"]:
            wrong.append("%d writes lost" % status["lost"])
        if not backing_works(volume):
            wrong.append("the backing directory cannot be used")
        cmkfs(*unlock)
        opened = wait_until(lambda: attempt(os.listdir, mnt) == "ok", 4)
        wrong += ["never unlocked"] if opened is None else world.check()
        print("%-24s %-12s refused after %4d ms, swept %4d ms later; unlocked after %4d ms%s" % (
            name, errno, ms or -1, swept or -1, opened or -1, "" if not wrong else ": WRONG"))
        for line in wrong:
            print("    " + line)
        failed += bool(wrong)
        if opened is None:
            break
    world.drop()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
