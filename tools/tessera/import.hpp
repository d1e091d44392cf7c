// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// `tessera import model.onnx`: what a network from elsewhere becomes here, as text or JSON.
///
/// Errors   InputError with the diagnostics of the importer
#pragma once

#include <string>

namespace tessera::tools {

/// Layers, shapes, multiply-accumulates, parameters, widths that the file gives.
std::string import_text(const std::string& path);

/// The same, keys sorted.
std::string import_json(const std::string& path);

}  // namespace tessera::tools
