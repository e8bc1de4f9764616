# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# For cases that hold the customer's private key themselves, so that the reader
# can open what the program wrote, and the program what the reader's twin made.

customer_key() { # makes key.pem, key.pub and the vault "customer"; $kid
	openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out key.pem 2>/dev/null ||
		openssl genrsa -out key.pem 2048 2>/dev/null
	openssl pkey -in key.pem -pubout -out key.pub
	cmkfs vault create customer --purge-protection >/dev/null
	kid=$(cmkfs vault key import local://customer/keys/k --file key.pem)
}

customer_grant() { # DIR: its identity may use the key
	local principal
	cmkfs identity on "$1" >/dev/null
	principal=$(cmkfs identity show --json "$1" | json 'd["principal"]')
	cmkfs vault policy set customer "$principal" get,wrapKey,unwrapKey >/dev/null
}

reader() { # ARGUMENTS of cmkfs_read.py…
	python3 "$TOP/tests/reader/cmkfs_read.py" --rsa-key key.pem "$@"
}

writer() { # ARGUMENTS of cmkfs_write.py…
	python3 "$TOP/tests/reader/cmkfs_write.py" --rsa-public key.pub --kid "$kid" "$@"
}

compare() { # MANIFEST DIR: both ways
	python3 "$TOP/tests/reader/cmkfs_compare.py" "$@"
}
