"""Where one metal is asked about, and where any composition is."""

import click
import pytest
from click.testing import CliRunner

from aiida_nanoclusters.cli.find.find import split_elements
from aiida_nanoclusters.cli.launch.nodes import parse_atom_energy
from aiida_nanoclusters.cli.run.command import run
from aiida_nanoclusters.cli.terminal import Fixable


@pytest.mark.parametrize("command", ["crossover", "melting", "size-scan", "anneal", "study"])
@pytest.mark.parametrize("given", ["Cu,Ni", "CuNi", "Cu13", "Ag Au"])
def test_questions_of_one_metal_say_so(command, given) -> None:
    done = CliRunner().invoke(run, [command, "--element", given])
    said = " ".join(done.output.split())
    assert done.exit_code and f"`run {command}` asks about one metal" in said
    assert "basin-hopping --composition" in said


def test_lists_of_elements() -> None:
    made = click.Context(click.Command("x")), click.Option(["--element"])
    assert split_elements(*made, ("Ag,Au", "Cu")) == ("Ag", "Au", "Cu")
    assert split_elements(*made, ()) == ()


@pytest.mark.parametrize("text", ["Xx=1", "Cu=nan", "=1", "Cu=x", "Cu"])
def test_isolated_atoms_have_a_symbol_and_an_energy(text) -> None:
    assert parse_atom_energy("Cu=-0.2") == ("Cu", -0.2)
    with pytest.raises(Fixable, match="--atom-energy"):
        parse_atom_energy(text)


@pytest.mark.parametrize("command", ["crossover", "anneal", "study", "parallel-tempering"])
def test_elements_without_a_calculator_are_not_overlooked(command) -> None:
    required = {"anneal": ["--sizes", "13"]}.get(command, [])
    done = CliRunner().invoke(run, [command, "--elements", "Ag,Au", *required])
    said = " ".join(done.output.split())
    assert done.exit_code and "--elements belongs to --calculator; --element names the" in said


@pytest.mark.parametrize("command", ["dataset", "active-learning"])
def test_temperatures_of_an_alloy_are_of_the_mean_melting_point(command) -> None:
    shown = CliRunner().invoke(
        run, [command, "--elements", "Cu, Ni", "--show-protocol", "tutorial"]
    )
    assert shown.exit_code == 0, shown.output
    assert "Cu, Ni" in shown.output.splitlines()[0]


def test_elements_of_a_calculator_change_no_protocol() -> None:
    given = ["--calculator", "ase.calculators.emt:EMT", "--elements", "Cu,Pt"]
    shown = CliRunner().invoke(run, ["anneal", *given, "--show-protocol"])
    alone = CliRunner().invoke(run, ["anneal", "--show-protocol"])
    assert shown.exit_code == 0 and shown.output == alone.output
