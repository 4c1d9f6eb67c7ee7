"""Content of a report from the nodes of a study; parts that do not exist are left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np

from aiida_nanoclusters.calculations.labels.predictions import level_of
from aiida_nanoclusters.cli.find.provenance_graph import draw
from aiida_nanoclusters.cli.progress.counts import read_progress
from aiida_nanoclusters.cli.report import content
from aiida_nanoclusters.cli.report.assembly import collect_assembly
from aiida_nanoclusters.cli.report.chart_nodes import collect_chart, collect_placements
from aiida_nanoclusters.cli.report.coverage import collect_coverages
from aiida_nanoclusters.cli.report.ligand_nodes import collect_compatibility, collect_ranking
from aiida_nanoclusters.cli.report.melting import collect_melting
from aiida_nanoclusters.cli.report.metadynamics import collect_metadynamics
from aiida_nanoclusters.cli.report.provenance import collect_codes, collect_rows, collect_versions
from aiida_nanoclusters.cli.report.rounds import collect_rounds
from aiida_nanoclusters.cli.report.solution import collect_solutions
from aiida_nanoclusters.cli.report.tempering import collect_tempering
from aiida_nanoclusters.cli.report.training import collect_training
from aiida_nanoclusters.queries.steps import step_graph
from aiida_nanoclusters.science import keys
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.recognition.neighbours import coordination_numbers, motif
from aiida_nanoclusters.science.sampling.searches import read_searches
from aiida_nanoclusters.science.stability import magic
from aiida_nanoclusters.science.stability.crossing import Crossing

if TYPE_CHECKING:
    from aiida.orm import Node, ProcessNode, WorkChainNode

#: Largest cluster that is drawn, and largest number of atoms in all drawings of a report.
LARGEST_DRAWN, MOST_ATOMS = 3000, 60_000
#: Work chains that a report can be made of, and the part of a study that each is.
PARTS = {
    "DatasetWorkChain": "dataset",
    "TrainWorkChain": "train",
    "SizeScanWorkChain": "size_scan",
    "CrossoverWorkChain": "crossover",
    "MeltingWorkChain": "melting",
    "ParallelTemperingWorkChain": "tempering",
    "MetadynamicsWorkChain": "metadynamics",
    "ChartWorkChain": "chart",
    "ClassifyWorkChain": "placements",
    "CompatibilityWorkChain": "compatibility",
    "MatchLigandsWorkChain": "match_ligands",
    "EditCoreWorkChain": "edit_core",
    "ActiveLearningWorkChain": "rounds",
    "StudyWorkChain": "",
    "NucleateWorkChain": "",
    "analyse_assembly": "",
}
#: Those that are about clusters of many metals.
LIGANDS = ("CompatibilityWorkChain", "MatchLigandsWorkChain", "EditCoreWorkChain")
#: Key by which a study gives its reference to a crossover search.
REFERENCE = "reference"


def collect(study: ProcessNode) -> content.StudyReport:
    """Read the results so far of a study, or of one of its parts, from the database.

    Parameters
    ----------
    study
        A StudyWorkChain, or a work chain of one part; finished, failed or still running.

    Raises
    ------
    ValueError
        If it is another process.
    """
    kind = str(study.process_label)
    if kind not in PARTS:
        raise ValueError(
            f"no report is made of `{study.uuid}`, {kind}: give one of {', '.join(sorted(PARTS))}"
        )
    assert study.pk is not None
    progress = read_progress(study.pk)
    parts: dict[str, dict[str, Node]] = {}
    chains: dict[str, WorkChainNode] = {}
    for name, chain in _chains(study):
        parts[name] = {**_of_trainings(chain), **outputs_so_far(chain)}
        chains[name] = chain
    for name in (*PARTS.values(), "reference_crossover") if kind == "StudyWorkChain" else ():
        returned = outputs_so_far(study, f"{name}.") if name else {}
        if returned:
            parts[name] = {**parts.get(name, {}), **returned}
    element = "" if kind in LIGANDS else _input(study, "element")
    return content.StudyReport(
        uuid=study.uuid,
        kind=kind,
        label=study.label,
        description=study.description,
        element=_element(parts) if element is None else str(element),
        state=progress.root.state,
        exit_status=progress.root.exit_status,
        message=progress.root.message,
        created=progress.root.started,
        duration=progress.root.changed - progress.root.started,
        dataset=_dataset(parts.get("dataset", {})),
        training=collect_training(parts.get("train", {})),
        scan=_scan(parts.get("size_scan", {}), chains.get("size_scan")),
        crossover=_crossover(parts.get("crossover", {}), chains.get("crossover")),
        reference=_crossover(
            parts.get("reference_crossover", {}), chains.get("reference_crossover")
        ),
        melting=collect_melting(parts.get("melting", {})),
        rounds=collect_rounds(parts.get("rounds", {})),
        temperings=collect_tempering(parts.get("tempering", {})),
        metadynamics=collect_metadynamics(
            parts.get("metadynamics", {}), _settings(chains.get("metadynamics"))
        ),
        solutions=collect_solutions(outputs_so_far(study)),
        assembly=collect_assembly(study),
        chart=collect_chart(chains.get("chart")) or collect_placements(chains.get("placements")),
        compatibility=collect_compatibility(study),
        ranking=collect_ranking(study),
        coverages=collect_coverages(_training_set(parts, chains.get("train"))),
        steps=collect_rows(progress),
        codes=collect_codes(progress),
        versions=collect_versions(progress),
        step_picture=draw(step_graph(study), f"Steps of {kind} {study.uuid}"),
    )


def _settings(chain: WorkChainNode | None) -> dict[str, Any] | None:
    return chain.inputs.settings.get_dict() if chain and "settings" in chain.inputs else None


# -- finding the nodes ---------------------------------------------------------------------


def _chains(study: ProcessNode) -> Iterator[tuple[str, WorkChainNode]]:
    """Yield work chains by their part of the study; the latest of a part comes last."""
    from aiida.orm import WorkChainNode

    found = [study, *sorted(study.called, key=lambda node: node.ctime)]
    for node in found:
        part = PARTS.get(str(node.process_label))
        if part and isinstance(node, WorkChainNode):
            yield (f"{REFERENCE}_crossover" if _is_reference(node, study) else part), node


def _is_reference(node: WorkChainNode, study: ProcessNode) -> bool:
    names = node.base.links.get_incoming(link_label_filter="potentials__%").all_link_labels()
    return node.uuid != study.uuid and names == [f"potentials__{REFERENCE}"]


def outputs_so_far(process: ProcessNode, prefix: str = "") -> dict[str, Node]:
    """Outputs by dotted name; of those under `prefix` the rest of the name."""
    from aiida.common.links import LinkType

    links = process.base.links.get_outgoing(link_type=(LinkType.RETURN, LinkType.CREATE)).all()
    named = {link.link_label.replace("__", "."): link.node for link in links}
    return {name[len(prefix) :]: n for name, n in sorted(named.items()) if name.startswith(prefix)}


def _of_trainings(chain: WorkChainNode) -> dict[str, Node]:
    """Outputs of the single trainings of a committee, under the names of the committee."""
    found: dict[str, Node] = {}
    for child in chain.called if chain.process_label == "TrainWorkChain" else ():
        if child.process_label == "TrainBaseWorkChain":
            name = f"seed_{_input(child, 'train__seed')}"
            for theirs, ours in (
                ("learning_curve", "learning_curves"),
                ("potential", "potentials"),
                ("report", "reports"),
            ):
                if theirs in (outputs := outputs_so_far(child)):
                    found[f"{ours}.{name}"] = outputs[theirs]
    return found


def _input(process: ProcessNode, name: str) -> Any:
    node = process.base.links.get_incoming(link_label_filter=name).first()
    return None if node is None else getattr(node.node, "value", node.node)


def _element(parts: Mapping[str, Mapping[str, Any]]) -> str:
    nodes = (node for part in parts.values() for node in part.values())
    return next((", ".join(n.elements) for n in nodes if hasattr(n, "elements")), "")


def _training_set(
    parts: Mapping[str, Mapping[str, Node]], training: WorkChainNode | None
) -> Node | None:
    """Frames that potentials were trained on, from the data set or from the training."""
    made = parts.get("dataset", {}).get("training")
    if made is not None or training is None:
        return made
    found: Node | None = _input(training, "training")
    return found


# -- data set ------------------------------------------------------------------------------


def _dataset(nodes: Mapping[str, Any]) -> content.DatasetPart | None:
    splits = {n: nodes[n] for n in ("training", "validation", "test") if n in nodes}
    if not splits:
        splits = {"frames": nodes["frames"]} if "frames" in nodes else {}
    if not splits:
        return None
    counts: dict[str, dict[str, int]] = {}
    sizes: dict[str, set[int]] = {}
    for split, node in splits.items():
        frames = node.frames
        for name, size in zip(frames.config_types, frames.sizes, strict=True):
            group = counts.setdefault(str(name), {})
            group[split] = group.get(split, 0) + 1
            sizes.setdefault(str(name), set()).add(int(size))
    first = next(iter(splits.values()))
    report = nodes.get("report")
    return content.DatasetPart(
        level_of_theory=first.level_of_theory,
        atom_energies=first.atom_energies,
        groups=tuple(
            content.FrameGroup(name or "(unnamed)", tuple(sorted(sizes[name])), counts[name])
            for name in sorted(counts, key=lambda n: (max(sizes[n]), n))
        ),
        uuids={n: nodes[n].uuid for n in (*splits, "frames") if n in nodes},
        n_failed=None if report is None else report.get_dict().get("n_failed"),
        report_uuid="" if report is None else report.uuid,
    )


# -- size scan -----------------------------------------------------------------------------


def _scan(nodes: Mapping[str, Any], chain: WorkChainNode | None) -> content.ScanPart | None:
    sources = [nodes] if {"structures", "table"} <= set(nodes) else []
    if not sources and chain is not None:  # still running: outputs of single annealings
        anneals = [outputs_so_far(c) for c in chain.called if c.process_label == "AnnealWorkChain"]
        sources = [found for found in anneals if {"structures", "table"} <= set(found)]
    if not sources:
        return None
    frames = Frames.concatenate([found["structures"].frames for found in sources])
    rows: list[dict[str, Any]] = [
        {**row, "uuid": found["structures"].uuid}
        for found in sources
        for row in found["table"]["rows"]
    ]
    lowest = [i for i, row in enumerate(rows) if row.get("rank", 0) == 0]
    lowest.sort(key=lambda i: rows[i]["size"])
    structures, too_large = _structures(frames, lowest, "", rows)
    sizes, energies = frames.sizes[lowest], frames.energies[lowest]
    named = nodes["magic"].get_dict() if "magic" in nodes else {}
    arrays = _arrays(nodes["energies"]) if "energies" in nodes else {}
    if not arrays:  # stopped before the comparison
        atom_energy = frames.atom_energies.get(frames.elements[0], float("nan"))
        at, differences = magic.second_difference(sizes, energies)
        arrays = {
            keys.SIZES: sizes,
            keys.ENERGIES: energies,
            keys.BINDING_ENERGIES: magic.binding_energy(sizes, energies, atom_energy),
            keys.SECOND_DIFFERENCE_SIZES: at,
            keys.SECOND_DIFFERENCES: differences,
        }
    at = arrays[keys.SECOND_DIFFERENCE_SIZES]
    asked = None if chain is None else _input(chain, "sizes")
    return content.ScanPart(
        sizes=arrays[keys.SIZES],
        energies=arrays[keys.ENERGIES],
        binding_energies=arrays[keys.BINDING_ENERGIES],
        difference_sizes=at,
        differences=arrays[keys.SECOND_DIFFERENCES],
        spreads=arrays.get(keys.SECOND_DIFFERENCE_SPREADS, np.full(len(at), np.nan)),
        magic=tuple(
            content.Magic(
                m["size"],
                m["second_difference"],
                m.get("uncertainty"),
                m.get("probability"),
                m.get("chance_of_change"),
            )
            for m in named.get("magic", [])
        ),
        electronic=tuple(named.get("electronic", ())),
        geometric=tuple(named.get("geometric", magic.geometric_magic_numbers(int(max(sizes))))),
        structures=structures,
        too_large=too_large,
        uuids={name: node.uuid for name, node in {**sources[0], **nodes}.items()}
        if len(sources) == 1
        else {f"structures {k}": found["structures"].uuid for k, found in enumerate(sources, 1)},
        asked=None if asked is None else len(asked),
        searches=tuple(read_searches(rows)),
        levels=tuple(sorted({level_of(found["structures"]) for found in sources})),
    )


def _structures(
    frames: Frames, indices: list[int], uuid: str, rows: list[dict[str, Any]] | None = None
) -> tuple[tuple[content.Structure, ...], tuple[int, ...]]:
    """Return the clusters to draw, the smallest first, and the sizes that are too large."""
    drawn, left_out, spent = [], [], 0
    for index in sorted(indices, key=lambda i: (frames.sizes[i], i)):
        size = int(frames.sizes[index])
        if size > LARGEST_DRAWN or spent + size > MOST_ATOMS:
            left_out.append(size)
            continue
        spent += size
        atoms, row = frames[index], rows[index] if rows else {}
        kind = str(frames.config_types[index])
        energy = float(frames.energies[index])
        drawn.append(
            content.Structure(
                size=size,
                label=f"{atoms.get_chemical_formula()}" + ("" if rows else f", {kind}"),
                positions=atoms.positions - atoms.positions.mean(axis=0),
                coordination=coordination_numbers(atoms),
                energy=energy if np.isfinite(energy) else None,
                motif=row.get("motif") or (kind if kind and not rows else motif(atoms).name),
                uuid=row.get("uuid", uuid),
                point_group=row.get("point_group") or "",
                reason=row.get("motif_reason") or "",
                hits=row.get("hits"),
                runs=row.get("runs"),
            )
        )
    return tuple(drawn), tuple(left_out)


def _arrays(node: Any) -> dict[str, Any]:
    return {name: node.get_array(name) for name in node.get_arraynames()}


# -- crossover -----------------------------------------------------------------------------


def _crossover(
    nodes: Mapping[str, Any], chain: WorkChainNode | None
) -> content.CrossoverPart | None:
    if not nodes:
        return None
    answer = nodes["answer"].get_dict() if "answer" in nodes else {}
    structures: tuple[content.Structure, ...] = ()
    too_large: tuple[int, ...] = ()
    if "structures" in nodes:
        frames = nodes["structures"].frames
        structures, too_large = _structures(
            frames, list(range(len(frames))), nodes["structures"].uuid
        )
    potentials: dict[str, Any] = {}
    if chain is not None:
        links = chain.base.links.get_incoming(link_label_filter="potentials__%").all()
        potentials = {link.link_label.split("__", 1)[1]: link.node for link in links}
    classical = [not node.kind.startswith("allegro") for node in potentials.values()]
    return content.CrossoverPart(
        members={name: potentials[name].computed_level for name in sorted(potentials)},
        learnt=not (classical and all(classical)),
        crossing=_crossing(answer) if answer else None,
        answer=answer,
        curve=_curve(nodes["curves"]) if "curves" in nodes else None,
        energies=_cluster_energies(nodes["energies"]) if "energies" in nodes else None,
        modes=_modes(nodes["modes"]) if "modes" in nodes else None,
        bulk=nodes["bulk"].get_dict() if "bulk" in nodes else {},
        structures=structures,
        too_large=too_large,
        uuids={name: node.uuid for name, node in nodes.items()},
    )


def _crossing(answer: Mapping[str, Any]) -> Crossing:
    known = {f.name: answer[f.name] for f in fields(Crossing) if f.name in answer}
    for name in ("members", "cluster", "crystal"):
        known[name] = tuple(known[name])
    return Crossing(**known)


def _curve(node: Any) -> content.Curve:
    a = _arrays(node)
    return content.Curve(
        n=a[keys.GRID],
        median=a[keys.DIFFERENCE],
        low=a[keys.DIFFERENCE_LOW],
        high=a[keys.DIFFERENCE_HIGH],
        uuid=node.uuid,
    )


def _cluster_energies(node: Any) -> content.ClusterEnergies:
    a = _arrays(node)
    return content.ClusterEnergies(
        motifs=tuple(node.base.attributes.get("motifs")),
        sizes=a[keys.SIZES],
        binding_energies=a[keys.BINDING_ENERGIES],
        member_energies=a[keys.MEMBER_ENERGIES],
        coordination=a[keys.COORDINATION],
        uuid=node.uuid,
    )


def _modes(node: Any) -> content.Modes:
    a = _arrays(node)
    return content.Modes(a[keys.MODE_SIZES], a[keys.DELTA_E], a[keys.DELTA_Z], node.uuid)
