# SPDX-License-Identifier: Apache-2.0
# What tokens and their modules can do to a mount: which keys are refused, a
# call that never ends, wrong bytes, stale handles, a wrong PIN, a server that
# dies or stops, a token that is pulled and put back.
. "$(dirname "$0")/../lib/case.sh"
. "$TOP/tests/lib/servers.sh"
. "$TOP/tests/lib/token.sh"
need_token_tools
need p11-kit
nss_token nss
token_conf "$O/p11shim.so" 'timeout = 1'
key=pkcs11:token=$NSS_TOKEN\;object

# ---- which keys are refused, and why
p11key make k 01 2048
p11key make small 02 1024
p11key make copied 03 2048 extractable=yes
p11key make plain 04 2048 sensitive=no
p11key make past 05 2048 end=20200101
p11key make future 06 2048 start=29990101
p11key make barred 07 2048 decrypt=no
p11key make twice 08 2048
p11key make twice 09 2048
p11key make dated 0a 2048 start=20200101
p11key make dated 0b 2048 start=20210101
p11key make dated 0c 2048 start=29990101
cmkfs key test "$key=k" >out
grep -qx "pkcs11:token=$NSS_TOKEN;id=%01;object=k can protect a volume" out || fail "$(cat out)"
expect_error 4 '1024 bits' cmkfs key test "$key=small"
expect_error 4 'can leave its token .CKA_EXTRACTABLE' cmkfs key test "$key=copied"
expect_error 4 'can leave its token .not CKA_SENSITIVE' cmkfs key test "$key=plain"
expect_error 4 'has expired' cmkfs key test "$key=past"
expect_error 4 'not valid yet' cmkfs key test "$key=future"
expect_error 4 'may not decrypt' cmkfs key test "$key=barred"
expect_error 4 '2 keys .* have this name' cmkfs key test "$key=twice"
cmkfs key test "$key=twice;id=%09" >/dev/null
cmkfs key test "$key=dated" >out
grep -q 'id=%0B' out || fail "not the newest that has begun"
expect_error 4 'no such private key' cmkfs key test "$key=none"
expect_error 5 'token other.* not there' cmkfs key test 'pkcs11:token=other;object=k'
expect_error 2 'PIN in it' cmkfs key test "$key=k?pin-value=$TOKEN_PIN"
expect_error 2 'names a module' cmkfs key test "$key=k?module-path=$O/p11shim.so"
p11key delete-public k 01
cmkfs key test "$key=k" >/dev/null # the private half knows the numbers

# ---- the module, and what the configuration says of it
token_conf /nowhere.so
expect_error 2 'cannot load' cmkfs key test "$key=k"
token_conf libc.so.6
expect_error 2 'no PKCS #11 module' cmkfs key test "$key=k"
token_conf "$O/p11shim.so" 'timeout = 0'
expect_error 2 'cmkfs.conf:4: .*number of seconds' cmkfs key test "$key=k"
token_conf "$module" "module-arguments = $P11KEY_ARGS"
cmkfs key test "$key=k" >/dev/null # without the shim between

# ---- PINs
token_conf "$O/p11shim.so" 'timeout = 1'
chmod 644 pin
expect_error 4 'read or changed by others' cmkfs key test "$key=k"
mv pin away
expect_error 4 'PIN file' cmkfs key test "$key=k"
expect_error 4 'read or changed' cmkfs key test "$key=k?pin-source=file:$CASE_DIR/away"
chmod 600 away
cmkfs key test "$key=k?pin-source=file:$CASE_DIR/away" >/dev/null
sed -i '/pin-file/d' "$CMKFS_CONFIG"
CMKFS_PKCS11_PIN_FD=9 cmkfs key test "$key=k" 9<away >/dev/null
mkdir cred
cp away cred/cmkfs-pkcs11-pin
CREDENTIALS_DIRECTORY=$PWD/cred cmkfs key test "$key=k" >/dev/null
expect_error 4 'PIN of token NSS Certificate DB is needed' setsid -w cmkfs key test "$key=k"
python3 -I "$TOP/tests/lib/tty.py" $TOKEN_PIN cmkfs key test "$key=k" >/dev/null ||
	fail "no PIN from a terminal"
expect_error 4 'PIN is wrong' python3 -I "$TOP/tests/lib/tty.py" 4321 cmkfs key test "$key=k"

# A mount asks before it is in the background, and then knows it.
need_fuse
printf '[pkcs11]\nmodule = %s\npin-file = %s\n' "$O/p11shim.so" "$PWD/away" >"$CMKFS_CONFIG"
mkvol asked --key "$key=k"
printf '[pkcs11]\nmodule = %s\npin-prompt = yes\n' "$O/p11shim.so" >"$CMKFS_CONFIG"
mkdir place
_mounts+=("$CASE_DIR/place")
expect_error 4 'no terminal' setsid -w cmkfs mount asked place
python3 -I "$TOP/tests/lib/tty.py" $TOKEN_PIN cmkfs mount -o lease=1s asked place >/dev/null ||
	fail "no mount from a terminal"
sleep 1.5
echo data >place/file || fail "locked without a terminal"
doumount place
mv away pin
token_conf "$O/p11shim.so" 'timeout = 1'

# ---- a mount under such a key, behind a server
token_server
token_conf "$module" 'timeout = 1'
mkvol vol --key "$key=k"
mkvol other
domount other beside
domount vol mnt -o lease=1s,grace=1h
cp -a /usr/share/common-licenses mnt/

state() {
	cmkfs status --json mnt | json 'd["zones"][0]["state"]'
}
in_state() {
	[ "$(state)" = "$1" ]
}
same() {
	diff -r /usr/share/common-licenses mnt/common-licenses || fail "other bytes: $*"
}
sleep 1.5
wait_for 5 in_state unlocked # renewed: without it, grace for good

# Unreachable in every way is the grace, not a denial; and it ends by itself.
kill -STOP "$server_pid"
wait_for 5 in_state grace
same "while nobody answers"
timeout 5 cmkfs key check vol >out 2>&1 && fail "checked by nobody"
grep -q 'did not answer within 1000 ms\|has not answered' out || fail "$(cat out)"
touch beside/file # another zone does not notice
kill -CONT "$server_pid"
wait_for 10 in_state unlocked
stop_server "$server_pid"
wait_for 5 in_state grace
same "while there is no server"
token_server
wait_for 20 in_state unlocked
same "behind a new server"

# The module itself; its faults are in the server's process.
for f in C_Decrypt=0x30 C_Decrypt=0x05 C_DecryptInit=0x82; do
	fault $f
	wait_for 5 in_state grace
	fault
	wait_for 10 in_state unlocked
done
# A wrong answer never unlocks anything.
for f in short long zero wrong; do
	fault "C_Decrypt=$f"
	wait_for 5 in_state locked
	expect_errno EKEYREVOKED read mnt/common-licenses/GPL-3
	fault
	wait_for 5 in_state unlocked
	same "after $f"
done

# ---- denied by the token
denied() { # ERRNO COMMAND…
	local want=$1
	shift
	"$@"
	wait_for 5 in_state locked
	expect_errno "$want" list mnt
}
denied EKEYREVOKED p11key set k 01 decrypt=no
p11key set k 01 decrypt=yes
wait_for 5 in_state unlocked
denied EKEYEXPIRED p11key set k 01 end=20200101
p11key set k 01 end=
wait_for 5 in_state unlocked

# A wrong PIN is tried once however often the lease asks; the right one opens again.
stop_server "$server_pid"
pin_file pin wrong
: >calls
token_server
wait_for 20 in_state locked
sleep 2.5
[ "$(calls C_Login)" = 1 ] || fail "$(calls C_Login) logins with a PIN that was refused"
pin_file pin $TOKEN_PIN
wait_for 5 in_state unlocked
same "with the right PIN"

# Deleted; and a backup of the token brings it back.
cp -a nss kept
denied EKEYREVOKED p11key delete k 01
stop_server "$server_pid"
rm -rf nss
mv kept nss
token_server
wait_for 20 in_state unlocked
same "after all"

# A module that never lets go of a call hinders neither lock nor umount.
fault C_Decrypt=hang
wait_for 5 in_state grace
timeout 5 cmkfs lock mnt
timeout 10 cmkfs umount mnt || fail "the mount does not end"
fault
stop_server "$server_pid"
