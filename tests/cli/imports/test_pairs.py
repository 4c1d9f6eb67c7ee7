"""Pairs of strangers: data, which needs no trust, held to its own form where it is read."""

import json

import pytest
from aiida.orm import QueryBuilder, load_node

from aiida_nanoclusters.data.pairs import PairsData
from aiida_nanoclusters.formats.frames_file import FILENAME
from aiida_nanoclusters.science.ligands.pairs import PAIRS_FILE
from tests.cli.published import run_import
from tests.small_pairs import METHYL, PPH3, many_pairs, pair_set


def test_pairs_come_over_as_they_were(aiida_profile_clean, archive_of) -> None:
    node = PairsData(many_pairs()).store()
    archive, uuid, content = archive_of(node), node.uuid, node.pairs.content()
    aiida_profile_clean.reset_storage()
    code, text = run_import(archive)
    assert code == 0 and "trust" not in text
    assert load_node(uuid).pairs.content() == content


def changed(**values) -> bytes:
    content = json.loads(pair_set([(0, (METHYL,), 1), (0, (PPH3,), 0)]).content())
    for name, value in values.items():
        place = content["pairs"][0] if name in content["pairs"][0] else content
        place[name] = value
    return json.dumps(content).encode()


@pytest.mark.parametrize(
    ("files", "attributes", "message"),
    [
        ({PAIRS_FILE: b"{}"}, {}, "it holds no pairs"),
        ({PAIRS_FILE: b"[" * 50_000}, {}, "it holds no pairs"),
        ({PAIRS_FILE: changed(core=77)}, {}, "core 77 is none of the 5"),
        ({PAIRS_FILE: changed(ligands=["x y"])}, {}, "no SMILES of one ligand"),
        ({PAIRS_FILE: changed(origin="\x1b[2J")}, {}, "origin"),
        ({PAIRS_FILE: changed(label=0)}, {}, "`n_positive` does not follow from its file"),
        ({FILENAME: b"PK"}, {}, "it holds no pairs"),
        ({}, {"n_pairs": 3}, "`n_pairs` does not follow from its file"),
        ({}, {"n_pairs": "two"}, "`n_pairs`: Input should be a valid integer"),
        ({}, {"elements": ["Au\nshell"]}, "is no chemical element"),
        ({}, {"groups": [1]}, "`groups.0`: Input should be a valid string"),
        ({}, {"tolerance": -1.0}, "`tolerance`: Input should be greater than 0"),
    ],
)
def test_pairs_that_are_none_are_refused(
    aiida_profile_clean, archive_of, files, attributes, message
) -> None:
    node = PairsData(pair_set([(0, (METHYL,), 1), (0, (PPH3,), 0)]))
    for name, content in files.items():
        node.base.repository.put_object_from_bytes(content, name)
    node.base.attributes.set_many(attributes)
    archive, uuid = archive_of(node.store()), node.uuid
    aiida_profile_clean.reset_storage()
    code, text = run_import(archive)
    assert code != 0 and uuid in " ".join(text.split())
    assert message in " ".join(text.split())
    assert QueryBuilder().append(PairsData).count() == 0


def test_pairs_without_their_cores_are_refused(
    aiida_profile_clean, archive_of, monkeypatch
) -> None:
    node = PairsData(pair_set([(0, (METHYL,), 1)]))
    node.base.repository.delete_object(FILENAME)
    monkeypatch.setattr(PairsData, "_validate", lambda _: True)
    archive, uuid = archive_of(node.store()), node.uuid
    aiida_profile_clean.reset_storage()
    code, text = run_import(archive)
    assert code != 0 and f"node {uuid} has no file `{FILENAME}`" in " ".join(text.split())
