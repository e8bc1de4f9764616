# SPDX-License-Identifier: Apache-2.0
# Every wrong answer of a key server, each to one of the providers that ask over
# the network; and wrong keys, silence and outages under a mount.
. "$(dirname "$0")/../lib/case.sh"
. "$TOP/tests/lib/servers.sh"
. "$TOP/tests/lib/provider-faults.sh"

provider_faults azure vault aws
provider_faults_mounted aws
