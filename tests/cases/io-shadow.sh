#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Random operations beside a model in memory: by one process on a few files,
# with remounts, and by eight threads on one file, on ranges of their own and on
# the same one.  CMKFS_LONG=1: a million of each; CMKFS_SEED does a run again.
. "$(dirname "$0")/../lib/case.sh"
need_fuse
[ -x "$O/shadow" ] || fail "$O/shadow is not built"

[ -n "${CMKFS_LONG:-}" ] && alone=250000 threads=500000 rounds=2 || alone=2500 threads=8000 rounds=1

cat >remount.sh <<EOF
cmkfs umount "$PWD/mnt" && cmkfs mount "$PWD/vol" "$PWD/mnt" 2>mount.log || { cat mount.log; false; }
EOF
one() { # SEED
	domount vol mnt 2>/dev/null # XTS is warned of
	shadow alone mnt "$alone" "$1" "cd $PWD && sh remount.sh"
	shadow disjoint mnt "$threads" "$1"
	shadow shared mnt "$threads" "$1"
	doumount mnt
	cmkfs verify --progress none vol
}
for cipher in gcm xts; do
	mkvol vol --cipher "$cipher" 2>/dev/null
	for _ in $(seq "$rounds"); do
		seed=${CMKFS_SEED:-$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}
		echo "$cipher: CMKFS_SEED=$seed"
		one "$seed"
	done
	rm -rf vol
done
