#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A new vault key, and new data keys, for a mounted volume: while it is used,
# through kills of the daemon and a revocation, and proved at the end.
. "$(dirname "$0")/../lib/case.sh"
need_fuse

generation() { # the one in use, and how many live ones there are
	cmkfs key show --json vol | python3 -c 'import json, sys
g = {s["generation"] for s in json.load(sys.stdin)}
print(max(g), len(g))'
}

kills=6
mkvol vol
KEY_URI=$(cmkfs key show --json vol | json 'd[0]["uri"]')
domount vol mnt
python3 "$TOP/tests/lib/rekey.py" fill mnt 150 $((40 << 20))
python3 "$TOP/tests/lib/tree.py" save mnt tree.json
same() { python3 "$TOP/tests/lib/tree.py" compare mnt tree.json || fail "$1"; }

# A read-only mount beside takes the new key by itself.
domount vol ro -o ro
cat ro/d0/f0 >/dev/null

# Only the wraps: fast, and no byte of the contents moves.
sync
cp -a --sparse=always vol before
mkdir mnt/beside
python3 "$TOP/tests/lib/rekey.py" beside mnt/beside ro/beside 4 &
beside=$!
sleep 0.5
cmkfs key rotate vol --generation
wait $beside || fail "a read-only mount beside, while there was a new generation"
rm -r mnt/beside
[ "$(generation)" = "2 1" ] || fail "generation and live ones: $(generation)"
same "a new generation changed something"
wait_for 5 cmp mnt/big ro/big
diff -r mnt/d1 ro/d1 || fail "a read-only mount beside"
! grep -q integrity <(cmkfs audit show vol) || fail "$(cmkfs audit show vol | grep integrity)"
doumount ro
doumount mnt
domount vol mnt -o ro
expect_error 1 'mounted read-only' cmkfs key rotate vol --generation
[ "$(generation)" = "2 1" ] || fail "a generation was made that nobody can use"
doumount mnt
domount vol mnt

# New data keys, while it is used.
mkdir mnt/use
python3 "$TOP/tests/lib/rekey.py" use mnt/use 4 &
user=$!
cmkfs key rotate vol --reencrypt
wait $user || fail "who used it meanwhile"
[ "$(generation)" = "3 1" ] || fail "generation and live ones: $(generation)"
rm -r mnt/use
same "new data keys changed something"
doumount mnt
cmkfs fsck vol
python3 "$TOP/tests/lib/rekey.py" fresh before vol

# Stopped and gone on with; slow on request; a revocation in its midst.
domount vol mnt
cmkfs key rotate vol --reencrypt --bandwidth 4M >slow.txt 2>&1 &
slow=$!
reencrypting() { [ "$(generation)" = "4 2" ]; }
wait_for 10 reencrypting
sleep 0.5
kill -0 $slow 2>/dev/null || fail "40 MiB at 4 MiB a second took a moment: $(cat slow.txt)"
expect_error 2 'no rate' cmkfs key rotate vol --generation --bandwidth x
cmkfs key rotate vol --stop
wait $slow && fail "it was stopped and says that it is done"
grep -q 'goes on with it' slow.txt || fail "no word how to go on: $(cat slow.txt)"
same "a stop changed something"
cmkfs key rotate vol --reencrypt --bandwidth 10M --progress json >again.txt 2>&1 &
again=$!
wait_for 10 grep -q '"bytes": [1-9]' again.txt
cmkfs vault key disable "$KEY_URI"
wait_for 1 eval '[ "$(try read mnt/big)" = EKEYREVOKED ]'
cmkfs vault key enable "$KEY_URI"
wait $again || fail "after the key came back: $(cat again.txt)"
[ "$(generation)" = "4 1" ] || fail "generation and live ones: $(generation)"
same "a revocation in its midst changed something"

gone() { ! is_mounted "$PWD/mnt"; }
# The daemon is killed, again and again; each time the rest is done.
for ((i = 1; i <= kills; i++)); do
	what=--generation
	[ $((i % 3)) = 0 ] || what=--reencrypt
	cmkfs key rotate vol $what --bandwidth 60M >killed.txt 2>&1 &
	run=$!
	python3 -c "import random, time; time.sleep(random.random() * 0.8)"
	pid=$(cmkfs status --json mnt | json 'd["pid"]')
	kill -9 "$pid"
	wait $run || true
	wait_for 10 gone
	domount vol mnt
	alike_but_times mnt tree.json "kill $i changed something"
done
cmkfs key rotate vol --reencrypt
[ "$(generation | cut -d' ' -f2)" = 1 ] || fail "generations are left: $(generation)"
alike_but_times mnt tree.json "after all"
doumount mnt
cmkfs fsck vol
expect_error 2 'not mounted' cmkfs key rotate vol --generation

# What is damaged is named, and all else is brought under the new generation.
domount vol mnt
echo whole >mnt/whole
dd if=/dev/urandom of=mnt/broken bs=4096 count=20 status=none
sync
stored=$(find vol/tree -inum "$(stat -c %i mnt/broken)")
doumount mnt
printf damage | dd of="$stored" bs=1 seek=$((8192 + 40000)) conv=notrunc status=none
domount vol mnt
n=$(generation | cut -d' ' -f1)
expect_error 7 'restore or remove' cmkfs key rotate vol --reencrypt
grep -q 'damaged: broken' <<<"$out" || fail "it is not named: $out"
[ "$(generation)" = "$((n + 1)) 2" ] || fail "generations: $(generation)"
rm mnt/broken
cmkfs key rotate vol --reencrypt
[ "$(generation)" = "$((n + 1)) 1" ] || fail "generations: $(generation)"
[ "$(cat mnt/whole)" = whole ] || fail "$(cat mnt/whole)"
