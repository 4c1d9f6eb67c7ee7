"""Files of the nequip programs: the training input and the learning curve.

Written for ``nequip`` 0.19 and ``nequip-allegro`` 0.8. Nothing here imports torch.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from aiida_nanoclusters.formats.input_text import chemical_symbols, hydra_yaml
from aiida_nanoclusters.science.learning.training_settings import (
    OptimiserSettings,
    TrainingSettings,
    Weights,
)
from aiida_nanoclusters.science.units import MEV_PER_EV

_Map = Mapping[str, Any]

BEST_CHECKPOINT = "best.ckpt"
LAST_CHECKPOINT = "last.ckpt"
METRICS_FILE = "csv/metrics.csv"

#: Labels of a file that are not trained on: frames that differ in them cannot share a batch.
_UNTRAINED = ["stress", "stresses", "energies", "free_energy", "dipole", "charges", "magmom"]
_UNTRAINED += ["magmoms", "momenta"]

#: Column of the learning curve -> column of the CSV logger and the factor to meV.
_COLUMNS: dict[str, tuple[str, float]] = {
    "train_energy_rmse": ("train_metric_epoch/per_atom_energy_rmse", MEV_PER_EV),
    "train_energy_mae": ("train_metric_epoch/per_atom_energy_mae", MEV_PER_EV),
    "train_forces_rmse": ("train_metric_epoch/forces_rmse", MEV_PER_EV),
    "train_forces_mae": ("train_metric_epoch/forces_mae", MEV_PER_EV),
    "val_energy_rmse": ("val0_epoch/per_atom_energy_rmse", MEV_PER_EV),
    "val_energy_mae": ("val0_epoch/per_atom_energy_mae", MEV_PER_EV),
    "val_forces_rmse": ("val0_epoch/forces_rmse", MEV_PER_EV),
    "val_forces_mae": ("val0_epoch/forces_mae", MEV_PER_EV),
    "learning_rate": ("lr-Adam", 1.0),
    "train_loss": ("train_loss_epoch/weighted_sum", 1.0),
    "val_loss": ("val0_epoch/weighted_sum", 1.0),
}
_ENERGY_WEIGHT = "loss_coeff/per_atom_energy_mse"


#: The part that does not depend on the settings; render_config fills in the rest.
_SKELETON = """
run: [train]
hydra: {run: {dir: .}, output_subdir: null}
data:
  _target_: nequip.data.datamodule.ASEDataModule
  ase_args: {format: extxyz}
  transforms:
    - {_target_: nequip.data.transforms.ChemicalSpeciesToAtomTypeMapper}
    - {_target_: nequip.data.transforms.NeighborListTransform}
  train_dataloader: {_target_: torch.utils.data.DataLoader, shuffle: true}
  val_dataloader: {_target_: torch.utils.data.DataLoader}
  stats_manager: {_target_: nequip.data.CommonDataStatisticsManager}
trainer:
  _target_: lightning.Trainer
  accelerator: auto
  devices: 1
  num_sanity_val_steps: 0
  enable_progress_bar: false
  logger: {_target_: lightning.pytorch.loggers.CSVLogger, save_dir: ., name: '', version: csv}
  callbacks:
    - _target_: lightning.pytorch.callbacks.ModelCheckpoint
      dirpath: .
      filename: best
      monitor: val0_epoch/weighted_sum
      save_last: true
      enable_version_counter: false
    - {_target_: lightning.pytorch.callbacks.LearningRateMonitor, logging_interval: epoch}
    - {_target_: nequip.train.callbacks.LossCoefficientMonitor, interval: epoch, frequency: 1}
training_module:
  _target_: nequip.train.EMALightningModule
  optimizer: {_target_: torch.optim.Adam}
  lr_scheduler:
    scheduler: {_target_: torch.optim.lr_scheduler.CosineAnnealingLR}
    interval: epoch
    frequency: 1
  model:
    _target_: allegro.model.AllegroModel
    radial_chemical_embed: {_target_: allegro.nn.TwoBodyBesselScalarEmbed, bessel_trainable: false}
    avg_num_neighbors: ${training_data_stats:num_neighbors_mean}
    per_type_energy_scales: ${training_data_stats:per_type_forces_rms}
"""

#: Callback that replaces the initial weights, in the script that a job carries.
START_CALLBACK = "nequip_start.StartFromPackage"
#: All that hydra may call, and all that it may evaluate.
_ALLOWED = frozenset(
    {
        *("nequip.data.datamodule.ASEDataModule", "nequip.data.CommonDataStatisticsManager"),
        "nequip.data.transforms.ChemicalSpeciesToAtomTypeMapper",
        "nequip.data.transforms.NeighborListTransform",
        *("nequip.data.PerAtomModifier", "nequip.train.MetricsManager"),
        *("nequip.train.MeanSquaredError", "nequip.train.RootMeanSquaredError"),
        *("nequip.train.MeanAbsoluteError", "nequip.train.EMALightningModule"),
        "nequip.train.callbacks.LossCoefficientMonitor",
        "nequip.train.callbacks.LossCoefficientScheduler",
        *("allegro.model.AllegroModel", "allegro.nn.TwoBodyBesselScalarEmbed"),
        *("lightning.Trainer", "lightning.pytorch.loggers.CSVLogger"),
        "lightning.pytorch.callbacks.ModelCheckpoint",
        "lightning.pytorch.callbacks.LearningRateMonitor",
        *("torch.utils.data.DataLoader", "torch.optim.Adam"),
        "torch.optim.lr_scheduler.CosineAnnealingLR",
        START_CALLBACK,
        "${training_data_stats:num_neighbors_mean}",
        "${training_data_stats:per_type_forces_rms}",
    }
)


# ---- the training input


def render_config(
    settings: _Map,
    *,
    symbols: Sequence[str],
    atom_energies: Mapping[str, float],
    files: Mapping[str, str],
    seed: int,
    max_time: str | None = None,
) -> dict[str, Any]:
    """Return the ``nequip-train`` configuration of an Allegro model (nequip.readthedocs.io).

    Parameters
    ----------
    settings
        As :class:`~aiida_nanoclusters.science.learning.training_settings.TrainingSettings` has
        them; the section ``alignment`` is not used.
    symbols
        Chemical symbols in the order of the model's types.
    atom_energies
        Energy of the isolated atom of each symbol, eV: the model learns energies relative to it.
    files
        Names of the extended-XYZ files ``train``, ``val`` and, optionally, ``test``, in the working
        directory of the program.
    seed
        Seed of the initial weights and of the order of the batches.
    max_time
        ``DD:HH:MM:SS`` after which training stops cleanly, or None. The time used is kept in the
        checkpoint: a resumed run counts the time of the runs before it.

    Returns
    -------
    dict
        The configuration, of plain Python types; :func:`config_yaml` writes it.

    Raises
    ------
    ValueError
        If a setting is missing, unknown or out of its limits, or a symbol has no atomic energy.
    """
    known = TrainingSettings.from_values(**settings)
    model, training = known.model.model_dump(), known.training
    types = _checked_types(symbols, atom_energies)
    if not {"train", "val"} <= set(files) <= {"train", "val", "test"}:
        raise ValueError(f"files needs train and val and may have test, got {sorted(files)}")
    config: dict[str, Any] = yaml.safe_load(_SKELETON)
    if "test" in files:
        config["run"].append("test")
    _fill_data(config["data"], files, types, model["r_max"], training)
    config["data"]["seed"] = seed
    _fill_trainer(config["trainer"], training, max_time)
    _fill_module(config["training_module"], training)
    _fill_model(config["training_module"]["model"], model, types)
    shifts = {symbol: float(atom_energies[symbol]) for symbol in types}
    config["training_module"]["model"] |= {"seed": seed, "per_type_energy_shifts": shifts}
    return config


def config_yaml(config: _Map) -> str:
    """Return a configuration as the YAML text that ``nequip-train -cn`` reads.

    Raises
    ------
    ValueError
        If it would call anything else than a training of this package, or holds text that hydra
        would evaluate.
    """
    return hydra_yaml(config, _ALLOWED)


def _checked_types(symbols: Sequence[str], atom_energies: Mapping[str, float]) -> list[str]:
    """Return the types of the model once each is there once and has its energy."""
    types = chemical_symbols(symbols)
    if not types or len(set(types)) != len(types):
        raise ValueError(f"symbols must be distinct and at least one, got {types}")
    if missing := sorted(set(types) - set(atom_energies)):
        raise ValueError(f"no isolated-atom energy for {missing}: add them to atom_energies")
    return types


def _stage_schedule(training: OptimiserSettings) -> dict[int, dict[str, float]]:
    """Return first epoch -> loss coefficients; the first stage starts at epoch 0."""
    stages = zip(training.stage_epochs, training.stages, strict=True)
    return {epoch: _coefficients(stage, "mse") for epoch, stage in stages}


def _coefficients(weights: Weights, suffix: str) -> dict[str, float]:
    return {f"per_atom_energy_{suffix}": weights.energy, f"forces_{suffix}": weights.forces}


def _metrics(kinds: _Map, coefficients: _Map = MappingProxyType({})) -> dict[str, Any]:
    """Return a MetricsManager of energies per atom and forces; ``coefficients`` weigh by name."""
    per_atom = {"_target_": "nequip.data.PerAtomModifier", "field": "total_energy"}
    entries: list[dict[str, Any]] = []
    for quantity, field in (("per_atom_energy", per_atom), ("forces", "forces")):
        for suffix, kind in kinds.items():
            name = f"{quantity}_{suffix}"
            metric = {"_target_": f"nequip.train.{kind}"}
            weight = {"coeff": coefficients[name]} if name in coefficients else {}
            entries.append({"name": name, "field": field, "metric": metric} | weight)
    return {"_target_": "nequip.train.MetricsManager", "metrics": entries}


def _fill_data(
    section: dict[str, Any],
    files: _Map,
    types: list[str],
    r_max: float,
    training: OptimiserSettings,
) -> None:
    batch = {"batch_size": training.validation_batch_size}
    section["exclude_keys"] = list(_UNTRAINED)
    section["transforms"][0]["model_type_names"] = types
    section["transforms"][1]["r_max"] = r_max
    section["train_dataloader"]["batch_size"] = training.batch_size
    section["val_dataloader"] |= batch
    section["stats_manager"] |= {"type_names": types, "dataloader_kwargs": batch}
    section |= {f"{split}_file_path": path for split, path in files.items()}
    if "test" in files:
        section["test_dataloader"] = dict(section["val_dataloader"])


def _fill_trainer(
    section: dict[str, Any], training: OptimiserSettings, max_time: str | None
) -> None:
    section["max_epochs"] = training.epochs
    if training.gradient_clip > 0:
        section["gradient_clip_val"] = training.gradient_clip
    if max_time is not None:
        section["max_time"] = max_time
    schedule = _stage_schedule(training)
    if len(schedule) > 1:
        scheduler = "nequip.train.callbacks.LossCoefficientScheduler"
        section["callbacks"].append({"_target_": scheduler, "schedule": schedule})


def _fill_module(section: dict[str, Any], training: OptimiserSettings) -> None:
    errors = {"rmse": "RootMeanSquaredError", "mae": "MeanAbsoluteError"}
    first = _stage_schedule(training)[0]
    selection = _coefficients(training.selection, "rmse")
    section |= {
        "ema_decay": training.ema_decay,
        "loss": _metrics({"mse": "MeanSquaredError"}, first),
        "train_metrics": _metrics(errors),
        "val_metrics": _metrics(errors, selection),
        "test_metrics": _metrics(errors),
    }
    section["optimizer"]["lr"] = training.learning_rate
    cosine = {"T_max": training.epochs, "eta_min": training.final_learning_rate}
    section["lr_scheduler"]["scheduler"] |= cosine


def _fill_model(section: dict[str, Any], model: _Map, types: list[str]) -> None:
    section |= {"model_dtype": model["dtype"], "type_names": types}
    for key in ("r_max", "l_max", "parity", "num_layers"):
        section[key] = model[key]
    section |= {key: model[key] for key in ("num_scalar_features", "num_tensor_features")}
    for key in ("num_bessels", "polynomial_cutoff_p"):
        section["radial_chemical_embed"][key] = model[key]
    for ours, theirs in (("two_body", "scalar_embed"), ("allegro",) * 2, ("readout",) * 2):
        for size in ("depth", "width"):
            section[f"{theirs}_mlp_hidden_layers_{size}"] = model[f"{ours}_mlp_{size}"]


# ---- the learning curve


def read_metrics(paths: str | Path | Sequence[str | Path]) -> dict[str, NDArray[np.float64]]:
    """Return the learning curve of a training, one value per epoch.

    Parameters
    ----------
    paths
        The ``metrics.csv`` of the run, or those of a run and its continuations, in order of time;
        one file that holds several runs one after another is read as well.

    Returns
    -------
    dict of arrays, shape (epochs,)
        ``epoch`` (from 0), ``stage`` (from 1, one more whenever the weights of the loss change),
        ``learning_rate``, ``train_loss`` and ``val_loss`` as the program weighs them, and
        ``{train,val}_{energy,forces}_{rmse,mae}``: meV/atom for energies per atom, meV/Å for
        force components. Values that were not logged are NaN. An epoch that a continuation ran
        again is taken from the continuation; epochs without validation are left out.

    Raises
    ------
    ValueError
        If a file is not a learning curve, or no epoch is complete.
    """
    epochs: dict[int, dict[str, float]] = {}
    many = [paths] if isinstance(paths, (str, Path)) else list(paths)
    for path in many:
        for run in _runs(Path(path)):
            epochs.update(run)
    complete = [epoch for epoch in sorted(epochs) if "val0_epoch/weighted_sum" in epochs[epoch]]
    if not complete:
        raise ValueError(f"no completed epoch in {', '.join(map(str, many))}")
    rows = [epochs[epoch] for epoch in complete]
    curve = {
        name: factor * np.array([row.get(column, np.nan) for row in rows])
        for name, (column, factor) in _COLUMNS.items()
    }
    weights = np.array([row.get(_ENERGY_WEIGHT, np.nan) for row in rows])
    changes = np.abs(np.diff(weights)) > 1e-6
    curve["epoch"] = np.array(complete, dtype=float)
    curve["stage"] = 1.0 + np.concatenate([[0.0], np.cumsum(changes)])
    return curve


def _runs(path: Path) -> list[dict[int, dict[str, float]]]:
    """Return epoch -> logged values for each run in a file of the CSV logger."""
    try:
        lines = list(csv.reader(path.read_text(encoding="utf-8").splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path} cannot be read as a learning curve: {error}") from error
    if not lines or "epoch" not in lines[0]:
        raise ValueError(f"{path} is no learning curve: its first line has no column 'epoch'")
    runs: list[dict[int, dict[str, float]]] = []
    header: list[str] = []
    ahead: dict[str, float] = {}
    for number, cells in enumerate(lines, start=1):
        if "epoch" in cells:
            header, ahead = cells, {}
            runs.append({})
            continue
        if len(cells) != len(header):
            if number == len(lines):  # stopped in the middle of a line
                break
            raise ValueError(f"{path}, line {number}: {len(cells)} cells, {len(header)} expected")
        try:
            row = {key: float(cell) for key, cell in zip(header, cells, strict=True) if cell}
        except ValueError as error:
            raise ValueError(f"{path}, line {number}: {error}") from error
        if "epoch" in row:
            runs[-1].setdefault(int(row["epoch"]), {}).update(ahead | row)
            ahead = {}
        else:  # the learning rate is written before its epoch, without a number
            ahead = row
    return runs
