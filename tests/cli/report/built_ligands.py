"""Parts of a report on ligands, made up: two methods on two kinds of splits, a ranking, edits."""

import numpy as np
from ase import Atoms
from ase.cluster import Icosahedron

from aiida_nanoclusters.cli.report.ligand_content import CompatibilityPart, RankingPart
from aiida_nanoclusters.cli.report.ligand_nodes import draw_core
from aiida_nanoclusters.science.ligands.core_edits import enumerate_edits
from aiida_nanoclusters.science.ligands.design_settings import EditSettings
from aiida_nanoclusters.science.ligands.edit_table import edit_rows, summarise_edits
from aiida_nanoclusters.science.ligands.method_settings import MethodSettings
from aiida_nanoclusters.science.ligands.method_table import (
    Predictions,
    comparison_words,
    method_table,
    noise_words,
)
from tests.cli.report.built_study import uuid

NAMES = {"[S]CCc1ccccc1": "PET", "CC([O])=O": "acetic acid"}
PAIRS = 80


def methods() -> dict:
    """A table by the real functions, of predictions that are right nine times in ten or random."""
    random = np.random.default_rng(3)
    label, family = np.arange(PAIRS) % 2, np.arange(PAIRS) // 2
    given = []
    for split in ("published", "core"):
        for method in ("pretrained", "scratch", "soap"):
            for seed in (1, 2):
                subset = random.choice([0, 1, 2], PAIRS)
                noise = random.random(PAIRS)
                known = 0.2 + 0.5 * np.where(random.random(PAIRS) < 0.1, 1 - label, label)
                chance = noise if method == "soap" else known + 0.3 * noise
                given.append(Predictions(split, method, seed, chance, label, subset, family))
    rows = method_table(given, MethodSettings(draws=40, bins=5))
    return {
        "sentence": comparison_words(rows, 40, 0.95), "warning": noise_words(rows),
        "confidence": 0.95, "n_pairs": PAIRS, "n_positive": 40, "rows": rows,
    }  # fmt: skip


def compatibility() -> CompatibilityPart:
    random = np.random.default_rng(5)
    labels = np.arange(PAIRS) % 2
    maps = {
        method: {
            "components": random.normal(size=(PAIRS, 2)) + shift * labels[:, None],
            "neighbours": random.normal(size=(PAIRS, 2)) + shift * labels[:, None],
            "labels": labels,
            "cores": np.arange(PAIRS) // 2,
        }
        for method, shift in (("pretrained", 3.0), ("scratch", 0.5))
    }
    subsets = {name: {"n_pairs": n} for name, n in (("training", 64), ("validation", 8))}
    leaks = {"subsets": subsets, "leaks": {"pairs": 0, "cores": 0, "ligands": 5}}
    epochs = np.arange(30)
    curves = {
        f"seed_{k}": {
            "val_loss": 0.4 + 0.3 * np.exp(-epochs / 9) + 0.02 * k,
            "train_loss": 0.1 + 0.6 * np.exp(-epochs / 9),
        }
        for k in (1, 2)
    }
    return CompatibilityPart(
        counts={"n_pairs": PAIRS, "n_positive": 40, "n_cores": 40, "n_ligands": 9},
        methods=methods(),
        left_out=({"origin": "salt.cif", "reason": "salt", "message": "no metal cluster"},),
        negatives={"warnings": ["Few ligands."], "shortcuts": {"core": 0.8, "groups": None}},
        leaks={"core_seed_1": leaks},
        pretraining={"errors": {"mae": 0.08, "composition_mae": 0.31}},
        curves=curves,
        maps=maps,
        separations={method: {"davies_bouldin": 2.0, "calinski_harabasz": 30.0} for method in maps},
        uuids={"pairs": uuid(410), "methods": uuid(411)},
    )


def ranked(formula: str, shift: float, outside: bool = False) -> dict:
    sets = [["[S]CCc1ccccc1"], ["CC([O])=O"], ["CC([O])=O", "[S]CCc1ccccc1"]]
    rows = [
        {
            "rank": k, "ligands": own, "probability": 0.9 - 0.3 * k + shift, "spread": 0.05,
            "members": [0.85 - 0.3 * k + shift, 0.95 - 0.3 * k + shift], "outside": k == 3,
            "nearest": [{"name": ".".join(own), "distance": 0.4 * k}],
        }
        for k, own in enumerate(sets, 1)
    ]  # fmt: skip
    nearest = [{"name": "au25.xyz (Au25)", "distance": 0.7}]
    return {
        "formula": formula, "name": "core.xyz", "outside": outside, "new_elements": [],
        "new_groups": [], "nearest": nearest, "n_sets": 3, "n_outside": 1, "rows": rows,
    }  # fmt: skip


def _compared(described, cores) -> tuple:
    sets = [row["ligands"] for row in cores[0]["rows"]]
    members = np.array([[row["members"] for row in core["rows"]] for core in cores])
    return tuple(summarise_edits(described, cores, sets, members))


def ranking(edited: bool = False) -> RankingPart:
    ico = Icosahedron("Au", 2)
    core = Atoms(ico.numbers, ico.positions)
    edits = enumerate_edits(core, EditSettings(kinds=["remove", "add"])) if edited else []
    described = edit_rows(core, edits)
    images = [core, *(edit.atoms for edit in edits)]
    cores = [ranked(row["formula"], 0.02 * k, k == 3) for k, row in enumerate(described)]
    table = {
        "criterion": "a core lies outside where it is far", "names": NAMES,
        "groups": {"[S]CCc1ccccc1": "thiolate", "CC([O])=O": "carboxylate"}, "cores": cores,
    }  # fmt: skip
    structures = [
        draw_core(atoms, cores[k], described if edited else (), k, uuid(420))
        for k, atoms in enumerate(images)
    ]
    stability = {
        "index": 0, "formula": "Au13", "energy_per_atom": -2.5, "displacement": 0.2,
        "kept_bonds": 1.0, "pieces": 1,
    }  # fmt: skip
    return RankingPart(
        table=table,
        structures=tuple(structures),
        comparison=_compared(described, cores) if edited else (),
        stability=(stability,),
        level="EAM",
        uuids={"table": uuid(421)},
    )
