#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A new vault key, and new data keys: the daemon is killed at fifty random
# moments of each while directories are renamed; nothing is lost, each goes on
# where it was, and at the end nothing is under an old generation.
. "$(dirname "$0")/../lib/case.sh"
need_fuse

kills=${KILLS:-50} files=${FILES:-1000} big=$((${BIG:-60} << 20))
rekey() { python3 "$TOP/tests/lib/rekey.py" "$@"; }
live() { # how many generations there are
	cmkfs key show --json vol | json 'len({s["generation"] for s in d})'
}
gone() { ! is_mounted "$PWD/mnt"; }
same() {
	rekey sums mnt >now
	cmp -s sums now || fail "$1: $(diff sums now | head)"
}

rounds() { # WHAT: until it is done, with a kill at a random moment of each run
	local what=$1 n=0 runs=0 begin pid mover run whole=5
	while :; do
		domount vol mnt
		[ $n = 0 ] || same "kill $n of $what"
		pid=$(cmkfs status --json mnt | json 'd["pid"]')
		background python3 "$TOP/tests/lib/rekey.py" move mnt/moved
		mover=$!
		begin=$EPOCHREALTIME
		cmkfs key rotate vol "$what" >run.txt 2>&1 &
		run=$!
		if [ $n = "$kills" ]; then
			wait $run || fail "$what, after $n kills: $(cat run.txt)"
			kill $mover
			wait $mover || true
			break
		fi
		python3 -c "import random, sys, time; time.sleep(random.random() * $whole)"
		kill -9 "$pid"
		n=$((n + 1))
		if wait $run; then # it was done before: the next is another generation
			runs=$((runs + 1))
			whole=$(python3 -c "print(max(0.2, $whole * 0.7))")
		fi
		wait $mover || fail "who renamed beside $what"
		wait_for 20 gone
	done
	[ "$(live)" = 1 ] || fail "$what: $(live) generations are left"
	grep -q 'all is under generation' run.txt || fail "$what: $(cat run.txt)"
	same "after $what"
	echo "$what: $n kills, $runs whole runs before the last, which took" \
		"$(python3 -c "print('%.1f s' % ($EPOCHREALTIME - $begin))")"
	doumount mnt
	cmkfs fsck vol
}

for cipher in ${CIPHERS:-gcm xts}; do
	mkvol vol --cipher "$cipher"
	domount vol mnt
	rekey fill mnt "$files" $big
	mkdir -p mnt/moved/a mnt/moved/b
	for d in mnt/d1?; do
		mv "$d" mnt/moved/a/
	done
	rekey sums mnt >sums
	doumount mnt
	rounds --generation
	rounds --reencrypt
	rm -rf vol
done
