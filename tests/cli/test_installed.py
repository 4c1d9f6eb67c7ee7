"""Files and entry points that the commands need, and what their help leaves unimported."""

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import aiida_nanoclusters
from aiida_nanoclusters.cli.machine.profile import find_profile, read_machine
from aiida_nanoclusters.cli.run.command import COMMANDS
from aiida_nanoclusters.cli.terminal import EXTRAS

PACKAGE = Path(aiida_nanoclusters.__file__).parent


def test_sources_of_the_pair_style_are_there():
    from aiida_nanoclusters.lammps_plugin.build import HEADERS, SOURCE_DIR, SOURCES

    assert PACKAGE in SOURCE_DIR.parents
    for name in (*SOURCES, *HEADERS):
        assert (SOURCE_DIR / name).read_text().strip()


def test_protocols_are_there():
    protocols = sorted((PACKAGE / "workflows" / "protocols").glob("*.yaml"))
    assert protocols
    assert (PACKAGE / "py.typed").exists()


def test_laptop_profile_is_there():
    path = find_profile("laptop")
    assert PACKAGE in path.parents
    assert read_machine(path).codes


def test_every_entry_point_loads():
    points = metadata.distribution("aiida-nanoclusters").entry_points
    ours = [point for point in points if point.group.startswith("aiida.")]
    assert ours
    for point in ours:
        assert point.name.startswith("nanoclusters.")
        assert point.load().__module__.startswith("aiida_nanoclusters.")


@pytest.mark.parametrize("extra", EXTRAS)
def test_every_package_of_an_extra_has_its_message(extra):
    """A command names the extra where the module of any of its packages is missing."""
    modules = metadata.packages_distributions()
    for line in metadata.requires("aiida-nanoclusters") or []:
        wanted = Requirement(line)
        if wanted.marker is None or wanted.marker.evaluate({"extra": ""}):
            continue
        if not wanted.marker.evaluate({"extra": extra}) or wanted.name == "aiida-nanoclusters":
            continue
        found = {name for name, owners in modules.items() if wanted.name in owners}
        assert not found or found & set(EXTRAS[extra]), wanted.name


@pytest.mark.parametrize(
    "command",
    [
        *([], ["setup"], ["doctor"], ["status"], ["import-labels"], ["find", "datasets"]),
        *(["explain"], ["run"], *(["run", name] for name in COMMANDS)),
    ],
    ids=" ".join,
)
def test_help_needs_no_aiida(command, tmp_path):
    program = (
        "import sys\n"
        "from aiida_nanoclusters.cli.main import cli\n"
        f"status = cli({[*command, '--help']!r}, standalone_mode=False)\n"
        "slow = [name for name in ('aiida', 'torch', 'numpy', 'ase') if name in sys.modules]\n"
        "sys.exit(f'imported {slow}' if slow else 0)\n"
    )
    environment = {**os.environ, "AIIDA_PATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        cwd=Path.cwd(),
    )
    assert done.returncode == 0, done.stderr
    assert "Usage:" in done.stdout
    assert list(tmp_path.iterdir()) == []
