"""Nodes of AiiDA, aiida-lammps and aiida-cp2k where a command takes frames or a potential."""

import re
import sys
from io import BytesIO

import numpy as np
import pytest
from aiida.common.links import LinkType
from aiida.engine import run_get_node
from aiida.orm import (
    CalcFunctionNode,
    CalcJobNode,
    Data,
    Dict,
    FolderData,
    InstalledCode,
    SinglefileData,
    StructureData,
    TrajectoryData,
    load_node,
)
from aiida.plugins import CalculationFactory, DataFactory
from ase import Atoms
from ase.build import bulk
from ase.cluster import Icosahedron
from click.testing import CliRunner

from aiida_nanoclusters.calculations import conversions
from aiida_nanoclusters.cli.imports.labels_command import import_labels
from aiida_nanoclusters.cli.launch.converted import converted_potential
from aiida_nanoclusters.cli.launch.nodes import get_frames, get_sets
from aiida_nanoclusters.cli.terminal import Fixable
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.trust import trust
from aiida_nanoclusters.workflows.labels.label import LabelWorkChain
from aiida_nanoclusters.workflows.parts.protocol import load_protocol
from tests.calculations.labels.test_evaluate import evaluate
from tests.fuzz.files import readers


def boxed() -> Atoms:
    """An icosahedron as plugins that know only periodic cells hold it."""
    atoms = Icosahedron("Cu", 2)
    atoms.center(vacuum=8.0)
    atoms.pbc = True
    return atoms


def test_structures(aiida_profile) -> None:
    """A cluster in a box is a cluster, a crystal stays one, an atom is an atom."""
    cluster = StructureData(ase=boxed()).store()
    found = get_frames(cluster.uuid, "")
    (atoms,) = found.frames
    assert not atoms.pbc.any() and len(atoms) == 13
    assert found.creator.inputs.structure.uuid == cluster.uuid
    crystal = StructureData(ase=bulk("Cu", cubic=True)).store()
    (atoms,) = get_frames(crystal.uuid, "").frames
    assert atoms.pbc.all() and atoms.info["config_type"] == "bulk"
    single = StructureData(ase=Atoms("Cu", cell=[20] * 3, pbc=True)).store()
    assert get_frames(str(single.pk), "").frames[0].info["config_type"] == "atom"
    assert get_frames(found.uuid, "").uuid == found.uuid
    with pytest.raises(Fixable, match=f"one set of frames: .*run dataset --dataset {found.uuid}"):
        get_sets(found.uuid)


def test_trajectories(aiida_profile) -> None:
    images = [boxed() for _ in range(3)]
    for seed, atoms in enumerate(images):
        atoms.rattle(0.05, seed=seed)
    trajectory = TrajectoryData([StructureData(ase=atoms) for atoms in images]).store()
    frames = get_frames(trajectory.uuid, "").frames
    assert len(frames) == 3 and not frames.pbc.any()
    for atoms, image in zip(frames, images, strict=True):
        distances = atoms.get_all_distances() - image.get_all_distances()
        assert np.abs(distances).max() < 1e-8


def of_a_job(localhost, plugin: str, trajectory: TrajectoryData, crystal: Atoms) -> TrajectoryData:
    """A trajectory as the output of a calculation that has a structure."""
    job = CalcJobNode(computer=localhost, process_type=f"aiida.calculations:{plugin}")
    job.set_option("resources", {"num_machines": 1})
    structure = StructureData(ase=crystal).store()
    job.base.links.add_incoming(structure, LinkType.INPUT_CALC, "structure")
    job.store()
    trajectory.base.links.add_incoming(job, LinkType.CREATE, "trajectory")
    return trajectory.store()


@pytest.mark.parametrize("plugin", ["vasp.vasp", "cp2k"])
def test_trajectories_of_other_plugins(localhost, plugin) -> None:
    """aiida-vasp stores fractions of the cell; those of aiida-cp2k need not have a cell."""
    crystal = bulk("Cu", cubic=True)
    crystal.rattle(0.05, seed=1)
    given, trajectory = crystal.positions[None], TrajectoryData()
    cells = crystal.cell.array[None] if plugin == "vasp.vasp" else None
    if plugin == "vasp.vasp":
        given = crystal.get_scaled_positions(wrap=False)[None]
    trajectory.set_trajectory(["Cu"] * 4, given, cells=cells)
    (atoms,) = get_frames(of_a_job(localhost, plugin, trajectory, crystal).uuid, "").frames
    assert atoms.pbc.all() and np.allclose(atoms.cell.array, crystal.cell.array)
    assert np.allclose(atoms.get_all_distances(mic=True), crystal.get_all_distances(mic=True))


def odd(kind: str) -> Data:
    if kind == "no sites":
        return StructureData(cell=np.eye(3) * 9).store()
    trajectory = TrajectoryData()
    names = {"names": ["Wat", "Wat"], "guessed": ["Hs1x", "Os-1"]}.get(kind, ["Cu", "Cu"])
    shape = {"shape": (2, 3, 3), "empty": (10**12, 0, 3)}.get(kind, (1, 2, 3))
    trajectory.set_array("positions", np.zeros(shape))
    trajectory.base.attributes.set("symbols", names)
    trajectory._validate = lambda: None  # AiiDA's own check; an import does not come this way
    return trajectory.store()


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("no sites", "no atoms"),
        ("names", "`Wat` names no element"),
        ("guessed", "names no element"),
        ("shape", "positions of the shape"),
        ("empty", "positions of the shape"),
        ("overlap", "apart"),
    ],
)
def test_odd_nodes_are_refused_with_the_reason(aiida_profile, kind, reason) -> None:
    with pytest.raises(Fixable, match=reason):
        get_frames(odd(kind).uuid, "")


def test_what_has_no_frames(aiida_profile, lmp_code) -> None:
    with pytest.raises(Fixable, match="no FramesData, structure, trajectory or calculation"):
        get_frames(Dict({}).store().uuid, "")
    with pytest.raises(Fixable, match="no node"):
        get_frames("3f3f3f3f", "")


def lammps_potential(path, **given):
    pytest.importorskip("aiida_lammps", reason="pip install aiida-nanoclusters[lammps]")
    made = DataFactory("lammps.potential").get_or_create(
        path, **{"pair_style": "eam/alloy", "species": ["Cu"], "units": "metal"} | given
    )
    return made.store()


def test_a_potential_of_aiida_lammps(aiida_profile, code_on, localhost, eam_file, eam_potential):
    """It is that of its file, and LAMMPS runs it by a code that was set up for aiida-lammps."""
    theirs = lammps_potential(eam_file)
    ours = converted_potential(theirs.uuid)
    assert ours.kind == "eam/alloy" and ours.elements == ["Cu"]
    assert ours.creator.inputs.potential.uuid == theirs.uuid
    plain = code_on("lmp-of-setup", f"{sys.prefix}/bin/lmp")
    code = InstalledCode(
        label="lmp-of-aiida-lammps",
        computer=localhost,
        filepath_executable=str(plain.filepath_executable),
        default_calc_job_plugin="lammps.base",
    ).store()
    trust(code)
    frames = FramesData([Icosahedron("Cu", 2)]).store()
    outputs, node = run_get_node(LabelWorkChain.get_builder_for_potential(code, frames, ours))
    assert node.is_finished_ok, node.exit_message
    found, _ = evaluate(plain, [Icosahedron("Cu", 2)], {"a": eam_potential})
    (atoms,), (same,) = outputs["frames"].frames, found["labelled"]["a"].frames
    assert atoms.get_potential_energy() == pytest.approx(same.get_potential_energy(), abs=1e-9)


def test_a_potential_of_aiida_lammps_that_cannot_be_taken_over(aiida_profile, tmp_path) -> None:
    (tmp_path / "Cu.meam").write_text("x")
    theirs = lammps_potential(tmp_path / "Cu.meam", pair_style="tersoff")
    with pytest.raises(Fixable, match="pair style tersoff cannot be taken over"):
        converted_potential(theirs.uuid)
    (tmp_path / "Cu.alloy").write_text("y")
    theirs = lammps_potential(tmp_path / "Cu.alloy", units="real")
    with pytest.raises(Fixable, match="in real units: give one in metal units"):
        converted_potential(theirs.uuid)


@pytest.mark.parametrize("species", [["Cu", "Au"], ["Au"], "Cu", 7, [{}], None])
def test_elements_are_those_of_the_file(aiida_profile, eam_file, species) -> None:
    """`pair_coeff` of the style eam names none: LAMMPS would run gold as copper."""
    file = SinglefileData(eam_file.with_name("Cu_u3.eam"))
    file.base.attributes.set_many(
        {"pair_style": "eam", "default_units": "metal", "species": species}
    )
    _, node = conversions.lammps_to_potential.run_get_node(potential=file)
    assert node.exit_status == 400 and "which its `species` are not" in node.exit_message
    file = SinglefileData(eam_file.with_name("Cu_u3.eam"))
    file.base.attributes.set_many({"pair_style": "eam", "default_units": "metal"})
    file.base.attributes.set("species", ["Cu"])
    assert conversions.lammps_to_potential(potential=file).elements == ["Cu"]


def test_a_conversion_of_others_is_not_taken_for_ours(aiida_profile, localhost) -> None:
    structure = StructureData(ase=boxed()).store()
    theirs = CalcFunctionNode(process_type="aiida.calculations:evil.x", computer=localhost)
    theirs.base.attributes.set("function_name", "structure_to_frames")
    theirs.base.links.add_incoming(structure, LinkType.INPUT_CALC, "structure")
    theirs.store()
    theirs.set_exit_status(0)
    false = FramesData([Atoms("Au")])
    false.base.links.add_incoming(theirs, LinkType.CREATE, "result")
    false.store()
    assert get_frames(structure.uuid, "").elements == ["Cu"]


def test_steps_that_are_left_out_are_said(localhost) -> None:
    """Of two steps one did not converge: the other is a label, and the reason is printed."""
    job = CalcJobNode(computer=localhost, process_type="aiida.calculations:cp2k").store()
    folder = FolderData()
    (reader,) = (reader for reader in readers() if reader.name == "CP2K")
    for name, content in {reader.file: reader.seed, **reader.beside}.items():
        apart = content.replace(b"0.5 0.0", b"1.2 0.0")
        folder.base.repository.put_object_from_filelike(BytesIO(apart), f"run/{name}")
    folder.base.links.add_incoming(job, LinkType.CREATE, "retrieved")
    folder.store()
    shown = CliRunner().invoke(import_labels, ["--calculation", job.uuid, "--level", "PBE"])
    said = " ".join(shown.output.split())
    assert shown.exit_code == 0, shown.output
    assert "1 steps are not labels and are left out run/my.out, step 1:" in said
    assert "1 labels of Cu" in said


def test_a_calculation_of_aiida_cp2k(aiida_profile, cp2k_code) -> None:
    """A relaxation by tight binding: each step is a label, linked to the calculation."""
    atoms = Atoms("Cu2", [[0, 0, 0], [0.2, 0, 2.3]])
    atoms.center(vacuum=6.0)
    force_eval = load_protocol("cp2k", "gfn1-xtb")["force_eval"]
    force_eval["SUBSYS"] = {"CELL": {"PERIODIC": "NONE"}}
    force_eval["DFT"]["SCF"]["ADDED_MOS"] = 4
    force_eval["DFT"]["POISSON"] = {"PERIODIC": "NONE", "PSOLVER": "MT"}
    parameters = {
        "GLOBAL": {"RUN_TYPE": "GEO_OPT"},
        "FORCE_EVAL": force_eval,
        "MOTION": {
            "GEO_OPT": {"MAX_ITER": 5},
            "PRINT": {
                "TRAJECTORY": {"FORMAT": "XYZ", "EACH": {"GEO_OPT": 1}},
                "FORCES": {"FORMAT": "XYZ", "EACH": {"GEO_OPT": 1}},
            },
        },
    }
    _, node = run_get_node(
        CalculationFactory("cp2k"),
        code=cp2k_code,
        structure=StructureData(ase=atoms),
        parameters=Dict(parameters),
        metadata={"options": {"resources": {"num_machines": 1}, "withmpi": False}},
    )
    assert node.is_finished_ok, node.exit_message
    shown = CliRunner().invoke(import_labels, ["--calculation", node.uuid])
    assert shown.exit_code == 0, shown.output
    found = load_node(re.search(r"FramesData (\S+):", shown.output)[1])
    frames = found.frames
    assert get_frames(node.uuid, "").frames.content_hashes() == frames.content_hashes()
    assert found.creator.inputs.retrieved.creator.uuid == node.uuid
    assert len(frames) > 1 and frames.labelled.all() and frames.elements == ["Cu"]
    first, last = frames[0], frames[-1]
    assert last.get_potential_energy() < first.get_potential_energy()
