#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A mount that ends late takes nobody else's mount off the tree: the one that
# came to its place has its device number by then.
. "$(dirname "$0")/../lib/case.sh"
need_fuse

beside() { # COMMAND…: with a host state of its own, so that it does not ask a stopped daemon
	CMKFS_STATE_DIR=$PWD/beside "$@"
}
mkdir -m 0700 beside
mkvol vol
beside mkvol other
device() { # of what is mounted topmost at mnt
	awk -v m="$PWD/mnt" '$5 == m { d = $3 } END { print d }' /proc/self/mountinfo
}
gone() { # PID: has ended, whoever has yet to collect it
	[ ! -e "/proc/$1" ] || grep -q '^State:.Z' "/proc/$1/status"
}
of_mount() { # KEY of its status
	cmkfs status --json mnt | json "d['$1']"
}
again() { # VOLUME: until it has the number that the one before had
	local end=$((SECONDS + 20))
	until cmkfs mount "$1" mnt && [ "$(device)" = "$number" ]; do
		cmkfs umount mnt
		[ "$SECONDS" -lt "$end" ] || skip "device numbers are not given again here"
	done
}
stays() { # WHAT has ended beside it
	[ "$(device)" = "$number" ] || fail "$1 took another's mount off"
	[ "$(cat mnt/file)" = "$2" ] || fail "after $1 nobody answers"
}

beside domount other mnt
echo other >mnt/file
beside doumount mnt

# ---- the janitor of a daemon that was killed, which had to wait for a processor
domount vol mnt
echo vol >mnt/file
sync mnt/file
number=$(device) daemon=$(of_mount pid) janitor=$(of_mount janitor)
kill -STOP "$janitor"
kill -9 "$daemon"
wait_for 5 gone "$daemon"
umount -l mnt
again vol
kill -CONT "$janitor"
wait_for 10 gone "$janitor"
stays "the janitor" vol

# ---- the daemon itself, whose mount somebody took off
daemon=$(of_mount pid)
_pids+=("$daemon")
kill -STOP "$daemon"
umount -l mnt
beside again other
kill -CONT "$daemon"
wait_for 10 gone "$daemon"
stays "the daemon" other
beside doumount mnt

# ---- nothing came in between: it is taken off, and by the janitor
domount vol mnt
janitor=$(of_mount janitor)
kill -9 "$(of_mount pid)"
wait_for 10 gone "$janitor"
[ -z "$(device)" ] || fail "a dead mount stayed"
domount vol mnt
[ "$(cat mnt/file)" = vol ] || fail "after the janitor"
doumount mnt
