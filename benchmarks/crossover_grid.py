"""EAM relaxation of every closed shell up to 17885 atoms, against the adaptive search.

verdi run benchmarks/crossover_grid.py
"""

import time

import click
import numpy as np
from aiida.engine import run_get_node
from aiida.orm import CalcJobNode, List, load_code

from aiida_nanoclusters.cli.launch.options import get_potential
from aiida_nanoclusters.cli.launch.resources import options_of
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science.stability.crossing import find_crossing
from aiida_nanoclusters.science.stability.expansion import fit_families
from aiida_nanoclusters.science.structures.motifs import motif_family
from aiida_nanoclusters.workflows.base.lammps import LammpsBaseWorkChain
from aiida_nanoclusters.workflows.parts.job_inputs import job
from aiida_nanoclusters.workflows.stability.crossover import CrossoverWorkChain

FAMILIES = ["icosahedron", "truncated octahedron"]


def evaluations(process) -> tuple[int, int]:
    """Force evaluations, and evaluations times atoms, of all LAMMPS jobs."""
    total = atoms = 0
    for child in process.called_descendants:
        if isinstance(child, CalcJobNode) and "report" in child.outputs:
            frames = child.inputs.frames.frames
            for entry in child.outputs.report["structures"]:
                if str(frames.config_types[entry["index"]]) in FAMILIES:
                    total += entry["force_evaluations"]
                    atoms += entry["force_evaluations"] * int(frames.sizes[entry["index"]])
    return total, atoms


@click.command()
@click.option("--n-max", default=17885, show_default=True)
def main(n_max: int) -> None:
    """Time both."""
    code = load_code("lammps@localhost")
    options = options_of(code)
    potential = get_potential("Cu_mishin1.eam.alloy", "eam/alloy", None)
    images = []
    for motif in FAMILIES:
        for member in motif_family(motif, 100, n_max, shape="regular"):
            atoms = member.build("Cu", 3.615 / np.sqrt(2))
            atoms.info["config_type"] = motif
            images.append(atoms)
    start = time.perf_counter()
    _, grid = run_get_node(
        LammpsBaseWorkChain,
        lammps={
            **job(code, options),
            "frames": FramesData(images),
            "potential": potential,
            "stages": List([{"kind": "relax", "force_tolerance": 0.005}]),
        },
    )
    grid_seconds = time.perf_counter() - start
    frames = grid.outputs.structures.frames
    data = {
        m: (frames.sizes[frames.config_types == m], frames.energies[frames.config_types == m])
        for m in FAMILIES
    }
    full = find_crossing(fit_families(data), 100, n_max)
    builder = CrossoverWorkChain.get_builder_from_protocol(
        code,
        {"eam": potential},
        "Cu",
        "moderate",
        {"settings": {"families": FAMILIES, "mode_sizes": [], "n_max": n_max}},
        options,
    )
    start = time.perf_counter()
    _, search = run_get_node(builder)
    search_seconds = time.perf_counter() - start
    answer = search.outputs.answer
    for name, seconds, process, count, found in (
        ("full grid", grid_seconds, grid, len(frames), full.size),
        ("adaptive", search_seconds, search, answer["clusters_relaxed"], answer["size"]),
    ):
        total, atoms = evaluations(process)
        print(
            f"{name:10} {count:3} clusters {total:6} force evaluations {atoms / 1e6:8.2f} M atom "
            f"evaluations {seconds:7.1f} s   N = {found:.0f}"
        )


if __name__ == "__main__":
    main()
