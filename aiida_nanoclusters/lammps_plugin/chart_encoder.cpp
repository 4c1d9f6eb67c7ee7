/* SPDX-License-Identifier: GPL-2.0-only
   Part of aiida-nanoclusters, distributed under the terms of the GNU General Public License, version 2.

   The networks are small: at some hundred thousand multiplications the calls of a library cost more than its
   arithmetic. A convolution is done for four output channels and two vectors of positions at once, and
   its gradient is the same convolution with the kernels turned round. */

#include "chart_encoder.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>

namespace nanoclusters {

namespace {

constexpr int VECTOR_BYTES = 32;
template <class Real> constexpr int LANES = VECTOR_BYTES / static_cast<int>(sizeof(Real));
template <class Real> struct Wide;
template <> struct Wide<float> {
  typedef float type __attribute__((vector_size(VECTOR_BYTES)));
  typedef float loose __attribute__((vector_size(VECTOR_BYTES), aligned(4), may_alias));
};
template <> struct Wide<double> {
  typedef double type __attribute__((vector_size(VECTOR_BYTES)));
  typedef double loose __attribute__((vector_size(VECTOR_BYTES), aligned(8), may_alias));
};

// Weights for the kernel: blocks of four output channels, [in][kernel][4]; the rest one by one, [in][kernel].
template <class Real> struct ConvWeights {
  int in, out, kernel, padding;
  std::vector<Real> packed, bias;
  ConvWeights() = default;
  ConvWeights(int in_, int out_, int kernel_, int padding_, const std::vector<double> &weight,
              const std::vector<double> &bias_) :
      in(in_), out(out_), kernel(kernel_), padding(padding_)
  {
    const auto at = [&](int o, int i, int k) {
      return static_cast<Real>(weight[(static_cast<size_t>(o) * in + i) * kernel + k]);
    };
    const int blocks = out / 4 * 4;
    for (int o = 0; o < blocks; o += 4)
      for (int i = 0; i < in; i++)
        for (int k = 0; k < kernel; k++)
          for (int c = 0; c < 4; c++) packed.push_back(at(o + c, i, k));
    for (int o = blocks; o < out; o++)
      for (int i = 0; i < in; i++)
        for (int k = 0; k < kernel; k++) packed.push_back(at(o, i, k));
    for (const double b : bias_) bias.push_back(static_cast<Real>(b));
    bias.resize(out, Real(0));
  }
};

// `OC` output channels at `TV` vectors of positions from t on
template <class Real, int OC, int TV>
__attribute__((always_inline)) inline void conv_tile(const Real *in, int in_stride, int n_in, int kernel,
                                                     const Real *w, const Real *bias, Real *out, int out_stride)
{
  using V = typename Wide<Real>::type;
  using Loose = typename Wide<Real>::loose;
  V sum[OC][TV];
  for (int c = 0; c < OC; c++)
    for (int v = 0; v < TV; v++) sum[c][v] = V{} + bias[c];
  for (int i = 0; i < n_in; i++, in += in_stride)
    for (int k = 0; k < kernel; k++, w += OC)
      for (int v = 0; v < TV; v++) {
        const V x = *reinterpret_cast<const Loose *>(in + k + v * LANES<Real>);
        for (int c = 0; c < OC; c++) sum[c][v] += w[c] * x;
      }
  for (int c = 0; c < OC; c++)
    for (int v = 0; v < TV; v++)
      *reinterpret_cast<Loose *>(out + static_cast<ptrdiff_t>(c) * out_stride + v * LANES<Real>) = sum[c][v];
}

template <class Real, int OC>
__attribute__((always_inline)) inline void conv_channels(const ConvWeights<Real> &conv, const Rows<Real> &in,
                                                         Rows<Real> &out, int o, const Real *w)
{
  constexpr int L = LANES<Real>;
  const Real *from = in.row(0) - conv.padding, *bias = &conv.bias[o];
  Real *to = out.row(o);
  int t = 0;
  for (; t + L < out.length; t += 2 * L)
    conv_tile<Real, OC, 2>(from + t, in.stride, conv.in, conv.kernel, w, bias, to + t, out.stride);
  if (t < out.length)
    conv_tile<Real, OC, 1>(from + t, in.stride, conv.in, conv.kernel, w, bias, to + t, out.stride);
}

template <class Real>
__attribute__((always_inline)) inline void conv_body(const ConvWeights<Real> &conv, const Rows<Real> &in,
                                                     Rows<Real> &out)
{
  const Real *w = conv.packed.data();
  const size_t step = static_cast<size_t>(conv.in) * conv.kernel;
  int o = 0;
  for (; o + 4 <= conv.out; o += 4, w += 4 * step) conv_channels<Real, 4>(conv, in, out, o, w);
  for (; o < conv.out; o++, w += step) conv_channels<Real, 1>(conv, in, out, o, w);
  for (o = 0; o < conv.out; o++)    // vectors reach beyond the end
    std::fill(out.row(o) + out.length, out.row(o) + out.length + out.margin, Real(0));
}

#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) void conv_avx2(const ConvWeights<float> &c, const Rows<float> &in,
                                                   Rows<float> &out)
{
  conv_body(c, in, out);
}
__attribute__((target("avx2,fma"))) void conv_avx2(const ConvWeights<double> &c, const Rows<double> &in,
                                                   Rows<double> &out)
{
  conv_body(c, in, out);
}
const bool HAS_AVX2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif

template <class Real> void convolve(const ConvWeights<Real> &c, const Rows<Real> &in, Rows<Real> &out)
{
#if defined(__x86_64__)
  if (HAS_AVX2) return conv_avx2(c, in, out);
#endif
  conv_body(c, in, out);
}

template <class Real> struct Layer {
  Rows<Real> value, gradient;    // of the output
  virtual ~Layer() = default;
  virtual void forward(const Rows<Real> &in) = 0;
  virtual void backward(const Rows<Real> &in, Rows<Real> &in_gradient) = 0;
  virtual size_t bytes() const { return 0; }
};

template <class Real> struct ConvLayer : Layer<Real> {
  ConvWeights<Real> ahead, back;
  explicit ConvLayer(const LayerText &t) : ahead(t.in, t.out, t.kernel, t.left, t.weight, t.bias)
  {
    std::vector<double> turned(t.weight.size());
    for (int o = 0; o < t.out; o++)
      for (int i = 0; i < t.in; i++)
        for (int k = 0; k < t.kernel; k++)
          turned[(static_cast<size_t>(i) * t.out + o) * t.kernel + t.kernel - 1 - k] =
              t.weight[(static_cast<size_t>(o) * t.in + i) * t.kernel + k];
    back = ConvWeights<Real>(t.out, t.in, t.kernel, t.kernel - 1 - t.left, turned, {});
  }
  void forward(const Rows<Real> &in) override { convolve(ahead, in, this->value); }
  void backward(const Rows<Real> &, Rows<Real> &in_gradient) override
  {
    convolve(back, this->gradient, in_gradient);
  }
  size_t bytes() const override { return 2 * ahead.packed.size() * sizeof(Real); }
};

template <class Real> struct ReluLayer : Layer<Real> {
  void forward(const Rows<Real> &in) override
  {
    for (int c = 0; c < in.channels; c++) {
      const Real *x = in.row(c);
      Real *y = this->value.row(c);
      for (int t = 0; t < in.length; t++) y[t] = x[t] > 0 ? x[t] : Real(0);
    }
  }
  void backward(const Rows<Real> &in, Rows<Real> &in_gradient) override
  {
    for (int c = 0; c < in.channels; c++) {
      const Real *x = in.row(c), *g = this->gradient.row(c);
      Real *to = in_gradient.row(c);
      for (int t = 0; t < in.length; t++) to[t] = x[t] > 0 ? g[t] : Real(0);
    }
  }
};

template <class Real> struct ScaleLayer : Layer<Real> {    // batch normalisation, evaluated
  std::vector<Real> factor, shift;    // by channel, or by place where one channel is left
  bool by_place;
  ScaleLayer(const LayerText &t, bool by_place_) :
      factor(t.weight.begin(), t.weight.end()), shift(t.bias.begin(), t.bias.end()), by_place(by_place_)
  {
  }
  void forward(const Rows<Real> &in) override
  {
    for (int c = 0; c < in.channels; c++)
      for (int t = 0; t < in.length; t++) {
        const int n = by_place ? t : c;
        this->value.row(c)[t] = factor[n] * in.row(c)[t] + shift[n];
      }
  }
  void backward(const Rows<Real> &in, Rows<Real> &in_gradient) override
  {
    for (int c = 0; c < in.channels; c++)
      for (int t = 0; t < in.length; t++) in_gradient.row(c)[t] = factor[by_place ? t : c] * this->gradient.row(c)[t];
  }
};

template <class Real> struct PoolLayer : Layer<Real> {
  int kernel;
  std::vector<int> chosen;
  explicit PoolLayer(const LayerText &t) : kernel(t.kernel) {}
  void forward(const Rows<Real> &in) override
  {
    auto &out = this->value;
    chosen.resize(static_cast<size_t>(out.channels) * out.length);
    for (int c = 0; c < out.channels; c++) {
      const Real *x = in.row(c);
      for (int t = 0; t < out.length; t++) {
        int best = t * kernel;
        for (int k = best + 1; k < (t + 1) * kernel; k++)
          best = x[k] > x[best] ? k : best;    // no branch: which is larger cannot be predicted
        out.row(c)[t] = x[best];
        chosen[static_cast<size_t>(c) * out.length + t] = best;
      }
    }
  }
  void backward(const Rows<Real> &in, Rows<Real> &in_gradient) override
  {
    const auto &out = this->gradient;
    for (int c = 0; c < out.channels; c++) {
      Real *to = in_gradient.row(c);
      std::fill(to, to + in.length, Real(0));
      for (int t = 0; t < out.length; t++) to[chosen[static_cast<size_t>(c) * out.length + t]] += out.row(c)[t];
    }
  }
};

template <class Real> struct LinearLayer : Layer<Real> {    // of all rows, one after another
  int in, out;
  std::vector<Real> weight, bias;
  explicit LinearLayer(const LayerText &t) :
      in(t.in), out(t.out), weight(t.weight.begin(), t.weight.end()), bias(t.bias.begin(), t.bias.end())
  {
  }
  void forward(const Rows<Real> &x) override
  {
    Real *y = this->value.row(0);
    for (int o = 0; o < out; o++) {
      const Real *w = &weight[static_cast<size_t>(o) * in];
      Real sum = bias[o];
      for (int c = 0; c < x.channels; c++, w += x.length) {
        const Real *row = x.row(c);
        Real part = 0;
#pragma omp simd reduction(+ : part)
        for (int t = 0; t < x.length; t++) part += w[t] * row[t];
        sum += part;
      }
      y[o] = sum;
    }
  }
  void backward(const Rows<Real> &x, Rows<Real> &in_gradient) override
  {
    const Real *g = this->gradient.row(0);
    for (int c = 0; c < x.channels; c++) std::fill(in_gradient.row(c), in_gradient.row(c) + x.length, Real(0));
    for (int o = 0; o < out; o++) {
      const Real *w = &weight[static_cast<size_t>(o) * in];
      for (int c = 0; c < x.channels; c++, w += x.length) {
        Real *row = in_gradient.row(c);
        for (int t = 0; t < x.length; t++) row[t] += g[o] * w[t];
      }
    }
  }
  size_t bytes() const override { return weight.size() * sizeof(Real); }
};

void demand(bool condition, const std::string &message)
{
  if (!condition) throw std::runtime_error(message);
}

// Put a batch normalisation into the convolution or the linear layer right before it.
std::vector<LayerText> folded(const std::vector<LayerText> &layers)
{
  std::vector<LayerText> kept;
  for (const auto &layer : layers) {
    const bool fits = layer.kind == "batchnorm1d" && !kept.empty() &&
        (kept.back().kind == "conv1d" || kept.back().kind == "linear") && kept.back().out == layer.in;
    if (!fits) {
      if (layer.kind != "flatten") kept.push_back(layer);    // a linear layer reads all rows anyway
      continue;
    }
    auto &before = kept.back();
    const size_t each = before.weight.size() / before.out;
    for (int o = 0; o < before.out; o++) {
      for (size_t k = 0; k < each; k++) before.weight[o * each + k] *= layer.weight[o];
      before.bias[o] = before.bias[o] * layer.weight[o] + layer.bias[o];
    }
  }
  return kept;
}

template <class Real> class Network : public Encoder {
 public:
  Network(const std::vector<LayerText> &layers, int inputs_)
  {
    inputs = inputs_;
    int widest = 1;    // a row is read as far beyond its ends
    for (const auto &t : layers) widest = std::max(widest, t.kernel);
    const int margin = widest + 2 * LANES<Real>;
    first.shape(1, inputs, margin);
    first_gradient.shape(1, inputs, margin);
    int channels = 1, length = inputs;
    for (const auto &t : layers) {
      std::unique_ptr<Layer<Real>> made;
      if (t.kind == "conv1d") {
        demand(t.in == channels, "a convolution of " + std::to_string(t.in) + " channels is given " +
                   std::to_string(channels));
        demand(std::max(t.left, t.right) < t.kernel, "the padding of a convolution is as wide as its kernel");
        channels = t.out;
        length += t.left + t.right - t.kernel + 1;
        made = std::make_unique<ConvLayer<Real>>(t);
      } else if (t.kind == "relu") {
        made = std::make_unique<ReluLayer<Real>>();
      } else if (t.kind == "batchnorm1d") {
        const bool by_place = channels == 1 && length > 1 && t.in == length;
        demand(by_place || t.in == channels, "a normalisation does not have the channels of the layer before it");
        made = std::make_unique<ScaleLayer<Real>>(t, by_place);
      } else if (t.kind == "maxpool1d") {
        length /= t.kernel;
        made = std::make_unique<PoolLayer<Real>>(t);
      } else {    // linear
        demand(t.in == channels * length, "a linear layer of " + std::to_string(t.in) + " inputs is given " +
                   std::to_string(channels * length));
        channels = 1;    // its outputs lie in a row
        length = t.out;
        made = std::make_unique<LinearLayer<Real>>(t);
      }
      demand(length > 0, "the distribution has fewer bins than the convolutions take");
      made->value.shape(channels, length, margin);
      made->gradient.shape(channels, length, margin);
      chain.push_back(std::move(made));
    }
    demand(!chain.empty() && channels == 1, "the last layer of the encoder must be linear");
    outputs = length;
  }

  void forward(const double *input, double *output) override
  {
    std::copy(input, input + inputs, first.row(0));
    const Rows<Real> *x = &first;
    for (auto &layer : chain) {
      layer->forward(*x);
      x = &layer->value;
    }
    std::copy(x->row(0), x->row(0) + outputs, output);
  }

  void backward(const double *output_gradient, double *input_gradient) override
  {
    Real *last = chain.back()->gradient.row(0);
    std::copy(output_gradient, output_gradient + outputs, last);
    for (size_t n = chain.size(); n-- > 0;) {
      const Rows<Real> &x = n ? chain[n - 1]->value : first;
      chain[n]->backward(x, n ? chain[n - 1]->gradient : first_gradient);
    }
    std::copy(first_gradient.row(0), first_gradient.row(0) + inputs, input_gradient);
  }

  double bytes() const override
  {
    double sum = 0;
    for (const auto &layer : chain)
      sum += layer->bytes() + (layer->value.data.size() + layer->gradient.data.size()) * sizeof(Real);
    return sum;
  }

 private:
  Rows<Real> first, first_gradient;
  std::vector<std::unique_ptr<Layer<Real>>> chain;
};

}    // namespace

template <class Real> void Rows<Real>::shape(int channels_, int length_, int margin_)
{
  channels = channels_;
  length = length_;
  margin = margin_;
  stride = length + 2 * margin;
  data.assign(static_cast<size_t>(channels) * stride, Real(0));
}

std::unique_ptr<Encoder> Encoder::make(std::vector<LayerText> layers, int inputs, bool single)
{
  layers = folded(layers);
  if (single) return std::make_unique<Network<float>>(layers, inputs);
  return std::make_unique<Network<double>>(layers, inputs);
}

}    // namespace nanoclusters
