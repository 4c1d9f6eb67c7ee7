"""The command `aiida-nanoclusters run melting`, for `verdi run`."""

from aiida_nanoclusters.cli.run.melting import main

if __name__ == "__main__":
    main()
