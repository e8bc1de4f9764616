#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Files of the backing directory are replaced and changed under a mount, by
# symlinks, FIFOs, directories and other files: never other contents, never a
# hang, and the rest goes on.
. "$(dirname "$0")/../lib/case.sh"
need_root # drops the page cache

mkvol vol --plain-names
domount vol mnt
head -c 20000 /dev/urandom >good
for f in link fifo dir sock short flip gone header; do cp good mnt/$f; done
head -c 20000 /dev/urandom >mnt/other
mkdir mnt/sub mnt/sub2 mnt/sub3 mnt/sub4
for d in sub sub2 sub3 sub4; do cp good mnt/$d/file; done
doumount mnt
domount vol mnt
ls -lR mnt >/dev/null # names and attributes are known, no contents
exec 5<mnt/fifo       # stays known, whoever drops caches: looked up again it is a FIFO

echo 'do not show this' >outside
t=vol/tree
ln -sf "$PWD/outside" $t/link
rm $t/fifo && mkfifo $t/fifo
rm $t/dir && mkdir $t/dir && echo x >$t/dir/x
rm $t/sock && python3 -Ic 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' $t/sock
cp --remove-destination $t/other $t/short # another object
truncate -s 9000 $t/other
printf damage | dd of=$t/flip bs=1 seek=9000 conv=notrunc status=none
rm $t/gone
dd if=/dev/zero of=$t/header bs=4096 count=2 conv=notrunc status=none
# Directories: the header a FIFO, the whole a symlink, of another one, gone.
rm $t/sub/.D && mkfifo $t/sub/.D
mv $t/sub2 away && ln -s "$PWD/away" $t/sub2
mv $t/sub3 away3 && cp -a away $t/sub3
rm $t/sub4/.D

judge() { # FILE PATTERN of the error that may come; contents are never other ones
	local rc=0
	timeout 20 cat "mnt/$1" >got 2>error || rc=$?
	[ "$rc" != 124 ] || fail "$1: reading it hangs"
	if [ "$rc" = 0 ]; then
		cmp -s got good || fail "$1: other contents are read"
		echo "$1: as it was"
		return
	fi
	cat error
	[ ! -s got ] || cmp -s -n "$(stat -c %s got)" got good || fail "$1: other contents are read"
	grep -qE "$2" error || fail "$1: an unexpected error"
}
bad='Input/output error|Stale file handle|No such file'
for pass in known forgotten; do
	echo "== names $pass"
	for f in link fifo sock dir short gone header; do
		[ "$pass$f" = forgottenfifo ] && continue # is a FIFO then, and nobody writes
		judge $f "$bad|Is a directory|No such device|loops|Permission"
	done
	for d in sub sub2 sub3 sub4; do
		judge $d/file "$bad|Not a directory"
	done
	rc=0
	timeout 20 ls -l mnt/sub mnt/sub2/ mnt/sub4 >/dev/null 2>&1 || rc=$?
	[ "$rc" != 124 ] || fail "a listing hangs"
	rc=0
	timeout 20 cat mnt/flip >flip.now 2>/dev/null || rc=$?
	[ "$rc" = 1 ] || fail "flip: a changed chunk is not noticed"
	cmp -n "$(stat -c %s flip.now)" flip.now good || fail "flip: other bytes before the change"
	exec 5<&-
	echo 2 >/proc/sys/vm/drop_caches
done
# The rest goes on, and new files can be made in the same directory.
echo new >mnt/new
[ "$(cat mnt/new)" = new ]
[ "$(cat outside)" = 'do not show this' ] || fail "something wrote through the symlink"
doumount mnt
