"""Packages of others in every road: evaluated, run by LAMMPS, compiled, trained on, or refused."""

import numpy as np
import pytest
from aiida.engine import run_get_node
from aiida.orm import Dict, List
from ase.build import bulk
from ase.cluster import Icosahedron
from click.testing import CliRunner
from nequip.integrations.ase import NequIPCalculator

from aiida_nanoclusters.calculations.lammps_job import validate_potential
from aiida_nanoclusters.calculations.learning import compile as compiling
from aiida_nanoclusters.calculations.learning.train import TrainCalculation
from aiida_nanoclusters.calculations.learning.warm_start import package_model, start_problem
from aiida_nanoclusters.cli.run import compile as compile_command
from aiida_nanoclusters.cli.run import label, train
from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.data.schemas import attributes_problem
from aiida_nanoclusters.formats.nequip.nequip_start import StartFromPackage
from aiida_nanoclusters.formats.nequip.warm_start import model_settings
from tests.allegro_model import make_compiled
from tests.calculations.labels.test_evaluate import evaluate
from tests.calculations.learning.test_train import job, labelled, tiny, written  # noqa: F401
from tests.calculations.learning.test_warm_start import STANDSTILL
from tests.calculations.sampling.test_lammps import run_stages
from tests.calculations.test_calculators import python_lmp  # noqa: F401
from tests.other_packages import ALLEGRO_TYPES, ATOMS, NEQUIP_TYPES

TYPES = {"allegro": ALLEGRO_TYPES, "nequip": NEQUIP_TYPES}


def potential(folder, name: str) -> PotentialData:
    path = folder / f"{name}.nequip.zip"
    return PotentialData.from_package(path, level_of_theory="theirs", types=TYPES[name]).store()


def own_calculator(folder, name: str):
    return NequIPCalculator._from_saved_model(
        str(folder / f"{name}.nequip.zip"), chemical_species_to_atom_type_map=TYPES[name]
    )


def alloys(seed: int = 3):
    """A cluster and a crystal of gold in copper."""
    images = [Icosahedron("Cu", 2), bulk("Cu", cubic=True)]
    for atoms in images:
        atoms.set_tags(0)
        atoms.symbols[::3] = "Au"
        atoms.rattle(0.1, seed=seed)
    return images


def test_what_the_nodes_say(packages_of_others, aiida_profile) -> None:
    """Allegro is to be compiled; what passes messages is evaluated by nequip. Zeros are its own."""
    local = potential(packages_of_others, "allegro")
    assert local.kind == "allegro" and local.elements == ["Cu", "Au", "Ag"]
    assert local.types == ALLEGRO_TYPES and local.cutoff == 4.5
    assert local.atom_energies == pytest.approx(ATOMS)
    assert f"run compile {local.uuid}" in validate_potential(local, None)
    passing = potential(packages_of_others, "nequip")
    assert passing.kind == "calculator" and passing.elements == ["Cu", "Au"]
    assert passing.atom_energies == pytest.approx({k: ATOMS[k] for k in NEQUIP_TYPES})
    assert validate_potential(passing, None) is None
    for node, name in ((local, "allegro"), (passing, "nequip")):
        assert attributes_problem(node.node_type, node.base.attributes.all) is None
        atoms, same = alloys()[0], alloys()[0]
        atoms.calc, same.calc = node.get_calculator(), own_calculator(packages_of_others, name)
        assert np.allclose(atoms.get_forces(), same.get_forces(), atol=1e-12)
    with pytest.raises(ValueError, match=r"built by nequip.model.NequIPGNNModel.*from_package"):
        PotentialData.from_file(
            packages_of_others / "nequip.nequip.zip", "allegro", level_of_theory="x"
        )


@pytest.mark.parametrize(
    ("types", "reason"),
    [
        ({}, "no chemical symbols (Cu_a, X1, ag): say which is which element"),
        ({"Cu": "Cu"}, "no atom type `Cu`: its types are Cu_a, X1, ag"),
        ({"Xx": "X1"}, "`Xx` is no chemical element"),
        ({"Cu": "X1", "Au": "X1"}, "two elements have the same atom type"),
    ],
)
def test_types_must_be_elements(packages_of_others, aiida_profile, types, reason) -> None:
    with pytest.raises(ValueError) as error:
        PotentialData.from_package(
            packages_of_others / "allegro.nequip.zip", level_of_theory="x", types=types
        )
    assert reason in str(error.value)


@pytest.mark.slow
def test_messages_in_lammps(packages_of_others, python_lmp) -> None:  # noqa: F811
    """Labels and dynamics of a model that passes messages are those of nequip itself."""
    node = potential(packages_of_others, "nequip")
    frames = alloys()
    outputs, process = evaluate(python_lmp, frames, {"a": node})
    assert process.is_finished_ok, process.exit_message
    calculator = own_calculator(packages_of_others, "nequip")
    for given, found in zip(frames, outputs["labelled"]["a"].frames, strict=True):
        given.calc = calculator
        assert found.get_potential_energy() == pytest.approx(given.get_potential_energy(), abs=1e-8)
        assert np.allclose(found.get_forces(), given.get_forces(), atol=1e-8)
    steps = [{"kind": "hold", "temperature": 300, "duration": 0.006, "timestep": 0.002}]
    outputs, process = run_stages(python_lmp, frames[:1], node, steps, seeds=List([1]))
    assert process.is_finished_ok, process.exit_message
    (moved,) = outputs["structures"].frames
    energy = moved.get_potential_energy()
    moved.calc = calculator
    assert energy == pytest.approx(moved.get_potential_energy(), abs=1e-8)
    assert not np.allclose(moved.positions, frames[0].positions, atol=1e-3)


def test_what_is_refused_before_submission(packages_of_others, aiida_profile) -> None:
    passing = potential(packages_of_others, "nequip")
    frames = labelled([0, 1])
    assert "label frames with it" in start_problem(passing, frames, tiny())
    assert "runs in LAMMPS as it is" in compiling.validate_potential(passing, None)
    local = potential(packages_of_others, "allegro")
    assert "take `model` from the settings" in start_problem(local, frames, tiny())


@pytest.mark.parametrize(
    ("command", "arguments", "reason"),
    [
        (compile_command.main, ["{allegro}"], "say which is which element, such as --type Cu="),
        (compile_command.main, ["{allegro}", "--type", "Cu"], "write it as Cu=TYPE"),
        (
            compile_command.main,
            ["{nequip}", "--type", "Cu=Cua"],
            "runs in LAMMPS as it is: give --potential",
        ),
        (train.main, ["--start-from", "{allegro}"], "say which is which element"),
        (train.main, ["--type", "Cu=Cu_a"], "--type belongs to a file"),
    ],
)
def test_commands_say_what_is_wrong(
    packages_of_others, nequip_code, lmp_code, command, arguments, reason
) -> None:
    given = [
        text.format(**{k: packages_of_others / f"{k}.nequip.zip" for k in TYPES})
        for text in arguments
    ]
    given += ["--nequip", nequip_code.uuid]
    given += [] if command is compile_command.main else ["--lammps", lmp_code.uuid]
    done = CliRunner().invoke(command, [*given, "--here"])
    assert done.exit_code and reason in " ".join(done.output.split()), done.output


def test_an_allegro_package_is_not_run_uncompiled(packages_of_others, lmp_code, tmp_path) -> None:
    path = packages_of_others / "allegro.nequip.zip"
    alloys()[0].write(tmp_path / "a.extxyz")
    given = [str(tmp_path / "a.extxyz"), "--lammps", lmp_code.uuid, "--potential-file", str(path)]
    done = CliRunner().invoke(label.main, [*given, "--type", "Cu=Cu_a", "--level", "PBE"])
    wanted = f"aiida-nanoclusters run compile {path} --type Cu=Cu_a --level PBE"
    assert done.exit_code and wanted in " ".join(done.output.split()).replace("\n", "")


def test_a_training_takes_the_rows_of_its_elements(
    packages_of_others,
    written,  # noqa: F811
    nequip_code,
    aiida_profile,
) -> None:
    """Weights of one type of three; the isolated atom is that of the frames, whatever its level."""
    local = potential(packages_of_others, "allegro")
    settings = tiny().get_dict() | {"model": model_settings(package_model(local))}
    inputs = job(nequip_code, Dict(settings), start_from=local)
    config = (written(**inputs) / "config.yaml").read_text()
    assert "types:\n    - Cu_a" in config and "keep_shifts: true" in config
    assert "Cu: 0.5" in config and "X1" not in config
    callback = StartFromPackage(
        str(packages_of_others / "allegro.nequip.zip"), ["ag", "Cu_a"], keep_shifts=True
    )
    shift = {"model.func.per_type_energy_scale_shift.shifts": "mine"}
    found = callback._weights(shift)
    given = StartFromPackage(callback.package_path)._weights({})
    name = "model.func.radial_chemical_embed.type_embed.center_embed.weight"
    assert (found[name] == given[name][[2, 0]]).all() and len(given[name]) == 3
    assert found["model.func.per_type_energy_scale_shift.scales"].flatten().tolist() == [0.5, 1.0]
    assert found["model.func.per_type_energy_scale_shift.shifts"] == "mine"
    same = [k for k in given if k != name and "type" not in k]
    assert all((found[k] == given[k]).all() for k in same)


@pytest.mark.faults
@pytest.mark.timeout(900)
def test_compiled_and_trained_on(packages_of_others, lmp_code, nequip_code, allegro_plugin) -> None:
    """LAMMPS's forces of two of three elements are nequip's; a training of one begins with them."""
    local = potential(packages_of_others, "allegro")
    inputs = {"code": nequip_code, "potential": local}
    metadata = {"options": {"max_wallclock_seconds": 600}}
    outputs, node = run_get_node(compiling.CompileCalculation, **inputs, metadata=metadata)
    assert node.is_finished_ok, node.exit_message
    compiled = outputs["potential"]
    assert compiled.types == ALLEGRO_TYPES and compiled.atom_energies == local.atom_energies
    frames = alloys()
    outputs, node = evaluate(lmp_code, frames, {"a": compiled})
    assert node.is_finished_ok, node.exit_message
    calculator = own_calculator(packages_of_others, "allegro")
    for given, found in zip(frames, outputs["labelled"]["a"].frames, strict=True):
        given.calc = calculator
        assert found.get_potential_energy() == pytest.approx(given.get_potential_energy(), abs=1e-8)
        assert np.allclose(found.get_forces(), given.get_forces(), atol=1e-5)

    settings = tiny(**STANDSTILL).get_dict() | {"model": model_settings(package_model(local))}
    inputs = job(nequip_code, Dict(settings), start_from=local)
    inputs["training"] = labelled([0, 1, 2, 3], level="mine", zero=9.0)
    inputs["validation"] = labelled([4, 5], level="mine", zero=9.0)
    outputs, node = run_get_node(TrainCalculation, **inputs)
    assert node.is_finished_ok, node.exit_message
    made = outputs["potential"]
    assert made.elements == ["Cu"] and made.level_of_theory == "mine"
    atoms, same = Icosahedron("Cu", 2), Icosahedron("Cu", 2)
    atoms.calc, same.calc = made.get_calculator(), calculator
    binding = same.get_potential_energy() - 13 * ATOMS["Cu"]
    assert atoms.get_potential_energy() - 13 * 9.0 == pytest.approx(binding, abs=1e-6)


@pytest.mark.faults
@pytest.mark.timeout(600)
def test_the_pair_style_refuses_messages(
    packages_of_others,
    python_lmp,  # noqa: F811
    aiida_profile,
) -> None:
    """A model that passes messages and was compiled for the pair style all the same."""
    file = make_compiled(packages_of_others / "nequip.nequip.zip")
    node = PotentialData.from_file(
        file, "allegro-compiled", level_of_theory="x", types=NEQUIP_TYPES
    ).store()
    _, process = evaluate(python_lmp, alloys(), {"a": node})
    assert process.exit_status == 340, process.exit_message
    assert "passes messages between atoms" in process.exit_message
