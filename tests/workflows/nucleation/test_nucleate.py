"""From given structures to a potential of their own and the free energy along variables by roles.

Nickel in a copper cluster stands in for a solution: everything runs but the molecules.
"""

import pytest
from aiida.engine import run_get_node
from aiida.orm import Dict, Int

from aiida_nanoclusters.cli.report.collect import collect
from aiida_nanoclusters.cli.report.command import render
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science import keys
from aiida_nanoclusters.workflows.nucleation.nucleate import NucleateWorkChain, validate_inputs
from aiida_nanoclusters.workflows.parts.codes import JobCodes
from tests.calculations.learning.test_train import tiny
from tests.workflows.conftest import BIAS

#: Of the first data set: as given, rattled and sampled.
RECIPE = [
    {"kind": "atom"},
    {"kind": "given", "distort": {"rattles": [0.05], "copies": 3}},
    {"kind": "given", "sample": {"temperatures": [300, 500]}},
]


def build(lammps, nequip, reference, frames, **overrides):
    hold = {"kind": "hold", "temperature": 300, "duration": 0.1, "timestep": 0.002}
    own = {
        "equilibration": [{"kind": "relax", "force_tolerance": 0.05, "max_steps": 50}],
        "biased": {"structures": [0], "changes": {"duration": 0.2}},
        "analysis": None,
        **overrides,
    }
    loop = {"budget": 4, "per_round": 4, "members": 2, "max_rounds": 1, "failed_above": 1e6}
    parts = {
        "dataset": {
            "recipe": RECIPE,
            "settings": {"sample_stages": [{**hold, "sample_every": 0.05}]},
        },
        "active_learning": {
            "settings": {"loop": loop},
            "explore": {"settings": {"sample_stages": [{**hold, "sample_every": 0.02}]}},
        },
        "metadynamics": {"settings": {**BIAS, "walls": [], "coordination_walls": []}},
    }
    builder = NucleateWorkChain.get_builder_from_protocol(
        JobCodes(lammps, nequip),
        frames,
        reference=reference,
        protocol="trial",
        overrides=own,
        part_overrides=parts,
    )
    builder.active_learning.train_settings = tiny()
    del builder.active_learning["warm_settings"]
    return builder


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_all_parts(lmp_code, nequip_code, allegro_plugin, cuni_potential, doped) -> None:
    builder = build(lmp_code, nequip_code, cuni_potential, doped)
    builder.seed = Int(5)
    node = run_get_node(builder)[1]
    assert node.is_finished_ok, node.exit_message
    outputs = node.outputs
    assert len(outputs.equilibrated) == 2
    assert outputs.dataset.training.elements == ["Cu", "Ni"]
    # What was labelled in the round joined the frames of the first data set.
    grown = set(outputs.active_learning.training.frames.content_hashes())
    assert set(outputs.dataset.training.frames.content_hashes()) < grown
    (loop,) = (c for c in node.called if c.process_label == "ActiveLearningWorkChain")
    explored = [
        c for c in loop.called_descendants if c.process_label == "MetadynamicsBaseWorkChain"
    ]
    assert len(explored) == 1
    assert explored[0].inputs.lammps.bias["duration"] == 0.2
    # The production begins with the equilibrated structure, by the first member of the last
    # committee.
    (driven,) = (c for c in node.called if c.process_label == "MetadynamicsWorkChain")
    compiled = dict(outputs.active_learning.compiled)
    assert driven.inputs.lammps.potential.uuid == compiled[min(compiled)].uuid
    hashes = outputs.equilibrated.frames.content_hashes()
    assert driven.inputs.frames.frames.content_hashes() == [hashes[0]]
    hills = outputs.metadynamics.bias.run_000.get_array(keys.HILL_HEIGHTS)
    assert len(hills) == 8
    assert outputs.metadynamics.free_energy.base.attributes.get("names") == ["neighbours"]
    page = render(collect(node))
    for section in ('id="metadynamics"', 'id="rounds"', 'id="dataset"'):
        assert section in page


def test_what_does_not_fit_is_said_first(lmp_code, nequip_code, cuni_potential, doped) -> None:
    def problem(frames=doped, **changed):
        builder = build(lmp_code, nequip_code, cuni_potential, frames)
        inputs = builder._inputs(prune=True)
        return validate_inputs({**inputs, **changed}, None)

    assert problem() is None
    settings = build(lmp_code, nequip_code, cuni_potential, doped).settings.get_dict()
    assert "there is no structure 2" in problem(settings=Dict({**settings, "start": 2}))
    mixed = FramesData([doped.frames[0], doped.frames[0][1:]])
    assert "structures of one composition" in problem(solution=mixed)
    far = {**BIAS, "walls": [{**BIAS["collective_variables"][0], "name": "far", "lower": 30.0}]}
    given = build(lmp_code, nequip_code, cuni_potential, doped)._inputs(prune=True)
    walled = {**given["metadynamics"], "settings": Dict(far)}
    assert "its walls allow 30 to inf" in problem(metadynamics=walled)
    copper = FramesData([atoms[atoms.symbols == "Cu"] for atoms in doped.frames])
    assert "holds Cu alone" in problem(solution=copper)
    silver = doped.frames[0]
    silver.symbols[silver.symbols == "Ni"] = "Ag"
    assert "no atom is `Ni`" in problem(solution=FramesData([silver]))
    with pytest.raises(ValueError, match="structures"):
        build(lmp_code, nequip_code, cuni_potential, doped, biased={"structures": [-1]})
