/* -*- c++ -*- SPDX-License-Identifier: GPL-2.0-only
   Part of aiida-nanoclusters, distributed under the terms of the GNU General Public License, version 2. */

#ifndef NANOCLUSTERS_ALLEGRO_MODEL_H
#define NANOCLUSTERS_ALLEGRO_MODEL_H

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

// A model compiled by `nequip-compile --mode aotinductor --device cpu --target pair_allegro`. Nothing of
// torch shows here. Everything throws std::runtime_error with a message that names the fix.
class AllegroModel {
 public:
  // Kept for the whole process: a script that clears and starts anew for each of its structures loads a
  // model once. A file that has been replaced is another model.
  static std::shared_ptr<AllegroModel> open(const std::string &path);

  AllegroModel(const std::string &path);
  ~AllegroModel();

  std::vector<std::string> type_names;
  double r_max;                    // Å
  std::vector<double> cutoffs;     // [type of centre][type of neighbour], Å
  std::vector<double> isolated;    // [type] energy of a centre without neighbours, eV

  // positions [nodes][3] in Å, types [nodes], edges: first all centres, then all neighbours, two at least
  // -> energies [nodes] in eV, forces [nodes][3] in eV/Å
  void run(std::vector<double> &positions, std::vector<int64_t> &types, std::vector<int64_t> &edges,
           std::vector<double> &energies, std::vector<double> &forces);

 private:
  struct Loader;
  void check_locality(const std::string &path);

  std::unique_ptr<Loader> loader;
  size_t energy_index, forces_index;
};

#endif
