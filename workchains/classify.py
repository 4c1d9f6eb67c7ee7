"""The command `aiida-nanoclusters run classify`, for `verdi run`."""

from aiida_nanoclusters.cli.run.classify import main

if __name__ == "__main__":
    main()
