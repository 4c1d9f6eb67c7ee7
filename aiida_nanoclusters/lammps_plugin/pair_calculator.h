/* -*- c++ -*- SPDX-License-Identifier: GPL-2.0-only
   Part of aiida-nanoclusters. A pair style for LAMMPS (https://www.lammps.org), distributed under the
   terms of the GNU General Public License, version 2. */

#ifndef NANOCLUSTERS_PAIR_CALCULATOR_H
#define NANOCLUSTERS_PAIR_CALCULATOR_H

#include "pair.h"

#include <cstdint>
#include <sys/types.h>
#include <string>
#include <vector>

namespace LAMMPS_NS {

class PairCalculator : public Pair {
 public:
  PairCalculator(class LAMMPS *);
  ~PairCalculator() override;

  void settings(int, char **) override;
  void coeff(int, char **) override;
  void init_style() override;
  double init_one(int, int) override;
  void compute(int, int) override;

 private:
  pid_t child = -1;    // the Python process, on rank 0
  int to = -1, from = -1;
  std::vector<double> shared, answer;    // [tag][flag, type, x, y, z]; energy, virial, forces

  void start(const std::vector<std::string> &);
  void stop();
  std::string exchange(const std::vector<int64_t> &, const std::vector<double> &);
  std::string put(const void *, size_t);
  std::string get(void *, size_t);
  std::string ended();
  void fail_together(std::string);
};

}    // namespace LAMMPS_NS

#endif
