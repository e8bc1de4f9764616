# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The life of a volume on a key server: one contract for every provider.  A case
# reads case.sh, servers.sh, the provider's hooks and this, and calls
# provider_life.  Hooks are functions; those in [] may be missing, and what they
# are for is then left out, with a word.
#
#   server_start        start the server with a key that can be used, write the
#                       provider's section into $CMKFS_CONFIG; sets $server_pid
#                       and $uri, the key without a version
#   [server_again]      start it again after it has ended, with what it had
#   [server_rotate]     a new version of the key; where keys have none:
#   [server_replace]    another key, in $uri
#   [server_retire]     the one before is destroyed
#   revocations         (array) the ways in which access is taken away
#   server_revoke WAY   return when the server has said that it is done; sets
#                       $begin, in ms since 1970, to when that was, if the
#                       tool that does it is slow
#   server_restore WAY
#   [revoked_errno WAY] at the application; EKEYREVOKED where there is none
#   [server_throttle on|off]  refuse everything as too much
#   [server_calls]      prints how many calls it has had
#   [server_unwraps]    prints how many of them were unwraps that were allowed
#   [credential_expire] what the provider has been given is worth nothing any
#                       more, but it can get new
#   [other_tenant on|off]     the key's vault belongs to another than the volume
#   [server_secrets]    prints texts that no log and no file may hold, one a line
#
# For provider_table.py is printed: what, way, and the ms since the hook began if
# they were measured.

# shellcheck source=tests/lib/provider_lease.sh
. "$TOP/tests/lib/provider_lease.sh"

LEASE_MS=1000
BOUND_MS=$((LEASE_MS + 1000)) # from the server's change to the errno

_has() { # HOOK
	declare -F "$1" >/dev/null
}

_without() { # HOOK WHAT
	_has "$1" && return 1
	echo "left out: $2 (no $1)"
}

_now_ms() {
	echo $(($(date +%s%N) / 1000000))
}

# Until DIR gives ERRNO ("ok" for none), in ms since BEGIN, by default now; fails
# after LIMIT ms.
_until() { # ERRNO DIR LIMIT [BEGIN]
	python3 -I - "$1" "$2" "$3" "${4:-$(_now_ms)}" <<-'PY'
		import errno, os, sys, time
		want, path, limit, begin = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
		while True:
		    try:
		        os.listdir(path)
		        got = "ok"
		    except OSError as e:
		        got = errno.errorcode.get(e.errno, str(e.errno))
		    ms = time.time_ns() // 1000000 - begin
		    if got == want:
		        print(ms)
		        sys.exit(0)
		    if ms > limit:
		        sys.exit(f"{got} instead of {want} after {ms} ms")
		    time.sleep(0.005)
	PY
}

_data=/usr/share/common-licenses

_whole() { # MNT WHEN
	diff -r "$_data" "$1/data" >/dev/null || fail "other bytes $2"
}

# ---- create, init, mount, write ---------------------------------------------------

life_begin() {
	server_start
	cmkfs key test "$uri" >/dev/null || fail "the key cannot be used"
	mkvol vol --key "$uri"
	[ "$(cmkfs key show --json vol | json 'd[0]["role"]')" = customer ] || fail "whose key is it?"
	domount vol mnt -o "lease=${LEASE_MS}ms,grace=1h"
	cp -a "$_data" mnt/data
	find mnt/data -type f -exec sync {} + # lest a first lock drains all of it
	_whole mnt "after writing"
}

# ---- the newest version is followed, and the old one read --------------------------

_version() {
	cmkfs key show --json vol | json 'd[0]["version"]'
}

_newer() { # OLD
	[ "$(_version)" != "$1" ]
}

life_rotate() {
	local old
	if _has server_replace; then
		life_replace
		return
	fi
	_without server_rotate "rotation at the server" && return
	old=$(_version)
	server_rotate
	wait_for 10 _newer "$old"
	_whole mnt "after a rotation"
	doumount mnt
	domount vol mnt -o "lease=${LEASE_MS}ms,grace=1h"
	_whole mnt "under the new version"
}

life_replace() {
	server_replace
	cmkfs key set vol "$uri" >/dev/null
	cmkfs key show vol | grep -qF "$uri" || fail "the other key is not taken"
	server_retire
	sleep 2 # beyond the lease
	_whole mnt "after the key before was destroyed"
	doumount mnt
	domount vol mnt -o "lease=${LEASE_MS}ms,grace=1h"
	_whole mnt "under another key"
}

# ---- every way of taking access away ------------------------------------------------

_errno_of() { # WAY
	if _has revoked_errno; then revoked_errno "$1"; else echo EKEYREVOKED; fi
}

life_revoke() {
	local way want ms begin hook
	for way in "${revocations[@]}"; do
		want=$(_errno_of "$way")
		begin=$(_now_ms)
		server_revoke "$way"
		hook=$(($(_now_ms) - begin)) # the server changed at some time during it
		ms=$(_until "$want" mnt $((BOUND_MS + 4000)) "$begin") || fail "$way does not lock"
		echo "locked $way $want $ms ms"
		in_time $((ms - hook)) "$BOUND_MS" $((begin + hook)) || fail "$way: locked only after $ms ms"
		expect_errno "$want" open mnt/data/GPL-3
		begin=$(_now_ms)
		server_restore "$way"
		ms=$(_until ok mnt 40000 "$begin") || fail "what $way took away does not come back"
		echo "open again $way $ms ms"
		_whole mnt "after $way"
	done
}

# A volume whose key is revoked is not mounted, with the reason.
life_refused() {
	local way=${revocations[0]}
	doumount mnt
	server_revoke "$way"
	expect_error 4 . cmkfs mount vol mnt
	! is_mounted "$(realpath mnt)" || fail "mounted all the same"
	server_restore "$way"
	wait_for 40 cmkfs mount vol mnt -o "lease=${LEASE_MS}ms,grace=1h"
	_whole mnt "after a refused mount"
}

# ---- unreachable is not denied --------------------------------------------------------

life_silent() { # accepts, and never answers
	local ms begin
	kill -STOP "$server_pid"
	sleep 3
	_whole mnt "while the server is silent"
	echo "goes on silence"
	[ "$(cmkfs status --json mnt | json '"grace" in str(d)')" = True ] || fail "no word of the grace"
	kill -CONT "$server_pid"
	wait_for 20 eval '! cmkfs status mnt | grep -qi grace'
	_whole mnt "after the silence"
	doumount mnt
	# Strict: no longer than the lease.
	domount vol mnt -o "lease=${LEASE_MS}ms,grace=0"
	begin=$(_now_ms)
	kill -STOP "$server_pid"
	ms=$(_until ENOKEY mnt $((BOUND_MS + 4000)) "$begin") || fail "a silent server extends the lease"
	echo "locked silent ENOKEY $ms ms"
	in_time "$ms" "$BOUND_MS" "$begin" || fail "silent: locked only after $ms ms"
	begin=$(_now_ms)
	kill -CONT "$server_pid"
	ms=$(_until ok mnt 40000 "$begin") || fail "does not come back after a silence"
	echo "open again silent $ms ms"
	wait_for 10 diff -r "$_data" mnt/data # a renewal that starves locks it for a moment
	_whole mnt "after a silence without grace"
	doumount mnt
}

life_gone() { # refuses connections
	local begin
	_without server_again "a server that ends" && return
	domount vol mnt -o "lease=${LEASE_MS}ms,grace=1h"
	stop_server "$server_pid"
	sleep 2
	_whole mnt "while the server is gone"
	echo "goes on absence"
	doumount mnt
	begin=$(_now_ms)
	expect_error 5 . cmkfs mount vol mnt
	echo "not mounted gone $(($(_now_ms) - begin)) ms"
	server_again
	wait_for 20 cmkfs mount vol mnt -o "lease=${LEASE_MS}ms,grace=1h"
	_whole mnt "after the server was gone"
	doumount mnt
}

# ---- too much, too old ------------------------------------------------------------------

life_throttled() {
	local before after
	_without server_throttle "throttling" && return
	domount vol mnt -o "lease=${LEASE_MS}ms,grace=1h"
	server_throttle on
	before=$(server_calls)
	sleep 5
	_whole mnt "while throttled"
	echo "goes on throttled"
	after=$(server_calls)
	echo "calls while throttled for 5 s: $((after - before))"
	# Each check is at most HTTP_TRIES calls, and the pauses between them grow.
	[ $((after - before)) -le 40 ] || fail "$((after - before)) calls in 5 s to a server that throttles"
	server_throttle off
	wait_for 70 eval '! cmkfs status mnt | grep -qi grace'
	_whole mnt "after throttling"
	doumount mnt
}

life_credential() {
	_without credential_expire "an expired credential" && return
	domount vol mnt -o "lease=${LEASE_MS}ms,grace=1h"
	credential_expire
	sleep 3
	_whole mnt "with a new credential"
	wait_for 10 eval '! cmkfs status mnt | grep -qi grace' # a renewal may starve on a busy machine
	echo "goes on credential"
	doumount mnt
}

life_tenant() {
	_without other_tenant "another tenant" && return
	other_tenant on
	expect_error 4 '[Tt]enant|[Rr]egion' cmkfs key test "$uri"
	echo "refused tenant exit 4"
	other_tenant off
	cmkfs key test "$uri" >/dev/null
}

# ---- only an unwrap extends a lease -------------------------------------------------------

life_unwraps() {
	local before
	_without server_unwraps "counting unwraps" && return
	domount vol mnt -o "lease=${LEASE_MS}ms,grace=1h"
	before=$(server_unwraps)
	for _ in $(seq 30); do
		cmkfs status mnt >/dev/null
		cat mnt/data/GPL-3 >/dev/null
	done
	sleep 2
	[ "$(server_unwraps)" -gt "$before" ] || fail "the lease goes on without an unwrap"
	doumount mnt
}

# ---- and nothing is told ------------------------------------------------------------------

life_secrets() {
	local s
	_without server_secrets "looking for secrets" && return
	cmkfs audit verify vol >/dev/null
	while read -r s; do
		! grep -rqaF -- "$s" vol "$CMKFS_STATE_DIR" || fail "a credential was written down"
	done < <(server_secrets)
}

# Between two calls credentials lie in memory for secrets alone.  Needs root.
life_memory() {
	local pid
	_without server_secrets "looking for secrets in memory" && return
	[ "$(id -u)" = 0 ] || { echo "left out: looking into memory (needs root)"; return; }
	if grep -q libasan < <(ldd "$CMKFS"); then
		echo "left out: looking into memory (a sanitizer keeps what was freed)"
		return
	fi
	domount vol mnt -o "lease=${LEASE_MS}ms,grace=1h"
	pid=$(cmkfs status --json mnt | json 'd["pid"]')
	# While a call is under way they are in the buffers that go out.
	wait_for 15 _kept_in "$pid"
	doumount mnt
}

_kept_in() { # PID
	server_secrets | python3 -I "$TOP/tests/lib/memory.py" "$1"
}

provider_life() {
	need_fuse
	watch_stalls
	life_begin
	life_rotate
	life_revoke
	life_refused
	life_silent
	life_gone
	life_throttled
	life_credential
	life_tenant
	life_unwraps
	provider_leases
	life_memory
	life_secrets
}
