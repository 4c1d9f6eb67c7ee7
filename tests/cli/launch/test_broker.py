"""A launch where AiiDA's broker does not answer."""

import pytest

from aiida_nanoclusters.cli.launch import options, preflight, submission
from aiida_nanoclusters.cli.terminal import Fixable


class Builder:
    def _inputs(self, prune: bool) -> dict:
        return {}


def test_a_broker_that_does_not_answer_is_named_with_the_fix(monkeypatch, aiida_profile) -> None:
    def no_broker(*_):
        raise ConnectionError("Broker did not become ready within 10.0s")

    monkeypatch.setattr(submission, "check_ports", lambda _: None)
    monkeypatch.setattr(preflight, "check_launch", lambda *_: None)
    monkeypatch.setattr("aiida.engine.utils.instantiate_process", no_broker)
    with pytest.raises(Fixable, match=r"did not become ready .*: start it by `verdi daemon start`"):
        options.launch(Builder(), here=True)
