#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# tar out of a mount and into it, both ways, archive inside and outside.
. "$(dirname "$0")/../lib/case.sh"
need tar
tree="$TOP/tests/lib/tree.py"
tar_options=(--format=posix --xattrs --xattrs-include='user.*' --numeric-owner)

python3 "$tree" make src --files 2000 --seed 6
rm src/special/null # restoring devices is for root
one() { # CIPHER
	mkvol "vol-$1" --cipher "$1" 2>/dev/null
	domount "vol-$1" "mnt-$1"
	mkdir "mnt-$1/a" "mnt-$1/b"
	tar "${tar_options[@]}" -C src -cf - . | tar "${tar_options[@]}" -C "mnt-$1/a" -xpf -
	python3 "$tree" compare src "mnt-$1/a" || fail "$1: unpacked into the mount it differs"
	tar "${tar_options[@]}" -C "mnt-$1/a" -cf "mnt-$1/all.tar" .
	tar "${tar_options[@]}" -C "mnt-$1/a" -df "mnt-$1/all.tar" || fail "$1: tar -d finds differences"
	doumount "mnt-$1"
	domount "vol-$1" "mnt-$1"
	tar "${tar_options[@]}" -C "mnt-$1/b" -xpf "mnt-$1/all.tar"
	python3 "$tree" compare src "mnt-$1/b" || fail "$1: the round trip differs"
	doumount "mnt-$1"
}
one gcm
one xts
