"""Nodes of strangers, as an import may bring them: nothing of theirs runs or is written elsewhere.

Each is made in a way that this package refuses, by setting the attributes of an unstored node.
"""

import inspect

import numpy as np
import pytest
from aiida.common.folders import Folder
from aiida.orm import ArrayData, Dict, FolderData, KpointsData, List, StructureData
from aiida.repository import File, FileType
from ase import Atoms

from aiida_nanoclusters.calculations.job_options import options_problem
from aiida_nanoclusters.calculations.labels.evaluate import EvaluateCalculation, validate_potentials
from aiida_nanoclusters.calculations.labels.evaluate import (
    validate_settings as validate_evaluation_settings,
)
from aiida_nanoclusters.calculations.lammps_job import potential_copy, validate_potential
from aiida_nanoclusters.calculations.learning.compile import CompileCalculation, validate_modifiers
from aiida_nanoclusters.calculations.learning.train import TrainCalculation, join_learning_curves
from aiida_nanoclusters.calculations.sampling.lammps import (
    LammpsCalculation,
    validate_resume,
    validate_settings,
)
from aiida_nanoclusters.data.potential import PotentialData

pytestmark = pytest.mark.usefixtures("aiida_profile")
#: A value that would be three commands in a script, and several lines in an input.
HOSTILE = "o; touch x\n#SBATCH --wrap=x\nshell touch x"


def forged(**attributes) -> PotentialData:
    node = PotentialData.lennard_jones("Cu", epsilon=0.4, sigma=2.3, cutoff=8.0)
    node.base.attributes.set_many(attributes)
    return node


def forged_folder(names: dict[str, str], outside: str = "evil") -> FolderData:
    """Return a folder with files by name, and one in a folder that is called `..`."""
    folder = FolderData()
    for name, text in names.items():
        folder.put_object_from_bytes(text.encode(), name)
    folder.put_object_from_bytes(b"evil", outside)
    objects = folder.base.repository._repository._directory.objects
    objects[".."] = File("..", FileType.DIRECTORY, None, {outside: objects.pop(outside)})
    return folder


@pytest.mark.parametrize(
    "attributes",
    [
        {"elements": ["Cu\nshell touch x"]},
        {"elements": ["Cu", "X"]},
        {"elements": 5},
        {"elements": [["Cu"]]},
        {"kind": "eam/alloy\nshell touch x"},
        {"parameters": {"epsilon": "1\nshell touch x", "sigma": 2.3}},
        {"parameters": {}},
        {"parameters": "x"},
        {"cutoff": float("inf")},
        {"cutoff": "8\nshell touch x"},
        {"cutoff": None},
    ],
)
def test_potentials(attributes) -> None:
    assert validate_potential(forged(), None) is None
    assert "cannot be used" in validate_potential(forged(**attributes), None)


def test_an_eam_file_is_numbers(eam_file, tmp_path) -> None:
    """A file that was checked when it was made, and another under its name."""
    text = eam_file.read_text()
    lines = text.splitlines()
    good = PotentialData.from_file(eam_file, "eam/alloy", level_of_theory="EAM")
    assert validate_potential(good, None) is None
    assert potential_copy(good, "a.eam.alloy")[0][1:] == ("potential.eam.alloy", "a.eam.alloy")
    for wrong in (
        f"{text}\nshell touch x\n",
        "\n".join([*lines[:100], "shell touch x", *lines[101:]]),
        "\n".join(lines[:100]),
        "\n".join([*lines[:4], lines[4].replace("10001", "1" + 18 * "0", 1), *lines[5:]]),
        "shell touch x\n",
        "",
    ):
        node = PotentialData.from_file(eam_file, "eam/alloy", level_of_theory="EAM")
        node.base.repository.delete_object("potential.eam.alloy")
        path = tmp_path / "x"
        path.write_text(wrong)
        node.base.repository.put_object_from_file(str(path), "potential.eam.alloy")
        assert "is no `eam/alloy` potential file" in validate_potential(node, None)
        with pytest.raises(ValueError, match="is no `eam/alloy` potential file"):
            potential_copy(node)
    missing = forged(kind="eam/alloy")
    assert "cannot be used" in validate_potential(missing, None)


def test_keys_of_a_committee() -> None:
    for key in ("../x", "/tmp/x", 'a"\nshell touch x'):
        assert "the key of a potential" in validate_potentials({key: forged()}, None)


def test_the_command_line_of_lammps() -> None:
    for options in (["-in", "potential.eam.alloy"], ["-sf", "kk", "-log", "/home/me/.bashrc"]):
        for validate in (validate_settings, validate_evaluation_settings):
            assert "a script that calls LAMMPS" in validate(Dict({"cmdline": options}), None)
    assert validate_settings(Dict({"cmdline": ["-k", "on", "g", 1, "-sf", "kk"]}), None) is None


def test_files_of_jobs(lmp_code) -> None:
    """AiiDA writes these options into the script of a job without quotes."""
    for process in (LammpsCalculation, EvaluateCalculation, CompileCalculation, TrainCalculation):
        options = process.spec().inputs["metadata"]["options"]
        for name in ("scheduler_stdout", "scheduler_stderr", "submit_script_filename"):
            for value in (HOSTILE, "o; touch x", "../x", "/tmp/x", "$(touch x)", "-o"):
                assert f"`{name}`" in options[name].validate(value).message
            assert options[name].validate("_out.txt") is None
        for name in ("queue_name", "account", "qos", "priority"):
            assert f"`{name}`" in options[name].validate(HOSTILE).message
            assert options[name].validate("gpu-a100") is None
    assert "`account`" in options_problem({"account": HOSTILE})
    assert options_problem({"account": "me", "max_wallclock_seconds": 60, "resources": {}}) is None


def test_a_job_is_not_made_of_hostile_options(lmp_code) -> None:
    builder = LammpsCalculation.get_builder()
    with pytest.raises(ValueError, match="scheduler_stdout"):
        builder.metadata.options.scheduler_stdout = "o; touch x"


def test_a_restart_file_of_lammps() -> None:
    """Its name is a path in the folder of another job."""
    point = {"stage": 0, "step": 100, "timestep": 100, "file": "run.stop"}
    assert validate_resume(Dict(point), None) is None
    for file in ("../../../etc/passwd", "/etc/passwd", "input.lammps", "", None, ["run.stop"]):
        assert "`file`" in validate_resume(Dict({**point, "file": file}), None)
    for wrong in ({"file": "run.stop"}, {**point, "step": "x"}, {**point, "step": None}):
        assert validate_resume(Dict(wrong), None)


def test_modifiers_of_compilations() -> None:
    for modifiers in (["--output=/tmp/x"], ["a b"], ["enable_X", "x;y"], [1], [""]):
        assert "names" in validate_modifiers(List(modifiers), None)


def curve(epochs: int) -> str:
    rows = [f"{k},0.5,1.0" for k in range(epochs)]
    return "\n".join(["epoch,val0_epoch/weighted_sum,lr-Adam", *rows, ""])


def test_keys_of_learning_curves_are_no_paths(tmp_path) -> None:
    """Links of an archive may have any label; the function is repeated with them."""
    folders = {}
    for key, epochs in ((str(tmp_path / "evil"), 1), ("../evil", 2), ("b", 3)):
        folders[key] = FolderData()
        folders[key].put_object_from_bytes(curve(epochs).encode(), "metrics.csv")
    joined = inspect.unwrap(join_learning_curves)(**folders)
    assert isinstance(joined, ArrayData)
    assert joined.get_array("epoch").tolist() == [0, 1, 2]
    assert not list(tmp_path.iterdir())


# ---- CP2K and VASP


def test_settings_of_cp2k() -> None:
    pytest.importorskip("aiida_cp2k", reason="pip install aiida-nanoclusters[cp2k]")
    from aiida_nanoclusters.calculations.labels.cp2k import validate_settings as validate
    from aiida_nanoclusters.workflows.parts.protocol import load_protocol

    good = load_protocol("cp2k", "gfn1-xtb")
    assert validate(Dict(good), None) is None
    dft = good["force_eval"]["DFT"]
    for hostile in (
        {"force_eval": {"DFT": {**dft, "BASIS_SET_FILE_NAME": "/etc/passwd"}}},
        {"force_eval": {"DFT": {**dft, "A": "B\n@INCLUDE /etc/passwd"}}},
        {"fallbacks": [{}, {"DFT": {"SCF": {"EPS_SCF": "${HOME}"}}}]},
        {"kinds": {"Cu": {"BASIS_SET": "x\n&END KIND"}}},
    ):
        assert "CP2K's keyword" in validate(Dict({**good, **hostile}), None)


def test_restart_files_of_cp2k(tmp_path) -> None:
    pytest.importorskip("aiida_cp2k", reason="pip install aiida-nanoclusters[cp2k]")
    from aiida_nanoclusters.calculations.labels.cp2k import write_files
    from aiida_nanoclusters.calculations.sampling.cp2k_stages import restarts_problem

    name, good = "structure00000.restart", " &GLOBAL\n &END GLOBAL\n"

    def folder(names):
        made = FolderData()
        for file, text in names.items():
            made.put_object_from_bytes(text.encode(), file)
        return made

    assert restarts_problem(folder({name: good}), 1) is None
    assert "no restart file" in restarts_problem(folder({"run0000.inp": good}), 1)
    assert "no restart file" in restarts_problem(folder({"structure00001.restart": good}), 1)
    assert "no restart file" in restarts_problem(forged_folder({name: good}), 1)
    assert "@INCLUDE" in restarts_problem(folder({name: f"{good}@INCLUDE x\n"}), 1)
    assert restarts_problem(folder({f"{name}/x": good}), 1)
    for wrong in ("../evil", str(tmp_path / "evil"), ".bashrc"):
        with pytest.raises(ValueError, match="a file is"):
            write_files(Folder(str(tmp_path / "job")), {wrong: "x"})
    assert not (tmp_path / "evil").exists()


def test_outputs_of_vasp_stay_in_their_folder(tmp_path) -> None:
    from aiida_nanoclusters.calculations.labels.vasp import copy_outputs

    hostile = forged_folder({"vasprun.xml": "<x/>", "OUTCAR": "o", "other": "x"})
    target = tmp_path / "target"
    target.mkdir()
    copy_outputs(hostile, str(target))
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["OUTCAR", "target", "vasprun.xml"]


def test_settings_of_vasp() -> None:
    pytest.importorskip("aiida_vasp", reason="pip install aiida-nanoclusters[vasp]")
    from aiida_nanoclusters.workflows.engines.vasp import validate_options
    from aiida_nanoclusters.workflows.engines.vasp import validate_settings as validate
    from aiida_nanoclusters.workflows.parts.protocol import load_protocol

    good = load_protocol("vasp", "quick")
    assert validate(Dict(good), None) is None
    for key, hostile, reason in (
        ("incar", {"SYSTEM": "a\nNSW = 9"}, "INCAR tag SYSTEM"),
        ("fallbacks", [{}, {"ALGO": "Fast; NSW = 9"}], "INCAR tag ALGO"),
        ("potential_mapping", {"Cu": "../../x"}, "the POTCAR of Cu"),
        ("potential_mapping", {"Cu\nx": "Cu"}, "chemical symbol"),
        ("potential_family", "a\nb", "potential_family"),
    ):
        value = {**good[key], **hostile} if isinstance(hostile, dict) else hostile
        assert reason in validate(Dict({**good, key: value}), None)
    assert "`scheduler_stdout`" in validate_options({"scheduler_stdout": "o; touch x"}, None)


def test_cached_inputs_of_vasp_are_checked_again() -> None:
    """What AiiDA's cache gives for an imported node was made by a stranger."""
    pytest.importorskip("aiida_vasp", reason="pip install aiida-nanoclusters[vasp]")
    from aiida.common import AttributeDict

    from aiida_nanoclusters.workflows.engines.vasp import one_job
    from aiida_nanoclusters.workflows.engines.vasp_stages import _with_velocities

    made = {
        "structure": StructureData(ase=Atoms("Cu", cell=np.eye(3), pbc=True)),
        "kpoints": KpointsData(),
        "parameters": Dict({"incar": {"system": "a\nNSW = 9"}}),
    }
    with pytest.raises(ValueError, match="INCAR tag SYSTEM"):
        one_job(AttributeDict({"code": None, "settings": {}}), made, {}, "frame")
    block = "\n 1.0 2.0 3.0\n"
    assert block in _with_velocities({"prepend_text": "a"}, block)["prepend_text"]
    with pytest.raises(ValueError, match="the block of velocities"):
        _with_velocities({}, f"{block}VELOCITIES\ntouch x\n")
