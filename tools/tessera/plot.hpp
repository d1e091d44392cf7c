// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Plots, drawn by gnuplot as SVG.
#pragma once

#include <optional>
#include <string>

namespace tessera::tools {

/// The picture that a gnuplot script draws on a canvas of `width` x `height` pixels; nothing when
/// there is no gnuplot on this machine or it does not like the script.
std::optional<std::string> plot_svg(const std::string& script, int width, int height);

/// A text as gnuplot's string constant.
std::string plot_text(const std::string& text);

}  // namespace tessera::tools
