/* SPDX-License-Identifier: GPL-2.0-only
   Part of aiida-nanoclusters. The encoder of a structural chart: a short list of one-dimensional layers,
   evaluated forward and, for one vector of output gradients, backward. It needs neither LAMMPS nor torch. */

#ifndef NANOCLUSTERS_CHART_ENCODER_H
#define NANOCLUSTERS_CHART_ENCODER_H

#include <cstdint>
#include <istream>
#include <memory>
#include <string>
#include <vector>

namespace nanoclusters {

// Activations: `channels` rows, each with zeros before and behind it, so that a convolution needs no edges.
template <class Real> struct Rows {
  int channels = 0, length = 0, stride = 0, margin = 0;
  std::vector<Real> data;
  void shape(int channels_, int length_, int margin_);
  Real *row(int c) { return data.data() + static_cast<size_t>(c) * stride + margin; }
  const Real *row(int c) const { return data.data() + static_cast<size_t>(c) * stride + margin; }
};

struct LayerText {    // one layer as the file has it, in double precision
  std::string kind;
  int in = 0, out = 0, kernel = 0, left = 0, right = 0;    // zeros before and behind a row
  std::vector<double> weight, bias;
};

class Encoder {
 public:
  virtual ~Encoder() = default;
  virtual void forward(const double *input, double *output) = 0;
  // gradient of the input for that of the output, of the last forward
  virtual void backward(const double *output_gradient, double *input_gradient) = 0;
  virtual double bytes() const = 0;

  int inputs = 0, outputs = 0;

  // throws std::runtime_error where the layers do not fit each other
  static std::unique_ptr<Encoder> make(std::vector<LayerText> layers, int inputs, bool single);
};

}    // namespace nanoclusters

#endif
