/* SPDX-License-Identifier: GPL-2.0-only
   Part of aiida-nanoclusters, distributed under the terms of the GNU General Public License, version 2. */

#include "allegro_model.h"

#include <ATen/Parallel.h>
#include <ATen/ops/from_blob.h>
#include <c10/core/InferenceMode.h>
#include <omp.h>
#include <sys/utsname.h>
#include <torch/csrc/inductor/aoti_package/model_package_loader.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <sstream>
#include <stdexcept>
#include <unordered_map>

#ifdef __GLIBC__
#include <malloc.h>
#endif

using torch::inductor::AOTIModelPackageLoader;
using Metadata = std::unordered_map<std::string, std::string>;

static constexpr char COMPILE[] =
    "nequip-compile MODEL.nequip.zip MODEL.nequip.pt2 --mode aotinductor --device cpu --target pair_allegro";

struct AllegroModel::Loader : public AOTIModelPackageLoader {
  using AOTIModelPackageLoader::AOTIModelPackageLoader;
};

// A model compiled with threads takes as many as LAMMPS has (`package omp`), and small blocks only lose by
// that. Ranks are our parallelism: while this lives, each has one thread.
struct OneThread {
  int levels = omp_get_max_active_levels();
  OneThread() { omp_set_max_active_levels(0); }
  ~OneThread() { omp_set_max_active_levels(levels); }
};

// torch unpacks a model into TMPDIR and removes it when the process ends well. An error or a scheduler may
// end it otherwise: unpack into a folder that goes as soon as the library in it is mapped.
struct ScratchFolder {
  const char *before = getenv("TMPDIR");
  const std::string parent = before ? before : "/tmp";
  std::string folder = parent + "/allegro_XXXXXX";
  ScratchFolder()
  {
    if (!mkdtemp(folder.data()))
      throw std::runtime_error("Cannot write in '" + parent + "': set TMPDIR to a folder where one can");
    setenv("TMPDIR", folder.c_str(), 1);
  }
  ~ScratchFolder()
  {
    before ? setenv("TMPDIR", parent.c_str(), 1) : unsetenv("TMPDIR");
    std::error_code ignored;    // a leftover folder harms nobody
    std::filesystem::remove_all(folder, ignored);
  }
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

std::shared_ptr<AllegroModel> AllegroModel::open(const std::string &path)
{
  static std::map<std::string, std::shared_ptr<AllegroModel>> opened;

  namespace fs = std::filesystem;
  if (!fs::is_regular_file(path))
    throw std::runtime_error("There is no model file '" + path +
                             "': correct the path in pair_coeff (a relative one starts in LAMMPS' working directory)");
  const auto written = fs::last_write_time(path).time_since_epoch().count();
  const auto key = fs::canonical(path).string() + ":" + std::to_string(written) + ":" +
      std::to_string(fs::file_size(path));
  auto &model = opened[key];
  if (!model) model = std::make_shared<AllegroModel>(path);
  return model;
}

AllegroModel::~AllegroModel() = default;

AllegroModel::AllegroModel(const std::string &path)
{
  const ScratchFolder scratch;
  Metadata about;
  try {
    about = AOTIModelPackageLoader::load_metadata_from_package(path, "model");
  } catch (const std::exception &) {
    about.clear();
  }
  check_metadata(path, about);

  at::set_num_threads(1);
  keep_freed_memory();
  try {
    loader = std::make_unique<Loader>(path, "model", true);
  } catch (const c10::Error &err) {
    throw std::runtime_error("Cannot load '" + path + "': " + err.what_without_backtrace() +
                             "; compile it again: " + COMPILE);
  }
  type_names = split<std::string>(about["type_names"]);
  r_max = std::stod(about["r_max"]);
  const auto ntypes = type_names.size();
  cutoffs = split<double>(about["per_edge_type_cutoff"]);
  if (cutoffs.size() != ntypes * ntypes) cutoffs.assign(ntypes * ntypes, r_max);
  const auto outputs = split<std::string>(about["nequip_aoti_outputs"]);
  const auto index = [&](const char *name) {
    const auto at = std::find(outputs.begin(), outputs.end(), name);
    if (at == outputs.end())
      throw std::runtime_error("'" + path + "' has no output '" + name + "'; compile it again: " + COMPILE);
    return static_cast<size_t>(at - outputs.begin());
  };
  energy_index = index("atomic_energy");
  forces_index = index("forces");

  // the model needs two edges at least: one isolated atom of each type beside a dimer
  std::vector<double> positions(3 * (ntypes + 2), 0.0);
  positions.back() = 0.5 * r_max;
  std::vector<int64_t> types(ntypes + 2, 0), edges;
  for (size_t t = 0; t < ntypes; t++) types[t] = static_cast<int64_t>(t);
  const auto a = static_cast<int64_t>(ntypes), b = a + 1;
  edges = {a, b, b, a};
  std::vector<double> forces;
  run(positions, types, edges, isolated, forces);
  isolated.resize(ntypes);
  check_locality(path);
}

// The energy of an atom must not change when an atom out of its reach comes into that of its neighbour: a
// model that passes messages between atoms would lose them at the edges of blocks and ranks.
void AllegroModel::check_locality(const std::string &path)
{
  const double near = 0.51 * cutoffs.front();
  std::vector<double> chain = {0.0, 0.0, 0.0, 0.0, 0.0, near, 0.0, 0.0, 2.0 * near}, energies, forces;
  std::vector<int64_t> types(3, 0), pair = {0, 1, 1, 0}, all = {0, 1, 1, 2, 1, 0, 2, 1};
  run(chain, types, pair, energies, forces);
  const double before = energies[0];
  run(chain, types, all, energies, forces);
  if (std::abs(energies[0] - before) > 1e-5 * std::max(1.0, std::abs(before - isolated[0])))
    throw std::runtime_error("'" + path + "' passes messages between atoms, which pair_style allegro would cut off; "
                             "give its package (.nequip.zip) to --potential-file, then nequip evaluates it");
}

void AllegroModel::run(std::vector<double> &positions, std::vector<int64_t> &types,
                       std::vector<int64_t> &edges, std::vector<double> &energies,
                       std::vector<double> &forces)
{
  const c10::InferenceMode inference;
  const OneThread one_thread;
  const auto nodes = static_cast<int64_t>(types.size());
  const auto nedges = static_cast<int64_t>(edges.size() / 2);
  try {
    const auto out = loader->run({at::from_blob(positions.data(), {nodes, 3}, at::kDouble),
                                  at::from_blob(edges.data(), {2, nedges}, at::kLong),
                                  at::from_blob(types.data(), {nodes}, at::kLong)});
    const auto e = out[energy_index].to(at::kDouble).contiguous();
    const auto f = out[forces_index].to(at::kDouble).contiguous();
    energies.assign(e.data_ptr<double>(), e.data_ptr<double>() + nodes);
    forces.assign(f.data_ptr<double>(), f.data_ptr<double>() + 3 * nodes);
  } catch (const c10::Error &err) {
    throw std::runtime_error(std::string("The Allegro model failed: ") + err.what_without_backtrace());
  }
}
