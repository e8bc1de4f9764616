#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Nothing is lost by another transport, option or libfuse: the cases of crashes,
# tampering, lockout and contents, each of those ways.  CMKFS_WAYS=GLOB: only these.
. "$(dirname "$0")/../lib/case.sh"
. "$TOP/tests/lib/ways.sh"
need_uring

crashes="crash-kill crash-cut crash-db"
lockout="lock-ways lock-hammered lock-rounds kill-ways zone-lock"
core="tamper-files tamper-mounted $lockout io-operations io-shadow io-interrupted"
rest="tamper-volume tamper-xts zone-beside io-parallel io-beside io-huge io-faults real-tar
	real-git real-numpy real-sqlite real-loader real-tree real-tree-xts"

# In a shell of its own: what it sets ends with it.
way() ( # TRANSPORT OPTIONS FUSE CASE…
	local name="$1,$2,$3"
	skip() {
		echo "  skipped: $*"
		exit 0
	}
	# shellcheck disable=SC2254 # a glob is meant
	case $name in ${CMKFS_WAYS:-*}) ;; *) exit 0 ;; esac
	[ "$3" = system ] || use_newer_fuse
	[ "$2" = usual ] || use_options "$2"
	[ "$1" = dev ] || export CASE_CONFIG=$'[mount]\nio-uring = yes'
	printf '%s\n' "${CASE_CONFIG:-}" >"$CMKFS_CONFIG"
	echo "over $1, options: $2, libfuse: $3 ($(cmkfs version | sed -n 's/^libfuse: *//p'))"
	cmkfs mount vol mnt
	got=$(transport mnt)
	doumount mnt
	[ "$got" = "$1" ] || skip "mounts go over $got"
	shift 3
	run_cases "$@"
)

mkvol vol
mkdir mnt
_mounts+=("$PWD/mnt")
# shellcheck disable=SC2086 # lists of words
{
	way io_uring usual system $crashes $core posix-suite $rest
	way io_uring nowriteback system $crashes $core
	way dev nowriteback system $crashes $core
	# What a power cut leaves is given up there; the death of the daemon alone takes nothing.
	way io_uring crash=relaxed system crash-kill crash-db $core
	way dev crash=relaxed system crash-kill crash-db $core
	way dev usual $fuse_version $crashes $core posix-suite
	way io_uring usual $fuse_version $crashes $core posix-suite
}
