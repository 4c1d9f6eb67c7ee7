"""The command `aiida-nanoclusters run compile`, for `verdi run`."""

from aiida_nanoclusters.cli.run.compile import main

if __name__ == "__main__":
    main()
