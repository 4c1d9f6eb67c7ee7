"""AiiDA as a newcomer has it: a folder of its own, made by `aiida-nanoclusters setup`."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

CLI = "aiida_nanoclusters.cli.main"


class Home:
    """An AIIDA_PATH and a profile folder, and commands run with them."""

    def __init__(self, path: Path):
        self.path = path
        self.folder = path / "machine"
        self.folder.mkdir(parents=True)
        self.environment: dict[str, str] = {}

    def write(self, content: dict) -> None:
        (self.folder / "profile.yaml").write_text(yaml.safe_dump(content))

    @property
    def variables(self) -> dict[str, str]:
        """The environment of its commands."""
        path = os.pathsep.join([str(Path.cwd()), os.environ.get("PYTHONPATH", "")])
        own = {"AIIDA_PATH": str(self.path), "OMP_NUM_THREADS": "1", "PYTHONPATH": path}
        return {**os.environ, **own, **self.environment}

    def run(self, *arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "-m", *arguments],
            capture_output=True,
            text=True,
            check=False,
            env=self.variables,
        )

    def setup(self, *arguments: str) -> dict[str, str]:
        """Run setup, which must succeed; the state of each item."""
        done = self.run(CLI, "setup", str(self.folder), *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return states(done.stdout)


def states(table: str) -> dict[str, str]:
    header, *lines = table.splitlines()
    columns = header.index("state"), header.index("note")
    return {line[: columns[0]].strip(): line[slice(*columns)].strip() for line in lines}


@pytest.fixture(scope="session")
def laptop(tmp_path_factory, allegro_plugin):
    """The shipped laptop profile with its daemon, in a folder of its own."""
    home = Home(tmp_path_factory.mktemp("laptop"))
    plugin = home.path / ".aiida" / "nanoclusters" / "lammps_plugin"
    shutil.copytree(allegro_plugin, plugin)
    done = home.run(CLI, "setup")
    assert done.returncode == 0, done.stdout + done.stderr
    yield home
    home.run("aiida", "daemon", "stop")
