/* SPDX-License-Identifier: GPL-2.0-only
   Part of aiida-nanoclusters. Steinhardt's bond order parameters of a whole cluster, and its mean coordination
   number, with smooth neighbours. */

#ifndef NANOCLUSTERS_BOND_ORDER_H
#define NANOCLUSTERS_BOND_ORDER_H

#include "pair_distribution.h"

#include <vector>

namespace nanoclusters {

// 1 below `on`, 0 beyond `off`, a polynomial with two continuous derivatives between
struct Switch {
  double on = 0, off = 0;
  double value(double d) const;
  double slope(double d) const;
};

class BondOrder {
 public:
  // l = 4 or 6: Q_l; l = 0: the mean coordination number
  BondOrder(int l, const Switch &neighbours);

  // Sums of the bonds of these rows, to be added over all ranks.
  void collect(const Positions &at, const PairRows &rows, const std::vector<double> &distances);
  std::vector<double> sums;    // of the weights, and of the 2 l + 1 weighted harmonics

  double value(int atoms);
  // Forces -dV/dx for dV/d(value), of the bonds of these rows, added to `force`.
  void forces(const Positions &at, double gradient, Positions &force) const;

 private:
  struct Bond {
    int i, j;
    double d;
  };
  int l;
  Switch neighbours;
  double polynomials[7][7] = {};    // normalised d^m P_l / dz^m, by powers of z
  std::vector<Bond> bonds;
  std::vector<double> mean;
  double order = 0, pairs = 0;

  template <int L> void sum_bonds(const Positions &at);
  template <int L> void bond_forces(const Positions &at, const double *slope, double of_mean, Positions &force) const;
};

}    // namespace nanoclusters

#endif
