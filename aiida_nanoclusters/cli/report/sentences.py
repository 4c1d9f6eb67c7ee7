"""Sentences of a report: what was found, how sure that is, and what stands against it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from aiida_nanoclusters.cli.report.data import (
    CrossoverPart,
    Curve,
    MotifDifference,
    ScanPart,
    StudyReport,
    TrainingPart,
)
from aiida_nanoclusters.cli.report.figures import show
from aiida_nanoclusters.cli.report.melting import melting_answer
from aiida_nanoclusters.cli.report.training import OVERALL
from aiida_nanoclusters.science.crossing import Crossing
from aiida_nanoclusters.science.units import MEV_PER_EV


@dataclass(frozen=True)
class Headline:
    """One card at the top: a question, its answer in a few words, a line below, a node."""

    question: str
    answer: str
    detail: str
    uuid: str


def headlines(report: StudyReport) -> list[Headline]:
    """Answers the report opens with, those that there are."""
    cards = []
    if report.scan is not None:
        scan = report.scan
        sizes = [str(m.size) for m in scan.magic]
        count, asked = len(scan.difference_sizes), len(scan.sizes)
        cards.append(
            Headline(
                "Which sizes are magic?",
                ", ".join(sizes) if sizes else "none found" if scan.complete else "not known yet",
                f"{asked} sizes annealed, {count} of them with both neighbours to compare with",
                scan.uuids.get("magic", scan.uuids.get("table", "")),
            )
        )
    for part, question in (
        (report.crossover, "At what size does a cluster become a crystal?"),
        (report.reference, "And by the reference itself, with nothing learnt?"),
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
    return cards


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def answer_of(crossing: Crossing) -> str:
    """N with its interval and diameter, or the verdict."""
    if crossing.size is None:
        return crossing.verdict
    low = f"< {crossing.n_min}" if crossing.low is None else f"{crossing.low:.0f}"
    high = f"> {crossing.n_max}" if crossing.high is None else f"{crossing.high:.0f}"
    diameter = "" if crossing.diameter_nm is None else f", {crossing.diameter_nm:.2g} nm"
    return f"N = {crossing.size:.0f} ({low} to {high}){diameter}"


# -- the learnt answer beside the reference's ----------------------------------------------


def gap(report: StudyReport) -> list[str]:
    """What the reference's own curve says beside the learnt one, and why they differ."""
    learnt, reference = report.crossover, report.reference
    if learnt is None or learnt.crossing is None:
        return []
    if not learnt.learnt:
        return [
            "This is the potential's own curve. Nothing was learnt, so the interval tells what the "
            "fits leave open; how far the potential is from the metal it does not tell."
        ]
    error = report.training.motif_difference if report.training is not None else None
    if reference is None or reference.crossing is None or not reference.curve:
        return [
            "No exact curve of the reference stands beside this one, so an error common to all "
            "members of the committee can be seen only as far as it was measured. "
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
            f"The learnt potentials say: {answer_of(learnt)}; the reference itself, computed "
            f"without learning, says: {answer_of(reference)}."
        )
    more = learnt.size - reference.size
    percent = 100 * abs(more) / reference.size
    text = (
        f"The learnt crossing differs from the reference's by {abs(more):.0f} atoms: it lies at "
        f"N = {learnt.size:.0f}, the reference itself, computed without learning, crosses at "
        f"N = {reference.size:.0f} ({percent:.0f} % {'higher' if more > 0 else 'lower'})."
    )
    low = -np.inf if learnt.low is None else learnt.low
    high = np.inf if learnt.high is None else learnt.high
    holds = low <= reference.size <= high
    percent = 100 * learnt.confidence
    return text + (
        f" The learnt {percent:.0f} % interval holds the reference's crossing."
        if holds
        else f" The learnt {percent:.0f} % interval does not hold the reference's crossing: it is "
        "too narrow, and the reference's answer is the one to trust."
    )


def _why(
    learnt: Crossing, reference: Crossing, learnt_curve: Curve, reference_curve: Curve
) -> list[str]:
    """How small an energy lies behind the distance, read off the other's curve."""
    if learnt.size is not None:
        at, curve, whose, other, sign = learnt.size, reference_curve, "reference's", "learnt", -1
    elif reference.size is not None:
        at, curve, whose, other, sign = reference.size, learnt_curve, "learnt", "reference's", 1
    else:
        return []
    value = _at(curve, at)
    slope = _at(curve, 2 * at) - value
    if not np.isfinite(value):
        return []
    size = f"{abs(value):.{1 if abs(value) >= 0.1 else 2}f}"
    text = (
        f"The reason is the motif-difference error. At N = {at:.0f}, where the {other} curve is "
        f"zero, the {whose} stands at {_signed(value)} meV/atom: there the learnt potentials put "
        f"icosahedra {size} meV/atom too {'low' if sign * value < 0 else 'high'} against crystals."
    )
    if np.isfinite(slope):
        text += (
            f" So small an error is enough, for the {whose} curve changes by "
            f"only {show(abs(slope), 2)} meV/atom when the size doubles."
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
            "meV/atom; none was measured on closed shells the reference has labelled."
            if learnt.systematic_mev
            else "No motif-difference error was measured, and the interval includes none: read it "
            "as the least the uncertainty can be."
        )
    values = list(error.members.values())
    members = (
        "" if len(values) < 2 else f" (members {_signed(min(values))} to {_signed(max(values))})"
    )
    return (
        f"Measured on relaxed closed shells which the reference has labelled, the learnt "
        f"difference icosahedron − truncated octahedron is off by {_signed(error.mean)} "
        f"meV/atom{members}; its root mean square, {show(learnt.systematic_mev, 2)} meV/atom, is "
        "part of the interval as a shift common to all sizes."
        if learnt.systematic_mev
        else f"Measured on relaxed closed shells which the reference has labelled, the learnt "
        f"difference icosahedron − truncated octahedron is off by {_signed(error.mean)} "
        f"meV/atom{members}; this is not part of the interval."
    )


def _signed(value: float) -> str:
    text = f"{abs(value):.{1 if abs(value) >= 0.1 else 2}f}"
    return f"−{text}" if value < 0 else f"+{text}"


# -- single parts --------------------------------------------------------------------------


def accuracy(training: TrainingPart) -> str:
    """Errors on frames never learnt, in one sentence; empty where there are none."""
    order = ("test", "unseen", "validation")
    rows = [r for r in training.errors if r.group == OVERALL and r.part in order]
    if not rows:
        return ""
    part = min((r.part for r in rows), key=order.index)
    row = [r for r in rows if r.part == part][-1]
    whose = "the mean of the committee" if row.member == "committee" else "the potential"
    return (
        f"On {row.frames} {part} frames {whose} is off by {show(row.energy_rmse, 3)} meV/atom in "
        f"energy (RMSE; MAE {show(row.energy_mae, 3)}) and by {show(row.forces_rmse, 3)} meV/Å in "
        f"force components (RMSE; MAE {show(row.forces_mae, 3)})."
    )


def scan_sentence(scan: ScanPart) -> str:
    """Which kind of shell closes at the magic sizes, and what is missing."""
    by_kind: dict[str, list[int]] = {}
    for m in scan.magic:
        by_kind.setdefault(scan.kind(m.size), []).append(m.size)
    words = {
        "electronic": "at electronic shell closings",
        "geometric": "at closed icosahedral shells",
        "electronic and geometric": "at both at once",
        "neither": "at neither",
    }
    parts = [f"{_list(by_kind[k])} {text}" for k, text in words.items() if k in by_kind]
    text = f"Magic sizes lie {'; '.join(parts)}." if parts else "No size stands out."
    if not scan.complete:
        text = "Magic sizes are named when all sizes are done."
    if scan.asked is not None and scan.asked > len(scan.sizes):
        text += f" Preliminary: {len(scan.sizes)} of {scan.asked} sizes are done."
    missed = [s.size for s in scan.structures if s.hits == 0 and s.runs]
    if missed:
        text += (
            f" No annealing run found the lowest structure of {_list(missed)}, a built "
            "one that was only relaxed: slower cooling would tell how far to trust the others."
        )
    once = [s.size for s in scan.structures if s.hits == 1 and (s.runs or 0) > 1]
    if once:
        text += (
            f" The lowest structure of {_list(once)} was found in one run only: lower ones may "
            "exist, and more starts would tell."
        )
    return text


def magic_probability(scan: ScanPart) -> str:
    """How sure the committee is of each magic size; empty without a committee."""
    sure = [m for m in scan.magic if m.probability is not None]
    if not sure and not scan.magic and not scan.complete:
        return ""
    if not sure:
        return "Without a committee the second differences have no error bars."
    each = ", ".join(f"{m.size} ({100 * (m.probability or 0):.0f} %)" for m in sure)
    return f"Share of the committee's members that find each size magic by themselves: {each}."


def search_sentence(part: CrossoverPart) -> str:
    """How much was relaxed, and why the search ended."""
    if not part.answer:
        return "The search has not come to an answer yet."
    failed = part.answer.get("failed") or []
    text = (
        f"{part.answer.get('clusters_relaxed')} closed shells with "
        f"{part.answer.get('atoms_relaxed')} atoms together were relaxed; the search "
        f"ended because: {part.answer.get('reason')}."
    )
    return text + (f" Not relaxed: {', '.join(failed)}." if failed else "")


def _list(sizes: Sequence[int]) -> str:
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
    return rows + [(f"surface energy ({facet}) (eV/Å²)", e) for facet, e in surfaces.items()]
