#!/usr/bin/env bash
# Brings the fonts that letters are printed in: Fandol (FangSong, Song, Hei, Kai) out of Debian's package of Chinese TeX,
# without TeX itself. Their licence is the GPL with the font exception, so a document that embeds them is free of it.
# usage: deploy/fonts.sh [FOLDER]; a node finds them in /usr/local/share/fonts, /fonts, or where its settings say.
set -euo pipefail
folder=${1:-/usr/local/share/fonts/fandol}
if [ -f "$folder/FandolFang-Regular.otf" ]; then exit 0; fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
if id -u _apt > /dev/null 2>&1 && [ "$(id -u)" -eq 0 ]; then chown _apt "$work"; fi
cd "$work"
apt-get download -qq texlive-lang-chinese
dpkg-deb --fsys-tarfile texlive-lang-chinese_*.deb | tar -x --wildcards '*/fonts/opentype/public/fandol/Fandol[FSHK]*.otf' '*/fonts/fandol/*'
install -d "$folder"
find . -name 'Fandol*.otf' -exec install -m 644 -t "$folder" {} +
find . -path '*doc*fandol*' -type f -exec install -m 644 -t "$folder" {} +
