"""Archives of the tests of imports."""

from pathlib import Path

import pytest
from aiida.tools.archive import create_archive

from tests.cli.published import make_study, run_publish
from tests.cli.small_archive import cut_copper


@pytest.fixture
def published(aiida_profile_clean, tmp_path):
    """A published folder whose nodes this profile no longer has, and the UUIDs of its frames."""
    frames, process = make_study(tmp_path)
    code, text = run_publish(process.uuid, "--out", tmp_path / "out")
    assert code == 0, text
    uuid = frames.uuid
    aiida_profile_clean.reset_storage()
    return tmp_path / "out", uuid


@pytest.fixture
def archive_of(tmp_path):
    """Factory of AiiDA archives of nodes."""

    def make(*nodes, name="strange.aiida") -> Path:
        return create_archive(nodes, tmp_path / name, overwrite=True)

    return make


@pytest.fixture(scope="session")
def cut(tmp_path_factory) -> Path:
    """A part of the published study of copper."""
    return cut_copper(tmp_path_factory.mktemp("cut") / "cut.aiida")


@pytest.fixture
def archive(cut, tmp_path) -> Path:
    new = tmp_path / cut.name
    new.write_bytes(cut.read_bytes())
    return new
