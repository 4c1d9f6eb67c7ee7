"""Sentences of a report: results, their uncertainty, and their limits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from aiida_nanoclusters.cli.report.assembly import answer as assembly_answer
from aiida_nanoclusters.cli.report.content import (
    CrossoverPart,
    Curve,
    MotifDifference,
    ScanPart,
    StudyReport,
    TrainingPart,
)
from aiida_nanoclusters.cli.report.figures import show
from aiida_nanoclusters.cli.report.ligand_content import RankingPart
from aiida_nanoclusters.cli.report.melting import melting_answer
from aiida_nanoclusters.science.learning.error_rows import OVERALL
from aiida_nanoclusters.science.ligands.edit_table import edit_words
from aiida_nanoclusters.science.ligands.ligand_ranking import ligand_words, ranking_words
from aiida_nanoclusters.science.stability.crossing import Crossing
from aiida_nanoclusters.science.stability.magic import one_sided, unjudged_sentence
from aiida_nanoclusters.science.units import J_PER_M2, MEV_PER_EV
from aiida_nanoclusters.science.words import counted


@dataclass(frozen=True)
class Headline:
    """A card at the top of the report: question, short answer, one line of detail, node."""

    question: str
    answer: str
    detail: str
    uuid: str


def headlines(report: StudyReport) -> list[Headline]:
    """Return the answers at the top of the report, those that exist."""
    cards = []
    if report.scan is not None:
        scan = report.scan
        sizes = [str(m.size) for m in scan.magic]
        count, asked = len(scan.difference_sizes), len(scan.sizes)
        cards.append(
            Headline(
                "Which sizes are magic?",
                ", ".join(sizes) if sizes else "none found" if scan.complete else "not known yet",
                f"{counted(asked, 'size')} annealed, {count} of them with both neighbouring sizes",
                scan.uuids.get("magic", scan.uuids.get("table", "")),
            )
        )
    for part, question in (
        (report.crossover, "At what size does a cluster become a crystal?"),
        (report.reference, "And with the reference potential itself?"),
    ):
        if part is not None and part.crossing is not None:
            cards.append(
                Headline(
                    question,
                    answer_of(part.crossing),
                    _capital(part.crossing.describe()),
                    part.uuids.get("answer", ""),
                )
            )
    if (melting := report.melting) is not None:
        cards.append(
            Headline(
                f"At what temperature does {melting.answer['cluster']} melt?",
                melting_answer(melting),
                _capital(melting.answer["sentence"]),
                melting.uuids["melting"],
            )
        )
    if report.ranking is not None:
        cards.append(_ranking_card(report.ranking))
    if report.assembly is not None:
        formed, detail = assembly_answer(report.assembly)
        source = report.assembly.uuids.get("assembly", "")
        cards.append(Headline("What formed?", formed, detail, source))
    return cards


def _ranking_card(part: RankingPart) -> Headline:
    names, source = part.table["names"], part.uuids.get("table", "")
    core = part.table["cores"][0]
    if part.comparison:
        detail = _capital(edit_words(part.comparison, names))
        best = part.comparison[min(1, len(part.comparison) - 1)]
        return Headline(
            "Which edit has the most probable ligands?", best["formula"], detail, source
        )
    best = core["rows"][0]
    return Headline(
        f"Which ligands suit {core['formula']}?",
        ligand_words(best["ligands"], names),
        _capital(ranking_words(core, names)),
        source,
    )


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def answer_of(crossing: Crossing) -> str:
    """N with its interval and diameter, or the verdict."""
    if crossing.size is None:
        return crossing.verdict
    low = f"< {crossing.n_min}" if crossing.low is None else crossing.shown(crossing.low)
    high = f"> {crossing.n_max}" if crossing.high is None else crossing.shown(crossing.high)
    diameter = "" if crossing.diameter_nm is None else f", {crossing.diameter_nm:.2g} nm"
    return f"N = {crossing.shown(crossing.size)} ({low} to {high}){diameter}"


# -- trained potentials compared with the reference -----------------------------------------


def gap(report: StudyReport) -> list[str]:
    """Compare the crossover of the trained potentials with that of the reference, with reasons."""
    learnt, reference = report.crossover, report.reference
    if learnt is None or learnt.crossing is None:
        return []
    if not learnt.learnt:
        return [
            "The curve is that of the potential itself, without training. The interval holds the "
            "uncertainty of the fits, not the difference between the potential and the real metal."
        ]
    error = report.training.motif_difference if report.training is not None else None
    if reference is None or reference.crossing is None or not reference.curve:
        return [
            "There is no curve of the reference itself to compare with, so an error common to all "
            "members of the committee is known only as far as it was measured. "
            + _measured(learnt.crossing, error)
        ]
    sentences = [_apart(learnt.crossing, reference.crossing)]
    if learnt.curve is not None:
        sentences += _why(learnt.crossing, reference.crossing, learnt.curve, reference.curve)
    sentences.append(_measured(learnt.crossing, error))
    return sentences


def _apart(learnt: Crossing, reference: Crossing) -> str:
    if learnt.size is None or reference.size is None:
        return (
            f"The trained potentials give: {answer_of(learnt)}; the reference itself gives: "
            f"{answer_of(reference)}."
        )
    more = learnt.size - reference.size
    percent = 100 * abs(more) / reference.size
    text = (
        f"The trained potentials cross at N = {learnt.shown(learnt.size)}, the reference itself at "
        f"N = {reference.shown(reference.size)}: the trained crossing is "
        f"{learnt.shown(abs(more))} atoms "
        f"({percent:.0f} %) {'higher' if more > 0 else 'lower'}."
    )
    low = -np.inf if learnt.low is None else learnt.low
    high = np.inf if learnt.high is None else learnt.high
    holds = low <= reference.size <= high
    percent = 100 * learnt.confidence
    return text + (
        f" The {percent:.0f} % interval of the trained potentials contains the crossing of the "
        "reference."
        if holds
        else f" The {percent:.0f} % interval of the trained potentials does not contain the "
        "crossing of the reference: it is too narrow; trust the result of the reference."
    )


def _why(
    learnt: Crossing, reference: Crossing, learnt_curve: Curve, reference_curve: Curve
) -> list[str]:
    """Return the energy difference behind the distance of the two crossings."""
    if learnt.size is not None:
        at, curve, whose, other, sign = learnt.size, reference_curve, "reference", "trained", -1
    elif reference.size is not None:
        at, curve, whose, other, sign = reference.size, learnt_curve, "trained", "reference", 1
    else:
        return []
    whose_size = reference if learnt.size is None else learnt
    value = _at(curve, at)
    slope = _at(curve, 2 * at) - value
    if not np.isfinite(value):
        return []
    size = f"{abs(value):.{1 if abs(value) >= 0.1 else 2}f}"
    text = (
        f"The reason is the motif-difference error. At N = {whose_size.shown(at)}, where the "
        f"{other} curve is zero, the {whose} curve is at {_signed(value)} meV/atom: there the "
        f"trained potentials place icosahedra {size} meV/atom too "
        f"{'low' if sign * value < 0 else 'high'} relative to crystals."
    )
    if np.isfinite(slope):
        text += (
            f" This small error is enough, because the {whose} curve changes by only "
            f"{show(abs(slope), 2)} meV/atom when the size doubles."
        )
    return [text]


def _at(curve: Curve, n: float) -> float:
    if not curve.n.min() <= n <= curve.n.max():
        return float("nan")
    return float(np.interp(np.log(n), np.log(curve.n), curve.median)) * MEV_PER_EV


def _measured(learnt: Crossing, error: MotifDifference | None) -> str:
    if error is None:
        return (
            f"The interval includes a systematic error of {show(learnt.systematic_mev, 2)} "
            "meV/atom; none was measured on closed shells labelled by the reference."
            if learnt.systematic_mev
            else "No motif-difference error was measured, and the interval includes none: it is a "
            "lower bound of the uncertainty."
        )
    values = list(error.members.values())
    members = (
        "" if len(values) < 2 else f" (members {_signed(min(values))} to {_signed(max(values))})"
    )
    return (
        f"On relaxed closed shells labelled by the reference, the trained potentials have an error "
        f"of the difference icosahedron − truncated octahedron of {_signed(error.mean)} "
        f"meV/atom{members}; its root mean square, {show(learnt.systematic_mev, 2)} meV/atom, is "
        "part of the interval as a shift common to all sizes."
        if learnt.systematic_mev
        else f"On relaxed closed shells labelled by the reference, the trained potentials have an "
        f"error of the difference icosahedron − truncated octahedron of {_signed(error.mean)} "
        f"meV/atom{members}; this is not part of the interval."
    )


def _signed(value: float) -> str:
    text = f"{abs(value):.{1 if abs(value) >= 0.1 else 2}f}"
    return f"−{text}" if value < 0 else f"+{text}"


# -- single parts --------------------------------------------------------------------------


def accuracy(training: TrainingPart) -> str:
    """Return the errors on frames outside the training set in one sentence; empty without any."""
    order = ("test", "extrapolation", "validation")
    rows = [r for r in training.errors if r.group == OVERALL and r.part in order]
    if not rows:
        return ""
    part = min((r.part for r in rows), key=order.index)
    row = [r for r in rows if r.part == part][-1]
    whose = "the mean of the committee" if row.member == "committee" else "the potential"
    return (
        f"On {counted(row.frames or 0, f'{part} frame')} {whose} has an RMSE of "
        f"{show(row.energy_rmse, 3)} meV/atom in the energy (MAE {show(row.energy_mae, 3)}) and of "
        f"{show(row.forces_rmse, 3)} meV/Å in the force components (MAE {show(row.forces_mae, 3)})."
    )


def scan_sentence(scan: ScanPart) -> str:
    """Say which shells close at the magic sizes, and what is missing."""
    by_kind: dict[str, list[int]] = {}
    for m in scan.magic:
        by_kind.setdefault(scan.kind(m.size), []).append(m.size)
    words = {
        "electronic": "at electronic shell closings",
        "geometric": "at closed icosahedral shells",
        "electronic and geometric": "at both kinds of closing",
        "neither": "at no shell closing",
    }
    parts = [f"{list_sizes(by_kind[k])} {text}" for k, text in words.items() if k in by_kind]
    text = f"Magic sizes lie {'; '.join(parts)}." if parts else "No size is magic."
    if not scan.complete:
        text = "Magic sizes are determined when all sizes are done."
    elif unjudged := unjudged_sentence(scan.sizes):
        text += f" {unjudged}"
        if edge := one_sided([m.size for m in scan.magic], scan.difference_sizes):
            text += (
                f" {list_sizes(list(edge))} {'is' if len(edge) == 1 else 'are'} held against one "
                "neighbour only: a scan over two sizes more at each end would settle it."
            )
    if scan.asked is not None and scan.asked > len(scan.sizes):
        text += f" Preliminary: {len(scan.sizes)} of {scan.asked} sizes are done."
    missed = [s.size for s in scan.structures if s.hits == 0 and s.runs]
    if missed:
        text += (
            f" At {list_sizes(missed)} atoms no annealing run found the lowest structure, which "
            "is a constructed one that was only relaxed: anneal with slower cooling to check the "
            "other sizes."
        )
    once = [s.size for s in scan.structures if s.hits == 1 and (s.runs or 0) > 1]
    if once:
        text += (
            f" At {list_sizes(once)} atoms the lowest structure was found in one run only: lower "
            "ones may exist; anneal with more starts to check."
        )
    one_way = [s.size for s in scan.structures if s.hits == 1 and s.runs is None]
    if one_way:
        text += (
            f" At {list_sizes(one_way)} atoms the lowest structure was found in one way only: "
            "lower ones may exist; search with more rounds to check."
        )
    return text


def magic_probability(scan: ScanPart) -> str:
    """Return the share of the committee behind each magic size; empty without a committee."""
    sure = [m for m in scan.magic if m.probability is not None]
    if not sure and (np.isfinite(scan.spreads).any() or not (scan.magic or scan.complete)):
        return ""
    if not sure:
        return "Without a committee the second differences have no error bars."
    each = ", ".join(f"{m.size} ({100 * (m.probability or 0):.0f} %)" for m in sure)
    return f"Share of the members of the committee for which each size is magic: {each}."


def search_sentence(part: CrossoverPart) -> str:
    """Say how much was relaxed, and why the search ended."""
    if not part.answer:
        return "The search has no result yet."
    failed = part.answer.get("failed") or []
    text = (
        f"Closed shells relaxed: {part.answer.get('clusters_relaxed')}, of "
        f"{part.answer.get('atoms_relaxed')} atoms in total; the search "
        f"ended because: {part.answer.get('reason')}."
    )
    return text + (f" Not relaxed: {', '.join(failed)}." if failed else "")


def list_sizes(sizes: Sequence[int]) -> str:
    """Return the first twelve sizes, and how many more there are."""
    shown = ", ".join(str(n) for n in sizes[:12])
    return shown + (f" and {len(sizes) - 12} more" if len(sizes) > 12 else "")


_BULK = {
    "lattice_constant": "lattice constant (Å)",
    "energy": "energy (eV/atom)",
    "cohesive_energy": "cohesive energy (eV/atom)",
    "atomic_volume": "atomic volume (Å³)",
}


def bulk_rows(part: CrossoverPart) -> list[tuple[str, Any]]:
    """Crystal and surfaces as quantity and value."""
    rows = [(_BULK[name], part.bulk[name]) for name in _BULK if name in part.bulk]
    surfaces = part.bulk.get("surface_energies", {})
    rows += [
        (
            f"surface energy ({facet})",
            f"{show(energy, 3)} eV/Å² = {show(energy * J_PER_M2, 3)} J/m²",
        )
        for facet, energy in surfaces.items()
    ]
    return rows + [
        (
            f"strain energy ({motif})",
            f"{show(own['fitted'], 2)} ± {show(own['standard_error'], 1)} meV/atom by the fit, "
            f"{show(own['expected'], 2)} ± {show(own['standard_deviation'], 1)} by elasticity",
        )
        for motif, own in part.answer.get("strain_energies", {}).items()
    ]
