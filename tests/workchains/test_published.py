"""The study of docs/published: read in by a newcomer, and its crossover run again by UUID."""

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.laptop import CLI, Home

PUBLISHED = Path(__file__).resolve().parents[2] / "docs" / "published"
SCRIPT = Path(__file__).resolve().parents[2] / "workchains" / "reproduce.py"


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory, allegro_plugin):
    """The shipped laptop profile, nothing in it but the published study."""
    home = Home(tmp_path_factory.mktemp("newcomer"))
    shutil.copytree(allegro_plugin, home.path / ".aiida" / "nanoclusters" / "lammps_plugin")
    done = home.run(CLI, "setup")
    assert done.returncode == 0, done.stdout + done.stderr
    done = home.run(CLI, "import", str(PUBLISHED / "copper.aiida"))
    assert done.returncode == 0, done.stdout + done.stderr
    yield home
    home.run("aiida", "daemon", "stop")


@pytest.fixture(scope="module")
def uuids() -> dict[str, str]:
    return json.loads((PUBLISHED / "uuids.json").read_text())


def test_its_pages_name_what_is_in_it(uuids) -> None:
    page = (PUBLISHED.parent / "howto" / "reproduction" / "reproduce.md").read_text()
    assert uuids["reference_crossover"] in page and uuids["training"] in page


def test_its_crossover_comes_out_again(newcomer, uuids) -> None:
    done = newcomer.run("aiida", "run", str(SCRIPT), uuids["reference_crossover"])
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-2] in ("identical", "agrees"), done.stdout


def test_its_crossover_is_what_was_stored(newcomer, uuids) -> None:
    archive = str(PUBLISHED / "copper.aiida")
    arguments = (uuids["reference_crossover"], "--check-only", "--archive", archive)
    done = newcomer.run("aiida", "run", str(SCRIPT), *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    found = newcomer.run(CLI, "find", "crossovers", "--json").stdout
    recorded = {uuids["crossover"], uuids["reference_crossover"]}
    assert recorded <= {row["process_uuid"] for row in json.loads(found)}


def test_the_study_is_understood_by_its_former_names(newcomer, uuids) -> None:
    """Compiled models are not in the archive, and are code: all else can be run again."""
    done = newcomer.run("aiida", "run", str(SCRIPT), uuids["study"], "--check-only")
    assert re.search(r"calcfunctions +good +32 were repeated", done.stdout), done.stdout
    assert "Unexpected ports" not in done.stdout, done.stdout
