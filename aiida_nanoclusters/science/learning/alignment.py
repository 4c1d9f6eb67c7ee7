"""Align the frame energies of a trained Allegro model, and keep its forces.

A training weighs thousands of force components against one energy a frame. The remaining error of
the energy per atom is nearly constant within a kind of structure and differs between
kinds, which shifts the size at which one kind takes over from another. A few steps of linear least
squares over all weights remove it: energies per atom and random projections of the forces are the
equations, and the smallest change of the weights that satisfies them is taken (Levenberg, Quart.
Appl. Math. 2, 164 (1944); Marquardt, J. Soc. Ind. Appl. Math. 11, 431 (1963)).

A training job carries this file to the machine it runs on, whose Python has nequip but need not
have this package: it imports nothing of it.

``python alignment.py best.ckpt aligned.ckpt training.extxyz --settings alignment.json``
"""

from __future__ import annotations

import argparse
import copy
import json
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import torch
from ase import Atoms
from ase.neighborlist import neighbor_list
from nequip.data import AtomicDataDict
from nequip.data.ase import from_ase
from nequip.data.transforms import ChemicalSpeciesToAtomTypeMapper, NeighborListTransform
from nequip.model.saved_models.load_utils import load_saved_model
from nequip.utils.global_state import set_global_state
from numpy.typing import NDArray
from torch.nn.utils import parameters_to_vector, vector_to_parameters

_Settings = dict[str, Any]
_Images = Sequence[Atoms]
_Model = torch.nn.Module
#: Settings and what they mean; lengths in Å, energies in eV.
DEFAULTS: _Settings = {
    "dampings": [1e-3, 3e-4, 1e-4, 3e-5],  # over the mean diagonal element of the kernel
    "iterations": 4,  # at least two: the energies are not linear in the weights
    "projections": 1,  # of the forces of each frame
    "energy_scale": 0.001,  # error of the energy per atom that weighs as much as ...
    "force_scale": 0.03,  # ... this root mean square error of the force components
    "hot_force": 0.3,  # root mean square force at which a frame's energy weighs half
    "relaxed_force": 0.05,  # largest force of a frame that counts as relaxed
    "motifs": ["icosahedron", "truncated octahedron"],
    "force_growth": 1.5,  # what the force error on frames not aligned may grow by
    "max_frames": 1000,  # to align on; memory grows with frames times weights
    "max_seconds": None,  # the weights stay as they are where time runs out
    "seed": 0,
}
_MEV = 1000.0
#: Jacobian (R, P), residuals (R,), frame of each row (R,).
_Equations = tuple[torch.Tensor, torch.Tensor, NDArray[np.int64]]


class FrameSet:
    """Labelled frames as graphs of one model; each must have a pair of neighbours.

    `sizes` (F,), `energies` (F,) in eV/atom, `forces` F arrays (N, 3) in eV/Å, `cold` (F,): whether
    no force exceeds `relaxed_force`, `kinds` (F,): their config types.
    """

    def __init__(self, frames: _Images, model: _Model, settings: _Settings) -> None:
        self.frames, self.settings = list(frames), settings
        self.sizes = np.array([len(a) for a in self.frames], dtype=int)
        self.energies = np.array([a.get_potential_energy() / len(a) for a in self.frames])
        self.forces = [a.get_forces() for a in self.frames]
        self.kinds = np.array([str(a.info.get("config_type", "")) for a in self.frames])
        largest = np.array([np.linalg.norm(f, axis=1).max() for f in self.forces])
        self.cold = largest < settings["relaxed_force"]
        self.graphs = [_graph(a, model) for a in self.frames]

    def select(self, indices: NDArray[np.int64]) -> FrameSet:
        """Return some of the frames; their graphs are shared."""
        part = copy.copy(self)
        for name in ("sizes", "energies", "kinds", "cold"):
            setattr(part, name, getattr(self, name)[indices])
        for name in ("frames", "forces", "graphs"):
            setattr(part, name, [getattr(self, name)[k] for k in indices])
        return part

    def weights(self) -> NDArray[np.float64]:
        """Return the weight of each frame's energy, n / max(n) / (1 + f / `hot_force`), shape (F,).

        Cold frames (f: root mean square force) count more than hot ones, and crowded ones (n: mean
        number of neighbours) more than sparse ones: a dimer's error says nothing about a cluster.
        """
        rms = np.array([np.sqrt(np.mean(f**2)) for f in self.forces])
        pairs = np.array([g[AtomicDataDict.EDGE_INDEX_KEY].shape[1] for g in self.graphs])
        crowd = pairs / self.sizes
        return np.asarray(crowd / crowd.max() / (1.0 + rms / self.settings["hot_force"]))

    def held_out(self) -> tuple[str, NDArray[np.int64]]:
        """Return by which frames the damping is chosen, and their indices.

        ``motifs``: all frames, distorted ones too, of the size of the largest relaxed frame of each
        of the `motifs`; ``random``: a tenth, where a motif has fewer than two relaxed sizes.
        """
        motifs, chosen = self.settings["motifs"], np.zeros(len(self.frames), dtype=bool)
        for motif in motifs:
            relaxed = self.sizes[self.cold & (self.kinds == motif)]
            if len(set(relaxed)) < 2:  # the remaining frames must include the motif
                chosen[:] = False
                break
            chosen |= (self.kinds == motif) & (self.sizes == relaxed.max())
        if motifs and chosen.any():
            return "motifs", np.flatnonzero(chosen)
        rng = np.random.default_rng(self.settings["seed"])
        count = max(1, len(self.frames) // 10)
        return "random", np.sort(rng.choice(len(self.frames), size=count, replace=False))


def _graph(atoms: Atoms, model: _Model) -> AtomicDataDict.Type:
    data = from_ase(Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc))
    data = ChemicalSpeciesToAtomTypeMapper(model.type_names)(data)
    return AtomicDataDict.batched_from_list([NeighborListTransform(_cutoff(model))(data)])


def _cutoff(model: _Model) -> float:
    return float(model.metadata["r_max"])  # type: ignore[index]


def _energy_module(model: _Model) -> torch.nn.Module:
    """Return the part of the model that gives energies only, without forces."""
    found = [m for m in model.modules() if type(m).__name__ == "ForceStressOutput"]
    if not found:
        raise ValueError("the checkpoint holds no energy model with forces: alignment needs one")
    return found[0].func  # type: ignore[return-value]


def _energy_and_forces(
    module: _Model, graph: AtomicDataDict.Type, differentiable: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    data = dict(graph)
    positions = data[AtomicDataDict.POSITIONS_KEY].detach().clone().requires_grad_(True)
    data[AtomicDataDict.POSITIONS_KEY] = positions
    energy = module(data)[AtomicDataDict.TOTAL_ENERGY_KEY].squeeze()
    (gradient,) = torch.autograd.grad(
        energy, positions, create_graph=differentiable, retain_graph=True
    )
    return energy, -gradient


def errors(model: _Model, frames: FrameSet) -> tuple[NDArray[np.float64], float]:
    """Return what a model gets wrong.

    Returns
    -------
    energies, forces : shape (F,), float
        Predicted less given energy, meV/atom; root mean square error of force components, meV/Å.
    """
    module, energies, squares = _energy_module(model), [], 0.0
    for k in range(len(frames.frames)):
        energy, forces = _energy_and_forces(module, frames.graphs[k], differentiable=False)
        energies.append(float(energy.detach()) / frames.sizes[k] - frames.energies[k])
        squares += float(np.sum((forces.detach().numpy() - frames.forces[k]) ** 2))
    return _MEV * np.array(energies), _MEV * float(np.sqrt(squares / (3 * frames.sizes.sum())))


def linearise(
    model: _Model,
    frames: FrameSet,
    weights: NDArray[np.float64],
    generator: torch.Generator,
    deadline: float = np.inf,
) -> _Equations:
    """Return the equations that the change of the weights is to satisfy.

    One row is the energy per atom of a frame times its weight over `energy_scale`. `projections`
    rows more are v.F / (`force_scale` sqrt(3 N `projections`)), v being standard normal numbers:
    on average, such a residual squared is the mean square error of the force components.

    Returns
    -------
    jacobian, residuals, owners : shapes (R, P), (R,), (R,)
        Derivatives of the rows with respect to the P weights of the model, given less predicted
        value of each row, and the index of its frame.
    """
    module, parameters = _energy_module(model), list(model.parameters())
    rows, residuals, owners = [], [], []

    def add(value: torch.Tensor, residual: float, owner: int) -> None:
        gradients = torch.autograd.grad(value, parameters, retain_graph=True, allow_unused=True)
        pairs = zip(gradients, parameters, strict=True)
        full = [torch.zeros_like(p) if g is None else g for g, p in pairs]
        rows.append(parameters_to_vector(full))
        residuals.append(residual)
        owners.append(owner)

    settings, count = frames.settings, int(frames.settings["projections"])
    for k in range(len(frames.frames)):
        if time.monotonic() > deadline:
            raise TimeoutError("the alignment ran out of time")
        energy, forces = _energy_and_forces(module, frames.graphs[k], differentiable=count > 0)
        missing = torch.as_tensor(frames.forces[k], dtype=forces.dtype) - forces.detach()
        for _ in range(count):
            scale = settings["force_scale"] * np.sqrt(3 * frames.sizes[k] * count)
            v = torch.randn(forces.shape, generator=generator, dtype=forces.dtype) / scale
            add((forces * v).sum(), float((missing * v).sum()), k)
        factor = weights[k] / settings["energy_scale"]
        residual = frames.energies[k] - float(energy.detach()) / frames.sizes[k]
        add(energy * (factor / frames.sizes[k]), factor * residual, k)
    return torch.stack(rows), torch.tensor(residuals, dtype=torch.float64), np.array(owners)


def damped_step(
    jacobian: torch.Tensor, residuals: torch.Tensor, damping: float, block: int = 8192
) -> torch.Tensor:
    """Return the Levenberg-Marquardt step ``J^T (J J^T + d m 1)^-1 r``, shape (P,).

    It minimises ``|J s - r|^2 + d m |s|^2`` with d the `damping` and m the mean diagonal element of
    J J^T. `block` columns of J are made double precision at a time.
    """
    columns = [slice(k, k + block) for k in range(0, jacobian.shape[1], block)]
    kernel = torch.zeros((len(residuals), len(residuals)), dtype=torch.float64)
    for part in columns:
        piece = jacobian[:, part].double()
        kernel += piece @ piece.T
    kernel.diagonal().add_(damping * kernel.diagonal().mean())
    solution = torch.linalg.solve(kernel, residuals)
    return torch.cat([jacobian[:, part].double().T @ solution for part in columns])


def align(
    model: _Model, training: _Images, validation: _Images, settings: _Settings
) -> dict[str, Any]:
    """Align the frame energies of a model in place, or leave it as it is.

    Every damping is tried with some frames held out (:meth:`FrameSet.held_out`). Of those whose
    force error on `validation` grows by no more than `force_growth`, the one with the least error
    of the held-out energies is then used on all frames: of the difference between the two motifs
    plus a quarter of their root mean square, or of the latter alone for random frames.

    Parameters
    ----------
    model
        As loaded from a checkpoint; its weights are changed.
    training, validation
        Labelled frames to align on, and to watch the forces on: else on the held-out ones.
    settings
        As :data:`DEFAULTS`; missing keys are taken from there.

    Returns
    -------
    dict
        The report, of plain types: ``applied``, ``reason``, ``mode``, ``damping``, ``held_out``
        (names), ``frames`` (number), ``seed``, ``seconds``, and errors in meV/atom and meV/Å:
        ``before``, ``candidates``, ``blind`` (the chosen one) and ``after`` (aligned on all frames,
        so that the held-out ones are learnt, too).
    """
    began = time.monotonic()
    settings = {**DEFAULTS, **settings}
    deadline = began + settings["max_seconds"] if settings["max_seconds"] else np.inf
    start = parameters_to_vector(model.parameters()).detach().clone()
    report: dict[str, Any] = {"applied": False, "seed": settings["seed"]}
    try:
        report |= _align(model, training, validation, settings, deadline)
    except TimeoutError:
        report["reason"] = f"not done within {settings['max_seconds']:g} s"
    if not report["applied"]:
        _set(model, start)
    return report | {"seconds": time.monotonic() - began}


def _align(
    model: _Model, training: _Images, validation: _Images, settings: _Settings, deadline: float
) -> dict[str, Any]:
    model.train()
    model.requires_grad_(True)
    r_max, sets = _cutoff(model), (training, validation)
    usable, watched = ([a for a in s if len(neighbor_list("i", a, r_max))] for s in sets)
    if len(usable) < 3:
        return {"applied": False, "reason": "fewer than three frames with neighbours to align on"}
    everything = FrameSet(usable, model, settings)
    mode, out = everything.held_out()
    must = out if mode == "motifs" else out[: settings["max_frames"] // 10]
    rng = np.random.default_rng(settings["seed"])
    rest = rng.permutation(np.setdiff1d(range(len(usable)), out))
    rest = np.sort(rest[: max(0, settings["max_frames"] - len(must))])
    everyone = np.union1d(must, rest)
    held, weights = everything.select(must), everything.weights()
    others = FrameSet(watched, model, settings) if watched else held
    start = parameters_to_vector(model.parameters()).detach().clone()
    seeds = np.random.SeedSequence(settings["seed"]).generate_state(settings["iterations"])

    def equations(iteration: int, indices: NDArray[np.int64]) -> _Equations:
        draw = torch.Generator().manual_seed(int(seeds[iteration]))
        return linearise(model, everything.select(indices), weights[indices], draw, deadline)

    def run(damping: float, indices: NDArray[np.int64]) -> dict[str, Any]:
        _set(model, start)
        rows = np.isin(everyone[first[2]], indices)  # the first equations are those at any damping
        jacobian, residuals = first[0][rows], first[1][rows]
        for iteration in range(settings["iterations"]):
            if iteration > 0:
                jacobian, residuals, _ = equations(iteration, indices)
            weights_now = parameters_to_vector(model.parameters()).detach()
            _set(model, weights_now.double() + damped_step(jacobian, residuals, damping))
        return {"damping": damping, **_state(model, mode, held, others)}

    before: dict[str, Any] = _state(model, mode, held, others)
    first = equations(0, everyone)
    candidates = [run(d, rest) for d in settings["dampings"]]
    names = [f"{a.symbols} {a.info.get('config_type', '')}".strip() for a in held.frames]
    report: dict[str, Any] = {"applied": False, "mode": mode, "held_out": names}
    report |= {"frames": len(everyone), "damping": None, "before": before, "after": before}
    report |= {"candidates": candidates, "blind": None}

    def better(state: dict[str, Any]) -> bool:
        if state["forces_rmse"] > settings["force_growth"] * before["forces_rmse"]:
            return False
        return _measure(state) < _measure(before) - 1e-3  # less is rounding

    if not (good := [candidate for candidate in candidates if better(candidate)]):
        return report | {"reason": "no damping lowers the held-out error and keeps the forces"}
    blind = min(good, key=_measure)
    report["blind"], after = blind, run(blind["damping"], everyone)
    if not better(after):
        return report | {"reason": "aligned on all frames, energies or forces became worse"}
    report["damping"] = blind["damping"]
    return report | {"after": after, "applied": True, "reason": "the held-out error became less"}


def _state(model: _Model, mode: str, held: FrameSet, watched: FrameSet) -> dict[str, float | None]:
    """Return the errors by which a damping is chosen: held-out energies, forces on other frames."""
    energies, _ = errors(model, held)
    known, forces = errors(model, watched)
    difference = None
    if mode == "motifs":
        motifs = [energies[held.cold & (held.kinds == m)].mean() for m in held.settings["motifs"]]
        difference = float(motifs[0] - motifs[1])
    state = {"motif_difference": difference, "forces_rmse": forces}
    for name, values in (("held_out_energy_rmse", energies), ("energy_rmse", known)):
        state[name] = float(np.sqrt(np.mean(values**2)))
    return state


def _measure(state: dict[str, Any]) -> float:
    """Return what is to be small, meV/atom; see :func:`align`."""
    energies, difference = float(state["held_out_energy_rmse"]), state["motif_difference"]
    return energies if difference is None else abs(difference) + energies / 4


def _set(model: _Model, weights: torch.Tensor) -> None:
    dtype = next(model.parameters()).dtype
    with torch.no_grad():
        vector_to_parameters(weights.to(dtype), model.parameters())


def save_aligned(source: Path, target: Path, model: _Model) -> None:
    """Write a checkpoint with the weights of a model in the places of those it was loaded from.

    Where the checkpoint keeps an exponential moving average, nequip loads and packages that one:
    both the average and the weights themselves are replaced.
    """
    checkpoint = torch.load(source, map_location="cpu", weights_only=True)
    state = checkpoint["state_dict"]
    for index, (name, parameter) in enumerate(model.named_parameters()):
        keys = [k for k in state if k.startswith("model.") and k.endswith(f".{name}")]
        keys += [k for k in (f"ema.ema_weight_{index}",) if k in state]
        if not keys or any(state[k].shape != parameter.shape for k in keys):
            raise ValueError(f"{source} has no place for the weights {name}: is it of this model?")
        for key in keys:
            state[key] = parameter.detach().clone()
    torch.save(checkpoint, target)


def main(arguments: Sequence[str] | None = None) -> None:
    """Align one checkpoint; where the weights stay as they are, the new file is a copy."""
    parser = argparse.ArgumentParser(description="Align the frame energies of a trained model.")
    for name in ("source", "target", "frames", "--validation", "--settings", "--report"):
        parser.add_argument(name, type=Path)
    given = parser.parse_args(arguments)
    torch.load(given.source, map_location="cpu", weights_only=True)  # nequip unpickles anything
    shutil.copy(given.source, given.target)  # where the alignment fails, this is packaged
    settings = json.loads(given.settings.read_text("utf-8")) if given.settings else {}
    set_global_state()
    torch.use_deterministic_algorithms(True, warn_only=True)
    model = load_saved_model(str(given.source), compile_mode="eager")
    paths = (given.frames, given.validation)
    training, validation = (list(ase.io.iread(p, ":")) if p else [] for p in paths)
    report = align(model, training, validation, settings)
    if report["applied"]:
        partial = given.target.with_name(f"partial-{given.target.name}")
        save_aligned(given.source, partial, model)
        partial.replace(given.target)
    path = given.report or given.target.with_name("alignment_report.json")
    path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(f"aligned: {report['applied']} ({report['reason']})")


if __name__ == "__main__":
    main()
