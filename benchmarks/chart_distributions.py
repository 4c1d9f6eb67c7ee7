"""Distributions of pair distances per second: clusters of 147 atoms, by their sum and fast.

``python benchmarks/chart_distributions.py``
"""

import time

import numpy as np
from ase.cluster import Icosahedron

from aiida_nanoclusters.science.charts.distributions import (
    distance_range,
    exact_distributions,
    pair_distributions,
)
from aiida_nanoclusters.science.charts.settings import DistributionSettings
from aiida_nanoclusters.science.frames import Frames


def clusters(count):
    random, images = np.random.default_rng(0), []
    for _ in range(count):
        atoms = Icosahedron("Au", 4)
        atoms.pbc = False
        atoms.positions += random.normal(0, 0.1, atoms.positions.shape)
        images.append(atoms)
    return Frames.from_atoms(images)


def main(count=2000):
    frames = clusters(count)
    print("bins  bandwidth  clusters/s  clusters/CPU s  exact, clusters/s  largest deviation")
    for bins, bandwidth in ((200, 0.05), (340, 0.0694), (340, 0.02)):
        longest = distance_range(frames, bandwidth)
        settings = DistributionSettings(longest=longest, bins=bins, bandwidth=bandwidth)
        pair_distributions(frames.select([0]), settings)
        wall, cpu = time.perf_counter(), time.process_time()
        fast = pair_distributions(frames, settings)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        few, begun = frames.select(range(10)), time.perf_counter()
        exact = exact_distributions(few, settings)
        slow = (time.perf_counter() - begun) / len(few)
        deviation = np.abs(fast[:10] - exact).max() / exact.max()
        print(
            f"{bins:4d}  {bandwidth:9.4f}  {count / wall:10.0f}  {count / cpu:14.0f}  "
            f"{1 / slow:17.1f}  {deviation:.1e}"
        )


if __name__ == "__main__":
    main()
