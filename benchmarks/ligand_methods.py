"""Methods of core-ligand compatibility side by side, in one run.

python -m benchmarks.ligand_methods pairs FOLDER --energies CLUSTERS.extxyz --work /tmp/pairs
python -m benchmarks.ligand_methods world --pairs 1500 --cores 300 --work /tmp/world
python -m benchmarks.ligand_methods world --pairs 1500 --cores 300 --shuffled --work /tmp/nothing
python -m benchmarks.ligand_methods energies CLUSTERS.extxyz --work /tmp/energies

`pairs` takes files of protected clusters, `world` pairs by a known rule; both print AUC, accuracy,
precision, recall and F1 of each method and kind of split, mean and deviation over the seeds, and a
bootstrap interval of the AUC over families of cores. Each seed has a split of its own. `energies`
prints the errors of formation energies of held-out clusters by composition alone, SOAP with ridge
regression, and the core encoder. A run that is interrupted goes on where it was.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
from ase.data import chemical_symbols

from aiida_nanoclusters.formats.cluster_files import read_clusters
from aiida_nanoclusters.formats.extxyz import read_extxyz
from aiida_nanoclusters.formats.label_keys import LabelKeys
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.ligands import baselines, matching, pretraining
from aiida_nanoclusters.science.ligands.baseline_inputs import baseline_inputs
from aiida_nanoclusters.science.ligands.baseline_settings import BaselineSettings
from aiida_nanoclusters.science.ligands.classification import METRICS
from aiida_nanoclusters.science.ligands.core_split import NotACluster, split_cluster
from aiida_nanoclusters.science.ligands.encoder_settings import (
    MatchingSettings,
    PretrainingSettings,
    of_training,
)
from aiida_nanoclusters.science.ligands.formation_energies import (
    compositions,
    energy_errors,
    prepare_energies,
)
from aiida_nanoclusters.science.ligands.method_table import (
    Predictions,
    comparison_words,
    method_table,
    noise_words,
)
from aiida_nanoclusters.science.ligands.negatives import add_negatives
from aiida_nanoclusters.science.ligands.pair_settings import PairSettings
from aiida_nanoclusters.science.ligands.pairs import PairSet, collect_pairs
from aiida_nanoclusters.science.ligands.soap_ridge import soap_ridge
from aiida_nanoclusters.science.ligands.splits import split_pairs
from aiida_nanoclusters.science.ligands.synthetic_world import (
    WorldSettings,
    make_world,
    shuffle_labels,
)
from aiida_nanoclusters.science.ligands.training_arrays import matching_arrays
from aiida_nanoclusters.science.ligands.training_files import (
    CORES_FILE,
    ENCODER_ARRAYS_FILE,
    ENERGIES_FILE,
    LIGANDS_FILE,
    PAIR_PREDICTIONS,
    PAIRS_FILE,
    PREDICTIONS_FILE,
    PRETRAINED_FILE,
)
from aiida_nanoclusters.workflows.parts.protocol import load_protocol

#: Shares of training, validation and test.
SHARES = (0.8, 0.1, 0.1)
SCRATCH, PRETRAINED = "CoLiM scratch", "CoLiM pretrained"
#: Groups of elements by atomic number, the first that holds one.
GROUPS: dict[str, Callable[[int], bool]] = {
    "3d": lambda z: 21 <= z <= 30,
    "4d": lambda z: 39 <= z <= 48,
    "5d": lambda z: 72 <= z <= 80,
    "f": lambda z: 57 <= z <= 71 or 89 <= z <= 103,
    "s": lambda z: z in (3, 4, 11, 12, 19, 20, 37, 38, 55, 56),
    "p": lambda z: True,
}


def train(module: Any, folder: Path, job: Mapping[str, Any], files: Mapping[str, Any]) -> None:
    """Train what is not trained yet in a folder."""
    if (folder / PREDICTIONS_FILE).exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "job.json").write_text(json.dumps(job))
    for name, arrays in files.items():
        np.savez(folder / name, **arrays)
    module.main(str(folder / "job.json"))


def predictions_of(folder: Path) -> tuple[Any, ...]:
    with np.load(folder / PREDICTIONS_FILE) as archive:
        return tuple(archive[name] for name in PAIR_PREDICTIONS)


# -- pairs -------------------------------------------------------------------------------------


def compare(
    pairs: PairSet,
    splits: Sequence[str],
    seeds: Sequence[int],
    work: Path,
    encoder: Path | None,
    values: Mapping[str, Any],
) -> Iterator[Predictions]:
    """Train all methods on all splits; `encoder` is the file of a pretrained core encoder."""
    family = pairs.families[pairs.core_of]
    plain, matched = BaselineSettings(**values["baselines"]), MatchingSettings(**values["matching"])
    for kind in splits:
        for seed in seeds:
            try:
                subset = split_pairs(pairs, kind, SHARES, seed)
            except ValueError as error:
                click.echo(f"split {kind}, seed {seed}: {error}")
                continue
            folder = work / f"{kind}_{seed}"
            train(baselines, folder / "baselines", *baseline_inputs(pairs, subset, plain, [seed]))
            found, labels, used = predictions_of(folder / "baselines")
            for method, (row,) in zip(plain.methods, found, strict=True):
                yield Predictions(kind, method, seed, row, labels, used, family)
            about, arrays = matching_arrays(pairs, subset, matched)
            names = {"cores": CORES_FILE, "ligands": LIGANDS_FILE, "pairs": PAIRS_FILE}
            files = {names[key]: rows for key, rows in arrays.items()}
            for method in (SCRATCH, PRETRAINED)[: 1 if encoder is None else 2]:
                about["about"]["pretrained"] = method == PRETRAINED
                job = {**of_training(matched), **about, "seed": seed, "max_seconds": None}
                own = folder / method.split()[1]
                if method == PRETRAINED and encoder is not None:
                    own.mkdir(parents=True, exist_ok=True)
                    (own / PRETRAINED_FILE).write_bytes(encoder.read_bytes())
                train(matching, own, job, files)
                yield Predictions(kind, method, seed, *predictions_of(own), family)
            click.echo(f"{kind}, seed {seed}: done", err=True)


def print_table(predictions: Sequence[Predictions], n_positive: int) -> None:
    rows = method_table(predictions)
    head = "".join(f"{name:>16}" for name in METRICS)
    click.echo(f"{'split':10}{'method':18}{head}   95 % interval of the AUC   pairs, families")
    for row in rows:
        numbers = "".join(f"{_spread(row['metrics'][name]):>16}" for name in METRICS)
        interval = row["intervals"]["auc"]
        ends = (
            "none" if interval["low"] is None else f"{interval['low']:.2f}-{interval['high']:.2f}"
        )
        tested = f"{sum(row['n_test'])}, {row['n_families']}"
        click.echo(f"{row['split']:10}{row['method']:18}{numbers}   {ends:^24}   {tested:>15}")
    click.echo(comparison_words(rows, n_positive, 0.95))
    click.echo(noise_words(rows))


def _spread(found: Mapping[str, Any]) -> str:
    if found["mean"] is None:
        return "none"
    return f"{found['mean']:.3f}" + (f" ± {found['deviation']:.3f}" if found["n"] > 1 else "")


def read_pairs(folders: Sequence[str], settings: PairSettings) -> PairSet:
    """Return the pairs of files of protected clusters, and tell what is left out."""
    entries, left_out = read_clusters(folders, settings.structures)
    clusters = []
    for atoms, origin, charge in entries:
        try:
            found = split_cluster(atoms, charge, settings.structures)
        except NotACluster as error:
            left_out.append({"origin": origin, "reason": error.reason, "message": str(error)})
            continue
        clusters += [(one, origin) for one in found]
    pairs, rows = collect_pairs(clusters, settings)
    click.echo(
        f"{len(entries)} structures, {len(clusters)} clusters, {len(pairs.cores)} cores, "
        f"{len(pairs)} pairs, {len(pairs.ligands)} ligands"
    )
    reasons = [str(row["reason"]) for row in [*left_out, *rows]]
    for reason in sorted(set(reasons)):
        click.echo(f"left out: {reasons.count(reason)} {reason}")
    return pairs


def protocol(name: str, threads: int) -> dict[str, Any]:
    """Return the numbers of a protocol of the work chain, with baselines."""
    values = load_protocol("compatibility", name)
    values["baselines"] = values.get("baselines") or load_protocol("compatibility")["baselines"]
    for part in ("baselines", "matching", "pretraining"):
        values[part].setdefault("training", {})["threads"] = threads
    same = ("features", "layers", "gaussians", "cutoff")
    core = {k: values["matching"]["core"][k] for k in same if k in values["matching"]["core"]}
    values["baselines"]["core"] = core
    return values


# -- energies ----------------------------------------------------------------------------------


def read_energies(path: str, key: str) -> Frames:
    """Return clusters with energies (eV, total) that lie under a key."""
    return read_extxyz(path, keys=LabelKeys(energy=key), level_of_theory=key)


def pretrain(frames: Frames, work: Path, values: Mapping[str, Any], seed: int) -> tuple[Any, Any]:
    """Return the energies of a pretraining, and the predictions of the core encoder."""
    core = {"kind": "cgcnn", **values["baselines"]["core"]}
    settings = PretrainingSettings(**{**values["pretraining"], "core": core})
    energies = prepare_energies(frames, settings)
    job = {**of_training(settings), "about": energies.about(), "notes": energies.notes()}
    job |= {"seed": seed, "max_seconds": None}
    files = {CORES_FILE: energies.core_arrays(), ENERGIES_FILE: energies.energy_arrays()}
    train(pretraining, work, job, files)
    with np.load(work / PREDICTIONS_FILE) as archive:
        return energies, archive["predicted"]


def print_energies(energies: Any, of_encoder: np.ndarray) -> None:
    """Print mean absolute errors (meV/atom) of held-out clusters by group of elements and size."""
    cores = [
        _cluster(energies, first, last)
        for first, last in zip(energies.offsets[:-1], energies.offsets[1:], strict=True)
    ]
    of_soap, penalty = soap_ridge(cores, energies.targets, energies.subset)
    fractions, sizes = compositions(cores), np.diff(energies.offsets)
    tables = [
        energy_errors(fractions, sizes, found, energies.targets, energies.subset)
        for found in (of_encoder, of_soap)
    ]
    click.echo(f"{len(cores)} clusters, {tables[0]['n']} held out; SOAP with penalty {penalty:g}")
    columns = ("mean of element", "composition", "SOAP + ridge", "core encoder")
    click.echo(f"{'':12}{'clusters':>10}" + "".join(f"{c:>18}" for c in columns))
    _print_errors("all", tables[0], tables[1])
    for key in ("sizes", "elements"):
        rows = list(zip(tables[0][key], tables[1][key], strict=True))
        if key == "sizes":
            for ours, soap in rows:
                _print_errors(f"{ours['sizes']} atoms", ours, soap)
            continue
        for group in GROUPS:
            own = [pair for pair in rows if _group(pair[0]["element"]) == group]
            if own:
                _print_errors(f"{group} elements", *(_pooled([p[k] for p in own]) for k in (0, 1)))


def _cluster(energies: Any, first: int, last: int) -> Any:
    from ase import Atoms

    return Atoms(energies.numbers[first:last], energies.positions[first:last])


def _group(symbol: str) -> str:
    number = chemical_symbols.index(symbol)
    return next(name for name, holds in GROUPS.items() if holds(number))


def _pooled(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    total = sum(row["n"] for row in rows)
    names = ("mae", "element_mae", "composition_mae")
    return {"n": total} | {k: sum(row["n"] * row[k] for row in rows) / total for k in names}


def _print_errors(name: str, ours: Mapping[str, Any], soap: Mapping[str, Any]) -> None:
    values = (ours["element_mae"], ours["composition_mae"], soap["mae"], ours["mae"])
    click.echo(f"{name:12}{ours['n']:>10}" + "".join(f"{1000 * v:>18.1f}" for v in values))


# -- commands ----------------------------------------------------------------------------------

_work = click.option("--work", type=click.Path(path_type=Path), required=True, help="Folder.")
_protocol = click.option("--protocol", "protocol_name", default="moderate", show_default=True)
_threads = click.option("--threads", default=1, show_default=True)
_seeds = click.option("--seeds", default=5, show_default=True)
_splits = click.option("--split", "splits", multiple=True, default=("published", "core", "ligand"))
_energies = click.option("--energies", type=click.Path(exists=True), help="Clusters with energies.")
_key = click.option("--key", default="dft_energy", show_default=True, help="Where energies lie.")
_most = click.option("--most", default=0, help="Random clusters to pretrain on; all by default.")


@click.group()
def cli() -> None:
    """Methods of core-ligand compatibility side by side."""


def _encoder(path: str | None, key: str, most: int, work: Path, values: Any) -> Path | None:
    if path is None:
        return None
    pretrain(_some(read_energies(path, key), most), work / "encoder", values, seed=1)
    return work / "encoder" / ENCODER_ARRAYS_FILE


def _some(frames: Frames, most: int) -> Frames:
    if not 0 < most < len(frames):
        return frames
    chosen = np.random.default_rng(0).choice(len(frames), most, replace=False)
    return frames.select(np.sort(chosen))


@cli.command("pairs")
@click.argument("folders", nargs=-1, required=True)
@_work
@_protocol
@_threads
@_seeds
@_splits
@_energies
@_key
@_most
def of_pairs(
    folders: Any, work: Path, protocol_name: str, threads: int, seeds: int, splits: Any,
    energies: str | None, key: str, most: int,
) -> None:  # fmt: skip
    values = protocol(protocol_name, threads)
    settings = PairSettings(**values["pairs"])
    positive = read_pairs(folders, settings)
    pairs, report = add_negatives(positive, settings, values["negative_seed"])
    for warning in report.get("warnings", []):
        click.echo(f"Warning: {warning}")
    encoder = _encoder(energies, key, most, work, values)
    found = list(compare(pairs, splits, range(1, seeds + 1), work, encoder, values))
    print_table(found, int(pairs.labels.sum()))


@cli.command("world")
@click.option("--pairs", "n_pairs", default=1500, show_default=True)
@click.option("--cores", "n_cores", default=300, show_default=True)
@click.option("--core-score", default="size", show_default=True)
@click.option("--ligand-score", default="carbon", show_default=True)
@click.option("--noise", default=0.0, show_default=True)
@click.option("--shuffled", is_flag=True, help="Labels in random order.")
@_work
@_protocol
@_threads
@_seeds
@_splits
@_energies
@_key
@_most
def of_world(
    n_pairs: int, n_cores: int, core_score: str, ligand_score: str, noise: float, shuffled: bool,
    work: Path, protocol_name: str, threads: int, seeds: int, splits: Any, energies: str | None,
    key: str, most: int,
) -> None:  # fmt: skip
    settings = WorldSettings.from_values(
        n_pairs=n_pairs, n_cores=n_cores, core_score=core_score, ligand_score=ligand_score,
        noise=noise,
    )  # fmt: skip
    pairs = make_world(settings, 1)
    pairs = shuffle_labels(pairs, 1) if shuffled else pairs
    click.echo(f"synthetic world, rule of {core_score} and {ligand_score}, noise {noise}")
    values = protocol(protocol_name, threads)
    encoder = _encoder(energies, key, most, work, values)
    found = list(compare(pairs, splits, range(1, seeds + 1), work, encoder, values))
    print_table(found, int(pairs.labels.sum()))


@cli.command("energies")
@click.argument("path", type=click.Path(exists=True))
@_work
@_protocol
@_threads
@_key
@_most
def of_energies(
    path: str, work: Path, protocol_name: str, threads: int, key: str, most: int
) -> None:
    values = protocol(protocol_name, threads)
    print_energies(*pretrain(_some(read_energies(path, key), most), work, values, seed=1))


if __name__ == "__main__":
    cli()
