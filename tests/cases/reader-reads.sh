#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What the program wrote is read by the reader that was written from the format
# page alone: whole volumes after all operations and with a tree of every kind
# of file, entry for entry, both ways.
. "$(dirname "$0")/../lib/case.sh"
. "$TOP/tests/lib/customer.sh"
need_root
need openssl
customer_key

one() { # NAME FILES init options…
	local name=$1 files=$2
	shift 2
	mkvol "vol-$name" --key local://customer/keys/k "$@" 2>/dev/null
	domount "vol-$name" "mnt-$name" -o allow_other
	chmod 0755 "mnt-$name"
	mkdir "mnt-$name/operations"
	python3 "$TOP/tests/lib/fsops.py" "$PWD/mnt-$name/operations" >/dev/null
	python3 "$TOP/tests/lib/tree.py" make "mnt-$name/tree" --files "$files" --seed 9
	doumount "mnt-$name"
	reader "vol-$name" --manifest >"$name.jsonl" 2>"$name.notes" ||
		fail "$name: the reader found errors: $(head -5 "$name.notes")"
	[ ! -s "$name.notes" ] || fail "$name: the reader has notes: $(head -5 "$name.notes")"
	domount "vol-$name" "mnt-$name"
	compare "$name.jsonl" "mnt-$name" >differences || fail "$name: $(head -20 differences)"
	echo "$name: $(wc -l <"$name.jsonl") entries alike"
	# Again after changes to what is there: second generations of slots.
	find "mnt-$name/tree" -type f -size -100k | sort | sed -n '1~5p' | head -300 |
		while read -r f; do printf 'more' >>"$f"; done
	find "mnt-$name/tree" -type f -size +3k -size -100k | sort | sed -n '3~7p' | head -200 |
		while read -r f; do printf 'over' | dd of="$f" conv=notrunc bs=1 seek=4094 status=none; done
	find "mnt-$name/tree" -type f -size +5k | sort | sed -n '2~9p' | head -100 |
		while read -r f; do truncate -s 4097 "$f"; done
	doumount "mnt-$name"
	reader "vol-$name" --manifest >"$name.jsonl" || fail "$name: changed, the reader found errors"
	domount "vol-$name" "mnt-$name" -o ro
	compare "$name.jsonl" "mnt-$name" >differences || fail "$name: $(head -20 differences)"
	echo "$name: $(wc -l <"$name.jsonl") entries alike after changes"
	doumount "mnt-$name"
}
one gcm "${FILES:-1500}"
one xts 500 --cipher xts
one plain 300 --plain-names
one xts-plain 300 --cipher xts --plain-names

# ---- an unclean end: the reader and the program read the same of it
mkvol vol --key local://customer/keys/k
domount vol mnt
python3 "$TOP/tests/lib/tree.py" make mnt/tree --files 300 --seed 2
sleep 1.5
find mnt/tree -type f -size -50k | sort | sed -n '1~3p' | while read -r f; do printf 'x' >>"$f"; done
kill -9 "$(cmkfs status --json mnt | json 'd["pid"]')"
umount -l mnt 2>/dev/null || true # the janitor may have done it
reader vol --manifest >unclean.jsonl 2>notes || fail "unclean: the reader found errors: $(cat notes)"
wait_for 5 domount vol mnt -o ro
compare unclean.jsonl mnt >differences || fail "unclean: $(head -20 differences)"
doumount mnt
domount vol mnt
compare unclean.jsonl mnt >differences || fail "unclean, read-write: $(head -20 differences)"
doumount mnt
reader vol --manifest >settled.jsonl || fail "settled: the reader found errors"
cmp unclean.jsonl settled.jsonl || fail "settling changed something"
echo "unclean: $(wc -l <unclean.jsonl) entries alike, settled alike"
