# SPDX-License-Identifier: Apache-2.0
# The life of a volume under a key in a KMIP server, by version 2.0 of the protocol,
# the newest that PyKMIP speaks.  By 2.1: long-kmip-2.1.sh.
. "$(dirname "$0")/../lib/case.sh"
. "$TOP/tests/lib/servers.sh"
. "$TOP/tests/lib/kmip.sh"
. "$TOP/tests/lib/provider.sh"
. "$TOP/tests/lib/provider-kmip.sh"

kmip_version=2.0
provider_life
grep -q 'Asked by version 2.0' kmip/log || fail "not asked by 2.0"
! grep -q 'Asked by version 1.4' kmip/log || fail "asked by 1.4 as well"
kmip_kill
