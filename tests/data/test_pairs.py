"""PairsData: what it holds, and that damaged files are told."""

import io
import json

import numpy as np
import pytest
from aiida.common.exceptions import ModificationNotAllowed, ValidationError
from aiida.orm import QueryBuilder, load_node

from aiida_nanoclusters.data.pairs import PairsData
from aiida_nanoclusters.formats.frames_file import FILENAME, write_frames
from aiida_nanoclusters.science.ligands.pairs import PAIRS_FILE
from tests.small_pairs import METHYL, PPH3, cores, many_pairs, pair_set

pytestmark = pytest.mark.usefixtures("aiida_profile")


def test_pairs_come_back_from_a_node() -> None:
    pairs = many_pairs()
    node = PairsData(pairs).store()
    again = load_node(node.uuid).pairs
    assert again.pairs == pairs.pairs and again.content() == pairs.content()
    assert again.cores.content_hashes() == pairs.cores.content_hashes()
    assert (again.identities == pairs.identities).all()
    assert len(node) == 240 and node.elements == ["Ag", "Au"]
    with pytest.raises(ModificationNotAllowed):
        node.set_pairs(pairs)


def test_attributes_can_be_queried() -> None:
    pairs = pair_set([(0, (METHYL,), 1), (0, (METHYL, PPH3), 0), (4, (PPH3,), 1)])
    node = PairsData(pairs).store()
    assert node.base.attributes.all == {
        "n_pairs": 3, "n_positive": 2, "n_cores": 5, "n_ligands": 2, "elements": ["Ag", "Au"],
        "groups": ["phosphine", "thiolate"], "tolerance": pairs.tolerance,
    }  # fmt: skip
    query = QueryBuilder().append(PairsData, filters={"attributes.n_pairs": {"==": 3}})
    assert node.uuid in [found.uuid for (found,) in query.all()]


def test_equal_pairs_are_equal_nodes() -> None:
    """Else AiiDA's caching would not know them."""
    one, other = PairsData(many_pairs()).store(), PairsData(many_pairs()).store()
    assert one.base.caching.get_hash() == other.base.caching.get_hash()
    changed = pair_set([(0, (METHYL,), 1)])
    assert PairsData(changed).store().base.caching.get_hash() != one.base.caching.get_hash()


def test_a_node_without_pairs_is_not_stored() -> None:
    with pytest.raises(ValidationError, match="call `set_pairs` first"):
        PairsData().store()


def text_with(**values) -> bytes:
    content = json.loads(pair_set([(0, (METHYL,), 1)]).content())
    return json.dumps({**content, **values}).encode()


def frames_of(images) -> bytes:
    from aiida_nanoclusters.science.frames import Frames

    buffer = io.BytesIO()
    write_frames(Frames.from_atoms(images), buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (PAIRS_FILE, b""),
        (PAIRS_FILE, b"\xff\xfe"),
        (PAIRS_FILE, b"[" * 100_000),
        (PAIRS_FILE, text_with(pairs=[])),
        (PAIRS_FILE, text_with(tolerance=None)),
        (FILENAME, b""),
        (FILENAME, b"PK\x03\x04"),
        (FILENAME, frames_of(cores()[:1])[:400]),
    ],
)
def test_damaged_files_are_refused(name, content) -> None:
    node = PairsData(pair_set([(4, (METHYL,), 1)]))
    node.base.repository.put_object_from_bytes(content, name)
    with pytest.raises(ValueError, match="not a"):
        _ = node.store().pairs


def test_cores_that_the_pairs_do_not_have_are_refused() -> None:
    node = PairsData(pair_set([(4, (METHYL,), 1)]))
    node.base.repository.put_object_from_bytes(frames_of(cores()[:2]), FILENAME)
    with pytest.raises(ValueError, match="core 4 is none of the 2"):
        _ = node.store().pairs


def test_arrays_of_objects_are_never_unpickled(tmp_path) -> None:
    marker = tmp_path / "ran"

    class Payload:
        def __reduce__(self):
            return open, (str(marker), "w")

    packed = io.BytesIO()
    np.savez(packed, numbers=np.array([Payload()], dtype=object))
    node = PairsData(pair_set([(0, (METHYL,), 1)]))
    node.base.repository.put_object_from_bytes(packed.getvalue(), FILENAME)
    marker.unlink(missing_ok=True)
    with pytest.raises(ValueError, match="not a file of frames"):
        _ = node.store().pairs
    assert not marker.exists()
