/* SPDX-License-Identifier: GPL-2.0-only
   Part of aiida-nanoclusters. The bias of metadynamics: a growing sum of Gaussians of finite reach. */

#ifndef NANOCLUSTERS_HILLS_H
#define NANOCLUSTERS_HILLS_H

#include <cstddef>
#include <cstdint>
#include <vector>

namespace nanoclusters {

class Hills {
 public:
  void set_widths(const std::vector<double> &widths);
  size_t count() const { return heights.size(); }
  int dimension() const { return static_cast<int>(widths.size()); }
  void add(int64_t step, const double *centre, double height);
  // Bias at a point and its gradient, which is overwritten.
  double bias(const double *point, double *gradient);

  std::vector<int64_t> steps;
  std::vector<double> centres;    // one after another, in the variables' own units
  std::vector<double> heights;

 private:
  std::vector<double> widths;
  // Hills near `origin`: the list is made anew when the point has gone too far from it.
  std::vector<double> near, near_heights, origin;
  bool stale = true;

  bool reaches(size_t hill) const;
  void collect(const double *point);
};

}    // namespace nanoclusters

#endif
