"""RabbitMQ as a node of its own, with its own port mapper (epmd)."""

import signal
from pathlib import Path

from tests.services.process import Server, free_port, listens, program

CONFIG = "[{rabbit, [{consumer_timeout, undefined}]}].\n"  # AiiDA holds tasks longer than 30 min


class RabbitMQ:
    def __init__(self, folder: Path):
        # Debian's wrapper in /usr/sbin changes the user; the one beneath does as it is told.
        server = program("rabbitmq-server", "rabbitmq-server")
        beneath = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
        self.port = free_port()
        folder.mkdir()
        (folder / "plugins").write_text("[].\n")
        (folder / "advanced.config").write_text(CONFIG)
        self.environment = {
            "HOME": str(folder),  # of the cookie
            "RABBITMQ_NODENAME": f"tests{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "ERL_EPMD_PORT": str(free_port()),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        }
        command = [str(beneath if beneath.is_file() else server)]
        self.server = Server("rabbitmq", folder, command, env=self.environment, cwd=folder)

    def start(self) -> None:
        self.server.start(lambda: listens(self.port))

    def stop(self) -> None:
        self.server.stop(signal.SIGTERM, group=True)
