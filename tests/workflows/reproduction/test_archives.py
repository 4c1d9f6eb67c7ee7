"""Archives that other plugins made, years ago: sensible answers, and what can be run is run."""

import shutil
from pathlib import Path

import pytest
from aiida.orm import Computer, InstalledCode, Node, ProcessNode, QueryBuilder
from aiida.tools.archive import import_archive
from click.testing import CliRunner

from aiida_nanoclusters.cli.reproduce.command import reproduce
from aiida_nanoclusters.data.trust import trust
from tests.workflows.reproduction.test_reproduce import call

ARCHIVES = ("arithmetic.add", "dos_wc_Cu", "export_main_0001_simple", "scf_wc_Cu_simple")


@pytest.fixture
def imported(emptied_profile, shared_data):
    def bring(name: str) -> list[ProcessNode]:
        path = shared_data / "aiida_archives" / f"{name}.aiida"
        if not path.is_file():
            pytest.skip(f"{path.name} is not among the shared data")
        import_archive(path)
        return QueryBuilder().append(ProcessNode).all(flat=True)

    return bring


@pytest.mark.filterwarnings("ignore::Warning")
@pytest.mark.parametrize("name", ARCHIVES)
def test_every_process_gets_a_sensible_answer(imported, name) -> None:
    processes = imported(name)
    before = QueryBuilder().append(Node).count()
    for node in processes:
        result = CliRunner().invoke(reproduce, [node.uuid, "--check-only"])
        assert isinstance(result.exception, SystemExit | None), result.exception
        text = " ".join(result.output.split())
        assert result.exit_code == 1, result.output  # no code, or no plugin, is here
        assert "files good" in text and "run again bad" in text
        reasons = ("no plugin here for", "is not one of this package", "a WorkFunctionNode cannot")
        assert any(reason in text for reason in reasons), result.output
        refused = CliRunner().invoke(reproduce, [node.uuid, "--here"])
        assert refused.exit_code == 2, refused.output
    assert QueryBuilder().append(Node).count() == before


@pytest.mark.filterwarnings("ignore::Warning")
def test_an_addition_of_old_adds_up_again(imported, tmp_path: Path) -> None:
    (node,) = imported("arithmetic.add")
    computer = Computer("here", "localhost", "", "core.local", "core.direct", str(tmp_path))
    computer.store()
    computer.set_default_mpiprocs_per_machine(1)
    computer.set_minimum_job_poll_interval(0.1)
    computer.configure(safe_interval=0.0)
    bash = shutil.which("bash")
    InstalledCode(label="bash", computer=computer, filepath_executable=bash).store()
    code = ("--here", "--code", f"{node.inputs.code.label}=bash@here")
    refused = call(node.uuid, *code)
    assert refused.exit_code == 2
    assert f"run `aiida-nanoclusters trust {node.uuid}`" in " ".join(refused.output.split())
    trust(node)
    run = call(node.uuid, *code)
    assert run.exit_code == 0, run.output
    text = " ".join(run.output.split())
    assert "exit status identical" in text and "sum identical" in text
