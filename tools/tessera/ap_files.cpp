// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "tools/tessera/ap_files.hpp"

#include "sim/base/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>
#include <utility>

namespace tessera::tools {

namespace ap = arch::rtm_ap;
namespace fs = std::filesystem;

namespace {

constexpr const char* kExtension = ".apasm";
constexpr std::uintmax_t kMaxFileBytes = std::uintmax_t{256} << 20;

std::string format_text(int bits, bool is_signed) {
  return fmt::format("{}{}", bits, is_signed ? 's' : 'u');
}

/// The folder that is written to.
std::string folder_of(const std::string& path) {
  if (!is_one_file(path)) {
    return path;
  }
  const fs::path parent = fs::path(path).parent_path();
  return parent.empty() ? "." : parent.string();
}

std::string checked(const std::string& path, const std::string& option) {
  std::error_code ignored;
  if (is_one_file(path) && fs::is_directory(path, ignored)) {
    Diagnostics diagnostics;
    Diagnostic d;
    d.code = "E-OUT-WRITE";
    d.sentence = fmt::format("cannot write the programs {}", quote(path));
    d.path = option;
    d.expected = "one file where the name ends in .apasm, a folder otherwise";
    d.got = "a folder of that name";
    d.hint = "another name, or remove the folder";
    diagnostics.error(std::move(d));
    diagnostics.throw_if_any();
  }
  return folder_of(path);
}

}  // namespace

std::string names_text(const Network& network, LayerId id, const std::string& name) {
  const Layer& layer = network.layer(id);
  const Layer& producer = network.layer(layer.inputs[0]);
  ap::Head head;
  head.program = name;
  head.network = network.name;
  head.layer = layer.name;
  head.widths = fmt::format(
      "{}inputs {}, outputs {}",
      layer.is_matrix() ? fmt::format("weights {}, ", layer.w_bits) : "",
      layer.is_matrix() ? format_text(std::min(layer.a_bits, producer.out_bits), layer.in_signed)
                        : format_text(producer.out_bits, producer.out_signed),
      format_text(layer.out_bits, layer.out_signed));
  return print(head);
}

std::string file_stem(const Network& network, LayerId layer) {
  std::string name = network.layer(layer).name;
  std::replace_if(
      name.begin(),
      name.end(),
      [](unsigned char c) { return c == '/' || c == '#' || c <= ' '; },
      '_');
  return name;
}

bool is_one_file(const std::string& path) {
  return fs::path(path).extension() == kExtension;
}

ProgramFiles::ProgramFiles(const std::string& path, const std::string& option)
    : path_(path), folder_(checked(path, option), option) {}

std::vector<std::string> ProgramFiles::write(const std::vector<ProgramText>& programs) {
  if (is_one_file(path_)) {
    std::string all;
    for (const ProgramText& program : programs) {
      all += (all.empty() ? "" : "\n") + program.text;
    }
    folder_.add(fs::path(path_).filename().string(), std::move(all));
    folder_.commit();
    return {};
  }
  for (const ProgramText& program : programs) {
    folder_.add(program.name + kExtension, program.text);
  }
  folder_.commit();
  return other_programs(path_, programs);
}

std::vector<std::string> other_programs(const std::string& folder,
                                        const std::vector<ProgramText>& programs) {
  std::vector<std::string> others;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    const std::string name = at->path().stem().string();
    if (at->path().extension() == kExtension &&
        std::none_of(programs.begin(), programs.end(), [&](const ProgramText& program) {
          return program.name == name;
        })) {
      others.push_back(at->path().filename().string());
    }
  }
  std::sort(others.begin(), others.end());
  return others;
}

void note_others(const std::string& path,
                 const std::vector<std::string>& names,
                 const std::string& what) {
  constexpr std::size_t kShown = 8;
  if (names.empty()) {
    return;
  }
  const std::vector<std::string> shown(
      names.begin(), names.begin() + static_cast<std::ptrdiff_t>(std::min(kShown, names.size())));
  std::fputs(fmt::format("note: {} other {} in {} {}: {}{}\n",
                         names.size(),
                         names.size() == 1 ? "program" : "programs",
                         path,
                         what,
                         fmt::join(shown, ", "),
                         names.size() > kShown ? ", ..." : "")
                 .c_str(),
             stderr);
}

std::optional<std::string> read_program_file(const std::string& path, Diagnostics& diagnostics) {
  std::error_code error;
  const std::uintmax_t size = fs::file_size(path, error);
  std::ifstream in(path, std::ios::binary);
  const bool readable = !error && in;
  if (readable && size <= kMaxFileBytes) {
    return std::string(std::istreambuf_iterator<char>(in), {});
  }
  Diagnostic d;
  d.code = "E-CFG-FILE";
  d.sentence = readable ? fmt::format("the program {} is too large", quote(path))
                        : fmt::format("cannot read the program {}", quote(path));
  d.path = "command line";
  d.expected = readable ? fmt::format("at most {} bytes", kMaxFileBytes) : "a readable file";
  d.got = readable ? fmt::format("{} bytes", size) : quote(path);
  diagnostics.error(std::move(d));
  return std::nullopt;
}

}  // namespace tessera::tools
