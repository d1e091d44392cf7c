// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// RAPIDNN's composer on integers: the tensors that matrices read take few values, so that an input
/// is a code. (Weights take few values in quantize_model().)
///
/// Values   of every tensor with Layer::out_codes, those that occur in sample images, of the
/// network
///          without codebooks
/// Book     cluster() of these (codebook.hpp), entries rounded to integers, ties away from zero;
///          the entry nearest to what padding reads becomes that. At most out_codes entries, fewer
///          when fewer values occur
/// Streams  Rng(seed, "input_codebook/<layer>")
/// Source   M. Imani et al., "RAPIDNN", arXiv:1806.05794: k-means of the inputs of every layer
#pragma once

#include "workloads/parameters.hpp"
#include "workloads/quantization/integer_model.hpp"

#include <cstdint>

namespace tessera {

/// Finds the codebooks of `model` in images 0 to `images` - 1. Nothing when no tensor has
/// out_codes.
void compose(IntegerModel& model,
             const InputSource& input,
             std::int64_t images,
             std::uint64_t seed);

}  // namespace tessera
