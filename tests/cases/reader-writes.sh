#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Volumes that the reader's twin wrote, from the format page alone, are mounted
# and read: both ciphers, encrypted and plain names, and what sessions that did
# not end left behind; then the reader reads what the mount made of them.
. "$(dirname "$0")/../lib/case.sh"
. "$TOP/tests/lib/customer.sh"
need_fuse
need openssl
customer_key

one() { # NAME writer options…
	local name=$1
	shift
	writer "vol-$name" "$@" >"$name.jsonl" 2>/dev/null
	customer_grant "vol-$name"
	domount "vol-$name" "mnt-$name" -o ro
	compare "$name.jsonl" "mnt-$name" >differences || fail "$name, read-only: $(head -20 differences)"
	doumount "mnt-$name"
	domount "vol-$name" "mnt-$name"
	compare "$name.jsonl" "mnt-$name" >differences || fail "$name: $(head -20 differences)"
	doumount "mnt-$name"
	# The same once more: now the program wrote the session, and has settled.
	domount "vol-$name" "mnt-$name"
	compare "$name.jsonl" "mnt-$name" >differences || fail "$name, again: $(head -20 differences)"
	doumount "mnt-$name"
	reader "vol-$name" --manifest >again.jsonl 2>/dev/null || true # it has damaged files
	diff "$name.jsonl" again.jsonl >differences || fail "$name: the reader: $(head -20 differences)"
	echo "$name: $(wc -l <"$name.jsonl") entries alike"
}
one gcm --session clean --seed 1
one gcm-unclean --session unclean --seed 2
one gcm-open --session open --seed 3
one gcm-plain --session unclean --names plain --seed 4
one gcm-padding --session clean --padding 32 --seed 5
one follow --session clean --follow --seed 6
one xts --cipher xts --session unclean --seed 7
one zones --session unclean --extra generation --extra zone --seed 9
one zones-plain --cipher xts --names plain --session clean --extra zone --extra generation --seed 10
one xts-plain --cipher xts --names plain --session clean --seed 8
one re-key --session clean --extra re-key-file --seed 11
one re-key-xts --cipher xts --session unclean --extra re-key-file --seed 12
