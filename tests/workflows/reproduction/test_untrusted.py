"""Recorded processes of strangers: nothing of them is executed before they are granted trust."""

import sys
from types import SimpleNamespace

import pytest
from aiida.common.links import LinkType
from aiida.orm import (
    CalcFunctionNode,
    CalcJobNode,
    Computer,
    ContainerizedCode,
    Dict,
    InstalledCode,
    Int,
    List,
    RemoteData,
    WorkChainNode,
    load_node,
)
from aiida.tools.archive import create_archive, import_archive

from aiida_nanoclusters.calculations.frames import select_frames
from aiida_nanoclusters.cli.launch.options import get_code
from aiida_nanoclusters.cli.machine.installation import ensure_code
from aiida_nanoclusters.cli.machine.profile import CodeEntry
from aiida_nanoclusters.cli.reproduce import codes as cli_codes
from aiida_nanoclusters.cli.terminal import Fixable
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.trust import may_run, trust
from aiida_nanoclusters.workflows.reproduction.rebuild import RebuildError, plan_of, rebuild
from aiida_nanoclusters.workflows.reproduction.reproduce import ReproduceWorkChain
from aiida_nanoclusters.workflows.reproduction.untrusted import omitted, without_commands
from tests.cli.attacks import attribute, changed, column, renamed
from tests.workflows.reproduction.test_reproduce import call, clusters, count_nodes, relax


@pytest.fixture
def attack(tmp_path):
    """Export a process, change the archive, import it under new UUIDs; the new process."""

    def bring(node, *changes, known=None):
        honest, known = tmp_path / "honest.aiida", {} if known is None else known
        create_archive([node], filename=honest, overwrite=True)
        new = changed(honest, tmp_path / "changed.aiida", *changes, renamed(known))
        import_archive(new)
        return load_node(known[node.uuid])

    return bring


def job_of(node) -> CalcJobNode:
    return next(one for one in node.called_descendants if isinstance(one, CalcJobNode))


def recorded_options(job, **values):
    """Options as they are recorded twice: as attributes, and among the given metadata."""
    paths = [["metadata_inputs", "metadata", "options", key] for key in values]
    changes = [attribute(job.uuid, path, values[path[-1]]) for path in paths]
    return changes + [attribute(job.uuid, [key], value) for key, value in values.items()]


def test_shell_text_in_options(emptied_profile, lmp_code, eam_potential, attack, tmp_path) -> None:
    """File names and lines of the batch script of a stranger do not reach the shell."""
    job, mark = job_of(relax(lmp_code, eam_potential)), tmp_path / "mark"
    touch = f"touch {mark}"
    theirs = attack(
        job,
        *recorded_options(
            job,
            scheduler_stdout=f"o; {touch}",
            submit_script_filename=f"s; {touch}",
            prepend_text=touch,
            append_text=touch,
            custom_scheduler_commands=touch,
            environment_variables={"A": f"'; {touch}; '"},
            parser_name="core.arithmetic.add",
            max_wallclock_seconds=777,
        ),
    )
    assert theirs.get_option("prepend_text") == touch  # the attack is in the profile
    checked = call(theirs.uuid, "--check-only")
    assert "left out of" in checked.output and "prepend_text" in checked.output
    _, inputs = rebuild(theirs, {theirs.inputs.code.uuid: lmp_code})
    assert inputs["metadata"]["options"] == {
        "max_wallclock_seconds": 777,
        "resources": {"num_machines": 1, "num_mpiprocs_per_machine": 1},
        "withmpi": False,
    }
    run = call(theirs.uuid, "--here")
    text = " ".join(run.output.split())
    assert run.exit_code == 0, run.output
    assert "structures identical" in text and f"trust {theirs.uuid}` keeps it" in text
    assert not mark.exists()


def test_the_command_line_of_lammps(
    emptied_profile, lmp_code, eam_potential, attack, tmp_path
) -> None:
    """No second input file: LAMMPS would run its lines, `shell` among them."""
    mark, script = tmp_path / "mark", tmp_path / "evil.lmp"
    script.write_text(f"shell touch {mark}\n")
    node = relax(lmp_code, eam_potential, settings={"vacuum": 12.0})
    settings = job_of(node).inputs.settings
    theirs = attack(node, attribute(settings.uuid, ["cmdline"], ["-in", str(script)]))
    run = call(theirs.uuid, "--here")
    assert run.exit_code == 0, run.output
    assert "lammps.settings.cmdline" in run.output and not mark.exists()
    _, inputs = rebuild(theirs, {job_of(theirs).inputs.code.uuid: lmp_code})
    assert inputs["lammps"]["settings"].get_dict() == {"vacuum": 12.0}
    trust(theirs)
    assert omitted(theirs, {"settings": settings}) == []


def test_commands_at_any_depth() -> None:
    settings = Dict({"a": [{"CmdLine": ["-x"], "b": 1}], "cmdline": [], "prepend_text": "x"})
    frames = Int(1)
    given = {"job": {"settings": settings, "n": frames, "monitors": {"m": Dict({})}}}
    kept = without_commands({**given, "stages": List([{"kind": "relax", "cmdline": ["x"]}])})
    assert kept["job"]["settings"].get_dict() == {"a": [{"b": 1}]}
    assert kept["stages"].get_list() == [{"kind": "relax"}]
    assert kept["job"]["n"] is frames and set(kept["job"]) == {"settings", "n"}
    harmless = {"settings": Dict({"cmdline": []})}
    assert without_commands(harmless)["settings"] is harmless["settings"]


@pytest.mark.parametrize("kind", (CalcFunctionNode, CalcJobNode, WorkChainNode))
@pytest.mark.parametrize(
    "process_type", ("this.s", "this:s", "aiida.calculations:core.templatereplacer")
)
def test_no_module_of_others_is_imported(aiida_profile, localhost, kind, process_type) -> None:
    sys.modules.pop("this", None)
    node = kind(process_type=process_type, computer=localhost if kind is CalcJobNode else None)
    node.base.attributes.set("process_state", "finished")
    node.base.attributes.set("exit_status", 0)
    node.store().seal()
    before = set(sys.modules)
    result = call(node.uuid, "--check-only")
    assert result.exit_code == 1, result.output
    refused = call(node.uuid, "--here")
    assert refused.exit_code == 2, refused.output
    assert "this" not in sys.modules
    assert not [name for name in set(sys.modules) - before if "templatereplacer" in name]
    if process_type != "this:s":
        assert f"trust {node.uuid}" in " ".join(refused.output.split())


def test_a_process_is_of_the_kind_of_its_node(aiida_profile) -> None:
    """A work chain that names a calculation function of ours, and the reverse."""
    for kind, name in (
        (WorkChainNode, "aiida.calculations:nanoclusters.select_frames"),
        (CalcFunctionNode, "aiida.calculations:nanoclusters.lammps"),
        (CalcFunctionNode, "aiida.workflows:nanoclusters.crossover"),
    ):
        node = kind(process_type=name)
        node.base.attributes.set("process_state", "finished")
        node.store().seal()
        with pytest.raises(RebuildError, match="is not one of this package"):
            rebuild(node, {})


def test_a_process_of_another_package_wants_trust(aiida_profile, localhost) -> None:
    node = CalcFunctionNode(process_type="aiida.calculations:core.transfer")
    node.base.attributes.set("process_state", "finished")
    node.store().seal()
    with pytest.raises(RebuildError, match=f"trust {node.uuid}"):
        rebuild(node, {})
    trust(node)
    assert plan_of(node, {}).left_out == []


def test_a_code_of_others_on_a_known_computer(
    emptied_profile, lmp_code, eam_potential, attack, tmp_path
) -> None:
    """Published archives give UUIDs of computers away; a code that names one is not run for it."""
    mark = tmp_path / "mark"
    node = relax(lmp_code, eam_potential)
    theirs = attack(node, attribute(lmp_code.uuid, ["prepend_text"], f"touch {mark}"))
    evil = job_of(theirs).inputs.code
    assert evil.computer.uuid == lmp_code.computer.uuid and evil.computer.is_configured
    run = call(theirs.uuid, "--here")
    assert run.exit_code == 0, run.output
    assert not mark.exists()

    # Neither as the recorded code, nor by name, nor as the only one there is.
    for text in (evil.uuid, str(evil.pk)):
        refused = call(theirs.uuid, "--here", "--code", f"{evil.uuid}={text}")
        assert refused.exit_code == 2
        assert f"trust {evil.uuid}" in " ".join(refused.output.split())
        with pytest.raises(Fixable, match=f"trust {evil.uuid}"):
            get_code(text)
    assert get_code("lmp@localhost").uuid == lmp_code.uuid  # although both have the label
    with pytest.raises(RebuildError, match=f"trust {evil.uuid}"):
        rebuild(theirs, {evil.uuid: evil})
    with pytest.raises(ValueError, match=f"trust {evil.uuid}"):
        ReproduceWorkChain.get_builder_from_protocol(theirs)
    lmp_code.is_hidden = True
    missing = call(theirs.uuid, "--here")
    assert missing.exit_code == 2 and not mark.exists()
    assert f"trust {evil.uuid}" in " ".join(missing.output.split())
    trust(evil)
    assert call(theirs.uuid, "--here").exit_code == 0 and mark.exists()


def test_a_folder_of_others(emptied_profile, lmp_code, eam_potential) -> None:
    """A job does not read a path that a stranger recorded."""
    node = job_of(relax(lmp_code, eam_potential))
    folder = RemoteData(remote_path="/etc", computer=lmp_code.computer).store()
    copy = CalcJobNode(computer=lmp_code.computer, process_type=node.process_type)
    recorded = node.base.links.get_incoming(link_type=LinkType.INPUT_CALC).nested()
    for label, one in {**recorded, "parent_folder": folder}.items():
        copy.base.links.add_incoming(one, LinkType.INPUT_CALC, label)
    copy.base.attributes.set("process_state", "finished")
    copy.store().seal()
    with pytest.raises(RebuildError, match=f"trust {folder.uuid}"):
        rebuild(copy, {lmp_code.uuid: lmp_code})


def test_one_question_for_all_codes(emptied_profile, code_on, monkeypatch) -> None:
    """Codes of before grants existed: asked about once in a terminal, refused in a script."""
    one, two = (code_on(label, "/bin/true") for label in ("one", "two"))
    for code in (one, two):
        code.base.extras.delete("nanoclusters_grant")
    _, node = select_frames.run_get_node(FramesData(clusters()), List([1]))
    found = cli_codes.map_codes(node, ())
    assert not found.unconfirmed
    monkeypatch.setattr(cli_codes, "codes_of", lambda _: [one, two])
    found = cli_codes.map_codes(node, ())
    assert found.chosen == {one.uuid: one, two.uuid: two} == found.unconfirmed
    with pytest.raises(Fixable, match=r"--code one@localhost=one@localhost --code two@"):
        cli_codes.confirm(found)
    assert cli_codes.map_codes(node, ("one=one@localhost",)).unconfirmed == {two.uuid: two}
    asked = []

    def answer(text):
        asked.append(text)
        return len(asked) > 1

    monkeypatch.setattr(
        cli_codes, "sys", SimpleNamespace(stdin=SimpleNamespace(isatty=lambda: True))
    )
    monkeypatch.setattr(cli_codes.click, "confirm", answer)
    with pytest.raises(Fixable):
        cli_codes.confirm(found)
    assert not may_run(one)
    cli_codes.confirm(found)
    assert may_run(one) and may_run(two) and len(asked) == 2
    assert not cli_codes.map_codes(node, ()).unconfirmed


def test_a_code_that_cannot_be_read_is_left_out(
    emptied_profile, lmp_code, attack, monkeypatch, caplog
) -> None:
    """It is named, and the others are considered."""
    broken, recorded = attack(lmp_code), attack(lmp_code)
    usable = cli_codes.is_usable

    def read(code) -> bool:
        if code.uuid == broken.uuid:
            raise KeyError("filepath_executable")
        return usable(code)

    monkeypatch.setattr(cli_codes, "is_usable", read)
    found = cli_codes.candidates_for(recorded)
    assert [code.uuid for code in found] == [lmp_code.uuid]
    assert f"node {broken.uuid} cannot be read" in caplog.text


def test_setup_grants_its_codes(emptied_profile, localhost, attack) -> None:
    entry = CodeEntry("prog", localhost.label, {"executable": "/bin/true", "options": {}})
    assert ensure_code(entry, update=False).state == "made"
    code = get_code(f"prog@{localhost.label}")
    assert may_run(code)
    code.base.extras.delete("nanoclusters_grant")  # made by an earlier version
    assert ensure_code(entry, update=False).state == "was there"
    assert may_run(code)
    # One that was imported under its label is not taken for it.
    theirs = attack(code, column(code.uuid, "label", "other"))
    other = CodeEntry("other", localhost.label, {"executable": "/bin/true", "options": {}})
    assert ensure_code(other, update=False).state == "made"
    assert not may_run(theirs) and "(imported " in theirs.label
    assert may_run(get_code(f"other@{localhost.label}"))


def test_a_container_is_not_taken_for_a_program(emptied_profile, localhost) -> None:
    """Its engine is a command too; setup compares only what an installed code has."""
    theirs = ContainerizedCode(
        label="prog",
        computer=localhost,
        filepath_executable="/bin/true",
        image_name="x",
        engine_command="touch {image_name};",
    ).store()
    entry = CodeEntry("prog", localhost.label, {"executable": "/bin/true", "options": {}})
    ensure_code(entry, update=False)
    assert not may_run(theirs)


def test_a_circle_of_calls_ends(emptied_profile, aiida_localhost: Computer, attack) -> None:
    """Links of an archive may form a circle; the codes and parts of one are found all the same."""
    node, inner = WorkChainNode(process_type="x.y"), WorkChainNode(process_type="x.z")
    code = InstalledCode(
        label="c", computer=aiida_localhost, filepath_executable="/bin/true"
    ).store()
    node.store()
    inner.base.links.add_incoming(node, LinkType.CALL_WORK, "call")
    inner.base.links.add_incoming(code, LinkType.INPUT_WORK, "code")
    inner.store()
    backend = node.backend_entity
    backend.add_incoming(inner.backend_entity, LinkType.CALL_WORK, "back")
    for one in (node, inner):
        one.base.attributes.set("process_state", "finished")
        one.seal()
    before = count_nodes()
    result = call(node.uuid, "--here")
    assert result.exit_code == 2 and count_nodes() == before, result.output
    assert [c.uuid for c in cli_codes.codes_of(node)] == [code.uuid]
