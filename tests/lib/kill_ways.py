#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""kill_ways.py DIR MNT: end a mount in each way while processes hold and use descriptors and maps;
after it no plaintext may be read through any of them, what was dirty is stored where the end was
clean, nothing of the mount is left, and it can be mounted again.
"""
import json
import mmap
import os
import signal
import struct
import subprocess
import sys
import time

from world import PAGE, World, cmkfs, wait_until

HAMMERS = ("map", "map", "read", "read", "open")


class Hammers:
    """Processes that use what they hold without pause, and note when it last worked."""

    def __init__(self, world):
        self.shared = mmap.mmap(-1, 8 * len(HAMMERS))
        self.pids = []
        for k, kind in enumerate(HAMMERS):
            pid = os.fork()
            if pid == 0:
                self.run(world, k, kind)
                os._exit(0)
            self.pids.append(pid)
        wait_until(lambda: all(self.times()), 5)

    def run(self, world, k, kind):
        end, n, bad = time.monotonic() + 20, 0, 0
        m, fd = world.maps["mapped"], world.fds["read"]
        while time.monotonic() < end and bad < 2000:
            n = (n + 7) % 300
            try:
                if kind == "map":
                    m[n * PAGE]
                elif kind == "read":
                    os.pread(fd, 64, n * PAGE)
                else:
                    other = os.open(world.path("cold"), os.O_RDONLY)
                    try:
                        os.pread(other, 64, n * PAGE)
                    finally:
                        os.close(other)
            except OSError:
                bad += 1
                time.sleep(0.001)
                continue
            struct.pack_into("d", self.shared, 8 * k, time.monotonic())

    def times(self):
        return struct.unpack("%dd" % len(HAMMERS), self.shared)

    def end(self):
        for pid in self.pids:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def alive(pid):
    """Not gone, and no zombie that someone else is to reap."""
    try:
        with open("/proc/%d/stat" % pid, encoding="utf-8") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def mounted(mnt):
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        return any(line.split()[4] == mnt for line in file)


def abort_file(mnt):
    return "/sys/fs/fuse/connections/%d/abort" % os.minor(os.stat(mnt).st_dev)


WAYS = {    # what is done, and whether dirty data must be stored by it
    "SIGKILL": (lambda s, mnt: os.kill(s["pid"], signal.SIGKILL), False),
    "SIGTERM": (lambda s, mnt: os.kill(s["pid"], signal.SIGTERM), True),
    "SIGHUP": (lambda s, mnt: os.kill(s["pid"], signal.SIGHUP), True),
    "umount -l": (lambda s, mnt: subprocess.run(["umount", "-l", mnt], check=True), True),
    "fusermount3 -uz": (lambda s, mnt: subprocess.run(["fusermount3", "-uz", mnt], check=True),
                        True),
    "cmkfs umount": (lambda s, mnt: cmkfs("umount", mnt), True),
    "cmkfs lock, SIGKILL": (lambda s, mnt: (cmkfs("lock", mnt),
                                           os.kill(s["pid"], signal.SIGKILL)), True),
    "connection aborted": (lambda s, mnt: os.write(os.open(s["abort"], os.O_WRONLY), b"1"), False),
}


def differences(world, mnt, clean):
    """Files that are not as they should be; each page of what was dirty is old or new."""
    bad = world.check_again(mnt)
    if clean:
        return bad
    left = []
    for name in bad:
        with open(os.path.join(mnt, "world", name), "rb") as file:
            got = file.read()
        old, new = world.synced.get(name, world.data[name]), world.data[name]
        for at in range(0, len(new), PAGE):
            if got[at:at + PAGE] not in (old[at:at + PAGE], new[at:at + PAGE]):
                left.append("%s at %d" % (name, at))
        if len(got) != len(new):
            left.append("%s has %d bytes" % (name, len(got)))
    return left


def one(volume, mnt, way):
    act, clean = WAYS[way]
    cmkfs("mount", volume, mnt)
    status = json.loads(cmkfs("status", "--json", mnt))
    world = World(mnt, 2)
    for fd in world.fds.values():
        os.fsync(fd)
    world.synced = dict(world.data)
    if way == "connection aborted":
        status["abort"] = abort_file(mnt)
        if not os.path.exists(status["abort"]):
            return "no fusectl", []
    hammers = Hammers(world)
    world.dirty()
    begin = time.monotonic()
    act(status, mnt)
    command = (time.monotonic() - begin) * 1000
    time.sleep(0.4)
    wait_until(lambda: not world.plaintext(), 1)
    wrong = ["plaintext: " + what for what in world.plaintext()]
    late = max((t - begin) * 1000 for t in hammers.times())
    if late > 1000:
        wrong.append("the last plaintext was read after %d ms" % late)
    hammers.end()
    world.drop()
    stays = way in ("SIGKILL", "cmkfs lock, SIGKILL", "connection aborted")
    if not stays:
        wait_until(lambda: not mounted(mnt), 10)
    if mounted(mnt):    # after a death it is for the administrator, as with any FUSE filesystem
        if not stays:
            wrong.append("still mounted")
        subprocess.run(["umount", "-l", mnt], check=False)
    for what in ("pid", "janitor"):
        if wait_until(lambda what=what: not alive(status[what]), 5) is None:
            wrong.append("the %s did not end" % {"pid": "daemon"}.get(what, what))
    if os.listdir(mnt):
        wrong.append("the mount point is not empty")
    cmkfs("mount", volume, mnt)
    wrong += ["mounted again: " + what for what in differences(world, mnt, clean)]
    cmkfs("umount", mnt)
    return "last plaintext after %6.1f ms, command took %6.1f ms" % (late, command), wrong


def main():
    volume, mnt = sys.argv[1:3]
    failed = 0
    for way in sys.argv[3:] or WAYS:
        said, wrong = one(volume, mnt, way)
        print("%-20s %s%s" % (way, said, ": WRONG" if wrong else ""))
        for line in wrong:
            print("    " + line)
        failed += bool(wrong)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
