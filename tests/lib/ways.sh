# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Other ways to the same mount, after case.sh: requests over io_uring, a build
# with a newer libfuse, and cases run as parts of one.

uring_switch=/sys/module/fuse/parameters/enable_uring
fuse_version=3.18

# Offered by the kernel until the case ends.
need_uring() {
	need_fuse
	need_root
	[ -w $uring_switch ] || skip "this kernel has no FUSE over io_uring"
	mount | grep -q /sys/fs/fuse/connections || mount -t fusectl none /sys/fs/fuse/connections ||
		skip "there is no fusectl"
	uring_was=$(cat $uring_switch)
	# shellcheck disable=SC2154 # rc is assigned in the trap
	trap 'rc=$?; echo "$uring_was" >$uring_switch; (exit $rc); _cleanup' EXIT
	echo Y >$uring_switch
}

transport() { # MNT
	cmkfs status --json "$1" | json 'd["transport"]'
}

# $CMKFS becomes one built with Debian's newer libfuse, which is built first if need be.
use_newer_fuse() {
	local out=$O/with-fuse-$fuse_version rc=0
	need make meson ninja dpkg-source apt-get
	"$TOP/fs/dist/fuse.sh" $fuse_version "$TOP/build/fuse-$fuse_version" >fuse.log 2>&1 || rc=$?
	[ "$rc" != 3 ] || skip "no source package of libfuse $fuse_version: $(tail -n 1 fuse.log)"
	[ "$rc" = 0 ] || fail "libfuse $fuse_version: $(cat fuse.log)"
	make -s --no-print-directory -C "$TOP" -j"$(nproc)" FUSE=$fuse_version O="$out" all >make.log 2>&1 ||
		fail "no build with libfuse $fuse_version: $(cat make.log)"
	export CMKFS=$out/cmkfs PATH="$out:$PATH"
	cmkfs version | grep -q "^libfuse: *$fuse_version\." || fail "another libfuse: $(cmkfs version)"
}

# $CMKFS becomes one that mounts with these options.
use_options() { # OPTIONS
	mkdir -p with
	printf '#!/bin/sh\n[ "$1" = mount ] || exec %q "$@"\nshift\nexec %q mount -o %q "$@"\n' \
		"$CMKFS" "$CMKFS" "$1" >with/cmkfs
	chmod 0755 with/cmkfs
	export CMKFS=$PWD/with/cmkfs PATH="$PWD/with:$PATH"
}

# Cases that see CMKFS and CASE_CONFIG as they are here.
run_cases() { # CASE…
	local c rc begin
	for c in "$@"; do
		begin=$SECONDS rc=0
		env -u CASE_DIR TMPDIR="$CASE_DIR" bash "$TOP/tests/cases/$c.sh" >part.log 2>&1 </dev/null || rc=$?
		case $rc in
		0) echo "  $c: $((SECONDS - begin)) s" ;;
		77) echo "  $c: skipped: $(tail -n 1 part.log)" ;;
		*) fail "$c: exit $rc: $(tail -n 30 part.log)" ;;
		esac
	done
}
