#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# numpy arrays on a mount: np.save, np.memmap in all modes, and what several
# processes write through shared maps.
. "$(dirname "$0")/../lib/case.sh"
py=""
for p in python3 /usr/bin/python3; do
	"$p" -c 'import numpy' 2>/dev/null && py=$p && break
done
[ -n "$py" ] || skip "numpy is not installed (python3-numpy)"

cat >work.py <<'EOPY'
import os, sys, numpy as np
verb, top = sys.argv[1:3]
r = np.random.default_rng(1)
shape = (1500, 64, 64)
wanted = r.random(shape, dtype=np.float32)
if verb == "write":
    np.save(top + "/saved.npy", wanted)
    np.savez_compressed(top + "/zipped.npz", a=wanted[:50], b=np.arange(1000))
    m = np.memmap(top + "/map.bin", dtype=np.float32, mode="w+", shape=shape)
    children = []
    for k in range(4):          # each writes its own rows, not page by page
        pid = os.fork()
        if pid == 0:
            m[k::4] = wanted[k::4]
            m.flush()
            os._exit(0)
        children.append(pid)
    for pid in children:
        assert os.waitpid(pid, 0)[1] == 0
    assert (m == wanted).all()
    m[3, :, 7] += 1             # changed in place, and back, without a flush
    m[3, :, 7] = wanted[3, :, 7]
    del m
    c = np.memmap(top + "/map.bin", dtype=np.float32, mode="c", shape=shape)
    c[:] = 0                    # private: must not reach the file
    assert (np.fromfile(top + "/map.bin", dtype=np.float32).reshape(shape) == wanted).all()
assert (np.load(top + "/saved.npy") == wanted).all()
assert (np.load(top + "/saved.npy", mmap_mode="r")[::7] == wanted[::7]).all()
assert (np.load(top + "/zipped.npz")["a"] == wanted[:50]).all()
m = np.memmap(top + "/map.bin", dtype=np.float32, mode="r", shape=shape)
index = r.permutation(shape[0])
assert (m[index] == wanted[index]).all()
assert abs(float(m.sum(dtype=np.float64)) - float(wanted.sum(dtype=np.float64))) < 1e-3
print("%d MiB alike" % (m.nbytes >> 20))
EOPY
one() { # CIPHER
	mkvol "vol-$1" --cipher "$1" 2>/dev/null
	domount "vol-$1" "mnt-$1"
	"$py" work.py write "mnt-$1"
	doumount "mnt-$1"
	domount "vol-$1" "mnt-$1"
	"$py" work.py read "mnt-$1"
	doumount "mnt-$1"
}
one gcm
one xts
