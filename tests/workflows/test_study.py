"""Parts of the study; the whole road is the tutorial, which docs/topics/validation.md measures."""

import json

import pytest
from aiida.orm import Dict, Str

from aiida_nanoclusters.calculations.study import build_probes, motif_systematic
from aiida_nanoclusters.workflows.label import LabelWorkChain
from aiida_nanoclusters.workflows.protocol import load_protocol
from aiida_nanoclusters.workflows.study import StudyWorkChain, validate_probes


def test_probes_are_the_shapes_asked_for(aiida_profile) -> None:
    probes = Dict({"motifs": {"icosahedron": [55, 147], "truncated octahedron": [38]},
                   "unseen": [24]})  # fmt: skip
    built = build_probes(Str("Cu"), probes)
    assert list(built["motifs"].frames.sizes) == [55, 147, 38]
    assert list(built["motifs"].frames.config_types) == ["icosahedron"] * 2 + [
        "truncated octahedron"
    ]
    assert list(built["unseen"].frames.sizes) == [24]


def test_systematic_error_is_the_root_mean_square(aiida_profile) -> None:
    members = {"a": {"difference": 3.0}, "b": {"difference": -4.0}}
    errors = Dict({"motif_difference": {"members": members}})
    assert motif_systematic(errors).value == pytest.approx((12.5) ** 0.5)


def test_probes_are_checked(aiida_profile) -> None:
    assert "exactly" in validate_probes(Dict({"motifs": {}}), None)

    def motifs(**sizes):
        return validate_probes(Dict({"motifs": sizes, "unseen": []}), None)

    assert motifs(icosahedron=[147, 561]) is None
    assert "no closed shell of 148 atoms, but of ..., 13, 55, 147" in motifs(icosahedron=[148])
    assert "unknown motif" in motifs(cube=[27])


@pytest.mark.parametrize("protocol", ["trial", "tutorial", "moderate", "liu2025"])
def test_protocols_name_existing_ones(protocol) -> None:
    values = load_protocol("study", protocol)
    for part in ("dataset", "train", "size_scan", "crossover"):
        assert json.dumps(load_protocol(part, values[part]))
    assert validate_probes(Dict(values["probes"]), None) is None
    assert load_protocol("dataset", values["dataset_by_engine"])["recipe"]


def test_first_principles_label_and_the_potential_only_samples(
    lmp_code, nequip_code, eam_potential, cp2k_code
) -> None:
    label = LabelWorkChain.engine_inputs("cp2k", cp2k_code, "gfn1-xtb")
    builder = StudyWorkChain.get_builder_from_protocol(
        lmp_code, nequip_code, "Cu", reference=eam_potential, label=label
    )
    inputs = builder._inputs(prune=True)
    dataset = inputs["dataset"]
    assert dataset["label"]["engine"].value == "cp2k" and "potential" not in dataset["label"]
    assert dataset["sampler"]["lammps"]["potential"].uuid == eam_potential.uuid
    assert max(n for item in dataset["recipe"] for n in item.get("sizes", [])) <= 55
    assert "reference" not in inputs
