#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""lock_ways.py DIR MNT KEY-URI VAULT KEY-URI2: take access away in each way while a process holds
files, maps and directories; judge what each attempt gives, a new mount included; see that a zone
under the second key goes on; give access back, compare every byte.
"""
import json
import os
import subprocess
import sys

from stalls import in_time, now
from world import World, attempt, cmkfs, wait_until

USES = "get,wrapKey,unwrapKey"
# What may be answered by the kernel alone (lockout.md, "Cannot be promised").
KERNEL = {"stat, held": ("ok",)}
MAPS = ("map, held", "store to map, held", "private map, held", "new map")


def ways(mnt, volume, uri, vault, principal):
    """(name, command that locks, command that unlocks, errno)"""
    policy = ("vault", "policy", "set", vault, principal)
    kid = json.loads(cmkfs("key", "show", "--json", volume))[0]
    version = "%s/%s" % (uri, kid["version"])
    yield "key disabled", ("vault", "key", "disable", uri), ("vault", "key", "enable", uri), \
        "EKEYREVOKED"
    yield "version disabled", ("vault", "key", "disable", version), \
        ("vault", "key", "enable", version), "EKEYREVOKED"
    yield "key deleted", ("vault", "key", "delete", uri), ("vault", "key", "recover", uri), \
        "EKEYREVOKED"
    yield "version deleted", ("vault", "key", "delete", version), \
        ("vault", "key", "recover", version), "EKEYREVOKED"
    yield "vault deleted", ("vault", "delete", vault), ("vault", "recover", vault), "EKEYREVOKED"
    yield "key expires", ("vault", "key", "update", uri, "--expires", "+2s"), \
        ("vault", "key", "update", uri, "--expires", "none"), "EKEYEXPIRED"
    yield "key not yet valid", ("vault", "key", "update", uri, "--not-before", "+1h"), \
        ("vault", "key", "update", uri, "--not-before", "none"), "EKEYEXPIRED"
    for permission in USES.split(","):
        rest = ",".join(p for p in USES.split(",") if p != permission)
        yield "policy lacks " + permission, (*policy, rest), (*policy, USES), "EKEYREVOKED"
    yield "policy deleted", ("vault", "policy", "delete", vault, principal), (*policy, USES), \
        "EKEYREVOKED"
    yield "firewall on", ("vault", "firewall", vault, "on"), \
        ("vault", "firewall", vault, "on", "--trusted-services"), "EKEYREVOKED"
    yield "another tenant", ("vault", "update", vault, "--tenant", "others"), \
        ("vault", "update", vault, "--tenant", "acme"), "EKEYREVOKED"
    yield "identity off", ("identity", "off", volume), ("identity", "on", volume), "EKEYREVOKED"
    yield "operator", ("lock", mnt, "--zone", "0"), ("unlock", mnt, "--zone", "0"), "ENOKEY"


class OtherZone:
    """A zone under another key, beside: it never notices."""

    def __init__(self, mnt, uri):
        self.path = os.path.join(mnt, "zone")
        os.mkdir(self.path)
        cmkfs("zone", "create", self.path, "--key", uri)
        self.data = os.urandom(100000)
        self.fd = os.open(os.path.join(self.path, "file"), os.O_RDWR | os.O_CREAT, 0o644)
        os.pwrite(self.fd, self.data, 0)
        os.fsync(self.fd)

    def answer(self):
        return attempt(os.pread, self.fd, 1, 0)

    def check(self, name):
        if name == "identity off":      # all zones ask as one identity
            return [] if wait_until(lambda: self.answer() == "EKEYREVOKED", 1) is not None else \
                ["another zone: " + self.answer()]
        if name == "operator":          # the next one: that zone has come back by itself, too
            wait_until(lambda: self.answer() == "ok", 5)
        os.posix_fadvise(self.fd, 0, 0, os.POSIX_FADV_DONTNEED)
        wrong = [] if os.pread(self.fd, 200000, 0) == self.data else ["another zone: other bytes"]
        mark = os.urandom(8)
        os.pwrite(self.fd, mark, 5000)
        os.fsync(self.fd)
        self.data = self.data[:5000] + mark + self.data[5008:]
        return wrong


def new_mount(volume, mnt, name):
    """A second mount of the volume, which needs the key as well."""
    if name == "operator":      # it locks this mount alone
        return []
    where = mnt + ".new"
    os.makedirs(where, exist_ok=True)
    done = subprocess.run(["cmkfs", "mount", volume, where, "-o", "ro"], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
    if done.returncode == 0:
        cmkfs("umount", where)
        return ["a new mount was made"]
    return [] if done.returncode == 4 and "hint: " in done.stdout else \
        ["a new mount gave %d: %s" % (done.returncode, done.stdout)]


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
    cmkfs("vault", "policy", "set", sys.argv[5].split("/")[2], principal, USES)
    other = OtherZone(mnt, sys.argv[5])
    world = World(mnt, 1)
    for name, lock, unlock, errno in ways(mnt, volume, uri, vault, principal):
        world.dirty()
        limit = 2000 + 1000 if "+2s" in lock else 1000
        cmkfs(*lock)
        begin = now()
        ms = wait_until(lambda: attempt(os.listdir, mnt) != "ok", 4)
        # Refusals come first, the sweep then: all is cut within a second of the command.
        swept = wait_until(lambda: state(mnt)["zones"][0]["state"] == "locked", 3)
        wrong = ["never locked"] if ms is None or swept is None else judge(
            world.attempts(), errno)
        took = (ms or 0) + (swept or 0)
        if not in_time(os.environ["CASE_DIR"] + "/stalls", took, limit, begin):
            wrong.append("locked after %d ms" % took)
        status = state(mnt)
        if status["lost"]:
            wrong.append("%d writes lost" % status["lost"])
        wrong += other.check(name) + new_mount(volume, mnt, name)
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
