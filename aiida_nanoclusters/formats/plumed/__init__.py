"""Files of PLUMED."""
