import numpy as np
import pytest
from aiida.engine import run_get_node
from aiida.orm import Dict, Float, Int, List, Str
from ase.calculators.emt import EMT

from aiida_nanoclusters.calculations.learning.dataset import (
    build_recipe,
    split_dataset,
    vary_structures,
)
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science import keys
from aiida_nanoclusters.science.compositions import composition_of, parse_composition
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.learning.dataset_settings import DatasetSettings
from aiida_nanoclusters.science.structures.motifs import mackay_icosahedron
from aiida_nanoclusters.workflows.learning.dataset import (
    DatasetWorkChain,
    validate_inputs,
)
from aiida_nanoclusters.workflows.learning.recipe import validate_recipe
from aiida_nanoclusters.workflows.parts.protocol import load_protocol
from aiida_nanoclusters.workflows.parts.validators import settings_validator
from tests.workflows.conftest import BIAS

validate_settings = settings_validator(DatasetSettings)


RECIPE = [
    {"kind": "atom"},
    {"kind": "dimer", "nearest": 0.9, "farthest": 1.8, "count": 6},
    {
        "kind": "motif",
        "motif": "icosahedron",
        "sizes": [13],
        "relax": True,
        "distort": {"rattles": [0.05], "copies": 2},
    },
    {"kind": "cluster", "sizes": [13, 14], "structures": 6, "sample": {"temperatures": [300, 600]}},
]


def dataset(lmp_code, eam_potential, **overrides):
    builder = DatasetWorkChain.get_builder_from_protocol(
        lmp_code, "Cu", eam_potential, overrides={"recipe": RECIPE, **overrides}
    )
    return run_get_node(builder)[1]


def test_recipe_is_built_sampled_labelled_and_split(lmp_code, eam_potential) -> None:
    node = dataset(lmp_code, eam_potential)
    assert node.is_finished_ok, node.exit_message
    parts = [node.outputs[name].frames for name in ("training", "validation", "test")]
    whole: Frames = node.outputs.frames.frames
    assert sum(map(len, parts)) <= len(whole)
    for k, part in enumerate(parts):
        assert part.labelled.all()
        assert part.atom_energies == {"Cu": 0.0}
        for other in parts[:k]:
            assert not set(part.parents) & set(other.parents)
    # Single atoms and the dimer curve, which is one trajectory, are in the training set.
    assert {"atom", "dimer", "icosahedron"} <= set(parts[0].config_types)
    sampled = whole.select(whole.config_types == "cluster")
    assert set(sampled.sizes) == {13, 14}
    assert {p.rsplit(" ", 2)[1] for p in sampled.parents} == {"300", "600"}
    assert np.isfinite(sampled.energies).all()

    again = dataset(lmp_code, eam_potential)
    assert again.outputs.frames.frames.content_hashes() == whole.content_hashes()


def test_an_alloy_from_recipe_to_sets(lmp_code, cuni_potential) -> None:
    """Both metals alone and mixed, labelled; minima by composition."""
    recipe = [
        {"kind": "atom"},
        {"kind": "dimer", "nearest": 0.9, "farthest": 1.8, "count": 4},
        {"kind": "motif", "motif": "icosahedron", "sizes": [13], "relax": True, "mixtures": 2},
        {"kind": "cluster", "sizes": [13], "structures": 1, "mixtures": 1,
         "sample": {"temperatures": ["0.3 Tm"]}},
        {"kind": "minima", "sizes": [6], "mixtures": 1},
    ]  # fmt: skip
    builder = DatasetWorkChain.get_builder_from_protocol(
        lmp_code,
        ["Ni", "Cu"],
        cuni_potential,
        overrides={"recipe": recipe, "basin_hopping": "trial"},
    )
    node = run_get_node(builder)[1]
    assert node.is_finished_ok, node.exit_message
    whole = node.outputs.frames.frames
    assert whole.labelled.all() and set(whole.atom_energies) == {"Cu", "Ni"}
    formulas = [composition_of(atoms) for atoms in whole]
    assert {"Cu", "Ni", "Cu2", "Ni2", "CuNi", "Cu13", "Ni13"} <= set(formulas)
    mixed = {f for f in formulas if set(parse_composition(f)) == {"Cu", "Ni"}}
    assert {sum(parse_composition(f).values()) for f in mixed} >= {2, 6, 13}
    assert node.outputs.training.elements == ["Cu", "Ni"]


def test_given_structures_are_sampled_and_biased(lmp_code, cuni_potential, doped) -> None:
    recipe = [
        {"kind": "atom"},
        {"kind": "given", "frames": [1], "relax": True, "distort": {"rattles": [0.05]}},
        {"kind": "given", "sample": {"temperatures": [300]}},
        {"kind": "given", "frames": [0], "metadynamics": BIAS},
    ]
    builder = DatasetWorkChain.get_builder_from_protocol(
        lmp_code, ["Cu", "Ni"], cuni_potential, overrides={"recipe": recipe}
    )
    builder.structures = doped
    node = run_get_node(builder)[1]
    assert node.is_finished_ok, node.exit_message
    frames = node.outputs.frames.frames
    assert {composition_of(atoms) for atoms in frames} == {"Cu", "Ni", "Cu12Ni"}
    origins = {str(parent) for parent in frames.parents}
    assert {f"02-given-13-00{k} 300 K" for k in (0, 1)} <= origins
    assert "03-given-13-000 biased" in origins
    (biased,) = (c for c in node.called if c.process_label == "MetadynamicsBaseWorkChain")
    assert len(biased.outputs.bias.get_array(keys.HILL_HEIGHTS)) == 8
    assert sum(parent.endswith("biased") for parent in frames.parents) == 4


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"kind": "given", "frames": [2]}, "takes structure 2: there are 2"),
        ({"kind": "given", "metadynamics": {**BIAS, "pace": -1}}, "pace"),
        ({"kind": "given", "metadynamics": {**BIAS, "runs": 2}}, "write the entry twice"),
        (
            {
                "kind": "given",
                "metadynamics": {
                    **BIAS,
                    "collective_variables": [
                        {
                            "name": "d",
                            "width": 0.1,
                            "terms": [{"kind": "distance", "groups": [["Ni"], ["S"]]}],
                        }
                    ],
                },
            },
            "no atom is `S`",
        ),
        ({"kind": "given", "distort": {"rattles": [0.1]}, "sample": {"temperatures": [300]}}, "or"),
        ({"kind": "motif", "motif": "icosahedron", "sizes": [13]}, "no entry of kind `given`"),
    ],
)
def test_given_structures_that_do_not_fit(lmp_code, cuni_potential, doped, entry, message) -> None:
    def problem():
        builder = DatasetWorkChain.get_builder_from_protocol(
            lmp_code, ["Cu", "Ni"], cuni_potential, overrides={"recipe": [entry]}
        )
        builder.structures = doped
        return validate_inputs(builder._inputs(prune=True), DatasetWorkChain.spec().inputs)

    try:
        found = problem()
    except ValueError as error:  # at the port of the recipe
        found = str(error)
    assert message in found


def test_elements_without_bond_length_are_given(lmp_code, cuni_potential, doped) -> None:
    inputs = {
        "elements": List(["Ag", "S"]),
        "recipe": List([{"kind": "motif", "motif": "icosahedron", "sizes": [13]}]),
        "settings": Dict({}),
        **{"sampler": {}, "label": {}},
    }
    spec = DatasetWorkChain.spec().inputs
    assert "needs the bond length of S" in validate_inputs(inputs, spec)
    inputs["recipe"] = List([{"kind": "given"}])
    assert "give `structures`" in validate_inputs(inputs, spec)
    assert "`structures` hold Cu, Ni" in validate_inputs({**inputs, "structures": doped}, spec)


def test_elements_are_one_or_several(lmp_code, cuni_potential) -> None:
    def problem(**given):
        inputs = {"recipe": List([{"kind": "atom"}]), "settings": Dict({}), **given}
        return validate_inputs({**inputs, "sampler": {}, "label": {}}, None)

    assert "give either `element`" in problem()
    assert "give either `element`" in problem(element=Str("Cu"), elements=List(["Cu", "Ni"]))
    builder = DatasetWorkChain.get_builder()
    for wrong in (["Cu"], ["Cu", "Cu"], ["Cu", "Xx"]):
        with pytest.raises(ValueError, match=r"elements|Xx"):
            builder.elements = List(wrong)


def test_where_all_sampling_failed(code_on, eam_potential) -> None:
    """Each failed run is reported, and the exit message names the reason."""
    sampled = {"kind": "cluster", "sizes": [13], "structures": 1, "sample": {"temperatures": [300]}}
    builder = DatasetWorkChain.get_builder_from_protocol(
        code_on("false", "/bin/false"), "Cu", eam_potential, overrides={"recipe": [sampled]}
    )
    _, node = run_get_node(builder)
    assert node.exit_status == DatasetWorkChain.exit_codes.ERROR_NO_FRAMES.status
    assert "Nothing was sampled: no run kept a frame" in node.exit_message


def test_own_labels_are_checked_and_split(lmp_code) -> None:
    rng = np.random.default_rng(1)
    images = []
    for _ in range(30):
        atoms = mackay_icosahedron("Cu", 1, 2.5)
        atoms.positions += rng.normal(scale=0.1, size=(13, 3))
        atoms.info["config_type"] = "own"
        atoms.calc = EMT()
        atoms.get_forces()
        images.append(atoms)
    own = FramesData(Frames.from_atoms(images, level_of_theory="EMT", atom_energies={"Cu": 3.51}))
    builder = DatasetWorkChain.get_builder_from_protocol(lmp_code, "Cu", labelled=own)
    _, node = run_get_node(builder)
    assert node.is_finished_ok, node.exit_message
    assert [len(node.outputs[n]) for n in ("training", "validation", "test")] == [24, 3, 3]
    assert node.outputs.frames.uuid == own.uuid
    assert not node.called_descendants[1:]  # the split alone


def test_too_few_trajectories_are_reported(lmp_code) -> None:
    atoms = mackay_icosahedron("Cu", 1, 2.5)
    atoms.calc = EMT()
    atoms.get_forces()
    own = FramesData(Frames.from_atoms([atoms], level_of_theory="EMT", atom_energies={"Cu": 3.51}))
    builder = DatasetWorkChain.get_builder_from_protocol(lmp_code, "Cu", labelled=own)
    _, node = run_get_node(builder)
    assert node.exit_status == 402
    assert "sample more trajectories" in node.exit_message


def test_frames_beyond_the_largest_force_are_left_out(aiida_profile) -> None:
    from aiida.orm import Float, Int

    images = []
    for k in range(20):
        atoms = mackay_icosahedron("Cu", 1, 2.5 - 0.03 * k)
        atoms.calc = EMT()
        atoms.get_forces()
        images.append(atoms)
    frames = Frames.from_atoms(images, level_of_theory="EMT", atom_energies={"Cu": 3.51})
    limit = 4.0
    parts = split_dataset(FramesData(frames), List([0.6, 0.2, 0.2]), Int(1), Float(limit))
    kept = [np.linalg.norm(a.get_forces(), axis=1).max() for p in parts.values() for a in p.frames]
    largest = [np.linalg.norm(a.get_forces(), axis=1).max() for a in frames]
    assert max(kept) <= limit < max(largest)
    assert len(kept) == sum(force <= limit for force in largest)


@pytest.mark.parametrize("protocol", ["trial", "tutorial", "liu2025"])
def test_every_protocol_is_valid(aiida_profile, protocol) -> None:
    values = load_protocol("dataset", protocol, element="Cu")
    assert validate_settings(Dict(values["settings"]), None) is None
    assert validate_recipe(List(values["recipe"]), None) is None


def test_what_is_missing_is_named(aiida_profile) -> None:
    assert "sampler, label missing" in validate_inputs({"recipe": List(RECIPE)}, None)
    assert "`total` is missing: give Largest number of frames" in validate_settings(
        Dict(
            {
                k: v
                for k, v in load_protocol("dataset", element="Cu")["settings"].items()
                if k != "total"
            }
        ),
        None,
    )


def test_sampled_by_first_principles(cp2k_code) -> None:
    """What the engine sampled has its labels; only what it did not go through takes a job."""
    from aiida_nanoclusters.workflows.labels.label import LabelWorkChain

    recipe = [
        {"kind": "dimer", "nearest": 0.9, "farthest": 1.5, "count": 4},
        {"kind": "cluster", "sizes": [3, 4], "structures": 2, "sample": {"temperatures": [300]}},
    ]
    hold = {"kind": "hold", "temperature": 300, "duration": 0.02, "timestep": 0.002}
    engine = LabelWorkChain.engine_inputs("cp2k", cp2k_code, "gfn1-xtb")
    builder = DatasetWorkChain.get_builder_from_protocol(
        cp2k_code,
        "Cu",
        overrides={
            "recipe": recipe,
            "settings": {"sample_stages": [{**hold, "sample_every": 0.01}], "max_force": 1e3},
        },
        label=engine,
        stages=engine,
    )
    node = run_get_node(builder)[1]
    assert node.is_finished_ok, node.exit_message
    frames = node.outputs.frames.frames
    assert sorted(frames.sizes) == [2] * 4 + [3] * 4 + [4] * 4 and frames.labelled.all()
    assert set(frames.atom_energies) == {"Cu"}
    assert node.outputs.report["n_known"] == 8


@pytest.mark.slow
def test_minima_are_searched_and_their_relaxations_labelled(lmp_code, eam_potential) -> None:
    """The lowest of each size starts dynamics; what lay on the way is labelled like all else."""
    recipe = [
        {"kind": "atom"},
        {"kind": "dimer", "nearest": 0.9, "farthest": 1.8, "count": 6},
        {"kind": "bulk", "lattices": ["fcc"], "repeat": 2,
         "sample": {"temperatures": ["0.2 Tm"], "pressures": [0, 5]}},
        {"kind": "minima", "sizes": [7, 8], "structures": 1, "sample": {"temperatures": [300]}},
    ]  # fmt: skip
    node = dataset(lmp_code, eam_potential, recipe=recipe, basin_hopping="trial")
    assert node.is_finished_ok, node.exit_message
    frames = node.outputs.frames.frames
    sampled = {str(p) for p in frames.parents[frames.config_types == "cluster"]}
    assert {p[: len("03-minimum-7")] for p in sampled} == {"03-minimum-7", "03-minimum-8"}
    assert all(p.endswith(" 300 K") for p in sampled)
    relaxations = frames.select(frames.config_types == "minimum")
    assert set(relaxations.sizes) == {7, 8} and relaxations.labelled.all()
    crystals = frames.config_types == "bulk"
    parents = {str(p) for p in frames.parents[crystals]}
    assert {p.split(" ", 1)[1] for p in parents} == {"272 K 0 GPa", "272 K 5 GPa"}
    volumes = np.abs(np.linalg.det(frames.cells))
    pressed = np.array([str(p).endswith("5 GPa") for p in frames.parents])
    assert volumes[crystals & pressed].mean() < 0.99 * volumes[crystals & ~pressed].mean()


def test_minima_need_the_settings_of_a_basin_hopping(aiida_profile) -> None:
    settings = load_protocol("dataset", "trial", element="Cu")["settings"]
    inputs = {
        "element": Str("Cu"),
        "recipe": List([{"kind": "minima", "sizes": [7]}]),
        "settings": Dict(settings),
    }
    given = {**inputs, "sampler": {}, "label": {}}
    assert "give `basin_hopping`" in validate_inputs(given, None)
    crystal = {"kind": "bulk", "lattices": ["fcc"], "repeat": 1}
    pressed = {**crystal, "sample": {"temperatures": [300], "pressures": [0, 5]}}
    by_engine = {
        **inputs,
        "recipe": List([pressed]),
        "label": {},
        "stages": {"engine": Str("cp2k")},
    }
    assert "sample at constant cell" in validate_inputs(by_engine, None)
    assert validate_inputs({**by_engine, "stages": {}}, None) is None
    wrong = Dict({**settings, "basin_hopping": {"walkers": 2}})
    assert validate_settings(wrong, None).startswith("settings: `basin_hopping.")
    sizeless = validate_recipe(List([{"kind": "minima"}]), None)
    assert "`sizes` is missing: give Sizes of the clusters (atoms)" in sizeless
    unsampled = {**crystal, "convergence_test": True}
    assert "convergence-test structure is sampled" in validate_recipe(List([unsampled]), None)


def test_minima_that_were_not_found_are_left_out(aiida_profile) -> None:
    recipe = List([{"kind": "atom"}, {"kind": "minima", "sizes": [7]}])
    built = build_recipe(recipe, Str("Cu"), Float(2.55), Int(1))
    varied = vary_structures(recipe, Int(1), **built)
    assert list(varied["static"].frames.sizes) == [1]
