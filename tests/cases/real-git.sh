#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# git on a mount: clone, commit, branch, merge, repack, fsck; and again after a
# remount.
. "$(dirname "$0")/../lib/case.sh"
need git
export HOME="$PWD" GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@example.org \
	GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t@example.org
git config --global init.defaultBranch main
git config --global gc.auto 0

# A repository of the project's own files, with some history.
git init -q origin
cp -r "$TOP"/crypto "$TOP"/fs "$TOP"/keyprov origin/
git -C origin add -A
git -C origin commit -qm first
for k in $(seq 20); do
	find origin/fs -name '*.c' | sort | sed -n "$k~7p" | while read -r f; do echo "// $k" >>"$f"; done
	git -C origin commit -qam "change $k"
done

one() { # CIPHER
	local m="mnt-$1"
	mkvol "vol-$1" --cipher "$1" 2>/dev/null
	domount "vol-$1" "$m"
	git clone -q --no-hardlinks origin "$m/clone"
	git -C "$m/clone" fsck --full --strict
	git -C "$m/clone" checkout -qb work HEAD~10
	echo work >"$m/clone/new file"
	git -C "$m/clone" add -A
	git -C "$m/clone" commit -qm work
	git -C "$m/clone" merge -q -m merged main
	git -C "$m/clone" repack -adq
	git -C "$m/clone" status --porcelain | { ! grep .; } || fail "$1: the work tree is not clean"
	git -C "$m/clone" fsck --full --strict
	head=$(git -C "$m/clone" rev-parse HEAD)
	doumount "$m"
	domount "vol-$1" "$m"
	[ "$(git -C "$m/clone" rev-parse HEAD)" = "$head" ] || fail "$1: HEAD is another after a remount"
	git -C "$m/clone" fsck --full --strict
	git -C "$m/clone" diff --quiet HEAD || fail "$1: the work tree differs after a remount"
	git clone -q "$m/clone" "back-$1"
	[ "$(git -C "back-$1" rev-parse HEAD)" = "$head" ] || fail "$1: cloned back it differs"
	doumount "$m"
}
one gcm
one xts
