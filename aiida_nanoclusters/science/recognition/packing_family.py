"""The structural family of a whole cluster, and what tells its subfamilies apart.

The six names are those under which M. Settem, R. Ferrando and A. Giacomello, Nanoscale 14, 939
(2022) sort clusters of gold by common-neighbour analysis: fcc, twin, decahedral, icosahedral, mixed
and amorphous. Their thresholds were not at hand; those here are our own and are in
:func:`name_family`. Subfamilies follow E. Telari et al., ACS Nano 17, 21287 (2023): position and
number of twin planes, hcp islands, surface defects, central vacancy, axis at the periphery.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from ase import Atoms
from scipy.spatial import cKDTree

from aiida_nanoclusters.science.recognition.close_packed_planes import Stacking, stackings
from aiida_nanoclusters.science.recognition.common_neighbours import (
    CLASSES,
    SURFACE_COORDINATION,
    bond_signatures,
    packing_classes,
)
from aiida_nanoclusters.science.recognition.fivefold import (
    Axis,
    crossing_of_axes,
    fivefold_axes,
    vacancies,
)
from aiida_nanoclusters.science.recognition.neighbours import MIDWAY, neighbour_cutoff

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: The families, by increasing disorder.
FAMILIES = ("fcc", "twin", "decahedral", "icosahedral", "mixed", "amorphous")
FCC, TWIN, DECAHEDRAL, ICOSAHEDRAL, MIXED, AMORPHOUS = FAMILIES

#: Signatures of bonds in perfect packings, inside (421, 422, 555) and at their surfaces.
_ORDERED = (421, 422, 555, 666, 444, 300, 311, 322, 200, 211, 100)
#: Share of disordered bonds from which a cluster is amorphous (if most inner atoms are
#: unrecognised) or mixed.
_DISORDER = 0.1
#: The same where an icosahedral centre is there: rosettes on its surface do not make it mixed.
_DISORDER_OF_ICOSAHEDRA = 0.15
#: Fewest hcp atoms that make a plane.
_PLANE = 3
#: Largest distance of a decahedron's axis from the centroid, in bond lengths, to count as central.
_CENTRAL = 0.35
#: Surface atoms with at most this many neighbours lie on a facet: adatoms.
_ADATOM = 4


@dataclass(frozen=True)
class PackingFamily:
    """What a whole cluster is.

    Attributes
    ----------
    name
        One of :data:`FAMILIES`.
    subfamily
        What tells it apart within its family, in words.
    counts
        Atoms of each class of :data:`.CLASSES`.
    fivefold_axes
        Number of fivefold axes with an atom inside.
    axis_offset
        Of the longest fivefold axis from the centroid, in bond lengths; nan without axes.
    stacking
        Letters of the close-packed layers along each normal of hcp planes, see :class:`.Stacking`;
        of twins only.
    hcp_islands
        Number of hcp planes just under a surface layer.
    vacancies
        Number of atoms missing inside.
    central_vacancy
        Whether one is where the fivefold axes cross.
    surface_defects
        Inner atoms of no known class, not around a vacancy, that have a disordered bond: under a
        rosette or another reconstruction.
    steps
        Those that have none, and adatoms: edges and steps of incomplete facets.
    disorder
        Share of the bonds of inner atoms whose signature occurs in no perfect packing.
    reason
        The rule that decided, in words.
    """

    name: str
    subfamily: str
    counts: dict[str, int]
    fivefold_axes: int
    axis_offset: float
    stacking: tuple[str, ...]
    hcp_islands: int
    vacancies: int
    central_vacancy: bool
    surface_defects: int
    steps: int
    disorder: float
    reason: str

    @property
    def label(self) -> str:
        """Family and subfamily, such as ``icosahedral, central vacancy``."""
        return f"{self.name}, {self.subfamily}" if self.subfamily else self.name


@dataclass(frozen=True)
class _Packing:
    """What the rules look at; what only some of them need is found when it is asked for."""

    positions: Floats
    bond: float
    pairs: Ints
    signatures: Ints
    classes: Ints
    coordination: Ints

    @cached_property
    def inner(self) -> npt.NDArray[np.bool_]:
        return np.asarray(self.coordination > SURFACE_COORDINATION)

    @cached_property
    def disordered(self) -> npt.NDArray[np.bool_]:
        of_inner = self.inner[self.pairs].any(axis=1)
        return np.asarray(of_inner & ~np.isin(self.signatures, _ORDERED))

    @cached_property
    def disorder(self) -> float:
        of_inner = self.inner[self.pairs].any(axis=1)
        return float(self.disordered.sum() / max(of_inner.sum(), 1))

    @cached_property
    def around_holes(self) -> npt.NDArray[np.bool_]:
        """Inner atoms of no known class that surround a vacancy."""
        near = np.zeros(len(self.positions), dtype=bool)
        if len(self.holes):
            near = cKDTree(self.holes).query(self.positions)[0] < 1.3 * self.bond
        return near & self.inner & (self.classes == CLASSES.index("other"))

    @cached_property
    def faults(self) -> tuple[int, int]:
        """Inner atoms of no known class with and without a disordered bond."""
        unknown = self.inner & (self.classes == CLASSES.index("other")) & ~self.around_holes
        disordered = np.bincount(
            self.pairs[self.disordered].ravel(), minlength=len(self.positions)
        ).astype(bool)
        return int((unknown & disordered).sum()), int((unknown & ~disordered).sum())

    @cached_property
    def axes(self) -> list[Axis]:
        return fivefold_axes(self.positions, self.pairs, self.signatures)

    @cached_property
    def stackings(self) -> list[Stacking]:
        bonds = (self.pairs, self.signatures, self.classes)
        return stackings(self.positions, *bonds, self.bond, _PLANE)

    @cached_property
    def holes(self) -> Floats:
        return vacancies(self.positions, self.bond)

    def count(self, name: str) -> int:
        return int((self.classes == CLASSES.index(name)).sum())

    @cached_property
    def main_axes(self) -> list[Axis]:
        """Axes with an atom inside: a single bond 555 at the surface is a reconstruction."""
        inside = np.isin(self.classes, [CLASSES.index("fivefold"), CLASSES.index("icosahedral")])
        around = cKDTree(self.positions).query_ball_point(self.holes, 1.3 * self.bond)
        for atoms in around:  # the axes of an icosahedron end at a missing centre
            inside[atoms] = True
        return [axis for axis in self.axes if inside[axis.atoms].any()]


def name_family(atoms: Atoms, cutoff: float | None = None) -> PackingFamily:
    """Name the family and the subfamily of a relaxed cluster.

    Inner atoms are those with more than ten neighbours, known ones those that
    :func:`.packing_classes` recognises or that surround a vacancy. Disordered are bonds of inner
    atoms with a signature such as 433 or 544, which no perfect packing has. Rules, the first that
    holds:

    1. amorphous: no atom is inside, or less than half of the inner atoms are known and at least a
       tenth of their bonds are disordered.
    2. icosahedral: an atom with twelve fivefold bonds; or at least eight fivefold axes that end at
       a vacancy; or at least three that meet in one place, as in a fragment whose centre is at the
       surface. Mixed, if 15 % of the bonds are disordered all the same, or several atoms are
       centres.
    3. decahedral: one fivefold axis with an atom inside.
    4. mixed: several fivefold axes that do not meet; or a tenth of the bonds disordered.
    5. twin: at least three hcp atoms in a plane.
    6. fcc: any fcc atom.
    7. amorphous: what remains.

    Parameters
    ----------
    atoms : ase.Atoms
        Cluster, relaxed or at least quenched; cell and periodicity are ignored. Pass the metal
        atoms alone where ligands surround them.
    cutoff : float, optional
        Largest neighbour distance (Å); :func:`.neighbour_cutoff` where left out.

    Returns
    -------
    PackingFamily
        Name, subfamily and the numbers they rest on.

    Examples
    --------
    >>> from aiida_nanoclusters.science.structures.motifs import mackay_icosahedron
    >>> name_family(mackay_icosahedron("Au", 3)).label
    'icosahedral, perfect'
    """
    packing = _analyse(atoms, cutoff)
    name, reason = _family(packing)
    main = packing.main_axes
    place, _ = crossing_of_axes(main)
    central = name == ICOSAHEDRAL and _hole_at(packing, place)
    defects, steps = packing.faults
    steps += int((packing.coordination <= _ADATOM).sum())
    planes = _planes(packing, name)
    centroid = packing.positions.mean(axis=0)
    offset = main[0].distance(centroid) / packing.bond if main else float("nan")
    words = {
        FCC: lambda: _surface_words(defects, steps),
        TWIN: lambda: "; ".join([_twin_words(planes), *_defect_words(defects)]),
        DECAHEDRAL: lambda: _decahedral_words(offset, planes, defects),
        ICOSAHEDRAL: lambda: _icosahedral_words(central, defects, steps, packing.axes),
    }
    return PackingFamily(
        name=name,
        subfamily=words[name]() if name in words else "",
        counts={kind: packing.count(kind) for kind in CLASSES},
        fivefold_axes=len(main),
        axis_offset=offset,
        stacking=tuple(one.layers for one in planes) if name == TWIN else (),
        hcp_islands=_islands(planes),
        vacancies=len(packing.holes),
        central_vacancy=central,
        surface_defects=defects,
        steps=steps,
        disorder=packing.disorder,
        reason=reason,
    )


def _analyse(atoms: Atoms, cutoff: float | None) -> _Packing:
    """Find the bonds of a cluster, what they say of its atoms, and the mean bond length."""
    positions, count = np.asarray(atoms.positions), len(atoms)
    pairs, reach = np.zeros((0, 2), dtype=np.int64), 1.0
    if count > 1:
        free = Atoms(numbers=atoms.numbers, positions=positions)
        reach = neighbour_cutoff(free) if cutoff is None else cutoff
        pairs = cKDTree(positions).query_pairs(reach, output_type="ndarray")
    signatures = bond_signatures(pairs, count)
    classes = packing_classes(pairs, signatures, count)
    coordination = np.bincount(pairs.ravel(), minlength=count)
    return _Packing(positions, reach / MIDWAY, pairs, signatures, classes, coordination)


def _family(packing: _Packing) -> tuple[str, str]:
    """Return the name and the reason."""
    inner = int(packing.inner.sum())
    known = inner - sum(packing.faults)
    share = f"{known} of {inner} inner atoms are known, {packing.disorder:.0%} disordered bonds"
    disordered = packing.disorder >= _DISORDER
    if not inner or (2 * known < inner and disordered):
        return AMORPHOUS, share
    axes = packing.main_axes
    place, crossing = crossing_of_axes(axes)
    centre = packing.count("icosahedral")
    ends = crossing if _hole_at(packing, place) else 0
    if centre or ends >= 8 or (len(axes) >= 3 and crossing == len(axes)):
        reason = f"{len(axes)} fivefold axes, {centre} atoms where they cross; {share}"
        whole = packing.disorder < _DISORDER_OF_ICOSAHEDRA and centre < 2
        return (ICOSAHEDRAL if whole else MIXED), reason
    if disordered or len(axes) > 1:
        return MIXED, f"{len(axes)} fivefold axes that do not meet; {share}"
    if axes:
        return DECAHEDRAL, f"one fivefold axis of {axes[0].bonds} bonds; {share}"
    hcp, fcc = sum(sum(one.atoms) for one in packing.stackings), packing.count("fcc")
    if hcp:
        return TWIN, f"{hcp} hcp atoms in planes and {fcc} fcc atoms; {share}"
    if fcc:
        return FCC, f"{fcc} fcc atoms and no hcp plane; {share}"
    return AMORPHOUS, share


def _hole_at(packing: _Packing, place: Floats) -> bool:
    gaps = np.linalg.norm(packing.holes - place, axis=1)
    return bool((gaps < 0.5 * packing.bond).any())


def _planes(packing: _Packing, name: str) -> list[Stacking]:
    """Return the hcp planes of a twin, or of a decahedron those that do not contain its axis."""
    if name == TWIN:
        return packing.stackings
    if name != DECAHEDRAL:
        return []
    along = packing.main_axes[0].direction
    return [one for one in packing.stackings if abs(one.normal @ along) > 0.5]


def _islands(planes: list[Stacking]) -> int:
    return sum(one.beside(plane)[0] == 1 for one in planes for plane in one.planes)


def _surface_words(defects: int, steps: int) -> str:
    return "surface defects" if defects else "incomplete facets" if steps else "perfect"


def _defect_words(defects: int) -> list[str]:
    return ["surface defects"] if defects else []


def _twin_words(planes: list[Stacking]) -> str:
    """Describe hcp planes: how many, parallel or not, and the layers on either side of one."""
    if len(planes) > 1:
        return f"{len(planes)} converging hcp planes"
    (one,) = planes
    if "c" not in one.layers:
        return "hcp"
    first, *more = one.planes
    if not more:
        near, far = one.beside(first)
        return "hcp island" if near == 1 else f"one twin plane {near}:{far}"
    if len(one.planes) > one.layers.count("c"):
        return f"mostly hcp, {len(one.planes)} hcp planes"
    if len(one.planes) == 2 and more[0] - first == 1:
        near = min(first, len(one.layers) - 1 - more[0])
        return f"stacking fault, {near} layers from the surface"
    return f"{len(one.planes)} parallel twin planes {one.layers.strip('-')}"


def _decahedral_words(offset: float, planes: list[Stacking], defects: int) -> str:
    place = "at" if offset <= _CENTRAL else "off"
    words = [f"axis {place} the centre"]
    words += ["hcp island"] if planes else []
    return "; ".join([*words, *_defect_words(defects)])


def _icosahedral_words(central: bool, defects: int, steps: int, axes: list[Axis]) -> str:
    words = ["central vacancy"] if central else []
    complete = len({axis.bonds for axis in axes}) == 1 and len(axes) == (12 if central else 6)
    if defects:
        words.append("surface defects")
    elif steps or not complete:
        words.append("incomplete shell")
    return "; ".join(words) or "perfect"
