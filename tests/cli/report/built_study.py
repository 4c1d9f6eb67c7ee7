"""Content of the report of a study, made up."""

import numpy as np

from aiida_nanoclusters.cli.report import content
from aiida_nanoclusters.science.recognition.neighbours import coordination_numbers
from aiida_nanoclusters.science.stability import magic
from aiida_nanoclusters.science.stability.crossing import Crossing
from aiida_nanoclusters.science.structures.motifs import motif_family


def uuid(k):
    return f"{k:08x}-0000-4000-8000-{k:012x}"


def cluster(motif, size, k):
    atoms = motif_family(motif, size, size, shape="regular")[0].build("Cu", 2.55)
    return content.Structure(
        size=size,
        label=f"Cu{size}",
        positions=atoms.positions - atoms.positions.mean(axis=0),
        coordination=coordination_numbers(atoms),
        energy=-3.0 * size,
        motif=motif,
        uuid=uuid(k),
        point_group="Ih" if motif == "icosahedron" else "Oh",
        reason="as built",
        hits=1,
        runs=4,
    )


def search(size, low, high, shift, k):
    """A difference curve that is `shift` meV/atom at N = 1000 and rises 3 meV/atom per decade."""
    n = np.geomspace(55, 17885, 120)
    median = 3e-3 * np.log10(n / 1000) + shift / 1000
    crossing = Crossing(
        verdict="crossing",
        size=size,
        low=low,
        high=high,
        confidence=0.9,
        members=(size,),
        probability_beyond=0.0,
        n_min=55,
        n_max=17885,
        cluster=("icosahedron",),
        crystal=("truncated octahedron",),
        systematic_mev=2.2,
        atomic_volume=11.8,
    )
    sizes = {"icosahedron": [147, 309, 561, 923], "truncated octahedron": [201, 586, 1289, 2406]}
    terms = {"icosahedron": [-3.53, 2.9, 0.3, 0.1], "truncated octahedron": [-3.54, 3.0, 0.2, 0.1]}
    motifs = [m for m in sizes for _ in sizes[m]]
    ns = np.array([n for m in sizes for n in sizes[m]])
    energies = np.array(
        [np.cbrt(n) ** np.array([3, 2, 1, 0]) @ terms[m] for m, n in zip(motifs, ns, strict=True)]
    )
    return content.CrossoverPart(
        members={f"seed_{k}": f"Allegro 1a2b3c4{k} (PBE)" for k in (1, 2)},
        crossing=crossing,
        answer={
            "reason": "interval is within 5 %",
            "atoms_relaxed": 12000,
            "clusters_relaxed": 8,
            "failed": ["icosahedron 2057"],
            "fits": {m: {"coefficients": terms[m], "sizes": sizes[m]} for m in sizes},
        },
        curve=content.Curve(n, median, median - 1e-3, median + 1e-3, uuid(k)),
        energies=content.ClusterEnergies(
            tuple(motifs),
            ns,
            -energies / ns,
            np.array([energies, energies + 0.1]),
            12 - 10 / np.cbrt(ns),
            uuid(k + 1),
        ),
        modes=content.Modes(
            np.array([79, 201, 459]),
            np.array([-0.03, -0.012, -0.004]),
            np.array([-0.5, -0.3, -0.2]),
            uuid(k + 2),
        ),
        bulk={
            "lattice_constant": 3.615,
            "energy": -3.54,
            "cohesive_energy": 3.54,
            "atomic_volume": 11.8,
            "surface_energies": {"111": 0.0774, "100": 0.0839},
        },
        structures=(
            cluster("icosahedron", 147, k + 3),
            cluster("truncated octahedron", 201, k + 3),
        ),
        too_large=(5083,),
        uuids={"answer": uuid(k + 4), "curves": uuid(k), "bulk": uuid(k + 5)},
    )


def scan():
    rng = np.random.default_rng(1)
    sizes = np.array([*range(7, 81), *range(136, 154), *range(303, 316)])
    energies = -3.54 * sizes + 3.0 * np.cbrt(sizes) ** 2 + 0.05 * rng.standard_normal(len(sizes))
    for n, depth in ((13, 0.2), (55, 0.9), (147, 1.1), (309, 1.5)):
        energies[sizes == n] -= depth
    at, differences = magic.second_difference(sizes, energies)
    return content.ScanPart(
        sizes=sizes, energies=energies, binding_energies=magic.binding_energy(sizes, energies, 0.0),
        difference_sizes=at, differences=differences,
        spreads=np.abs(0.1 * rng.standard_normal(len(at))),
        magic=(
            content.Magic(34, 0.31, 0.12, 0.5), content.Magic(55, 1.871, 0.05, 1.0),
            content.Magic(147, 2.213, 0.07, 1.0), content.Magic(309, 3.018, 0.09, 1.0),
        ),
        electronic=(8, 18, 20, 34, 40, 58, 68, 70, 138), geometric=(13, 55, 147, 309),
        structures=(cluster("icosahedron", 13, 40), cluster("icosahedron", 55, 40)),
        uuids={"structures": uuid(40), "energies": uuid(41), "magic": uuid(42), "table": uuid(43)},
        asked=len(sizes) + 2,
    )  # fmt: skip


def training():
    rng = np.random.default_rng(2)
    epochs = np.arange(40.0)
    curves = tuple(
        content.LearningCurve(
            f"seed_{k}",
            {
                f"{part}_{what}_rmse": (epochs, start * np.exp(-epochs / 9) + floor + k)
                for part in ("val", "train")
                for what, start, floor in (("energy", 80, 3), ("forces", 400, 25))
            },
            uuid(60 + k),
        )
        for k in (1, 2)
    )
    energy, force = rng.uniform(-3.5, -1.5, 300), rng.normal(0, 1.2, 9000)
    parity = content.Parity(
        "test",
        "mean of the committee",
        (energy, energy + 0.004),
        (force, force + np.where(np.arange(9000) % 2, 0.026, -0.026)),
        tuple(["bulk", "cluster", "slab 111"] * 100),
        uuid(64),
    )
    row = content.ErrorRow
    return content.TrainingPart(
        potentials=(
            content.Potential("seed_1", "allegro", 5.5, "EAM/Mishin2001", uuid(65), uuid(66)),
        ),
        curves=curves,
        errors=(
            row("seed_1", "test", "all frames", 300, 5.25, 4.1, 0.5, 31.5, 22.0),
            row("committee", "test", "all frames", 300, 4.21, 2.93, -0.4, 26.04, 19.1),
            row("committee", "test", "bulk", 100, 1.11, 0.9, 0.1, 12.0, 9.0),
            row("committee", "motifs", "icosahedron", 3, 7.2, 7.2, -7.2, None, None),
        ),
        errors_uuid=uuid(67),
        deviations=(content.Deviation("test", 21.0, 113.0, 0.79),),
        parities=(parity,),
        motif_difference=content.MotifDifference({"seed_1": -2.4, "seed_2": -2.0}, uuid(67)),
    )


def dataset():
    return content.DatasetPart(
        "EAM/Mishin2001", {"Cu": -0.25},
        (
            content.FrameGroup("bulk", (4,), {"training": 80, "validation": 10, "test": 10}),
            content.FrameGroup("cluster", (12, 13, 14, 54, 55, 56), {"training": 160, "test": 20}),
        ),
        {"training": uuid(70), "validation": uuid(71), "test": uuid(72)},
        n_failed=3, report_uuid=uuid(73),
    )  # fmt: skip
