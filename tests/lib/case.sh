# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Helpers of tests/cases/*.sh.  A case begins with
#     . "$(dirname "$0")/../lib/case.sh"
# and then stands in a directory of its own, $CASE_DIR, with the host state of
# cmkfs in $CMKFS_STATE_DIR beneath it.  The first failing command ends the
# case.  It can also be run alone: bash tests/cases/NAME.sh.
set -euo pipefail

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
O=${O:-$TOP/build}
CMKFS=${CMKFS:-$O/cmkfs}
PATH="$(dirname "$CMKFS"):$O:$PATH"
_own_dir=""
if [ -z "${CASE_DIR:-}" ]; then
	CASE_DIR=$(mktemp -d "${TMPDIR:-/tmp}/cmkfs-case.XXXXXX")
	_own_dir=$CASE_DIR
fi
export TOP O CMKFS PATH CASE_DIR CMKFS_STATE_DIR="$CASE_DIR/state"
# A configuration file of its own, so that the host's is not read.  What is in
# CASE_CONFIG is in it: CASE_CONFIG=$'[mount]\nio-uring = yes' tries a case so.
export CMKFS_CONFIG="$CASE_DIR/cmkfs.conf"
mkdir -p "$CMKFS_STATE_DIR"
chmod 0700 "$CMKFS_STATE_DIR"
printf '%s\n' "${CASE_CONFIG:-}" >"$CMKFS_CONFIG"
cd "$CASE_DIR"

# mountpoint(1) stats, which a locked mount refuses.
is_mounted() { # REALPATH
	awk -v m="$1" '$5 == m { found = 1 } END { exit !found }' /proc/self/mountinfo
}

_mounts=()
_pids=()

# Undo all, whatever happened; what is left then is a leak that run.sh reports.
_cleanup() {
	local rc=$? m p
	trap - EXIT
	set +e
	for p in "${_pids[@]}"; do
		kill "$p" 2>/dev/null && wait "$p" 2>/dev/null
	done
	for m in "${_mounts[@]}"; do
		is_mounted "$m" || continue
		timeout 20 cmkfs umount "$m" >/dev/null 2>&1 || fusermount3 -uz "$m" 2>/dev/null ||
			umount -l "$m" 2>/dev/null
	done
	cd /
	[ -z "$_own_dir" ] || rm -rf "$_own_dir"
	exit "$rc"
}
trap _cleanup EXIT
trap 'exit 130' INT TERM
trap '[ "$BASH_SUBSHELL" -gt 0 ] || echo "failed: line $LINENO: $BASH_COMMAND" >&2' ERR

fail() { # MESSAGE…
	echo "failed: $* (line ${BASH_LINENO[0]})" >&2
	exit 1
}

skip() { # REASON…
	echo "$*"
	exit 77
}

need() { # COMMAND…: skip where one is missing
	local c
	for c in "$@"; do
		command -v "$c" >/dev/null 2>&1 || skip "$c is not installed"
	done
}

need_fuse() {
	[ -c /dev/fuse ] && [ -r /dev/fuse ] && [ -w /dev/fuse ] || skip "/dev/fuse cannot be used"
}

need_root() {
	[ "$(id -u)" = 0 ] || skip "needs root"
}

# Run a child in the background; ended by the cleanup.  Its pid is in $!.
background() { # COMMAND…
	"$@" &
	_pids+=($!)
}

mkvol() { # DIR [init options…]: a new volume
	cmkfs init "$@" >/dev/null
}

# Vaults with a key k each that the volume's identity may use: local://VAULT/keys/k.
key_vaults() { # DIR VAULT…: sets $principal
	local v
	principal=$(cmkfs identity show --json "$1" | json 'd["principal"]')
	shift
	for v in "$@"; do
		cmkfs vault create "$v" --purge-protection >/dev/null
		cmkfs vault key create "local://$v/keys/k" >/dev/null
		cmkfs vault policy set "$v" "$principal" get,wrapKey,unwrapKey >/dev/null
	done
}

domount() { # DIR MNT [options…]: mounted when this returns
	need_fuse
	mkdir -p "$2"
	_mounts+=("$(realpath "$2")")
	cmkfs mount "$@"
}

doumount() { # MNT
	local m
	m=$(cd "$(dirname "$1")" && pwd -P)/$(basename "$1")
	cmkfs umount "$1"
	! is_mounted "$m" || fail "$1 is still mounted"
}

# Run a command that must fail, and look at its exit code and output ($out).
expect_exit() { # CODE COMMAND…
	local want=$1 rc=0
	shift
	out=$("$@" 2>&1) || rc=$?
	[ "$rc" = "$want" ] || fail "exit $rc instead of $want: $*"$'\n'"$out"
}

# The same for cmkfs's own errors: both lines, and a pattern each may have.
expect_error() { # CODE PATTERN COMMAND…
	local want=$1 pattern=$2
	shift 2
	expect_exit "$want" "$@"
	grep -q '^cmkfs: error: ' <<<"$out" || fail "no error line: $out"
	grep -q '^cmkfs: hint: ' <<<"$out" || fail "no hint line: $out"
	grep -qE -- "$pattern" <<<"$out" || fail "'$pattern' is not in: $out"
}

# try OPERATION PATH → ok or the name of the errno.  Operations: open, read,
# write, stat, list, statfs, unlink, mkdir, readlink, getxattr, create, mmap.
try() { # OPERATION PATH
	python3 -I - "$1" "$2" <<-'PY'
		import errno, mmap, os, sys
		op, path = sys.argv[1:3]
		def read():
		    fd = os.open(path, os.O_RDONLY)
		    os.pread(fd, 4096, 0)
		def write():
		    fd = os.open(path, os.O_WRONLY)
		    os.pwrite(fd, b"x", 0)
		    os.fsync(fd)
		def mapped():
		    fd = os.open(path, os.O_RDONLY)
		    mmap.mmap(fd, 0, prot=mmap.PROT_READ)[0]
		table = {
		    "open": lambda: os.open(path, os.O_RDONLY), "read": read, "write": write,
		    "stat": lambda: os.stat(path), "list": lambda: os.listdir(path),
		    "statfs": lambda: os.statvfs(path), "unlink": lambda: os.unlink(path),
		    "mkdir": lambda: os.mkdir(path), "readlink": lambda: os.readlink(path),
		    "getxattr": lambda: os.getxattr(path, "user.test"),
		    "create": lambda: os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY), "mmap": mapped,
		}
		try:
		    table[op]()
		    print("ok")
		except OSError as e:
		    print(errno.errorcode.get(e.errno, e.errno))
	PY
}

expect_errno() { # ERRNO|ok OPERATION PATH
	local got
	got=$(try "$2" "$3")
	[ "$got" = "$1" ] || fail "$2 of $3 gave $got instead of $1"
}

# Wait until a command succeeds.
wait_for() { # SECONDS COMMAND…
	local end=$((SECONDS + $1 + 1)) # the clock shows whole ones
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$end" ] || fail "waited in vain for: $*"
		sleep 0.05
	done
}

# For a case that judges by the clock, before it does: watch when the machine stands still.
watch_stalls() {
	background python3 -I "$TOP/tests/lib/stalls.py" "$CASE_DIR/stalls"
	wait_for 10 test -e "$CASE_DIR/stalls"
}

# Whether what began at SINCE, in ms since 1970, and took MS, took LIMIT at most
# but for what the machine itself stood still.
in_time() { # MS LIMIT SINCE
	python3 - "$@" <<-PY
		import sys
		sys.path.insert(0, "$TOP/tests/lib")
		from stalls import in_time
		sys.exit(not in_time("$CASE_DIR/stalls", *(int(n) for n in sys.argv[1:])))
	PY
}

# A tree is as it was saved.  The time of a change that a kill interrupted may be that of the batch.
alike_but_times() { # DIR SAVED MESSAGE
	local out
	out=$(python3 "$TOP/tests/lib/tree.py" compare "$1" "$2") ||
		! grep -v ': mtime is [0-9]* and [0-9]*$\|differences$' <<<"$out" || fail "$3"
}

json() { # PYTHON-EXPRESSION over d, the document on stdin
	python3 -Ic 'import json, sys; d = json.load(sys.stdin); print(eval(sys.argv[1]))' "$1"
}
