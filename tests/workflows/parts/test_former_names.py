"""Ports that were renamed: both names reach the work chain, only the present one is recorded."""

from __future__ import annotations

import pytest
from aiida.engine import run_get_node
from aiida.orm import Int

from aiida_nanoclusters.workflows.parts.former_names import FormerPorts


class _Renamed(FormerPorts):
    FORMER_PORTS = {"unseen": "extrapolation"}

    @classmethod
    def define(cls, spec):
        super().define(spec)
        spec.input("extrapolation", valid_type=Int)
        spec.input_namespace("part", dynamic=True, required=False)
        spec.outline(cls.nothing)

    def nothing(self):
        """End at once."""


def _inputs(node):
    return {link.link_label: link.node.value for link in node.base.links.get_incoming().all()}


def test_inputs_under_a_former_name(aiida_profile):
    with pytest.warns(DeprecationWarning, match="`unseen` of _Renamed is called `extrapolation`"):
        _, node = run_get_node(_Renamed, unseen=Int(3))
    assert node.is_finished_ok and _inputs(node) == {"extrapolation": 3}


def test_builder_under_a_former_name(aiida_profile):
    builder = _Renamed.get_builder()
    with pytest.warns(DeprecationWarning):
        builder.unseen = Int(4)
    assert builder.extrapolation.value == 4
    with pytest.warns(DeprecationWarning):
        assert builder.unseen.value == 4
    _, node = run_get_node(builder)
    assert _inputs(node) == {"extrapolation": 4}
    with pytest.raises(AttributeError, match="other"):
        builder.other = Int(1)
    with pytest.raises(AttributeError, match="other"):
        builder.other  # noqa: B018


def test_a_value_under_both_names_is_refused(aiida_profile):
    with (
        pytest.warns(DeprecationWarning),
        pytest.raises(ValueError, match="`unseen` is called `extrapolation` now, and both"),
    ):
        run_get_node(_Renamed, unseen=Int(3), extrapolation=Int(4))


def test_present_names_do_not_warn(aiida_profile, recwarn):
    builder = _Renamed.get_builder()
    builder.extrapolation = Int(5)
    run_get_node(builder)
    assert not [w for w in recwarn if "is called" in str(w.message)]
