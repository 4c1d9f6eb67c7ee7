"""Levels of theory of the reference engines: shown with units, changed by path, or refused."""

import pytest
import yaml
from click.testing import CliRunner

from aiida_nanoclusters.cli.launch.engine_options import EngineChoice
from aiida_nanoclusters.cli.launch.protocol_changes import LEVELS, level_changes, split_assignments
from aiida_nanoclusters.cli.main import cli
from aiida_nanoclusters.cli.terminal import Fixable
from aiida_nanoclusters.workflows.parts.protocol import (
    default_protocol,
    load_protocol,
    protocol_names,
)

CHOSEN = [(engine, level) for engine in LEVELS for level in protocol_names(engine)]
WITH_PROTOCOL = ("study", "basin-hopping", "dataset", "active-learning")


def call(*arguments: str):
    return CliRunner().invoke(cli, ["run", *arguments])


@pytest.mark.parametrize("command", ("label", "stages"))
@pytest.mark.parametrize(("engine", "level"), CHOSEN)
def test_every_level_is_shown_as_what_it_resolves_to(command, engine, level) -> None:
    for words in (("--show-protocol", level), ("--engine-protocol", level, "--show-protocol")):
        done = call(command, "--engine", engine, *words)
        assert done.exit_code == 0, done.output
        assert yaml.safe_load(done.output) == load_protocol(engine, level)


@pytest.mark.parametrize("engine", LEVELS)
def test_the_level_of_the_engine_is_shown_where_none_is_named(engine) -> None:
    done = call("label", "--engine", engine, "--show-protocol")
    assert yaml.safe_load(done.output) == load_protocol(engine, default_protocol(engine))


@pytest.mark.parametrize("command", WITH_PROTOCOL)
def test_commands_with_an_engine_show_its_level_after_their_own_numbers(command) -> None:
    asked = (command, "--engine", "cp2k", "--engine-protocol", "pbe", "--show-protocol")
    done = call(*asked, "--set", "cp2k.vacuum=17")
    assert done.exit_code == 0, done.output
    own, level = done.output.split("# Reference engine cp2k, level of theory pbe")
    assert yaml.safe_load(level.split("\n", 1)[1]) == load_protocol("cp2k", "pbe", {"vacuum": 17})
    assert own.rstrip() == call(command, "--show-protocol").output.rstrip()


def test_a_setting_is_shown_with_its_meaning_and_unit() -> None:
    shown = call("label", "--engine", "cp2k", "--show-protocol").output
    assert "periodic images (Å)\nvacuum: 10.0" in shown


def test_a_potential_has_no_level_of_theory() -> None:
    for words in (("--show-protocol",), ("frames.extxyz", "--set", "vacuum=3")):
        done = call("label", *words)
        assert done.exit_code == 2
        assert "choose --engine cp2k or --engine vasp" in done.output


def test_an_unknown_level_is_refused_with_the_known_ones() -> None:
    done = call("label", "--engine", "cp2k", "--show-protocol", "pbee")
    assert done.exit_code == 2
    assert ", ".join(protocol_names("cp2k")) in done.output


@pytest.mark.parametrize(
    ("engine", "assignments", "changed"),
    (
        ("cp2k", ["vacuum=15"], {"vacuum": 15}),
        ("cp2k", ["cp2k.vacuum=15", "spin=collinear"], {"vacuum": 15, "spin": "collinear"}),
        (
            "cp2k",
            ["force_eval.DFT.SCF.EPS_SCF=1.0e-7"],
            {"force_eval": {"DFT": {"SCF": {"EPS_SCF": 1.0e-7}}}},
        ),
        ("vasp", ["incar.ENCUT=520", "incar={NCORE: 4}"], {"incar": {"ENCUT": 520, "NCORE": 4}}),
    ),
)
def test_a_path_changes_one_number(engine, assignments, changed) -> None:
    assert level_changes(engine, None, assignments) == changed


@pytest.mark.parametrize(
    ("engine", "assignment", "words"),
    (
        ("cp2k", "vacum=15", "`vacum` is no number of the protocol: did you mean `vacuum`?"),
        ("cp2k", "cp2k.vacuum=-3", "`cp2k.vacuum` is -3: input should be greater than 0 Å"),
        ("cp2k", "cluster=slab", "`cluster` is 'slab'"),
        ("cp2k", "force_eval.DFT.SCF.MAX_SCF=many", "give a number, such as 100"),
        ("vasp", "incar.ENCUTT=520", "did you mean `incar.ENCUT`?"),
        ("vasp", "incar.ENCUTT=520", "--set 'incar={...}'"),
        ("vasp", "incar.NSW=5", "set NSW: 0"),
    ),
)
def test_what_does_not_fit_is_refused_with_the_fix(engine, assignment, words) -> None:
    with pytest.raises(Fixable, match="--set") as caught:
        level_changes(engine, None, [assignment])
    assert words in caught.value.message


def test_changes_of_a_level_are_told_from_those_of_the_protocol() -> None:
    given = ["study.crossover=trial", "cp2k.vacuum=15"]
    assert split_assignments("cp2k", given) == (given[:1], given[1:])
    with pytest.raises(Fixable, match="add --engine cp2k"):
        split_assignments("potential", given)


def test_changed_settings_reach_the_engine(aiida_profile, cp2k_code, capsys) -> None:
    def chosen(*assignments):
        changed = level_changes("cp2k", "gfn1-xtb", assignments)
        choice = EngineChoice("cp2k", "gfn1-xtb", cp2k_code.uuid, changed)
        return choice.inputs(())["cp2k"]["job"]["settings"].get_dict()

    expected = load_protocol("cp2k", "gfn1-xtb", {"vacuum": 15})
    assert chosen("vacuum=15") == expected
    assert "--set cp2k.level_of_theory=NAME" in capsys.readouterr().err
    named = chosen("vacuum=15", "level_of_theory=CP2K/GFN1-xTB, 15 A")
    assert named == {**expected, "level_of_theory": "CP2K/GFN1-xTB, 15 A"}
    chosen("fallbacks=[{}]")  # changes how a label is sought, not the label
    assert capsys.readouterr().err == ""
