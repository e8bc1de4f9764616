#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A read-only mount beside the one that writes the volume: what it reads is what
# was written since its open, chunk by chunk, never an error of a healthy file;
# files published by rename are whole; an open(2) sees what was fsynced before it.
. "$(dirname "$0")/../lib/case.sh"
need_fuse
seconds=${CMKFS_LONG:-8}

mkvol vol
domount vol rw
domount vol ro -o ro
domount vol ro2 -o ro
mkdir rw2
expect_error 6 "mounted at $CASE_DIR/rw" cmkfs mount vol rw2

# From one mount to the other, at once.
python3 - <<'PY' || fail "close-to-open"
import os, time
def put(name, data, sync):
    with open(name, "wb") as f:
        f.write(data)
        f.flush()
        if sync:
            os.fsync(f.fileno())
for n in range(150):
    data = b"%d," % n * (n * 97 % 3000)
    put("rw/synced", data, True)
    assert open("ro/synced", "rb").read() == data, n
    put("rw/new", data, False)
    os.rename("rw/new", "rw/renamed")
    assert open("ro/renamed", "rb").read() == data, n
    put("rw/fresh%d" % n, b"fresh", False)
    got = open("ro/fresh%d" % n, "rb").read()
    assert got in (b"", b"fresh"), got
    os.stat("ro2/fresh%d" % n)
    os.unlink("rw/fresh%d" % n)
    try:
        open("ro/fresh%d" % n)
    except FileNotFoundError:
        pass
    else:
        raise SystemExit("it is still there")
# One descriptor sees the file grow, under any name, and after its end.
with open("rw/log", "ab", buffering=0) as log:
    log.write(b"one\n")
    os.fsync(log.fileno())
    fd = os.open("ro/log", os.O_RDONLY)
    os.rename("rw/log", "rw/log.1")
    log.write(b"two\n")
    os.fsync(log.fileno())
    assert open("ro/log.1", "rb").read() == b"one\ntwo\n"
    os.unlink("rw/log.1")
    assert os.read(fd, 100)[:4] == b"one\n"
# One that had nothing on the disk yet when it was opened, moved and removed under its reader.
young = open("rw/young", "wb")
fd = os.open("ro/young", os.O_RDONLY)
os.rename("rw/young", "rw/moved")
young.write(b"young")
young.close()
time.sleep(1.2) # the kernel asks for attributes again
assert os.pread(fd, 100, 0) in (b"", b"young")
os.unlink("rw/moved")
time.sleep(1.2)
assert os.pread(fd, 100, 0) in (b"", b"young")
PY

SEED=${SEED:-$RANDOM} python3 "$TOP/tests/lib/beside.py" "$PWD/rw" "$PWD/ro" "$seconds" ||
	fail "readers beside a writer"
cmkfs audit show vol >audit 2>/dev/null || true
! grep integrity audit || fail "the audit log tells of damage"

# What is damaged is an error as ever, and soon.
head -c 300000 /dev/urandom >rw/damaged
head -c 300000 rw/damaged >whole
sync rw/damaged
ino=$(stat -c %i rw/damaged)
stored=$(find vol/tree -inum "$ino")
head -c 9000 /dev/urandom | dd of="$stored" bs=1 seek=150000 conv=notrunc 2>/dev/null
start=$SECONDS
expect_errno ok read ro/damaged
rc=0
cat ro2/damaged >/dev/null 2>err || rc=$?
[ "$rc" != 0 ] || fail "a damaged file reads"
grep -q 'Input/output error' err || fail "$(cat err)"
[ $((SECONDS - start)) -lt 20 ] || fail "it took $((SECONDS - start)) s"

# The writer dies: what it synced is there.
echo kept >rw/kept
sync rw/kept
kill -9 "$(cmkfs status --json rw | json 'd["pid"]')"
[ "$(cat ro/kept)" = kept ] || fail "not kept"
wait_for 10 eval '! grep -q " $CASE_DIR/rw " /proc/self/mounts || umount -l rw'
doumount ro
doumount ro2
domount vol rw
[ "$(cat rw/kept)" = kept ] || fail "not kept by a mount"
doumount rw
