"""The input of a training with the initial weights of a package; ``nequip_start.py`` runs in it.

Written for ``nequip`` 0.19 and ``nequip-allegro`` 0.8. Nothing here imports torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from aiida_nanoclusters.formats.nequip.config import START_CALLBACK
from aiida_nanoclusters.formats.plain_text import excerpt
from aiida_nanoclusters.science.learning.training_settings import ModelSettings

START_SCRIPT = "nequip_start.py"
START_PACKAGE = "start.nequip.zip"

#: Statistics of the first training frames of a model; its weights are valid only with these.
STATISTICS = ("avg_num_neighbors", "per_type_energy_scales", "per_type_energy_shifts")
#: Names of nequip and those in ``settings.model``.
_OURS = {
    "scalar_embed_mlp_hidden_layers": "two_body_mlp",
    "allegro_mlp_hidden_layers": "allegro_mlp",
    "readout_mlp_hidden_layers": "readout_mlp",
    "radial_chemical_embed.": "",
    "model_dtype": "dtype",
}
_BUILDER = "allegro.model.AllegroModel"
#: What nequip-allegro takes for settings that a package does not name.
_DEFAULTS: dict[str, Any] = {
    "parity": True,
    **{
        f"radial_chemical_embed.{k}": v
        for k, v in (("num_bessels", 8), ("bessel_trainable", False))
    },
    "radial_chemical_embed.polynomial_cutoff_p": 6,
    **{f"{part}_mlp_hidden_layers_depth": 1 for part in ("scalar_embed", "allegro", "readout")},
    **{f"{part}_mlp_nonlinearity": "silu" for part in ("scalar_embed", "allegro", "readout")},
    "scalar_embed_mlp_hidden_layers_width": 64,
    "allegro_mlp_hidden_layers_width": 64,
    "readout_mlp_hidden_layers_width": 32,
    **{"num_layers": 2, "num_scalar_features": 64, "num_tensor_features": 16},
    **{"tp_path_channel_coupling": True, "weight_individual_irreps": True},
    **{"do_derivatives": True, "forward_normalize": True, "pair_potential": None},
    **{"per_type_energy_scales_trainable": False, "per_type_energy_shifts_trainable": False},
    **{"radial_chemical_embed_dim": None, "per_edge_type_cutoff": None},
}
#: Settings of nequip that are none of the model's numbers, or are compared elsewhere.
_NOT_COMPARED = (*STATISTICS, "seed", "type_names", "compile_mode")


def model_difference(
    config: Mapping[str, Any], start: Mapping[str, Any], types: Mapping[str, str] | None = None
) -> str | None:
    """Return how the model of a package differs from that of a training, or None.

    Parameters
    ----------
    config
        As :func:`~aiida_nanoclusters.formats.nequip.config.render_config` returns it.
    start
        As :func:`~aiida_nanoclusters.formats.nequip.model.read_package_model` returns it.
    types
        Atom type of the package for each chemical symbol. Default: the symbol itself.
    """
    ours, theirs = _flat(config["training_module"]["model"]), _flat(start)
    for key in [*ours, *sorted(set(theirs) - set(ours))]:
        if key in ours and key in theirs and ours[key] == theirs[key]:
            continue
        here, there = (str(side.get(key, "not given")) for side in (ours, theirs))
        return f"model.{_our_name(key)} is {here} in the settings and {there} in the package"
    known, symbols = start.get("type_names", ()), config["training_module"]["model"]["type_names"]
    missing = [symbol for symbol in symbols if (types or {}).get(symbol, symbol) not in known]
    if missing:
        return f"the package has no atom type of {', '.join(missing)}"
    unknown = [key for key in STATISTICS if isinstance(start.get(key), str)]
    return f"the package has no number for `{unknown[0]}`" if unknown else None


def model_settings(start: Mapping[str, Any]) -> dict[str, Any]:
    """Return the section ``model`` of the settings with which a package can be trained on.

    Parameters
    ----------
    start
        As :func:`~aiida_nanoclusters.formats.nequip.model.read_package_model` returns it.

    Raises
    ------
    ValueError
        If the package has another model than these settings describe.
    """
    theirs = {_our_name(key): value for key, value in _flat(start).items()}
    names = list(ModelSettings.model_fields)
    builder = str(start.get("_target_"))
    if builder != _BUILDER or not {"r_max", "l_max", "dtype"} <= set(theirs):
        raise ValueError(
            f"the model of the package is built by {excerpt(builder)}, the models trained here by "
            f"{_BUILDER}: label frames with it, and train on the labels"
        )
    found = {name: theirs[name] for name in names}
    return ModelSettings.from_values(**{**found, "r_max": float(found["r_max"])}).model_dump()


def start_from(
    config: Mapping[str, Any],
    start: Mapping[str, Any],
    types: Mapping[str, str] | None = None,
    *,
    keep_shifts: bool = False,
) -> dict[str, Any]:
    """Return the configuration of a training with the initial weights of a package.

    The job's folder must hold the package as :data:`START_PACKAGE`, and :data:`START_SCRIPT`. The
    model has the types of `config`, which may be fewer than those of the package.

    Parameters
    ----------
    config, start, types
        As in :func:`model_difference`.
    keep_shifts
        Whether the energies of isolated atoms are those of `config`: the package then gives the
        initial binding energies, at whichever zero its labels had.

    Raises
    ------
    ValueError
        If the package has another model.
    """
    if problem := model_difference(config, start, types):
        raise ValueError(problem)
    changed = deepcopy(dict(config))
    del changed["data"]["stats_manager"]
    model = changed["training_module"]["model"]
    names = [(types or {}).get(symbol, symbol) for symbol in model["type_names"]]
    for key in STATISTICS:
        value = start.get(key)
        if isinstance(value, Mapping):
            pairs = zip(model["type_names"], names, strict=True)
            value = {symbol: value[name] for symbol, name in pairs}
        if not (keep_shifts and key == "per_type_energy_shifts"):
            model[key] = value
    callback: dict[str, Any] = {"_target_": START_CALLBACK, "package_path": START_PACKAGE}
    if keep_shifts or names != list(start["type_names"]):
        callback |= {"types": names, "keep_shifts": keep_shifts}
    changed["trainer"]["callbacks"].append(callback)
    return changed


def _our_name(key: str) -> str:
    for word, our_word in _OURS.items():
        key = key.replace(word, our_word)
    return key


def _flat(model: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a model by dotted names, without statistics of frames and seed."""
    flat: dict[str, Any] = dict(_DEFAULTS)
    for key, value in model.items():
        if key not in _NOT_COMPARED:
            inner = value if isinstance(value, Mapping) else {"": value}
            flat |= {f"{key}.{k}" if k else key: v for k, v in inner.items()}
    return flat
