"""The command `aiida-nanoclusters run match-ligands`, for `verdi run`."""

from aiida_nanoclusters.cli.run.match_ligands import main

if __name__ == "__main__":
    main()
