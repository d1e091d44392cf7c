// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The temporary name of a file that is being written, and what killed processes left under such
/// names.
///
/// Name     `.NAME.PID.tessera.tmp` beside the file NAME: no two processes share one
/// Left     a process that fails removes its own; one that is killed cannot, and the next one that
///          writes to the folder does it
#pragma once

#include <filesystem>

namespace tessera {

[[nodiscard]] std::filesystem::path partial_name(const std::filesystem::path& file);

/// Removes the partial files in `folder` (empty: where the program runs) whose processes are gone.
/// Keeps everything else, also when it cannot tell, and never fails.
void remove_abandoned(const std::filesystem::path& folder);

}  // namespace tessera
