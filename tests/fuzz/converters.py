"""Nodes of AiiDA and of other plugins, damaged at random, through the functions that convert them.

A node of others may hold anything: its attributes come from an archive, its files from any program.
A conversion ends with what it made, which must be whole, or with exit code 400 and a reason.
"""

import copy
import io
import math
import random
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from aiida.manage.configuration import get_config
from aiida.orm import (
    ArrayData,
    Bool,
    Data,
    Dict,
    FolderData,
    List,
    SinglefileData,
    Str,
    StructureData,
    TrajectoryData,
)
from ase import Atoms
from ase.build import bulk

from aiida_nanoclusters.calculations import conversions
from aiida_nanoclusters.calculations.lammps_job import content_problem
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.data.schemas import attributes_problem
from tests.fuzz.files import changed, readers
from tests.fuzz.guard import Findings, guarded

#: Seconds that one conversion may take; those of the machine count too.
LIMIT = 60.0
#: Values that attributes trip over.
VALUES: list[object] = [
    *(None, True, 0, -1, 10**30, 1e300, float(10**17), "", "x", "Cu", "metal", "../../x", "a\nb"),
    *([], {}, [[]], [None], ["Cu"], ["Cu", "Au"], {"Cu": 1}, [1, 2, 3], [[1, 0, 0]] * 3),
    *([[0.0] * 3] * 3, "a" * 5000, ["\x1b[2J"], {"x": {"y": [{}]}}, "shell touch x", "${x}"),
]


def damaged(content: object, chance: random.Random) -> object:
    """The content with another value at a random depth, without one, or with one twice."""
    if isinstance(content, dict) and content and chance.random() < 0.85:
        key, kind = chance.choice(sorted(content)), chance.random()
        if kind < 0.15:
            return {k: v for k, v in content.items() if k != key}
        return {**content, key: damaged(content[key], chance)}
    if isinstance(content, list) and content and chance.random() < 0.8:
        at, kind = chance.randrange(len(content)), chance.random()
        if kind < 0.3:
            return content[:at] + content[at + 1 :] + ([content[at]] * chance.choice([0, 2]))
        return [*content[:at], damaged(content[at], chance), *content[at + 1 :]]
    return copy.deepcopy(chance.choice(VALUES))


def with_attributes(node: Data, chance: random.Random, times: int) -> Data:
    """The node with damaged attributes, as an archive brings it in: AiiDA does not look at them."""
    held: object = copy.deepcopy(dict(node.base.attributes.all))
    for _ in range(times):
        held = damaged(held, chance)
    if not isinstance(held, dict):
        held = {}
    node.base.attributes.reset({str(k): v for k, v in held.items() if str(k)})
    node._validate = lambda: True  # type: ignore[method-assign]
    return node


def _structure(chance: random.Random) -> dict[str, Data]:
    atoms = bulk("Cu", cubic=True) if chance.random() < 0.5 else Atoms("CuAu", [[0] * 3, [0, 0, 3]])
    if not atoms.pbc.any():
        atoms.center(vacuum=7.0)
    return {"structure": with_attributes(StructureData(ase=atoms), chance, chance.randint(0, 2))}


def _trajectory(chance: random.Random) -> dict[str, Data]:
    trajectory, crystal = TrajectoryData(), bulk("Cu", cubic=True)
    cells = np.array([crystal.cell.array] * 2)
    given = np.array([crystal.get_scaled_positions()] * 2)
    trajectory.set_trajectory(["Cu"] * 4, given, cells=cells if chance.random() < 0.7 else None)
    if chance.random() < 0.5:
        name = chance.choice(["positions", "cells"])
        arrays = [
            *(np.full((2, 4, 3), np.nan), np.zeros((2, 4, 3)), np.zeros((0, 4, 3)), np.zeros(3)),
            *(np.zeros((2, 3, 3)), np.full((2, 4, 3), 1e9), np.array(["a", "b"]), np.zeros((2, 3))),
            *(np.zeros((2, 4, 3), dtype=complex), np.ones((2, 3, 3)) * 1e-9, np.array(5.0)),
        ]
        ArrayData.set_array(trajectory, name, chance.choice(arrays))
        trajectory._validate = lambda: True  # type: ignore[method-assign]
    if chance.random() < 0.4:
        trajectory = with_attributes(trajectory, chance, 1)
    inputs: dict[str, Data] = {"trajectory": trajectory}
    if chance.random() < 0.5:
        structure = StructureData(ase=crystal)
        damage = chance.random() < 0.4
        inputs["structure"] = with_attributes(structure, chance, 1) if damage else structure
    if chance.random() < 0.8:
        inputs["fractional"] = Bool(True)
    return inputs


def _outputs(chance: random.Random) -> dict[str, Data]:
    kinds = {"OUTCAR": 1, "vasprun.xml": 1, "CP2K": 1, "extxyz labels": 1}
    reader = chance.choice([reader for reader in readers() if reader.name in kinds])
    folder = FolderData()
    for name, content in {reader.file: reader.seed, **reader.beside}.items():
        content = content.replace(b"0.5 0.0", b"1.2 0.0")  # atoms of CP2K's, as far as in copper
        held = changed(content, chance) if chance.random() < 0.7 else content
        inner = chance.choice(["", "", "run/", "a/b/"]) + name
        folder.base.repository.put_object_from_filelike(io.BytesIO(held), inner)
    inputs: dict[str, Data] = {"retrieved": folder}
    if chance.random() < 0.6:
        inputs["level_of_theory"] = Str(chance.choice(["PBE", "", "x" * 3000]))
    if chance.random() < 0.4:
        values = [{"Cu": -0.2}, {}, {"Xx": 1}, {"Cu": "a"}, {"Cu": None}, {"Cu": []}]
        inputs["atom_energies"] = Dict(chance.choice(values))
    return inputs


def _eam() -> bytes:
    return next(reader.seed for reader in readers() if reader.name == "EAM")


def _lammps(chance: random.Random) -> dict[str, Data]:
    content = changed(_eam(), chance) if chance.random() < 0.3 else _eam()
    node = SinglefileData(io.BytesIO(content), filename="Cu.eam.alloy")
    node.base.attributes.set_many(
        {"pair_style": "eam/alloy", "default_units": "metal", "species": ["Cu"]}
    )
    return {"potential": with_attributes(node, chance, chance.randint(0, 1))}


def _files(chance: random.Random) -> dict[str, Data]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.eam.alloy"
        path.write_bytes(_eam())
        node = PotentialData.from_file(path, "eam/alloy", level_of_theory="EAM")
    if chance.random() < 0.4:
        repository = node.base.repository
        repository.put_object_from_filelike(
            io.BytesIO(changed(_eam(), chance)), "potential.eam.alloy"
        )
    node = with_attributes(node, chance, chance.randint(0, 2))
    asked = damaged(["Cu"], chance) if chance.random() < 0.5 else ["Cu"]
    return {"potential": node, "elements": List(asked if isinstance(asked, list) else ["Cu"])}


def _is_whole(made: object) -> None:
    """See that what was made can be used."""
    nodes = list(made.values()) if isinstance(made, dict) else [made]
    for node in nodes:
        assert node.is_stored
        if isinstance(node, FramesData | PotentialData):
            problem = attributes_problem(node.node_type, node.base.attributes.all)
            assert problem is None, problem
        if isinstance(node, FramesData):
            frames = node.frames
            assert len(frames) and np.isfinite(frames.positions).all()
            assert all(math.isfinite(e) for e in frames.energies[frames.labelled])
        if isinstance(node, PotentialData):
            assert content_problem(node) is None


CONVERTERS: dict[str, tuple[object, Callable[[random.Random], dict[str, Data]]]] = {
    "structure": (conversions.structure_to_frames, _structure),
    "trajectory": (conversions.trajectory_to_frames, _trajectory),
    "outputs": (conversions.outputs_to_labels, _outputs),
    "lammps": (conversions.lammps_to_potential, _lammps),
    "files": (conversions.potential_to_files, _files),
}


def fuzz_converters(count: int, seed: int, folder: Path, every: int = 0) -> Findings:
    """Send `count` damaged nodes through the conversions, in turn."""
    chance, found = random.Random(seed), Findings(every=every)
    roots = [folder, Path(tempfile.gettempdir()), Path(get_config().dirpath)]
    for number in range(count):
        name = list(CONVERTERS)[number % len(CONVERTERS)]
        function, make = CONVERTERS[name]
        state = chance.getstate()
        try:
            inputs = make(chance)
            for node in inputs.values():
                Data.store(node)  # not by its own class, which an import does not ask
        except Exception as error:  # AiiDA itself cannot hold such a node
            found.outcomes[name, f"no node ({type(error).__name__})"] += 1
            continue

        def run(function=function, inputs=inputs) -> str:
            with guarded(LIMIT, roots):
                made, process = function.run_get_node(**inputs)
            assert not process.is_excepted, process.exception
            if process.exit_status:
                assert process.exit_status == 400, process.exit_message
                assert len(process.exit_message.strip()) > 8, process.exit_message
                return "refused"
            _is_whole(made)
            return "converted"

        what = {key: dict(node.base.attributes.all) for key, node in inputs.items()}
        found.record(name, (state[1][:3], str(what)[:1500]), run, ())
    return found
