#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A tree of 20,000 files goes in by cp -a and rsync, and is the same there, and
# after a remount: contents, modes, owners, times, links, attributes.
. "$(dirname "$0")/../lib/case.sh"
need rsync
tree="$TOP/tests/lib/tree.py"

python3 "$tree" make src --files "${FILES:-20000}" --seed 5
python3 "$tree" save src src.json

mkvol vol --cipher "${CIPHER:-gcm}" 2>/dev/null
domount vol mnt
cp -a src mnt/copied
python3 "$tree" compare src.json mnt/copied || fail "cp -a: the copy differs"
out=$(rsync -aHXnci --delete src/ mnt/copied/)
[ -z "$out" ] || fail "rsync -c finds differences: $(head -5 <<<"$out")"
rsync -aHXc src/special mnt/ && python3 "$tree" compare src/special mnt/special ||
	fail "rsync: the copy differs"
doumount mnt

domount vol mnt
python3 "$tree" compare src.json mnt/copied || fail "after a remount the copy differs"
if [ -n "${CMKFS_LONG:-}" ]; then
	cp -a mnt/copied back
	python3 "$tree" compare src.json back || fail "copied back it differs"
fi
rm -rf mnt/copied mnt/special
[ -z "$(ls -A mnt)" ] || fail "rm -rf left something"
doumount mnt
# Nothing is left behind in the backing directory either.
[ "$(find vol/tree -mindepth 1 | wc -l)" = 1 ] || fail "left in tree/: $(find vol/tree | head)"
