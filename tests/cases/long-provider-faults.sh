# SPDX-License-Identifier: Apache-2.0
# Every wrong answer of a key server, in the place of every call, to every
# provider that asks over the network; the same under mounts.
. "$(dirname "$0")/../lib/case.sh"
. "$TOP/tests/lib/servers.sh"
. "$TOP/tests/lib/provider-faults.sh"

provider_faults --long azure vault aws kmip kmip2.1
provider_faults_mounted azure vault aws kmip kmip2.1
