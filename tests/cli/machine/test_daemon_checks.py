"""What `doctor` says of the daemon: also what `verdi daemon status` warns of."""

from types import SimpleNamespace

import pytest

from aiida_nanoclusters.cli.machine import checks

PROFILE = SimpleNamespace(name="any", process_control_backend="core.rabbitmq")


@pytest.fixture
def daemon(monkeypatch):
    """A daemon of so many workers; None where it does not run."""

    def of(workers, differs=None):
        client = SimpleNamespace(
            is_daemon_running=workers is not None, get_number_of_workers=lambda: workers
        )
        monkeypatch.setattr("aiida.engine.daemon.client.get_daemon_client", lambda name: client)
        monkeypatch.setattr("aiida.plugins.BrokerFactory", lambda name: lambda profile: object())
        monkeypatch.setattr("aiida.cmdline.utils.daemon.validate_daemon_env", lambda own: differs)
        return list(checks.check_daemon(PROFILE))

    return of


@pytest.mark.parametrize(
    ("workers", "fix"), [(None, "verdi daemon start"), (0, "verdi daemon incr")]
)
def test_a_daemon_that_takes_nothing_is_named(daemon, workers, fix):
    (found,) = daemon(workers)
    assert (found.verdict, found.fix) == ("warning", fix)


def test_a_daemon_of_other_packages_is_named_with_them(daemon):
    ok, found = daemon(2, "The daemon was started with others.\nAdded packages: aiida-cp2k (2.1)")
    assert (ok.verdict, ok.text) == ("ok", "running, 2 workers")
    assert (found.verdict, found.fix) == ("warning", "verdi daemon restart")
    assert found.text.endswith("others. Added packages: aiida-cp2k (2.1)")
    assert len(daemon(1)) == 1
