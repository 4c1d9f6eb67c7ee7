"""Labels chosen by active learning against as many drawn at random, round by round.

verdi run benchmarks/active_learning.py --element Cu --potential-file Cu_mishin1.eam.alloy \
    --seeds 1-6 --picture active_learning.png

All arms begin with the same 190 frames of small clusters and crystals and the same committee,
explore the same recipe, each with its own committee, and request the same number of labels. They
differ in the frames that are labelled: of the uncertain ones those that represent the others
(``chosen``), the farthest points or a random sample, or a random sample of all candidates. Labels
with a force above 40 eV/Å are computed but not learnt. The errors are those on clusters of 55, 147
and 309 atoms from molecular dynamics by the reference, none of which is ever learnt. The profile's
caching reuses what an arm has in common with the one before.
"""

import hashlib
import json
import time

import click
from aiida.engine import run_get_node, submit
from aiida.orm import Int, QueryBuilder, WorkChainNode, load_node

from aiida_nanoclusters.cli.launch import options as cli
from aiida_nanoclusters.cli.launch.resources import options_of
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.science.elements import element as element_data
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.structures.starts import starting_clusters
from aiida_nanoclusters.workflows.learning.active_learning import ActiveLearningWorkChain
from aiida_nanoclusters.workflows.learning.dataset import DatasetWorkChain
from aiida_nanoclusters.workflows.parts.codes import JobCodes
from aiida_nanoclusters.workflows.sampling.stages import StagesWorkChain

START = [
    {"kind": "atom"},
    {"kind": "dimer", "nearest": 0.65, "farthest": 1.6, "count": 10},
    {"kind": "cluster", "sizes": [8, 10, 13], "structures": 6,
     "sample": {"temperatures": ["0.2 Tm"]}},
    {"kind": "bulk", "lattices": ["fcc"], "repeat": 1,
     "distort": {"strains": [-0.08, -0.04, 0.04], "rattles": [0.05], "copies": 4}},
]  # fmt: skip
#: The published temperatures of clusters and of crystals, K; of the pressures their ends, GPa.
CLUSTERS = [50, 100, 200, 300, 500, 700, 900, 1200, 1500]
CRYSTALS = [*CLUSTERS, 2000, 2500, 3000]
EXPLORED = [
    {"kind": "minima", "sizes": [10, 13, 19], "structures": 3,
     "sample": {"temperatures": CLUSTERS}},
    {"kind": "cluster", "sizes": [26, 38], "structures": 3, "sample": {"temperatures": CLUSTERS}},
    {"kind": "bulk", "lattices": ["fcc", "bcc", "hcp"], "repeat": 2,
     "sample": {"temperatures": CRYSTALS, "pressures": [0, 5]}},
    {"kind": "slab", "facets": [111, 100, 110], "layers": 4, "repeat": 2, "vacuum": 12.0,
     "sample": {"temperatures": CRYSTALS}},
    {"kind": "motif", "motif": "icosahedron", "sizes": [147], "convergence_test": True,
     "sample": {"temperatures": [300, 1200]}},
]  # fmt: skip
EXTRAPOLATION = (55, 147, 309)
HOLD = {"kind": "hold", "timestep": 0.004}
#: A model of half of the tutorial's features learns in a minute; forces are compared, so
#: energies are not aligned.
LEARNT = {
    "model": {"num_scalar_features": 16, "num_tensor_features": 4, "two_body_mlp_width": 16,
              "allegro_mlp_width": 16},
    "alignment": None,
}  # fmt: skip
#: How frames are chosen: the first three among candidates, the last among all frames.
ARMS = {
    "chosen": {},
    "farthest": {"by": "farthest"},
    "random uncertain": {"by": "random"},
    "random": {"by": "random", "classes": ["accurate", "candidate", "failed"]},
}


def first_labels(code, element, reference, options):
    """Some 200 frames of what is small, split into training, validation and test."""
    stages = [{**HOLD, "temperature": 300, "duration": 2.0, "sample_every": 0.2}]
    overrides = {
        "recipe": START,
        "settings": {"total": 250, "max_force": 40.0, "sample_stages": stages},
    }
    node = run_get_node(
        DatasetWorkChain.get_builder_from_protocol(
            code, element, reference, protocol="trial", overrides=overrides, options=options
        )
    )[1]
    return {name: node.outputs[name] for name in ("training", "validation", "test")}


def large_clusters(code, element, reference, options):
    """Frames of large clusters, solid and molten, labelled by the reference."""
    distance = element_data(element).nearest_neighbour
    starts = [a for n in EXTRAPOLATION for a in starting_clusters(element, n, distance, n, 2)]
    stages = [{**HOLD, "temperature": t, "duration": 2.0, "sample_every": 1.0} for t in CLUSTERS]
    node = run_get_node(
        StagesWorkChain.get_builder_for_potential(
            code, FramesData(Frames.from_atoms(starts)), stages, reference, options
        )
    )[1]
    return node.outputs.trajectory


@click.command()
@cli.element_option
@cli.potential_options
@click.option("--seeds", default="1-3", show_default=True)
@click.option("--rounds", default=3, show_default=True)
@click.option("--per-round", default=30, show_default=True, help="Labels a round.")
@click.option("--members", default=3, show_default=True)
@click.option("--epochs", default=60, show_default=True, help="Of the first committee.")
@click.option("--warm-epochs", default=40, show_default=True, help="Of every later one.")
@click.option(
    "--accurate-below", default=0.1, show_default=True, help="Force deviation (eV/Å), see `run`."
)
@click.option(
    "--failed-above", default=1.0, show_default=True, help="Force deviation (eV/Å), see `run`."
)
@click.option(
    "--arm",
    "arms",
    multiple=True,
    type=click.Choice(list(ARMS)),
    default=("chosen", "random uncertain", "random"),
    show_default=True,
)
@click.option("--at-once", default=2, show_default=True, help="Loops that run at once.")
@click.option("--picture", default="active_learning.png", show_default=True)
@cli.lammps_option
@cli.nequip_option
def main(element, potential, seeds, rounds, per_round, members, epochs, warm_epochs,
         accurate_below, failed_above, arms, at_once, picture, lammps, nequip):  # fmt: skip
    reference = potential.one()
    lammps, nequip = cli.get_code(lammps), cli.get_code(nequip)
    options = options_of(lammps)
    codes = JobCodes(lammps, nequip, options, options_of(nequip), max(1, 2 // at_once))
    # One arm after the other: at the same time both would compute what they have in common.
    order = [(arm, seed) for arm in arms for seed in cli.parse_sizes(seeds)]
    loop = {
        **{"budget": rounds * per_round, "per_round": per_round, "max_rounds": rounds},
        **{"members": members, "accurate_below": accurate_below, "failed_above": failed_above},
    }
    sampling = [{**HOLD, "temperature": 300, "duration": 2.0, "sample_every": 0.2}]
    overrides = {
        "train": {**LEARNT, "training": {"epochs": epochs}},
        "warm": {**LEARNT, "protocol": "tutorial_warm", "training": {"epochs": warm_epochs}},
        "settings": {"loop": loop},
        "explore": {
            "recipe": EXPLORED,
            "settings": {"total": 2000, "sample_stages": sampling},
        },
    }
    given = [element, reference.level_of_theory, START, EXTRAPOLATION, CLUSTERS, overrides]
    running = {key: pk for key in order if (pk := known(given, *key)) is not None}
    if running:  # a benchmark that was killed continues
        earlier = load_node(min(running.values())).inputs
        sets = {name: earlier[name] for name in cli.SETS}
        extrapolation = earlier.extrapolation
    else:
        sets = first_labels(lammps, element, reference, options)
        extrapolation = large_clusters(lammps, element, reference, options)
    print(
        {name: len(frames) for name, frames in {**sets, "extrapolation": extrapolation}.items()},
        flush=True,
    )

    def build(seed, arm):
        builder = ActiveLearningWorkChain.get_builder_from_protocol(
            codes,
            element,
            **sets,
            reference=reference,
            protocol="tutorial",
            overrides={**overrides, "settings": {"loop": loop, "choice": ARMS[arm]}},
        )
        builder.seed, builder.extrapolation = Int(seed), extrapolation
        builder.metadata.label = name_of(given, arm, seed)
        return builder

    waiting = [key for key in order if key not in running]
    done, start = {}, time.monotonic()
    while waiting or running:
        while waiting and len(running) < at_once:
            arm, seed = waiting.pop(0)
            running[arm, seed] = submit(build(seed, arm)).pk
        time.sleep(5)
        for key, pk in list(running.items()):
            node = load_node(pk)
            if node.is_terminated:
                done[key] = node
                del running[key]
                minutes = (time.monotonic() - start) / 60
                print(f"{minutes:6.1f} min", *key, node.uuid, node.exit_status, flush=True)
                if "history" in node.outputs:
                    show(*key, node)
    compare(done)
    draw(done, picture)


def name_of(given, arm, seed):
    """Label of a loop: all its settings. Loops of an earlier version of the package look alike."""
    digest = hashlib.sha256(json.dumps([given, ARMS[arm]], sort_keys=True).encode()).hexdigest()
    return f"benchmarks/active_learning {digest[:8]} {arm} {seed}"


def known(given, arm, seed):
    """Number of the loop that an earlier run of this benchmark has begun, if any."""
    filters = {
        "label": name_of(given, arm, seed),
        "attributes.process_state": {"!in": ["excepted", "killed"]},
    }
    query = QueryBuilder().append(WorkChainNode, filters=filters, project="id")
    return query.order_by({WorkChainNode: {"ctime": "desc"}}).first(flat=True)


def curve(history, size=None, quantity="forces_rmse"):
    """Labels and error on the extrapolation set after each round."""
    rows = [row for row in history["rows"] if "errors" in row]
    found = [row["errors"]["extrapolation"] for row in rows]
    values = [f["overall"] if size is None else f["by_size"][str(size)] for f in found]
    return [row["labels"] for row in rows], [value[quantity] for value in values]


def show(arm, seed, node):
    history = node.outputs.history
    labels, forces = curve(history)
    energies = curve(history, quantity="energy_rmse")[1]
    for n, e, f in zip(labels, energies, forces, strict=True):
        print(f"  {arm} seed {seed}: {n:4} labels {e:7.2f} meV/atom {f:7.1f} meV/Å", flush=True)
    begun = sum(len(node.inputs[name]) for name in ("training", "validation"))
    learnt = sum(len(node.outputs[name]) for name in ("training", "validation")) - begun
    print(f"  {history['reason']}; {learnt} learnt", flush=True)


def compare(done):
    """Print errors of each arm, mean and range over the seeds, and its ratios to `chosen`."""
    histories = {
        key: node.outputs.history for key, node in done.items() if "history" in node.outputs
    }
    for quantity, unit in (("forces_rmse", "meV/Å"), ("energy_rmse", "meV/atom")):
        for size in (None, *EXTRAPOLATION):
            print(f"{'all sizes' if size is None else size}, {unit}")
            for count, arms in sorted(by_labels(histories, size, quantity).items()):
                texts = [
                    summary(arm, errors, arms.get("chosen", {})) for arm, errors in arms.items()
                ]
                print(f"  {count:4} labels: {'; '.join(texts)}")


def by_labels(histories, size, quantity):
    """Errors by number of labels, arm and seed."""
    errors = {}
    for (arm, seed), history in histories.items():
        for count, error in zip(*curve(history, size, quantity), strict=True):
            errors.setdefault(count, {}).setdefault(arm, {})[seed] = error
    return errors


def summary(arm, errors, chosen):
    """Mean and range of an arm's errors by seed, and how many times those of `chosen`."""
    values = list(errors.values())
    text = f"{arm} {sum(values) / len(values):.1f} ({min(values):.1f}-{max(values):.1f})"
    ratios = [f"{errors[seed] / chosen[seed]:.2f}" for seed in sorted(errors.keys() & chosen)]
    return text if arm == "chosen" or not ratios else f"{text} x {' '.join(ratios)}"


def draw(done, picture):
    import matplotlib
    import numpy as np

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, len(EXTRAPOLATION), figsize=(10, 3.4), sharey=True)
    colours = dict(zip(ARMS, ("#1f6fb4", "#8e6bb4", "#6b8e23", "#c1443c"), strict=True))
    for axis, size in zip(axes, EXTRAPOLATION, strict=True):
        for arm, colour in colours.items():
            own = [node for (name, _), node in done.items() if name == arm]
            curves = [curve(n.outputs.history, size) for n in own if "history" in n.outputs]
            if not curves:
                continue
            for labels, errors in curves:
                axis.plot(labels, errors, ".-", color=colour, alpha=0.4, lw=1)
            # A loop that finds fewer uncertain frames requests fewer labels.
            shared = sorted(set.intersection(*(set(labels) for labels, _ in curves)))
            mean = [np.mean([e[n.index(count)] for n, e in curves]) for count in shared]
            axis.plot(shared, mean, "o-", color=colour, lw=2, label=arm)
        axis.set_title(f"{size} atoms")
        axis.set_xlabel("labels added")
    axes[0].set_ylabel("force error, extrapolation set (meV/Å)")
    axes[0].set_ylim(bottom=0)
    axes[-1].legend(frameon=False)
    figure.tight_layout()
    figure.savefig(picture, dpi=130)
    print(picture)


if __name__ == "__main__":
    main()
