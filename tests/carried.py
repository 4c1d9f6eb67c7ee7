"""What a training job carries, laid out as in its folder."""

from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path


def lay_out(folder: Path, carried: Mapping[str, Iterable[str]]) -> list[str]:
    """Write the modules into a folder; return their texts."""
    texts = []
    for package, names in carried.items():
        target = folder / package.replace(".", "/")
        target.mkdir(parents=True, exist_ok=True)
        own = (
            package if package.startswith("aiida_nanoclusters") else f"aiida_nanoclusters.{package}"
        )
        for name in names:
            texts.append((files(own) / name).read_text("utf-8"))
            (target / name).write_text(texts[-1], encoding="utf-8")
    return texts
