# SPDX-License-Identifier: Apache-2.0
"""Helpers of `make demo`: pick files, hold and read them during a lockout, search for plaintext."""
import ctypes
import errno
import mmap
import os
import signal
import subprocess
import sys
import time


def now():
    return time.clock_gettime(time.CLOCK_MONOTONIC)


def files_below(top):
    for base, dirs, names in os.walk(top):
        dirs.sort()
        for name in sorted(names):
            path = os.path.join(base, name)
            if os.path.isfile(path) and not os.path.islink(path):
                yield path


def pick(limit=120, max_bytes=4 << 20):
    """Print a few hundred real pictures, texts and binaries of this machine."""
    kinds = [
        (("/usr/share", "/usr/lib"), (".png", ".jpg", ".jpeg", ".gif", ".svg", ".ico", ".webp")),
        (("/usr/share/common-licenses", "/usr/share/doc", "/usr/share/perl", "/usr/lib/python3"),
         (".txt", ".md", ".html", ".py", ".pm", "copyright", "GPL-3", "Apache-2.0", "LGPL-3")),
        (("/usr/bin", "/usr/lib"), None),
    ]
    for tops, ends in kinds:
        count = 0
        for top in tops:
            for path in files_below(top):
                size = os.path.getsize(path)
                if not 64 <= size <= max_bytes or (ends and not path.endswith(ends)):
                    continue
                if not os.access(path, os.R_OK):
                    continue
                print(path)
                count += 1
                if count >= limit:
                    break
            if count >= limit:
                break


def attempt(what, call):
    """Say what one attempt got."""
    try:
        call()
        result = "worked"
    except OSError as e:
        result = f"{errno.errorcode.get(e.errno, e.errno)} ({os.strerror(e.errno)})"
    print(f"    {what:<44} {result}")


class Clock:
    """A time in memory shared with children: of the last read that worked."""

    def __init__(self):
        self.map = mmap.mmap(-1, 8)
        self.value = ctypes.c_double.from_buffer(self.map)

    def tick(self):
        self.value.value = now()

    def get(self):
        return self.value.value


def child(body):
    pid = os.fork()
    if pid:
        return pid
    try:
        body()
    finally:
        os._exit(0)


def keep_reading_fd(fd, clock):
    size = os.fstat(fd).st_size
    try:
        while True:
            for off in range(0, size, 4096):
                os.pread(fd, 64, off)
                clock.tick()
    except OSError:
        pass


def keep_reading_map(fd, clock):
    m = mmap.mmap(fd, 0, prot=mmap.PROT_READ)
    while True:
        for off in range(0, len(m), 4096):
            m[off]
            clock.tick()


def lockout(mnt, disable):
    """Hold files open and mapped, run DISABLE in another process, say what happened."""
    paths = sorted(files_below(mnt), key=os.path.getsize)
    big, small = paths[-1], paths[0]
    fds = [os.open(p, os.O_RDONLY) for p in paths]
    for fd in fds:
        while os.read(fd, 1 << 20):
            pass
    dirfd = os.open(mnt, os.O_RDONLY | os.O_DIRECTORY)
    big_fd = os.open(big, os.O_RDONLY)
    by_fd, by_map = Clock(), Clock()
    readers = [child(lambda: keep_reading_fd(big_fd, by_fd)),
               child(lambda: keep_reading_map(big_fd, by_map))]
    while not by_fd.get() or not by_map.get():
        time.sleep(0.01)
    print(f"  A reader holds {len(fds)} files open, all of them cached, and two processes read the")
    print(f"  biggest one ({os.path.getsize(big):,} bytes) without pause, by read(2) and by a memory map.")
    print(f"  $ {' '.join(disable)}")
    start = now()
    subprocess.run(disable, check=True, stdout=subprocess.DEVNULL)
    took = now() - start
    ends = []
    limit = now() + 5
    while len(ends) < 2 and now() < limit:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid:
            ends.append((pid, status))
        else:
            time.sleep(0.001)
    for pid in readers:
        if pid not in [p for p, _ in ends]:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            sys.exit("demo: a reader was still reading after 5 s")
    by_signal = {p: os.WTERMSIG(s) for p, s in ends if os.WIFSIGNALED(s)}
    last_fd, last_map = by_fd.get() - start, by_map.get() - start
    print(f"  The command itself took {took * 1000:.0f} ms.  Counted from its start, the last byte was read")
    print(f"    by read(2)      after {last_fd * 1000:4.0f} ms")
    print(f"    by the map      after {last_map * 1000:4.0f} ms"
          + (f", then the process got {signal.Signals(by_signal[readers[1]]).name}"
             if readers[1] in by_signal else ""))
    print("  Now every attempt, on what was open and cached before:")
    attempt("read(2) on a descriptor that was open", lambda: os.pread(fds[0], 64, 0))
    attempt("fstat(2) of it", lambda: os.fstat(fds[0]))
    attempt("open a file", lambda: os.open(small, os.O_RDONLY))
    attempt("list the directory", lambda: os.listdir(mnt))
    attempt("list by a descriptor that was open", lambda: os.listdir(dirfd))
    attempt("write a new file", lambda: os.open(os.path.join(mnt, "new"), os.O_CREAT | os.O_WRONLY))
    still = sum(1 for fd in fds if readable(fd))
    print(f"    descriptors that still give a byte           {still} of {len(fds)}")
    if still or max(last_fd, last_map) - took > 1:
        sys.exit("demo: the lockout did not hold")


def readable(fd):
    try:
        return bool(os.pread(fd, 1, 0))
    except OSError:
        return False


def needles(top, count=40):
    """Byte strings from the middle of files, and names long enough to mean something."""
    strings, names = {}, set()
    paths = list(files_below(top))
    for path in paths:
        if len(os.path.basename(path)) >= 8:
            names.add(os.path.basename(path).encode())
    for path in paths[:: max(1, len(paths) // count)]:
        with open(path, "rb") as f:
            f.seek(os.path.getsize(path) // 2)
            s = f.read(32)
        if len(s) == 32 and len(set(s)) >= 8:
            strings[s] = path
    return strings, sorted(names)[:: max(1, len(names) // count)]


def search(source, backing):
    """How many of SOURCE's strings and names occur in the files and names below BACKING."""
    strings, names = needles(source)
    hits = {s: 0 for s in list(strings) + names}
    count, size = 0, 0
    for path in files_below(backing):
        with open(path, "rb") as f:
            data = f.read()
        count, size = count + 1, size + len(data)
        rel = os.path.relpath(path, backing).encode()
        for s in hits:
            if s in data or s in rel:
                hits[s] += 1
    found_strings = sum(1 for s in strings if hits[s])
    found_names = sum(1 for s in names if hits[s])
    return len(strings), found_strings, len(names), found_names, count, size


def report_search(source, backing, expect_none):
    n, found, names, found_names, count, size = search(source, backing)
    print(f"    {count} files, {size:,} bytes: {found} of {n} byte strings, "
          f"{found_names} of {names} names found")
    if expect_none and (found or found_names):
        sys.exit("demo: plaintext in the backing store")
    if not expect_none and (found < n or found_names < names):
        sys.exit("demo: the search does not find what is there")


if __name__ == "__main__":
    verb, args = sys.argv[1], sys.argv[2:]
    if verb == "pick":
        pick()
    elif verb == "lockout":
        lockout(args[0], args[1:])
    elif verb == "search":
        report_search(args[0], args[1], args[2] == "none")
