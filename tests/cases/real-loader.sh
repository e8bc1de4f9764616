#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A loader as training programs have it: eight worker processes, shuffled
# epochs, half of the samples by read and half by mmap, each batch checked by
# its checksum; a ninth process writes checkpoints meanwhile.
. "$(dirname "$0")/../lib/case.sh"

cat >loader.py <<'EOPY'
import hashlib, json, mmap, multiprocessing as mp, os, random, sys

WORKERS = 8

def sample(path, by_map):
    fd = os.open(path, os.O_RDONLY)
    try:
        n = os.fstat(fd).st_size
        if by_map and n:
            with mmap.mmap(fd, n, prot=mmap.PROT_READ) as m:
                return hashlib.sha256(m).hexdigest()
        out = hashlib.sha256()
        while piece := os.read(fd, 65536):
            out.update(piece)
        return out.hexdigest()
    finally:
        os.close(fd)

def worker(top, tasks, results):
    for batch in iter(tasks.get, None):
        results.put([(k, sample("%s/%04d" % (top, k), k & 1)) for k in batch])

def checkpoint(top, stop, results):
    k = 0
    while not stop.is_set():
        data = random.Random(k).randbytes(2_000_000)
        with open(top + "/ckpt.tmp", "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.rename(top + "/ckpt.tmp", top + "/ckpt")
        with open(top + "/ckpt", "rb") as file:
            assert file.read() == data
        k += 1
    results.put(k)

def epoch(top, wanted, seed):
    order = list(range(len(wanted)))
    random.Random(seed).shuffle(order)
    tasks, results, stop, saved = mp.Queue(), mp.Queue(), mp.Event(), mp.Queue()
    batches = [order[at:at + 32] for at in range(0, len(order), 32)]
    for batch in batches:
        tasks.put(batch)
    workers = [mp.Process(target=worker, args=(top, tasks, results)) for _ in range(WORKERS)]
    writer = mp.Process(target=checkpoint, args=(top, stop, saved))
    for process in workers + [writer]:
        process.start()
    seen = {}
    for _ in batches:
        seen.update(results.get(timeout=100))
    for _ in workers:
        tasks.put(None)
    stop.set()
    for process in workers + [writer]:
        process.join()
        assert process.exitcode == 0, process
    bad = [k for k in order if seen[k] != wanted[k]]
    assert not bad, "%d samples differ: %s" % (len(bad), bad[:9])
    print("epoch %d: %d samples alike, %d checkpoints" % (seed, len(seen), saved.get()))

verb, top, epochs, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
if verb == "make":
    r, wanted = random.Random(3), []
    for k in range(count):
        data = r.randbytes(r.choice((100, 3000, 20000, 20000, 150000, 600000 if k % 50 == 0 else 9000)))
        with open("%s/%04d" % (top, k), "wb") as file:
            file.write(data)
        wanted.append(hashlib.sha256(data).hexdigest())
    with open("wanted.json", "w") as file:
        json.dump(wanted, file)
with open("wanted.json") as file:
    wanted = json.load(file)
for k in range(epochs):
    epoch(top, wanted, k)
EOPY
count=1500
[ -z "${CMKFS_LONG:-}" ] || count=9000
one() { # CIPHER
	mkvol "vol-$1" --cipher "$1" 2>/dev/null
	domount "vol-$1" "mnt-$1"
	python3 loader.py make "mnt-$1" 2 $count
	doumount "mnt-$1"
	domount "vol-$1" "mnt-$1" -o noatime
	python3 loader.py read "mnt-$1" 2 $count
	doumount "mnt-$1"
}
one gcm
one xts
