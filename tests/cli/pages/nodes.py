"""Nodes that the commands on the pages name, each made when the first line asks for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from aiida import orm
from aiida.common.links import LinkType
from ase import Atoms

from aiida_nanoclusters.calculations.charts.families import divide_chart
from aiida_nanoclusters.calculations.melting.melting import build_cluster, find_melting
from aiida_nanoclusters.cli.launch.nodes import find_potential
from aiida_nanoclusters.data.chart import ChartData
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.matching_model import MatchingModelData
from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.science.frames import Frames
from tests.calculations.learning.test_train import labelled as training_frames
from tests.cli.imports.test_import_labels import emt_run, pair
from tests.cli.launch.test_compare import training
from tests.cli.report.test_collect import hand_on, process
from tests.labellings import other_eam
from tests.small_charts import SMALL, rattled, trained
from tests.small_matching import assignment, trained_model, world
from tests.test_doc_examples import Nodes
from tests.workflows.charts.test_analysis import made_run

#: Of docs/published/uuids.json: the study, and its crossover by the reference.
STUDY = "9aa4b16a-a02b-40d7-9349-19bebf6348d5"
CROSSOVER = "609b5a61-1ab2-478a-935e-3461516f1578"
SOLUTION = ("Ag", "C", "Cu", "H", "N", "O", "S")
#: Level of theory of `--calculator sevennet --dispersion PBE`.
SEVENNET = "SevenNetCalculator(model=7net-0) + D3(BJ)"


class PageNodes(dict[str, str]):
    """UUIDs by the names in :mod:`tests.cli.pages.places`."""

    def __init__(self, eam_file: Path, folder: Path) -> None:
        super().__init__()
        self.eam_file, self.folder, self.shared = eam_file, folder, Nodes(eam_file)

    def __missing__(self, name: str) -> str:
        node = MAKERS[name](self)
        self[name] = (node if node.is_stored else node.store()).uuid
        return self[name]

    def node(self, name: str) -> orm.Node:
        """Load one of them."""
        return orm.load_node(self[name])


def _part(label: str, of: str = STUDY) -> Callable[[PageNodes], orm.Node]:
    """Return the maker that finds a process of the published study, the first of its kind."""

    def find(_: PageNodes) -> orm.Node:
        called = orm.load_node(of).called_descendants
        found = [one for one in called if one.process_label == label]
        return min(found, key=lambda one: one.ctime)

    return find


def _finished(label: str, outputs: dict, prefix: str = "", **inputs: orm.Data) -> orm.Node:
    node = process(orm.WorkChainNode, label, inputs=inputs)
    hand_on(node, outputs, prefix)
    return node


def _calculator(path: str, *elements: str) -> PotentialData:
    return PotentialData.from_calculator(path, elements)


def _structure(_: PageNodes) -> orm.StructureData:
    atoms = pair(2.3)
    atoms.center(vacuum=9.0)
    atoms.pbc = True
    return orm.StructureData(ase=atoms)


def _calculation(distance: float) -> Callable[[PageNodes], orm.Node]:
    """Return the maker of a calculation of aiida-vasp, with the files that it retrieved."""

    def make(nodes: PageNodes) -> orm.Node:
        run = nodes.folder / f"vasp-{distance}"
        emt_run(run, pair(distance))
        computer = orm.load_computer("localhost")
        job = orm.CalcJobNode(computer=computer, process_type="aiida.calculations:vasp.vasp")
        job.set_option("resources", {"num_machines": 1})
        job.store()
        retrieved = orm.FolderData(tree=str(run))
        retrieved.base.links.add_incoming(job, LinkType.CREATE, "retrieved")
        retrieved.store()
        return job

    return make


def _tempering(_: PageNodes) -> orm.Node:
    run = made_run(size=147, times=60)
    return _finished("ParallelTemperingWorkChain", {"swaps.Au147": run.pop("swaps"), **run})


def _chart(nodes: PageNodes) -> orm.Node:
    """A chart of relaxed gold, as its work chain would return it."""
    frames = rattled(copies=6)
    chart = trained(frames, nodes.folder / "chart")
    given, node = FramesData(frames).store(), ChartData(chart).store()
    found = divide_chart(given, orm.Dict(SMALL), chart=node)
    return _finished("ChartWorkChain", {"chart": node, **found}, frames=given)


def _thermal_chart(nodes: PageNodes) -> orm.Node:
    """A chart that biases dynamics: of thermal frames and their minima."""
    frames = rattled("Cu", copies=6, motifs=(("icosahedron", 147), ("truncated octahedron", 201)))
    chart = trained(frames, nodes.folder / "thermal", reproduces="thermal")
    return ChartData(chart)


def _melting(_: PageNodes) -> orm.Node:
    """A cluster that vibrates more and more, at six temperatures."""
    cluster = build_cluster(orm.Dict({"element": "Cu", "motif": "icosahedron", "size": 13}))
    start, rng, trajectories = cluster.frames[0], np.random.default_rng(1), {}
    temperatures = [200.0, 400.0, 600.0, 800.0, 1000.0, 1200.0]
    for k, kelvin in enumerate(temperatures):
        images = []
        for _step in range(24):
            atoms = start.copy()
            atoms.positions += rng.normal(scale=1e-4 * kelvin, size=atoms.positions.shape)
            atoms.info.update(structure=0, temperature=kelvin)
            images.append(atoms)
        energies = -40.0 + 3e-3 * kelvin + rng.normal(scale=0.05, size=24)
        frames = Frames.from_atoms(images)
        labels = [np.zeros((13, 3))] * 24
        trajectories[f"trajectory_{k}"] = FramesData(
            frames.with_labels(
                energies, np.concatenate(labels), level_of_theory="EAM", atom_energies={"Cu": 0.0}
            )
        )
    settings = orm.Dict({"blocks": 2, "lindemann": [0.1, 0.15]})
    found = find_melting(cluster, orm.List(temperatures), settings, **trajectories)
    return _finished("MeltingWorkChain", {**found, "cluster": cluster})


def _compatibility(nodes: PageNodes) -> orm.Node:
    pairs = world()
    models = {
        f"models.seed_{seed}": MatchingModelData(
            trained_model(pairs, assignment(pairs, seed), nodes.folder / f"seed-{seed}", seed=seed)
        )
        for seed in (1, 2)
    }
    return _finished("CompatibilityWorkChain", models)


def _ranking(nodes: PageNodes) -> orm.Node:
    """A ranking that was run, which takes no job."""
    from aiida.engine import run_get_node
    from ase.cluster import Icosahedron

    from aiida_nanoclusters.workflows.ligands.match_ligands import MatchLigandsWorkChain

    core = Icosahedron("Au", 2)
    models = dict(nodes.node("compatibility").outputs.models)
    builder = MatchLigandsWorkChain.get_builder_from_protocol(
        FramesData([Atoms(core.numbers, core.positions)]).store(), ["SCCc1ccccc1 PET"], models
    )
    return run_get_node(builder)[1]


def _active_learning(nodes: PageNodes) -> orm.Node:
    """One that labelled in three rounds, of which the last is there."""
    training, validation, test = (
        nodes.shared.frames(seed, level=nodes.eam_file.name) for seed in (2, 3, 4)
    )
    sets = {"training": training, "validation": validation}
    return _finished("ActiveLearningWorkChain", sets, "rounds.round_003.", test=test)


def _of_solution(nodes: PageNodes) -> orm.Node:
    """The same of the solution."""
    labelled = _labelled_solution(nodes)
    sets = {"training": FramesData(labelled), "validation": FramesData(labelled)}
    return _finished(
        "ActiveLearningWorkChain", sets, "rounds.round_001.", test=FramesData(labelled)
    )


def _labelled_solution(nodes: PageNodes) -> Frames:
    import ase.io

    start = ase.io.read(nodes.folder / "files" / "start.extxyz")
    rng, images = np.random.default_rng(3), []
    for k in range(4):
        atoms = start.copy()
        atoms.positions += rng.normal(scale=0.02, size=atoms.positions.shape)
        atoms.info = {"config_type": "solution", "parent": str(k)}
        images.append(atoms)
    frames = Frames.from_atoms(images)
    energies, forces = np.full(4, -100.0), 0.1 * np.ones((4 * len(start), 3))
    zero = dict.fromkeys(frames.elements, 0.0)
    return frames.with_labels(energies, forces, level_of_theory=SEVENNET, atom_energies=zero)


def _equilibrated(nodes: PageNodes) -> FramesData:
    import ase.io

    return FramesData([ase.io.read(nodes.folder / "files" / "start.extxyz")])


def _assembly(nodes: PageNodes) -> FramesData:
    import ase.io

    return FramesData(ase.io.read(nodes.folder / "files" / "assembly.extxyz", ":"))


def _killed(nodes: PageNodes) -> orm.Node:
    """The published training as it would stand had it been killed, by codes of this profile."""
    recorded = nodes.node("training")
    node = orm.WorkChainNode(process_type=recorded.process_type)
    node.set_process_label("TrainWorkChain")
    node.set_process_state("killed")
    node.set_metadata_inputs(recorded.get_metadata_inputs())
    for link in recorded.base.links.get_incoming(link_type=LinkType.INPUT_WORK).all():
        given = link.node
        if isinstance(given, orm.AbstractCode):
            given = orm.load_code(f"{given.label}@localhost")
        node.base.links.add_incoming(given, LinkType.INPUT_WORK, link.link_label)
    return node


def _training(error: float, seed: int) -> Callable[[PageNodes], orm.Node]:
    def make(nodes: PageNodes) -> orm.Node:
        return training(error, training_frames([seed]), nodes.node("tested"))

    return make


MAKERS: dict[str, Callable[[PageNodes], orm.Node]] = {
    "study": lambda _: orm.load_node(STUDY),
    "dataset": _part("DatasetWorkChain"),
    "training": _part("TrainWorkChain"),
    "crossover": lambda _: orm.load_node(CROSSOVER),
    "scan": _part("SizeScanWorkChain"),
    "labelling": _part("LabelWorkChain"),
    "relaxation": _part("LammpsBaseWorkChain", CROSSOVER),
    "frames": lambda nodes: nodes.shared["frames"],
    "copper": lambda nodes: nodes.shared["a potential"],
    "other copper": lambda nodes: other_eam(nodes.eam_file),
    "gold": lambda _: find_potential("rgl-Au.eam.alloy", None, "Au"),
    "copper and gold": lambda _: _calculator("ase.calculators.emt:EMT", "Cu", "Au"),
    "solution": lambda _: _calculator("ase.calculators.lj:LennardJones", *SOLUTION),
    "structure": _structure,
    "calculation": _calculation(2.2),
    "other calculation": _calculation(2.4),
    "tempering": _tempering,
    "chart": _chart,
    "thermal chart": _thermal_chart,
    "melting": _melting,
    "compatibility": _compatibility,
    "ranking": _ranking,
    "active learning": _active_learning,
    "active learning of a solution": _of_solution,
    "equilibrated": _equilibrated,
    "assembly": _assembly,
    "tested": lambda _: training_frames([4, 5]),
    "one training": _training(2.0, 0),
    "another training": _training(5.0, 1),
    "killed training": _killed,
    "failed study": lambda _: process(orm.WorkChainNode, "StudyWorkChain", exit_status=401),
}
