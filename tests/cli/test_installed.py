"""What an installed package needs besides Python files; run on a checkout and on the wheel."""

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

import aiida_nanoclusters
from aiida_nanoclusters.cli.machine import find_profile, read_machine

PACKAGE = Path(aiida_nanoclusters.__file__).parent


def test_package_is_the_one_meant():
    wheel = os.environ.get("NANOCLUSTERS_WHEEL")
    if wheel:
        assert PACKAGE.is_relative_to(wheel)
        assert not (PACKAGE.parent / "pyproject.toml").exists()
    else:
        assert (PACKAGE.parent / "pyproject.toml").exists() or "site-packages" in PACKAGE.parts


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


@pytest.mark.parametrize(
    "command",
    [[], ["setup"], ["doctor"], ["status"], ["import-labels"], ["find", "datasets"], ["explain"]],
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
