"""The command `aiida-nanoclusters run train`, for `verdi run`."""

from aiida_nanoclusters.cli.run.train import main

if __name__ == "__main__":
    main()
