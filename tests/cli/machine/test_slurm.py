"""profiles/slurm-cpu on a real Slurm by a real SSH, with PostgreSQL and RabbitMQ."""

import json
import re
import sys
from pathlib import Path

import pytest
import yaml

from tests.laptop import CLI, states

ROOT = Path(__file__).parents[3]

JOBS = """
import json
from aiida import load_profile, orm

load_profile()
found = []
for job in orm.QueryBuilder().append(orm.CalcJobNode).all(flat=True):
    found.append({
        "state": job.process_state.value,
        "exit": job.exit_status,
        "kind": job.process_label,
        "id": job.get_job_id(),
        "script": job.base.repository.get_object_content("_aiidasubmit.sh"),
    })
print(json.dumps(found))
"""


def jobs_of(home) -> list[dict]:
    (home.path / "jobs.py").write_text(JOBS)
    done = home.run("aiida", "run", str(home.path / "jobs.py"))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_setup_makes_all_of_it_once(cluster):
    first = states(cluster.first_setup)
    assert set(first.values()) == {"made"}
    assert {"computer cluster", "code lammps@cluster", "code nequip@cluster"} < set(first)
    assert "code cp2k@cluster" not in first  # left out
    assert set(cluster.setup().values()) == {"was there"}
    config = json.loads((cluster.path / ".aiida" / "config.json").read_text())
    profile = config["profiles"]["nanoclusters"]
    assert profile["storage"]["backend"] == "core.psql_dos"
    assert profile["process_control"]["backend"] == "core.rabbitmq"


def test_doctor_reaches_the_cluster(cluster):
    done = cluster.run(CLI, "doctor", str(cluster.folder))
    for item in ("storage", "broker", "daemon", "computer cluster", "code nequip@cluster"):
        assert f"✔ {item} " in done.stdout, done.stdout
    assert re.search(r"✔ code lammps@cluster +LAMMPS ", done.stdout)


@pytest.fixture
def stand_in(cluster, allegro_package, allegro_compiled) -> str:
    """A code of the cluster that plays nequip."""
    script = cluster.path / "python"
    text = (ROOT / "tests" / "workflows" / "nequip_stand_in.py").read_text()
    script.write_text(f"#!{sys.executable}\n{text}")
    script.chmod(0o755)
    content = yaml.safe_load((cluster.folder / "profile.yaml").read_text())
    models = f"export PACKAGE={allegro_package} COMPILED={allegro_compiled}"
    content["codes"]["stand-in@cluster"] = content["codes"]["nequip@cluster"] | {
        "executable": str(script),
        "prepend_text": models,
    }
    cluster.write(content)
    assert cluster.setup()["code stand-in@cluster"] == "made"
    return "stand-in@cluster"


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    "trained_by", ["stand-in", pytest.param("nequip", marks=pytest.mark.faults)]
)
def test_a_study_runs_on_the_cluster(cluster, services, trained_by, request):
    """Labels, training, compiled committee, sizes, crossover: each a job of Slurm."""
    report = cluster.path / "study.html"
    nequip, changes = "nequip@cluster", []
    if trained_by == "stand-in":  # its model has seen eight frames: no large cluster relaxes
        nequip = request.getfixturevalue("stand_in")
        loose = "[{kind: relax, force_tolerance: 5.0}]"
        changes = ["--set", f"crossover.settings.relax_stages={loose}"]
    done = cluster.run(
        "aiida", "run", "workchains/study.py", "--protocol", "trial",
        "--lammps", "lammps@cluster", "--nequip", nequip,
        "--options", "anneal.walltime=0:20:00", "--report", str(report), *changes,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    for answer in ("magic sizes: ", "learnt: ", "reference: "):
        assert answer in done.stdout
    assert report.stat().st_size > 1e5
    jobs = jobs_of(cluster)
    assert {job["kind"] for job in jobs} == {
        *("EvaluateCalculation", "LammpsCalculation", "TrainCalculation", "CompileCalculation")
    }
    assert len({job["id"] for job in jobs}) == len(jobs)
    assert {(job["state"], job["exit"]) for job in jobs} == {("finished", 0)}
    for job in jobs:
        assert "#SBATCH --partition=tests\n" in job["script"]
        assert "#SBATCH --account=tests\n" in job["script"]
        if job["kind"] == "LammpsCalculation":
            assert "'mpirun' '-np' '1'" in job["script"]
    times = {re.search(r"--time=(\S+)", job["script"])[1] for job in jobs}
    assert "00:20:00" in times
    assert services.slurm.jobs() == []


def test_password_is_asked_for_where_none_is_kept(cluster, services):
    """Neither prompt nor file: setup names both, and makes nothing."""
    lonely = {"HOME": str(cluster.path), "PGPASSWORD": ""}
    kept, cluster.environment = cluster.environment, lonely
    try:
        done = cluster.run(CLI, "setup", str(cluster.folder), "--profile", "second")
    finally:
        cluster.environment = kept
    assert done.returncode == 2
    assert "PGPASSWORD or ~/.pgpass" in " ".join(done.stderr.split())
    config = json.loads((cluster.path / ".aiida" / "config.json").read_text())
    assert list(config["profiles"]) == ["nanoclusters"]


def test_servers_that_do_not_answer_are_named(cluster):
    content = yaml.safe_load((cluster.folder / "profile.yaml").read_text())
    content["aiida"]["rabbitmq"]["port"] = 1
    other = cluster.path / "other"
    other.mkdir()
    (other / "profile.yaml").write_text(yaml.safe_dump(content))
    done = cluster.run(CLI, "setup", str(other), "--profile", "third")
    assert done.returncode == 2
    assert "RabbitMQ refuses the connection at 127.0.0.1:1" in " ".join(done.stderr.split())
