"""A package compiled for this machine, or a message with what is missing."""

import sys

import pytest
from aiida.engine import run_get_node
from aiida.orm import List, Str

from aiida_nanoclusters.calculations.learning.compile import (
    CompileCalculation,
    validate_device,
    validate_modifiers,
    validate_potential,
)
from aiida_nanoclusters.data.potential import PotentialData

EXIT = CompileCalculation.exit_codes


@pytest.fixture
def package(aiida_profile, allegro_package) -> PotentialData:
    return PotentialData.from_file(
        allegro_package,
        "allegro",
        level_of_theory="EMT",
        atom_energies={"Cu": 0.5},
        training_set="0a1b",
    ).store()


def compile_model(code, package, **inputs):
    metadata = {"options": {"max_wallclock_seconds": 600}}
    return run_get_node(
        CompileCalculation, code=code, potential=package, metadata=metadata, **inputs
    )


@pytest.mark.slow
def test_compiles(nequip_code, package):
    """The compiled model is of the same elements, cutoff, level, zero and training set."""
    outputs, node = compile_model(nequip_code, package)
    assert node.is_finished_ok, node.exit_message
    compiled = outputs["potential"]
    assert compiled.kind == "allegro-compiled" and compiled.runs_in_lammps
    for name in ("elements", "cutoff", "level_of_theory", "atom_energies"):
        assert getattr(compiled, name) == getattr(package, name)
    assert compiled.base.attributes.get("training_set") == "0a1b"
    assert compiled.base.attributes.get("machine")["device"] == "cpu"


@pytest.mark.slow
def test_a_missing_compiler_is_reported_with_the_fix(code_on, package):
    code = code_on("bare", sys.executable, "export CXX=/nowhere/g++")
    _, node = compile_model(code, package)
    assert node.exit_status == EXIT.ERROR_NO_COMPILER.status, node.exit_message
    assert "apt install g++" in node.exit_message
    assert "localhost" in node.exit_message


def test_other_errors_are_reported(nequip_code, package):
    _, node = compile_model(nequip_code, package, modifiers=List(["enable_Nonsense"]))
    assert node.exit_status == EXIT.ERROR_NOT_COMPILED.status
    assert "enable_Nonsense" in node.exit_message


def test_no_python(code_on, package):
    _, node = compile_model(code_on("false", "/bin/false"), package)
    assert node.exit_status == EXIT.ERROR_NOT_COMPILED.status


def test_writes_the_command(nequip_code, package, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _, node = run_get_node(
        CompileCalculation,
        code=nequip_code,
        potential=package,
        device=Str("cuda"),
        modifiers=List(["enable_CuEquivarianceContracter"]),
        metadata={"dry_run": True, "store_provenance": False},
    )
    from pathlib import Path

    script = (Path(node.dry_run_info["folder"]) / "_aiidasubmit.sh").read_text().replace("'", "")
    assert (
        "-m nequip.scripts.compile model.nequip.zip model.nequip.pt2 --mode aotinductor "
        "--target pair_allegro --device cuda --modifiers enable_CuEquivarianceContracter"
    ) in script


def test_validators(aiida_profile, eam_potential, package):
    assert validate_potential(package, None) is None
    assert "`eam/alloy`" in validate_potential(eam_potential, None)
    assert validate_device(Str("cuda"), None) is None
    assert "cpu, cuda" in validate_device(Str("tpu"), None)
    assert validate_modifiers(List(["a"]), None) is None
    assert "names" in validate_modifiers(List([1]), None)
