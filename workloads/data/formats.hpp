// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Formats of labelled images, from bytes in memory: IDX, CSV and the binary files of CIFAR-10 (NPY
/// and NPZ are in npy.hpp).
///
/// Limits   data::Limits; sizes are compared with the bytes that are there before memory is taken
/// Errors   E-DATA-FORMAT (magic, type of number), E-DATA-SIZE (sizes that do not match),
///          E-DATA-CELL (rows and cells of CSV, with line and column), E-DATA-VALUE (NaN,
///          infinite), E-DATA-SOURCE (no such column), E-DATA-EMPTY (no row)
/// Sources  IDX: yann.lecun.com/exdb/mnist; CIFAR-10: www.cs.toronto.edu/~kriz/cifar.html
#pragma once

#include "workloads/data/npy.hpp"
#include "workloads/data/spec.hpp"

#include <optional>
#include <string_view>

namespace tessera::data {

/// Images and their labels as a file has them: the first extent of both is the number of images.
struct Labelled {
  Array images;
  Array labels;
  std::optional<Layout> layout{};  ///< when the format says
};

/// Big endian as in the file; the array has the order of the machine.
std::optional<Array> parse_idx(std::string_view bytes,
                               Reporter& reporter,
                               const Limits& limits = {});

/// One image per row: images f4 [rows][columns - 1], labels as the file has them (f4 [rows]).
std::optional<Labelled> parse_csv(std::string_view bytes,
                                  const CsvSpec& spec,
                                  Reporter& reporter,
                                  const Limits& limits = {});

/// Records of a label and 32 x 32 pixels in three planes; files may be put one after the other.
std::optional<Labelled> parse_cifar10(std::string_view bytes, Reporter& reporter);

}  // namespace tessera::data
