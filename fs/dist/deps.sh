#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Install what is missing on Debian 12 of the groups given (build, demo, check,
# lint, fuse), and say what.  Needs root or sudo only when something is missing.
set -eu

build="gcc make pkg-config libc6-dev libfuse3-dev fuse3 libssl-dev libsqlite3-dev libjansson-dev libinih-dev libcurl4-openssl-dev libp11-kit-dev"
demo="python3"
fuse="meson ninja-build dpkg-dev"
check="libcmocka-dev python3 python3-cryptography python3-numpy openssl curl python3-venv procps mandoc attr acl sqlite3 rsync git strace e2fsprogs xfsprogs btrfs-progs libnss3 libnss3-tools softhsm2 p11-kit p11-kit-modules python3-pykmip faketime $fuse"
lint="clang shellcheck mandoc codespell"

want=""
for group in "$@"; do
	case $group in
	build) want="$want $build" ;;
	demo) want="$want $demo" ;;
	check) want="$want $check" ;;
	lint) want="$want $lint" ;;
	fuse) want="$want $fuse" ;;
	*)
		echo "deps: no group named $group" >&2
		exit 2
		;;
	esac
done

if ! command -v dpkg-query >/dev/null 2>&1; then
	echo "deps: this is no Debian system; install by its own means:$want" >&2
	exit 0
fi

missing=""
for p in $want; do
	status=$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null || true)
	[ "$status" = installed ] && continue
	# A virtual package (pkg-config) counts when its command is there.
	[ "$p" = pkg-config ] && command -v pkg-config >/dev/null 2>&1 && continue
	missing="$missing $p"
done
[ -n "$missing" ] || exit 0

echo "deps: installing$missing"
sudo=""
if [ "$(id -u)" != 0 ]; then
	if ! command -v sudo >/dev/null 2>&1; then
		echo "deps: run as root: apt-get install -y$missing" >&2
		exit 1
	fi
	sudo=sudo
fi
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086 # a list of words
if ! $sudo apt-get install -y --no-install-recommends $missing >/dev/null 2>&1; then
	$sudo apt-get update -q >/dev/null
	# shellcheck disable=SC2086
	$sudo apt-get install -y --no-install-recommends $missing >/dev/null
fi
echo "deps: done"
