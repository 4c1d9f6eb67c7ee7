/* SPDX-License-Identifier: GPL-2.0-only
   Part of aiida-nanoclusters. A fix for LAMMPS (https://www.lammps.org), distributed under the terms of the
   GNU General Public License, version 2.

   A cluster is small: every rank has all positions, takes every n-th row of its pairs, and sums over ranks
   are made once for the variables and once for the forces. The bias is then known before the network is
   differentiated, so that one backward pass gives the forces of all variables. */

#include "fix_chart.h"

#include "atom.h"
#include "comm.h"
#include "domain.h"
#include "error.h"
#include "force.h"
#include "group.h"
#include "modify.h"
#include "update.h"
#include "utils.h"

#include <algorithm>
#include <cmath>
#include <cstring>

using namespace LAMMPS_NS;
using namespace FixConst;
using namespace nanoclusters;

static bool is_chart(const std::string &name)
{
  return name.rfind("chart", 0) == 0;
}

FixChart::FixChart(LAMMPS *lmp, int narg, char **arg) : Fix(lmp, narg, arg)
{
  restart_global = 1;
  scalar_flag = vector_flag = energy_global_flag = 1;
  global_freq = 1;
  extscalar = 1;
  extvector = 0;
  dynamic_group_allow = 0;
  read_arguments(narg, arg);
  size_vector = variables + 2;
  values.assign(variables, 0.0);
  slopes.assign(variables, 0.0);
  if (temperature == 0.0) bias_factor = 0.0;
}

FixChart::~FixChart()
{
  if (hills_file) fclose(hills_file);
  if (print_file) fclose(print_file);
}

int FixChart::setmask()
{
  return POST_FORCE | MIN_POST_FORCE;
}

void FixChart::init()
{
  if (atom->tag_enable == 0) refuse("it needs atom IDs");
  if (utils::strmatch(update->integrate_style, "^respa")) refuse("it has no levels of rRESPA: use 'every N'");
  find_group();
  if (moving_steps && moving_start < 0) moving_start = update->ntimestep;
  if (comm->me == 0) open_files();
}

// Atoms by their tags, so that the order of atoms on a rank is of no influence.
void FixChart::find_group()
{
  std::vector<tagint> mine;
  for (int i = 0; i < atom->nlocal; i++)
    if (atom->mask[i] & groupbit) mine.push_back(atom->tag[i]);
  int count = static_cast<int>(mine.size());
  std::vector<int> counts(comm->nprocs), starts(comm->nprocs, 0);
  MPI_Allgather(&count, 1, MPI_INT, counts.data(), 1, MPI_INT, world);
  for (int r = 1; r < comm->nprocs; r++) starts[r] = starts[r - 1] + counts[r - 1];
  tags.resize(starts.back() + counts.back());
  MPI_Allgatherv(mine.data(), count, MPI_LMP_TAGINT, tags.data(), counts.data(), starts.data(), MPI_LMP_TAGINT, world);
  std::sort(tags.begin(), tags.end());
  if (tags.size() < 2) refuse("the group has fewer than two atoms");
  rows.atoms = static_cast<int>(tags.size());
  rows.first = comm->me;
  rows.step = comm->nprocs;
}

void FixChart::setup(int)
{
  step(false);
}

void FixChart::min_setup(int)
{
  step(false);
}

void FixChart::min_post_force(int)
{
  step(false);
}

void FixChart::post_force(int)
{
  step(true);
}

// The bias acts on every `interval`-th step, that many times as strong (Ferrarotti et al., J. Chem. Theory
// Comput. 11, 139 (2015)).
void FixChart::step(bool moving)
{
  const bigint now = update->ntimestep;
  const bool hill = moving && pace && now % pace == 0 && now != last_hill;
  const bool shown = print_every && now % print_every == 0;
  const bool acts = !update->whichflag || update->whichflag == 2 || now % interval == 0;
  if (!acts && !hill && !shown && moving) return;
  gather();
  evaluate();
  bias();
  if (acts) apply(update->whichflag == 1 ? interval : 1.0);
  if (shown && moving && comm->me == 0) print();
  if (hill) deposit();
}

void FixChart::gather()
{
  const int n = rows.atoms;
  at.resize(n);
  own.clear();
  for (int i = 0; i < atom->nlocal; i++) {
    if (!(atom->mask[i] & groupbit)) continue;
    const auto place = std::lower_bound(tags.begin(), tags.end(), atom->tag[i]);
    if (place == tags.end() || *place != atom->tag[i]) error->one(FLERR, "fix nanoclusters/chart: its group changed");
    const int p = static_cast<int>(place - tags.begin());
    own.emplace_back(p, i);
    double x[3];
    domain->unmap(atom->x[i], atom->image[i], x);
    at.x[p] = x[0];
    at.y[p] = x[1];
    at.z[p] = x[2];
  }
  if (comm->nprocs == 1) {
    if (static_cast<int>(own.size()) != n) refuse("atoms of its group were lost");
    return;
  }
  buffer.assign(3 * n + 1, 0.0);
  for (const auto &[p, i] : own) {
    buffer[3 * p] = at.x[p];
    buffer[3 * p + 1] = at.y[p];
    buffer[3 * p + 2] = at.z[p];
  }
  buffer[3 * n] = static_cast<double>(own.size());
  MPI_Allreduce(MPI_IN_PLACE, buffer.data(), 3 * n + 1, MPI_DOUBLE, MPI_SUM, world);
  if (buffer[3 * n] != n) refuse("atoms of its group were lost");
  for (int p = 0; p < n; p++) {
    at.x[p] = buffer[3 * p];
    at.y[p] = buffer[3 * p + 1];
    at.z[p] = buffer[3 * p + 2];
  }
}

void FixChart::evaluate()
{
  pair_distances(at, rows, distances);
  if (chart) chart->distribution.deposit(distances, rows);
  for (auto &order : orders) order.collect(at, rows, distances);
  if (comm->nprocs > 1) {
    buffer.clear();
    if (chart) buffer = chart->distribution.grid;
    for (auto &order : orders) buffer.insert(buffer.end(), order.sums.begin(), order.sums.end());
    MPI_Allreduce(MPI_IN_PLACE, buffer.data(), static_cast<int>(buffer.size()), MPI_DOUBLE, MPI_SUM, world);
    const double *from = buffer.data();
    const auto take = [&](std::vector<double> &to) {
      std::copy(from, from + to.size(), to.begin());
      from += to.size();
    };
    if (chart) take(chart->distribution.grid);
    for (auto &order : orders) take(order.sums);
  }
  int v = 0, o = 0;
  if (chart) {
    Chart &c = *chart;
    c.distribution.values(rows.atoms, c.g);
    for (size_t k = 0; k < c.g.size(); k++) c.input[k] = (c.g[k] - c.minimum[k]) / c.scale[k];
    double out[3];
    c.encoder->forward(c.input.data(), out);
    while (!is_chart(names[v])) values[v++] = orders[o++].value(rows.atoms);
    for (const int k : c.chosen) values[v++] = out[k];
  }
  while (v < variables) values[v++] = orders[o++].value(rows.atoms);
}

// Energy of the bias and its slopes along the variables.
void FixChart::bias()
{
  hills_energy = pace || hills.count() ? hills.bias(values.data(), slopes.data()) : 0.0;
  if (!(pace || hills.count())) std::fill(slopes.begin(), slopes.end(), 0.0);
  energy = hills_energy;
  if (!stiffness.empty()) {
    double share = 0.0;
    if (moving_steps)
      share = std::clamp(static_cast<double>(update->ntimestep - moving_start) / moving_steps, 0.0, 1.0);
    for (int k = 0; k < variables; k++) {
      const double c = centre[k] + (target.empty() ? 0.0 : share * (target[k] - centre[k]));
      const double d = values[k] - c;
      energy += 0.5 * stiffness[k] * d * d;
      slopes[k] += stiffness[k] * d;
    }
  }
  for (const auto &wall : walls) {
    const double d = values[wall.variable] - wall.at;
    if (wall.upper ? d <= 0 : d >= 0) continue;
    energy += 0.5 * wall.stiffness * d * d;
    slopes[wall.variable] += wall.stiffness * d;
  }
}

void FixChart::apply(double times)
{
  if (std::all_of(slopes.begin(), slopes.end(), [](double s) { return s == 0.0; })) return;
  force.resize(rows.atoms);
  int v = 0, o = 0;
  while (v < variables) {
    if (!is_chart(names[v])) {
      orders[o++].forces(at, slopes[v++], force);
      continue;
    }
    Chart &c = *chart;
    double out[3] = {};
    for (const int k : c.chosen) out[k] += slopes[v++];
    c.encoder->backward(out, c.gradient.data());
    for (size_t k = 0; k < c.gradient.size(); k++) c.gradient[k] /= c.scale[k];
    c.distribution.forces(at, rows, distances, c.gradient, force);
  }
  const int n = rows.atoms;
  if (comm->nprocs > 1) {
    buffer.resize(3 * n);
    std::copy(force.x.begin(), force.x.end(), buffer.begin());
    std::copy(force.y.begin(), force.y.end(), buffer.begin() + n);
    std::copy(force.z.begin(), force.z.end(), buffer.begin() + 2 * n);
    MPI_Allreduce(MPI_IN_PLACE, buffer.data(), 3 * n, MPI_DOUBLE, MPI_SUM, world);
    std::copy(buffer.begin(), buffer.begin() + n, force.x.begin());
    std::copy(buffer.begin() + n, buffer.begin() + 2 * n, force.y.begin());
    std::copy(buffer.begin() + 2 * n, buffer.end(), force.z.begin());
  }
  for (const auto &[p, i] : own) {
    atom->f[i][0] += times * force.x[p];
    atom->f[i][1] += times * force.y[p];
    atom->f[i][2] += times * force.z[p];
  }
}

// Well-tempered: Barducci, Bussi, Parrinello, Phys. Rev. Lett. 100, 020603 (2008).
void FixChart::deposit()
{
  double w = height;
  if (bias_factor > 1)
    w *= std::exp(-hills_energy / (Pointers::force->boltz * temperature * (bias_factor - 1)));
  last_hill = update->ntimestep;
  hills.add(last_hill, values.data(), w);
  if (hills_file) {
    write_hill(hills.count() - 1);
    fflush(hills_file);
  }
}

// ---- files

// Hills of before a restart are written again: a file may hold some of after it.
void FixChart::open_files()
{
  if (!hills_name.empty() && !hills_file) {
    hills_file = fopen(hills_name.c_str(), "w");
    if (!hills_file) error->one(FLERR, "fix nanoclusters/chart: cannot write '" + hills_name + "'");
    fprintf(hills_file, "#! FIELDS time");
    for (const auto &name : names) fprintf(hills_file, " %s", name.c_str());
    for (const auto &name : names) fprintf(hills_file, " sigma_%s", name.c_str());
    fprintf(hills_file, " height biasf\n");
    for (size_t h = 0; h < hills.count(); h++) write_hill(h);
    fflush(hills_file);
  }
  if (!print_name.empty() && !print_file) {
    print_file = fopen(print_name.c_str(), "w");
    if (!print_file) error->one(FLERR, "fix nanoclusters/chart: cannot write '" + print_name + "'");
    fprintf(print_file, "#! FIELDS step");
    for (const auto &name : names) fprintf(print_file, " %s", name.c_str());
    fprintf(print_file, " bias hills\n");
  }
}

// As PLUMED does, with the step for the time: well-tempered heights times g/(g - 1), so that the sum of all
// hills is minus the free energy.
void FixChart::write_hill(size_t h)
{
  const double scale = bias_factor > 1 ? bias_factor / (bias_factor - 1) : 1.0;
  fprintf(hills_file, "%lld", static_cast<long long>(hills.steps[h]));
  for (int k = 0; k < variables; k++) fprintf(hills_file, " %.15g", hills.centres[h * variables + k]);
  for (const double w : widths) fprintf(hills_file, " %.15g", w);
  fprintf(hills_file, " %.15g %.15g\n", hills.heights[h] * scale, bias_factor > 1 ? bias_factor : -1.0);
}

void FixChart::print()
{
  fprintf(print_file, "%lld", static_cast<long long>(update->ntimestep));
  for (const double v : values) fprintf(print_file, " %.12g", v);
  fprintf(print_file, " %.12g %.12g\n", energy, hills_energy);
  fflush(print_file);
}

// Variables, moving start, last hill, hills, widths; then step, place and height of each hill.
void FixChart::write_restart(FILE *fp)
{
  if (comm->me != 0) return;
  std::vector<double> state{static_cast<double>(variables), static_cast<double>(moving_start),
                            static_cast<double>(last_hill), static_cast<double>(hills.count()),
                            static_cast<double>(widths.size())};
  state.insert(state.end(), widths.begin(), widths.end());
  for (size_t h = 0; h < hills.count(); h++) {
    state.push_back(static_cast<double>(hills.steps[h]));
    state.insert(state.end(), &hills.centres[h * variables], &hills.centres[h * variables] + variables);
    state.push_back(hills.heights[h]);
  }
  const int size = static_cast<int>(state.size() * sizeof(double));
  fwrite(&size, sizeof(int), 1, fp);
  fwrite(state.data(), sizeof(double), state.size(), fp);
}

void FixChart::restart(char *buf)
{
  const double *state = reinterpret_cast<const double *>(buf);
  if (static_cast<int>(state[0]) != variables) refuse("the restart file is of another number of variables");
  moving_start = static_cast<bigint>(state[1]);
  last_hill = static_cast<bigint>(state[2]);
  const auto count = static_cast<size_t>(state[3]);
  const auto given = static_cast<size_t>(state[4]);
  state += 5;
  if (count && !std::equal(state, state + given, widths.begin(), widths.end()))
    refuse("the restart file holds hills of another 'width'");
  state += given;
  hills = Hills();
  hills.set_widths(widths);
  for (size_t h = 0; h < count; h++, state += variables + 2)
    hills.add(static_cast<int64_t>(state[0]), state + 1, state[variables + 1]);
}

// ---- output

double FixChart::compute_scalar()
{
  return energy;
}

double FixChart::compute_vector(int k)
{
  if (k < variables) return values[k];
  return k == variables ? hills_energy : static_cast<double>(hills.count());
}

double FixChart::memory_usage()
{
  const double numbers = distances.capacity() + buffer.capacity() + 6.0 * rows.atoms +
      hills.count() * (2.0 * variables + 3.0);
  return numbers * sizeof(double) + (chart ? chart->encoder->bytes() : 0.0);
}
