#!/usr/bin/env bash
# Make or refresh the Python environment .venv of this checkout.
#   bash profiles/laptop/venv.sh [EXTRA]      EXTRA of pyproject.toml: study (default), cp2k, vasp, dev, ...
# Every extra includes study, all that the commands need.
# Does nothing if pyproject.toml and constraints.txt are unchanged. PYTHON names another python3.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
extra="${1:-study}"
python="${PYTHON:-python3}"
stamp=.venv/nanoclusters.stamp

die() {
  echo "$1" >&2
  exit 2
}

if [ -f "$stamp" ] && ! grep -qxF "$PWD" "$stamp"; then
  echo "This checkout was moved: making its .venv again."
  rm -rf .venv
fi
if [ ! -x .venv/bin/python ]; then
  command -v "$python" >/dev/null || die "Python is missing. Debian, Ubuntu: sudo apt install python3 python3-venv"
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
    die "$("$python" --version) is too old; name Python 3.10 or later: PYTHON=python3.11 bash $0"
  "$python" -c 'import ensurepip, venv' 2>/dev/null ||
    die "Python's venv is missing. Debian, Ubuntu: sudo apt install python3-venv"
  echo "Making .venv with $("$python" --version)"
  "$python" -m venv .venv
fi

wanted=$(cat pyproject.toml constraints.txt | .venv/bin/python -c \
  'import hashlib, sys; print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest())')
if [ -f "$stamp" ] && grep -qxF "$wanted $extra" "$stamp"; then
  exit 0
fi

echo "Installing Python packages into .venv: some minutes and 2 GB, only the first time"
export PIP_DISABLE_PIP_VERSION_CHECK=1
log=.venv/install.log
{
  .venv/bin/python -m pip install --quiet --upgrade pip && # older ones drop extras that AiiDA asks for
    .venv/bin/python -m pip install --quiet -c constraints.txt -e ".[$extra]"
} >"$log" 2>&1 || {
  tail -n 20 "$log" >&2
  die "Installing failed; the full output is in $PWD/$log. The same command continues where it stopped."
}
{
  grep -sF "$wanted " "$stamp" || true # extras that are in already
  echo "$PWD"
  echo "$wanted $extra"
  echo "$wanted study"
} | sort -u >"$stamp.new"
mv "$stamp.new" "$stamp"
