"""Trust is granted: without a grant that holds here, for this content, nothing runs."""

import secrets

import pytest
from aiida.common.links import LinkType
from aiida.engine import ProcessState, calcfunction
from aiida.manage import get_manager
from aiida.manage.caching import enable_caching
from aiida.orm import CalcJobNode, ImportGroup, InstalledCode, RemoteData, Str, load_node
from aiida.tools import delete_nodes
from aiida.tools.archive import create_archive, import_archive

from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.data.trust import (
    GRANT,
    may_run,
    nodes_made_here,
    nothing_granted,
    trust,
    trust_as_made_here,
)


@calcfunction
def pack(path):
    return PotentialData.from_file(path.value, "allegro", level_of_theory="EMT")


@pytest.fixture
def package(aiida_profile_clean, tiny_package):
    return PotentialData.from_file(tiny_package, "allegro", level_of_theory="EMT")


def test_what_is_made_here_runs(package) -> None:
    assert may_run(package) and may_run(package.store())


def test_what_is_stored_for_others_does_not(package) -> None:
    with nothing_granted():
        package.store()
    assert not may_run(package)
    trust(package)
    assert may_run(package)


@pytest.mark.parametrize("state", ProcessState)
def test_the_folder_of_a_job_that_was_killed_is_no_copy(aiida_profile_clean, localhost, state):
    """The cache gives finished jobs alone: their folders may be those of others."""
    job = CalcJobNode(computer=localhost)
    job.store()
    folder = RemoteData("/scratch/job", computer=localhost)
    folder.base.links.add_incoming(job, LinkType.CREATE, "remote_folder")
    folder.store()
    job.set_process_state(state)
    assert not may_run(folder)
    trust_as_made_here(folder)
    assert may_run(folder) == (state is not ProcessState.FINISHED)


def test_a_grant_belongs_to_one_node(package, tiny_package) -> None:
    """Not to another one that was given its extra, whatever that says."""
    grant = package.store().base.extras.get(GRANT)
    other = PotentialData.from_file(tiny_package, "allegro", level_of_theory="other")
    other.store().base.extras.set(GRANT, grant)
    assert not may_run(other)
    for text in ("", "0" * 64, get_manager().get_profile().uuid, True, None, ["x"]):
        other.base.extras.set(GRANT, text)
        assert not may_run(other)


def test_a_grant_belongs_to_one_profile(package) -> None:
    package.store()
    storage = get_manager().get_profile_storage()
    storage.set_global_variable("nanoclusters|trust_key", secrets.token_hex(32))
    assert not may_run(package)


@pytest.mark.parametrize("grant", ["", "é", 3, None, ["x"], {"x": 1}])
def test_a_grant_may_be_anything(package, grant) -> None:
    with nothing_granted():
        package.store()
    package.base.extras.set(GRANT, grant)
    assert not may_run(package)


def test_neither_mark_nor_group_is_needed_to_refuse(package, tmp_path) -> None:
    """What AiiDA's own import brought does not run, even after its group was deleted."""
    with nothing_granted():
        package.store()
    uuid, archive = package.uuid, tmp_path / "a.aiida"
    create_archive([package], filename=archive)
    delete_nodes([package.pk], dry_run=False)
    import_archive(archive)
    for group in ImportGroup.collection.all():
        ImportGroup.collection.delete(group.pk)
    assert not may_run(load_node(uuid))


def test_a_copy_of_the_cache_runs_where_its_source_does(aiida_profile_clean, tiny_package) -> None:
    first = pack(Str(str(tiny_package)))
    assert may_run(first)
    first.base.extras.delete(GRANT)  # as if a stranger had made it
    with enable_caching():
        copy = pack(Str(str(tiny_package)))
    assert copy.creator.base.caching.get_cache_source() == first.creator.uuid
    assert not may_run(copy)
    trust(first)
    with enable_caching():
        assert may_run(pack(Str(str(tiny_package))))


def test_after_an_upgrade(package, aiida_localhost) -> None:
    """All that no import is known to have brought can be trusted at once."""
    package.store().base.extras.delete(GRANT)
    code = InstalledCode(
        label="x", computer=aiida_localhost, filepath_executable="/bin/true"
    ).store()
    folder = RemoteData(remote_path="/x", computer=aiida_localhost).store()
    theirs = RemoteData(remote_path="/y", computer=aiida_localhost).store()
    ImportGroup("theirs").store().add_nodes([theirs])
    found = {node.uuid for node in nodes_made_here()}
    assert found == {package.uuid, code.uuid, folder.uuid}
