// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Labelled images, ready to be computed with.
///
/// Order    images that are drawn (parts of a file, `limit`) come in the order of drawing, of which
///          every prefix has the classes in proportion; whole files keep their own order
/// Rounding each number is read as float; (x / divide - mean) / std in double; the result to float
/// Limits   data::Limits per file, and for the values of one split; 2^24 images per file, and as
///          many numbers per image
/// Errors   all at once as far as they are independent. Besides those of npy.hpp and formats.hpp:
///            E-DATA-ARRAY    an NPZ file has no array of that name
///            E-DATA-COUNT    images and labels differ in number
///            E-DATA-SHAPE    sizes that cannot be those of an image
///            E-DATA-LABEL    no whole number from 0 to classes - 1
///            E-DATA-CLASSES  a class without images
///            E-DATA-VALUE    NaN or infinite
///            E-DATA-EMPTY    a split without images
#pragma once

#include "sim/base/config.hpp"
#include "sim/base/diagnostics.hpp"
#include "workloads/data/spec.hpp"
#include "workloads/network.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tessera::data {

struct Images {
  Shape shape;
  std::int64_t count = 0;
  std::vector<float> values;         ///< [count][height][width][channels], normalized
  std::vector<std::int32_t> labels;  ///< [count]
  std::vector<std::int64_t> origin;  ///< [count]: which image of its file it was, from 0

  /// Numbers wrap around. Precondition: count > 0.
  [[nodiscard]] std::span<const float> image(std::int64_t number) const;
  [[nodiscard]] bool has_negative() const;
};

struct DataSet {
  std::string name;  ///< of the built-in set, or of the first file
  int classes = 0;
  Shape shape;  ///< of every image
  Images train;
  Images validation;
  Images test;  ///< a split that nobody asked for has no images

  /// Precondition: "train", "validation" or "test".
  [[nodiscard]] const Images& split(std::string_view split) const;
  /// The images that ranges and codebooks are taken from: of the first split that has any.
  [[nodiscard]] const Images& calibration() const;
  [[nodiscard]] bool has_negative() const;
};

/// Reads the files of `spec` (relative to `folder`), cuts and normalizes. `at` is the `data:` node
/// that read_data read it from, without errors.
std::optional<DataSet> load_data(const DataSpec& spec,
                                 const config::Node& at,
                                 const std::string& folder,
                                 Diagnostics& diagnostics);

}  // namespace tessera::data
