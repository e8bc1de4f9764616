#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The life of a volume under a transit key of OpenBao.
. "$(dirname "$0")/../lib/case.sh"
. "$TOP/tests/lib/servers.sh"
. "$TOP/tests/lib/openbao.sh"
. "$TOP/tests/lib/provider-vault.sh"
. "$TOP/tests/lib/provider.sh"

provider_life
