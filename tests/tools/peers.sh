#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds the real peers of the tests, once, into a cache outside the tree:
# OpenBao, csi-sanity with its proxy, and Kubernetes' YAML, from the Go modules
# pinned here.
# Prints nothing when all is there; PEERS (default ~/.cache/nodeseal-test) is
# where.  The key of a program is the checksum of what pins it.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
peers=${PEERS:-$HOME/.cache/nodeseal-test}

key() {
	cat "$@" | sha256sum | cut -c 1-16
}

# build NAME FOLDER PACKAGE
build() {
	k=$(key "$here/$2"/go.mod "$here/$2"/go.sum $(ls "$here/$2"/*.go))
	[ -x "$peers/$1-$k" ] && { ln -sf "$1-$k" "$peers/$1"; return; }
	command -v go >/dev/null 2>&1 || {
		echo "peers.sh: $1 needs a Go toolchain, version" \
		    "$(sed -n 's/^go //p' "$here/$2/go.mod") or later, on PATH" >&2
		exit 1
	}
	echo "building $1 (once; minutes)"
	mkdir -p "$peers"
	(cd "$here/$2" && CGO_ENABLED=0 go build -mod=mod -buildvcs=false \
	    -ldflags '-s -w' -o "$peers/$1-$k.new" "$3")
	mv "$peers/$1-$k.new" "$peers/$1-$k"
	ln -sf "$1-$k" "$peers/$1"
}

build bao openbao github.com/openbao/openbao
build csi-sanity csi-sanity github.com/kubernetes-csi/csi-test/v5/cmd/csi-sanity
build sanity-proxy csi-sanity .
build yaml-peer yaml-peer .
