"""Reproduction on a machine that did not make the result."""

from aiida.orm import CalcJobNode, InstalledCode, QueryBuilder
from aiida.orm import load_node as load
from aiida.tools.archive import create_archive, import_archive

from tests.workflows.reproduction.test_reproduce import another_machine, call, count_nodes, relax


def test_on_another_machine(emptied_profile, lmp_code, eam_potential, tmp_path) -> None:
    """Exported, imported where computer and code have other names, checked and run again."""
    uuid, archive = relax(lmp_code, eam_potential).uuid, tmp_path / "run.aiida"
    create_archive([load(uuid)], filename=archive)
    emptied_profile.reset_storage()
    import_archive(archive)
    (recorded,) = QueryBuilder().append(InstalledCode).first()
    assert recorded.label == "lmp" and not recorded.computer.is_configured

    before = count_nodes()
    missing = call(uuid, "--here")
    assert missing.exit_code == 2 and count_nodes() == before
    assert "no code here for lmp@localhost" in missing.output
    assert "--code lmp@localhost=LOCAL" in " ".join(missing.output.split())

    local = another_machine(tmp_path / "scratch")
    code = ("--code", "lmp@localhost=lmp-2025@workstation")
    checked = call(uuid, "--check-only", *code)
    assert checked.exit_code == 0, checked.output
    assert "lmp@localhost -> lmp-2025@workstation" in checked.output
    assert "--archive FILE reads the hashes" in " ".join(checked.output.split())
    checked = call(uuid, "--check-only", "--archive", str(archive), *code)
    assert checked.exit_code == 0 and "nodes are unchanged" in checked.output

    run = call(uuid, "--here", *code)
    assert run.exit_code == 0, run.output
    assert "structures" in run.output and "identical" in run.output
    assert max(len(line) for line in run.output.splitlines()) <= 80
    jobs = [n for n in QueryBuilder().append(CalcJobNode).all(flat=True) if n.computer.label]
    assert {job.computer.label for job in jobs} == {"localhost", "workstation"}
    assert local.uuid in {job.inputs.code.uuid for job in jobs}


def test_a_code_for_another_program(emptied_profile, lmp_code, eam_potential, tmp_path) -> None:
    """A code of another plugin is refused; of several that would do one must be named."""
    local = another_machine(tmp_path)
    node = relax(local, eam_potential)
    wrong = InstalledCode(
        label="trainer",
        computer=local.computer,
        filepath_executable="/bin/false",
        default_calc_job_plugin="nanoclusters.train",
    ).store()
    refused = call(node.uuid, "--code", f"lmp-2025=trainer@{wrong.computer.label}")
    assert refused.exit_code == 2
    assert "is for `nanoclusters.train`" in " ".join(refused.output.split())
