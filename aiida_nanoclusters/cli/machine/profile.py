"""profile.yaml: the computers, codes and resources of a machine, read and checked without AiiDA."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiida_nanoclusters.cli.machine.profile_keys import (
    AIIDA_KEYS,
    CODE_KEYS,
    COMPUTER_KEYS,
    DATABASE_KEYS,
    FREE_MAPPINGS,
    ONE_PROCESS,
    OPTION_KEYS,
    PLACEHOLDER,
    RABBITMQ_KEYS,
    RESOURCE_KEYS,
    SHELL_TEXTS,
    VERB_KEYS,
    Placeholders,
    nearest,
)
from aiida_nanoclusters.formats.limits import load_yaml, read_text

SHIPPED = Path(__file__).parent / "profiles"  # in a checkout a link to the folder people edit
FILENAME = "profile.yaml"
BY_SIZE = "from_size"
STORAGES = ("core.sqlite_dos", "core.psql_dos")
BROKERS = ("core.zeromq", "core.rabbitmq")


@dataclass(frozen=True)
class AiidaEntry:
    """The AiiDA profile to make: storage, broker, and where a server of either is."""

    storage: str = STORAGES[0]
    broker: str = BROKERS[0]
    database: Mapping[str, Any] = field(default_factory=dict)
    rabbitmq: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ComputerEntry:
    """One computer of a profile: `label`, and the keys of `COMPUTER_KEYS` as the file gave them."""

    label: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class CodeEntry:
    """One code: its label, its computer's, the keys of `CODE_KEYS`, and options by verb."""

    label: str
    computer: str
    values: Mapping[str, Any]
    verbs: Mapping[str, list[list[Any]]] = field(default_factory=dict)

    @property
    def full_label(self) -> str:
        """Label as AiiDA writes it, e.g. ``lammps@localhost``."""
        return f"{self.label}@{self.computer}"


@dataclass(frozen=True)
class Machine:
    """Content of a profile.yaml."""

    source: Path
    computers: tuple[ComputerEntry, ...] = ()
    codes: tuple[CodeEntry, ...] = ()
    placeholders: frozenset[str] = field(default_factory=frozenset)
    aiida: AiidaEntry = field(default_factory=AiidaEntry)

    @property
    def needs_plugin(self) -> bool:
        """Whether any text names the folder of the LAMMPS plugin."""
        return "plugin_dir" in self.placeholders


def find_profile(given: str) -> Path:
    """Path of a profile.yaml, from the path itself, its folder, or the name of a shipped one.

    Raises
    ------
    ValueError
        If there is none.
    """
    for path in (Path(given), SHIPPED / given):
        if path.is_file():
            return path
        if (path / FILENAME).is_file():
            return path / FILENAME
    shipped = sorted(folder.parent.name for folder in SHIPPED.glob(f"*/{FILENAME}"))
    raise ValueError(f"no {FILENAME} in `{given}`: give a folder that holds one, or {shipped}")


def read_machine(path: Path, values: Mapping[str, str] | None = None) -> Machine:
    """Read and check a profile.yaml.

    Parameters
    ----------
    path
        The file.
    values
        Replacements of the placeholders (see `usual_values`); default None: placeholders stay, and
        numbers given by one are not checked.

    Raises
    ------
    ValueError
        If it is no YAML, has an unknown or missing key, a value of the wrong type or a value not
        filled in; the message names the place and the nearest known key.
    """
    return parse_machine(path, read_text(path), values)


def parse_machine(path: Path, text: str, values: Mapping[str, str] | None = None) -> Machine:
    """Read and check the text of a profile.yaml; `path` is named in messages.

    Raises
    ------
    ValueError
        As `read_machine`.
    """
    try:
        raw = load_yaml(text)
    except ValueError as error:
        raise ValueError(f"{path} is no YAML: {' '.join(str(error).split())}") from error
    try:
        return _parse(path, raw or {}, values)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _parse(path: Path, raw: Any, values: Mapping[str, str] | None) -> Machine:
    sections = {"values": dict, "aiida": dict, "computers": dict, "codes": dict}
    top = _checked(raw, sections, "the file", ("computers", "codes"))
    texts = Placeholders(top.get("values", {}), values)
    aiida = _parse_aiida(top["aiida"], texts) if "aiida" in top else AiidaEntry()
    computers = []
    for label, entry in top["computers"].items():
        where = f"computers.{label}"
        checked = _filled(entry, COMPUTER_KEYS, where, texts)
        computers.append(
            ComputerEntry(str(label), _require(checked, ("transport", "scheduler"), where))
        )
    labels = [computer.label for computer in computers]
    codes = [_parse_code(str(full), entry, labels, texts) for full, entry in top["codes"].items()]
    there = tuple(code for code in codes if code is not None)
    texts.refuse_unused()
    return Machine(path, tuple(computers), there, frozenset(texts.seen), aiida)


def _parse_aiida(entry: Any, texts: Placeholders) -> AiidaEntry:
    for name, section in (("aiida", entry), *(entry or {}).items()):
        if isinstance(section, Mapping) and "password" in section:
            raise ValueError(
                f"{name}: passwords are not kept in files; give the database's in PGPASSWORD or "
                "~/.pgpass, RabbitMQ's in AIIDA_BROKER_PASSWORD"
            )
    checked = _filled(entry, AIIDA_KEYS, "aiida", texts)
    for key, known in (("storage", STORAGES), ("broker", BROKERS)):
        if key in checked and checked[key] not in known:
            raise ValueError(f"aiida.{key}: unknown `{checked[key]}`{nearest(checked[key], known)}")
    for key, keys in (("database", DATABASE_KEYS), ("rabbitmq", RABBITMQ_KEYS)):
        if key in checked:
            checked[key] = _filled(checked[key], keys, f"aiida.{key}", texts)
    return AiidaEntry(**checked)


def _parse_code(
    full_label: str, entry: Any, computers: list[str], texts: Placeholders
) -> CodeEntry | None:
    """One code; none where the user has left its executable out."""
    where = f"codes.{full_label}"
    label, at, computer = full_label.partition("@")
    if not at or not label:
        raise ValueError(f"{where}: write the label as code@computer, e.g. lammps@{computers[0]}")
    if computer not in computers:
        raise ValueError(
            f"{where}: no computer `{computer}` in the file{nearest(computer, computers)}"
        )
    checked = _filled(entry, CODE_KEYS, where, texts)
    left_out = "executable" in entry and "executable" not in checked
    options = _options(checked.get("options", {}), f"{where}.options", texts)
    options.setdefault("resources", dict(ONE_PROCESS))
    if "mpi" in checked:  # not the code's own with_mpi, which no job could then overrule
        options["withmpi"] = checked.pop("mpi")
    checked["options"] = options
    verbs = _checked(checked.pop("verbs", {}), VERB_KEYS, f"{where}.verbs")
    steps = {v: _steps(asked, f"{where}.verbs.{v}", texts) for v, asked in verbs.items()}
    if left_out:
        return None
    return CodeEntry(label, computer, _require(checked, ("executable",), where), steps)


def _steps(entry: Mapping[str, Any], where: str, texts: Placeholders) -> list[list[Any]]:
    """Options of one verb: pairs of the smallest number of atoms and the options from there on."""
    sizes = entry.get(BY_SIZE, {})
    where_sizes = f"{where}.{BY_SIZE}"
    if not isinstance(sizes, Mapping) or not all(type(n) is int and n > 0 for n in sizes):
        raise ValueError(f"{where_sizes} must be a mapping of numbers of atoms to options")
    always = {key: value for key, value in entry.items() if key != BY_SIZE}
    pairs = [[0, _options(always, where, texts)]] if always else []
    for n_atoms in sorted(sizes):
        pairs.append([n_atoms, _options(sizes[n_atoms], f"{where_sizes}.{n_atoms}", texts)])
    return pairs


def _options(entry: Any, where: str, texts: Placeholders) -> dict[str, Any]:
    options = _filled(entry, OPTION_KEYS, where, texts)
    if "resources" in options:
        resources = _filled(options["resources"], RESOURCE_KEYS, f"{where}.resources", texts)
        options["resources"] = resources
    return options


def _filled(
    entry: Any, keys: Mapping[str, type], where: str, texts: Placeholders
) -> dict[str, Any]:
    """Section with its placeholders filled in and its values of the right types."""
    if not isinstance(entry, Mapping):
        raise ValueError(f"{where} must be a mapping of {', '.join(keys)}")
    filled = {}
    for key, value in entry.items():
        if isinstance(value, str):
            left_out = texts.is_left_out(value)
            value = texts.fill(value, f"{where}.{key}", strict=key not in SHELL_TEXTS)
            if left_out:
                continue
            number = keys.get(key) in (int, float)
            if number and PLACEHOLDER.fullmatch(value):
                continue  # not filled in: only the rest of the file is being checked
            if number and value.isdigit():
                value = int(value)
        elif isinstance(value, dict) and key in FREE_MAPPINGS:
            words = {k: v for k, v in value.items() if isinstance(v, str)}
            value = value | {
                k: texts.fill(v, f"{where}.{key}.{k}", strict=False) for k, v in words.items()
            }
        filled[key] = value
    return _checked(filled, keys, where)


def _checked(
    entry: Any, keys: Mapping[str, type], where: str, required: Iterable[str] = ()
) -> dict[str, Any]:
    if not isinstance(entry, Mapping):
        raise ValueError(f"{where} must be a mapping of {', '.join(keys)}")
    for key, value in entry.items():
        if key not in keys:
            raise ValueError(f"{where}: unknown key `{key}`{nearest(str(key), keys)}")
        wanted = keys[key]
        fits = isinstance(value, (int, float) if wanted is float else wanted)
        if not fits or (isinstance(value, bool) and wanted is not bool):
            hint = (
                " (quote a {placeholder})" if isinstance(value, dict) and wanted is not dict else ""
            )
            raise ValueError(f"{where}.{key} must be {_NAMES[wanted]}, not {value!r}{hint}")
        least = {int: 1, float: 0}.get(wanted)
        if least is not None and not least <= value < float("inf"):
            raise ValueError(f"{where}.{key} must be {_NAMES[wanted]} from {least}, not {value!r}")
    return _require(dict(entry), required, where)


_NAMES = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    dict: "a mapping",
    list: "a list",
}


def _require(entry: dict[str, Any], required: Iterable[str], where: str) -> dict[str, Any]:
    missing = [key for key in required if not entry.get(key)]
    if missing:
        raise ValueError(f"{where}: give `{missing[0]}`")
    return entry
