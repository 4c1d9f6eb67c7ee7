/* SPDX-License-Identifier: GPL-2.0-only
   Part of aiida-nanoclusters. `fix nanoclusters/chart`: collective variables of a whole cluster, and a bias on them. */

#ifndef LMP_FIX_NANOCLUSTERS_CHART_H
#define LMP_FIX_NANOCLUSTERS_CHART_H

#include "fix.h"

#include "bond_order.h"
#include "chart_encoder.h"
#include "hills.h"
#include "pair_distribution.h"

#include <memory>
#include <string>
#include <vector>

namespace LAMMPS_NS {

class FixChart : public Fix {
 public:
  FixChart(class LAMMPS *, int, char **);
  ~FixChart() override;
  int setmask() override;
  void init() override;
  void setup(int) override;
  void min_setup(int) override;
  void post_force(int) override;
  void min_post_force(int) override;
  void write_restart(FILE *) override;
  void restart(char *) override;
  double compute_scalar() override;
  double compute_vector(int) override;
  double memory_usage() override;

 private:
  struct Chart {
    std::unique_ptr<nanoclusters::Encoder> encoder;
    nanoclusters::PairDistribution distribution;
    std::vector<double> minimum, scale, g, gradient, input;
    std::vector<int> chosen;    // coordinates that are variables
  };
  struct Wall {
    int variable;
    bool upper;
    double at, stiffness;
  };

  // what is biased
  std::unique_ptr<Chart> chart;
  std::vector<nanoclusters::BondOrder> orders;
  std::vector<std::string> names;
  int variables = 0;

  // how
  std::vector<double> stiffness, centre, target;
  bigint moving_steps = 0, moving_start = -1;
  std::vector<Wall> walls;
  nanoclusters::Hills hills;
  std::vector<double> widths;
  double height = 0.0, temperature = 0.0, bias_factor = 0.0;
  bigint pace = 0, last_hill = -1;
  int interval = 1;
  bigint print_every = 0;
  std::string hills_name, print_name;
  FILE *hills_file = nullptr, *print_file = nullptr;

  // state of the last evaluation
  std::vector<double> values, slopes;
  double energy = 0.0, hills_energy = 0.0;

  std::vector<tagint> tags;                // of the group, ascending
  std::vector<std::pair<int, int>> own;    // place in the group, index of the atom
  nanoclusters::Positions at, force;
  nanoclusters::PairRows rows;
  std::vector<double> distances, buffer;

  void read_arguments(int, char **);
  int read_variable(int, int, char **, bool);
  int read_bias(int, int, char **);
  std::vector<double> numbers(int &, int, char **, int);
  double number(int &, int, char **);
  void load_chart(const std::string &, bool);
  void read_hills(const std::string &);
  void find_group();
  void gather();
  void evaluate();
  void bias();
  void apply(double);
  void step(bool);
  void deposit();
  void write_hill(size_t);
  void open_files();
  void print();
  [[noreturn]] void refuse(const std::string &);
};

}    // namespace LAMMPS_NS

#endif
