#!/usr/bin/env bash
# Make the published study that these pages speak of:
#   bash docs/published/make.sh [UUID]
# publishes a finished study of the AiiDA profile in use; without UUID it runs one by the protocol `trial`
# first, some minutes. Writes docs/published/copper.aiida, the archive alone, and docs/published/uuids.json.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
cd "$here/../.."
command -v aiida-nanoclusters >/dev/null || {
  echo "aiida-nanoclusters is not installed here: see docs/howto/machine/install.md" >&2
  exit 2
}

scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT
uuid="${1:-}"
if [ -z "$uuid" ]; then
  aiida-nanoclusters run study --protocol trial --here | tee "$scratch/log"
  uuid="$(sed -n 's/^StudyWorkChain \([0-9a-f-]*\).*/\1/p' "$scratch/log" | head -n 1)"
fi

aiida-nanoclusters publish "$uuid" --out "$scratch/copper" --small \
  --title "Magic sizes and crossover of copper clusters: a trial study" \
  --author "${AUTHOR:-The aiida-nanoclusters developers}" --license CC-BY-4.0
(cd "$scratch/copper" && sha256sum --quiet -c SHA256SUMS)
cp "$scratch/copper/archive.aiida" "$here/copper.aiida"

script="$scratch/uuids.py"
cat > "$script" <<'PYTHON'
import json
import sys

from aiida.orm import load_node

study = load_node(sys.argv[1])
outputs = study.outputs
answers = {name: outputs[name].answer for name in ("crossover", "reference_crossover")}
trained = [outputs.train.potentials[key] for key in sorted(outputs.train.potentials)]
found = {"study": study.uuid}
found |= {name: answer.creator.caller.uuid for name, answer in answers.items()}
found |= {"training": trained[0].creator.caller.uuid}
found |= {f"{name}.answer": answer.uuid for name, answer in answers.items()}
with open(sys.argv[2], "w", encoding="utf-8") as handle:
    handle.write(json.dumps(found, indent=1) + "\n")
PYTHON
verdi run "$script" "$uuid" "$here/uuids.json"
ls -l "$here"
