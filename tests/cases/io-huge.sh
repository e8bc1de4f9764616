#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Sparse files of 16 TiB where the backing filesystem can hold them: written at
# their ends and in the middle, read back after a remount, cut, copied sparse.
. "$(dirname "$0")/../lib/case.sh"

# tmpfs has no limit in the way; ext4 ends below 16 TiB of backing file.
shm=$PWD/shm
mkdir shm
if [ "$(id -u)" = 0 ]; then
	mount -t tmpfs none "$shm"
	_mounts+=("$shm")
fi

cat >huge.py <<'EOPY'
import ctypes, os, sys
verb, path = sys.argv[1:3]
size = int(sys.argv[3])
places = [0, 4095, 1 << 20, (1 << 32) - 5, (1 << 40) + 12345, size // 2 + 77, size - 4096 * 3 - 1, size - 9]
def text(at): return b"at %d" % at
if verb == "write":
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    os.ftruncate(fd, size)
    for at in places:
        os.pwrite(fd, text(at)[:size - at], at)
    os.fsync(fd)
    os.close(fd)
fd = os.open(path, os.O_RDWR)
st = os.fstat(fd)
assert st.st_size == size, st.st_size
assert st.st_blocks < 4000, st.st_blocks
for at in places:
    got = os.pread(fd, len(text(at)), at)
    assert got == text(at)[:size - at], (at, got)
assert not any(os.pread(fd, 1 << 20, size // 3))
# The data is found by SEEK_DATA, chunk by chunk, and nothing else is.
found, at = [], 0
while True:
    try:
        at = os.lseek(fd, at, os.SEEK_DATA)
    except OSError:
        break
    end = os.lseek(fd, at, os.SEEK_HOLE)
    found += range(at // 4096, -(-end // 4096))
    at = end
wanted = sorted({k for p in places for k in (p // 4096, (min(p + len(text(p)), size) - 1) // 4096)})
assert found == wanted, (found, wanted)
if verb == "change":
    os.ftruncate(fd, size // 2 + 79)
    assert os.pread(fd, 100, size // 2 + 77) == text(size // 2 + 77)[:2]
    os.ftruncate(fd, size)
    assert os.pread(fd, 100, size // 2 + 77) == text(size // 2 + 77)[:2] + bytes(98)
    assert os.pread(fd, 9, size - 9) == bytes(9)
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.fallocate(fd, 3, ctypes.c_int64(0), ctypes.c_int64(size)) == 0
    assert os.pread(fd, 5, 0) == bytes(5) and os.fstat(fd).st_size == size
    assert os.fstat(fd).st_blocks < 100, os.fstat(fd).st_blocks
print(verb, size >> 40, "TiB,", st.st_blocks, "blocks")
EOPY

one() { # CIPHER
	local size=$((16 << 40)) f="mnt-$1/huge"
	mkvol "$shm/vol-$1" --cipher "$1" 2>/dev/null
	domount "$shm/vol-$1" "mnt-$1"
	truncate -s $size "$f" 2>/dev/null || size=$((15 << 40))
	rm -f "$f"
	python3 huge.py write "$f" $size
	doumount "mnt-$1"
	domount "$shm/vol-$1" "mnt-$1"
	python3 huge.py read "$f" $size
	timeout 60 tar -C "mnt-$1" -S -cf "copy-$1.tar" huge
	[ "$(stat -c %s "copy-$1.tar")" -lt 1000000 ] || fail "$1: tar -S found more than there is"
	rm "$f"
	timeout 60 tar -C "mnt-$1" -Sxf "copy-$1.tar"
	python3 huge.py read "$f" $size
	python3 huge.py change "$f" $size
	doumount "mnt-$1"
	domount "$shm/vol-$1" "mnt-$1"
	[ "$(stat -c %s "$f")" = $size ] || fail "$1: another size after a remount"
	rm "$f"
	doumount "mnt-$1"
}
one gcm
one xts
if is_mounted "$shm"; then umount "$shm"; fi
