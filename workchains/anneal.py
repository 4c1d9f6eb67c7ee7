"""The command `aiida-nanoclusters run anneal`, for `verdi run`."""

from aiida_nanoclusters.cli.run.anneal import main

if __name__ == "__main__":
    main()
