"""An import killed at any moment, as a signal kills it, and done again: as if it had run once."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.imports.test_two_at_once import PROFILE
from tests.cli.small_archive import cut_copper
from tests.laptop import Home


@pytest.mark.parametrize("moments", [6, pytest.param(50, marks=pytest.mark.faults)])
def test_killed_at_moments(tmp_path, moments) -> None:
    home = Home(tmp_path / "home")
    home.write(PROFILE)
    home.setup("--no-daemon")
    archive = cut_copper(tmp_path / "cut.aiida")
    script = Path(__file__).with_name("kill_imports.py")
    done = subprocess.run(
        [sys.executable, str(script), str(home.path), str(archive), str(moments)],
        env=home.variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    print(done.stdout)
    killed = [line for line in done.stdout.splitlines() if line.startswith("killed")]
    assert sum(int(line.split()[-3]) for line in killed) >= moments // 2, done.stdout
