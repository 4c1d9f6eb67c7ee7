"""An SSH server on loopback, and a home whose ~/.ssh/config calls it `cluster`."""

import getpass
import os
import signal
from pathlib import Path

from tests.services.process import Server, free_port, listens, program, run

HOST = "cluster"
CONFIG = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/user_key.pub
PidFile {folder}/sshd.pid
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin yes
MaxStartups 100
Subsystem sftp internal-sftp
SetEnv {variables}
"""


class SSH:
    def __init__(self, folder: Path, variables: dict[str, str]):
        sshd = program("sshd", "openssh-server")
        keygen = program("ssh-keygen", "openssh-client")
        folder.mkdir()
        self.port = free_port()
        self.home = folder / "home"
        (self.home / ".ssh").mkdir(parents=True, mode=0o700)
        for name in ("host_key", "user_key"):
            run(keygen, "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name))
        told = " ".join(f"{key}={value}" for key, value in variables.items())
        config = folder / "sshd_config"
        config.write_text(CONFIG.format(port=self.port, folder=folder, variables=told))
        public = (folder / "host_key.pub").read_text()
        (self.home / ".ssh" / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {public}")
        (self.home / ".ssh" / "config").write_text(
            f"Host {HOST}\n  HostName 127.0.0.1\n  Port {self.port}\n  User {getpass.getuser()}\n"
            f"  IdentityFile {folder}/user_key\n"
            f"  UserKnownHostsFile {self.home}/.ssh/known_hosts\n"
        )
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)  # sshd wants it for its privilege separation
        self.server = Server("sshd", folder, [sshd, "-D", "-e", "-f", str(config)])

    def start(self) -> None:
        self.server.start(lambda: listens(self.port))

    def stop(self) -> None:
        self.server.stop(signal.SIGTERM, group=True)
