"""What a report says of the searches behind the lowest structures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from aiida_nanoclusters.cli.report.content import ScanPart
from aiida_nanoclusters.cli.report.sentences import list_sizes
from aiida_nanoclusters.science.sampling.searches import Found
from aiida_nanoclusters.science.stability.magic import magic_sizes, second_difference

#: An energy above the lowest by less than this (eV) is that of the same structure.
_SAME = 1e-3


def found_sentence(scan: ScanPart) -> str:
    """Say who found the lowest structures, and what annealing alone would have said."""
    found = scan.searches
    if not found:
        return ""
    counts = Counter(own.source for own in found).most_common()
    parts = [f"{source} ({count})" for source, count in counts]
    text = f"Lowest structures were found first by: {', '.join(parts)}."
    if seeded := [own.size for own in found if own.only_a_motif]:
        text += (
            f" At {list_sizes(seeded)} atoms a motif that was built is lower than all that was "
            "searched: the search does not reach that funnel."
        )
    annealed = [own for own in found if "annealing" in own.energies]
    if not annealed:
        return text
    above = {own.size: own.above("annealing") or 0.0 for own in annealed}
    missed = [size for size, energy in above.items() if energy > _SAME]
    if not missed:
        return text + " Annealing alone would have found all of them."
    worst = max(missed, key=lambda size: above[size])
    text += (
        f" Annealing alone would have ended above the lowest at {len(missed)} of {len(annealed)} "
        f"sizes, by up to {above[worst]:.2f} eV (N = {worst})"
    )
    magic = magic_of_source(found, "annealing")
    return text + f", with the magic sizes {list_sizes(magic)}." if magic else text + "."


def magic_of_source(found: Iterable[Found], source: str) -> list[int]:
    """Return the sizes that are magic by the energies of one source alone."""
    known = [(own.size, own.energies[source]) for own in found if source in own.energies]
    if not known:
        return []
    sizes, energies = zip(*known, strict=True)
    return [own.size for own in magic_sizes(*second_difference(sizes, energies))]
