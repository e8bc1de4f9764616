#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What renewing a lease costs reads: nothing.  Two volumes under keys of OpenBao
# are read in turn, one that renews as often as is possible and one that never
# needs to meanwhile; how long each read took is printed as a histogram of both.
. "$(dirname "$0")/../lib/case.sh"
. "$TOP/tests/lib/servers.sh"
. "$TOP/tests/lib/openbao.sh"
. "$TOP/tests/lib/provider-vault.sh"
need_fuse
need chrt
cmkfs providers | grep -q '^vault ' || skip "libcurl is not part of this build"
LENGTH=${LENGTH:-60} # seconds of each kind of reads

filled() { # NAME LEASE: a volume with a file of 64 MiB, mounted on NAME.mnt
	mkvol "$1" --key "$uri"
	domount "$1" "$1.mnt"
	head -c 64M /dev/urandom >"$1.mnt/file"
	doumount "$1.mnt"
	domount "$1" "$1.mnt" -o "lease=$2"
}

server_start
# It stands for another machine: processors are its own only while they are idle.
chrt -a -i -p 0 "$server_pid"
filled with 1s
filled without 1h
for how in uncached cached; do
	before=$(server_unwraps)
	python3 -I "$TOP/tests/lib/latency.py" measure "$LENGTH" $how \
		"with.mnt/file=with.$how" "without.mnt/file=without.$how"
	unwraps=$(($(server_unwraps) - before))
	[ "$unwraps" -ge "$LENGTH" ] || fail "only $unwraps renewals in $LENGTH s"
	python3 -I "$TOP/tests/lib/latency.py" compare "$how reads of 4 KiB, $unwraps renewals" \
		"lease of 1 h=without.$how" "lease of 1 s=with.$how"
done
doumount with.mnt
doumount without.mnt
