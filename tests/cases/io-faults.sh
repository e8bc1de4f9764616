# SPDX-License-Identifier: Apache-2.0
# No request waits for another one: sixty-four threads fault over a map of a
# file that does not fit into what two workers hold, and all of them go on;
# what they read is what was written.
. "$(dirname "$0")/../lib/case.sh"
need_fuse
gib=1 seconds=3
[ -z "${CMKFS_LONG:-}" ] || gib=8 seconds=30

mkvol vol
domount vol mnt -o threads=2
cat >fill.py <<'PY'
import sys
# Each 16 MiB one page that tells where it is, and the last one; holes between.
gib = int(sys.argv[1])
with open("mnt/big", "wb") as f:
    f.truncate(gib << 30)
    for at in list(range(0, gib << 30, 16 << 20)) + [(gib << 30) - 4096]:
        f.seek(at)
        f.write(at.to_bytes(8, "little") * 512)
PY
python3 fill.py $gib
for pass in cold warm; do
	[ $pass = warm ] || { doumount mnt && domount vol mnt -o threads=2; }
	rate=$(timeout $((seconds + 60)) "$O/bench/load" mmap mnt/big $seconds 64) || fail "$pass: faults hang"
	echo "$pass: ${rate%.*} faults a second by 64 threads over $gib GiB"
done
timeout 120 python3 - $gib <<'PY' || fail "a page of the map is not what was written"
import mmap, sys
gib = int(sys.argv[1])
with open("mnt/big", "rb") as f:
    m = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)
    for at in list(range(0, gib << 30, 16 << 20)) + [(gib << 30) - 4096]:
        assert m[at:at + 4096] == at.to_bytes(8, "little") * 512, at
        if at + 4096 < gib << 30:
            assert not any(m[at + 4096:at + 8192]), at
PY
doumount mnt
