"""Encoders and matching models of strangers: data, which needs no trust, held to its own form."""

import io
import json

import numpy as np
import pytest
from aiida.orm import QueryBuilder, load_node

from aiida_nanoclusters.data.core_encoder import CoreEncoderData
from aiida_nanoclusters.data.matching_model import MatchingModelData
from aiida_nanoclusters.science.ligands.training_files import (
    ENCODER_ARRAYS_FILE,
    ENCODER_FILE,
    MODEL_ARRAYS_FILE,
    MODEL_FILE,
)
from tests.cli.published import run_import
from tests.small_matching import assignment, lennard_jones, trained_encoder, trained_model, world

NODES = {"model": MatchingModelData, "encoder": CoreEncoderData}


class Payload:
    """Leaves a file where it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    pairs = world()
    return trained_model(pairs, assignment(pairs), tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return trained_encoder(lennard_jones(40), tmp_path_factory.mktemp("encoder"))


@pytest.mark.parametrize("what", ["model", "encoder"])
def test_both_come_over_as_they_were(aiida_profile_clean, request, archive_of, what) -> None:
    content = request.getfixturevalue(what).content()
    node = NODES[what](request.getfixturevalue(what)).store()
    archive, uuid = archive_of(node), node.uuid
    aiida_profile_clean.reset_storage()
    code, text = run_import(archive)
    assert code == 0 and "trust" not in text
    assert getattr(load_node(uuid), what).content() == content


def pickled(marker) -> bytes:
    packed = io.BytesIO()
    np.savez(packed, known_cores=np.array([Payload(marker)], dtype=object))
    marker.unlink(missing_ok=True)
    return packed.getvalue()


@pytest.mark.parametrize(
    ("head", "attributes", "message"),
    [
        ({"surplus": 1}, {}, "it holds no matching model"),
        ({"elements": ["Au\nshell"]}, {}, "it holds no matching model"),
        ({"known_ligands": [["\x1b[2J"]]}, {}, "cannot be printed"),
        ({"seed": 7}, {}, "`seed` does not follow from its file"),
        ({}, {"n_known_cores": 3}, "`n_known_cores` does not follow from its file"),
        ({}, {"elements": ["Au\nshell"]}, "is no chemical element"),
        ({}, {"pretrained": "yes"}, "`pretrained`: Input should be a valid boolean"),
    ],
)
def test_models_that_are_none_are_refused(
    aiida_profile_clean, model, archive_of, head, attributes, message
) -> None:
    node = MatchingModelData(model)
    changed = {**json.loads(model.content()[0]), **head}
    node.base.repository.put_object_from_bytes(json.dumps(changed).encode(), MODEL_FILE)
    node.base.attributes.set_many(attributes)
    archive, uuid = archive_of(node.store()), node.uuid
    aiida_profile_clean.reset_storage()
    code, text = run_import(archive)
    assert code != 0 and uuid in " ".join(text.split())
    assert message in " ".join(text.split())
    assert QueryBuilder().append(MatchingModelData).count() == 0


@pytest.mark.parametrize(
    ("what", "name"), [("model", MODEL_ARRAYS_FILE), ("encoder", ENCODER_ARRAYS_FILE)]
)
def test_arrays_that_would_run_code_are_never_unpickled(
    aiida_profile_clean, request, archive_of, tmp_path, what, name
) -> None:
    marker, node = tmp_path / "ran", NODES[what](request.getfixturevalue(what))
    node.base.repository.put_object_from_bytes(pickled(marker), name)
    archive, uuid = archive_of(node.store()), node.uuid
    aiida_profile_clean.reset_storage()
    code, text = run_import(archive)
    assert code != 0 and uuid in " ".join(text.split())
    assert not marker.exists()


def test_encoder_without_its_head_is_refused(
    aiida_profile_clean, encoder, archive_of, monkeypatch
) -> None:
    node = CoreEncoderData(encoder)
    node.base.repository.delete_object(ENCODER_FILE)
    monkeypatch.setattr(CoreEncoderData, "_validate", lambda _: True)
    archive, uuid = archive_of(node.store()), node.uuid
    aiida_profile_clean.reset_storage()
    code, text = run_import(archive)
    assert code != 0 and f"node {uuid} has no file `{ENCODER_FILE}`" in " ".join(text.split())
