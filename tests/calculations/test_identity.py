"""A recorded process is found again wherever its file lies now."""

import pkgutil
import sqlite3
import sys
import zipfile
from importlib import import_module
from pathlib import Path

import pytest
from aiida.orm import CalcFunctionNode, List
from aiida.plugins.entry_point import get_entry_point_names, load_entry_point
from ase import Atoms

import aiida_nanoclusters.calculations
from aiida_nanoclusters.calculations.frames import select_frames
from aiida_nanoclusters.calculations.identity import FORMER_NAMES, own_function
from aiida_nanoclusters.data.frames import FramesData

ARCHIVE = Path(__file__).resolve().parents[2] / "docs" / "published" / "copper.aiida"


def recorded(process_type: str) -> CalcFunctionNode:
    return CalcFunctionNode(process_type=process_type)


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> list[str]:
    """The process types that the published archive holds."""
    folder = tmp_path_factory.mktemp("archive")
    with zipfile.ZipFile(ARCHIVE) as archive:
        archive.extract("db.sqlite3", folder)
    query = "SELECT DISTINCT process_type FROM db_dbnode WHERE process_type LIKE '%nanoclusters%'"
    with sqlite3.connect(folder / "db.sqlite3") as connection:
        return [row[0] for row in connection.execute(query)]


def test_every_process_of_the_published_archive_is_known(aiida_profile, published) -> None:
    paths = [kind for kind in published if ":" not in kind]
    assert len(paths) == 22 and len(published) == 38
    for path in paths:
        name = FORMER_NAMES[path.removeprefix("aiida_nanoclusters.calculations.")]
        assert own_function(recorded(path)).__name__ == name
    for kind in set(published) - set(paths):
        group, _, name = kind.partition(":")
        load_entry_point(group, name)


def test_every_former_name_leads_to_a_function(aiida_profile) -> None:
    for path in FORMER_NAMES:
        function = own_function(recorded(f"aiida_nanoclusters.calculations.{path}"))
        assert function.is_process_function
    assert (
        "isolated_atoms"
        in own_function(recorded("aiida_nanoclusters.calculations.label.lone_atoms")).__name__
    )


def test_every_calculation_function_is_an_entry_point(aiida_profile) -> None:
    names = get_entry_point_names("aiida.calculations")
    package = aiida_nanoclusters.calculations
    found = 0
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        for function in vars(import_module(module.name)).values():
            if getattr(function, "is_process_function", False):
                assert f"nanoclusters.{function.__name__}" in names
                found += function.__module__ == module.name
    own = [
        load_entry_point("aiida.calculations", n) for n in names if n.startswith("nanoclusters.")
    ]
    assert found == sum(not isinstance(process, type) for process in own)  # without CalcJobs


def test_a_function_is_recorded_by_its_entry_point(aiida_profile) -> None:
    frames = FramesData([Atoms("Cu", positions=[[0, 0, 0]])]).store()
    _, node = select_frames.run_get_node(frames, List([0]))
    assert node.process_type == "aiida.calculations:nanoclusters.select_frames"
    assert own_function(node) is select_frames


@pytest.mark.parametrize(
    "process_type",
    (
        "this.s",
        "aiida_nanoclusters.calculations.anneal.system",
        "aiida_nanoclusters.cli.main.cli",
        "aiida.calculations:core.arithmetic.add",
        "",
    ),
)
def test_other_names_are_not_ours_and_import_nothing(aiida_profile, process_type) -> None:
    before = set(sys.modules)
    assert own_function(recorded(process_type)) is None
    assert set(sys.modules) == before
