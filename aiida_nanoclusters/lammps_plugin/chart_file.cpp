/* SPDX-License-Identifier: GPL-2.0-only
   Part of aiida-nanoclusters, distributed under the terms of the GNU General Public License, version 2. */

#include "chart_file.h"

#include <cmath>
#include <cstdlib>
#include <stdexcept>

namespace nanoclusters {

namespace {

constexpr int MOST_BINS = 4096, MOST_CHANNELS = 1 << 20, MOST_LAYERS = 100;
constexpr size_t MOST_NUMBERS = 1 << 26;

class Words {
 public:
  explicit Words(const std::string &text_) : text(text_) {}
  std::string word()
  {
    while (at < text.size() && blank()) at++;
    const size_t start = at;
    while (at < text.size() && !blank()) at++;
    if (at == start) throw std::runtime_error("it ends too early");
    return text.substr(start, at - start);
  }
  void expect(const std::string &wanted)
  {
    const auto found = word();
    if (found != wanted) throw std::runtime_error("'" + wanted + "' was expected, not '" + found.substr(0, 40) + "'");
  }
  double number()
  {
    const auto found = word();
    char *end = nullptr;
    const double value = std::strtod(found.c_str(), &end);
    if (*end != '\0' || !std::isfinite(value))
      throw std::runtime_error("a number was expected, not '" + found.substr(0, 40) + "'");
    return value;
  }
  int whole(int least, int most)
  {
    const double value = number();
    if (value != std::floor(value) || value < least || value > most)
      throw std::runtime_error("a whole number from " + std::to_string(least) + " to " + std::to_string(most) +
                               " was expected");
    return static_cast<int>(value);
  }
  std::vector<double> numbers(size_t count)
  {
    if ((read += count) > MOST_NUMBERS) throw std::runtime_error("it holds more numbers than any chart");
    std::vector<double> values;
    for (size_t n = 0; n < count; n++) values.push_back(number());
    return values;
  }

 private:
  const std::string &text;
  size_t at = 0, read = 0;
  bool blank() const { return text[at] == ' ' || text[at] == '\n' || text[at] == '\r' || text[at] == '\t'; }
};

LayerText read_layer(Words &words, const std::string &kind)
{
  LayerText layer;
  layer.kind = kind;
  if (kind == "relu" || kind == "flatten") return layer;
  if (kind == "maxpool1d") {
    layer.kernel = words.whole(1, MOST_BINS);
    return layer;
  }
  layer.in = words.whole(1, MOST_CHANNELS);
  size_t weights = layer.in;
  if (kind == "conv1d") {
    layer.out = words.whole(1, MOST_CHANNELS);
    layer.kernel = words.whole(1, MOST_BINS);
    layer.left = words.whole(0, MOST_BINS);
    layer.right = words.whole(0, MOST_BINS);
    weights = weights * layer.out * layer.kernel;
  } else if (kind == "linear") {
    layer.out = words.whole(1, MOST_CHANNELS);
    weights *= layer.out;
  } else if (kind == "batchnorm1d") {
    layer.out = layer.in;
  } else {
    throw std::runtime_error("there is no layer '" + kind.substr(0, 40) + "'");
  }
  layer.weight = words.numbers(weights);
  layer.bias = words.numbers(layer.out);
  return layer;
}

}    // namespace

ChartFile ChartFile::parse(const std::string &text)
{
  ChartFile file;
  Words words(text);
  words.expect("nanoclusters-chart");
  words.expect("1");
  words.expect("bond_length");
  file.bond = words.number();
  words.expect("distribution");
  file.shortest = words.number();
  file.longest = words.number();
  file.bins = words.whole(1, MOST_BINS);
  file.bandwidth = words.number();
  if (!(file.bond > 0 && file.bandwidth > 0 && file.longest > file.shortest))
    throw std::runtime_error("its lengths are not positive");
  if (file.bandwidth * MOST_BINS < file.longest - file.shortest)
    throw std::runtime_error("its bandwidth is too short for its range");
  words.expect("minimum");
  file.minimum = words.numbers(file.bins);
  words.expect("scale");
  file.scale = words.numbers(file.bins);
  for (const double s : file.scale)
    if (!(s > 0)) throw std::runtime_error("its scales are not positive");
  while (true) {
    const auto kind = words.word();
    if (kind == "end") return file;
    if (file.layers.size() == MOST_LAYERS) throw std::runtime_error("it has more layers than any chart");
    file.layers.push_back(read_layer(words, kind));
  }
}

}    // namespace nanoclusters
