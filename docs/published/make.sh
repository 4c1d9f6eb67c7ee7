#!/usr/bin/env bash
# Make the published study that these pages speak of:
#   bash docs/published/make.sh [UUID]
# publishes a finished study (or crossover) of the AiiDA profile in use; without UUID it runs the
# tutorial study first, a quarter of an hour. Writes docs/published/copper and docs/published/uuids.json.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
cd "$here/../.."
out="$here/copper"
command -v aiida-nanoclusters >/dev/null || {
  echo "aiida-nanoclusters is not installed here: see docs/howto/install.md" >&2
  exit 2
}
if [ -e "$out" ]; then
  echo "$out is there: move it away first" >&2
  exit 2
fi

uuid="${1:-}"
if [ -z "$uuid" ]; then
  log="$(mktemp)"
  verdi run workchains/study.py --protocol tutorial --here | tee "$log"
  uuid="$(sed -n 's/^StudyWorkChain \([0-9a-f-]*\).*/\1/p' "$log" | head -n 1)"
  rm -f "$log"
fi

aiida-nanoclusters publish "$uuid" --out "$out" --small \
  --title "Magic sizes and crossover of copper clusters: the tutorial study" \
  --author "${AUTHOR:-The aiida-nanoclusters developers}" --license CC-BY-4.0
(cd "$out" && sha256sum --quiet -c SHA256SUMS)

script="$(mktemp --suffix .py)"
trap 'rm -f "$script"' EXIT
cat > "$script" <<'PYTHON'
import json
import sys

from aiida.common.links import LinkType
from aiida.orm import load_node

node = load_node(sys.argv[1])
links = node.base.links.get_outgoing(link_type=(LinkType.RETURN, LinkType.CREATE)).all()
found = {link.link_label.replace("__", "."): link.node.uuid for link in links}
found = {node.process_label: node.uuid, **dict(sorted(found.items()))}
with open(sys.argv[2], "w", encoding="utf-8") as handle:
    handle.write(json.dumps(found, indent=1) + "\n")
PYTHON
verdi run "$script" "$uuid" "$here/uuids.json"
du -k "$out"/* | sort -rn
