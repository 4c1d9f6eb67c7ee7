"""A model of settings refuses what it does not know and says what would do."""

import pytest

from aiida_nanoclusters.science.settings import Settings, quantity


class Interval(Settings):
    """Settings of an interval."""

    width: float = quantity("Relative half-width of the interval.", default=0.03, gt=0, lt=1)
    force: float = quantity("Largest force of a relaxed structure.", unit="eV/Å")

    former_names = {"half_width": "width"}


class Search(Settings):
    """Settings that hold settings."""

    steps: int = quantity("Number of steps.", default=3, ge=1)
    interval: Interval = quantity("Interval of the search.")
    intervals: dict[str, Interval] = quantity("Intervals by name.", default={})
    temperature: float | None = quantity("Temperature.", unit="K", default=None, ge=0)


@pytest.mark.parametrize(
    ("values", "words"),
    (
        ({"force": 0.01, "widht": 0.1}, "unknown setting `widht`: did you mean `width`?"),
        ({"force": 0.01, "zzz": 0.1}, "unknown setting `zzz`: choose among width, force"),
        ({}, "`force` is missing: give Largest force of a relaxed structure (eV/Å)"),
        ({"force": 0.01, "width": 1.5}, "`width` is 1.5: input should be less than 1"),
        ({"force": float("nan")}, "`force` is nan: input should be a finite number"),
        ({"force": "x"}, "`force` is 'x': input should be a valid number"),
    ),
)
def test_a_problem_names_the_setting_and_the_fix(values, words) -> None:
    assert Interval.problem(values).startswith(words)


@pytest.mark.parametrize(
    ("change", "words"),
    (
        ({"interval": {"force": 1, "widht": 0.1}}, "`interval.widht`: did you mean `width`?"),
        (
            {"intervals": {"a": {"focre": 1, "force": 1}}},
            "`intervals.a.focre`: did you mean `f",
        ),
        (
            {"intervals": {"a": {}}},
            "`intervals.a.force` is missing: give Largest force of",
        ),
        ({"intervals": {"a": {}}}, "relaxed structure (eV/Å)"),
        ({"temperature": -1}, "`temperature` is -1: input should be greater than or equal to 0 K"),
        ({"stpes": 1}, "unknown setting `stpes`: did you mean `steps`?"),
    ),
)
def test_a_problem_of_nested_settings_names_theirs(change, words) -> None:
    assert words in Search.problem({"interval": {"force": 0.01}, **change})


def test_nested_settings_have_dotted_names() -> None:
    names = ["interval", "interval.width", "interval.force"]
    below = ["intervals", "intervals.*.width", "intervals.*.force"]
    assert [row.name for row in Search.tree()] == ["steps", *names, *below, "temperature"]
    assert Search.setting_at(["intervals", "a", "force"]).unit == "eV/Å"
    assert Search.setting_at(["nothing"]) is None


def test_values_that_fit_are_no_problem() -> None:
    assert Interval.problem({"force": 0.01}) is None


def test_the_help_says_quantity_unit_and_default() -> None:
    width, force = Interval.table()
    assert str(width) == "Relative half-width of the interval. Default: 0.03."
    assert str(force) == "Largest force of a relaxed structure (eV/Å)."


def test_a_former_name_is_understood_with_a_warning() -> None:
    with pytest.warns(DeprecationWarning, match="`half_width` is called `width` now"):
        found = Interval.model_validate({"force": 0.01, "width": 0.03, "half_width": 0.2})
    assert found.width == 0.2
