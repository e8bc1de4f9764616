#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What `make check-providers` runs once servers are installed and all is built:
# the cases of every key provider, the long ones too, and what they
# measured as a table.  The last line is `N passed, N failed, N skipped`.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 2
export O=${O:-$PWD/build}
export LOGS=$O/providers
rm -rf "$LOGS"
mkdir -p "$LOGS"
CASES='*provider-*' tests/run.sh cases long | tee "$LOGS/summary"
rc=$?
echo
python3 tests/lib/provider_table.py "$LOGS" | tee "$LOGS/table"
if ! python3 tests/lib/provider_table.py --check "$LOGS"; then
	echo "cmkfs-providers(7) says otherwise: tests/lib/provider_table.py --page $LOGS"
	rc=1
fi
echo
tail -n 1 "$LOGS/summary"
exit "$rc"
