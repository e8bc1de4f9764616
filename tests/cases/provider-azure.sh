#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The life of a volume under a key in Azure Key Vault.
. "$(dirname "$0")/../lib/case.sh"
. "$TOP/tests/lib/servers.sh"
. "$TOP/tests/lib/provider-azure.sh"
. "$TOP/tests/lib/provider.sh"

provider_life
