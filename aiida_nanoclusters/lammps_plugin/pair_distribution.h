/* SPDX-License-Identifier: GPL-2.0-only
   Part of aiida-nanoclusters. Distances between all atoms of a cluster, the distribution of their lengths
   as a sum of Gaussians, and the forces that its derivatives make. */

#ifndef NANOCLUSTERS_PAIR_DISTRIBUTION_H
#define NANOCLUSTERS_PAIR_DISTRIBUTION_H

#include <cstddef>
#include <vector>

namespace nanoclusters {

// Rows i of all pairs i < j that this rank computes: every `ranks`-th one.
struct PairRows {
  int atoms = 0, first = 0, step = 1;
};

struct Positions {    // of the atoms of the group, in the order of their tags
  std::vector<double> x, y, z;
  void resize(int n);
};

// Distances of the pairs of these rows, one row after another.
void pair_distances(const Positions &at, const PairRows &rows, std::vector<double> &distances);

class PairDistribution {
 public:
  PairDistribution() = default;
  // lengths in units of `bond`, itself in the unit of the positions
  PairDistribution(double shortest, double longest, int bins, double bandwidth, double bond);

  // Distances spread onto the fine grid, to be summed over all ranks.
  void deposit(const std::vector<double> &distances, const PairRows &rows);
  std::vector<double> grid;

  // g of all bins, from the grid summed over ranks
  void values(int atoms, std::vector<double> &g) const;
  // Forces -dV/dx for dV/dg, of these rows, added to `force`.
  void forces(const Positions &at, const PairRows &rows, const std::vector<double> &distances,
              const std::vector<double> &gradient, Positions &force);

 private:
  int bins = 0, per_bin = 1, reach = 0;    // grid intervals of a bin and of the window's half
  double inverse = 0, offset = 0, factor = 0;
  std::vector<double> window;                        // spline coefficients of the Gaussian
  std::vector<double> second, slopes, magnitude;    // four numbers an interval, of which three are used
  int norm_atoms = 0;
};

// Adds the forces along every pair of the rows; `magnitude` holds -dV/dd.
void pair_forces(const Positions &at, const PairRows &rows, const std::vector<double> &distances,
                 const std::vector<double> &magnitude, Positions &force);

}    // namespace nanoclusters

#endif
