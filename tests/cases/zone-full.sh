#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A directory with files becomes a zone while it is used: nothing that is open
# notices; what is interrupted, by whatever, goes on; at the end nothing in it
# is under a key of the zone above.
. "$(dirname "$0")/../lib/case.sh"
. "$TOP/tests/lib/customer.sh"
need_fuse
need openssl

kills=4 files=60
[ -z "${CMKFS_LONG:-}" ] || kills=50 files=3000
customer_key
mkvol vol --key local://customer/keys/k
key_vaults vol b
zone_of() { # of d: its ID
	cmkfs zone list --json mnt | json '[z["zone"] for z in d if z["path"] == "d"][0]'
}
left() { # slots of headers in d that are of the zone above
	python3 "$TOP/tests/lib/zone_full.py" left vol "$(zone_of)"
}
both_locked() {
	[ "$(cmkfs status --json mnt | json '{z["state"] for z in d["zones"]}')" = "{'locked'}" ]
}
domount vol mnt
mkdir -p mnt/d/sub/deep mnt/beside
python3 - mnt/d $files <<'PY'
import os, random, sys
r = random.Random(2)
for n in range(int(sys.argv[2])):
    with open("%s/%s/f%d" % (sys.argv[1], ("", "sub", "sub/deep")[n % 3], n), "wb") as file:
        file.write(r.randbytes(600000 if n % 10 == 5 else r.choice((0, 1, 3000, 20000, 5000))))
    if n % 4 == 0:
        os.setxattr(file.name, "user.n", b"%d" % n)
PY
ln mnt/d/f0 mnt/d/sub/link
ln -s ../f0 mnt/d/sub/symlink
mkfifo mnt/d/fifo
echo beside >mnt/beside/file
python3 "$TOP/tests/lib/tree.py" save mnt/d tree.json
same() {
	python3 "$TOP/tests/lib/tree.py" compare mnt/d tree.json || fail "$1"
}

# ---- what cannot become one, with the reason; nothing is left of the attempt
ln mnt/d/f3 mnt/beside/link
expect_error 2 'another name outside' cmkfs zone create --key local://b/keys/k mnt/d
rm mnt/beside/link
mkdir mnt/d/inner
cmkfs zone create --key local://b/keys/k mnt/d/inner >made
expect_error 6 'another zone begins' cmkfs zone create --key local://b/keys/k mnt/d
cmkfs zone destroy --yes mnt "$(sed -n 's/^zone: //p' made)"
[ "$(cmkfs zone list --json mnt | json 'len(d)')" = 1 ] || fail "zones: $(cmkfs zone list mnt)"

# ---- while it is used, slowly, and stopped in the middle
exec 8<mnt/d/f6
python3 "$TOP/tests/lib/zone_full.py" use "$PWD/mnt/d" 3 >used &
user=$!
cmkfs zone create --key local://b/keys/k --bandwidth 100K --progress json mnt/d >made 2>said &
creating=$!
wait_for 10 grep -q objects said
cmkfs key rotate --stop vol >/dev/null
rc=0
wait $creating || rc=$?
[ $rc = 9 ] || fail "stopped: status $rc: $(cat said)"
[ "$(left)" != 0 ] || fail "nothing is left to be done already"
z=$(zone_of)
cat <&8 >/dev/null || fail "a file that was open"
exec 8<&-
cmkfs zone list --json mnt | json '[z["takes_over"] for z in d]' | grep -qx '\[False, True\]' ||
	fail "$(cmkfs zone list --json mnt)"

wait $user || fail "who used it: $(cat used)"
rm -rf mnt/d/used* mnt/d/moved
same "half-way it is another"

# Half-way: it opens by both keys, is locked by either, and gives nothing up.
expect_error 6 'takes files over' cmkfs zone destroy --yes mnt "$z"
expect_error 1 'takes files over' cmkfs key rotate --generation vol
cmkfs vault key disable "$kid"
wait_for 5 bash -c '! cat mnt/d/f3'
expect_errno EKEYREVOKED read mnt/d/f3
cmkfs vault key enable "$kid"
wait_for 5 cat mnt/d/f3
cmkfs vault key disable local://b/keys/k
wait_for 5 bash -c '! cat mnt/d/f3'
[ "$(cat mnt/beside/file)" = beside ] || fail "the zone above was locked, too"
cmkfs vault key enable local://b/keys/k
wait_for 5 cat mnt/d/f3
for last in "$kid" local://b/keys/k; do # whichever comes back first waits for the other
	cmkfs vault key disable "$kid"
	cmkfs vault key disable local://b/keys/k
	wait_for 5 both_locked
	for key in "$kid" local://b/keys/k; do
		[ "$key" = "$last" ] || cmkfs vault key enable "$key"
	done
	expect_errno EKEYREVOKED read mnt/d/f3
	cmkfs vault key enable "$last"
	wait_for 5 cat mnt/d/f3
done

# ---- the daemon is killed again and again
for n in $(seq $kills); do
	cmkfs zone create --key local://b/keys/k --bandwidth 100K mnt/d >/dev/null 2>&1 &
	creating=$!
	sleep 0.$((RANDOM % 6))
	pid=$(cmkfs status --json mnt | json 'd["pid"]')
	kill -9 "$pid"
	wait $creating || true
	wait_for 10 bash -c '! kill -0 '"$pid"' 2>/dev/null || grep -q zombie /proc/'"$pid"'/status'
	umount -l mnt 2>/dev/null || fusermount3 -uz mnt 2>/dev/null || true
	wait_for 10 cmkfs mount vol mnt
	wait_for 5 cat mnt/d/f3
	alike_but_times mnt/d tree.json "after kill $n"
done
doumount mnt
cmkfs fsck vol >/dev/null || fail "fsck half-way: $(cmkfs fsck vol)"
expect_error 6 'takes files over' cmkfs zone destroy --yes vol "$z"
cmkfs key check vol >/dev/null || fail "key check"
domount vol ro -o ro
cat ro/d/f3 >/dev/null || fail "a read-only mount half-way"
doumount ro

# ---- the end, and the proof
domount vol mnt
python3 "$TOP/tests/lib/zone_full.py" use "$PWD/mnt/d" 2 >used &
user=$!
cmkfs zone create --key local://b/keys/k mnt/d >made
grep -q '^all is under generation 2' made || fail "$(cat made)"
wait $user || fail "who used it: $(cat used)"
rm -rf mnt/d/used* mnt/d/moved
sync -f mnt
[ "$(left)" = 0 ] || fail "$(left) headers are of the zone above"
cmkfs zone list --json mnt | json '[z["takes_over"] for z in d]' | grep -qx '\[False, False\]' ||
	fail "$(cmkfs zone list --json mnt)"
alike_but_times mnt/d tree.json "another tree"
cmkfs key rotate --generation vol >/dev/null
[ "$(cmkfs key show --json vol | json 'sum(s["zone"] == "0" for s in d)')" = 1 ] || fail "$(cmkfs key show vol)"
cmkfs vault key disable "$(cmkfs key show --json vol | json 'd[0]["uri"]')"
wait_for 5 bash -c '! ls mnt/beside'
cmkfs vault key enable local://customer/keys/k
wait_for 5 ls mnt
expect_error 6 'begins there already' cmkfs zone create --key local://b/keys/k mnt/d
grep -q 'zone.create.*with files' <(cmkfs audit show vol) || fail "not on record"
[ "$(cmkfs audit show --json --event zone.create vol | json "{a['actor']['pid'] == $(cmkfs status --json mnt | json 'd["pid"]') for a in d}")" = "{False}" ] ||
	fail "who asked is not on record: $(cmkfs audit show --json --event zone.create vol)"
! grep -q integrity <(cmkfs audit show vol) || fail "$(cmkfs audit show vol | grep integrity)"
doumount mnt
cmkfs verify vol >/dev/null || fail "verify: $(cmkfs verify vol)"
domount vol mnt
alike_but_times mnt/d tree.json "mounted again"
cmkfs zone destroy --yes mnt "$z"
[ ! -e mnt/d ] || fail "it is still there"
