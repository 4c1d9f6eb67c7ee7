"""An import that is killed at any moment leaves nothing trusted, and the next one ends its work."""

import pytest
from aiida.orm import (
    Computer,
    ImportGroup,
    InstalledCode,
    Int,
    Node,
    QueryBuilder,
    load_node,
)
from aiida.tools.archive import create_archive

from aiida_nanoclusters.cli.imports import settling, sources
from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.data.trust import may_run
from tests.cli.published import run_import


class Killed(BaseException):
    """As a signal ends a process: no handler of exceptions sees it."""


@pytest.fixture
def archive(aiida_profile_clean, tiny_package, aiida_localhost, tmp_path):
    """A package, a code on a computer that the importing profile has, and one on another."""
    nodes = [PotentialData.from_file(tiny_package, "allegro", level_of_theory="x"), Int(3)]
    far = Computer("far", "far.example", transport_type="core.local", scheduler_type="core.direct")
    for computer in (aiida_localhost, far.store()):
        nodes.append(
            InstalledCode(label="lammps", computer=computer, filepath_executable="/bin/true")
        )
    for node in nodes:
        node.base.extras.set("note", "kept")
    path = tmp_path / "a.aiida"
    create_archive([node.store() for node in nodes], filename=path)
    uuids = [node.uuid for node in nodes]
    aiida_profile_clean.reset_storage()
    aiida_localhost.backend_entity  # noqa: B018
    return path, uuids


def state() -> list:
    """All that an import may leave: nodes with their extras and labels, groups, computers."""
    nodes = QueryBuilder().append(Node, project=["uuid", "label", "extras"]).all()
    groups = QueryBuilder().append(ImportGroup, project=["extras"]).all(flat=True)
    computers = QueryBuilder().append(Computer, project=["uuid", "label"]).all()
    return [
        sorted((u, label, sorted(extras.items(), key=str)) for u, label, extras in nodes),
        groups,
        sorted(computers),
    ]


#: Places between which an import can be killed.
STEPS = [
    (sources, "import_archive", "before"),
    (sources, "import_archive", "after"),
    (settling, "_mark", 1),
    (settling, "_mark", 2),
    (settling, "_mark", 4),
    (settling, "_relabel_computer", "before"),
    (settling, "_relabel_computer", "after"),
]


@pytest.mark.parametrize(("module", "name", "when"), STEPS)
def test_killed_in_between(archive, aiida_profile_clean, monkeypatch, module, name, when) -> None:
    path, uuids = archive
    assert run_import(path)[0] == 0
    once = state()
    aiida_profile_clean.reset_storage()
    real, calls = getattr(module, name), []

    def killed(*args, **kwargs):
        calls.append(name)
        if when == "before" or len(calls) == when:
            raise Killed
        result = real(*args, **kwargs)
        if when == "after":
            raise Killed
        return result

    with monkeypatch.context() as patch:
        patch.setattr(module, name, killed)
        with pytest.raises(Killed):
            run_import(path)
    stored = QueryBuilder().append(PotentialData).all(flat=True)
    assert not any(may_run(node) for node in stored)
    assert run_import(path)[0] == 0
    assert state() == once
    assert not any(may_run(load_node(uuid)) for uuid in uuids if uuid != uuids[1])


def test_codes_take_no_name_of_ours(archive) -> None:
    path, uuids = archive
    assert run_import(path)[0] == 0
    labels = {load_node(uuid).full_label for uuid in uuids[2:]}
    assert "lammps@localhost" not in labels and "lammps@far" not in labels
