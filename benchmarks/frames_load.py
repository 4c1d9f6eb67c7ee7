"""Loading frames: FramesData's file against ase.io.read of extended XYZ, side by side.

python benchmarks/frames_load.py --frames 100000
"""

import argparse
import tempfile
import time
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from aiida_nanoclusters.formats.extxyz import write_extxyz
from aiida_nanoclusters.formats.frames_file import FILENAME, read_frames, write_frames
from aiida_nanoclusters.science.frames import Frames


def make_frames(count: int, size: int) -> Frames:
    rng = np.random.default_rng(1)
    images = []
    for i in range(count):
        atoms = Atoms(f"Cu{size}", positions=rng.normal(scale=5.0, size=(size, 3)))
        atoms.info.update(config_type="cluster", parent=f"trajectory {i // 50}", seed=i // 50)
        forces = rng.normal(size=(size, 3))
        atoms.calc = SinglePointCalculator(atoms, energy=-3.5 * size, forces=forces)
        images.append(atoms)
    return Frames.from_atoms(images, level_of_theory="none", atom_energies={"Cu": 0.0})


def clock(function, *arguments, repeats=1) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function(*arguments)
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=100_000)
    parser.add_argument("--size", type=int, default=50)
    # ASE is so slow that it reads a part only; both are compared by the frame.
    parser.add_argument("--ase-frames", type=int, default=10_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        ours, text = Path(folder) / FILENAME, Path(folder) / "frames.extxyz"
        frames = make_frames(options.frames, options.size)
        write_frames(frames, ours)
        part = min(options.ase_frames, options.frames)
        write_extxyz(frames.select(np.arange(part)), text)
        del frames
        load = clock(read_frames, ours, repeats=3)
        theirs = clock(ase.io.read, text, ":")
    per_ours, per_ase = load / options.frames, theirs / part
    print(f"{options.frames} frames of {options.size} atoms with energies and forces")
    print(f"FramesData file   {load:8.2f} s   {1e6 * per_ours:8.1f} us a frame")
    print(f"ase.io.read       {theirs:8.2f} s   {1e6 * per_ase:8.1f} us a frame ({part} frames)")
    print(f"ratio a frame     {per_ase / per_ours:8.0f}")


if __name__ == "__main__":
    main()
