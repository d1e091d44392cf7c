// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// `tessera-train evaluate`, `predict`, `hessian`: what a search and a comparison want to know of
/// trained weights.
///
/// evaluate  reads the request of mapper/accuracy/command.hpp,
///             {"network": ..., "layers": [{"name": ..., "w_bits": 8, "a_bits": 8}, ...]}
///           and prints the accuracy in percent on the validation images after train.evaluate. With
///           --serve it answers one request per line until standard input ends, with
///           {"accuracy": 97.8}, or {"error": "..."} when a request is wrong. With --cache every
///           answer is kept in a file of its own, written completely or not at all, so that
///           processes may share the folder
/// predict   writes the outputs for all images of a split as NPZ: `real`, `integer`
/// (fake-quantized)
///           [image][class] float32, and `labels`
/// hessian   prints trace and root mean square of each layer's weights as CSV
///           (mapper/accuracy/README.md), on the training images
/// Errors    InputError: those of open_session(), E-TRAIN-REQUEST
#pragma once

#include "tools/train/session.hpp"

namespace tessera::tools {

int evaluate(const TrainLine& line);
int predict(const TrainLine& line);
int hessian(const TrainLine& line);

}  // namespace tessera::tools
