# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# For the cases with the fault server, after servers.sh: what is needed for it.
need openssl python3
python3 -Ic 'import cryptography' 2>/dev/null || skip "python3-cryptography is not installed"
cmkfs providers | grep -q '^aws ' || skip "built without libcurl"
bash "$TOP/tests/servers/fault_tls.sh" "$CASE_DIR/tls"

provider_faults() { # [--long] PROVIDER…
	python3 -B "$TOP/tests/lib/provider_faults.py" "$CASE_DIR/tls" "$@"
}

provider_faults_mounted() { # PROVIDER…
	need_fuse
	python3 -B "$TOP/tests/lib/provider_faults_mount.py" "$CASE_DIR/tls" "$@"
}
