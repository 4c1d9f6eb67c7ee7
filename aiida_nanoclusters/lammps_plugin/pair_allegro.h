/* -*- c++ -*- SPDX-License-Identifier: GPL-2.0-only
   Part of aiida-nanoclusters. A pair style for LAMMPS (https://www.lammps.org), distributed under the
   terms of the GNU General Public License, version 2. */

#ifndef NANOCLUSTERS_PAIR_ALLEGRO_H
#define NANOCLUSTERS_PAIR_ALLEGRO_H

#include "pair.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

class AllegroModel;

namespace LAMMPS_NS {

class PairAllegro : public Pair {
 public:
  PairAllegro(class LAMMPS *);
  ~PairAllegro() override;

  void settings(int, char **) override;
  void coeff(int, char **) override;
  void init_style() override;
  double init_one(int, int) override;
  void compute(int, int) override;
  double memory_usage() override;

 private:
  std::shared_ptr<AllegroModel> model;
  int chunk = 256;                   // centres in one call of the model; 0: all of them
  std::vector<int> model_type;       // [LAMMPS type] -> index in the model's type_names, -1: not ours
  std::vector<double> pair_cutsq;    // [LAMMPS type][LAMMPS type], squared cutoff of an edge in Å^2

  // one block of centres, as the model wants it: centres first, then their neighbours
  std::vector<int> node_of;             // [atom] -> node in this block, -1: none yet
  std::vector<int> node_atom;           // [node] -> atom
  std::vector<int64_t> types, edges;    // [node]; first row: centre, second row: neighbour
  std::vector<int64_t> neighbours;      // the second row while it is collected
  std::vector<double> positions;        // [node][3]
  std::vector<double> energies, forces;    // what the model gives: [node], [node][3]

  void load(const std::string &);
  void evaluate(int, int, bool);
  int add_node(int);
};

}    // namespace LAMMPS_NS

#endif
