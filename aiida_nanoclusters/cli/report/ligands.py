"""The sections of a report on compatibility, rankings and edits: words and tables."""

from __future__ import annotations

from typing import Any

from aiida_nanoclusters.cli.report import ligand_pictures as pictures
from aiida_nanoclusters.cli.report.figures import show
from aiida_nanoclusters.cli.report.ligand_content import CompatibilityPart, RankingPart
from aiida_nanoclusters.science.ligands.edit_table import edit_words, indistinct_words
from aiida_nanoclusters.science.ligands.ligand_ranking import ligand_words, ranking_words
from aiida_nanoclusters.science.ligands.method_table import SPLITS, accuracy_words

#: Cores and edits whose rankings are drawn, and clusters left out that are named.
_MOST_CORES, _MOST_EDITS, _MOST_ROWS = 10, 3, 100

METHOD_COLUMNS = (
    "held out", "method", "AUC", "interval", "accuracy", "precision", "recall", "F1",
    "Brier", "ECE", "test pairs",
)  # fmt: skip
CONFUSION_COLUMNS = (
    *("held out", "method", "true negative", "false positive", "false negative"),
    "true positive",
)
EDIT_COLUMNS = (
    *("edit", "core", "equal", "best set", "probability", "spread", "change", "its spread"),
    "outside",
)
STABILITY_COLUMNS = (
    *("core", "energy (eV/atom)", "atoms moved (Å)", "neighbours kept (%)", "pieces"),
)


def ligand_context(
    compatibility: CompatibilityPart | None, ranking: RankingPart | None
) -> dict[str, Any]:
    """Return what the template needs for these sections; absent parts are empty."""
    return {
        "compatibility": compatibility,
        "ranking": ranking,
        **(_of_compatibility(compatibility) if compatibility is not None else {}),
        **(_of_ranking(ranking) if ranking is not None else {}),
        "accuracy_words": _accuracy(compatibility),
    }


def _accuracy(part: CompatibilityPart | None) -> str:
    words = accuracy_words(part.methods.get("rows", ())) if part is not None else ""
    return f"{words[:1].upper()}{words[1:]}." if words else ""


def _of_compatibility(part: CompatibilityPart) -> dict[str, Any]:
    return {
        "pair_words": pair_words(part),
        "negative_words": negative_words(part),
        "method_words": method_words(part),
        "method_columns": METHOD_COLUMNS,
        "method_rows": method_rows(part),
        "auc": pictures.auc_by_method(part),
        "reliability": pictures.reliability(part),
        "pair_maps": pictures.pair_maps(part),
        "matching_losses": pictures.matching_losses(part),
        "confusion_columns": CONFUSION_COLUMNS,
        "confusion_rows": confusion_rows(part),
        "left_out_rows": [
            (row.get("origin", ""), row.get("reason", ""), row.get("message", ""))
            for row in part.left_out[:_MOST_ROWS]
        ],
        "left_out_more": max(0, len(part.left_out) - _MOST_ROWS),
        "leak_columns": leak_columns(part),
        "leak_rows": leak_rows(part),
        "pretraining_words": pretraining_words(part),
    }


def pair_words(part: CompatibilityPart) -> str:
    """What the models were trained on."""
    counts = part.counts
    negatives = counts["n_pairs"] - counts["n_positive"]
    return (
        f"{counts['n_positive']} compatible pairs of {counts['n_cores']} distinct cores and "
        f"{counts['n_ligands']} ligands, known from structures, and {negatives} negatives that the "
        "published rule draws. Nobody has tried the negatives: some may be compatible."
    )


def negative_words(part: CompatibilityPart) -> list[str]:
    """What is wrong with the negatives, and how far the label follows from one simple property."""
    sentences = list(part.negatives.get("warnings", ()))
    known = {k: v for k, v in part.negatives.get("shortcuts", {}).items() if v is not None}
    if known:
        told = ", ".join(f"{name.replace('_', ' ')} {value:.2f}" for name, value in known.items())
        sentences.append(
            f"Area under the curve by one property alone, on all pairs: {told}. A model is to be "
            "held against these numbers, not against 0.5."
        )
    return sentences


def method_words(part: CompatibilityPart) -> list[str]:
    """What the numbers are worth."""
    found = part.methods
    if not found:
        return ["The models were not measured on held-out pairs."]
    sentences = [f"{found['sentence'][:1].upper()}{found['sentence'][1:]}."]
    if found.get("warning"):
        sentences.append(f"{found['warning'][:1].upper()}{found['warning'][1:]}.")
    kinds = dict.fromkeys(row["split"] for row in found["rows"])
    told = "; ".join(f"{kind}: {SPLITS[kind]}" for kind in kinds if kind in SPLITS)
    sentences.append(
        f"Held out are, by kind of split: {told}. Mean and standard deviation are over seeds, each "
        f"with its own split; the interval ({100 * found['confidence']:g} %) is that of all test "
        "pairs together by the bootstrap over families of cores. The Brier score is the mean "
        "squared error of the probability, ECE the mean difference between probability and share "
        "of compatible pairs."
    )
    return sentences


def method_rows(part: CompatibilityPart) -> list[tuple[Any, ...]]:
    """One row for each kind of split and method."""
    rows = []
    for row in part.methods.get("rows", ()):
        ends, own = row["intervals"]["auc"], row["metrics"]
        interval = "–" if ends["low"] is None else f"{ends['low']:.2f} to {ends['high']:.2f}"
        measured = [_mean(own[name]) for name in ("accuracy", "precision", "recall", "f1", "brier")]
        rows.append(
            (
                *(row["split"], row["method"], _mean(own["auc"]), interval, *measured),
                *(row["calibration"]["ece"], ", ".join(map(str, row["n_test"]))),
            )
        )
    return rows


def _mean(summary: dict[str, Any]) -> str:
    if summary["mean"] is None:
        return "–"
    spread = "" if summary["deviation"] is None else f" ± {summary['deviation']:.2f}"
    return f"{summary['mean']:.2f}{spread}"


def confusion_rows(part: CompatibilityPart) -> list[tuple[Any, ...]]:
    """Counts of held-out pairs of all seeds by label and prediction."""
    kinds = ("true_negative", "false_positive", "false_negative", "true_positive")
    return [
        (row["split"], row["method"], *(row["pooled"]["confusion"][kind] for kind in kinds))
        for row in part.methods.get("rows", ())
        if row["pooled"]["confusion"] is not None
    ]


def leak_columns(part: CompatibilityPart) -> tuple[str, ...]:
    """Names of the columns of what training, validation and test have in common."""
    kinds = _kinds_of_leaks(part)
    return ("split", "training, validation, test", *(kind.replace("_", " ") for kind in kinds))


def leak_rows(part: CompatibilityPart) -> list[tuple[Any, ...]]:
    """One row for each split: pairs of each subset, and what is in more than one of them."""
    kinds = _kinds_of_leaks(part)
    return [
        (
            key.replace("_seed_", ", seed "),
            ", ".join(str(row["n_pairs"]) for row in found["subsets"].values()),
            *(found["leaks"].get(kind) for kind in kinds),
        )
        for key, found in part.leaks.items()
    ]


def _kinds_of_leaks(part: CompatibilityPart) -> list[str]:
    return list(dict.fromkeys(kind for found in part.leaks.values() for kind in found["leaks"]))


def pretraining_words(part: CompatibilityPart) -> str:
    """How accurate the pretrained core encoder is."""
    errors = part.pretraining.get("errors") or {}
    own, plain = errors.get("mae"), errors.get("composition_mae")
    if not part.pretraining:
        return ""
    text = "The core encoder was pretrained on formation energies"
    if own is not None:
        text += f": mean absolute error {show(own, 2)} eV/atom on held-out clusters"
    if plain is not None:
        text += f", of the composition alone {show(plain, 2)} eV/atom"
    return f"{text}."


def _of_ranking(part: RankingPart) -> dict[str, Any]:
    names, cores = part.table["names"], part.table["cores"]
    chosen = [row["index"] for row in part.comparison] or list(range(len(cores)))
    shown = [cores[k] for k in chosen[: _MOST_EDITS if part.comparison else _MOST_CORES]]
    found = (
        edit_words(part.comparison, names) if part.comparison else ranking_words(cores[0], names)
    )
    return {
        "ranking_words": [
            f"{text[:1].upper()}{text[1:]}."
            for text in (found, indistinct_words(part.comparison))
            if text
        ],
        "rankings": [
            (
                pictures.ranking_picture(core, names, k, part.uuids.get("table", "")),
                core_words(core),
            )
            for k, core in enumerate(shown, start=1)
        ],
        "rankings_left_out": max(0, len(cores) - len(shown)),
        "name_rows": [
            (name, part.table["groups"].get(smiles, ""), smiles)
            for smiles, name in sorted(names.items(), key=lambda item: item[1])
        ],
        "edit_columns": EDIT_COLUMNS,
        "edit_rows": [
            (
                *(row["description"], row["formula"], row["multiplicity"]),
                ligand_words(row["ligands"], names),
                *(round(row[name], 3) for name in ("probability", "spread")),
                *(
                    None if row["kind"] == "unedited" else round(row[name], 3) + 0.0
                    for name in ("change", "change_spread")
                ),
                "yes" if row["outside"] else "no",
            )
            for row in part.comparison
        ],
        "stability_columns": STABILITY_COLUMNS,
        "core_stability_rows": [
            (
                *(row["formula"], row["energy_per_atom"], row["displacement"]),
                *(100 * row["kept_bonds"], row["pieces"]),
            )
            for row in part.stability
        ],
    }


def core_words(core: dict[str, Any]) -> str:
    """Nearest known cores, and what the models have not seen."""
    near = "; ".join(
        f"{known['name']} at {show(known['distance'], 3)}" for known in core["nearest"]
    )
    text = f"Nearest known cores, in units of the distance beyond which one lies outside: {near}."
    if core["new_elements"]:
        text += f" No training core had {', '.join(core['new_elements'])}."
    if core["new_groups"]:
        text += f" No known cluster had a ligand of the kind {', '.join(core['new_groups'])}."
    if core["outside"]:
        text = f"This core lies outside of what the models have seen. {text}"
    if core["n_outside"]:
        text += f" {core['n_outside']} of {core['n_sets']} sets lie outside (open circles)."
    return text
