#!/usr/bin/env bash
# Fills the folders that the node's other containers share: what the image brings, so that plugins can be installed there,
# and links to the files that are mounted. May run any number of times.
set -euo pipefail

home=/usr/share/elasticsearch
internal=/mnt/elastic-internal

# 42: the operator reads it as "not the default distribution", without which there is no security.
[[ -d $home/modules/x-pack-core ]] || { echo "this image is not the default distribution" >&2; exit 42; }

linked=(
  "$internal/elasticsearch-config/elasticsearch.yml"
  "$internal/xpack-file-realm/users"
  "$internal/xpack-file-realm/users_roles"
  "$internal/xpack-file-realm/roles.yml"
  "$internal/xpack-file-realm/service_tokens"
  "$internal/unicast-hosts/unicast_hosts.txt"
)

# copy FROM TO: everything in FROM that is not a mount of its own.
copy() {
  local entry name
  for entry in "$1"/* "$1"/.[!.]*; do
    name=${entry##*/}
    [[ -e $entry ]] || continue
    case $name in http-certs|transport-certs|transport-remote-certs|operator) continue ;; esac
    cp -a "$entry" "$2"/
  done
}

# A link of an earlier run would be written through.
for target in "${linked[@]}"; do
  rm -f "$internal/elasticsearch-config-local/${target##*/}"
done
for folder in config bin plugins; do
  copy "$home/$folder" "$internal/elasticsearch-$folder-local"
done
for target in "${linked[@]}"; do
  ln -sf "$target" "$internal/elasticsearch-config-local/${target##*/}"
done

if [[ $(id -u) == 0 ]]; then
  for folder in "$home/data" "$home/logs"; do
    [[ ! -d $folder ]] || chown elasticsearch "$folder" 2>/dev/null || chown 1000 "$folder"
  done
fi

# The operator makes this node's certificate once it knows its address; without one there is nothing to wait for if the
# user brings certificates.
certificates=$internal/transport-certificates
until [[ -e $certificates/$POD_NAME.tls.key || -e $certificates/transport.certs.disabled ]]; do
  sleep 0.2
done

# Labels of the Kubernetes node, which the operator copies onto the pod.
for annotation in @ANNOTATIONS@; do
  until grep -qF "$annotation=" "$internal/downward-api/annotations" 2>/dev/null; do
    sleep 2
  done
done
