"""Attributes that stored nodes must have, by the type of node, and whether their files fit them.

A node that this package or AiiDA made always has them. One that came in an archive may hold
anything: what reads such nodes later, a query or a report, relies on these types.
"""

from __future__ import annotations

import io
import json
import math
import tokenize
import zipfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import PurePosixPath
from typing import Annotated, Any, BinaryIO, Literal
from uuid import UUID

import numpy as np
from aiida.orm.implementation.utils import clean_value
from ase.data import atomic_numbers
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, ValidationError

from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.model_files import arrays_file
from aiida_nanoclusters.formats.frames_file import FILENAME, read_frames
from aiida_nanoclusters.formats.input_text import lammps_type
from aiida_nanoclusters.formats.lammps.potential_lines import FILENAMES, KINDS
from aiida_nanoclusters.formats.plain_text import excerpt

#: Attributes of frames that earlier versions did not note.
_LATER = FramesData._hash_ignored_attributes
#: Largest number of dimensions of an array.
_MOST_DIMENSIONS = 32
_ARRAY = "array|"
#: What numpy raises on a header of an array, which it reads as Python's literals.
_NO_HEADER = (
    *(ValueError, EOFError, TypeError, SyntaxError, tokenize.TokenError),
    *(MemoryError, RecursionError),
)


def _element(symbol: str) -> str:
    if atomic_numbers.get(symbol, 0) < 1:
        raise ValueError(f"`{excerpt(symbol)}` is no chemical element")
    return symbol


def _kind(kind: str) -> str:
    if kind not in KINDS:
        raise ValueError(f"`{excerpt(kind)}` is no kind of potential")
    return kind


def _moment(text: str) -> str:
    datetime.fromisoformat(text)
    return text


def _uuid_or_empty(text: str) -> str:
    if text:
        check_uuid(text)
    return text


Element = Annotated[str, AfterValidator(_element)]
Count = Annotated[int, Field(ge=0, le=10**12)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class Attributes(BaseModel):
    """Attributes of one type of node; others than those named are free."""

    model_config = ConfigDict(strict=True, extra="allow")
    __pydantic_extra__: dict[str, Any] = Field(init=False)


class _Int(Attributes):
    value: int


class _Float(Attributes):
    value: float


class _Str(Attributes):
    value: str


class _Bool(Attributes):
    value: bool


class _List(Attributes):
    values: list[JsonValue] = Field(alias="list")


class _Singlefile(Attributes):
    filename: str


class _Remote(Attributes):
    remote_path: str


class _Code(Attributes):
    input_plugin: str | None = None
    append_text: str = ""
    prepend_text: str = ""
    with_mpi: bool | None = None
    use_double_quotes: bool = False


class _InstalledCode(_Code):
    filepath_executable: str


class _Frames(Attributes):
    n_frames: Count
    n_atoms: Count
    n_labelled: Count
    sizes: list[Annotated[int, Field(ge=1, le=10**12)]]
    elements: list[Element]
    config_types: list[str]
    level_of_theory: str
    atom_energies: dict[Element, Finite]
    lowest_energies: dict[str, Finite] = {}


class _Potential(Attributes):
    kind: Annotated[str, AfterValidator(_kind)]
    elements: Annotated[list[Element], Field(min_length=1)]
    cutoff: Annotated[float, Field(gt=0, le=100)]
    level_of_theory: str
    atom_energies: dict[Element, Finite]
    parameters: dict[str, Finite] = {}
    training_set: Annotated[str, AfterValidator(_uuid_or_empty)] = ""
    machine: dict[str, str | None] = {}
    types: dict[Element, Annotated[str, AfterValidator(lammps_type)]] = {}


class _Chart(Attributes):
    elements: Annotated[list[Element], Field(min_length=1)]
    bond_lengths: dict[Element, Annotated[float, Field(gt=0, lt=100)]]
    sizes: list[Annotated[int, Field(ge=1, le=10**12)]]
    reproduces: Literal["relaxed", "thermal"]
    dimensions: Annotated[int, Field(ge=1, le=3)]
    channels: list[Annotated[int, Field(ge=1)]]
    bins: Annotated[int, Field(ge=1)]
    shortest: Finite
    longest: Finite
    bandwidth: Finite
    largest_error: Finite
    largest_distance: Finite
    seed: int | None = None
    validation_loss: Finite | None = None


class _CoreEncoder(Attributes):
    elements: Annotated[list[Element], Field(min_length=1)]
    kind: str
    features: Count
    layers: Count
    cutoff: Finite
    references: dict[Element, Finite]
    references_from: str
    seed: int
    validation_loss: Finite


class _MatchingModel(Attributes):
    elements: Annotated[list[Element], Field(min_length=1)]
    core_encoder: str
    ligand_encoder: str
    pretrained: bool
    n_known_cores: Count
    n_known_ligands: Count
    ligands: list[str]
    seed: int
    validation_loss: Finite


class _Pairs(Attributes):
    n_pairs: Count
    n_positive: Count
    n_cores: Count
    n_ligands: Count
    elements: Annotated[list[Element], Field(min_length=1)]
    groups: list[str]
    tolerance: Annotated[float, Field(gt=0, le=2)]


class _Process(Attributes):
    sealed: bool
    process_label: str | None = None
    process_state: Literal["finished", "excepted", "killed"] | None = None
    exit_status: int | None = None
    exit_message: str | None = None
    exception: str | None = None
    version: dict[str, str | None] = {}


class _Job(_Process):
    resources: dict[str, JsonValue] = {}
    last_job_info: str | dict[str, JsonValue] | None = None
    scheduler_lastchecktime: Annotated[str, AfterValidator(_moment)] | None = None
    parser_name: str | None = None
    retrieve_list: list[JsonValue] = []


#: Schema by the type of node without the name of its class, by which AiiDA finds the class.
_SCHEMAS: dict[str, type[Attributes]] = {
    "data.core.int": _Int,
    "data.core.float": _Float,
    "data.core.str": _Str,
    "data.core.bool": _Bool,
    "data.core.list": _List,
    "data.core.singlefile": _Singlefile,
    "data.core.remote": _Remote,
    "data.core.code.installed": _InstalledCode,
    "data.core.code": _Code,
    "data.nanoclusters.chart": _Chart,
    "data.nanoclusters.core_encoder": _CoreEncoder,
    "data.nanoclusters.frames": _Frames,
    "data.nanoclusters.matching_model": _MatchingModel,
    "data.nanoclusters.pairs": _Pairs,
    "data.nanoclusters.potential": _Potential,
    "process.calculation.calcjob": _Job,
}


def attributes_problem(node_type: str, attributes: Mapping[str, Any]) -> str | None:
    """Return what is wrong with the attributes of a node of this type, or None."""
    plugin = node_type.rstrip(".").rpartition(".")[0]
    schema = _SCHEMAS.get(plugin)
    if schema is None and node_type.startswith("process."):
        schema = _Process
    if schema is None:
        return _array_names_problem(attributes) if plugin.startswith("data.core.array") else None
    try:
        found = schema.model_validate(attributes)
    except ValidationError as error:
        return first_fault(error)
    return _job_problem(found) if isinstance(found, _Job) else None


def _job_problem(job: _Job) -> str | None:
    """Return what is wrong with the numbers from which the time and the cores of a job are read."""
    for name in ("num_machines", "num_mpiprocs_per_machine", "tot_num_mpiprocs"):
        value = job.resources.get(name)
        if value is not None and (type(value) is not int or not 0 <= value <= 10**8):
            return f"`resources.{name}` is no number of processes"
    return None


def _array_names_problem(attributes: Mapping[str, Any]) -> str | None:
    for key, shape in attributes.items():
        if not key.startswith(_ARRAY):
            continue
        counts = isinstance(shape, list) and all(type(n) is int and n >= 0 for n in shape)
        if not counts or len(shape) > _MOST_DIMENSIONS:
            return f"`{excerpt(key)}` is no shape of an array"
    return None


# -- files -----------------------------------------------------------------------------------


def array_problem(shape: list[int], stream: BinaryIO, size: int) -> str | None:
    """Return what is wrong with an array in numpy's format, of which only the header is read.

    Parameters
    ----------
    shape
        That of the attributes.
    stream, size
        The file and its size in bytes.
    """
    try:
        version = np.lib.format.read_magic(stream)
        if version == (1, 0):
            found, _, dtype = np.lib.format.read_array_header_1_0(stream)
        else:
            found, _, dtype = np.lib.format.read_array_header_2_0(stream)
    except _NO_HEADER as error:
        return f"is no array of numpy ({excerpt(str(error))})"
    if dtype.hasobject:
        return "holds Python objects, which run code when they are read"
    if list(found) != list(shape):
        return f"has the shape {list(found)}, not {list(shape)} as its node says"
    if math.prod(found) * dtype.itemsize > size:
        return "is shorter than its header says"
    return None


def frames_problem(attributes: Mapping[str, Any], content: bytes) -> str | None:
    """Return what of the attributes of a set of frames does not follow from its file."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if any(m.compress_type != zipfile.ZIP_STORED for m in archive.infolist()):
                return f"`{FILENAME}` is compressed, which this package never writes"
        frames = read_frames(io.BytesIO(content))
        for info in frames.info:
            if not isinstance(json.loads(str(info)), dict):
                return f"`{FILENAME}` holds notes of a frame that are no table"
        again = clean_value(FramesData(frames).base.attributes.all)
    # whatever numpy and our own reader raise on content that they were not made for
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        return f"`{FILENAME}` is no file of frames ({excerpt(str(error))})"
    except (OSError, RecursionError, zipfile.BadZipFile, MemoryError) as error:
        return f"`{FILENAME}` is no file of frames ({excerpt(str(error))})"
    wrong = [k for k in again if k in attributes or k not in _LATER]
    wrong = [key for key in wrong if attributes.get(key) != again[key]]
    return f"`{wrong[0]}` does not follow from its file" if wrong else None


def file_names(attributes: Mapping[str, Any], node_type: str) -> dict[str, list[int]]:
    """Return the arrays that the attributes of an ArrayData name: file and shape."""
    if not node_type.startswith("data.core.array."):
        return {}
    return {
        f"{key.removeprefix(_ARRAY)}.npy": list(shape)
        for key, shape in attributes.items()
        if key.startswith(_ARRAY)
    }


def wanted_file(attributes: Mapping[str, Any], node_type: str) -> str | None:
    """Return the one file that a node cannot do without, or None."""
    if node_type.startswith("data.nanoclusters.frames."):
        return FILENAME
    if (arrays := arrays_file(node_type)) is not None:
        return arrays
    if node_type.startswith("data.nanoclusters.potential."):
        return FILENAMES.get(str(attributes.get("kind")))
    return None


def name_problem(name: str) -> str | None:
    """Return why a file or folder in a node must not have this name, or None."""
    if name in ("", ".", "..") or "/" in name or "\\" in name or PurePosixPath(name).is_absolute():
        return "leads out of its folder"
    if len(name.encode(errors="surrogatepass")) > 255:
        return "has a longer name than a file can have"
    return None if name.isprintable() else "has characters that cannot be printed"


# -- text ------------------------------------------------------------------------------------


def check_uuid(text: str) -> str:
    """Return a UUID in the form in which AiiDA writes it.

    Raises
    ------
    ValueError
        If it is none, or written otherwise.
    """
    try:
        if str(UUID(text)) == text:
            return text
    except (ValueError, AttributeError, TypeError):
        pass  # said below, together with the other forms
    raise ValueError(f"`{excerpt(text)}` is no UUID")


def first_fault(error: ValidationError) -> str:
    """Return the first fault that pydantic found in one line."""
    fault = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(excerpt(str(part)) for part in fault["loc"])
    said = str(fault["msg"]).removeprefix("Value error, ")
    return f"`{place}`: {excerpt(said, 200)}"
