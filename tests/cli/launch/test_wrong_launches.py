"""Every wrong launch ends before anything is submitted, in one line that names the fix."""

import re
import sys

import pytest
from aiida.orm import CalcJobNode, QueryBuilder, WorkChainNode
from click.testing import CliRunner

from aiida_nanoclusters.cli.launch import options
from aiida_nanoclusters.cli.launch.messages import of_option
from aiida_nanoclusters.cli.main import cli
from aiida_nanoclusters.cli.run.command import COMMANDS
from aiida_nanoclusters.cli.terminal import Fixable
from tests.cli.launch.wrong_launches import WRONG
from tests.cli.launch.wrong_world import store_codes, store_nodes, write_files

#: Words of AiiDA and of Python that tell a user nothing.
FOREIGN = re.compile(
    r"Traceback|Error occurred validating|invalid attribute value|inputs\.|ProcessState|"
    r"invalid literal|Errno|unicode string|/tmp/"
)


@pytest.fixture(scope="module")
def world(aiida_profile, tmp_path_factory, eam_file):
    """Folder of files, and UUIDs of nodes, for all launches: none may change them."""
    aiida_profile.reset_storage()
    folder = tmp_path_factory.mktemp("wrong")
    write_files(folder, eam_file)
    store_codes()
    yield folder, store_nodes(eam_file)
    aiida_profile.reset_storage()


def submitted() -> int:
    return QueryBuilder().append((WorkChainNode, CalcJobNode)).count()


@pytest.mark.parametrize("launch", WRONG)
def test_a_wrong_launch_ends_in_a_line(world, monkeypatch, launch) -> None:
    folder, nodes = world
    monkeypatch.chdir(folder)
    words, before = [word.format(**nodes) for word in launch.split()], submitted()
    done = CliRunner().invoke(cli, ["run", *words])
    assert done.exit_code == 2, (done.output, done.exception)
    assert isinstance(done.exception, SystemExit)
    told = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    rest = [line for line in done.stderr.splitlines() if line not in told]
    assert len(told) == 1 and told[0] == done.stderr.splitlines()[-1], done.stderr
    assert all(re.match("warning: |Warning: ", line) for line in rest), rest
    assert WRONG[launch] in told[0]
    assert not FOREIGN.search(told[0].replace(sys.prefix, "")), told[0]
    assert submitted() == before


@pytest.mark.parametrize(
    ("launch", "element"),
    [
        ("anneal --sizes 13 --potential-file Ni_u3.eam", "Ni"),
        ("crossover --potential-file Ni_u3.eam --protocol trial", "Ni"),
        ("size-scan --sizes 7 --potential-file Ni_u3.eam", "Ni"),
        ("anneal --sizes 13 --potential {pair_potential} --element Ni", "Ni"),
        ("dataset --potential-file Ag_u3.eam", "Ag"),
        ("dataset --dataset {au}", "Au"),
        ("study --dataset {au}", "Au"),
        ("study --reference Ni_u3.eam", "Ni"),
        ("anneal --sizes 13 --potential {potential}", "Cu"),
    ],
)
def test_the_element_is_that_of_the_potential_or_the_frames(
    world, monkeypatch, launch, element
) -> None:
    def told(builder, here):
        raise Fixable(f"it is about {builder.element.value}")

    folder, nodes = world
    monkeypatch.chdir(folder)
    monkeypatch.setattr(options, "launch", told)
    words = [word.format(**nodes) for word in launch.split()]
    done = CliRunner().invoke(cli, ["run", *words])
    assert done.stderr.splitlines()[-1] == f"Error: it is about {element}", done.output


def test_there_are_a_hundred_and_every_command_is_among_them() -> None:
    assert len(WRONG) >= 100
    assert {launch.split()[0] for launch in WRONG} >= set(COMMANDS)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("invalid attribute value the potential is `eam`: x", "the potential is `eam`: x"),
        ("Error occurred validating port 'inputs.a.b': give 1", "give 1"),
        ("Error occurred validating port 'inputs': Error occurred validating port 'a': x", "x"),
        ("of two\nlines", "of two lines"),
    ],
)
def test_what_aiida_writes_before_a_message_is_left_out(said, told) -> None:
    assert of_option(said) == told
