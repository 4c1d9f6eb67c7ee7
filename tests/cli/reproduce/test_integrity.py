"""`reproduce --check-only` on nodes of strangers: every answer is a row of its table."""

import pytest
from aiida.orm import Int, List, load_node
from aiida.tools.archive import create_archive, import_archive

from aiida_nanoclusters.calculations.frames import select_frames
from aiida_nanoclusters.cli.reproduce import integrity
from aiida_nanoclusters.data.frames import FramesData
from tests.cli.attacks import attribute, changed, column, renamed
from tests.workflows.reproduction.test_reproduce import call, clusters, count_nodes


@pytest.fixture
def profile(aiida_profile_clean):
    yield aiida_profile_clean
    aiida_profile_clean.reset_storage()


@pytest.fixture
def picked(profile):
    return select_frames.run_get_node(FramesData(clusters()), List([1]))


def test_what_reading_a_node_raises_is_a_row(profile, picked, tmp_path) -> None:
    """A state that does not exist, a version that is none, attributes of another type."""
    frames, node = picked
    archive = tmp_path / "run.aiida"
    create_archive([node], filename=archive)
    for number, (uuid, path, value, row) in enumerate(
        (
            (node.uuid, ["process_state"], "asleep", "calcfunctions bad"),
            (node.uuid, ["version"], {"core": "x.y"}, "hashes bad"),
            (node.uuid, ["version"], ["x"], "hashes bad"),
            (node.inputs.indices.uuid, ["list"], "all", "calcfunctions bad"),
            (node.inputs.indices.uuid, ["list"], [10**18], "calcfunctions bad"),
            (frames.uuid, ["n_frames"], None, "frames bad"),
        )
    ):
        known: dict[str, str] = {}
        other = tmp_path / f"{number}.aiida"
        changed(archive, other, attribute(uuid, path, value), renamed(known))
        import_archive(other)
        before = count_nodes()
        if path == ["process_state"]:
            refused = call(known[node.uuid], "--check-only")
            assert refused.exit_code == 2 and "cannot be read" in refused.output
            checks = list(integrity.check_stored(load_node(known[node.uuid]), {}, None))
            assert any(c.name == "calcfunctions" and c.state == "bad" for c in checks), checks
            assert all(known[node.uuid][:8] in c.note for c in checks if c.state == "bad")
            continue
        result = call(known[node.uuid], "--check-only", "--archive", str(other))
        text = " ".join(result.output.split())
        assert result.exit_code == 1 and row in text, (path, value, result.output)
        assert known[uuid][:8] in text or known[node.uuid][:8] in text, (path, result.output)
        assert count_nodes() == before


def test_a_limit_of_time_is_a_row(picked, monkeypatch) -> None:
    def endless(nodes):
        while True:
            pass

    monkeypatch.setattr(integrity, "_check_frames", endless)
    result = call(picked[1].uuid, "--check-only", "--max-minutes", "0.05")
    text = " ".join(result.output.split())
    assert result.exit_code == 1 and "limit bad not finished after 0.05 min" in text
    assert "files good" in text  # what had ended is shown


def test_a_limit_of_memory_is_a_row(picked, monkeypatch) -> None:
    monkeypatch.setattr(integrity, "_check_frames", lambda nodes: bytearray(10**9))
    result = call(picked[1].uuid, "--check-only", "--max-memory", "0.3")
    assert result.exit_code == 1 and "frames bad ended by MemoryError" in " ".join(
        result.output.split()
    )


def test_a_calcfunction_writes_nothing(picked, monkeypatch, tmp_path) -> None:
    mark = tmp_path / "mark"

    def write(frames, indices):
        mark.write_text("x")

    monkeypatch.setattr(select_frames, "__wrapped__", write)
    result = call(picked[1].uuid, "--check-only")
    text = " ".join(result.output.split())
    assert result.exit_code == 1 and "calcfunctions bad" in text and "PermissionError" in text
    assert not mark.exists()


def test_a_stranger_does_not_become_the_maker_of_my_node(profile, picked, tmp_path) -> None:
    """An archive with a process that claims a node by its UUID, which a publication gave away."""
    frames, node = picked
    mine = FramesData(clusters()).store()
    archive, known = tmp_path / "run.aiida", {frames.uuid: mine.uuid}
    create_archive([node], filename=archive)
    import_archive(changed(archive, tmp_path / "other.aiida", renamed(known)))
    assert mine.creator.uuid == known[node.uuid]
    result = call(known[node.uuid], "--check-only")
    text = " ".join(result.output.split())
    assert result.exit_code == 1 and "origin bad" in text and mine.uuid[:8] in text
    # An honest import, and what was made here, have their creators rightly.
    assert "origin good" in " ".join(call(node.uuid, "--check-only").output.split())
    again: dict[str, str] = {}
    import_archive(changed(archive, tmp_path / "honest.aiida", renamed(again)))
    assert "origin good" in " ".join(call(again[node.uuid], "--check-only").output.split())


def test_labels_do_not_act_on_the_terminal(profile, picked, tmp_path) -> None:
    node, known = picked[1], {}
    archive = tmp_path / "run.aiida"
    create_archive([node], filename=archive)
    label = attribute(node.uuid, ["process_label"], "a\x1b[2J")
    import_archive(changed(archive, tmp_path / "other.aiida", label, renamed(known)))
    result = call(known[node.uuid], "--check-only")
    assert "\x1b" not in result.output and "a\\u001b[2J" in result.output


def test_a_broken_archive_is_named(profile, picked, tmp_path) -> None:
    broken = tmp_path / "broken.aiida"
    broken.write_bytes(b"PK\x03\x04" + bytes(100))
    result = call(picked[1].uuid, "--check-only", "--archive", str(broken))
    assert result.exit_code == 2 and "cannot be read" in result.output
    assert Int(1).store().pk  # the profile is as it was


def test_an_unknown_type_of_node(profile, picked, tmp_path) -> None:
    """A node of a plugin that is not installed is no reason to end the others' checks."""
    node, known = picked[1], {}
    archive = tmp_path / "run.aiida"
    create_archive([node], filename=archive)
    other = column(node.inputs.indices.uuid, "node_type", "data.nowhere.Thing.")
    import_archive(changed(archive, tmp_path / "other.aiida", other, renamed(known)))
    result = call(known[node.uuid], "--check-only")
    text = " ".join(result.output.split())
    assert result.exit_code == 1 and "files good" in text and "frames good" in text
