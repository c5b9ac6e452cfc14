#!/usr/bin/env bash
# Brings the free fonts that letters are printed in, out of Debian's packages and without the rest of these:
#   Fandol (FangSong, Song, Hei, Kai)             texlive-lang-chinese   GPL with the font exception
#   Liberation Serif (digits and Latin)           fonts-liberation       GPL with the font exception
#   Noto Serif CJK (characters that others lack)  fonts-noto-cjk         SIL Open Font Licence
# So a document that embeds them is free of their licences, which are put beside the fonts.
#
# usage: deploy/fonts.sh [FOLDER]
#   without FOLDER: into /usr/local/share/fonts/fandol, where a node finds them, what this machine does not have yet
#   with FOLDER:    all of them into it, copied from this machine or fetched; `make image` fills deploy/fonts so
# Fetching asks the mirrors that apt is set up with; where there is none, carry a filled FOLDER there.
set -euo pipefail
folder=${1:-/usr/local/share/fonts/fandol}
whole=$#
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
if id -u _apt > /dev/null 2>&1 && [ "$(id -u)" -eq 0 ]; then chown _apt "$work"; fi

here() { # a font on this machine, by its name
  find /usr/local/share/fonts /usr/share/fonts -name "$1" -print -quit 2> /dev/null || true
}

bring() { # package, its licence, fonts...
  local package=$1 licence=$2 wanted=() name found
  shift 2
  local kept=$folder/LICENCE.$package
  case $licence in *.gz) kept+=.gz ;; esac
  for name in "$@"; do
    if [ -f "$folder/$name" ]; then continue; fi
    found=$(here "$name")
    if [ -z "$found" ]; then
      wanted+=("$name")
    elif [ "$whole" -gt 0 ]; then
      install -D -m 644 "$found" "$folder/$name"
    fi
  done
  # what goes into an image goes with its licence
  if [ "$whole" -gt 0 ] && [ ! -f "$kept" ]; then
    if [ -f "/$licence" ]; then install -D -m 644 "/$licence" "$kept"; else wanted+=("${licence##*/}"); fi
  fi
  if [ ${#wanted[@]} -eq 0 ]; then return; fi
  if ! (cd "$work" && apt-get download -qq "$package"); then
    echo "fonts.sh: $package cannot be fetched, so ${wanted[*]} are missing in $folder." >&2
    echo "fonts.sh: run 'apt-get update', or fill the folder on a machine that has a mirror and carry it here." >&2
    exit 1
  fi
  local patterns=("./$licence")
  for name in "${wanted[@]}"; do
    if [ "$name" != "${licence##*/}" ]; then patterns+=("*/$name"); fi
  done
  dpkg-deb --fsys-tarfile "$work/$package"_*.deb | tar -x -C "$work" --wildcards "${patterns[@]}"
  for name in "$@"; do
    found=$(find "$work/usr" -name "$name" -print -quit)
    if [ -n "$found" ]; then install -D -m 644 "$found" "$folder/$name"; fi
  done
  install -D -m 644 "$work/$licence" "$kept"
}

bring texlive-lang-chinese usr/share/doc/texlive-doc/fonts/fandol/COPYING.gz FandolFang-Regular.otf \
  FandolSong-Regular.otf FandolSong-Bold.otf FandolHei-Regular.otf FandolKai-Regular.otf
bring fonts-liberation usr/share/doc/fonts-liberation/copyright LiberationSerif-Regular.ttf
bring fonts-noto-cjk usr/share/doc/fonts-noto-cjk/copyright NotoSerifCJK-Regular.ttc
