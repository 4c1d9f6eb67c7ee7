"""Slurm with one node of two cores, this machine; munge with a key of its own."""

import os
import secrets
import signal
import socket
from pathlib import Path

from tests.services.process import Server, free_port, need_root, program, run, wait_for

PARTITION = "tests"
URGENT = "urgent"  # takes the node from jobs of the other partition
CONFIG = """\
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={node}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CryptoType=crypto/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=2
MpiDefault=none
ReturnToService=2
SlurmdTimeout=10
KillWait=2
OverTimeLimit=0
NodeName=node NodeHostname={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=1000
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
PartitionName={partition} Nodes=node Default=YES MaxTime=INFINITE PriorityTier=1
PartitionName={urgent} Nodes=node MaxTime=INFINITE PriorityTier=9
"""


class Slurm:
    def __init__(self, folder: Path):
        need_root()
        munged = program("munged", "munge")
        controller = program("slurmctld", "slurm-wlm")
        daemon = program("slurmd", "slurm-wlm")
        folder.mkdir()
        self.folder, self.config = folder, folder / "slurm.conf"
        (folder / "state").mkdir()
        (folder / "spool").mkdir()
        values = {"host": socket.gethostname().partition(".")[0], "folder": folder}
        ports = {"controller": free_port(), "node": free_port()}
        self.config.write_text(CONFIG.format(**values, **ports, partition=PARTITION, urgent=URGENT))
        key = folder / "munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o600)
        self.environment = {"SLURM_CONF": str(self.config)}
        names = {"socket": "socket", "key-file": "key", "pid-file": "pid", "log-file": "munge-log",
                 "seed-file": "seed"}  # fmt: skip
        paths = [f"--{option}={folder}/munge.{name}" for option, name in names.items()]
        env = self.environment
        self.munged = Server("munged", folder, [munged, "--foreground", "--force", *paths])
        self.slurmctld = Server("slurmctld", folder, [controller, "-D"], env=env)
        self.slurmd = Server("slurmd", folder, [daemon, "-D", "-N", "node"], env=env)

    def start(self) -> None:
        self.munged.start((self.folder / "munge.socket").exists)
        self.slurmctld.start(lambda: "node" in self("sinfo", "-hN"))
        self.start_node()

    def start_node(self) -> None:
        self.slurmd.start(self.has_node)

    def has_node(self) -> bool:
        """Whether the node takes jobs; an asterisk says that it does not answer."""
        state = self("sinfo", "-hN", "-o", "%T").strip()
        return state.startswith(("idle", "mixed", "allocated", "completing")) and "*" not in state

    def await_node(self) -> None:
        wait_for("the node", self.has_node)

    def __call__(self, *command: str) -> str:
        return run(*command, env={**os.environ, **self.environment})

    def jobs(self) -> list[str]:
        """Numbers of the jobs that run or wait."""
        return self("squeue", "-h", "-o", "%i").split()

    def stop(self) -> None:
        if self.slurmctld.process is not None and self.jobs():
            self("scancel", *self.jobs())
        for server in (self.slurmd, self.slurmctld, self.munged):
            server.stop(signal.SIGTERM)
