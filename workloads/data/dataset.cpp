// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "workloads/data/dataset.hpp"

#include "sim/base/rng.hpp"
#include "sim/base/text.hpp"
#include "workloads/data/digits.hpp"
#include "workloads/data/formats.hpp"
#include "workloads/data/npy.hpp"
#include "workloads/data/split.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numeric>
#include <set>
#include <string_view>
#include <utility>

namespace tessera::data {

namespace {

constexpr std::int64_t kMaxClasses = 65536;
constexpr std::int64_t kMaxImages = std::int64_t{1} << 24;    ///< of one file
constexpr std::int64_t kMaxElements = std::int64_t{1} << 24;  ///< of one image

/// One file, or pair of files, with what was found out about it.
struct Samples {
  Labelled files;
  std::vector<std::int32_t> labels;
  Shape stored;  ///< of one image in the file, whatever its layout
  Shape shape;   ///< of one image in memory
  Layout layout = Layout::hwc;
  std::string name;
  config::Node at;

  [[nodiscard]] std::int64_t count() const { return std::ssize(labels); }
};

std::string shape_text(const Shape& s) {
  return fmt::format("{}x{}x{}", s.height, s.width, s.channels);
}

bool ends_with(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

class Loader {
 public:
  Loader(const DataSpec& spec,
         const config::Node& at,
         const std::string& folder,
         Diagnostics& diagnostics)
      : spec_(spec),
        at_(at),
        folder_(folder),
        diagnostics_(diagnostics),
        before_(diagnostics.errors().size()) {}

  std::optional<DataSet> load() {
    std::optional<Samples> all = spec_.set ? built_in() : read("all", spec_.all);
    std::optional<Samples> train = read("train", spec_.train);
    std::optional<Samples> validation = read("validation", spec_.validation);
    std::optional<Samples> test = read("test", spec_.test);
    std::vector<const Samples*> given;
    for (const std::optional<Samples>* one : {&all, &train, &validation, &test}) {
      if (*one) {
        given.push_back(&**one);
      }
    }
    if (!ok()) {
      return std::nullopt;
    }
    DataSet out;
    out.name = given.front()->name;
    out.classes = count_classes(given);
    out.shape = given.front()->shape;
    check_shapes(given);
    if (!ok()) {
      return std::nullopt;
    }
    const std::array<std::string_view, 3> keys = {"train", "validation", "test"};
    const std::array<Images*, 3> splits = {&out.train, &out.validation, &out.test};
    if (all) {
      const std::array<double, 3> parts = fractions(spec_.split);
      const std::vector<std::int64_t> order = drawn(*all, "data split");
      const std::array<std::int64_t, 3> ends = cut(all->count(), parts);
      for (std::size_t k = 0; k < 3; ++k) {
        *splits[k] = part(*all, order, k == 0 ? 0 : ends[k - 1], ends[k], keys[k], parts[k] > 0);
      }
      return ok() ? std::optional(std::move(out)) : std::nullopt;
    }
    if (train && spec_.split.validation) {
      const std::vector<std::int64_t> order = drawn(*train, "data split");
      const double taken = *spec_.split.validation;
      const std::int64_t end = cut(train->count(), {taken, 0, 0})[0];
      out.validation = part(*train, order, 0, end, "validation", taken > 0);
      out.train = part(*train, order, end, train->count(), "train", true);
    } else if (train) {
      out.train = whole(*train, "train");
    }
    if (validation) {
      out.validation = whole(*validation, "validation");
    }
    if (test) {
      out.test = whole(*test, "test");
    }
    return ok() ? std::optional(std::move(out)) : std::nullopt;
  }

 private:
  [[nodiscard]] bool ok() const { return diagnostics_.errors().size() == before_; }

  // ---- files

  std::optional<Samples> built_in() {
    const config::Node at = at_.get("set");
    Reporter reporter("digits", at.at(), at.path(), diagnostics_);
    const std::optional<std::string> bytes = expand(std::string(digits_file()), reporter);
    std::optional<Labelled> files = bytes ? parse_csv(*bytes, CsvSpec{}, reporter) : std::nullopt;
    return files ? examine(*std::move(files), Shape{8, 8, 1}, "digits", at, reporter)
                 : std::nullopt;
  }

  [[nodiscard]] std::string path_of(const std::string& name) const {
    return (std::filesystem::path(folder_) / name).lexically_normal().string();
  }

  std::optional<Samples> read(std::string_view key, const std::optional<FileSpec>& spec) {
    if (!spec) {
      return std::nullopt;
    }
    const config::Node at = at_.get(key);
    const std::string& name = spec->file.empty() ? spec->images : spec->file;
    const config::Node named = at.get(spec->file.empty() ? "images" : "file");
    Reporter reporter(path_of(name), named.at(), named.path(), diagnostics_);
    std::optional<Labelled> files =
        spec->file.empty() ? read_pair(at, *spec, reporter) : read_one(at, *spec, reporter);
    return files ? examine(*std::move(files),
                           std::nullopt,
                           std::filesystem::path(name).filename().string(),
                           at,
                           reporter)
                 : std::nullopt;
  }

  /// A file of images and a file of labels.
  std::optional<Labelled> read_pair(const config::Node& at,
                                    const FileSpec& spec,
                                    Reporter& reporter) {
    const config::Node labels_at = at.get("labels");
    Reporter of_labels(path_of(spec.labels), labels_at.at(), labels_at.path(), diagnostics_);
    std::optional<Array> images = read_array(reporter);
    std::optional<Array> labels = read_array(of_labels);
    return images && labels ? std::optional(Labelled{*std::move(images), *std::move(labels)})
                            : std::nullopt;
  }

  static std::optional<Array> read_array(Reporter& reporter) {
    const std::optional<std::string> bytes = read_file(reporter.file(), reporter);
    if (!bytes) {
      return std::nullopt;
    }
    return bytes->compare(0, 6, "\x93NUMPY") == 0 ? parse_npy(*bytes, reporter)
                                                  : parse_idx(*bytes, reporter);
  }

  /// A file with both.
  std::optional<Labelled> read_one(const config::Node& at,
                                   const FileSpec& spec,
                                   Reporter& reporter) {
    const std::optional<std::string> bytes = read_file(reporter.file(), reporter);
    if (!bytes) {
      return std::nullopt;
    }
    if (bytes->compare(0, 2, "PK") == 0 || ends_with(spec.file, ".npz")) {
      return read_archive(*bytes, spec, reporter);
    }
    std::string_view name = spec.file;
    name.remove_suffix(ends_with(name, ".gz") ? 3 : 0);
    const bool table = ends_with(name, ".csv") || ends_with(name, ".txt");
    if (!table && !ends_with(name, ".bin")) {
      const bool array =
          bytes->compare(0, 6, "\x93NUMPY") == 0 || bytes->compare(0, 2, "\0\0", 2) == 0;
      reporter.error("E-DATA-FORMAT",
                     "this is no file with images and labels",
                     "an NPZ archive, or a name in .csv, .txt or .bin (CIFAR-10)",
                     array ? "one array" : "other bytes and another name",
                     array ? "images: and labels: take one file each" : "");
      return std::nullopt;
    }
    for (const char* key : {"images", "labels"}) {
      if (at.has(key)) {
        diagnostics_.error(config::diagnose(
            at.get(key), "E-DATA-SOURCE", "only an NPZ file has arrays with names", "file: alone"));
      }
    }
    return table ? parse_csv(*bytes, spec_.csv, reporter) : parse_cifar10(*bytes, reporter);
  }

  static std::optional<Labelled> read_archive(std::string_view bytes,
                                              const FileSpec& spec,
                                              Reporter& reporter) {
    Arrays arrays = parse_npz(bytes, reporter);
    if (!reporter.ok()) {
      return std::nullopt;
    }
    std::vector<std::string> names;
    for (const auto& [name, array] : arrays) {
      names.push_back(name);
    }
    Labelled out;
    // Labels first: images, which are large, may be moved then, even if both have one name.
    for (auto [key, wanted, to] :
         {std::tuple{"labels", &spec.labels, &out.labels}, {"images", &spec.images, &out.images}}) {
      const std::string name = wanted->empty() ? key : *wanted;
      const auto found = arrays.find(name);
      if (found == arrays.end()) {
        reporter.error("E-DATA-ARRAY",
                       fmt::format("there is no array {}", quote(name)),
                       "one of: " + join_keys(names),
                       "nothing of that name",
                       fmt::format("{}: <name> beside file: takes another", key));
      } else {
        *to = to == &out.images ? std::move(found->second) : found->second;
      }
    }
    return reporter.ok() ? std::optional(std::move(out)) : std::nullopt;
  }

  // ---- what the files hold

  std::optional<Samples> examine(Labelled files,
                                 std::optional<Shape> known,
                                 std::string name,
                                 const config::Node& at,
                                 Reporter& reporter) {
    Samples out;
    out.name = std::move(name);
    out.at = at;
    out.layout = files.layout.value_or(spec_.layout);
    if (spec_.shape) {
      known = Shape{static_cast<int>(spec_.shape->height),
                    static_cast<int>(spec_.shape->width),
                    static_cast<int>(spec_.shape->channels)};
    }
    const std::int64_t images = files.images.shape.empty() ? 1 : files.images.shape[0];
    const std::int64_t labels = files.labels.shape.empty() ? 1 : files.labels.shape[0];
    if (std::max(images, labels) > kMaxImages) {
      reporter.error("E-DATA-SIZE",
                     "too many images",
                     fmt::format("at most {}", kMaxImages),
                     std::to_string(std::max(images, labels)));
      return std::nullopt;
    }
    read_labels(files.labels, out, reporter);
    find_shape(files.images, known, out, reporter);
    if (images != labels) {
      reporter.error("E-DATA-COUNT",
                     "images and labels differ in number",
                     fmt::format("{} labels", images),
                     std::to_string(labels));
    } else if (images == 0) {
      reporter.error("E-DATA-EMPTY", "there is no image in it", "at least one", "none");
    }
    out.files = std::move(files);
    return reporter.ok() ? std::optional(std::move(out)) : std::nullopt;
  }

  void read_labels(const Array& array, Samples& out, Reporter& reporter) const {
    const std::vector<std::int64_t>& shape = array.shape;
    if (shape.size() != 1 && !(shape.size() == 2 && shape[1] == 1)) {
      reporter.error("E-DATA-SHAPE",
                     "the labels are no list",
                     "one number per image",
                     fmt::format("shape [{}]", fmt::join(shape, ", ")),
                     shape.size() == 2 ? "labels.argmax(axis=1) makes one of them" : "");
      return;
    }
    const std::int64_t classes = spec_.classes.value_or(kMaxClasses);
    const std::string expected = fmt::format("whole numbers from 0 to {}", classes - 1);
    const std::optional<std::vector<std::int64_t>> numbers = as_integers(array);
    if (!numbers) {
      reporter.error("E-DATA-LABEL", "a label is no whole number", expected, "another number");
      return;
    }
    const auto is_bad = [&](std::int64_t label) { return label < 0 || label >= classes; };
    const auto bad = std::find_if(numbers->begin(), numbers->end(), is_bad);
    if (bad != numbers->end()) {
      reporter.error(
          "E-DATA-LABEL",
          fmt::format("label {} of image {} is no class", *bad, bad - numbers->begin()),
          expected,
          fmt::format("{} such labels", std::count_if(numbers->begin(), numbers->end(), is_bad)),
          "images and labels count from 0");
      return;
    }
    out.labels.assign(numbers->begin(), numbers->end());
  }

  void find_shape(const Array& images,
                  const std::optional<Shape>& known,
                  Samples& out,
                  Reporter& reporter) const {
    const std::vector<std::int64_t>& s = images.shape;
    const auto fail = [&](std::string expected, std::string hint = {}) {
      reporter.error("E-DATA-SHAPE",
                     "the sizes are not those of images",
                     std::move(expected),
                     fmt::format("shape [{}]", fmt::join(s, ", ")),
                     std::move(hint));
    };
    if (s.size() < 2 || s.size() > 4) {
      fail("number of images, then one to three extents of an image");
      return;
    }
    std::int64_t elements = 1;
    for (std::size_t d = 1; d < s.size(); ++d) {
      elements = s[d] > kMaxElements ? kMaxElements + 1 : elements * s[d];
      if (elements == 0 || elements > kMaxElements) {
        fail(fmt::format("1 to {} numbers per image", kMaxElements));
        return;
      }
    }
    const auto extent = [&](std::size_t d) { return static_cast<int>(s[d]); };
    if (s.size() == 2) {
      out.stored = known.value_or(Shape{1, 1, extent(1)});
    } else if (s.size() == 3) {
      out.stored = {extent(1), extent(2), 1};
    } else if (out.layout == Layout::hwc) {
      out.stored = {extent(1), extent(2), extent(3)};
    } else {
      out.stored = {extent(2), extent(3), extent(1)};
    }
    out.shape = known.value_or(out.stored);
    if (out.shape.elements() != elements) {
      fail(fmt::format("{} numbers per image, as data.shape says", out.shape.elements()),
           "data.shape may arrange an image anew, but not change how many numbers it has");
    }
  }

  // ---- all files together

  int count_classes(const std::vector<const Samples*>& given) const {
    std::set<std::int32_t> seen;
    for (const Samples* one : given) {
      seen.insert(one->labels.begin(), one->labels.end());
    }
    const std::int64_t classes = spec_.classes.value_or(*seen.rbegin() + 1);
    std::vector<std::int64_t> missing;
    for (std::int64_t c = 0; c < classes && missing.size() < 10; ++c) {
      if (!seen.contains(static_cast<std::int32_t>(c))) {
        missing.push_back(c);
      }
    }
    if (!missing.empty()) {
      const bool first = missing.front() == 0;
      diagnostics_.error(config::diagnose(
          spec_.classes ? at_.get("classes") : at_,
          "E-DATA-CLASSES",
          fmt::format("{} of {} classes have no image: {}{}",
                      classes - std::ssize(seen),
                      classes,
                      fmt::join(missing, ", "),
                      classes - std::ssize(seen) > std::ssize(missing) ? ", ..." : ""),
          fmt::format("images of each class, labelled 0 to {}", classes - 1),
          first ? "labels count from 0" : ""));
    }
    return static_cast<int>(classes);
  }

  void check_shapes(const std::vector<const Samples*>& given) const {
    const Samples& first = *given.front();
    for (const Samples* one : given) {
      if (one->shape != first.shape) {
        Diagnostic d = config::diagnose(one->at,
                                        "E-DATA-SHAPE",
                                        "splits have images of different shape",
                                        shape_text(first.shape) + ", as the split before");
        d.got = shape_text(one->shape);
        d.related = {first.at.at()};
        diagnostics_.error(std::move(d));
      }
    }
    for (const auto& [key, list] : {std::pair{"mean", &spec_.mean}, {"std", &spec_.deviation}}) {
      const auto channels = static_cast<std::size_t>(first.shape.channels);
      if (list->size() > 1 && list->size() != channels) {
        Diagnostic d = config::diagnose(
            at_.get(key),
            "E-DATA-SHAPE",
            "there is not one number per channel",
            channels == 1 ? "one number" : fmt::format("one number or {}", channels));
        d.got = std::to_string(list->size());
        diagnostics_.error(std::move(d));
      }
    }
  }

  // ---- splits

  [[nodiscard]] std::vector<std::int64_t> drawn(const Samples& samples,
                                                std::string_view stream) const {
    Rng rng(static_cast<std::uint64_t>(spec_.split.seed), stream);
    return stratified_order(samples.labels, rng);
  }

  [[nodiscard]] std::optional<std::int64_t> limit_of(std::string_view key) const {
    return key == "train" ? spec_.limit.train
                          : (key == "test" ? spec_.limit.test : spec_.limit.validation);
  }

  Images whole(const Samples& samples, std::string_view key) {
    const std::optional<std::int64_t> limit = limit_of(key);
    if (limit && *limit < samples.count()) {
      return part(samples, drawn(samples, "data limit"), 0, samples.count(), key, true);
    }
    std::vector<std::int64_t> order(samples.labels.size());
    std::iota(order.begin(), order.end(), 0);
    return part(samples, order, 0, samples.count(), key, true);
  }

  /// The images order[begin] to order[end - 1], no more than the limit of `key`.
  Images part(const Samples& samples,
              const std::vector<std::int64_t>& order,
              std::int64_t begin,
              std::int64_t end,
              std::string_view key,
              bool wanted) {
    if (wanted && begin == end) {
      const config::Node split = at_.get("split").get(key);
      Diagnostic d = config::diagnose(split,
                                      "E-DATA-EMPTY",
                                      fmt::format("no image is left for {}", key),
                                      "a part of at least one image");
      d.got = fmt::format("a part of {} images", samples.count());
      diagnostics_.error(std::move(d));
      return {};
    }
    end = std::min(end, begin + limit_of(key).value_or(end - begin));
    Images out;
    out.shape = samples.shape;
    out.count = end - begin;
    const std::int64_t elements = samples.shape.elements();
    if (static_cast<std::uint64_t>(out.count * elements) * sizeof(float) > Limits{}.max_bytes) {
      Diagnostic d = config::diagnose(samples.at,
                                      "E-DATA-SIZE",
                                      fmt::format("too many numbers for {}", key),
                                      fmt::format("at most {}", Limits{}.max_bytes / sizeof(float)),
                                      "data.limit takes fewer images");
      d.got = std::to_string(out.count * elements);
      diagnostics_.error(std::move(d));
      return {};
    }
    out.origin.assign(order.begin() + begin, order.begin() + end);
    out.values.resize(static_cast<std::size_t>(out.count * elements));
    std::int64_t not_finite = 0;
    std::int64_t first = 0;
    for (std::int64_t i = 0; i < out.count; ++i) {
      const std::int64_t image = out.origin[static_cast<std::size_t>(i)];
      out.labels.push_back(samples.labels[static_cast<std::size_t>(image)]);
      if (!normalize(samples, image, out.values.data() + i * elements) && not_finite++ == 0) {
        first = image;
      }
    }
    if (not_finite > 0) {
      Diagnostic d = config::diagnose(
          samples.at,
          "E-DATA-VALUE",
          fmt::format("{}: image {} has numbers that are not finite", quote(samples.name), first),
          "finite numbers, after divide, mean and std too");
      d.got = fmt::format("{} of {} images in {}", not_finite, out.count, key);
      diagnostics_.error(std::move(d));
    }
    return out;
  }

  /// One image as it is computed with; whether all of it is finite.
  bool normalize(const Samples& samples, std::int64_t image, float* to) const {
    const std::int64_t elements = samples.shape.elements();
    const std::vector<float> raw = as_floats(samples.files.images, image * elements, elements);
    const std::int64_t channels = samples.shape.channels;
    const std::int64_t planes = samples.stored.channels;
    const std::int64_t positions = samples.stored.positions();
    const double divide = spec_.divide.value_or(spec_.set ? 16 : 1);
    const auto of_channel = [](const std::vector<double>& list, std::int64_t c, double fallback) {
      return list.empty() ? fallback : list[list.size() == 1 ? 0 : static_cast<std::size_t>(c)];
    };
    bool finite = true;
    for (std::int64_t i = 0; i < elements; ++i) {  // in memory: position by position
      const std::int64_t from =
          samples.layout == Layout::chw ? (i % planes) * positions + i / planes : i;
      const std::int64_t c = i % channels;
      const double value = raw[static_cast<std::size_t>(from)];
      to[i] = static_cast<float>((value / divide - of_channel(spec_.mean, c, 0)) /
                                 of_channel(spec_.deviation, c, 1));
      finite = finite && std::isfinite(to[i]);
    }
    return finite;
  }

  const DataSpec& spec_;
  const config::Node& at_;
  const std::string& folder_;
  Diagnostics& diagnostics_;
  std::size_t before_;
};

}  // namespace

std::span<const float> Images::image(std::int64_t number) const {
  const auto size = static_cast<std::size_t>(shape.elements());
  return std::span(values).subspan(static_cast<std::size_t>(number % count) * size, size);
}

bool Images::has_negative() const {
  return std::any_of(values.begin(), values.end(), [](float v) { return v < 0; });
}

const Images& DataSet::split(std::string_view split) const {
  return split == "train" ? train : split == "validation" ? validation : test;
}

const Images& DataSet::calibration() const {
  return train.count > 0 ? train : validation.count > 0 ? validation : test;
}

bool DataSet::has_negative() const {
  return train.has_negative() || validation.has_negative() || test.has_negative();
}

std::optional<DataSet> load_data(const DataSpec& spec,
                                 const config::Node& at,
                                 const std::string& folder,
                                 Diagnostics& diagnostics) {
  return Loader(spec, at, folder, diagnostics).load();
}

}  // namespace tessera::data
