#!/usr/bin/env bash
# From a fresh checkout to the tutorial study, in one command; repeating it does only what is missing:
#   bash profiles/laptop/tutorial.sh
# Needs git, python3 (3.10 or later), python3-venv and g++. Arguments go to `aiida-nanoclusters run study`.
# Everything is written to this checkout: Python packages in .venv, AiiDA's data in .aiida (or AIIDA_PATH).
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
cd "$here/../.."

command -v "${CXX:-g++}" >/dev/null || {
  echo "The C++ compiler is missing. Debian, Ubuntu: sudo apt install g++" >&2
  exit 2
}
bash "$here/venv.sh"
export AIIDA_PATH="${AIIDA_PATH:-$PWD}"
export PATH="$PWD/.venv/bin:$PATH"

aiida-nanoclusters setup "$here"
echo
echo "In another terminal:  cd $PWD; source .venv/bin/activate; export AIIDA_PATH=$AIIDA_PATH"
echo "then 'aiida-nanoclusters status' shows the progress of the study, 'aiida-nanoclusters doctor' checks the installation."
echo
exec aiida-nanoclusters run study --protocol tutorial "$@"
