# SPDX-License-Identifier: Apache-2.0
# Deployments in zones, through locked and unlocked zones above; beside locks
# and unlocks without pause; without the kernel's writeback cache; of XTS.
. "$(dirname "$0")/../lib/case.sh"
need_fuse

mkvol vol
key_vaults vol root a b
cmkfs key set vol local://root/keys/k >/dev/null
printf '[mount]\nallow-deployments = yes\n' >>"$CMKFS_CONFIG"
domount vol mnt -o nowriteback
mkdir -p mnt/up/a mnt/up/b
for z in a b; do
	cmkfs zone create --key local://$z/keys/k mnt/up/$z >/dev/null
	mkdir -p mnt/up/$z/live/in mnt/up/$z/dead
	head -c 700000 /dev/urandom >mnt/up/$z/live/in/file
	echo dead >mnt/up/$z/dead/file
done
cp mnt/up/a/live/in/file want
echo root >mnt/up/file
r=EKEYREVOKED n=ENOKEY
deny() { cmkfs vault key disable local://$1/keys/k >/dev/null; }
allow() { cmkfs vault key enable local://$1/keys/k >/dev/null; }
state() { # of the zone that begins at
	cmkfs status --json mnt | json '[z["errno"] or z["state"] for z in d["zones"] if (z["path"] or "") == "'"$1"'" or ("'"$1"'" == "." and not z["parent"])][0]'
}
is() {
	[ "$(state "$1")" = "$2" ]
}
a=$(cmkfs zone list --json mnt | json '[z["zone"] for z in d if z["path"] == "up/a"][0]')
a_is() {
	[ "$(cmkfs status --json mnt | json '[z["state"] for z in d["zones"] if z["zone"] == "'"$a"'"][0]')" = "$1" ]
}
good() {
	cmp mnt/up/a/live/in/file want || fail "$*"
	[ "$(ls mnt/up/a/live mnt/up/a/live/in | tr '\n' ' ')" = "mnt/up/a/live: in  mnt/up/a/live/in: file " ] || fail "listing: $*"
}
expect_error 2 'another zone begins in it' cmkfs deploy create mnt up
expect_error 2 'another zone begins in it' cmkfs deploy create mnt .
cmkfs deploy create mnt up/a/live >/dev/null 2>&1
good "unlocked"

# ---- its zone locked: through an unlocked one
deny a
wait_for 2 is up/a $r
good "zone a locked"
expect_errno $r open mnt/up/a/dead/file
expect_errno $r list mnt/up/a
expect_errno EROFS write mnt/up/a/live/in/file
[ "$(cat mnt/up/file mnt/up/b/dead/file)" = $'root\ndead' ] || fail "other zones"
ls -l mnt/up >/dev/null || fail "the directory above"

# ---- the zone above locked, too
cmkfs lock --zone 0 mnt >/dev/null
good "both locked"
expect_errno $n list mnt/up
expect_errno $n stat mnt/up/file
expect_errno $n stat mnt/up/b
allow a
wait_for 2 a_is unlocked
good "the zone above locked"
expect_errno ok open mnt/up/a/dead/file # of an unlocked zone, by a way that is known
expect_errno $n stat mnt/up/file
cmkfs unlock --zone 0 mnt
good "all unlocked"
[ "$(cat mnt/up/a/dead/file)" = dead ] || fail "the rest of zone a"

# ---- a destroyed zone takes its deployments along
cmkfs deploy create mnt up/b/live/in/file >/dev/null 2>&1
exec 8<mnt/up/b/live/in/file
deny b
wait_for 2 is up/b $r
[ "$(wc -c <mnt/up/b/live/in/file)" = 700000 ] || fail "a file deployed alone"
expect_errno $r list mnt/up/b/live/in
cmkfs zone destroy --yes mnt up/b
[ "$(cmkfs deploy list --json mnt | json 'len(d)')" = 1 ] || fail "$(cmkfs deploy list mnt)"
! cat <&8 >/dev/null 2>&1 || fail "a file of a destroyed zone"
exec 8<&-

# ---- locks and unlocks without pause: who reads it notices nothing, and no byte is wrong
cat >readers.py <<'PY'
import mmap, os, sys, time
want = open("want", "rb").read()
end, rounds = time.monotonic() + float(sys.argv[1]), 0
path = "mnt/up/a/live/in/file"
held = os.open(path, os.O_RDONLY)
m = mmap.mmap(held, 0, prot=mmap.PROT_READ)
while time.monotonic() < end:
    fd = os.open(path, os.O_RDONLY)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    assert os.pread(fd, 700000, 0) == want and os.pread(held, 100, 5000) == want[5000:5100]
    assert m[600000:600100] == want[600000:600100] and os.fstat(fd).st_size == 700000
    assert os.listdir("mnt/up/a/live/in") == ["file"]
    os.close(fd)
    rounds += 1
print(rounds)
PY
python3 readers.py 4 >one & one=$!
python3 readers.py 4 >two & two=$!
rounds=0
while kill -0 $one 2>/dev/null || [ $rounds -lt 3 ]; do
	cmkfs lock --zone up/a mnt >/dev/null
	cmkfs deploy create mnt up/a/dead >/dev/null 2>&1 && fail "deployed while locked"
	cmkfs unlock --zone up/a mnt
	cmkfs deploy create mnt up/a/dead >/dev/null 2>&1
	cmkfs lock mnt >/dev/null
	[ "$(cat mnt/up/a/dead/file)" = dead ] || fail "another deployment"
	cmkfs deploy delete mnt up/a/dead
	expect_errno $n stat mnt/up/a/dead
	cmkfs unlock mnt
	rounds=$((rounds + 1))
done
wait $one && wait $two || fail "a reader was disturbed"
echo "$rounds rounds of two locks each beside $(cat one) and $(cat two) rounds of reading"
doumount mnt
cmkfs verify vol >/dev/null

# ---- XTS
mkvol xts --cipher xts --key local://root/keys/k 2>/dev/null || {
	principal=$(cmkfs identity show --json xts | json 'd["principal"]')
	cmkfs vault policy set root "$principal" get,wrapKey,unwrapKey >/dev/null
	cmkfs key set xts local://root/keys/k >/dev/null
}
domount xts mnt
mkdir mnt/up
cp want mnt/up/file
echo x >mnt/file
cmkfs deploy create mnt up >/dev/null 2>&1
cmkfs lock mnt >/dev/null
cmp mnt/up/file want || fail "XTS"
expect_errno $n open mnt/file
expect_errno EROFS write mnt/up/file
doumount mnt
