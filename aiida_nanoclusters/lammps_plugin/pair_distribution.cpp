/* SPDX-License-Identifier: GPL-2.0-only
   Part of aiida-nanoclusters, distributed under the terms of the GNU General Public License, version 2.

   g_k = 1/N_pairs sum_{i<j} exp(-(r_k - d_ij/b)^2 / (2 s^2)) / (s sqrt(2 pi)).  The Gaussian is written as a
   cubic spline on a grid of a tenth of the bandwidth or finer: each pair is then spread by the four
   B-splines at its place, whatever the number of bins, and the bins are sums over the grid. The interpolation
   is off by 4e-6 of the Gaussian's height at most, and its derivative is the derivative of what is summed. */

#include "pair_distribution.h"

#include <algorithm>
#include <cmath>

namespace nanoclusters {

namespace {

constexpr double WINDOW = 6.0;    // bandwidths; beyond, a Gaussian is below 2e-8 of its height
constexpr double FINENESS = 10.0;
constexpr int EDGE = 2;    // nodes that a spline needs beyond the last interval

typedef double four __attribute__((vector_size(32)));
typedef double four_loose __attribute__((vector_size(32), aligned(8), may_alias));

__attribute__((always_inline)) inline void distances_body(const double *x, const double *y, const double *z, int i,
                                                          int n, double *__restrict d)
{
  const double xi = x[i], yi = y[i], zi = z[i];
#pragma omp simd
  for (int j = i + 1; j < n; j++) {
    const double dx = x[j] - xi, dy = y[j] - yi, dz = z[j] - zi;
    d[j - i - 1] = std::sqrt(dx * dx + dy * dy + dz * dz);
  }
}

// Two grids in turn: neighbours in a row often have nearly the same distance.
__attribute__((always_inline)) inline void deposit_body(const double *d, size_t count, double inverse, double offset,
                                                        int cells, double *grid, double *second)
{
  const four c0 = {1 / 6., 4 / 6., 1 / 6., 0}, c1 = {-.5, 0, .5, 0}, c2 = {.5, -1, .5, 0};
  const four c3 = {-1 / 6., .5, -.5, 1 / 6.};
  for (size_t p = 0; p < count; p++) {
    const double u = d[p] * inverse - offset;
    if (!(u >= 0 && u < cells)) continue;
    const int m = static_cast<int>(u);
    const double t = u - m;
    double *to = (p & 1 ? second : grid) + m;
    *reinterpret_cast<four_loose *>(to) += c0 + t * (c1 + t * (c2 + t * c3));
  }
}

// Four pairs at a time: the coefficients of each lie together, and a transposition costs less than gathers.
__attribute__((always_inline)) inline void magnitude_body(const double *d, size_t count, double inverse, double offset,
                                                          int cells, const double *slopes, double *out)
{
  typedef long long mask __attribute__((vector_size(32)));
  for (size_t p = 0; p < count; p += 4) {
    four u = *reinterpret_cast<const four_loose *>(d + p) * inverse - offset;
    const mask inside = (u >= 0) & (u < static_cast<double>(cells));
    u = inside ? u : four{};
    int m[4];
    for (int k = 0; k < 4; k++) m[k] = static_cast<int>(u[k]);
    const four t = u - four{double(m[0]), double(m[1]), double(m[2]), double(m[3])};
    const auto row = [&](int k) { return *reinterpret_cast<const four_loose *>(slopes + 4 * static_cast<size_t>(m[k])); };
    const four a = row(0), b = row(1), c = row(2), e = row(3);
    const four ab0 = __builtin_shuffle(a, b, mask{0, 4, 2, 6}), ab1 = __builtin_shuffle(a, b, mask{1, 5, 3, 7});
    const four ce0 = __builtin_shuffle(c, e, mask{0, 4, 2, 6}), ce1 = __builtin_shuffle(c, e, mask{1, 5, 3, 7});
    const four s0 = __builtin_shuffle(ab0, ce0, mask{0, 1, 4, 5}), s2 = __builtin_shuffle(ab0, ce0, mask{2, 3, 6, 7});
    const four s1 = __builtin_shuffle(ab1, ce1, mask{0, 1, 4, 5});
    const four slope = s0 + t * (s1 + t * s2);
    *reinterpret_cast<four_loose *>(out + p) = inside ? slope : four{};
  }
}

__attribute__((always_inline)) inline void forces_body(const double *x, const double *y, const double *z, int i, int n,
                                                       const double *d, const double *magnitude,
                                                       double *__restrict fx, double *__restrict fy,
                                                       double *__restrict fz)
{
  const double xi = x[i], yi = y[i], zi = z[i];
  double sx = 0, sy = 0, sz = 0;
#pragma omp simd reduction(+ : sx, sy, sz)
  for (int j = i + 1; j < n; j++) {
    const double c = magnitude[j - i - 1] / d[j - i - 1];
    const double gx = c * (x[j] - xi), gy = c * (y[j] - yi), gz = c * (z[j] - zi);
    fx[j] += gx;
    fy[j] += gy;
    fz[j] += gz;
    sx += gx;
    sy += gy;
    sz += gz;
  }
  fx[i] -= sx;
  fy[i] -= sy;
  fz[i] -= sz;
}

__attribute__((always_inline)) inline void all_distances(const Positions &at, const PairRows &rows, double *d)
{
  for (int i = rows.first; i < rows.atoms; i += rows.step) {
    distances_body(at.x.data(), at.y.data(), at.z.data(), i, rows.atoms, d);
    d += rows.atoms - i - 1;
  }
}

__attribute__((always_inline)) inline void all_forces(const Positions &at, const PairRows &rows, const double *d,
                                                      const double *magnitude, Positions &f)
{
  for (int i = rows.first; i < rows.atoms; i += rows.step) {
    forces_body(at.x.data(), at.y.data(), at.z.data(), i, rows.atoms, d, magnitude, f.x.data(), f.y.data(),
                f.z.data());
    d += rows.atoms - i - 1;
    magnitude += rows.atoms - i - 1;
  }
}

__attribute__((always_inline)) inline void sums_body(int bins, int per_bin, int width, const double *window,
                                                     const double *grid, double factor, double *g)
{
  for (int k = 0; k < bins; k++) {
    const double *h = grid + static_cast<size_t>(k) * per_bin;
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int n = 0; n < width; n++) sum += window[n] * h[n];
    g[k] = factor * sum;
  }
}

__attribute__((always_inline)) inline void spread_body(int bins, int per_bin, int width, const double *window,
                                                       double *__restrict grid, double factor, const double *g)
{
  for (int k = 0; k < bins; k++) {
    double *h = grid + static_cast<size_t>(k) * per_bin;
    const double w = factor * g[k];
#pragma omp simd
    for (int n = 0; n < width; n++) h[n] += w * window[n];
  }
}

// One version for every x86-64 and one for those with AVX2, chosen when the library is loaded.
#define BOTH(NAME, BODY, PARAMETERS, ARGUMENTS)                                   \
  void NAME##_plain PARAMETERS { BODY ARGUMENTS; }                                \
  VECTORISED(NAME, BODY, PARAMETERS, ARGUMENTS)

#if defined(__x86_64__)
const bool HAS_AVX2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#define VECTORISED(NAME, BODY, PARAMETERS, ARGUMENTS)                             \
  __attribute__((target("avx2,fma"))) void NAME##_avx2 PARAMETERS { BODY ARGUMENTS; } \
  void NAME PARAMETERS                                                            \
  {                                                                               \
    if (HAS_AVX2) return NAME##_avx2 ARGUMENTS;                                   \
    NAME##_plain ARGUMENTS;                                                       \
  }
#else
#define VECTORISED(NAME, BODY, PARAMETERS, ARGUMENTS) \
  void NAME PARAMETERS { NAME##_plain ARGUMENTS; }
#endif

BOTH(run_distances, all_distances, (const Positions &at, const PairRows &rows, double *d), (at, rows, d))
BOTH(run_deposit, deposit_body,
     (const double *d, size_t count, double inverse, double offset, int cells, double *grid, double *second),
     (d, count, inverse, offset, cells, grid, second))
BOTH(run_magnitude, magnitude_body,
     (const double *d, size_t count, double inverse, double offset, int cells, const double *slopes, double *out),
     (d, count, inverse, offset, cells, slopes, out))
BOTH(run_forces, all_forces,
     (const Positions &at, const PairRows &rows, const double *d, const double *magnitude, Positions &f),
     (at, rows, d, magnitude, f))
BOTH(run_sums, sums_body,
     (int bins, int per_bin, int width, const double *window, const double *grid, double factor, double *g),
     (bins, per_bin, width, window, grid, factor, g))
BOTH(run_spread, spread_body,
     (int bins, int per_bin, int width, const double *window, double *grid, double factor, const double *g),
     (bins, per_bin, width, window, grid, factor, g))

size_t count_pairs(const PairRows &rows)
{
  size_t count = 0;
  for (int i = rows.first; i < rows.atoms; i += rows.step) count += rows.atoms - i - 1;
  return count;
}

}    // namespace

void Positions::resize(int n)
{
  x.assign(n, 0.0);
  y.assign(n, 0.0);
  z.assign(n, 0.0);
}

void pair_distances(const Positions &at, const PairRows &rows, std::vector<double> &distances)
{
  const size_t count = count_pairs(rows);
  if (distances.capacity() < count + 3) distances.reserve(count + 3);    // read by fours
  distances.resize(count);
  run_distances(at, rows, distances.data());
}

void pair_forces(const Positions &at, const PairRows &rows, const std::vector<double> &distances,
                 const std::vector<double> &magnitude, Positions &force)
{
  run_forces(at, rows, distances.data(), magnitude.data(), force);
}

PairDistribution::PairDistribution(double shortest, double longest, int bins_, double bandwidth, double bond) :
    bins(bins_)
{
  const double width = (longest - shortest) / bins;
  per_bin = std::max(1, static_cast<int>(std::ceil(FINENESS * width / bandwidth)));
  const double step = width / per_bin;
  reach = static_cast<int>(std::ceil(WINDOW * bandwidth / step));
  // node 0 of the window of bin 0 is node 0 of the grid
  const double origin = shortest + 0.5 * width - reach * step;
  inverse = 1.0 / (bond * step);
  offset = origin / step + 1.0;    // the first interval needs a node before it
  grid.assign((static_cast<size_t>(bins) - 1) * per_bin + 2 * reach + 1 + EDGE, 0.0);
  second = grid;
  factor = 1.0 / (bandwidth * std::sqrt(2.0 * M_PI));

  // Spline through the Gaussian: (c[n-1] + 4 c[n] + c[n+1]) / 6 = exp(...), by elimination.
  const int size = 2 * reach + 1;
  std::vector<double> upper(size);
  window.assign(size, 0.0);
  for (int n = 0; n < size; n++) {
    const double r = (n - reach) * step / bandwidth;
    const double pivot = 4.0 - (n ? upper[n - 1] : 0.0);
    upper[n] = 1.0 / pivot;
    window[n] = (6.0 * std::exp(-0.5 * r * r) - (n ? window[n - 1] : 0.0)) / pivot;
  }
  for (int n = size - 2; n >= 0; n--) window[n] -= upper[n] * window[n + 1];
}

void PairDistribution::deposit(const std::vector<double> &distances, const PairRows &rows)
{
  std::fill(grid.begin(), grid.end(), 0.0);
  std::fill(second.begin(), second.end(), 0.0);
  const int cells = static_cast<int>(grid.size()) - 3;
  run_deposit(distances.data(), distances.size(), inverse, offset, cells, grid.data(), second.data());
  for (size_t n = 0; n < grid.size(); n++) grid[n] += second[n];
  norm_atoms = rows.atoms;
}

void PairDistribution::values(int atoms, std::vector<double> &g) const
{
  g.resize(bins);
  const double pairs = 0.5 * atoms * (atoms - 1.0);
  run_sums(bins, per_bin, 2 * reach + 1, window.data(), grid.data(), factor / pairs, g.data());
}

void PairDistribution::forces(const Positions &at, const PairRows &rows, const std::vector<double> &distances,
                              const std::vector<double> &gradient, Positions &force)
{
  // dV/d(grid), then its slope in every interval, a quadratic
  std::fill(second.begin(), second.end(), 0.0);
  const double pairs = 0.5 * norm_atoms * (norm_atoms - 1.0);
  run_spread(bins, per_bin, 2 * reach + 1, window.data(), second.data(), factor / pairs, gradient.data());
  const size_t cells = second.size() - 3;
  slopes.resize(4 * cells);
  for (size_t m = 0; m < cells; m++) {
    const double *p = &second[m];
    slopes[4 * m] = -inverse * (-.5 * p[0] + .5 * p[2]);
    slopes[4 * m + 1] = -inverse * (p[0] - 2 * p[1] + p[2]);
    slopes[4 * m + 2] = -inverse * (-.5 * p[0] + 1.5 * p[1] - 1.5 * p[2] + .5 * p[3]);
  }
  magnitude.resize(distances.capacity());
  run_magnitude(distances.data(), distances.size(), inverse, offset, static_cast<int>(cells), slopes.data(),
                magnitude.data());
  run_forces(at, rows, distances.data(), magnitude.data(), force);
}

}    // namespace nanoclusters
