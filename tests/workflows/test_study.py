"""The whole road, with a stand-in for nequip: what is learnt is not the point here."""

import json

import pytest
from aiida.engine import run_get_node
from aiida.orm import Dict, List

from aiida_nanoclusters.calculations.study import build_probes, motif_systematic
from aiida_nanoclusters.cli.report import write_report
from aiida_nanoclusters.workflows.protocol import load_protocol
from aiida_nanoclusters.workflows.study import StudyWorkChain, validate_probes

RECIPE = [
    {"kind": "atom"},
    {"kind": "cluster", "sizes": [13], "structures": 4, "sample": {"temperatures": [200, 300]}},
]
RELAX = [{"kind": "relax", "force_tolerance": 0.05, "max_steps": 200}]


@pytest.fixture
def study(stand_in, lmp_code, eam_potential, allegro_compiled, allegro_plugin):
    """A study as small as can be."""
    builder = StudyWorkChain.get_builder_from_protocol(
        lmp_code,
        stand_in(COMPILED=allegro_compiled),
        "Cu",
        reference=eam_potential,
        overrides={
            "probes": {
                "motifs": {"icosahedron": [55], "truncated octahedron": [38]},
                "unseen": [20],
            },
            "probe_stages": RELAX,
        },
    )  # fmt: skip
    builder.dataset.recipe = List(RECIPE)
    settings = load_protocol("dataset")["settings"]
    settings["fractions"] = [0.5, 0.25, 0.25]
    builder.dataset.settings = Dict(settings)
    builder.train.settings = Dict({**builder.train.settings.get_dict(), "alignment": None})
    builder.train.seeds = List([1, 2])
    builder.size_scan.sizes = List([12, 13, 14])
    builder.size_scan.settings = Dict(
        {"starts": 1, "keep": 1, "structures_per_job": 9, "stages": RELAX, "relax_stages": RELAX}
    )
    crossover = load_protocol(
        "crossover",
        "tutorial",
        {
            "settings": {
                "n_min": 13,
                "fit_from": 13,
                "n_max": 310,
                "shape": "best",
                "budget": 700,
                "mode_sizes": [],
            }
        },
    )["settings"]
    builder.crossover.settings = Dict({**crossover, "relax_stages": RELAX})
    return builder


def test_every_part_hands_on_what_it_found(study, tmp_path) -> None:
    _, node = run_get_node(study)
    outputs = node.outputs
    # Two members that are one and the same model: whatever they say, they agree.
    errors = outputs.train.errors
    members = errors["motif_difference"]["members"]
    assert members["seed_1"] == members["seed_2"]
    assert len(outputs.dataset.training) > len(outputs.dataset.test) > 0
    assert set(outputs.train.compiled) == {"seed_1", "seed_2"}
    assert outputs.reference_crossover.bulk["lattice_constant"] == pytest.approx(3.615, abs=1e-3)
    assert "310" in outputs.reference_crossover.answer["sentence"]
    assert list(outputs.size_scan.energies.get_array("sizes")) == [12, 13, 14]
    systematic = outputs.crossover.answer["systematic_mev"]
    assert systematic == pytest.approx(abs(members["seed_1"]["difference"]))
    # A model that has learnt nothing may leave clusters unrelaxed; that is told, not hidden.
    assert (
        node.is_finished_ok or "crossover" in node.exit_message or "size_scan" in node.exit_message
    )

    page = write_report(node, tmp_path / "deep" / "study.html").read_text()
    assert outputs.crossover.answer.uuid in page
    assert outputs.reference_crossover.answer.uuid in page


def test_probes_are_the_shapes_asked_for(aiida_profile) -> None:
    from aiida.orm import Str

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


@pytest.mark.parametrize("protocol", ["tutorial", "moderate", "liu2025"])
def test_protocols_name_existing_ones(protocol) -> None:
    values = load_protocol("study", protocol)
    for part in ("dataset", "train", "size_scan", "crossover"):
        assert json.dumps(load_protocol(part, values[part]))
