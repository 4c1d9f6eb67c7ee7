"""Families found against families built: chart, common neighbours, SOAP.

python -m benchmarks.families --each 100 --file /tmp/families.npz

Clusters of the kinds of `science.structures.defects` are built and relaxed with RGL gold by the
LAMMPS library; the adjusted Rand index says how far each method finds the kinds again without being
told. All methods with coordinates have three of them and the same mean shift, with the bandwidth
that `science.charts.families` chooses. `--file` keeps the relaxed structures and the SOAP vectors.
"""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import numpy as np
import torch
from ase import Atoms
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score

from aiida_nanoclusters.formats.lammps.rgl import write_named
from aiida_nanoclusters.science.charts import training
from aiida_nanoclusters.science.charts.distributions import pair_distributions
from aiida_nanoclusters.science.charts.families import find_families
from aiida_nanoclusters.science.charts.network import encode, load_network, make_network
from aiida_nanoclusters.science.charts.settings import (
    ChartTrainingSettings,
    DistributionSettings,
    FamilySettings,
)
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.recognition.common_neighbours import CLASSES
from aiida_nanoclusters.science.recognition.packing_family import name_family
from aiida_nanoclusters.science.recognition.soap import describe_frames
from aiida_nanoclusters.science.structures.defects import DEFECTIVE, defective_cluster
from tests.lammps_relaxer import LammpsRelaxer

#: Kinds that common neighbours alone are said not to tell apart.
PERFECT, VACANT = "icosahedron", "icosahedron without its centre"
NETWORK = {"channels": [16] * 5, "kernels": [5] * 5, "dimensions": 3}
DISTRIBUTION = DistributionSettings(longest=6.5, bins=200, bandwidth=0.05)
TRAINING = ChartTrainingSettings(epochs=150, fewest_epochs=60, patience=20)


def relaxed_clusters(metal: str, size: int, each: int) -> list[Atoms]:
    """Build and relax `each` clusters of every kind, of one to six atoms less than `size`."""
    found = []
    with TemporaryDirectory() as folder:
        relax = LammpsRelaxer(write_named(f"rgl-{metal}.eam.alloy", Path(folder)), metal)
        for kind in DEFECTIVE:
            for seed in range(each):
                found.append(relax(defective_cluster(metal, kind, size - 1 - seed % 6, seed)))
    return found


def chart_coordinates(frames: Frames, metal: str, seed: int) -> np.ndarray:
    """Train the network of a chart and return where it places the frames, (F, 3)."""
    distributions = pair_distributions(frames, DISTRIBUTION)
    job: dict[str, Any] = {
        "distribution": DISTRIBUTION.model_dump(),
        "network": NETWORK,
        "training": TRAINING.model_dump(),
        "seed": seed,
        "bond_lengths_by_symbol": {metal: 1.0},
        "sizes": [],
        "max_seconds": None,
    }
    data = training.prepare(distributions, None, None, job["training"])
    torch.manual_seed(seed)
    network = make_network(DISTRIBUTION.bins, NETWORK)
    with TemporaryDirectory() as folder:
        task = training.ChartTask.of(data, job)
        progress, _ = training.run(network, task, job, Path(folder), time.time())
    _, arrays = training.finish(progress, data, job)
    state = {k: v for k, v in arrays.items() if k.startswith(("encoder", "decoder"))}
    return encode(load_network(DISTRIBUTION.bins, NETWORK, state), data.inputs).astype(float)


def unit(coordinates: np.ndarray) -> np.ndarray:
    """Return coordinates whose root mean square is one, as a chart's are."""
    centred = coordinates - coordinates.mean(axis=0)
    return centred / np.sqrt((centred**2).sum(axis=1).mean())


def grouped(coordinates: np.ndarray, *others: np.ndarray) -> np.ndarray:
    """Return the families of coordinates, those of other seeds beside them."""
    return find_families(unit(coordinates), FamilySettings(), [unit(x) for x in others]).labels


def show(method: str, kinds: np.ndarray, found: np.ndarray) -> None:
    pair = np.isin(kinds, [PERFECT, VACANT])
    apart = adjusted_rand_score(kinds[pair], found[pair])
    score = adjusted_rand_score(kinds, found)
    print(f"| {method} | {len(set(found))} | {score:.3f} | {apart:.2f} |", flush=True)


@click.command()
@click.option("--metal", default="Au", show_default=True)
@click.option("--size", default=147, show_default=True)
@click.option("--each", default=100, show_default=True, help="Clusters of each kind.")
@click.option("--seeds", default="1,2,3", show_default=True, help="Of the network.")
@click.option("--file", type=Path, help="Keeps relaxed structures and SOAP vectors (npz).")
def main(metal: str, size: int, each: int, seeds: str, file: Path | None) -> None:
    begun = time.process_time()
    if file is not None and file.exists():
        with np.load(file, allow_pickle=False) as archive:
            flat, counts, kinds = (archive[k] for k in ("positions", "counts", "kinds"))
            soap = archive["soap"]
        parts = np.split(flat, np.cumsum(counts)[:-1])
        clusters = [Atoms([metal] * len(x), positions=x) for x in parts]
        frames = Frames.from_atoms(clusters)
    else:
        clusters = relaxed_clusters(metal, size, each)
        kinds = np.array([atoms.info["kind"] for atoms in clusters])
        frames = Frames.from_atoms(clusters)
        distinct = len({round(atoms.get_potential_energy(), 4) for atoms in clusters})
        print(f"{len(clusters)} clusters, {distinct} energies", end=", ")
        print(f"{time.process_time() - begun:.0f} CPU s", flush=True)
        soap = describe_frames(frames)
        if file is not None:
            counts = np.array([len(atoms) for atoms in clusters])
            flat = np.concatenate([atoms.positions for atoms in clusters])
            np.savez(file, positions=flat, counts=counts, kinds=kinds, soap=soap)
    named = [name_family(atoms) for atoms in clusters]
    print("| method | families | adjusted Rand index | icosahedra with and without centre |")
    print("|---|---|---|---|")
    charts = []
    for seed in map(int, seeds.split(",")):
        begun = time.process_time()
        coordinates = chart_coordinates(frames, metal, seed)
        spent = time.process_time() - begun
        show(f"chart + mean shift, seed {seed} ({spent:.0f} CPU s)", kinds, grouped(coordinates))
        charts.append(coordinates)
    for k, coordinates in enumerate(charts):
        others = charts[:k] + charts[k + 1 :]
        show(f"a committee's chart, {k + 1} of {len(charts)}", kinds, grouped(coordinates, *others))
    distributions = PCA(3).fit_transform(pair_distributions(frames, DISTRIBUTION))
    show("the same distributions, PCA + mean shift", kinds, grouped(distributions))
    show("SOAP, PCA + mean shift", kinds, grouped(PCA(3).fit_transform(soap)))
    shares = np.array(
        [[one.counts[c] / sum(one.counts.values()) for c in CLASSES] for one in named]
    )
    show("shares of CNA classes, PCA + mean shift", kinds, grouped(PCA(3).fit_transform(shares)))
    show("six names by CNA", kinds, np.array([one.name for one in named]))
    details = np.array([one.label.split(";")[0] for one in named])
    show("names by CNA with the details of `name_family`", kinds, details)


if __name__ == "__main__":
    main()
