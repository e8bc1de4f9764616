#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""crash_run.py kill|cut DIR MNT ROUNDS [CIPHER [IMAGE FSTYPE]]: rounds of a load that ends in the
death of the daemon (kill) or of the filesystem below it (cut: DIR lies on IMAGE's mount, which is
taken down by the shutdown ioctl), each followed by a mount and a check of everything.

CMKFS_SEED does a run again: the operations are the same, the moment nearly.
"""
import fcntl
import json
import os
import random
import re
import signal
import struct
import subprocess
import sys
import time

from crash_load import Load, history, replay
from crash_model import Model
from world import cmkfs

WORKERS = 3
MOUNT_LIMIT = 5.0        # seconds; far more than it takes, since settling does not delay it
GOINGDOWN = 0x8004587D   # EXT4_IOC_SHUTDOWN and XFS_IOC_GOINGDOWN are one number
NOLOGFLUSH = struct.pack("I", 2)


class Volume:
    """A volume that is mounted and crashed; on an image of its own when it can be cut."""

    def __init__(self, directory, mnt, image=None, fstype=None):
        self.dir, self.mnt, self.image, self.fstype = directory, mnt, image, fstype
        self.backing = os.path.dirname(directory)
        self.slowest = 0.0

    def mount(self, options=()):
        begin = time.monotonic()
        cmkfs("mount", *options, self.dir, self.mnt)
        self.slowest = max(self.slowest, time.monotonic() - begin)
        if self.slowest > MOUNT_LIMIT:
            raise SystemExit("mounting took %.1f s" % self.slowest)

    def damaged(self):
        """Path → kind of what a check finds damaged in the volume as the crash left it.

        What has no name any more is no file of ours: those whose name was acknowledged are listed.
        """
        done = subprocess.run(["cmkfs", "verify", "--json", "--progress", "none", self.dir],
                              check=False, stdout=subprocess.PIPE)
        if done.returncode not in (0, 7):
            raise SystemExit("verify ended with %d" % done.returncode)
        return {self.mnt + f["path"]: f["kind"] for f in json.loads(done.stdout)["findings"]
                if f["path"] and f["level"] != "note"}

    def pid(self):
        return json.loads(cmkfs("status", "--json", self.mnt))["pid"]

    def kill(self):
        os.kill(self.pid(), signal.SIGKILL)

    def cut(self):
        fd = os.open(self.backing, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, GOINGDOWN, NOLOGFLUSH)
        finally:
            os.close(fd)

    def clear(self, pid):
        """Take down what is left, until the daemon is gone."""
        subprocess.run(["umount", "-l", self.mnt], check=False, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 20
        while os.path.exists("/proc/%d" % pid):
            if time.monotonic() > end:
                raise SystemExit("the daemon did not end within 20 s")
            time.sleep(0.01)

    def power_on(self):
        for attempt in range(200):
            if subprocess.run(["umount", self.backing], check=False,
                              stderr=subprocess.DEVNULL).returncode == 0:
                break
            time.sleep(0.05)
        else:
            raise SystemExit("the backing filesystem is still in use")
        subprocess.run(["mount", "-t", self.fstype, "-o", "loop", self.image, self.backing],
                       check=True)


def work(model, top, key, journal):
    """A worker: a process, since a store into a map of a dead mount kills it."""
    pid = os.fork()
    if pid:
        return pid
    code = 3
    try:
        fd = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        load = Load(model, top, key)
        while load.step(fd):
            pass
        code = 0
    except BaseException as e:
        print("worker %s: %r" % (key, e), file=sys.stderr, flush=True)
    os._exit(code)


def reap(pid, seconds=30):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return status
        time.sleep(0.005)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    raise SystemExit("a worker hung for %d s after the crash" % seconds)


class Crash:
    def __init__(self, how, volume, seed):
        self.how, self.volume, self.seed = how, volume, seed
        self.random = random.Random("%s/%s" % (seed, how))
        self.models = [Model() for _ in range(WORKERS)]
        self.totals = {"operations": 0, "files": 0, "errors": 0, "unsynced": 0}

    def top(self, k):
        return os.path.join(self.volume.mnt, "w%d" % k)

    def journal(self, k):
        return os.path.abspath("journal-%d" % k)

    def begin(self):
        self.volume.mount()
        for k in range(WORKERS):
            os.mkdir(self.top(k))
        for place in [self.top(k) for k in range(WORKERS)] + [self.volume.mnt]:
            fd = os.open(place, os.O_RDONLY)
            os.fsync(fd)
            os.close(fd)

    def round(self, number):
        v, r = self.volume, self.random
        # Now and then only the daemon dies, and what was done is not durable when the cut comes.
        cut = self.how == "cut" and r.random() < 0.7
        wait = r.choice([r.uniform(0.01, 0.2), r.uniform(0.1, 1.2)])
        pid = v.pid()
        workers = [work(self.models[k], self.top(k), "%s/%d/%d" % (self.seed, k, number),
                        self.journal(k)) for k in range(WORKERS)]
        time.sleep(wait)
        moment = time.monotonic() if cut else float("inf")
        if cut:
            v.cut()
            time.sleep(0.02)
        os.kill(pid, signal.SIGKILL)
        ends = [reap(w) for w in workers]
        v.clear(pid)
        for k, status in enumerate(ends):
            if status not in (0, signal.SIGBUS):
                raise SystemExit("worker %d ended with status %d" % (k, status))
            replay(self.models[k], self.journal(k), moment)
            with open(self.journal(k), encoding="utf-8") as file:
                self.totals["operations"] += sum('"end"' in line for line in file)
        if cut:
            v.power_on()
        damaged = v.damaged()
        v.mount()
        bad, wrong_all = set(), []
        for k in range(WORKERS):
            wrong, counts = self.models[k].check(self.top(k), cut, cut or self.how == "kill")
            for what in counts:
                self.totals[what] += counts[what]
            wrong_all += wrong
            for what in wrong:
                bad |= {(k, int(n)) for n in re.findall(r"node (\d+)", what)}
                print("round %d (%s), w%d/%s" % (number, "cut" if cut else "kill", k, what))
        for path in sorted(set(damaged) - set().union(*(m.unsynced for m in self.models))):
            wrong_all.append(path)
            print("round %d: verify finds a damaged %s at %s, which was synced" %
                  (number, damaged[path], path))
        for m in self.models:
            m.unsynced.clear()
        if wrong_all:
            for k, node in sorted(bad):
                print("w%d, node %d, this round:\n  %s" %
                      (k, node, "\n  ".join(history(self.journal(k), node))))
            raise SystemExit("failed with CMKFS_SEED=%s in round %d" % (self.seed, number))


def main():
    how, directory, mnt, rounds = sys.argv[1:5]
    cipher = sys.argv[5] if len(sys.argv) > 5 else "gcm"
    image, fstype = sys.argv[6:8] if len(sys.argv) > 7 else (None, None)
    seed = os.environ.get("CMKFS_SEED") or str(random.SystemRandom().randrange(10 ** 9))
    print("%s, %s%s: CMKFS_SEED=%s" % (how, cipher, fstype and ", " + fstype or "", seed),
          flush=True)
    volume = Volume(directory, mnt, image, fstype)
    crash = Crash(how, volume, seed)
    crash.begin()
    for number in range(int(rounds)):
        crash.round(number)
    cmkfs("umount", mnt)
    if volume.damaged():
        raise SystemExit("verify finds damage at the end: %s" % volume.damaged())
    t = crash.totals
    print("%s rounds, %d operations, %d files checked, %d never-synced files and %d never-synced "
          "chunks gave an error, slowest mount %.0f ms" %
          (rounds, t["operations"], t["files"], t["unsynced"], t["errors"],
           volume.slowest * 1000))


if __name__ == "__main__":
    main()
