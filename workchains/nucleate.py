"""The command `aiida-nanoclusters run nucleate`, for `verdi run`."""

from aiida_nanoclusters.cli.run.nucleate import main

if __name__ == "__main__":
    main()
