#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Build libfuse from Debian's own source package, of the release whose suite is
# named, into a private prefix: for a newer one than the system's.  apt fetches
# and verifies it, with a configuration and lists of its own; the system's
# sources stay as they are.
#   fuse.sh VERSION PREFIX   e.g. fuse.sh 3.18 build/fuse-3.18
# Exits with 3 where the package cannot be had.
set -eu

suite=${SUITE:-testing}
want=$1
mkdir -p "$2"
prefix=$(cd "$2" && pwd)

built() {
	PKG_CONFIG_PATH="$prefix/lib/pkgconfig" pkg-config --atleast-version="$want" fuse3 &&
		[ -e "$prefix/lib/libfuse3.a" ]
}
if built 2>/dev/null; then
	exit 0
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/source"
printf 'deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian %s main\n' \
	"$suite" >"$work/sources.list"
cat >"$work/apt.conf" <<EOF
Dir::Etc::SourceList "$work/sources.list";
Dir::Etc::SourceParts "-";
Dir::State::Lists "$work/lists";
Dir::Cache "$work/cache";
APT::Sandbox::User "$(id -un)";
APT::Update::Error-Mode "any";
Acquire::Languages "none";
Acquire::Retries "1";
Acquire::http::Timeout "20";
EOF
APT_CONFIG="$work/apt.conf"
export APT_CONFIG

log="$work/log"
run() { # EXIT COMMAND…: what it says is shown when it fails
	rc=$1
	shift
	"$@" >"$log" 2>&1 || {
		cat "$log" >&2
		echo "fuse: failed: $*" >&2
		exit "$rc"
	}
}

run 3 apt-get update -q
version=$(apt-cache showsrc fuse3 | sed -n 's/^Version: //p' | sort -V | tail -n 1)
case $version in
"$want" | "$want".* | "$want"-*) ;;
*)
	echo "fuse: Debian $suite has fuse3 ${version:-not at all}, not $want" >&2
	exit 3
	;;
esac
echo "fuse: building fuse3 $version of Debian $suite into $prefix"
cd "$work/source"
run 3 apt-get source -q "fuse3=$version"
cd fuse3-*/ 2>/dev/null || cd fuse-*/
# Only the library, to be linked in.  Its own hook for the transport
# (fuse_session_custom_io) is off by default, and what cmkfs needs.
run 1 meson setup "$work/build" --prefix="$prefix" --libdir=lib --buildtype=release \
	-Ddefault_library=static -Denable-custom-io=true -Denable-io-uring=false \
	-Dutils=false -Dexamples=false -Dtests=false
run 1 ninja -C "$work/build" install
echo "fuse: done"
