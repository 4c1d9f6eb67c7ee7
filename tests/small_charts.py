"""Small charts of known structures, trained within seconds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from aiida_nanoclusters.formats.frames_file import write_frames
from aiida_nanoclusters.science.charts import training
from aiida_nanoclusters.science.charts.chart import Chart
from aiida_nanoclusters.science.charts.distributions import element_lengths
from aiida_nanoclusters.science.charts.settings import ChartSettings
from aiida_nanoclusters.science.charts.training_files import FRAMES_FILE
from aiida_nanoclusters.science.elements import element as element_data
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.structures.motifs import motif_family

#: A network that is trained within seconds.
SMALL = {
    "distribution": {"longest": 4.8, "bins": 64, "bandwidth": 0.08},
    "network": {"channels": [4, 8], "kernels": [5, 3]},
    "training": {"epochs": 20, "fewest_epochs": 8, "learning_rate": 0.01, "batch_size": 16},
    "families": {"tried": 5, "fewest": 5, "nearest": 5, "named": 20},
}
#: Motifs of clusters of about 55 atoms.
MOTIFS = (("icosahedron", 55), ("truncated octahedron", 38), ("Marks decahedron", 75))


def rattled(element="Au", copies=20, width=0.01, seed=1, motifs=MOTIFS) -> Frames:
    """Return motifs with displacements of `width` bond lengths, `copies` of each in turn."""
    random, bond = np.random.default_rng(seed), element_data(element).nearest_neighbour
    images = []
    for motif, size in motifs:
        (member, *_) = motif_family(motif, size, size, shape="regular")
        for _ in range(copies):
            atoms = member.build(element, bond)
            atoms.positions += bond * width * random.normal(size=atoms.positions.shape)
            atoms.info = {"config_type": motif}
            images.append(atoms)
    return Frames.from_atoms(images)


def trained(frames: Frames, folder: Path, settings=SMALL, seed=1, **changes) -> Chart:
    """Train a chart in this process, as a job does in its own."""
    write_job(frames, folder, settings, seed, **changes)
    training.main(str(folder / "job.json"))
    return Chart.load(folder)


def write_job(frames: Frames, folder: Path, settings=SMALL, seed=1, **changes) -> None:
    """Write what a job reads."""
    folder.mkdir(exist_ok=True)
    write_frames(frames, folder / FRAMES_FILE)
    lengths = element_lengths(frames.elements)
    job = {
        **ChartSettings(**settings).of_training(),
        "seed": seed,
        "max_seconds": None,
        "bond_lengths": {str(int(z)): lengths[s] for z, s in _symbols(frames)},
        "bond_lengths_by_symbol": lengths,
        "sizes": [int(n) for n in np.unique(frames.sizes)],
        **changes,
    }
    (folder / "job.json").write_text(json.dumps(job))


def _symbols(frames: Frames):
    from ase.data import chemical_symbols

    return [(z, chemical_symbols[z]) for z in np.unique(frames.numbers)]
