"""Damaged nodes of others are converted whole, or refused with a reason; more with `-m faults`."""

import pytest

from tests.fuzz.converters import CONVERTERS, fuzz_converters


@pytest.mark.timeout(6000)
@pytest.mark.parametrize(
    ("count", "seed"), [(40, 1), pytest.param(1500, 2, marks=pytest.mark.faults)]
)
def test_damaged_nodes(aiida_profile_clean, tmp_path, count, seed) -> None:
    found = fuzz_converters(count, seed, tmp_path)
    print("\n".join(found.lines()))
    assert not found.faults, list(found.lines())
    assert {name for name, _ in found.outcomes} == set(CONVERTERS)
    outcomes = {outcome for _, outcome in found.outcomes}
    assert {"converted", "refused"} <= outcomes
