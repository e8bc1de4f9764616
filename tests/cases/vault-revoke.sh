# SPDX-License-Identifier: Apache-2.0
# Every way of taking access away at the vault locks a mount with its errno,
# within a second, and giving it back unlocks it, byte for byte.
. "$(dirname "$0")/../lib/case.sh"
need_fuse

mkvol vol
principal=$(cmkfs identity show --json vol | json 'd["principal"]')
cmkfs vault create prod --purge-protection
kid=$(cmkfs vault key create local://prod/keys/k)
cmkfs vault policy set prod "$principal" get,wrapKey,unwrapKey
cmkfs key set vol local://prod/keys/k >/dev/null
domount vol mnt -o lease=1h
cp -a /usr/share/common-licenses mnt/

# The time from the end of the vault command until the errno is seen, in ms.
locks() { # ERRNO COMMAND…
	local want=$1
	shift
	cmkfs "$@"
	python3 -I - "$want" mnt <<-'PY' || fail "no $want after: $*"
		import errno, os, sys, time
		want, path = getattr(errno, sys.argv[1]), sys.argv[2]
		begin = time.monotonic()
		while True:
		    try:
		        os.listdir(path)
		        got = 0
		    except OSError as e:
		        got = e.errno
		    late = time.monotonic() - begin
		    if got == want:
		        print(f"{sys.argv[1]} after {late * 1000:.0f} ms")
		        sys.exit(late > 1)
		    if got or late > 10:
		        sys.exit(f"errno {got} after {late:.1f} s")
		    time.sleep(0.001)
	PY
}
opens() { # COMMAND…
	cmkfs "$@"
	wait_for 5 ls mnt
	diff -r /usr/share/common-licenses mnt/common-licenses || fail "other bytes after: $*"
}

uses=get,wrapKey,unwrapKey
locks EKEYREVOKED vault key disable local://prod/keys/k
opens vault key enable local://prod/keys/k
locks EKEYREVOKED vault key disable "$kid"
opens vault key enable "$kid"
locks EKEYREVOKED vault key delete local://prod/keys/k
opens vault key recover local://prod/keys/k
locks EKEYREVOKED vault key delete "$kid"
opens vault key recover "$kid"
locks EKEYREVOKED vault delete prod
opens vault recover prod
locks EKEYREVOKED identity off vol
opens identity on vol
locks EKEYREVOKED vault policy delete prod "$principal"
opens vault policy set prod "$principal" $uses
for lacking in wrapKey,unwrapKey get,wrapKey get,unwrapKey; do
	locks EKEYREVOKED vault policy set prod "$principal" "$lacking"
	opens vault policy set prod "$principal" $uses
done
locks EKEYREVOKED vault firewall prod on
opens vault firewall prod on --trusted-services
locks EKEYEXPIRED vault key update "$kid" --expires 2020-01-01
opens vault key update "$kid" --expires none
locks EKEYEXPIRED vault key update "$kid" --not-before +1h
opens vault key update "$kid" --not-before none

# ---- an expiry that is known beforehand locks when it comes, by a timer
cmkfs vault key update "$kid" --expires +4s
ls mnt >/dev/null || fail "locked before its time"
wait_for 6 eval '[ "$(try list mnt)" = EKEYEXPIRED ]'
opens vault key update "$kid" --expires none

# ---- what is not ours wakes nobody up and changes nothing
cmkfs vault create other
cmkfs vault delete other
ls mnt >/dev/null || fail "locked by another vault"

# ---- a process that ends right after its commit
python3 -Ic 'import os, subprocess, sys
sys.exit(subprocess.run(["cmkfs", "vault", "key", "disable", sys.argv[1]]).returncode)' "$kid"
wait_for 1 eval '[ "$(try list mnt)" = EKEYREVOKED ]'
opens vault key enable "$kid"

# ---- the database gone: unreachable, not denied; and back
mv "$CMKFS_STATE_DIR/vault.db" away.db
sleep 0.3
diff -r /usr/share/common-licenses mnt/common-licenses || fail "a vault that is away is no denial"
mv away.db "$CMKFS_STATE_DIR/vault.db"
locks EKEYREVOKED vault key disable "$kid"
opens vault key enable "$kid"
doumount mnt
cmkfs audit verify vol >/dev/null

# ---- strict: the lease, and not a second more
domount vol mnt -o lease=1s,grace=0
wait_for 5 ls mnt
mv "$CMKFS_STATE_DIR/vault.db" away.db
wait_for 3 eval '[ "$(try list mnt)" = ENOKEY ]'
mv away.db "$CMKFS_STATE_DIR/vault.db"
wait_for 5 diff -r /usr/share/common-licenses mnt/common-licenses
doumount mnt
