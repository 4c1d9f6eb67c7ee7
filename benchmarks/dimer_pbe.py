"""The copper dimer by the protocol `pbe`: bond, binding energy, and the same input run by hand.

verdi run benchmarks/dimer_pbe.py --vacuum 9

Labels Cu2 at a few lengths and the atom by the work chain `label` on `cp2k@localhost`
(`aiida-nanoclusters setup profiles/laptop-cp2k`), then runs the inputs of its job once more with
the same program and no AiiDA, and prints both.
"""

import subprocess
import tempfile
import time
from pathlib import Path

import click
import numpy as np
from aiida.engine import run_get_node
from aiida.orm import Bool, CalcJobNode, Int, load_code
from ase import Atoms

from aiida_nanoclusters.cli.launch.resources import options_of
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.formats.cp2k.output import read_forces
from aiida_nanoclusters.workflows.labels.label import LabelWorkChain

LENGTHS = (2.18, 2.22, 2.26)  # Å


def by_hand(job: CalcJobNode, executable: str) -> np.ndarray:
    """Return forces (n, 3) in eV/Å of all frames of a job, run again without AiiDA."""
    forces = []
    with tempfile.TemporaryDirectory() as folder:
        job.base.repository.copy_tree(folder)
        for source in sorted(Path(folder).glob("*.inp")):
            with (Path(folder) / f"{source.stem}.out").open("w") as out:
                command = [executable, "-i", source.name]
                subprocess.run(command, cwd=folder, stdout=out, check=True)
            with (Path(folder) / f"{source.stem}-frc-1.xyz").open() as handle:
                forces += [values for _, values in read_forces(handle)]
    return np.concatenate(forces)


@click.command()
@click.option("--vacuum", default=12.0, show_default=True, help="Å between images.")
@click.option("--protocol", default="pbe", show_default=True)
def main(vacuum: float, protocol: str) -> None:
    """Label, fit, run again."""
    code = load_code("cp2k@localhost")
    images = [Atoms("Cu2", positions=[[0, 0, 0], [0, 0, length]]) for length in LENGTHS]
    inputs = LabelWorkChain.engine_inputs(
        "cp2k", code, protocol, {"vacuum": vacuum}, options_of(code)
    )
    builder = LabelWorkChain.get_builder_for_engine(FramesData(images), inputs)
    builder.reuse, builder.max_concurrent = Bool(False), Int(1)
    start = time.perf_counter()
    node = run_get_node(builder)[1]
    print(f"{node.process_label} {node.uuid}: {time.perf_counter() - start:.0f} s")
    frames = node.outputs.frames.frames
    a, b, c = np.polyfit(LENGTHS, frames.energies, 2)
    length = -b / (2 * a)
    binding = 2 * frames.atom_energies["Cu"] - np.polyval([a, b, c], length)
    slopes = [frames.forces[frames.atoms_of(i)][1, 2] for i in range(len(LENGTHS))]
    zero = np.polyfit(slopes, LENGTHS, 2)[-1]
    print(f"bond {length:.4f} Å by energies, {zero:.4f} Å by forces; binding {binding:.3f} eV")
    net = [
        np.linalg.norm(frames.forces[frames.atoms_of(i)].sum(axis=0)) / 2
        for i in range(len(LENGTHS))
    ]
    print(f"largest net force {max(net):.1e} eV/Å per atom")
    jobs = [n for n in node.called_descendants if isinstance(n, CalcJobNode)]
    job = next(n for n in jobs if len(n.inputs.frames) >= len(LENGTHS))
    again = by_hand(job, str(code.get_executable()))
    ours = job.outputs.labelled.frames.forces
    print(f"by hand: forces differ by at most {np.abs(again - ours).max():.1e} eV/Å")


if __name__ == "__main__":
    main()
