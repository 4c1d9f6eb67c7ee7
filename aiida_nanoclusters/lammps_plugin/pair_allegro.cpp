/* SPDX-License-Identifier: GPL-2.0-only
   Part of aiida-nanoclusters. A pair style for LAMMPS (https://www.lammps.org), distributed under the
   terms of the GNU General Public License, version 2.

   Allegro is strictly local: the energy of a centre depends on its own neighbours alone. So the model
   is called for one block of centres at a time, with the edges that start there; of its output the
   energies of the block's centres count, and the forces on every node. Memory is then bounded by the
   block, and any domain decomposition works with one cutoff of ghost atoms. */

#include "pair_allegro.h"

#include "atom.h"
#include "comm.h"
#include "error.h"
#include "force.h"
#include "memory.h"
#include "neigh_list.h"
#include "neighbor.h"
#include "update.h"
#include "utils.h"

#include <ATen/Parallel.h>
#include <ATen/ops/from_blob.h>
#include <c10/core/InferenceMode.h>
#include <omp.h>
#include <sys/utsname.h>
#include <torch/csrc/inductor/aoti_package/model_package_loader.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <map>
#include <sstream>
#include <stdexcept>
#include <unordered_map>

#ifdef __GLIBC__
#include <malloc.h>
#endif

using namespace LAMMPS_NS;
using torch::inductor::AOTIModelPackageLoader;
using Metadata = std::unordered_map<std::string, std::string>;

static constexpr char COMPILE[] =
    "nequip-compile MODEL.nequip.zip MODEL.nequip.pt2 --mode aotinductor --device cpu --target pair_allegro";

// A compiled model may ask for the number of threads of the machine that compiled it, whatever
// OMP_NUM_THREADS says. Ranks are our parallelism: while this lives, each has one thread.
struct OneThread {
  int levels = omp_get_max_active_levels();
  OneThread() { omp_set_max_active_levels(0); }
  ~OneThread() { omp_set_max_active_levels(levels); }
};

// Every call allocates the same few megabytes. glibc gives freed memory back to the kernel at once and
// fetches it again, a fifth of all time: let it keep what one block of centres needs.
static void keep_freed_memory()
{
#ifdef __GLIBC__
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, 256 << 20);
#endif
}

struct LAMMPS_NS::AllegroModel {
  std::unique_ptr<AOTIModelPackageLoader> loader;
  std::vector<std::string> type_names;
  double r_max;
  std::vector<double> cutoffs;     // [type of centre][type of neighbour], Å
  std::vector<double> isolated;    // [type] energy of a centre without neighbours, eV
  size_t energy_index, forces_index;

  // positions [nodes][3], types [nodes], edges [2][nedges] -> energies [nodes], forces [nodes][3]
  std::pair<at::Tensor, at::Tensor> run(std::vector<double> &positions, std::vector<int64_t> &types,
                                        std::vector<int64_t> &edges)
  {
    const c10::InferenceMode inference;
    const OneThread one_thread;
    const auto nodes = static_cast<int64_t>(types.size());
    const auto nedges = static_cast<int64_t>(edges.size() / 2);
    const auto out = loader->run({at::from_blob(positions.data(), {nodes, 3}, at::kDouble),
                                  at::from_blob(edges.data(), {2, nedges}, at::kLong),
                                  at::from_blob(types.data(), {nodes}, at::kLong)});
    return {out[energy_index].to(at::kDouble).contiguous(),
            out[forces_index].to(at::kDouble).contiguous()};
  }
};

template <typename T> static std::vector<T> split(const std::string &text)
{
  std::istringstream stream(text);
  std::vector<T> words;
  for (T word; stream >> word;) words.push_back(word);
  return words;
}

static bool machine_supports(const std::string &isa)
{
#if defined(__x86_64__)
  if (isa == "AVX512")
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  if (isa == "AVX512_VNNI") return __builtin_cpu_supports("avx512vnni");
  if (isa == "AVX2") return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
  return true;    // not known here: AOTI_MACHINE has been compared
}

// throws std::runtime_error with a message that names the fix
static void check_metadata(const std::string &path, Metadata &about)
{
  if (!about.count("type_names") || !about.count("r_max"))
    throw std::runtime_error("'" + path + "' was not compiled by nequip-compile; make it with: " + COMPILE);
  if (about["nequip_aoti_inputs"] != "pos edge_index atom_types")
    throw std::runtime_error("'" + path + "' was compiled for another target than pair_allegro (its inputs are '" +
                             about["nequip_aoti_inputs"] + "'); compile it again: " + COMPILE);
  if (about["AOTI_DEVICE_KEY"] != "cpu")
    throw std::runtime_error("'" + path + "' was compiled for device '" + about["AOTI_DEVICE_KEY"] +
                             "', this pair style runs on the CPU; compile it again: " + COMPILE);
  utsname machine;
  uname(&machine);
  std::string missing;
  if (about["AOTI_MACHINE"] != machine.machine) missing = about["AOTI_MACHINE"];
  for (const auto &isa : split<std::string>(about["AOTI_CPU_ISA"]))
    if (!machine_supports(isa)) missing += (missing.empty() ? "" : " ") + isa;
  if (!missing.empty())
    throw std::runtime_error("'" + path + "' was compiled for a machine with " + missing +
                             ", which this one has not; compile it on this machine: " + COMPILE);
}

static std::shared_ptr<AllegroModel> open_model(const std::string &path)
{
  // Kept for the whole process: a script that clears and starts anew for each of its structures loads
  // a model once. A file that has been replaced is another model.
  static std::map<std::string, std::shared_ptr<AllegroModel>> opened;

  namespace fs = std::filesystem;
  if (!fs::is_regular_file(path))
    throw std::runtime_error("There is no model file '" + path +
                             "': correct the path in pair_coeff (a relative one starts in LAMMPS' working directory)");
  const auto written = fs::last_write_time(path).time_since_epoch().count();
  const auto key = fs::canonical(path).string() + ":" + std::to_string(written) + ":" +
      std::to_string(fs::file_size(path));
  auto &model = opened[key];
  if (model) return model;

  Metadata about;
  try {
    about = AOTIModelPackageLoader::load_metadata_from_package(path, "model");
  } catch (const std::exception &) {
    about.clear();
  }
  check_metadata(path, about);

  auto fresh = std::make_shared<AllegroModel>();
  at::set_num_threads(1);
  keep_freed_memory();
  fresh->loader = std::make_unique<AOTIModelPackageLoader>(path, "model", true);
  fresh->type_names = split<std::string>(about["type_names"]);
  fresh->r_max = std::stod(about["r_max"]);
  const auto ntypes = fresh->type_names.size();
  fresh->cutoffs = split<double>(about["per_edge_type_cutoff"]);
  if (fresh->cutoffs.size() != ntypes * ntypes) fresh->cutoffs.assign(ntypes * ntypes, fresh->r_max);
  const auto outputs = split<std::string>(about["nequip_aoti_outputs"]);
  const auto index = [&](const char *name) {
    const auto at = std::find(outputs.begin(), outputs.end(), name);
    if (at == outputs.end())
      throw std::runtime_error("'" + path + "' has no output '" + name + "'; compile it again: " + COMPILE);
    return static_cast<size_t>(at - outputs.begin());
  };
  fresh->energy_index = index("atomic_energy");
  fresh->forces_index = index("forces");

  // the model needs two edges at least: one isolated atom of each type beside a dimer
  std::vector<double> positions(3 * (ntypes + 2), 0.0);
  positions.back() = 0.5 * fresh->r_max;
  std::vector<int64_t> types(ntypes + 2, 0), edges;
  for (size_t t = 0; t < ntypes; t++) types[t] = static_cast<int64_t>(t);
  const auto a = static_cast<int64_t>(ntypes), b = a + 1;
  edges = {a, b, b, a};
  const auto energies = fresh->run(positions, types, edges).first;
  fresh->isolated.assign(energies.data_ptr<double>(), energies.data_ptr<double>() + ntypes);
  model = fresh;
  return model;
}

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
    model = open_model(path);
  } catch (const c10::Error &err) {
    problem = "Cannot load '" + path + "': " + err.what_without_backtrace() + "; compile it again: " + COMPILE;
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
  node_of.resize(atom->nlocal + atom->nghost, -1);
  try {
    for (int start = 0; start < count; start += step) evaluate(start, std::min(start + step, count), by_edge);
  } catch (const c10::Error &err) {
    error->one(FLERR, std::string("The Allegro model failed: ") + err.what_without_backtrace());
  } catch (const std::runtime_error &err) {
    error->one(FLERR, std::string("The Allegro model failed: ") + err.what());
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

  const auto [energies, forces] = model->run(positions, types, edges);
  const double *energy = energies.data_ptr<double>(), *force_on = forces.data_ptr<double>();
  if (eflag_either)
    for (int c = 0; c < centres; c++) tally(node_atom[c], energy[c]);
  for (size_t n = 0; n < node_atom.size(); n++)
    for (int k = 0; k < 3; k++) f[node_atom[n]][k] += force_on[3 * n + k];

  if (!by_edge) return;
  for (size_t e = 0; e < nedges; e++) {
    const double *r = &positions[3 * neighbours[e]], *r0 = &positions[3 * edges[e]];
    const double *g = &force_on[3 * neighbours[e]], d[3] = {r[0] - r0[0], r[1] - r0[1], r[2] - r0[2]};
    const double v[6] = {d[0] * g[0], d[1] * g[1], d[2] * g[2], d[0] * g[1], d[0] * g[2], d[1] * g[2]};
    for (int k = 0; k < 6; k++) {
      if (vflag_global && !vflag_fdotr) virial[k] += v[k];
      if (vflag_atom) vatom[node_atom[edges[e]]][k] += v[k];
    }
  }
}

double PairAllegro::memory_usage()
{
  return Pair::memory_usage() + sizeof(double) * positions.capacity() +
      sizeof(int64_t) * (types.capacity() + edges.capacity() + neighbours.capacity()) +
      sizeof(int) * (node_of.capacity() + node_atom.capacity());
}
