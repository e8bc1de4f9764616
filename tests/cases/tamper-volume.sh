#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The reader's table of tamperings, with headers, directories, names, symlinks,
# attributes and the fixed files of a volume, judged by what a mount shows.
. "$(dirname "$0")/../lib/case.sh"
. "$TOP/tests/lib/customer.sh"
need_fuse
need openssl
customer_key
mkdir mnt
_mounts+=("$PWD/mnt")
cat >grant <<EOG
#!/usr/bin/env bash
. "$TOP/tests/lib/case.sh"
. "$TOP/tests/lib/customer.sh"
customer_grant "\$1"
EOG
chmod +x grant
python3 "$TOP/tests/lib/tamper_mount.py" "$PWD/vol" "$PWD/mnt" --rsa-public key.pub \
	--rsa-key key.pem --kid "$kid" --grant "$PWD/grant"
