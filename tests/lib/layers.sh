#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `make layers`: that dependencies point down only, fs → keyprov.h → crypto,
# read from what the object files need and what the sources include.
set -u
O=${O:-build}
bad=0

complain() {
	echo "layers: $*"
	bad=1
}

needs() { # ARCHIVE: names that it needs and does not define itself
	comm -23 <(nm -u "$1" 2>/dev/null | awk 'NF == 2 && $1 == "U" { print $2 }' | sort -u) \
		<(nm --defined-only "$1" 2>/dev/null | awk 'NF == 3 { print $3 }' | sort -u)
}

refuse() { # ROOM ARCHIVE PATTERN WHY
	local hits
	[ -e "$O/$2" ] || { complain "$2 is not built"; return; }
	hits=$(needs "$O/$2" | grep -E "^($3)" | tr '\n' ' ')
	[ -z "$hits" ] || complain "$1 $4: $hits"
}

prints='(printf|vprintf|puts|putchar|perror|fputs|fwrite|fprintf|vfprintf|__printf_chk|__fprintf_chk|stderr|stdout|syslog)$'
opens='(open|open64|openat|openat64|fopen|fopen64|creat|mkstemp)$'
above_store='(fuse_|mount_|cmd_|log_|conf_|state_|opts_|table_)'

refuse crypto/ libcmk_crypto.a 'fuse_|kp_|lease_|curl_|sqlite3_|json_|ini_' 'knows what is above it'
refuse crypto/ libcmk_crypto.a "$opens" 'opens files'
refuse crypto/ libcmk_crypto.a "$prints" 'prints'
refuse keyprov/ libcmk_keyprov.a "fuse_|zone_|object_|store_|volume_(peek|init|edit)|ini_|$above_store" 'knows the filesystem'
refuse keyprov/ libcmk_keyprov.a "$prints" 'prints'
refuse fs/store/ libcmk_store.a "kp_|lease_|local_|sqlite3_|ini_|$above_store" 'knows FUSE, providers or commands'
refuse fs/store/ libcmk_store.a "$prints" 'prints'

includes() { # ROOM FILES-GLOB ALLOWED-REGEX
	local hits
	hits=$(grep -rnE '^#include "' --include='*.[ch]' "$1" | grep -vE "#include \"($2)" |
		grep -E '#include "(crypto|keyprov|fs)/')
	[ -z "$hits" ] || complain "$1 includes what is above it or inside another room:"$'\n'"$hits"
}

includes crypto 'crypto/'
includes keyprov 'crypto/|keyprov/'
includes fs/store 'crypto/|fs/store/'
includes fs/mount 'crypto/|keyprov/(keyprov|lease|open)\.h|fs/(store/(store|rekey|erase|deploy)|mount/|lib/)'
includes fs/cmd 'crypto/|keyprov/(keyprov|lease|open|local/local)\.h|fs/'

[ "$bad" = 0 ] && echo "layers: fs → keyprov.h → crypto holds"
exit "$bad"
