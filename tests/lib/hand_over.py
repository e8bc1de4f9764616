#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""hand_over.py DIR SECONDS: readers of single pages, who make the lanes of a processor gather
(fs/mount/uring_crew.c), beside a reader of all at once and a writer who syncs, who make them
spread again, so that buffers go from lane to lane all the time.  Who is locked out, as everybody
is to be a few times, asks again.  Each must get what he asked for.  Said at the end: how many
requests and how many refusals."""
import os
import random
import sys
import time

PAGE, PAGES, READERS = 4096, 1024, 6


def page(i):
    text = b"a canary of the plaintext, page %d\n" % i
    return (text * (PAGE // len(text) + 1))[:PAGE]


def check(got, first, pages):
    for n in range(len(got) // PAGE):
        if got[n * PAGE:(n + 1) * PAGE] != page(first + n):
            sys.exit("page %d is another one's, or nobody's: %r" % (first + n, got[n * PAGE:][:64]))
    if not got or pages == 1 and len(got) != PAGE:
        sys.exit("page %d: %d bytes" % (first, len(got)))
    if len(got) != pages * PAGE:
        raise OSError("ended early, as a lock may end it")


def read_pages(fd, r, end):
    n = 0
    while n < 2000 and time.monotonic() < end:
        i = r.randrange(PAGES)
        check(os.pread(fd, PAGE, i * PAGE), i, 1)
        os.posix_fadvise(fd, i * PAGE, PAGE, os.POSIX_FADV_DONTNEED)
        n += 1
    return n


def read_all(fd, _r, _end):
    time.sleep(0.02)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    check(os.pread(fd, PAGE * PAGES, 0), 0, PAGES)
    return 1


def write_and_sync(fd, r, _end):
    time.sleep(0.01)
    i = r.randrange(PAGES)
    os.pwrite(fd, page(i), i * PAGE)
    os.fsync(fd)
    return 1


def work(what, path, seed, end):
    r, done, refused = random.Random(seed), 0, 0
    while time.monotonic() < end:
        try:
            fd = os.open(path, os.O_RDWR)
            try:
                while time.monotonic() < end:
                    done += what(fd, r, end)
            finally:
                os.close(fd)
        except OSError:
            refused += 1
            time.sleep(0.01)
    return done, refused


def main():
    path, end = os.path.join(sys.argv[1], "pages"), time.monotonic() + float(sys.argv[2])
    with open(path, "wb") as f:
        f.write(b"".join(map(page, range(PAGES))))
    ours, theirs = os.pipe()
    ways = [read_pages] * READERS + [read_all, write_and_sync]
    for seed, what in enumerate(ways):
        if os.fork() == 0:
            os.write(theirs, b"%s %d %d\n" % (what.__name__.encode(), *work(what, path, seed, end)))
            os._exit(0)
    bad = sum(os.wait()[1] != 0 for _ in ways)
    lines = os.read(ours, 4096).decode().splitlines()
    for name in sorted({w.__name__ for w in ways}):
        mine = [line.split() for line in lines if line.startswith(name + " ")]
        done, refused = (sum(int(m[k]) for m in mine) for k in (1, 2))
        print(name, done, refused)
        if done < 10 or not refused:
            sys.exit("too few to have met any change")
    sys.exit(bool(bad))


main()
