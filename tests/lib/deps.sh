#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs the Debian 12 packages that building and testing need, when any of
# them is missing.  usage: deps.sh [build|test|peers|clang|image|cluster]…
set -eu

build="gcc g++ make libc6-dev libuv1-dev libsodium-dev libnghttp2-dev
 libprotobuf-c-dev protobuf-c-compiler libcjson-dev libyaml-dev
 libcurl4-openssl-dev libmicrohttpd-dev libssl-dev libre2-dev libcrypt-dev
 libtss2-dev libqrencode-dev"
test="libcmocka-dev python3 openssl binutils tzdata swtpm"
peers="python3-venv"
clang="clang libclang-rt-14-dev llvm"
image="python3 ca-certificates tzdata"
cluster="etcd-server containerd runc containernetworking-plugins busybox-static
 iptables iproute2 openssl util-linux"

want=""
for set in "$@"; do
	case $set in
	build) want="$want $build" ;;
	test) want="$want $test" ;;
	peers) want="$want $peers" ;;
	clang) want="$want $clang" ;;
	image) want="$want $image" ;;
	cluster) want="$want $cluster" ;;
	*) echo "deps.sh: $set: no such set" >&2; exit 2 ;;
	esac
done

missing=""
for p in $want; do
	state=$(dpkg-query -W -f='${db:Status-Abbrev}' "$p" 2>/dev/null) || state=
	case $state in ii*) ;; *) missing="$missing $p" ;; esac
done
[ -n "$missing" ] || exit 0

sudo=""
if [ "$(id -u)" != 0 ]; then
	command -v sudo >/dev/null 2>&1 || {
		echo "missing:$missing: install them as root, or run this" \
		    "as root or with sudo" >&2
		exit 1
	}
	sudo=sudo
fi
echo "installing:$missing"
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get update -q >/dev/null
# shellcheck disable=SC2086
$sudo apt-get install -y -q --no-install-recommends $missing >/dev/null
