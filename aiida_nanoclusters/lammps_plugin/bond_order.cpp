/* SPDX-License-Identifier: GPL-2.0-only
   Part of aiida-nanoclusters, distributed under the terms of the GNU General Public License, version 2.

   Q_l = sqrt(4 pi / (2 l + 1) sum_m |<Y_lm>|^2), the mean over all bonds weighted by a switching function of their
   length (Steinhardt, Nelson, Ronchetti, Phys. Rev. B 28, 784 (1983)); the harmonics are the real ones. The mean
   coordination number is twice the sum of these weights over the number of atoms. */

#include "bond_order.h"

#include <cmath>

namespace nanoclusters {

namespace {
constexpr int MOST = 13;    // harmonics of l = 6

void add_pair(Positions &force, int i, int j, const double (&f)[3])
{
  force.x[j] -= f[0];
  force.y[j] -= f[1];
  force.z[j] -= f[2];
  force.x[i] += f[0];
  force.y[i] += f[1];
  force.z[i] += f[2];
}
}    // namespace

double Switch::value(double d) const
{
  if (d <= on) return 1.0;
  if (d >= off) return 0.0;
  const double x = (d - on) / (off - on);
  return 1.0 - x * x * x * (10.0 + x * (-15.0 + 6.0 * x));
}

double Switch::slope(double d) const
{
  if (d <= on || d >= off) return 0.0;
  const double x = (d - on) / (off - on);
  return -30.0 * x * x * (1.0 - x) * (1.0 - x) / (off - on);
}

BondOrder::BondOrder(int l_, const Switch &neighbours_) : l(l_), neighbours(neighbours_)
{
  if (l == 0) {
    sums.assign(1, 0.0);
    return;
  }
  sums.assign(2 * l + 2, 0.0);
  // Legendre polynomials by (n + 1) P_{n+1} = (2 n + 1) z P_n - n P_{n-1}, then their derivatives
  std::vector<double> before{1.0}, p{0.0, 1.0};
  for (int n = 1; n < l; n++) {
    std::vector<double> next(n + 2, 0.0);
    for (int k = 0; k <= n; k++) next[k + 1] += (2.0 * n + 1.0) / (n + 1.0) * p[k];
    for (int k = 0; k < n; k++) next[k] -= n / (n + 1.0) * before[k];
    before = p;
    p = next;
  }
  double ratio = 1.0;    // (l - m)! / (l + m)!
  for (int m = 0; m <= l; m++) {
    if (m) {
      ratio /= (l + m) * (l - m + 1.0);
      std::vector<double> derived(p.size() - 1);
      for (size_t k = 1; k < p.size(); k++) derived[k - 1] = k * p[k];
      p = derived;
    }
    const double norm = std::sqrt((2.0 * l + 1.0) / (4.0 * M_PI) * ratio * (m ? 2.0 : 1.0));
    for (size_t k = 0; k < p.size(); k++) polynomials[m][k] = norm * p[k];
  }
}

// Real harmonics of a unit vector: m = 0, then cosine and sine of each m; with their slopes, in space, of
// the polynomials that extend them. The bounds are known to the compiler, which unrolls all of it.
template <int L, bool SLOPES>
__attribute__((always_inline)) static inline void harmonics(const double (&p)[7][7], const double *n, double *y,
                                                            double (*slopes)[3])
{
  double a = 1.0, b = 0.0, a1 = 0.0, b1 = 0.0;    // (x + i y)^m and that to the power m - 1
  const double zz = n[2] * n[2];
#pragma GCC unroll 8
  for (int m = 0; m <= L; m++) {
    if (m) {
      a1 = a;
      b1 = b;
      a = a1 * n[0] - b1 * n[1];
      b = a1 * n[1] + b1 * n[0];
    }
    const int odd = (L - m) & 1;    // only even or only odd powers of z
    double value = 0.0, slope = 0.0;
#pragma GCC unroll 8
    for (int k = L - m; k >= odd; k -= 2) {
      value = value * zz + p[m][k];
      if (k > 0) slope = slope * zz + k * p[m][k];
    }
    (odd ? value : slope) *= n[2];
    const int c = m ? 2 * m - 1 : 0;
    y[c] = value * a;
    if (m) y[c + 1] = value * b;
    if (!SLOPES) continue;
    slopes[c][0] = value * m * a1;
    slopes[c][1] = -value * m * b1;
    slopes[c][2] = slope * a;
    if (!m) continue;
    slopes[c + 1][0] = value * m * b1;
    slopes[c + 1][1] = value * m * a1;
    slopes[c + 1][2] = slope * b;
  }
}

template <int L> void BondOrder::sum_bonds(const Positions &at)
{
  double y[MOST];
  for (const auto &bond : bonds) {
    const double weight = neighbours.value(bond.d), scale = 1.0 / bond.d;
    const double n[3] = {scale * (at.x[bond.j] - at.x[bond.i]), scale * (at.y[bond.j] - at.y[bond.i]),
                         scale * (at.z[bond.j] - at.z[bond.i])};
    harmonics<L, false>(polynomials, n, y, nullptr);
    sums[0] += weight;
    for (int m = 0; m < 2 * L + 1; m++) sums[m + 1] += weight * y[m];
  }
}

template <int L>
void BondOrder::bond_forces(const Positions &at, const double *slope, double of_mean, Positions &force) const
{
  double y[MOST], dy[MOST][3];
  for (const auto &bond : bonds) {
    const int i = bond.i, j = bond.j;
    const double scale = 1.0 / bond.d, weight = neighbours.value(bond.d) * scale;
    const double n[3] = {scale * (at.x[j] - at.x[i]), scale * (at.y[j] - at.y[i]), scale * (at.z[j] - at.z[i])};
    harmonics<L, true>(polynomials, n, y, dy);
    double field = 0.0, across[3] = {};
    for (int m = 0; m < 2 * L + 1; m++) {
      field += slope[m] * y[m];
      for (int k = 0; k < 3; k++) across[k] += slope[m] * dy[m][k];
    }
    const double radial = across[0] * n[0] + across[1] * n[1] + across[2] * n[2];
    const double along = neighbours.slope(bond.d) * (field - of_mean) - weight * radial;
    const double f[3] = {along * n[0] + weight * across[0], along * n[1] + weight * across[1],
                         along * n[2] + weight * across[2]};
    add_pair(force, i, j, f);
  }
}

void BondOrder::collect(const Positions &at, const PairRows &rows, const std::vector<double> &distances)
{
  sums.assign(sums.size(), 0.0);
  bonds.clear();
  const double *d = distances.data();
  for (int i = rows.first; i < rows.atoms; i += rows.step)
    for (int j = i + 1; j < rows.atoms; j++, d++)
      if (*d < neighbours.off) bonds.push_back({i, j, *d});
  if (l == 4) return sum_bonds<4>(at);
  if (l == 6) return sum_bonds<6>(at);
  for (const auto &bond : bonds) sums[0] += neighbours.value(bond.d);
}

double BondOrder::value(int atoms)
{
  pairs = 0.5 * atoms;
  if (l == 0) return order = sums[0] / pairs;
  mean.assign(2 * l + 1, 0.0);
  double sum = 0.0;
  for (int m = 0; m < 2 * l + 1; m++) {
    if (sums[0] > 0.0) mean[m] = sums[m + 1] / sums[0];
    sum += mean[m] * mean[m];
  }
  return order = std::sqrt(4.0 * M_PI / (2.0 * l + 1.0) * sum);
}

void BondOrder::forces(const Positions &at, double gradient, Positions &force) const
{
  // dV/d<Y_m>/W; the forces on a cluster without any order have no direction
  double slope[MOST] = {}, of_mean = 0.0;
  if (l) {
    if (order < 1e-12 || sums[0] <= 0.0) return;
    for (int m = 0; m < 2 * l + 1; m++) {
      slope[m] = gradient * 4.0 * M_PI / (2.0 * l + 1.0) * mean[m] / order / sums[0];
      of_mean += slope[m] * mean[m];
    }
  }
  if (l == 4) return bond_forces<4>(at, slope, of_mean, force);
  if (l == 6) return bond_forces<6>(at, slope, of_mean, force);
  for (const auto &bond : bonds) {
    const int i = bond.i, j = bond.j;
    const double along = gradient * neighbours.slope(bond.d) / pairs / bond.d;
    const double f[3] = {along * (at.x[j] - at.x[i]), along * (at.y[j] - at.y[i]), along * (at.z[j] - at.z[i])};
    add_pair(force, i, j, f);
  }
}

}    // namespace nanoclusters
