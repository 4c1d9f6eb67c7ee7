/* SPDX-License-Identifier: GPL-2.0-only
   Part of aiida-nanoclusters. A chart as LAMMPS reads it: plain text, written by formats/lammps/chart_file.py. */

#ifndef NANOCLUSTERS_CHART_FILE_H
#define NANOCLUSTERS_CHART_FILE_H

#include "chart_encoder.h"

#include <string>
#include <vector>

namespace nanoclusters {

struct ChartFile {
  double bond = 0, shortest = 0, longest = 0, bandwidth = 0;
  int bins = 0;
  std::vector<double> minimum, scale;    // the network takes (g - minimum) / scale
  std::vector<LayerText> layers;

  // throws std::runtime_error, which says what was expected
  static ChartFile parse(const std::string &text);
};

}    // namespace nanoclusters

#endif
