"""The tables of the page of settings, out of the models that check them."""

from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any

import yaml

from aiida_nanoclusters.science.settings import Setting, Settings
from aiida_nanoclusters.workflows.parts.protocol import load_protocol, protocol_names
from aiida_nanoclusters.workflows.parts.settings import SETTINGS

PROTOCOLS = files("aiida_nanoclusters.workflows") / "protocols"
#: A longer default is left to the protocol's file.
_LONGEST = 60


def tables() -> str:
    """Return a section for each file of protocols and a table for each of its models (Markdown)."""
    return "\n".join(line for stem in sorted(SETTINGS) for line in _section(stem))


def _section(stem: str) -> Iterator[str]:
    yield f"\n## {stem}\n"
    default = yaml.safe_load((PROTOCOLS / f"{stem}.yaml").read_text("utf-8"))["default_protocol"]
    for name, description in protocol_names(stem).items():
        yield f"- `{name}`{' (default)' if name == default else ''}: {description}"
    values = load_protocol(stem)
    for path, model in SETTINGS[stem].items():
        others = [other for other in SETTINGS[stem] if other != path]
        yield from _table(path, model, values, others)


def _table(
    path: str, model: type[Settings], values: Mapping[str, Any], others: list[str]
) -> Iterator[str]:
    yield ""
    yield f"`{path}`:" if path else "The whole protocol:"
    yield "\n| name | quantity | unit | default |"
    yield "|---|---|---|---|"
    for row in model.tree():
        full = f"{path}.{row.name}".lstrip(".")
        if not any(full.startswith(f"{other}.") for other in others if other.startswith(path)):
            cells = (f"`{row.name}`", _cell(row.description), row.unit, _value(row, full, values))
            yield f"| {' | '.join(cells)} |"


def _value(row: Setting, path: str, values: Mapping[str, Any]) -> str:
    """Return what holds if nothing else is given: the default protocol's value, or the model's."""
    found: Any = values
    for key in path.split("."):
        known = isinstance(found, Mapping) and key in found
        found = found[key] if known else None
        if not known:
            found = None if row.required else row.default
            break
    if found is None:
        return "" if row.required else "null"
    text = yaml.safe_dump(_plain(found), default_flow_style=True, allow_unicode=True, width=10**6)
    text = text.removesuffix("\n").removesuffix("\n...")
    return f"`{_cell(text)}`" if len(text) <= _LONGEST else "see the file"


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
