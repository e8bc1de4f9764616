# SPDX-License-Identifier: Apache-2.0
"""The filesystems that bench.py measures: how each is made, mounted and watched."""
import os
import shutil
import subprocess
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
BUILD = os.environ.get("O") or os.path.join(TOP, "build")
CMKFS = os.environ.get("CMKFS") or os.path.join(BUILD, "cmkfs")


def run(*args, **options):
    done = subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=600, **options)
    if done.returncode:
        raise SystemExit("%s: %s" % (" ".join(args), done.stdout.strip()))
    return done.stdout


def mounts_below(top):
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        found = [line.split()[4].replace("\\040", " ") for line in file]
    return [m for m in found if m.startswith(top + "/")]


def busy_seconds():
    """Processor time of the machine."""
    with open("/proc/stat", encoding="ascii") as file:
        times = [int(t) for t in file.readline().split()[1:]]
    return (sum(times[:8]) - times[3] - times[4]) / os.sysconf("SC_CLK_TCK")


class System:
    """A filesystem over a backing directory; `mnt` is where the loads work."""

    def __init__(self, name, top, options):
        self.name, self.options = name, options
        self.top = os.path.join(top, name)
        self.backing, self.mnt = os.path.join(self.top, "backing"), os.path.join(self.top, "mnt")
        os.makedirs(self.mnt)
        os.makedirs(self.backing)
        self.password = os.path.join(self.top, "password")
        with open(self.password, "w", encoding="utf-8") as file:
            file.write("bench\n")
        self.init()
        self.mount()

    def init(self):
        pass

    def mount(self):
        pass

    def umount(self):
        for _ in range(50):
            if subprocess.run(["fusermount3" if shutil.which("fusermount3") else "fusermount",
                               "-u", self.mnt], stderr=subprocess.DEVNULL,
                              check=False).returncode == 0:
                break
            time.sleep(0.1)
        self.wait(False)

    def wait(self, mounted):
        for _ in range(200):
            if (self.mnt in mounts_below(self.top)) == mounted:
                return
            time.sleep(0.05)
        raise SystemExit("%s is%s mounted" % (self.name, " not" if mounted else " still"))

    def cold(self):
        self.umount()
        drop_caches()
        self.mount()

    def daemons(self):
        """Process IDs of who serves the mount: those that name it, or what is below it."""
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open("/proc/%s/cmdline" % pid, "rb") as file:
                    words = file.read().split(b"\0")
            except OSError:
                continue
            if os.fsencode(self.mnt) in words and int(pid) != os.getpid():
                yield pid

    def daemon_seconds(self):
        ticks = 0
        for pid in self.daemons():
            try:
                with open("/proc/%s/stat" % pid, encoding="ascii", errors="replace") as file:
                    ticks += sum(map(int, file.read().rsplit(")", 1)[1].split()[11:13]))
            except OSError:
                pass
        return ticks / os.sysconf("SC_CLK_TCK")

    def daemon_peak(self):
        """The most memory that the largest of them has had, MiB."""
        peak = 0
        for pid in self.daemons():
            try:
                with open("/proc/%s/status" % pid, encoding="ascii", errors="replace") as file:
                    peak = max([peak] + [int(line.split()[1]) for line in file
                                         if line.startswith("VmHWM")])
            except OSError:
                pass
        return peak / 1024

    def stored(self):
        """MiB on the backing store."""
        return int(run("du", "-sk", self.backing).split()[0]) / 1024


class Raw(System):
    def __init__(self, name, top, options):
        super().__init__(name, top, options)
        self.mnt = self.backing

    def umount(self):
        pass

    def wait(self, mounted):
        pass

    def daemons(self):
        return ()


class Cmkfs(System):
    cipher = "gcm"
    way = ()    # options

    def init(self):
        self.env = dict(os.environ, CMKFS_STATE_DIR=os.path.join(self.top, "state"),
                        CMKFS_CONFIG="/dev/null")
        os.mkdir(self.env["CMKFS_STATE_DIR"], 0o700)
        run(CMKFS, "init", "--cipher", self.cipher, self.backing, env=self.env)

    def mount(self):
        words = [*self.way, *filter(None, [self.options.options])]
        extra = ["-o", ",".join(words)] if words else []
        run(CMKFS, "mount", *extra, self.backing, self.mnt, env=self.env)

    def umount(self):
        run(CMKFS, "umount", self.mnt, env=self.env)


class CmkfsXts(Cmkfs):
    cipher = "xts"


class CmkfsNowriteback(Cmkfs):
    way = ("nowriteback",)


class CmkfsUring(Cmkfs):
    way = ("io_uring",)

    def init(self):
        with open("/sys/module/fuse/parameters/enable_uring", encoding="ascii") as file:
            if file.read(1) != "Y":
                raise OSError("FUSE over io_uring is not enabled")
        super().init()

    def mount(self):
        super().mount()
        if "io_uring\n" not in run(CMKFS, "status", self.mnt, env=self.env):
            raise OSError("the mount does not use io_uring")


class Gocryptfs(System):
    program = "gocryptfs"

    def init(self):
        run(self.program, "-q", "-init", "-passfile", self.password, "-scryptn", "10", self.backing)
        known = run(self.program, "-hh")
        self.extra = [o for o in ("-kernel_cache",) if o in known]

    def mount(self):
        run(self.program, "-q", *self.extra, "-passfile", self.password, self.backing, self.mnt)
        self.wait(True)


class Encfs(System):
    program = "encfs"

    def mount(self):
        run(self.program, "--standard", "-S", self.backing, self.mnt, input="bench\n")
        self.wait(True)


class Securefs(System):
    program = "securefs"

    def init(self):
        run(self.program, "create", "--format", "4", "--pass", "bench", "--rounds", "1",
            self.backing)      # 4 is "lite"

    def mount(self):
        run(self.program, "mount", "-b", "--pass", "bench", self.backing, self.mnt)
        self.wait(True)


class Cryfs(System):
    program = "cryfs"

    def mount(self):
        run(self.program, self.backing, self.mnt, input="bench\n", env=dict(
            os.environ, CRYFS_FRONTEND="noninteractive", CRYFS_NO_UPDATE_CHECK="true",
            CRYFS_LOCAL_STATE_DIR=os.path.join(self.top, "state")))
        self.wait(True)


class Passthrough(System):
    """libfuse's example: what FUSE alone costs."""
    program = "passthrough_ll"

    def mount(self):
        run(self.program, "-o", "source=%s,cache=always,writeback" % self.backing, self.mnt)
        self.wait(True)


SYSTEMS = {"raw": Raw, "cmkfs": Cmkfs, "cmkfs-xts": CmkfsXts,
           "cmkfs-nowriteback": CmkfsNowriteback, "cmkfs-uring": CmkfsUring,
           "gocryptfs": Gocryptfs, "encfs": Encfs,
           "securefs": Securefs, "cryfs": Cryfs, "passthrough": Passthrough}


def add_peer(name, program):
    """PROGRAM is that of the system NAME, or of another of its kind if NAME has an ending."""
    kind = SYSTEMS.get(name) or SYSTEMS[name.split("-")[0]]
    SYSTEMS[name] = type(kind.__name__, (kind,), {"program": program})


OURS = ("cmkfs", "cmkfs-xts", "cmkfs-nowriteback", "cmkfs-uring")
NO_PEERS = OURS + ("raw", "passthrough")


def drop_caches():
    os.sync()
    try:
        with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as file:
            file.write("3")
    except OSError:
        pass
