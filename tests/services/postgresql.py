"""PostgreSQL with a database of its own and a password."""

import os
import signal
from pathlib import Path

from tests.services.process import Server, free_port, program, run

PASSWORD = "only+4:tests"
NAME = "nanoclusters"


class PostgreSQL:
    def __init__(self, folder: Path):
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
        bins = str(found[-1]) if found else ""
        self.folder, self.port = folder, free_port()
        self.bin = Path(program("initdb", "postgresql", bins)).resolve().parent
        # It refuses to be root.
        self.user = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}
        folder.mkdir()
        if self.user:
            run("chown", "postgres:postgres", str(folder))
        data = str(folder / "data")
        run(str(self.bin / "initdb"), "-D", data, "-U", "postgres", "-E", "UTF8", "-A", "trust",
            "--no-sync", cwd=folder, **self.user)  # fmt: skip
        hba = (
            folder / "pg_hba.conf"
        )  # as servers are: no way in over the network without a password
        hba.write_text("local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n")
        hba.chmod(0o644)
        command = [str(self.bin / "postgres"), "-D", data, "-p", str(self.port), "-h", "127.0.0.1",
                   "-k", str(folder), "-c", f"hba_file={hba}", "-c", "fsync=off"]  # fmt: skip
        self.server = Server("postgres", folder, command, cwd=folder, **self.user)

    def start(self) -> None:
        self.server.start(lambda: bool(self.sql("select 1")))

    def make_database(self) -> None:
        self.sql(f"create user {NAME} password '{PASSWORD}'")
        self.sql(f"create database {NAME} owner {NAME} encoding 'UTF8' template template0")

    def sql(self, statement: str) -> str:
        return run(str(self.bin / "psql"), "-h", str(self.folder), "-p", str(self.port), "-U",
                   "postgres", "-tAc", statement, "postgres", cwd=self.folder)  # fmt: skip

    def stop(self) -> None:
        self.server.stop(signal.SIGINT)  # fast: sessions are cut, data are whole
