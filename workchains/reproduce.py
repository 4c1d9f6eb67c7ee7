"""The command `aiida-nanoclusters reproduce`, for `verdi run`."""

from aiida_nanoclusters.cli.reproduce.command import reproduce

if __name__ == "__main__":
    reproduce()
