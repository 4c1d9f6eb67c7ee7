/* SPDX-License-Identifier: GPL-2.0-only
   Part of aiida-nanoclusters. A pair style for LAMMPS (https://www.lammps.org), distributed under the
   terms of the GNU General Public License, version 2.

   Allegro is strictly local: the energy of a centre depends on its own neighbours alone. So the model
   is called for one block of centres at a time, with the edges that start there; of its output the
   energies of the block's centres count, and the forces on every node. Memory is then bounded by the
   block, and any domain decomposition works with one cutoff of ghost atoms. */

#include "pair_allegro.h"

#include "allegro_model.h"

#include "atom.h"
#include "comm.h"
#include "error.h"
#include "force.h"
#include "memory.h"
#include "neigh_list.h"
#include "neighbor.h"
#include "update.h"
#include "utils.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>

using namespace LAMMPS_NS;

PairAllegro::PairAllegro(LAMMPS *lmp) : Pair(lmp)
{
  single_enable = 0;
  restartinfo = 0;
  one_coeff = 1;
  manybody_flag = 1;
  centroidstressflag = CENTROID_NOTAVAIL;
}

PairAllegro::~PairAllegro()
{
  if (copymode || !allocated) return;
  memory->destroy(setflag);
  memory->destroy(cutsq);
}

void PairAllegro::settings(int narg, char **arg)
{
  if (narg == 2 && strcmp(arg[0], "chunk") == 0)
    chunk = utils::inumeric(FLERR, arg[1], false, lmp);
  else if (narg != 0)
    error->all(FLERR, "Write 'pair_style allegro' or 'pair_style allegro chunk N' (centres a call, 0: all)");
  if (chunk < 0) error->all(FLERR, "pair_style allegro: chunk must be 0 (all centres at once) or more");
  if (strcmp(update->unit_style, "metal") != 0)
    error->all(FLERR, std::string("pair_style allegro works in eV and Å: write 'units metal' instead of 'units ") +
                   update->unit_style + "'");
}

void PairAllegro::coeff(int narg, char **arg)
{
  const int ntypes = atom->ntypes;
  if (narg != 3 + ntypes || strcmp(arg[0], "*") != 0 || strcmp(arg[1], "*") != 0)
    error->all(FLERR, "Write 'pair_coeff * * MODEL.nequip.pt2' and one element for each of the " +
                   std::to_string(ntypes) + " atom types");
  if (!allocated) {
    memory->create(setflag, ntypes + 1, ntypes + 1, "pair:setflag");
    memory->create(cutsq, ntypes + 1, ntypes + 1, "pair:cutsq");
    allocated = 1;
    map = new int[ntypes + 1];    // owned by the base class
  }
  map_element2type(ntypes, arg + 3);
  load(arg[2]);

  const auto &names = model->type_names;
  const auto width = static_cast<size_t>(ntypes + 1);
  model_type.assign(width, -1);
  for (int i = 1; i <= ntypes; i++) {
    const char *element = arg[i + 2];
    if (map[i] < 0) continue;    // NULL: pair_style hybrid gives this type to another style
    const auto at = std::find(names.begin(), names.end(), element);
    if (at == names.end()) {
      std::string known;
      for (const auto &name : names) known += " " + name;
      error->all(FLERR, std::string("'") + arg[2] + "' has no element '" + element + "'; it knows:" + known +
                     ". Name these in pair_coeff or take a model trained on " + element);
    }
    model_type[i] = static_cast<int>(at - names.begin());
  }
  pair_cutsq.assign(width * width, 0.0);
  for (size_t i = 1; i < width; i++)
    for (size_t j = 1; j < width; j++)
      if (model_type[i] >= 0 && model_type[j] >= 0) {
        const double cutoff = model->cutoffs[model_type[i] * names.size() + model_type[j]];
        pair_cutsq[i * width + j] = cutoff * cutoff;
      }
}

// All ranks fail together, with the message of the first that could not load.
void PairAllegro::load(const std::string &path)
{
  std::string problem;
  try {
    model = AllegroModel::open(path);
  } catch (const std::exception &err) {
    problem = err.what();
  }
  int failed = problem.empty() ? comm->nprocs : comm->me, first;
  MPI_Allreduce(&failed, &first, 1, MPI_INT, MPI_MIN, world);
  if (first == comm->nprocs) return;
  auto length = static_cast<int>(problem.size());
  MPI_Bcast(&length, 1, MPI_INT, first, world);
  problem.resize(length);
  MPI_Bcast(problem.data(), length, MPI_CHAR, first, world);
  error->all(FLERR, problem);
}

void PairAllegro::init_style()
{
  if (force->newton_pair == 0)
    error->all(FLERR, "pair_style allegro needs the forces on ghost atoms: write 'newton on'");
  neighbor->add_request(this, NeighConst::REQ_FULL);
}

double PairAllegro::init_one(int i, int j)
{
  if (setflag[i][j] == 0) error->all(FLERR, "All pair coeffs are not set: write 'pair_coeff * * MODEL ELEMENTS'");
  return model->r_max;
}

void PairAllegro::compute(int eflag, int vflag)
{
  ev_init(eflag, vflag);
  // The virial of the forces on atoms and ghosts is the sum over centres. Who wants it by atom (or
  // without ghosts) needs the force on each edge: give every edge a neighbour node of its own.
  const bool by_edge = vflag_atom || (vflag_global && !vflag_fdotr);
  const int count = list->inum, step = chunk > 0 ? chunk : std::max(count, 1);
  // Anew each time: the atoms may have become fewer, and those of the last block are gone.
  node_of.assign(atom->nlocal + atom->nghost, -1);
  node_atom.clear();
  try {
    for (int start = 0; start < count; start += step) evaluate(start, std::min(start + step, count), by_edge);
  } catch (const std::runtime_error &err) {
    error->one(FLERR, std::string(err.what()));
  }
  if (vflag_fdotr) virial_fdotr_compute();
}

int PairAllegro::add_node(int i)
{
  const double *x = atom->x[i];
  positions.insert(positions.end(), x, x + 3);
  types.push_back(model_type[atom->type[i]]);
  node_atom.push_back(i);
  return static_cast<int>(node_atom.size()) - 1;
}

void PairAllegro::evaluate(int start, int end, bool by_edge)
{
  double **x = atom->x, **f = atom->f;
  const int *type = atom->type;
  const int width = atom->ntypes + 1, centres = end - start;

  for (const int i : node_atom) node_of[i] = -1;
  node_atom.clear();
  positions.clear();
  types.clear();
  edges.clear();
  neighbours.clear();
  for (int ii = start; ii < end; ii++) node_of[list->ilist[ii]] = add_node(list->ilist[ii]);
  for (int c = 0; c < centres; c++) {
    const int i = node_atom[c];
    const double *cutoffs = &pair_cutsq[type[i] * width], xi = x[i][0], yi = x[i][1], zi = x[i][2];
    for (int jj = 0; jj < list->numneigh[i]; jj++) {
      const int j = list->firstneigh[i][jj] & NEIGHMASK;
      const double dx = x[j][0] - xi, dy = x[j][1] - yi, dz = x[j][2] - zi;
      if (dx * dx + dy * dy + dz * dz >= cutoffs[type[j]]) continue;
      int node = by_edge ? add_node(j) : node_of[j];
      if (node < 0) node = node_of[j] = add_node(j);
      edges.push_back(c);
      neighbours.push_back(node);
    }
  }

  const auto tally = [&](int i, double energy) {
    if (eflag_global) eng_vdwl += energy;
    if (eflag_atom) eatom[i] += energy;
  };
  const auto nedges = neighbours.size();
  if (nedges == 0) {    // the model takes no empty graph
    for (int c = 0; c < centres; c++) tally(node_atom[c], model->isolated[types[c]]);
    return;
  }
  if (nedges == 1) {    // nor a single edge: a dimer apart, which nobody counts
    const auto a = static_cast<int64_t>(types.size());
    types.insert(types.end(), 2, types[0]);
    positions.insert(positions.end(), {0.0, 0.0, 0.0, 0.0, 0.0, 0.5 * model->r_max});
    edges.insert(edges.end(), {a, a + 1});
    neighbours.insert(neighbours.end(), {a + 1, a});
  }
  edges.insert(edges.end(), neighbours.begin(), neighbours.end());

  model->run(positions, types, edges, energies, forces);
  if (eflag_either)
    for (int c = 0; c < centres; c++) tally(node_atom[c], energies[c]);
  for (size_t n = 0; n < node_atom.size(); n++)
    for (int k = 0; k < 3; k++) f[node_atom[n]][k] += forces[3 * n + k];

  if (!by_edge) return;
  for (size_t e = 0; e < nedges; e++) {
    const double *r = &positions[3 * neighbours[e]], *r0 = &positions[3 * edges[e]];
    const double *g = &forces[3 * neighbours[e]], d[3] = {r[0] - r0[0], r[1] - r0[1], r[2] - r0[2]};
    const double v[6] = {d[0] * g[0], d[1] * g[1], d[2] * g[2], d[0] * g[1], d[0] * g[2], d[1] * g[2]};
    for (int k = 0; k < 6; k++) {
      if (vflag_global && !vflag_fdotr) virial[k] += v[k];
      if (vflag_atom) vatom[node_atom[edges[e]]][k] += v[k];
    }
  }
}

double PairAllegro::memory_usage()
{
  return Pair::memory_usage() + sizeof(double) * (positions.capacity() + energies.capacity() + forces.capacity()) +
      sizeof(int64_t) * (types.capacity() + edges.capacity() + neighbours.capacity()) +
      sizeof(int) * (node_of.capacity() + node_atom.capacity());
}
