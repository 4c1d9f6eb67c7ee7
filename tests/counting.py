"""How often a function is called: what a test can say of an algorithm's cost without a clock."""

from types import ModuleType
from typing import Any

import pytest


def count_calls(monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str) -> list[tuple]:
    """Replace a function of a module by one that also appends its arguments to the list."""
    original, calls = getattr(module, name), []

    def counted(*args: Any, **options: Any) -> Any:
        calls.append(args)
        return original(*args, **options)

    monkeypatch.setattr(module, name, counted)
    return calls
