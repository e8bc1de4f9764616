# SPDX-License-Identifier: Apache-2.0
# A KMIP server that answers wrongly, slowly or not at all, by protocol 1.4 and
# 2.1, and the same under a mount.  In the place of every operation: long-provider-faults.sh.
. "$(dirname "$0")/../lib/case.sh"
. "$TOP/tests/lib/servers.sh"
. "$TOP/tests/lib/provider-faults.sh"

provider_faults kmip kmip2.1
provider_faults_mounted kmip kmip2.1
