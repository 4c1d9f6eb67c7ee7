/* SPDX-License-Identifier: GPL-2.0-only
   Part of aiida-nanoclusters, distributed under the terms of the GNU General Public License, version 2.

   What `fix nanoclusters/chart` is given: its arguments, the chart, hills of an earlier run. */

#include "fix_chart.h"

#include "chart_file.h"

#include "comm.h"
#include "error.h"
#include "update.h"
#include "utils.h"

#include <cmath>
#include <cstring>
#include <fstream>
#include <sstream>
#include <stdexcept>

using namespace LAMMPS_NS;
using namespace nanoclusters;

namespace {
constexpr int MOST_VARIABLES = 3;

// The file, read by the first rank; the other ranks are told what failed.
std::string shared_text(const std::string &path, int me, MPI_Comm world)
{
  int64_t length = -1;
  std::string text;
  if (me == 0) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream content;
    if (file && content << file.rdbuf()) {
      text = content.str();
      length = static_cast<int64_t>(text.size());
    }
  }
  MPI_Bcast(&length, 1, MPI_INT64_T, 0, world);
  if (length < 0) throw std::runtime_error("there is no such file");
  if (length > (int64_t(1) << 30)) throw std::runtime_error("it is longer than any chart");
  text.resize(length);
  MPI_Bcast(text.data(), static_cast<int>(length), MPI_CHAR, 0, world);
  return text;
}
}    // namespace

void FixChart::refuse(const std::string &message)
{
  error->all(FLERR, "fix nanoclusters/chart: " + message);
}

double FixChart::number(int &i, int narg, char **arg)
{
  if (++i >= narg) refuse(std::string("a number is missing behind '") + arg[narg - 1] + "'");
  return utils::numeric(FLERR, arg[i], false, lmp);
}

std::vector<double> FixChart::numbers(int &i, int narg, char **arg, int count)
{
  std::vector<double> found;
  for (int n = 0; n < count; n++) found.push_back(number(i, narg, arg));
  return found;
}

void FixChart::read_arguments(int narg, char **arg)
{
  bool single = true;
  for (int i = 3; i + 1 < narg; i++)
    if (strcmp(arg[i], "precision") == 0) {
      if (strcmp(arg[i + 1], "single") != 0 && strcmp(arg[i + 1], "double") != 0)
        refuse("'precision' is 'single' or 'double'");
      single = strcmp(arg[i + 1], "single") == 0;
    }
  int i = 3;
  for (int next; i < narg && (next = read_variable(i, narg, arg, single)) > i;) i = next;
  variables = static_cast<int>(names.size());
  if (variables < 1 || variables > MOST_VARIABLES)
    refuse("it has " + std::to_string(variables) + " variables: name 1 to 3 before all else, of 'chart FILE', 'q4 ON OFF', "
           "'q6 ON OFF', 'coordination ON OFF'; 'coordinates K ...' behind a chart chooses among its own");
  while (i < narg) i = read_bias(i, narg, arg);
  if (pace && widths.empty()) refuse("'metadynamics' needs 'width' with one number for each variable");
}

// Returns where the next keyword is, `i` itself where this one names no variable.
int FixChart::read_variable(int i, int narg, char **arg, bool single)
{
  const std::string word = arg[i];
  if (word == "chart") {
    if (chart) refuse("it takes one chart");
    if (++i >= narg) refuse("the file of the chart is missing");
    load_chart(arg[i], single);
    const int outputs = chart->encoder->outputs;
    if (i + 1 < narg && strcmp(arg[i + 1], "coordinates") == 0) {
      i++;
      while (i + 1 < narg && utils::is_integer(arg[i + 1])) {
        const int k = utils::inumeric(FLERR, arg[++i], false, lmp);
        if (k < 1 || k > outputs) refuse("the chart has coordinates 1 to " + std::to_string(outputs));
        chart->chosen.push_back(k - 1);
      }
      if (chart->chosen.empty()) refuse("'coordinates' names none");
    } else {
      for (int k = 0; k < outputs; k++) chart->chosen.push_back(k);
    }
    for (const int k : chart->chosen) names.push_back("chart" + std::to_string(k + 1));
    return i + 1;
  }
  const int l = word == "q4" ? 4 : word == "q6" ? 6 : word == "coordination" ? 0 : -1;
  if (l < 0) return i;
  Switch neighbours;
  neighbours.on = number(i, narg, arg);
  neighbours.off = number(i, narg, arg);
  if (!(neighbours.on >= 0 && neighbours.off > neighbours.on))
    refuse("'" + word + " ON OFF' needs two distances, the second the longer one");
  orders.emplace_back(l, neighbours);
  names.push_back(word);
  return i + 1;
}

int FixChart::read_bias(int i, int narg, char **arg)
{
  const std::string word = arg[i];
  if (word == "precision") return i + 2;
  if (word == "restraint") {    // stiffnesses, then centres
    stiffness = numbers(i, narg, arg, variables);
    centre = numbers(i, narg, arg, variables);
  } else if (word == "target") {
    if (stiffness.empty()) refuse("'target' moves the centres of a 'restraint': give that before");
    target = numbers(i, narg, arg, variables);
    moving_steps = static_cast<bigint>(number(i, narg, arg));
    if (moving_steps < 1) refuse("'target C ... STEPS' needs a number of steps");
  } else if (word == "wall") {    // of the K-th variable
    Wall wall;
    wall.variable = static_cast<int>(number(i, narg, arg)) - 1;
    if (wall.variable < 0 || wall.variable >= variables)
      refuse("'wall' names variable " + std::to_string(wall.variable + 1) + " of " + std::to_string(variables));
    const std::string side = ++i < narg ? arg[i] : "";
    if (side != "upper" && side != "lower") refuse("write 'wall K upper AT STIFFNESS' or 'wall K lower AT STIFFNESS'");
    wall.upper = side == "upper";
    wall.at = number(i, narg, arg);
    wall.stiffness = number(i, narg, arg);
    walls.push_back(wall);
  } else if (word == "metadynamics") {
    height = number(i, narg, arg);
    pace = static_cast<bigint>(number(i, narg, arg));
    if (pace < 1) refuse("'metadynamics HEIGHT PACE' needs a number of steps between two hills");
  } else if (word == "width") {
    widths = numbers(i, narg, arg, variables);
    for (const double w : widths)
      if (!(w > 0)) refuse("the widths of hills must be above 0");
    hills.set_widths(widths);
  } else if (word == "tempered") {    // temperature and bias factor
    temperature = number(i, narg, arg);
    bias_factor = number(i, narg, arg);
    if (!(temperature > 0 && bias_factor > 1)) refuse("'tempered T FACTOR' needs T above 0 and a bias factor above 1");
  } else if (word == "hills" || word == "read") {
    if (++i >= narg) refuse("a file name is missing behind '" + word + "'");
    if (word == "hills")
      hills_name = arg[i];
    else
      read_hills(arg[i]);
  } else if (word == "every") {
    interval = static_cast<int>(number(i, narg, arg));
    if (interval < 1) refuse("'every' needs a number of steps from 1");
  } else if (word == "print") {
    print_every = static_cast<bigint>(number(i, narg, arg));
    if (++i >= narg || print_every < 1) refuse("write 'print STEPS FILE'");
    print_name = arg[i];
  } else {
    refuse("there is no keyword '" + word + "' behind the variables; there are restraint, target, wall, metadynamics, "
           "width, tempered, hills, read, every, print and precision");
  }
  return i + 1;
}

void FixChart::load_chart(const std::string &path, bool single)
{
  try {
    const auto file = ChartFile::parse(shared_text(path, comm->me, world));
    chart = std::make_unique<Chart>();
    chart->distribution = PairDistribution(file.shortest, file.longest, file.bins, file.bandwidth, file.bond);
    chart->minimum = file.minimum;
    chart->scale = file.scale;
    chart->encoder = Encoder::make(file.layers, file.bins, single);
    chart->input.resize(file.bins);
    chart->gradient.resize(file.bins);
  } catch (const std::exception &err) {
    refuse("'" + path + "' is no chart: " + err.what() + "; write it anew with aiida_nanoclusters.formats.lammps.chart_file");
  }
}

// Hills as `write_hill` writes them, up to the present step.
void FixChart::read_hills(const std::string &path)
{
  if (widths.empty()) refuse("give 'width' before 'read'");
  try {
    std::istringstream text(shared_text(path, comm->me, world));
    std::string line;
    const double scale = bias_factor > 1 ? (bias_factor - 1) / bias_factor : 1.0;
    while (std::getline(text, line)) {
      if (line.empty() || line[0] == '#') continue;
      std::istringstream row(line);
      double at_step, sigma, w;
      std::vector<double> place(variables);
      row >> at_step;
      for (double &p : place) row >> p;
      for (int k = 0; k < variables; k++) row >> sigma;
      if (!(row >> w)) throw std::runtime_error("the line '" + line.substr(0, 60) + "' has too few numbers");
      if (at_step <= update->ntimestep) hills.add(static_cast<int64_t>(at_step), place.data(), w * scale);
    }
    if (hills.count()) last_hill = hills.steps.back();
  } catch (const std::exception &err) {
    refuse("'" + path + "' holds no hills: " + err.what());
  }
}
