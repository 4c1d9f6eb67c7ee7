/* SPDX-License-Identifier: GPL-2.0-only
   Part of aiida-nanoclusters. A pair style for LAMMPS (https://www.lammps.org), distributed under the
   terms of the GNU General Public License, version 2.

   Energy, forces and virial come from an ASE calculator in a Python process, which rank 0 starts and
   talks to through two pipes (the other end: formats/calculators/server.py). The atoms go in the order of
   their tags, so that a calculator that keeps neighbour lists can use them again. */

#include "pair_calculator.h"

#include "atom.h"
#include "comm.h"
#include "domain.h"
#include "error.h"
#include "force.h"
#include "memory.h"
#include "update.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

using namespace LAMMPS_NS;

namespace {
constexpr const char *SCRIPT = "calculator_server.py";
constexpr const char *MESSAGES = "calculator.err";
constexpr int FIELDS = 5;    // flag, type, x, y, z
}    // namespace

PairCalculator::PairCalculator(LAMMPS *lmp) : Pair(lmp)
{
  single_enable = 0;
  restartinfo = 0;
  one_coeff = 1;
  manybody_flag = 1;
  no_virial_fdotr_compute = 1;
  centroidstressflag = CENTROID_NOTAVAIL;
}

PairCalculator::~PairCalculator()
{
  stop();
  if (copymode || !allocated) return;
  memory->destroy(setflag);
  memory->destroy(cutsq);
}

void PairCalculator::settings(int narg, char **)
{
  if (narg != 0) error->all(FLERR, "Write 'pair_style calculator' without arguments");
  if (strcmp(update->unit_style, "metal") != 0)
    error->all(FLERR, std::string("pair_style calculator works in eV and Å: write 'units metal' instead of 'units ") +
                   update->unit_style + "'");
}

void PairCalculator::coeff(int narg, char **arg)
{
  const int ntypes = atom->ntypes;
  if (narg != 3 + ntypes || strcmp(arg[0], "*") != 0 || strcmp(arg[1], "*") != 0)
    error->all(FLERR, "Write 'pair_coeff * * CALCULATOR.json' and one element for each of the " +
                   std::to_string(ntypes) + " atom types");
  if (!allocated) {
    memory->create(setflag, ntypes + 1, ntypes + 1, "pair:setflag");
    memory->create(cutsq, ntypes + 1, ntypes + 1, "pair:cutsq");
    allocated = 1;
  }
  for (int i = 1; i <= ntypes; i++)
    for (int j = 1; j <= ntypes; j++) setflag[i][j] = 1;
  start(std::vector<std::string>(arg + 2, arg + narg));
}

void PairCalculator::init_style()
{
  if (atom->tag_enable == 0) error->all(FLERR, "pair_style calculator needs atom IDs");
}

// No pair is looked at here: the distance only keeps LAMMPS's own checks of a cutoff content.
double PairCalculator::init_one(int, int)
{
  return 1.0;
}

void PairCalculator::compute(int eflag, int vflag)
{
  ev_init(eflag, vflag);
  if (eflag_atom || vflag_atom) error->all(FLERR, "pair_style calculator has no energies or stresses by atom");
  const int nlocal = atom->nlocal;
  tagint highest = 0, mine = 0;
  for (int i = 0; i < nlocal; i++) mine = std::max(mine, atom->tag[i]);
  MPI_Allreduce(&mine, &highest, 1, MPI_LMP_TAGINT, MPI_MAX, world);

  std::vector<double> local(static_cast<size_t>(highest) * FIELDS, 0.0);
  for (int i = 0; i < nlocal; i++) {
    double *row = &local[(atom->tag[i] - 1) * FIELDS];
    row[0] = 1.0;
    row[1] = atom->type[i];
    domain->unmap(atom->x[i], atom->image[i], row + 2);
  }
  shared.resize(local.size());
  MPI_Allreduce(local.data(), shared.data(), static_cast<int>(local.size()), MPI_DOUBLE, MPI_SUM, world);

  std::vector<int64_t> place(highest, -1), head{0, update->ntimestep, vflag_global ? 1 : 0};
  for (int k = 0; k < 3; k++) head.push_back(domain->periodicity[k]);
  std::vector<double> sent{domain->xprd, 0, 0, domain->xy, domain->yprd, 0, domain->xz, domain->yz, domain->zprd};
  for (tagint t = 0; t < highest; t++) {
    const double *row = &shared[t * FIELDS];
    if (row[0] == 0.0) continue;
    place[t] = head[0]++;
    head.push_back(static_cast<int64_t>(row[1]) - 1);
    for (int k = 0; k < 3; k++) sent.push_back(row[2 + k] - domain->boxlo[k]);
  }
  const auto count = static_cast<size_t>(head[0]);
  answer.assign(7 + 3 * count, 0.0);
  fail_together(comm->me == 0 ? exchange(head, sent) : "");
  MPI_Bcast(answer.data(), static_cast<int>(answer.size()), MPI_DOUBLE, 0, world);

  if (comm->me == 0) {
    if (eflag_global) eng_vdwl += answer[0];
    if (vflag_global)
      for (int k = 0; k < 6; k++) virial[k] += answer[1 + k];
  }
  for (int i = 0; i < nlocal; i++)
    for (int k = 0; k < 3; k++) atom->f[i][k] += answer[7 + 3 * place[atom->tag[i] - 1] + k];
}

// ---- the process that holds the calculator

void PairCalculator::start(const std::vector<std::string> &words)
{
  stop();
  std::string problem;
  if (comm->me == 0) {
    signal(SIGPIPE, SIG_IGN);    // a calculator that ended is an error with a message
    const char *named = getenv("NANOCLUSTERS_PYTHON");
    const std::string python = named && *named ? named : "python";
    std::vector<std::string> line{python, SCRIPT};
    line.insert(line.end(), words.begin(), words.end());
    std::vector<char *> argv;
    for (auto &word : line) argv.push_back(word.data());
    argv.push_back(nullptr);
    int down[2], up[2];
    if (pipe2(down, O_CLOEXEC) != 0 || pipe2(up, O_CLOEXEC) != 0)
      problem = "pair_style calculator: no pipes are left";
    else {
      posix_spawn_file_actions_t actions;
      posix_spawn_file_actions_init(&actions);
      posix_spawn_file_actions_adddup2(&actions, down[0], 0);
      posix_spawn_file_actions_adddup2(&actions, up[1], 1);
      posix_spawn_file_actions_addopen(&actions, 2, MESSAGES, O_WRONLY | O_CREAT | O_APPEND, 0644);
      if (posix_spawnp(&child, python.c_str(), &actions, nullptr, argv.data(), environ) != 0) {
        child = -1;
        problem = "pair_style calculator: there is no program '" + python +
            "'; put a Python with the calculator first in PATH, or name it in NANOCLUSTERS_PYTHON";
      }
      posix_spawn_file_actions_destroy(&actions);
      close(down[0]);
      close(up[1]);
      to = down[1];
      from = up[0];
      int64_t length = 0;    // of the reason why there is no calculator
      if (problem.empty()) problem = get(&length, sizeof(length));
      if (problem.empty() && length > 0) {
        problem.resize(length);
        problem = get(problem.data(), length) + problem;
      }
    }
  }
  fail_together(problem);
}

void PairCalculator::stop()
{
  if (to >= 0) close(to);
  if (from >= 0) close(from);
  if (child > 0) waitpid(child, nullptr, 0);    // it ends where its input does
  child = -1;
  to = from = -1;
}

std::string PairCalculator::exchange(const std::vector<int64_t> &head, const std::vector<double> &sent)
{
  std::string problem = put(head.data(), head.size() * sizeof(int64_t));
  if (problem.empty()) problem = put(sent.data(), sent.size() * sizeof(double));
  int64_t length = 0;
  if (problem.empty()) problem = get(&length, sizeof(length));
  if (problem.empty() && length > 0) {
    std::string message(length, ' ');
    problem = get(message.data(), length);
    return problem.empty() ? message : problem;
  }
  if (problem.empty()) problem = get(answer.data(), answer.size() * sizeof(double));
  return problem;
}

std::string PairCalculator::put(const void *data, size_t size)
{
  const char *next = static_cast<const char *>(data);
  while (size > 0) {
    const ssize_t done = write(to, next, size);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return ended();
    next += done;
    size -= done;
  }
  return "";
}

std::string PairCalculator::get(void *data, size_t size)
{
  char *next = static_cast<char *>(data);
  while (size > 0) {
    const ssize_t done = read(from, next, size);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return ended();
    next += done;
    size -= done;
  }
  return "";
}

// The last line that the process wrote is most often the reason; one that was killed had no time to say it.
std::string PairCalculator::ended()
{
  for (int wait = 0; child > 0 && wait < 200; wait++) {
    int status = 0;
    if (waitpid(child, &status, WNOHANG) != child) {
      usleep(10000);
      continue;
    }
    child = -1;
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
      return "The process of the calculator was killed (signal 9): if the memory did not suffice, use smaller "
             "structures or a machine with more";
  }
  std::ifstream messages(MESSAGES);
  std::string line, last;
  while (std::getline(messages, line))
    if (!line.empty()) last = line;
  return "The process of the calculator ended" + (last.empty() ? std::string(" without a message") : ": " + last);
}

// All ranks end together, with the message of rank 0.
void PairCalculator::fail_together(std::string problem)
{
  auto length = static_cast<int>(problem.size());
  MPI_Bcast(&length, 1, MPI_INT, 0, world);
  if (length == 0) return;
  problem.resize(length);
  MPI_Bcast(problem.data(), length, MPI_CHAR, 0, world);
  error->all(FLERR, problem);
}
