#!/bin/sh
# Installs what only some tests need, on Debian or Ubuntu as root; elsewhere the tests use what is
# there and say at the end what they left out.
set -eu
missing=""
command -v radosgw >/dev/null && command -v ceph-mon >/dev/null && command -v ceph-osd >/dev/null ||
  missing="$missing radosgw ceph-mon ceph-osd"
command -v node >/dev/null && command -v npm >/dev/null || missing="$missing nodejs npm"
command -v curl >/dev/null || missing="$missing curl"
command -v openssl >/dev/null || missing="$missing openssl"
[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "not installed:$missing (needs root on Debian or Ubuntu; the tests say at the end what they leave out)"
  exit 0
fi
echo "installing:$missing"
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
# shellcheck disable=SC2086  # a list of names, to be split
apt-get -qq install -y --no-install-recommends $missing >/dev/null
