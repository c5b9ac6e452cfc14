#!/bin/sh
# Copies one registry's or department's database and evidence while it runs. Keys are left out on purpose: see README.md.
#
#   copy.sh sqlite:////var/lib/liandong/health.qinghe/node.sqlite3 /var/lib/liandong/health.qinghe /backup/health
#   copy.sh postgresql://liandong@localhost/registry /var/lib/liandong/registry /backup/registry
set -eu
umask 077
if [ $# -ne 3 ]; then
  echo "usage: copy.sh DATABASE_URL FOLDER DESTINATION" >&2
  exit 2
fi
database=$1 folder=$2 destination=$3
stamp=$(date -u +%Y%m%dT%H%M%SZ)
draft="$destination/.draft-$stamp-$$"
mkdir -p "$draft" "$destination/evidence"
trap 'rm -rf "$draft"' EXIT

# the database first: evidence only grows, so everything that the copy names is there afterwards
case $database in
  sqlite:///*)
    "${PYTHON:-python3}" - "${database#sqlite:///}" "$draft/database.sqlite3" <<'PY'
import sqlite3, sys
from contextlib import closing
from urllib.parse import quote
# a plain copy of a running file is none: this one is of a single moment
with closing(sqlite3.connect(f"file:{quote(sys.argv[1])}?mode=ro", uri=True)) as source:
    with closing(sqlite3.connect(sys.argv[2])) as target:
        source.backup(target)
        (answer,) = target.execute("PRAGMA integrity_check").fetchone()
        sys.exit(0 if answer == "ok" else answer)
PY
    ;;
  postgresql://*) pg_dump --format=custom --file="$draft/database.dump" "$database" ;;
  *) echo "copy.sh: neither sqlite:///FILE nor postgresql://..." >&2; exit 2 ;;
esac
if [ -f "$folder/node.json" ]; then cp "$folder/node.json" "$draft/"; fi
if [ -f "$folder/ca.crt" ]; then cp "$folder/ca.crt" "$draft/"; fi
# chunks are named after their content and never change: one folder serves all copies
if [ -d "$folder/evidence" ]; then cp -R -n "$folder/evidence/." "$destination/evidence/"; fi

sync "$draft"/* "$draft"
# the name appears last: a folder without the prefix is a complete copy
mv "$draft" "$destination/$stamp"
sync "$destination"
trap - EXIT
echo "$destination/$stamp"
