#!/bin/sh
# Compares a restored registry's ledger with the heads that nodes show. 0: it continues all of them and may open.
#
#   compare_heads.sh postgresql://liandong@localhost/registry REGISTRY_KEY health.head market.head ...
#
# REGISTRY_KEY is `registry_key` in any node's node.json, and not taken from the restored machine.
set -eu
if [ $# -lt 3 ]; then
  echo "usage: compare_heads.sh DATABASE_URL REGISTRY_KEY HEAD..." >&2
  exit 2
fi
database=$1 key=$2
shift 2
for head do
  shift
  set -- "$@" --earlier "$head"
done
if liandong ledger verify --database "$database" --registry-key "$key" "$@"; then
  echo "The ledger continues every head shown: the registry may be opened."
else
  echo "Keep the registry closed: nodes have seen entries that this ledger does not have. See README.md." >&2
  exit 1
fi
