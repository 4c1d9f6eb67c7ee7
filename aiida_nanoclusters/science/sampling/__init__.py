"""How configurations are made: stages of dynamics, basin hopping, annealing."""
