#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The double of Azure is what Microsoft's own clients take it for, so that it
# cannot drift to suit our provider.
. "$(dirname "$0")/../lib/case.sh"
. "$TOP/tests/lib/servers.sh"
. "$TOP/tests/lib/provider-azure.sh"
need_server azure_sdk/bin/python

server_start
azure_identities
# It makes and deletes keys as well.
azure_set "\"policies\":{\"operator\":$azure_operator,\"$AZURE_CLIENT\":$azure_operator}" >/dev/null
REQUESTS_CA_BUNDLE=$PWD/tls/ca.pem timeout 120 "$SERVERS/azure_sdk/bin/python" -sB "$TOP/tests/lib/azure_sdk.py" \
	"https://localhost:$server_port" "http://127.0.0.1:$(cat azure/metadata.port)" \
	"$AZURE_TENANT" "$AZURE_CLIENT" secret client.pem token | tee passed
[ "$(wc -l <passed)" = 7 ] || fail "not all of it has passed"
