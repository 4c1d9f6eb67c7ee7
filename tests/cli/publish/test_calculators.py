"""What a reader without AiiDA sees of a potential that is an ASE calculator."""

import hashlib
import json

import pytest

from aiida_nanoclusters.cli.publish.members import gather
from aiida_nanoclusters.cli.publish.plain import write_plain
from aiida_nanoclusters.data.potential import PotentialData


def published(potential: PotentialData, folder) -> tuple[dict, str]:
    (folder / "potentials").mkdir()
    (file,) = write_plain(gather([potential]), folder)
    return json.loads((folder / file.path).read_text()), file.what


def test_description_with_the_hash_of_the_weights(aiida_profile, tmp_path) -> None:
    weights = tmp_path / "omat.model"
    weights.write_bytes(b"weights of others")
    potential = PotentialData.from_calculator(
        "mace.calculators:MACECalculator",
        ["Cu", "Au"],
        arguments={"device": "cpu"},
        checkpoint=("model_paths", weights),
        level_of_theory="OMat24",
        atom_energies={"Cu": -1.0, "Au": -2.0},
    ).store()
    found, text = published(potential, tmp_path)
    assert found == {
        "kind": "calculator",
        "calculator": "mace.calculators:MACECalculator",
        "arguments": {"device": "cpu"},
        "checkpoint": {
            "argument": "model_paths",
            "sha256": hashlib.sha256(b"weights of others").hexdigest(),
        },
        "dispersion": None,
        "elements": ["Cu", "Au"],
        "level_of_theory": "OMat24",
        "atom_energies_eV": {"Cu": -1.0, "Au": -2.0},
        "uuid": potential.uuid,
    }
    assert "mace.calculators:MACECalculator, weights with SHA-256" in text
    assert not list(tmp_path.rglob("checkpoint*"))


@pytest.mark.parametrize("kept", [True, False])
def test_without_weights(aiida_profile, tmp_path, kept) -> None:
    """There are none, or an archive has left their file out: the name has its hash."""
    weights = tmp_path / "w.pt"
    weights.write_bytes(b"weights")
    given = {} if kept else {"checkpoint": ("path", weights)}
    potential = PotentialData.from_calculator("a.b:C", ["Cu"], atom_energies={"Cu": 0.0}, **given)
    if not kept:
        potential.base.repository.delete_object(potential.file_names[1])
    found, _ = published(potential.store(), tmp_path)
    expected = hashlib.sha256(b"weights").hexdigest()[:16]
    assert found["checkpoint"] == (None if kept else {"argument": "path", "sha256": expected})
