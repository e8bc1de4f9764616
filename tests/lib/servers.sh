# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Key servers for cases, after case.sh: certificates of a run, and starting
# what tests/servers/install.sh has put under $SERVERS.
SERVERS=${SERVERS:-$O/servers}
export SERVERS

need_server() { # PROGRAM under $SERVERS…: skip where one is not installed
	local p
	for p in "$@"; do
		[ -x "$SERVERS/$p" ] || skip "${p##*/} is not installed (tests/servers/install.sh)"
	done
}

_openssl_req() { # DIR NAME openssl req options…
	local dir=$1 name=$2
	shift 2
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
		-subj "/CN=$name" -keyout "$dir/$name.key" -out "$dir/$name.pem" "$@" 2>/dev/null
}

# An authority of this run: DIR/ca.pem, DIR/ca.key.
make_ca() { # DIR [NAME]
	mkdir -p "$1"
	_openssl_req "$1" "${2:-ca}" -addext basicConstraints=critical,CA:TRUE \
		-addext keyUsage=critical,keyCertSign,cRLSign
}

# DIR/NAME.pem and DIR/NAME.key, for localhost unless SAN says otherwise.
make_cert() { # DIR NAME [SAN] [CA] [openssl req options…]
	local dir=$1 name=$2 san=${3:-DNS:localhost,IP:127.0.0.1} ca=${4:-ca}
	shift $(($# < 4 ? $# : 4))
	_openssl_req "$dir" "$name" -CA "$dir/$ca.pem" -CAkey "$dir/$ca.key" \
		-addext "subjectAltName=$san" -addext extendedKeyUsage=serverAuth,clientAuth \
		-addext basicConstraints=critical,CA:FALSE "$@"
}

_port_or_end() { # FILE PID
	[ -s "$1" ] || ! kill -0 "$2"
}

# Start a server that writes its port to DIR/port once it listens, with what it
# says in DIR/log; ended by the cleanup.  Sets $server_port, $server_pid.
start_server() { # DIR COMMAND…
	local dir=$1
	shift
	mkdir -p "$dir"
	rm -f "$dir/port"
	background "$@" >>"$dir/log" 2>&1
	server_pid=$!
	wait_for 60 _port_or_end "$dir/port" "$server_pid"
	[ -s "$dir/port" ] || fail "the server ended: $(tail -n 3 "$dir/log")"
	# shellcheck disable=SC2034 # for the case
	server_port=$(cat "$dir/port")
}

stop_server() { # PID: waits until its port is free
	kill "$1" 2>/dev/null || return 0
	wait "$1" 2>/dev/null || true
}
