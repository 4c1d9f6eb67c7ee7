/* SPDX-License-Identifier: GPL-2.0-only
   Part of aiida-nanoclusters, distributed under the terms of the GNU General Public License, version 2.

   A hill of height w is w (a exp(-u) + b) with u = sum_k ((s_k - c_k) / sigma_k)^2 / 2 where u is below its limit, and
   nothing beyond; a and b make it continuous and 1 at the centre, as PLUMED's "stretched" Gaussians. */

#include "hills.h"

#include <cmath>

namespace nanoclusters {

namespace {
constexpr double LIMIT = 6.25;                      // of u
const double REACH = std::sqrt(2.0 * LIMIT);        // widths
constexpr double SKIN = 2.0;                        // widths by which the list reaches further
const double A = 1.0 / (1.0 - std::exp(-LIMIT)), B = -std::exp(-LIMIT) * A;
}    // namespace

void Hills::set_widths(const std::vector<double> &widths_)
{
  widths = widths_;
  stale = true;
}

bool Hills::reaches(size_t hill) const
{
  const size_t n = widths.size();
  double square = 0.0;
  for (size_t k = 0; k < n; k++) {
    const double t = (centres[hill * n + k] - origin[k]) / widths[k];
    square += t * t;
  }
  return square < (REACH + SKIN) * (REACH + SKIN);
}

void Hills::add(int64_t step, const double *centre, double height)
{
  const size_t n = widths.size();
  steps.push_back(step);
  centres.insert(centres.end(), centre, centre + n);
  heights.push_back(height);
  if (!stale && reaches(heights.size() - 1)) {
    near.insert(near.end(), centre, centre + n);
    near_heights.push_back(height);
  }
}

void Hills::collect(const double *point)
{
  const size_t n = widths.size();
  origin.assign(point, point + n);
  near.clear();
  near_heights.clear();
  for (size_t h = 0; h < heights.size(); h++)
    if (reaches(h)) {
      near.insert(near.end(), &centres[h * n], &centres[h * n] + n);
      near_heights.push_back(heights[h]);
    }
  stale = false;
}

double Hills::bias(const double *point, double *gradient)
{
  const size_t n = widths.size();
  double moved = 0.0, sum = 0.0;
  for (size_t k = 0; k < n; k++) {
    gradient[k] = 0.0;
    const double t = stale ? 0.0 : (point[k] - origin[k]) / widths[k];
    moved += t * t;
  }
  if (heights.empty()) return 0.0;
  if (stale || moved > SKIN * SKIN) collect(point);
  const double *c = near.data();
  for (size_t h = 0; h < near_heights.size(); h++, c += n) {
    double t[3], u = 0.0;
    for (size_t k = 0; k < n; k++) {
      t[k] = (point[k] - c[k]) / widths[k];
      u += t[k] * t[k];
    }
    u *= 0.5;
    if (!(u < LIMIT)) continue;
    const double e = near_heights[h] * A * std::exp(-u);
    sum += e + near_heights[h] * B;
    for (size_t k = 0; k < n; k++) gradient[k] -= e * t[k] / widths[k];
  }
  return sum;
}

}    // namespace nanoclusters
