"""Identity cards of the models that the nequip programs make.

Written for ``nequip`` 0.19 and ``nequip-allegro`` 0.8. Nothing here imports torch, and nothing here
runs code that a model file carries: metadata are read from the plain-text members of the archives.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import yaml

#: Bytes of metadata above which a file is not what it claims to be.
_LARGEST_TEXT = 10_000_000


def read_package_metadata(path: str | Path) -> dict[str, Any]:
    """Return what a packaged model (``.nequip.zip``) says about itself; no code in it is run.

    Returns
    -------
    dict
        ``type_names`` (list of str), ``r_max`` (Å), ``dtype`` (``float32`` or ``float64``),
        ``seed`` (of the initial weights) and ``versions`` (program -> version).

    Raises
    ------
    ValueError
        If the file was not made by ``nequip-package build``.
    """
    texts = _archive_texts(path, ("/model/package_metadata.txt", "/model/config.yaml"))
    if len(texts) != 2:
        raise ValueError(f"{path} is no packaged model: make one with nequip-package build")
    try:
        metadata, config = (yaml.safe_load(text) for text in texts)
        types: Mapping[int, str] = metadata["atom_types"]
        model = config["training_module"]["model"]
        return {
            "type_names": [str(types[index]) for index in sorted(types)],
            "r_max": float(model["r_max"]),
            "dtype": str(model["model_dtype"]),
            "seed": int(model["seed"]),
            "versions": {name: str(version) for name, version in metadata["versions"].items()},
        }
    except (KeyError, TypeError, AttributeError, yaml.YAMLError) as error:
        raise ValueError(f"{path} holds metadata of an unknown form: no {error}") from error


def read_package_model(package: str | Path | IO[bytes]) -> dict[str, Any]:
    """Return the settings of a packaged model, in nequip's own words; no code in it is run.

    Returns
    -------
    dict
        The section ``training_module.model`` of the configuration it was trained with, what was
        taken from the training frames (neighbours, scales) filled in.

    Raises
    ------
    ValueError
        If the file was not made by ``nequip-package build``, or tells no settings.
    """
    texts = _archive_texts(package, ("/model/config.yaml",))
    if not texts:
        raise ValueError("it is no packaged model: make one with nequip-package build")
    try:
        return dict(yaml.safe_load(texts[0])["training_module"]["model"])
    except (KeyError, TypeError, ValueError, yaml.YAMLError) as error:
        raise ValueError(f"the package holds settings of an unknown form: no {error}") from error


def read_compiled_metadata(path: str | Path) -> dict[str, Any]:
    """Return what a compiled model (``.nequip.pt2``) says about itself; no code in it is run.

    Returns
    -------
    dict
        ``type_names`` (list of str), ``r_max`` (Å), ``dtype``, ``device`` (``cpu`` or ``cuda``),
        ``inputs`` and ``outputs`` (lists of field names: they tell the target), ``machine`` and
        ``cpu_isa`` (instruction set the CPU code was made for, None on a GPU).

    Raises
    ------
    ValueError
        If the file was not made by ``nequip-compile --mode aotinductor``.
    """
    texts = _archive_texts(path, ("wrapper_metadata.json", "model_metadata.json"))
    if not texts:
        raise ValueError(f"{path} is no compiled model: make one with nequip-compile")
    metadata = json.loads(texts[0])
    try:
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
    except (KeyError, AttributeError) as error:
        raise ValueError(f"{path} holds metadata of an unknown form: no {error}") from error


def _archive_texts(path: str | Path | IO[bytes], endings: Sequence[str]) -> list[str]:
    """Return the text of the first member with each ending; the archive's folder bears its name."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            found = [next((n for n in names if n.endswith(end)), None) for end in endings]
            if any(name and archive.getinfo(name).file_size > _LARGEST_TEXT for name in found):
                raise ValueError(f"{path} holds metadata far too large to be those of a model")
            return [archive.read(name).decode("utf-8") for name in found if name is not None]
    except FileNotFoundError as error:
        raise ValueError(f"{path} does not exist") from error
    except (zipfile.BadZipFile, IsADirectoryError) as error:
        raise ValueError(f"{path} is not the archive a model is kept in: {error}") from error
