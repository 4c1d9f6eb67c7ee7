"""Parallel tempering from Python, in a folder and without AiiDA."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from numpy.typing import NDArray

from aiida_nanoclusters.formats.lammps.potential_files import read_eam
from aiida_nanoclusters.formats.lammps.potential_lines import FILENAMES, Interaction
from aiida_nanoclusters.formats.lammps.tempering import JOB_FILE, run_folder
from aiida_nanoclusters.formats.lammps.tempering_job import TemperingJob
from aiida_nanoclusters.formats.lammps.tempering_results import TemperingResults, read_python_run
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.sampling.parallel_tempering import (
    SwapTable,
    confinement_radius,
    pair_acceptance,
    round_trips,
)
from aiida_nanoclusters.science.sampling.reweighting import Reweighting
from aiida_nanoclusters.science.sampling.tempering_settings import TemperingSettings

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class TemperedCluster:
    """Results of a run of parallel tempering.

    Attributes
    ----------
    job
        What was run.
    results
        What it left.
    """

    job: TemperingJob
    results: TemperingResults

    @property
    def table(self) -> SwapTable:
        """Ladder (K), and of each attempt to swap the temperatures and energies (eV)."""
        return self.results.table

    @property
    def acceptance(self) -> Floats:
        """Accepted fraction of the swaps of each pair of neighbours, shape (T - 1,)."""
        return pair_acceptance(self.table, self.job.equilibration)[0]

    @property
    def round_trips(self) -> NDArray[np.int64]:
        """Round trips of each replica through the ladder, shape (R,)."""
        return round_trips(self.table)

    @property
    def frames(self) -> list[Atoms]:
        """Sampled frames with their energy, by temperature, which their ``info`` has (K)."""
        found = self.results.sampled(self.job, level_of_theory="", atom_energies={})
        return [] if found is None else list(found)

    @property
    def reweighting(self) -> Reweighting:
        """Energies after equilibration, for averages at any temperature of the ladder."""
        return Reweighting(self.table.temperatures, self.table.energies[self.job.equilibration :])

    def thermodynamics(self, at: Floats | None = None) -> dict[str, Floats]:
        """Return mean energy (eV/atom) and heat capacity (k/atom); see :class:`.Reweighting`."""
        atoms = len(self.job.types)
        return self.reweighting.thermodynamics(at, atoms=atoms, freedom=3 * atoms - 3)


def parallel_tempering(
    clusters: Atoms | Sequence[Atoms],
    potential_file: str | Path,
    folder: str | Path,
    *,
    kind: str = "eam/alloy",
    seed: int = 1,
    **settings: Any,
) -> TemperedCluster:
    """Sample a cluster at a ladder of temperatures with the LAMMPS library, in this process.

    A run that was interrupted continues from its checkpoint when it is called again with the same
    folder and arguments.

    Parameters
    ----------
    clusters
        One or several starts of one composition; replicas begin with them in turn.
    potential_file
        EAM file.
    folder
        Where the run is kept; made if it is not there.
    kind
        ``eam/alloy``, ``eam/fs`` or ``eam``.
    seed
        Of velocities, random forces and swaps.
    settings
        Fields of :class:`.TemperingSettings`: ``temperatures`` (K), ``duration`` (ps),
        ``equilibration`` (ps), ``swap_every`` (ps), ``sample_every`` (ps), ...

    Raises
    ------
    ValueError
        A setting out of its limits, an element that the potential does not know, or a folder that
        holds another run.
    RuntimeError
        A replica that cannot be moved; the message has the reason.
    """
    own = TemperingSettings.from_values(**settings)
    if own.temperatures is None:
        raise ValueError("give `temperatures`, the ladder in K")
    eam = read_eam(potential_file, kind)
    interaction = Interaction(kind, tuple(eam.symbols), eam.cutoff)
    starts = [clusters] if isinstance(clusters, Atoms) else list(clusters)
    job = job_of(Frames.from_atoms(starts), interaction, own, seed)
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    text = job.as_json()
    held = place / JOB_FILE
    if held.is_file() and held.read_text(encoding="utf-8") != text:
        raise ValueError(f"{place} holds a run of other clusters or settings: give another folder")
    held.write_text(text, encoding="utf-8")
    (place / FILENAMES[kind]).write_bytes(eam.content)
    with _working_in(place):
        run_folder(".")
    results = read_python_run(place, job)
    if results.state == "failed":
        raise RuntimeError(results.message)
    return TemperedCluster(job, results)


def job_of(
    frames: Frames,
    interaction: Interaction,
    settings: TemperingSettings,
    seed: int,
    timeout: float | None = None,
) -> TemperingJob:
    """Return the job that settings describe.

    Parameters
    ----------
    frames
        Starts of one composition.
    interaction
        Potential of their elements.
    settings
        With temperatures.
    seed
        Of velocities, random forces and swaps.
    timeout
        Time after which the driver in Python stops, s.
    """
    symbols = [s for s in interaction.elements if s in frames.elements]
    interaction.lammps_lines(frames.elements)  # ValueError where it lacks an element
    starts, numbers = sorted_starts(frames, symbols)
    radius = settings.confinement_radius
    if radius is None and settings.confinement is not None:
        radius = max(confinement_radius(start, settings.confinement) for start in starts)
    return TemperingJob(
        interaction=interaction,
        symbols=symbols,
        types=[symbols.index(chemical_symbols[z]) + 1 for z in numbers],
        starts=starts,
        temperatures=settings.temperatures or [],
        timestep=settings.timestep,
        damping=settings.damping,
        interval=settings.interval,
        equilibration=settings.attempts_of_equilibration,
        attempts=settings.attempts,
        sample=settings.sample,
        seed=seed,
        radius=radius,
        fragment_distance=interaction.cutoff,
        relax_tolerance=settings.relax_start,
        processes=settings.processes,
        timeout=timeout,
    )


def sorted_starts(frames: Frames, symbols: Sequence[str]) -> tuple[Floats, NDArray[np.int64]]:
    """Return centred positions of the starts (K, N, 3), and the atomic numbers (N,).

    Atoms come in the order of `symbols`, so that those of all starts have the same elements.
    """
    rank = {chemical_symbols.index(s): k for k, s in enumerate(symbols)}
    starts, numbers = [], np.zeros(0, np.int64)
    for k in range(len(frames)):
        own = frames.atoms_of(k)
        order = np.argsort([rank[int(z)] for z in frames.numbers[own]], kind="stable")
        positions = frames.positions[own][order]
        starts.append(positions - positions.mean(axis=0))
        sorted_numbers = frames.numbers[own][order].astype(np.int64)
        if k and not np.array_equal(sorted_numbers, numbers):
            raise ValueError("the starts have several compositions: give those of one of them")
        numbers = sorted_numbers
    return np.array(starts), numbers


@contextmanager
def _working_in(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
