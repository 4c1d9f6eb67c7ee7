"""Metadata of the models that the nequip programs write.

Written for ``nequip`` 0.19 and ``nequip-allegro`` 0.8. Nothing here imports torch or
runs code of a model file: metadata are read from the plain-text members of the archives.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from aiida_nanoclusters.formats.limits import load_json, load_yaml

#: What a zip archive of a form that no program here writes makes its reader raise.
_ODD = (NotImplementedError, RuntimeError, UnicodeDecodeError)
#: Size of metadata (bytes) above which a file is refused.
_LARGEST_TEXT = 10_000_000
#: Beginning of the import path of strictly local models: each atom sees its own neighbours alone.
_LOCAL = "allegro."
#: Functions that build a model and then change it; its settings are a level further in.
_WRAPPERS = ("nequip.model.modify", "nequip.model.modify_utils.modify")


def read_package_metadata(path: str | Path) -> dict[str, Any]:
    """Return the metadata of a packaged model (``.nequip.zip``); no code in it is run.

    Returns
    -------
    dict
        ``type_names`` (list of str), ``r_max`` (Å), ``dtype`` (``float32`` or ``float64``),
        ``local`` (whether it is Allegro, which passes no messages), ``builder`` (import path of
        what builds it), ``seed`` (of the initial weights) and ``versions`` (program -> version).

    Raises
    ------
    ValueError
        If the file was not made by ``nequip-package build``.
    """
    texts = _archive_texts(path, ("/model/package_metadata.txt", "/model/config.yaml"))
    if len(texts) != 2:
        raise ValueError(f"{path} is not a packaged model: make one with nequip-package build")
    try:
        metadata, config = (load_yaml(text) for text in texts)
        types: Mapping[int, str] = metadata["atom_types"]
        model = _unwrapped(config["training_module"]["model"])
        builder = str(model["_target_"])
        return {
            "local": builder.startswith(_LOCAL),
            "builder": builder,
            "type_names": [str(types[index]) for index in sorted(types)],
            "r_max": float(model["r_max"]),
            "dtype": str(model["model_dtype"]),
            "seed": int(model["seed"]),
            "versions": {name: str(version) for name, version in metadata["versions"].items()},
        }
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{path} holds metadata of an unknown form: no {error}") from error


def read_package_model(package: str | Path | IO[bytes]) -> dict[str, Any]:
    """Return the settings of a packaged model under nequip's names; no code in it is run.

    Returns
    -------
    dict
        The section ``training_module.model`` of the configuration it was trained with, with the
        statistics of its training frames (neighbours, scales).

    Raises
    ------
    ValueError
        If the file was not made by ``nequip-package build``, or has no settings.
    """
    texts = _archive_texts(package, ("/model/config.yaml",))
    if not texts:
        raise ValueError("it is not a packaged model: make one with nequip-package build")
    try:
        return dict(_unwrapped(load_yaml(texts[0])["training_module"]["model"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"the package holds settings of an unknown form: no {error}") from error


def read_package_types(path: str | Path) -> list[str]:
    """Return the names of the atom types of a packaged model; no code in it is run.

    Raises
    ------
    ValueError
        If the file was not made by ``nequip-package build``.
    """
    texts = _archive_texts(path, ("/model/package_metadata.txt",))
    if not texts:
        raise ValueError(f"{path} is not a packaged model: make one with nequip-package build")
    try:
        types: Mapping[int, str] = load_yaml(texts[0])["atom_types"]
        return [str(types[index]) for index in sorted(types)]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{path} holds metadata of an unknown form: no {error}") from error


def _unwrapped(model: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the settings of a model within those of the modifiers that change it later."""
    while model.get("_target_") in _WRAPPERS and isinstance(model.get("model"), Mapping):
        model = model["model"]
    return model


def read_compiled_metadata(path: str | Path) -> dict[str, Any]:
    """Return the metadata of a compiled model (``.nequip.pt2``); no code in it is run.

    Returns
    -------
    dict
        ``type_names`` (list of str), ``r_max`` (Å), ``dtype``, ``device`` (``cpu`` or ``cuda``),
        ``inputs`` and ``outputs`` (lists of field names, which differ by target), ``machine`` and
        ``cpu_isa`` (instruction set of the CPU code, None on a GPU).

    Raises
    ------
    ValueError
        If the file was not made by ``nequip-compile --mode aotinductor``.
    """
    texts = _archive_texts(path, ("wrapper_metadata.json", "model_metadata.json"))
    if not texts:
        raise ValueError(f"{path} is not a compiled model: make one with nequip-compile")
    try:
        metadata = load_json(texts[0])
        return {
            "type_names": metadata["type_names"].split(),
            "r_max": float(metadata["r_max"]),
            "dtype": metadata["model_dtype"],
            "device": metadata["AOTI_DEVICE_KEY"],
            "inputs": metadata["nequip_aoti_inputs"].split(),
            "outputs": metadata["nequip_aoti_outputs"].split(),
            "machine": metadata.get("AOTI_MACHINE"),
            "cpu_isa": metadata.get("AOTI_CPU_ISA") or None,
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{path} holds metadata of an unknown form: no {error}") from error


def compiled_problem(metadata: Mapping[str, Any]) -> str | None:
    """Return why LAMMPS cannot run a compiled model of these metadata, or None."""
    if metadata["inputs"] == ["pos", "edge_index", "atom_types"]:
        return None
    return (
        f"was compiled for another program (its inputs are {', '.join(metadata['inputs'])}): "
        "compile an Allegro package with --target pair_allegro; take the package itself "
        "(.nequip.zip) of a model that passes messages"
    )


def _archive_texts(path: str | Path | IO[bytes], endings: Sequence[str]) -> list[str]:
    """Return the text of the first member of an archive with each ending."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            found = [next((n for n in names if n.endswith(end)), None) for end in endings]
            if any(name and archive.getinfo(name).file_size > _LARGEST_TEXT for name in found):
                raise ValueError(f"{path} holds metadata that are too large for a model")
            return [archive.read(name).decode("utf-8") for name in found if name is not None]
    except FileNotFoundError as error:
        raise ValueError(f"{path} does not exist") from error
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, *_ODD) as error:
        raise ValueError(f"{path} is not the archive of a model: {error}") from error
