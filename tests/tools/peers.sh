#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds the real peers of the tests, once, into a cache outside the tree, from
# the Go modules and Python packages pinned here.  usage: peers.sh [SET]…
#   store    OpenBao, csi-sanity with its proxy, Kubernetes' YAML, moto's server
#            with AWS's SDK (the default)
#   cluster  OpenBao, and Kubernetes: API server, controller manager,
#            scheduler, kubelet, kubectl
#   bench    OpenBao, and Go's side of the benches of templates
# Prints nothing when all is there; PEERS (default ~/.cache/nodeseal-test) is
# where.  The key of a program is the checksum of what pins it.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
peers=${PEERS:-$HOME/.cache/nodeseal-test}

key() {
	cat "$@" | sha256sum | cut -c 1-16
}

# build NAME FOLDER PACKAGE [FLAGS FOR THE LINKER]
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
	    -ldflags "-s -w ${4:-}" -o "$peers/$1-$k.$$" "$3")
	mv "$peers/$1-$k.$$" "$peers/$1-$k"
	ln -sf "$1-$k" "$peers/$1"
}

bao() {
	build bao openbao github.com/openbao/openbao
}

# Without these the components call themselves v0.0.0-master, and what compares
# versions goes wrong.
kubernetes() {
	v=$(sed -n 's/^require k8s.io\/kubernetes v//p' \
	    "$here/kubernetes/go.mod")
	minor=${v#1.}
	at=k8s.io/component-base/version
	flags="-X $at.gitVersion=v$v -X $at.gitMajor=1"
	flags="$flags -X $at.gitMinor=${minor%%.*} -X $at.gitCommit=unknown"
	flags="$flags -X $at.gitTreeState=clean"
	flags="$flags -X $at.buildDate=1970-01-01T00:00:00Z"
	for name in kube-apiserver kube-controller-manager kube-scheduler \
	    kubelet kubectl; do
		build $name kubernetes k8s.io/kubernetes/cmd/$name "$flags"
	done
}

# A virtual environment with what FOLDER/requirements.txt pins; it knows its own
# place, so it is made there, and whole when it says so.
environment() {
	k=$(key "$here/$1/requirements.txt")
	if [ ! -e "$peers/$1-$k/whole" ]; then
		echo "installing $1 (once)"
		rm -rf "$peers/$1-$k"
		mkdir -p "$peers"
		python3 -m venv "$peers/$1-$k"
		"$peers/$1-$k/bin/python" -m pip install -q --no-deps \
		    --disable-pip-version-check -r "$here/$1/requirements.txt"
		: >"$peers/$1-$k/whole"
	fi
	ln -sfn "$1-$k" "$peers/$1"
}

for set in "${@:-store}"; do
	case $set in
	store)
		bao
		build csi-sanity csi-sanity \
		    github.com/kubernetes-csi/csi-test/v5/cmd/csi-sanity
		build sanity-proxy csi-sanity .
		build yaml-peer yaml-peer .
		environment moto
		;;
	cluster) bao; kubernetes ;;
	bench) bao; build gopeer ../bench/gopeer . ;;
	*) echo "peers.sh: $set: no such set" >&2; exit 2 ;;
	esac
done
