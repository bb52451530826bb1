#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes a CA, a server certificate for 127.0.0.1 and localhost, and a client
# certificate into a folder, for one test run: ca.pem, server.pem, server.key,
# client.pem, client.key, expired.pem and elsewhere.pem (another host's) with
# their keys, and other-ca.pem, which signed none of them.
# usage: make_certs.sh DIR
set -eu
cd "$1"

ca() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
	    -keyout "$1.key" -out "$1.pem" -days 30 -subj "/CN=$1" \
	    -addext basicConstraints=critical,CA:TRUE \
	    -addext keyUsage=critical,keyCertSign 2>/dev/null
}

# leaf NAME EXTENSIONS [DAYS]
leaf() {
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
	    -keyout "$1.key" -out "$1.csr" -subj "/CN=$1" 2>/dev/null
	printf '%s\n' "$2" > "$1.ext"
	openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key \
	    -set_serial "0x$(openssl rand -hex 8)" -days "${3:-30}" \
	    -extfile "$1.ext" -out "$1.pem" 2>/dev/null
	rm "$1.csr" "$1.ext"
}

ca ca
ca other-ca
leaf server "subjectAltName=IP:127.0.0.1,DNS:localhost"
leaf client "extendedKeyUsage=clientAuth"
leaf expired "subjectAltName=IP:127.0.0.1,DNS:localhost" -1
leaf elsewhere "subjectAltName=DNS:vault.example"
