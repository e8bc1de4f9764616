# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# PKCS #11 tokens for cases, after case.sh: of NSS, which knows OAEP with
# SHA-256, and of SoftHSM, which does not.  Both through tests/servers/p11shim.c,
# so that faults can be put in: see there for what `fault` takes, and for how it
# helps SoftHSM.
TOKEN_PIN=pin-1234
# shellcheck disable=SC2034 # for the case
NSS_TOKEN='NSS%20Certificate%20DB'

need_token_tools() {
	[ -x "$O/p11key" ] && [ -e "$O/p11shim.so" ] || skip "p11-kit-1 is not part of this build"
	cmkfs providers --json | grep -q '"pkcs11"' || skip "p11-kit-1 is not part of this build"
}

_module() { # NAME: a file of a library folder
	local d
	for d in /usr/lib/*/nss /usr/lib/* /usr/lib64 /usr/lib/softhsm; do
		if [ -e "$d/$1" ]; then
			module=$d/$1
			return
		fi
	done
	skip "$1 is not installed"
}

pin_file() { # FILE PIN
	rm -f "$1"
	(umask 077 && printf '%s\n' "$2" >"$1")
}

# The files by which the shim is told what to do and says what it did.
_shim() {
	: >faults
	: >calls
	export P11SHIM_FAULTS=$CASE_DIR/faults P11SHIM_LOG=$CASE_DIR/calls P11SHIM_MODULE=$module
	export P11KEY_MODULE=$module P11KEY_PIN=$TOKEN_PIN
	pin_file pin $TOKEN_PIN
}

# A token of NSS in DIR, no key on it.
nss_token() { # DIR
	need certutil
	_module libsoftokn3.so
	_shim
	mkdir "$1"
	certutil -N -d "sql:$1" -f pin
	export P11KEY_TOKEN='NSS Certificate DB'
	export P11KEY_ARGS="configdir='sql:$CASE_DIR/$1' certPrefix='' keyPrefix='' secmod='secmod.db' flags="
	export P11SHIM_ARGS=$P11KEY_ARGS
}

# A token of SoftHSM in DIR, no key on it.
softhsm_token() { # DIR LABEL
	need softhsm2-util
	_module libsofthsm2.so
	_shim
	export P11SHIM_OAEP=1 P11KEY_TOKEN=$2 SOFTHSM2_CONF=$CASE_DIR/$1.conf
	mkdir "$1"
	printf 'directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n' \
		"$CASE_DIR/$1" >"$1.conf"
	softhsm2-util --init-token --free --label "$2" --pin $TOKEN_PIN --so-pin 5678 >/dev/null
}

token_conf() { # MODULE [LINE…]: the configuration
	printf '[pkcs11]\nmodule = %s\npin-file = %s\n' "$1" "$CASE_DIR/pin" >"$CMKFS_CONFIG"
	shift
	printf '%s\n' "$@" >>"$CMKFS_CONFIG"
}

fault() { # [CALL=WHAT…]: until the next one
	printf '%s\n' "$@" >faults.new
	mv faults.new faults
}

calls() { # CALL: how often it was made since calls were last counted from
	grep -cx "$1" calls || true
}

# Tokens behind a server: sets $server_pid and the environment that its clients need.
token_server() {
	_module pkcs11/p11-kit-client.so
	rm -f sock
	background python3 "$TOP/tests/servers/p11front.py" sock "$O/p11shim.so"
	# shellcheck disable=SC2034 # for the case
	server_pid=$!
	wait_for 10 test -S sock
	export P11_KIT_SERVER_ADDRESS=unix:path=$CASE_DIR/sock
}
