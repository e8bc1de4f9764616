#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `make demo`: a tour of cmkfs on real files, in under two minutes, in a
# temporary directory that is removed again.
#     tests/demo.sh [FOLDER]     CMKFS=path/to/cmkfs
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
data=${1:-}
[ -z "$data" ] || data=$(realpath "$data")
cmkfs_bin=${CMKFS:-$top/build/cmkfs}
PATH="$(dirname "$cmkfs_bin"):$PATH"
py=(python3 -I "$top/tests/lib/demo.py")

work=$(mktemp -d "${TMPDIR:-/tmp}/cmkfs-demo.XXXXXX")
export CMKFS_STATE_DIR=$work/state CMKFS_CONFIG=$work/cmkfs.conf
: >"$CMKFS_CONFIG"
vol=$work/volume mnt=$work/mnt
cleanup() {
	local rc=$?
	trap - EXIT
	cd /
	if mountpoint -q "$mnt" 2>/dev/null || grep -qF " $mnt " /proc/self/mounts; then
		cmkfs umount "$mnt" 2>/dev/null || umount -l "$mnt" 2>/dev/null ||
			fusermount3 -uz "$mnt" 2>/dev/null || true
	fi
	rm -rf "$work"
	[ "$rc" = 0 ] || echo "The demo failed (exit $rc)." >&2
	exit "$rc"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

step() {
	printf '\n── %s\n' "$*"
}
short() { # this demo's directory is shown as …
	sed "s,$work,…,g"
}
run() { # show a command, then run it
	printf '  $ %s\n' "$*" | short
	"$@" | short | sed 's/^/    /'
}
same() { # compare two trees and say so
	diff -r --no-dereference "$1" "$2"
	echo "    $(find "$1" -type f | wc -l) files compared byte for byte: all the same"
}
began=$SECONDS

if [ ! -c /dev/fuse ]; then
	echo "cmkfs: error: there is no /dev/fuse on this machine" >&2
	echo "cmkfs: hint: in a container, give it with --device /dev/fuse --cap-add SYS_ADMIN" >&2
	exit 1
fi

cat <<-'TEXT'
	cmkfs keeps files encrypted under a key that their owner controls. This tour makes a volume,
	copies real files in, takes the key away while programs are reading, and gives it back.
TEXT
echo "Everything is in $work, shown as …"

step "The files"
if [ -z "$data" ]; then
	data=$work/data
	mkdir -p "$data"
	"${py[@]}" pick | while read -r f; do
		cp -a --parents -L "$f" "$data" 2>/dev/null || true
	done
	echo "  Real pictures, texts and programs of this machine (DATA=folder takes your own):"
else
	echo "  $data:"
fi
echo "    $(find "$data" -type f | wc -l) files, $(du -shL "$data" | cut -f1)"

step "A volume, made with no options: a key for it is made in this host's embedded vault"
run cmkfs init "$vol"
mkdir "$mnt"
run cmkfs mount "$vol" "$mnt"

step "Copy the files in, as any program would"
printf '  $ cp -a %s %s/set\n' "$data" "$mnt" | short
cp -a "$data" "$mnt/set"
sync -f "$mnt"
same "$data" "$mnt/set"

step "What the application sees, and what the storage sees"
file=$(find "$mnt/set" -type f -size +16k \( -name '*GPL-3' -o -name '*.txt' -o -name '*.py' \) | sed -n 1p)
[ -n "$file" ] || file=$(find "$mnt/set" -type f | sed -n 1p)
stored=$(find "$vol/tree" -inum "$(stat -c %i "$file")" | sed -n 1p)
dump() { # FILE OFFSET: 64 bytes
	dd if="$1" bs=1 skip="$2" count=64 2>/dev/null | od -A d -t x1z -w16 -v | sed '$d; s/^[0-9]* /   /'
}
# The storage has 8 KiB of header before the first bytes.
echo "  the application: $(basename "$file"), from byte 4096"
dump "$file" 4096
echo "  the storage: the same bytes, in $(basename "$stored" | cut -c1-24)…, which is its name there"
dump "$stored" 12288
echo "  names in the storage:"
find "$vol/tree" -mindepth 1 -type f -printf '%f\n' | grep -v '^\.D$' | sed -n 1,3p | sed 's/^/    /'

step "Take the key away, in another process, while programs are reading"
uri=$(cmkfs key show --json "$vol" | python3 -Ic 'import json, sys; print(json.load(sys.stdin)[0]["uri"])')
"${py[@]}" lockout "$mnt/set" cmkfs vault key disable "$uri"
run cmkfs status "$mnt"

step "Give it back: no remount"
run cmkfs vault key enable "$uri"
for _ in $(seq 100); do
	ls "$mnt" >/dev/null 2>&1 && break
	sleep 0.05
done
same "$data" "$mnt/set"

step "Who asked the vault for what: the last records of its audit log"
echo "  $ cmkfs audit show --last 8 service"
cmkfs audit show --json --last 8 service | python3 -Ic 'import json, sys
for r in json.load(sys.stdin):
    print("   ", r["time"][11:], r["principal"][:14].ljust(15), r["operation"].ljust(14), r["outcome"])'

step "Unmount: the mount point is empty again, and no process is left"
pid=$(cmkfs status --json "$mnt" | python3 -Ic 'import json, sys; print(json.load(sys.stdin)["pid"])')
run cmkfs umount "$mnt"
echo "    entries in the mount point: $(find "$mnt" -mindepth 1 | wc -l)"
[ -z "$(ls -A "$mnt")" ] || exit 1
if [ -d "/proc/$pid" ] && ! grep -q '^State:.Z' "/proc/$pid/status"; then
	echo "    the daemon $pid is still there"
	exit 1
fi
echo "    the daemon has ended"

step "Search for plaintext: byte strings from the middle of files, and file names"
echo "  in the files that were copied, to see that the search works:"
"${py[@]}" search "$data" "$data" all
echo "  in the volume's backing store:"
"${py[@]}" search "$data" "$vol" none

step "Done in $((SECONDS - began)) s; everything is removed again"
