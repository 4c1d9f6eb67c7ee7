"""Content of the report of a chart, made up: built clusters placed by their pair distances."""

from dataclasses import asdict, replace

import numpy as np

from aiida_nanoclusters.cli.report import chart_content as content
from aiida_nanoclusters.cli.report.collect_chart import chart_part
from aiida_nanoclusters.science import keys
from aiida_nanoclusters.science.charts.analysis_settings import FreeEnergySettings
from aiida_nanoclusters.science.charts.distributions import pair_distributions
from aiida_nanoclusters.science.charts.free_energy import resampled_weights
from aiida_nanoclusters.science.charts.paths import path_between
from aiida_nanoclusters.science.charts.settings import DistributionSettings
from aiida_nanoclusters.science.charts.transitions import (
    core_of,
    core_radii,
    find_transitions,
    running_mean,
)
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.recognition.packing_family import FAMILIES
from aiida_nanoclusters.science.structures.defects import DEFECTIVE, defective_cluster
from tests.cli.report.built_study import uuid

#: Kinds that are built: name of the packing and of the subfamily.
KINDS = {
    "icosahedron": ("icosahedral", ""),
    "icosahedron without its centre": ("icosahedral", "central vacancy"),
    "icosahedron with rosettes": ("icosahedral", "surface defects"),
    "decahedron": ("decahedral", "axis central"),
    "decahedron with its axis off the centre": ("decahedral", "axis off the centre"),
    "fcc": ("fcc", ""),
    "one twin plane": ("twin", "one plane"),
    "two parallel twin planes": ("twin", "two parallel planes"),
    "hcp island": ("twin", "hcp island"),
    "hcp": ("twin", "hcp"),
    "disordered": ("amorphous", ""),
}
SIZE = 147


def built(each, seed=0):
    """Frames of every kind with made-up energies, and the kind of each."""
    rng = np.random.default_rng(seed)
    found, kinds = [], []
    for number, kind in enumerate(KINDS):
        assert kind in DEFECTIVE
        for k in range(each):
            atoms = defective_cluster("Au", kind, SIZE, seed=seed * 10_000 + k)
            atoms.positions += rng.normal(0, 0.06, atoms.positions.shape)
            found.append(atoms)
            kinds.append(number)
    frames = Frames.from_atoms(found)
    energies = -3.5 * SIZE + 0.4 * np.array(kinds) + rng.gamma(2.0, 0.15, len(kinds))
    return replace(frames, energies=energies), np.array(kinds)


def placed(frames):
    """Three principal components of the distributions of pair distances, of unit spread."""
    rows = pair_distributions(frames, DistributionSettings(longest=7.0, bins=200))
    centred = rows - rows.mean(axis=0)
    places = centred @ np.linalg.svd(centred, full_matrices=False)[2][:3].T
    return places / np.sqrt((places**2).sum(axis=1).mean())


def chart(each=8, populations=True, track=True, **others):
    """A chart of built clusters, with populations, a trajectory and a path between two families."""
    frames, kinds = built(each)
    places = placed(frames)
    number = len(KINDS)
    centres = np.array([places[kinds == k].mean(axis=0) for k in range(number)])
    rows = [
        {
            "name": packing, "subfamily": subfamily, "count": each, "name_share": 0.96,
            "centre": centres[k], "representative": int(np.flatnonzero(kinds == k)[np.argmin(
                np.linalg.norm(places[kinds == k] - centres[k], axis=1))]),
        }
        for k, (packing, subfamily) in enumerate(KINDS.values())
    ]  # fmt: skip
    packing = np.array([FAMILIES.index(KINDS[k][0]) for k in KINDS])[kinds]
    more = {}
    if populations:
        more["populations"] = (_populations(number),)
        more["free_energy"] = _free_energy(centres)
    if track:
        more["transitions"] = _transitions(places, kinds, centres)
    return chart_part(
        frames, places, kinds, rows, packing=packing, bandwidth=0.21, plateau=(0.17, 0.25),
        curve=((0.1, 30), (0.14, 18), (0.17, 12), (0.21, 11), (0.25, 11), (0.3, 7), (0.4, 4)),
        training={
            f"seed_{s}": {
                "training": 0.05 * np.exp(-np.arange(60) / 12) + 0.002 * s,
                "validation": 0.055 * np.exp(-np.arange(60) / 12) + 0.0025 * s,
            }
            for s in (1, 2)
        },
        stability={"seed_1 and seed_2": 0.93},
        uuids={name: uuid(300 + k) for k, name in enumerate(("chart", "families", "report"))},
        **more, **others,
    )  # fmt: skip


def _populations(number):
    grid, ladder = np.linspace(250, 550, 61), np.linspace(250, 550, 9)
    rng = np.random.default_rng(3)
    shift, slope = rng.uniform(-0.6, 0.5, number), rng.uniform(-1.5, 1.5, number)
    shift[3], slope[3], shift[0], slope[0], slope[-1], shift[-1] = 2.6, -4.5, 1.0, 0.6, 6.0, 0.8
    slope[3] = -5.0

    def shares(t):
        logs = shift[:, None] + slope[:, None] * (t - 400) / 150
        return np.exp(logs) / np.exp(logs).sum(axis=0)

    of = np.array([FAMILIES.index(packing) for packing, _ in KINDS.values()])
    gather = np.array([of == k for k in range(len(FAMILIES))]).astype(float)
    errors = 0.03 * np.sqrt(shares(grid))
    counts = rng.binomial(800, shares(ladder))
    return content.PopulationPart(
        composition="Au147",
        arrays={
            keys.TEMPERATURES: grid,
            keys.POPULATIONS: shares(grid),
            keys.POPULATION_ERRORS: errors,
            keys.PACKING_POPULATIONS: gather @ shares(grid),
            keys.PACKING_POPULATION_ERRORS: np.sqrt(gather @ errors**2),
            keys.LADDER: ladder,
            keys.FAMILY_FRAMES: counts,
            keys.PACKING_FRAMES: (gather @ counts).astype(int),
            keys.FRAMES_WITHOUT_MINIMUM: np.zeros(9, int),
        },
        families=tuple(", ".join(filter(None, pair)) for pair in KINDS.values()),
        packings=FAMILIES,
        uuid=uuid(310),
    )


def _free_energy(centres):
    """Frames around the centres of two families and on the way between them, by a third."""
    rng = np.random.default_rng(4)
    ends = centres[[0, 3]]
    middle = ends.mean(axis=0) + np.array([0.0, 0.25, -0.1])
    along = rng.beta(0.45, 0.45, 30_000)[:, None]
    curve = (1 - along) ** 2 * ends[0] + 2 * along * (1 - along) * middle + along**2 * ends[1]
    frames = curve + rng.normal(0, 0.06, curve.shape)
    weights = np.ones(len(frames))
    settings = FreeEnergySettings(smoothing=0.05, cell=0.05)
    arrays, answer = path_between(
        frames, weights, resampled_weights(weights), centres, (0, 3), 400.0, settings
    )
    return content.FreeEnergyPart(
        arrays=arrays, temperature=400.0, origin="0 · icosahedral",
        target="3 · decahedral, axis central", answer=answer, uuid=uuid(311),
    )  # fmt: skip


def _transitions(places, kinds, centres):
    """A walk from icosahedra with rosettes to decahedra and back, with some noise."""
    rng = np.random.default_rng(5)
    legs = [(0, 300), (2, 250), (3, 500), (2, 60), (3, 400), (4, 200)]
    walk = np.concatenate([np.repeat(centres[[k]], n, axis=0) for k, n in legs])
    walk = running_mean(walk, 15) + rng.normal(0, 0.05, walk.shape)
    family = np.argmin(np.linalg.norm(walk[:, None] - centres[None], axis=2), axis=1)
    radii = np.maximum(core_radii(places, kinds, centres, 0.6), 0.08)
    cores = core_of(walk, family, centres, radii)
    times = 2.0 * np.arange(len(walk))
    found = find_transitions(cores, times, len(centres), families=family, residence=20)
    return content.TransitionPart(
        arrays={
            keys.TIMES: times, keys.CHART_COORDINATES: walk, keys.FAMILY: family,
            keys.SMOOTHED_COORDINATES: running_mean(walk, 21).T, keys.STATES: found.states,
        },
        events=tuple(map(asdict, found.events)), dwells=tuple(map(asdict, found.dwells)),
        core=0.6, residence=20.0, confidence=0.95, uuid=uuid(312),
    )  # fmt: skip


def tempering():
    """A made-up run of nine temperatures."""
    ladder, rng = np.geomspace(250, 550, 9), np.random.default_rng(6)
    grid = np.linspace(250, 550, 73)
    peak = 3 + 2.4 * np.exp(-(((grid - 430) / 35) ** 2))
    path = [np.arange(9)]
    for k in range(600):
        row = path[-1].copy()
        holder = np.argsort(row)
        for low in range(k % 2, 8, 2):
            if rng.random() < 0.35:
                row[holder[low]], row[holder[low + 1]] = low + 1, low
        path.append(row)
    return content.TemperingPart(
        composition="Au147",
        temperatures=ladder,
        path=np.array(path[1:]),
        steps=100 * np.arange(600),
        thermodynamics={
            keys.TEMPERATURES: grid,
            keys.HEAT_CAPACITIES: peak,
            keys.HEAT_CAPACITY_ERRORS: 0.05 + 0.1 * (peak - 3),
            keys.POTENTIAL_ENERGIES: -3.4 + 2.6e-4 * (grid - 250) + 5e-3 * np.tanh(grid / 30 - 14),
            keys.POTENTIAL_ENERGY_ERRORS: np.full(73, 8e-4),
        },
        report={
            "acceptance": [0.41, 0.38, 0.35, 0.33, 0.31, 0.18, 0.29, 0.36],
            "flow": [1.0, 0.9, 0.78, 0.66, 0.55, 0.47, 0.22, 0.1, 0.0],
            "round_trips": [3, 4, 2, 5, 3, 4, 3, 2, 4], "confinement_radius": 12.4,
            "touched": [0.0] * 7 + [0.001, 0.004], "evaporated": 0,
        },
        uuids={"swaps": uuid(320), "thermodynamics": uuid(321)},
    )  # fmt: skip
