"""The input of a training that begins from a packaged model; ``nequip_start.py`` runs in it.

Written for ``nequip`` 0.19 and ``nequip-allegro`` 0.8. Nothing here imports torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

START_SCRIPT = "nequip_start.py"
START_PACKAGE = "start.nequip.zip"

#: What a model takes from the frames it first learnt; its weights are of use only with these.
STATISTICS = ("avg_num_neighbors", "per_type_energy_scales", "per_type_energy_shifts")
#: Words of nequip that are others in ``settings.model``.
_OURS = {
    "scalar_embed_mlp_hidden_layers": "two_body_mlp",
    "allegro_mlp_hidden_layers": "allegro_mlp",
    "readout_mlp_hidden_layers": "readout_mlp",
    "radial_chemical_embed.": "",
    "model_dtype": "dtype",
}


def model_difference(config: Mapping[str, Any], start: Mapping[str, Any]) -> str | None:
    """Return in what a package is another model than a training's, or None.

    Parameters
    ----------
    config
        As :func:`~aiida_nanoclusters.formats.nequip.render_config` returns it.
    start
        As :func:`~aiida_nanoclusters.formats.nequip_model.read_package_model` returns it.
    """
    ours, theirs = _flat(config["training_module"]["model"]), _flat(start)
    for key in [*ours, *sorted(set(theirs) - set(ours))]:
        if key in ours and key in theirs and ours[key] == theirs[key]:
            continue
        name = key
        for word, our_word in _OURS.items():
            name = name.replace(word, our_word)
        here, there = (str(side.get(key, "not given")) for side in (ours, theirs))
        return f"model.{name} is {here} in the settings and {there} in the package"
    missing = [key for key in STATISTICS if key not in start]
    return f"the package does not tell its {missing[0]}" if missing else None


def start_from(config: Mapping[str, Any], start: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration of a training that begins from the weights of a package.

    The job's folder must hold the package as :data:`START_PACKAGE`, and :data:`START_SCRIPT`.

    Parameters
    ----------
    config, start
        As in :func:`model_difference`.

    Raises
    ------
    ValueError
        If the package is of another model.
    """
    if problem := model_difference(config, start):
        raise ValueError(problem)
    changed = deepcopy(dict(config))
    del changed["data"]["stats_manager"]
    changed["training_module"]["model"] |= {key: start[key] for key in STATISTICS}
    callback = f"{START_SCRIPT.removesuffix('.py')}.StartFromPackage"
    changed["trainer"]["callbacks"].append({"_target_": callback, "package_path": START_PACKAGE})
    return changed


def _flat(model: Mapping[str, Any]) -> dict[str, Any]:
    """Return what describes a model, apart from what it took from its frames and its seed."""
    flat: dict[str, Any] = {}
    for key, value in model.items():
        if key not in (*STATISTICS, "seed"):
            inner = value if isinstance(value, Mapping) else {"": value}
            flat |= {f"{key}.{k}" if k else key: v for k, v in inner.items()}
    return flat
