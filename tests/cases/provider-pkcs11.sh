# SPDX-License-Identifier: Apache-2.0
# The life of a volume under a key on a PKCS #11 token, behind a server that can
# be stopped: on NSS's, which unwraps by OAEP with SHA-256, or with TOKEN=softhsm
# on SoftHSM's, which has the raw RSA for it.
. "$(dirname "$0")/../lib/case.sh"
. "$TOP/tests/lib/servers.sh"
. "$TOP/tests/lib/token.sh"
. "$TOP/tests/lib/provider.sh"
need_token_tools
need p11-kit

id=01 # of the key that is in use

server_start() {
	if [ "${TOKEN:-nss}" = softhsm ]; then
		softhsm_token token cmkfs
		uri=pkcs11:token=cmkfs\;object=k
	else
		nss_token token
		uri=pkcs11:token=$NSS_TOKEN\;object=k
	fi
	p11key make k $id 2048
	if [ "${TOKEN:-nss}" = softhsm ]; then
		without_help
	fi
	server_again
	token_conf "$module" 'timeout = 1'
}

# SoftHSM alone is refused, with the reason.
without_help() {
	unset P11SHIM_OAEP
	server_again
	token_conf "$module" 'timeout = 1'
	expect_error 4 'can decrypt by RSA-PKCS-OAEP with SHA-256' cmkfs key test "$uri"
	stop_server "$server_pid"
	export P11SHIM_OAEP=1
}

server_again() {
	token_server
}

# Keys of a token have no versions: the newer of two with one name is that which began later.
server_rotate() {
	id=02
	p11key make k $id 2048 start=20250101
}

revocations=(forbidden expired deleted)

server_revoke() { # WAY
	case $1 in
	forbidden) p11key set k $id decrypt=no ;;
	expired) p11key set k $id end=20250201 ;;
	deleted)
		cp -a token kept
		p11key delete k $id
		;;
	esac
}

server_restore() { # WAY
	case $1 in
	forbidden) p11key set k $id decrypt=yes ;;
	expired) p11key set k $id end=29990101 ;;
	deleted) # there is no undoing it on a token: its backup
		rm -rf token
		mv kept token
		;;
	esac
}

revoked_errno() { # WAY
	case $1 in expired) echo EKEYEXPIRED ;; *) echo EKEYREVOKED ;; esac
}

# The PIN is changed, and the connection that was logged in ends.
credential_expire() {
	p11key set-pin pin-5678
	pin_file pin pin-5678
	export P11KEY_PIN=pin-5678
	stop_server "$server_pid"
	server_again
}

# The token finds its keys and tells of them; wrapping is done without it.
server_unwraps_fail() { # on|off
	if [ "$1" = on ]; then fault C_DecryptInit=0x30; else fault; fi
}

server_unwraps() {
	calls C_Decrypt
}

server_secrets() {
	echo $TOKEN_PIN
	echo pin-5678
}

# What is handed to a module is in its hands: p11-kit's client leaves the PIN in
# the buffers of its messages, which are this process's memory.
life_memory() {
	echo "left out: looking for the PIN in memory (the module keeps copies of its own)"
}

# SoftHSM 2.6.1 takes the dates of a private key, and then cannot read them.
if [ "${TOKEN:-nss}" = softhsm ]; then
	unset -f server_rotate
	revocations=(forbidden deleted)
fi
provider_life
