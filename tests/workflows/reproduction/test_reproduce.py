"""Recorded runs made again: here, after a move to another machine, and where something is amiss."""

import json
import sqlite3
import sys
import zipfile
from pathlib import Path

import pytest
from aiida.common.exceptions import NotExistent
from aiida.engine import run_get_node
from aiida.orm import CalcJobNode, Computer, Dict, InstalledCode, Int, List, Node, QueryBuilder, Str
from aiida.orm import load_node as load
from aiida.tools.archive import create_archive, import_archive
from ase.cluster import Icosahedron, Octahedron
from click.testing import CliRunner

from aiida_nanoclusters.calculations.frames import select_frames
from aiida_nanoclusters.cli.reproduce.command import reproduce
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.data.trust import trust
from aiida_nanoclusters.workflows.base.lammps import LammpsBaseWorkChain
from aiida_nanoclusters.workflows.parts.protocol import load_protocol
from aiida_nanoclusters.workflows.parts.resources import JobOptions
from aiida_nanoclusters.workflows.reproduction.rebuild import (
    RebuildError,
    largest_cluster,
    plan_of,
    rebuild,
)
from aiida_nanoclusters.workflows.reproduction.reproduce import (
    ReproduceWorkChain,
    code_key,
    code_uuid,
    validate_recorded,
    validate_rules,
)

RELAX = [{"kind": "relax", "force_tolerance": 0.001}]


def clusters() -> list:
    images = [Icosahedron("Cu", 2), Octahedron("Cu", 4, 1)]
    for atoms in images:
        atoms.set_tags(0)
        atoms.rattle(0.05, seed=1)
    return images


def relax(code, potential, options=None, settings=None):
    lammps = {
        "code": code,
        "frames": FramesData(clusters()),
        "potential": potential,
        "stages": List(RELAX),
        "metadata": {"options": {"max_wallclock_seconds": 600, **(options or {})}},
    }
    if settings:
        lammps["settings"] = Dict(settings)
    node = run_get_node(LammpsBaseWorkChain, lammps=lammps)[1]
    assert node.is_finished_ok, node.exit_message
    return node


def again(node, codes=None, **keywords) -> dict:
    builder = ReproduceWorkChain.get_builder_from_protocol(node, codes, **keywords)
    outputs, run = run_get_node(builder)
    assert run.is_finished_ok, run.exit_message
    return outputs["verdict"]


def rows(verdict, part: int = 0) -> dict:
    return {row["output"]: row for row in verdict["parts"][part]["rows"]}


def call(*arguments: str):
    """Run the command in this process; what it prints on one line each."""
    result = CliRunner().invoke(reproduce, list(arguments))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def count_nodes() -> int:
    return QueryBuilder().append(Node).count()


def test_a_relaxation_comes_out_the_same(lmp_code, eam_potential) -> None:
    """Bitwise where that can be expected; the verdict is linked to both sets of outputs."""
    node = relax(lmp_code, eam_potential)
    verdict = again(node)
    assert verdict["verdict"] == "agrees" and verdict["complete"]
    found = rows(verdict)
    assert set(found) == {"exit status", "structures", "thermo", "report"}
    assert found["structures"]["verdict"] == found["thermo"]["verdict"] == "identical"
    assert found["report"]["verdict"] in ("agrees", "identical")  # the wall time differs
    part = verdict["parts"][0]
    assert part["recorded"] == node.uuid and part["from_cache"] == 0 and part["jobs"] == 1
    new = load(part["new"])
    linked = {link.node.uuid for link in verdict.creator.base.links.get_incoming().all()}
    for run in (node, new):
        assert {run.outputs[key].uuid for key in ("structures", "thermo", "report")} <= linked
    assert new.caller.process_class is ReproduceWorkChain

    # The job itself: places are no results.
    job = next(n for n in node.called if isinstance(n, CalcJobNode))
    found = rows(again(job))
    assert found["structures"]["verdict"] == "identical"
    assert found["retrieved"]["verdict"] == found["remote_folder"]["verdict"] == "not compared"
    assert found["retrieved"]["note"] == "a folder of the run, not a result"


def test_a_calcfunction_comes_out_the_same(aiida_profile) -> None:
    picked, node = select_frames.run_get_node(FramesData(clusters()), List([1]))
    verdict = again(node)
    assert verdict["verdict"] == "identical"
    assert load(verdict["parts"][0]["new"]).outputs.result.uuid != picked.uuid


def test_dynamics_is_not_held_against_other_hardware(lmp_code, eam_potential) -> None:
    """On the same machine a trajectory is the same bit by bit; rules know it came from dynamics."""
    stages = [{"kind": "hold", "temperature": 300, "duration": 0.1, "sample_every": 0.05}]
    lammps = {
        "code": lmp_code,
        "frames": FramesData(clusters()[:1]),
        "potential": eam_potential,
        "stages": List(stages),
        "seeds": List([7]),
        "metadata": {"options": {"max_wallclock_seconds": 600}},
    }
    node = run_get_node(LammpsBaseWorkChain, lammps=lammps)[1]
    verdict = again(node)
    assert verdict["parts"][0]["dynamics"]
    assert rows(verdict)["trajectory"]["verdict"] == "identical"


def test_options_of_another_scheduler_are_not_kept(lmp_code, code_on, eam_potential) -> None:
    node = relax(lmp_code, eam_potential, {"queue_name": "long", "account": "mine"})
    trust(node)
    _, inputs = rebuild(node, {lmp_code.uuid: lmp_code})
    kept = inputs["lammps"]["metadata"]["options"]
    assert kept["queue_name"] == "long" and kept["account"] == "mine"

    other = code_on("other", str(lmp_code.filepath_executable))
    _, inputs = rebuild(node, {lmp_code.uuid: other})
    moved = inputs["lammps"]["metadata"]["options"]
    assert inputs["lammps"]["code"].uuid == other.uuid
    assert "queue_name" not in moved and "account" not in moved
    assert moved["max_wallclock_seconds"] == 600
    assert moved["resources"] == {"num_machines": 1, "num_mpiprocs_per_machine": 1}

    assert largest_cluster(node) == 38
    asked = JobOptions({"queue_name": "short"}, {"relax": [(0, {"priority": "low"})]})
    assert JobOptions(**asked.spelt_out).at("relax", 5) == asked.at("relax", 5)
    _, inputs = rebuild(node, {lmp_code.uuid: other}, {lmp_code.uuid: asked})
    assert inputs["lammps"]["metadata"]["options"]["queue_name"] == "short"


def test_what_cannot_be_run_is_named(lmp_code, eam_potential) -> None:
    node = relax(lmp_code, eam_potential)
    plan = plan_of(node, {})
    assert not plan.parts
    assert [row["reason"] for row in plan.left_out] == ["no code here for lmp@localhost"]
    running = CalcJobNode(computer=lmp_code.computer)
    running.base.attributes.set("process_state", "waiting")
    with pytest.raises(RebuildError, match="has not finished"):
        rebuild(running.store(), {lmp_code.uuid: lmp_code})
    outputs, run = run_get_node(
        ReproduceWorkChain,
        recorded=Str(node.uuid),
        rules=ReproduceWorkChain.get_builder_from_protocol(node).rules,
    )
    assert run.exit_status == ReproduceWorkChain.exit_codes.ERROR_NOTHING_TO_RUN.status
    assert "no code here for lmp@localhost" in run.exit_message and not outputs


def another_machine(tmp_path: Path) -> InstalledCode:
    """A computer and a LAMMPS of other names, as a colleague has them."""
    computer = Computer("workstation", "localhost", "", "core.local", "core.direct", str(tmp_path))
    computer.store()
    computer.set_default_mpiprocs_per_machine(1)
    computer.set_minimum_job_poll_interval(0.1)
    computer.configure(safe_interval=0.0)
    return InstalledCode(
        label="lmp-2025",
        computer=computer,
        filepath_executable=str(Path(sys.prefix) / "bin" / "lmp"),
        default_calc_job_plugin="nanoclusters.lammps",
        prepend_text="export OMP_NUM_THREADS=1",
        with_mpi=False,
    ).store()


def tampered(archive: Path, change) -> Path:
    """Copy an archive with its database changed, as somebody with an editor would."""
    other = archive.with_name("tampered.aiida")
    database = archive.with_name("db.sqlite3")
    with zipfile.ZipFile(archive) as source:
        database.write_bytes(source.read("db.sqlite3"))
        with sqlite3.connect(database) as connection:
            change(connection)
        connection.close()
        with zipfile.ZipFile(other, "w", zipfile.ZIP_DEFLATED) as target:
            for item in source.infolist():
                content = source.read(item.filename)
                if item.filename == "db.sqlite3":
                    content = database.read_bytes()
                target.writestr(item.filename, content)
    return other


def set_attribute(uuid: str, path: list, value):
    """Change one number among the attributes of a node."""

    def change(connection) -> None:
        query = "SELECT attributes FROM db_dbnode WHERE uuid = ?"
        found = [connection.execute(query, [u]).fetchone() for u in (uuid, uuid.replace("-", ""))]
        (text,) = next(row for row in found if row)
        attributes = json.loads(text)
        inner = attributes
        for key in path[:-1]:
            inner = inner[key]
        assert inner[path[-1]] != value
        inner[path[-1]] = value
        statement = "UPDATE db_dbnode SET attributes = ? WHERE uuid IN (?, ?)"
        done = connection.execute(statement, [json.dumps(attributes), uuid, uuid.replace("-", "")])
        assert done.rowcount == 1

    return change


def test_a_changed_energy_is_caught(emptied_profile, lmp_code, eam_potential, tmp_path) -> None:
    """By the hash that the archive holds; without it by running again, which differs."""
    node = relax(lmp_code, eam_potential)
    uuid, report = node.uuid, node.outputs.report
    archive = tmp_path / "run.aiida"
    create_archive([node], filename=archive)
    energy = report["structures"][0]["energy"] - 0.01
    change = set_attribute(report.uuid, ["structures", 0, "energy"], energy)
    other, short = tampered(archive, change), report.uuid[:8]
    emptied_profile.reset_storage()
    import_archive(other)
    another_machine(tmp_path / "scratch")
    code = ("--code", "lmp=lmp-2025@workstation")
    # The hashes are gone with the import, and nothing was computed from this number.
    assert call(uuid, "--check-only", *code).exit_code == 0
    caught = call(uuid, "--check-only", "--archive", str(other), *code)
    assert caught.exit_code == 1 and f"Dict {short}" in caught.output
    run = call(uuid, "--here", *code)
    assert run.exit_code == 1, run.output
    assert "differs" in run.output and "structures[0].energy" in "".join(run.output.split())


def test_changed_steps_and_files_are_caught(emptied_profile, tmp_path) -> None:
    """A calcfunction is repeated, attributes follow from files, and files from their names."""
    picked, node = select_frames.run_get_node(FramesData(clusters()), List([1]))
    uuid, archive = node.uuid, tmp_path / "run.aiida"
    picked_uuid, indices = picked.uuid, node.inputs.indices.uuid
    create_archive([node], filename=archive)
    other = tampered(archive, set_attribute(indices, ["list"], [0]))
    emptied_profile.reset_storage()
    import_archive(other)
    caught = call(uuid, "--check-only")
    assert caught.exit_code == 1 and "select_frames" in caught.output

    other = tampered(archive, set_attribute(picked_uuid, ["n_frames"], 2))
    emptied_profile.reset_storage()
    import_archive(other)
    caught = call(uuid, "--check-only")
    text = " ".join(caught.output.split())
    assert caught.exit_code == 1 and "frames bad attributes do not follow" in text
    assert f"FramesData {picked_uuid[:8]}" in text


def test_a_changed_file_of_this_profile_is_caught(emptied_profile) -> None:
    picked, node = select_frames.run_get_node(FramesData(clusters()), List([1]))
    assert call(node.uuid, "--check-only").exit_code == 0
    container = picked.backend.get_repository()._container
    key = next(iter(picked.base.repository.metadata["o"].values()))["k"]
    path = Path(container._get_loose_path_from_hashkey(key))
    content = bytearray(path.read_bytes())
    content[-9] ^= 1
    path.chmod(0o644)
    path.write_bytes(bytes(content))
    caught = call(node.uuid, "--check-only")
    assert caught.exit_code == 1 and "changed: FramesData" in caught.output


def test_from_cache(lmp_code, eam_potential) -> None:
    """The job is taken from the cache, and that is said."""
    node = relax(lmp_code, eam_potential)
    run = call(node.uuid, "--from-cache")
    assert run.exit_code == 0, run.output
    assert "1 of 1 jobs taken from the cache" in run.output and "identical" in run.output
    plain = call(node.uuid, "--here")
    assert plain.exit_code == 0 and "from the cache" not in plain.output


WRONG_CALLS = [
    (("6f1f6e0c-0000-4000-8000-000000000000",), "no node `6f1f6e0c-"),
    (("rubbish",), "no node `rubbish`: give a UUID or PK this profile has"),
    (("{running}",), "has not finished: wait for it"),
    (("{data}",), "is data, not a process: reproduce the process that created it"),
    (("{run}", "--code", "lmp"), "write it as lammps@hpc=lammps@localhost"),
    (("{run}", "--code", "lmp=moon@sun"), "no code `moon@sun`"),
    (("{run}", "--code", "cp2k=lmp@localhost"), "no recorded code `cp2k`; recorded are lmp@"),
    (("{run}", "--protocol", "loose"), "unknown protocol `loose`"),
    (("{run}", "--options", "ranks"), "write it as anneal.walltime=2:00:00"),
    (("{run}", "--archive", "none.aiida"), "--archive is for --check-only"),
    (("{run}", "--check-only", "--archive", "none.aiida"), "none.aiida: no such file"),
]


def test_wrong_calls(lmp_code, eam_potential) -> None:
    node = relax(lmp_code, eam_potential)
    running = CalcJobNode(computer=lmp_code.computer)
    running.base.attributes.set("process_state", "waiting")
    running.store()
    known = {"run": node.uuid, "running": running.uuid, "data": node.outputs.structures.uuid}
    before = count_nodes()
    for arguments, message in WRONG_CALLS:
        result = call(*(argument.format(**known) for argument in arguments))
        assert result.exit_code == 2, (arguments, result.output)
        assert message in " ".join(result.output.split()), (arguments, result.output)
        assert "Traceback" not in result.output and result.output.count("\n") <= 3
        assert count_nodes() == before


def test_ports_are_checked(aiida_profile) -> None:
    assert "no process" in validate_recorded(Str("nothing"), None)
    assert "is data" in validate_recorded(Str(Int(1).store().uuid), None)
    rules = load_protocol("reproduce")
    assert validate_rules(Dict(rules), None) is None
    del rules["judges"]
    assert "`judges` is missing" in validate_rules(Dict(rules), None)
    rules = load_protocol("reproduce", overrides={"tolerances": {"energy": {"value": 0}}})
    assert "`tolerances.energy.value` is 0: input should be greater than 0" in validate_rules(
        Dict(rules), None
    )
    rules = load_protocol("reproduce", overrides={"quantities": {"dipole": "dipole"}})
    assert "add `tolerances.dipole`" in validate_rules(Dict(rules), None)
    uuid = "6f1f6e0c-0000-4000-8000-000000000000"
    assert code_uuid(code_key(uuid)) == uuid
    with pytest.raises(NotExistent):
        load(uuid)


def test_a_model_for_other_processors(lmp_code, eam_potential, monkeypatch) -> None:
    """A model compiled for instructions that this machine lacks is refused with the way out."""
    node = relax(lmp_code, eam_potential)
    flags = Path("/proc/cpuinfo").read_text().split()
    for isa, flag in (("AVX512", "avx512f"), ("AVX2", "avx2"), ("ASIMD", "asimd"), ("", "")):
        fits = not flag or flag in flags
        monkeypatch.setattr(
            PotentialData, "machine", property(lambda self, i=isa: {"isa": i}), raising=False
        )
        if fits:
            rebuild(node, {lmp_code.uuid: lmp_code})
        else:
            with pytest.raises(RebuildError, match="compile the package again"):
                rebuild(node, {lmp_code.uuid: lmp_code})
