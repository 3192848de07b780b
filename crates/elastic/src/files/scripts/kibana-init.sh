#!/usr/bin/env bash
# Fills the folders that Kibana's containers share: what the image brings, and links to the mounted configuration.
# May run any number of times.
set -euo pipefail

home=/usr/share/kibana
internal=/mnt/elastic-internal

# A link of an earlier run would be written through.
for target in "$internal"/kibana-config/*; do
  rm -f "$internal/kibana-config-local/${target##*/}"
done
for folder in config plugins; do
  [[ -d $home/$folder ]] || continue
  for entry in "$home/$folder"/*; do
    [[ -e $entry && ${entry##*/} != elasticsearch-certs ]] || continue
    cp -a "$entry" "$internal/kibana-$folder-local"/
  done
done
for target in "$internal"/kibana-config/*; do
  ln -sf "$target" "$internal/kibana-config-local/${target##*/}"
done
