"""The command `aiida-nanoclusters run dataset`, for `verdi run`."""

from aiida_nanoclusters.cli.run.dataset import main

if __name__ == "__main__":
    main()
