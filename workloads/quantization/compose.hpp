// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// RAPIDNN's composer on integers: the tensors that matrices read take few values, so that an input
/// is a code. (Weights take few values in quantize_model().)
///
/// Order    layer by layer, as the network computes: a layer's values are those that come from
///          tensors that have their codebooks already
/// Values   of every tensor with Layer::out_codes those that occur in sample images: of the given
///          ones as many, from the first on, as hold 2^26 values in all tensors, at least 4
/// Book     cluster() of these, or TreeCodebook (codebook.hpp), entries rounded to integers, ties
///          away from zero, then tensor_codebook() (integer_model.hpp). At most out_codes entries,
///          fewer when fewer values occur
/// Streams  Rng(seed, "input_codebook/<layer>")
/// Source   M. Imani et al., "RAPIDNN", arXiv:1806.05794: k-means of the inputs of every layer
#pragma once

#include "workloads/parameters.hpp"
#include "workloads/quantization/integer_model.hpp"

#include <cstdint>

namespace tessera {

/// Finds the codebooks that tensors of `model` shall have and do not have yet, in images 0 to
/// `images` - 1. `input` is called by one thread.
void compose(IntegerModel& model,
             const InputSource& input,
             std::int64_t images,
             const QuantizationSpec& spec);

}  // namespace tessera
