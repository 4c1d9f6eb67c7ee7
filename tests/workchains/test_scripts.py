"""Launching as users do: `aiida-nanoclusters run NAME`, `verdi run` of a script; a real daemon."""

import json
import os
import re
import shutil
import signal
import time
from pathlib import Path

import ase.io
import psutil
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from click.testing import CliRunner

from aiida_nanoclusters.cli.main import cli
from aiida_nanoclusters.cli.run.command import COMMANDS
from tests.laptop import CLI

SCRIPTS = Path(__file__).resolve().parents[2] / "workchains"
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
EAM = ("--potential-file", "Cu_mishin1.eam.alloy")
FAMILIES = ("--family", "icosahedron", "--family", "truncated octahedron")


def script(laptop, name: str, *arguments: str):
    return laptop.run(CLI, "run", name, *arguments)


def query(laptop, expression: str):
    """Evaluate an expression in the laptop's profile."""
    text = f"import json; from aiida import orm; print('RESULT', json.dumps({expression}))"
    (laptop.path / "query.py").write_text(text)
    done = laptop.run("aiida", "run", str(laptop.path / "query.py"))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.split("RESULT", 1)[1])


NAMES = sorted(p.stem for p in SCRIPTS.glob("*.py"))
#: Arguments, and what the one line says that they end in; {these} are files.
BAD = [
    (("crossover",), "give either --potential UUID (once or more), --potential-file FILE or"),
    (("crossover", "--arg", "a=1"), "--arg, --checkpoint and --dispersion belong to"),
    (("crossover", "--calculator", "ase.calculators.emt"), "write it as package.module:Name"),
    (("crossover", "--calculator", "os:getcwd"), "gives a str, which is no ASE calculator"),
    (("crossover", "--calculator", "ase.calculators.emt:EMT", "--element", "Rh"), "knows"),
    (("crossover", "--potential-file", "none.eam"), "no potential file at"),
    (("crossover", *EAM, "--kind", "tersoff"), "choose one of"),
    (("crossover", *EAM, "--protocol", "quick"), "unknown protocol `quick`"),
    (("crossover", *EAM, "--lammps", "lmp@moon"), "no code `lmp@moon`: run"),
    (("crossover", *EAM, "--family", "cube"), "unknown motif 'cube'"),
    (("crossover", *EAM, "--element", "Xx"), "Xx"),
    (("crossover", *EAM, "--set", "crossover.widht=0.1"), "did you mean `settings.width`?"),
    (("study", "--set", "crossover.widht=0.1"), "did you mean `settings.width`?"),
    (("study", "--set", "width"), "write it as crossover.width=0.05"),
    (("anneal", *EAM, "--sizes", "7..9"), "write them as 7-9,55"),
    (("anneal", *EAM, "--sizes", "0"), "whole numbers of atoms"),
    (("basin_hopping", *EAM, "--sizes", "1"), "give numbers of atoms from 2 up"),
    (("basin_hopping", *EAM), "give --sizes, or --composition"),
    (("basin_hopping", *EAM, "--mix", "Cu,Ni"), "--mix needs --sizes"),
    (("basin_hopping", *EAM, "--mix", "Cu", "--sizes", "5"), "give two different elements"),
    (("basin_hopping", *EAM, "--composition", "Cu2Qq"), "is no formula of chemical elements"),
    (("basin_hopping", *EAM, "--composition", "Cu2Ni", "--sizes", "5"), "give either --compos"),
    (("basin_hopping", *EAM, "--composition", "Cu2Ni"), "but not Ni: choose a potential"),
    (("parallel_tempering", *EAM), "give either --size N"),
    (("parallel_tempering", *EAM, "--size", "1"), "give sizes of two atoms or more"),
    (("parallel_tempering", *EAM, "--size", "13", "--temperatures", "300"), "two temperatures"),
    (("parallel_tempering", *EAM, "--size", "13", "--temperatures", "a"), "write them as 300,350"),
    (("melting", *EAM), "give either --size N"),
    (("melting", *EAM, "--size", "56"), "no icosahedron of 56 atoms: the nearest have"),
    (("melting", *EAM, "--size", "55", "--element", "Au"), "the potential knows Cu: choose"),
    (("melting", *EAM, "--frames", "{bare}"), "a cluster of 2 atoms cannot melt"),
    (("melting", *EAM, "--frames", "{bare}", "--index", "3"), "no frame 3: there are 1"),
    (("active_learning", *EAM), "give either --dataset UUID to begin, or --continue UUID"),
    (("active_learning", *EAM, "--continue", "none"), "no node `none`"),
    (("label", "missing.xyz", *EAM), "no node `missing.xyz`"),
    (("label", "{bare}", "--potential", "1", "--potential", "2"), "give one, this takes no"),
    (("label", "{collapsed}", *EAM), "only 0.50 Å apart"),
    (("stages", "{bare}", *EAM), "nothing to do: give --relax, --temperature 300, or --stages"),
    (("stages", "{bare}", *EAM, "--stages", "none.yaml"), "cannot read stages from none.yaml"),
    (
        ("dataset", "--sample-by", "engine"),
        "--sample-by engine needs an --engine: cp2k or vasp",
    ),
    (("train", "--start-from", "none"), "no node `none`"),
    (("dataset", "--engine", "cp2k", "--engine-protocol", "none"), "cp2k@localhost"),
    (("dataset", "--engine", "cp2k", "--label-protocol", "none"), "called --engine-protocol now"),
    (("dataset", "--dataset", "{collapsed}", "--level", "x"), "only 0.50 Å apart"),
    (("dataset", "--dataset", "{bare}", "--level", "x"), "no energy"),
    (("dataset", "--dataset", "{bare}", "--atom-energy", "Cu:1"), "write it as Cu=-0.2 (eV)"),
    (("dataset", "--dataset", "{bare}", "--recipe", "{counted}"), "give either --dataset"),
    (("dataset", *EAM, "--recipe", "{counted}"), "entry 0 (cluster): `structures` is missing"),
    (("dataset", *EAM, "--recipe", "{searched}"), "give `basin_hopping`, the settings of"),
    (("dataset", *EAM, "--recipe", "{searched}", "--basin-hopping", "x"), "unknown protocol `x`"),
]

DRIVER = """
import contextlib, io, json, runpy, sys

answers = []
for script, *arguments in json.loads(sys.argv[1]):
    out, err, sys.argv = io.StringIO(), io.StringIO(), [script, *arguments]
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            runpy.run_path(script, run_name="__main__")
            status = 0
        except SystemExit as exit:
            status = exit.code or 0
    answers.append([status, out.getvalue(), err.getvalue()])
print("ANSWERS", json.dumps(answers))
"""


@pytest.fixture(scope="module")
def answers(laptop, tmp_path_factory) -> dict[tuple[str, ...], tuple[int, str, str]]:
    """Status, output and errors of what submits nothing, from one process: each takes seconds."""
    folder, calls = tmp_path_factory.mktemp("bad"), [(name, "--help") for name in NAMES]
    for name, distance in {"collapsed": 0.5, "bare": 2.4}.items():
        atoms = Atoms("Cu2", positions=[[0, 0, 0], [0, 0, distance]])
        if name == "collapsed":  # what is wrong with it is its geometry alone
            atoms.calc = SinglePointCalculator(atoms, energy=-1.0, forces=[[0, 0, 9], [0, 0, -9]])
        ase.io.write(folder / f"{name}.xyz", atoms, format="extxyz")
    (folder / "counted.yaml").write_text("- {kind: cluster, sizes: [13]}")
    (folder / "searched.yaml").write_text("- {kind: minima, sizes: [13]}")
    calls += [arguments for arguments, _ in BAD]
    paths = {f"{{{path.stem}}}": str(path) for path in folder.iterdir()}
    paths |= {name: str(SCRIPTS / f"{name}.py") for name in NAMES}
    (folder / "driver.py").write_text(DRIVER)
    given = json.dumps([[paths.get(word, word) for word in call] for call in calls])
    done = laptop.run("aiida", "run", str(folder / "driver.py"), given)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.split("ANSWERS", 1)[1])
    return {call: tuple(answer) for call, answer in zip(calls, found, strict=True)}


def test_every_command_has_a_script() -> None:
    assert NAMES == sorted(name.replace("-", "_") for name in COMMANDS)


def without_usage(text: str) -> str:
    """A help page without line breaks after its first paragraph, which names the program.

    The group of commands adds `-h` to `--help`; lines may break within words.
    """
    assert text.startswith("Usage:")
    return "".join(text.split("\n\n", 1)[1].replace("-h, --help", "--help").split())


@pytest.mark.parametrize("name", NAMES)
def test_script_has_the_options_of_the_command(answers, name) -> None:
    status, out, err = answers[name, "--help"]
    assert status == 0, err
    command = CliRunner().invoke(cli, ["run", name, "--help"])
    assert command.exit_code == 0, command.output
    assert without_usage(out) == without_usage(command.output)
    assert "--help" in out


@pytest.mark.parametrize(("arguments", "message"), BAD)
def test_bad_input_ends_in_one_line(answers, arguments, message) -> None:
    status, out, err = answers[arguments]
    assert status == 2, out + err
    assert message in err
    assert "Traceback" not in err


def test_bad_input_from_the_shell(laptop) -> None:
    for call in (("aiida", "run", str(SCRIPTS / "crossover.py")), (CLI, "run", "crossover")):
        done = laptop.run(*call)
        assert done.returncode == 2
        assert "give either --potential UUID" in done.stderr and "Traceback" not in done.stderr


def test_label_by_verdi_run_prints_the_frames(laptop, tmp_path) -> None:
    images = [Atoms("Cu2", positions=[[0, 0, 0], [0, 0, 2.0 + 0.1 * k]]) for k in range(5)]
    ase.io.write(tmp_path / "dimers.xyz", images, format="extxyz")
    label = str(SCRIPTS / "label.py")
    done = laptop.run("aiida", "run", label, str(tmp_path / "dimers.xyz"), *EAM)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 labelled, 0 failed" in done.stdout
    assert re.search(rf"frames {UUID}", done.stdout)


def test_stages_print_what_they_made(laptop, tmp_path) -> None:
    images = [Atoms("Cu2", positions=[[0, 0, 0], [0, 0, 2.1 + 0.1 * k]]) for k in range(3)]
    ase.io.write(tmp_path / "dimers.xyz", images, format="extxyz")
    motion = ("--relax", "--temperature", "300", "--duration", "0.1", "--sample-every", "0.02")
    done = script(laptop, "stages", str(tmp_path / "dimers.xyz"), *EAM, *motion)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 finished, 0 failed" in done.stdout
    assert re.search(rf"trajectory {UUID} \(15 frames\)", done.stdout)


@pytest.mark.slow
def test_label_by_cp2k(laptop, tmp_path) -> None:
    """Without its code the fix is named; with it labels come, and are known the next time."""
    images = [Atoms("Cu2", positions=[[0, 0, 0], [0, 0, 2.1 + 0.1 * k]]) for k in range(3)]
    ase.io.write(tmp_path / "dimers.xyz", images, format="extxyz")
    arguments = ("label", str(tmp_path / "dimers.xyz"), "--engine", "cp2k")
    done = script(laptop, *arguments)
    assert done.returncode == 2
    assert "aiida-nanoclusters setup profiles/laptop-cp2k" in " ".join(done.stderr.split())
    if shutil.which("cp2k.psmp") is None:
        pytest.skip("CP2K is not installed: apt-get install cp2k")
    made = laptop.run(CLI, "setup", "laptop-cp2k", "--no-daemon")
    assert made.returncode == 0, made.stdout + made.stderr
    done = script(laptop, *arguments, "--engine-protocol", "gfn1-xtb")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 labelled, 0 failed\n" in done.stdout
    again = script(laptop, *arguments, "--engine-protocol", "gfn1-xtb")
    assert "3 labelled, 0 failed (3 reused)" in again.stdout


def test_anneal_prints_a_table(laptop) -> None:
    done = script(laptop, "anneal", "--sizes", "13", "--protocol", "tutorial", *EAM)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"13\s+-33\.525\d\s+Ih\s+icosahedral\s+1\s", done.stdout), done.stdout


@pytest.mark.slow
def test_melting_prints_where_it_melts(laptop) -> None:
    done = script(laptop, "melting", "--size", "13", "--protocol", "trial", *EAM)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"Cu13 (melts at|no melting point)", done.stdout)
    assert re.search(rf"melting {UUID}\n +curve {UUID}", done.stdout)


def test_a_killed_worker_costs_only_its_own_work(laptop) -> None:
    """Kill -9 the worker in the middle, start the daemon again: same answer, nothing twice."""
    submit = laptop.path / "submit.py"
    submit.write_text(
        "from aiida.engine import submit\n"
        "from aiida_nanoclusters.cli.launch import options as cli\n"
        "from aiida_nanoclusters.workflows.stability.crossover import CrossoverWorkChain\n"
        "potentials = {'potential': cli.get_potential('Cu_mishin1.eam.alloy', 'eam/alloy', None)}\n"
        "settings = {'families': ['icosahedron', 'truncated octahedron'], 'mode_sizes': []}\n"
        "builder = CrossoverWorkChain.get_builder_from_protocol(\n"
        "    cli.get_code('lammps@localhost'), potentials, 'Cu', 'moderate',\n"
        "    overrides={'settings': settings})\n"
        "print('UUID', submit(builder).uuid)\n"
    )
    done = laptop.run("aiida", "run", str(submit))
    assert done.returncode == 0, done.stderr
    uuid = done.stdout.split("UUID", 1)[1].strip()
    node = f"orm.load_node('{uuid}')"
    jobs = f"[c.pk for c in {node}.called_descendants if isinstance(c, orm.CalcJobNode)]"
    wait_for(lambda: len(query(laptop, jobs)) >= 2)
    before = query(laptop, jobs)
    kill_workers(laptop)
    laptop.run("aiida", "daemon", "stop")
    done = laptop.run(CLI, "setup")
    assert done.returncode == 0, done.stdout + done.stderr
    try:
        wait_for(lambda: query(laptop, f"{node}.is_terminated"))
    except AssertionError:
        print(laptop.run("aiida", "process", "status", uuid).stdout)
        print(laptop.run("aiida", "daemon", "status").stdout)
        raise
    assert query(laptop, f"{node}.is_finished_ok"), query(laptop, f"{node}.exit_message")
    after = query(laptop, jobs)
    # Bulk, slabs, strained crystal and two rounds of the search: no job was made anew.
    assert set(before) <= set(after) and len(after) == 5
    assert query(laptop, f"round({node}.outputs.answer['size'])") == pytest.approx(1003, rel=0.03)


def kill_workers(laptop) -> None:
    """Kill -9 the daemon's workers, not the daemon that watches over them."""
    for process in psutil.process_iter(["cmdline", "environ"]):
        command = " ".join(process.info["cmdline"] or [])
        environment = process.info["environ"] or {}
        if "daemon worker" in command and environment.get("AIIDA_PATH") == str(laptop.path):
            os.kill(process.pid, signal.SIGKILL)


def wait_for(condition, seconds: float = 300.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(1.0)
