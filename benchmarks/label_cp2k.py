"""Mixed frames labelled by CP2K in a few jobs, against a job for each frame.

verdi run benchmarks/label_cp2k.py --single 10

60 frames of copper (clusters of 2 to 55 atoms, crystals, slabs) by GFN1-xTB on `cp2k@localhost`
(`aiida-nanoclusters setup profiles/laptop-cp2k`). One by one only some of them are labelled, the
smallest, whose own time is short; the time of CP2K itself is reported separately.
"""

import time

import click
import numpy as np
from aiida.engine import submit
from aiida.orm import Bool, CalcJobNode, Int, load_code
from ase import Atoms
from ase.build import bulk, fcc111

from aiida_nanoclusters.cli.launch.resources import options_of
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science.structures.starts import starting_clusters
from aiida_nanoclusters.workflows.labels.label import LabelWorkChain


def mixed_frames(seed: int) -> list[Atoms]:
    """60 frames, the smallest first, that no cache has seen."""
    images = [
        Atoms("Cu2", positions=[[0, 0, 0], [length, 0, 0]]) for length in np.linspace(1.9, 3.2, 12)
    ]
    for size, count in ((3, 4), (7, 6), (13, 12), (20, 6), (38, 3), (55, 3)):
        base = starting_clusters("Cu", size, 2.5, 1, 1)[0]
        for k in range(count):
            images.append(base.copy())
            images[-1].rattle(0.04 + 0.01 * k, seed=k)
    for k in range(10):
        images.append(bulk("Cu", "fcc", a=3.61 * (0.95 + 0.01 * k), cubic=True))
        images[-1].rattle(0.03, seed=k)
    for k in range(4):
        images.append(fcc111("Cu", (2, 2, 4), vacuum=6.0))
        images[-1].set_tags(None)
        images[-1].pbc = (True, True, False)
        images[-1].rattle(0.03, seed=k)
    for k, atoms in enumerate(images):
        atoms.rattle(0.005, seed=seed + k)
        atoms.info.clear()
    return images


def label(images: list[Atoms], batch_size: int) -> tuple[float, int, int]:
    """Return seconds from submission to the end, jobs, and frames with a label."""
    code = load_code("cp2k@localhost")
    inputs = LabelWorkChain.engine_inputs("cp2k", code, "gfn1-xtb", options=options_of(code))
    builder = LabelWorkChain.get_builder_for_engine(FramesData(images), inputs)
    builder.batch_size, builder.reuse = Int(batch_size), Bool(False)
    start = time.perf_counter()
    node = submit(builder)
    while not node.is_terminated:
        time.sleep(0.1)
    seconds = time.perf_counter() - start
    jobs = [child for child in node.called_descendants if isinstance(child, CalcJobNode)]
    return seconds, len(jobs), node.outputs.report["n_labelled"]


@click.command()
@click.option("--single", default=10, show_default=True, help="Frames labelled one by one.")
def main(single: int) -> None:
    """Time both."""
    seed = int(time.time())
    for k, (name, count, size) in enumerate(
        (("few jobs", 60, 500), ("few jobs", single, 500), ("a job each", single, 1))
    ):
        seconds, jobs, labelled = label(mixed_frames(seed + 100 * k)[:count], size)
        print(
            f"{name:12} {count:4} frames {labelled:4} labelled {jobs:4} jobs {seconds:8.1f} s "
            f"{60 * labelled / seconds:8.1f} frames/min"
        )


if __name__ == "__main__":
    main()
