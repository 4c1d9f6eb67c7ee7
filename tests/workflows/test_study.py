"""Parts of the study; a whole one is the tutorial, measured in docs/topics/validation.md."""

import pytest
from aiida.orm import Dict, Str

from aiida_nanoclusters.calculations.study import build_compared_clusters, motif_systematic
from aiida_nanoclusters.science.stability.settings import StudySettings
from aiida_nanoclusters.workflows.labels.label import LabelWorkChain
from aiida_nanoclusters.workflows.parts.codes import JobCodes
from aiida_nanoclusters.workflows.parts.protocol import load_protocol, protocol_names
from aiida_nanoclusters.workflows.study import StudyWorkChain, validate_compared_sizes

SIZES = {"motifs": {"icosahedron": [55, 147], "truncated octahedron": [38]}, "extrapolation": [24]}


def test_compared_clusters_have_the_sizes_and_shapes(aiida_profile) -> None:
    built = build_compared_clusters(Str("Cu"), Dict(SIZES))
    assert list(built["motifs"].frames.sizes) == [55, 147, 38]
    assert list(built["motifs"].frames.config_types) == ["icosahedron"] * 2 + [
        "truncated octahedron"
    ]
    assert list(built["extrapolation"].frames.sizes) == [24]


def test_sizes_of_an_earlier_version(aiida_profile) -> None:
    """A recorded study names the extrapolation set otherwise; the clusters are the same."""
    former = Dict({"motifs": SIZES["motifs"], "unseen": SIZES["extrapolation"]})
    with pytest.warns(DeprecationWarning, match="`unseen` is called `extrapolation` now"):
        theirs = build_compared_clusters(Str("Cu"), former)
    ours = build_compared_clusters(Str("Cu"), Dict(SIZES))
    for name, node in ours.items():
        assert theirs[name].frames.content_hashes() == node.frames.content_hashes()
    builder = StudyWorkChain.get_builder()
    with pytest.warns(DeprecationWarning, match="`probes` of StudyWorkChain is called `compared"):
        builder.probes = former
    assert builder.compared_sizes.uuid == former.uuid
    with pytest.warns(DeprecationWarning, match="`probe_stages` is called `comparison_stages` now"):
        changed = StudySettings(**load_protocol("study"), probe_stages=[{"kind": "relax"}])
    assert changed.comparison_stages == [{"kind": "relax"}]


def test_systematic_error_is_the_root_mean_square(aiida_profile) -> None:
    members = {"a": {"difference": 3.0}, "b": {"difference": -4.0}}
    errors = Dict({"motif_difference": {"members": members}})
    assert motif_systematic(errors).value == pytest.approx((12.5) ** 0.5)


def test_sizes_without_a_closed_shell_are_refused(aiida_profile) -> None:
    def motifs(**sizes):
        return validate_compared_sizes(Dict({"motifs": sizes}), None)

    assert motifs(icosahedron=[147, 561]) is None
    assert "no closed shell of 148 atoms, but of ..., 13, 55, 147" in motifs(icosahedron=[148])
    assert "unknown motif" in motifs(cube=[27])
    wrong = validate_compared_sizes(Dict({"motif": {}}), None)
    assert "compared_sizes: unknown setting `motif`: did you mean `motifs`?" in wrong


@pytest.mark.parametrize("protocol", protocol_names("study"))
def test_protocols_name_existing_ones(protocol) -> None:
    values = load_protocol("study", protocol)
    for part in ("dataset", "train", "size_scan", "crossover"):
        assert values[part] in protocol_names(part)
    assert StudySettings.problem(values) is None
    assert values["reference_crossover"] in (None, *protocol_names("crossover"))
    assert load_protocol("dataset", values["dataset_by_engine"])["recipe"]


def test_first_principles_label_and_the_potential_only_samples(
    lmp_code, nequip_code, eam_potential, cp2k_code
) -> None:
    label = LabelWorkChain.engine_inputs("cp2k", cp2k_code, "gfn1-xtb")
    builder = StudyWorkChain.get_builder_from_protocol(
        JobCodes(lmp_code, nequip_code), "Cu", reference=eam_potential, label=label
    )
    inputs = builder._inputs(prune=True)
    dataset = inputs["dataset"]
    assert dataset["label"]["engine"].value == "cp2k" and "potential" not in dataset["label"]
    assert dataset["sampler"]["lammps"]["potential"].uuid == eam_potential.uuid
    assert max(n for item in dataset["recipe"] for n in item.get("sizes", [])) <= 55
    assert "reference" not in inputs


def test_the_reference_relaxes_the_compared_clusters(lmp_code, nequip_code, eam_potential) -> None:
    codes = JobCodes(lmp_code, nequip_code, max_concurrent=3)
    builder = StudyWorkChain.get_builder_from_protocol(
        codes, "Cu", reference=eam_potential, protocol="trial"
    )
    assert builder.compared_sizes["motifs"]["icosahedron"] == [147]
    assert builder.compared_sizes["extrapolation"] == [24]
    assert builder.reference.lammps.potential.uuid == eam_potential.uuid
    assert builder.reference.lammps.stages[0]["kind"] == "relax"
    assert builder.train["seeds"].get_list() == [1, 2]
    for part in (builder.dataset, builder.train, builder.size_scan):
        assert part["max_concurrent"].value == 3
    assert "reference_search" not in builder._inputs(prune=True)


def test_a_slow_reference_searches_less_far(lmp_code, nequip_code, eam_potential) -> None:
    builder = StudyWorkChain.get_builder_from_protocol(
        JobCodes(lmp_code, nequip_code), "Cu", reference=eam_potential, protocol="distilled"
    )
    assert builder.reference_search["n_max"] == 923
    assert builder.crossover.settings["n_max"] == 17885
