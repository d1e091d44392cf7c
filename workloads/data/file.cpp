// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "workloads/data/file.hpp"

#include "sim/base/text.hpp"

#include <boost/iostreams/device/array.hpp>
#include <boost/iostreams/filter/gzip.hpp>
#include <boost/iostreams/filtering_stream.hpp>
#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <ios>
#include <system_error>
#include <utility>
#include <vector>

namespace tessera::data {

Reporter::Reporter(std::string file, Position at, std::string key, Diagnostics& diagnostics)
    : file_(std::move(file)),
      at_(std::move(at)),
      key_(std::move(key)),
      diagnostics_(&diagnostics),
      before_(diagnostics.errors().size()) {}

void Reporter::error(std::string code,
                     std::string_view what,
                     std::string expected,
                     std::string got,
                     std::string hint) {
  Diagnostic d;
  d.code = std::move(code);
  d.sentence = fmt::format("{}: {}", quote(file_), what);
  d.at = at_;
  d.path = key_.empty() ? file_ : key_;
  d.expected = std::move(expected);
  d.got = std::move(got);
  d.hint = std::move(hint);
  diagnostics_->error(std::move(d));
}

std::optional<std::string> read_file(const std::string& path,
                                     Reporter& reporter,
                                     const Limits& limits) {
  std::error_code error;
  const bool regular = std::filesystem::is_regular_file(path, error);
  const std::uintmax_t size = regular ? std::filesystem::file_size(path, error) : 0;
  std::ifstream in(path, std::ios::binary);
  if (!regular || error || !in) {
    reporter.error("E-DATA-FILE",
                   "cannot be read",
                   "a readable file",
                   std::filesystem::exists(path, error) ? "no file that can be read" : "nothing",
                   "the path is relative to the experiment file");
    return std::nullopt;
  }
  if (size > limits.max_bytes) {
    reporter.error("E-DATA-FILE",
                   "the file is too large",
                   fmt::format("at most {} bytes", limits.max_bytes),
                   fmt::format("{} bytes", size));
    return std::nullopt;
  }
  std::string bytes(size, '\0');
  in.read(bytes.data(), static_cast<std::streamsize>(size));
  if (static_cast<std::uintmax_t>(in.gcount()) != size) {
    reporter.error("E-DATA-FILE",
                   "cannot be read to its end",
                   fmt::format("{} bytes", size),
                   fmt::format("{} bytes", in.gcount()));
    return std::nullopt;
  }
  return expand(std::move(bytes), reporter, limits);
}

std::optional<std::string> expand(std::string bytes, Reporter& reporter, const Limits& limits) {
  if (bytes.compare(0, 2, "\x1f\x8b") != 0) {
    return bytes;
  }
  constexpr std::size_t kChunk = 1U << 20U;
  std::string out;
  std::vector<char> chunk(kChunk);
  bool damaged = false;
  try {
    boost::iostreams::filtering_istream in;
    in.push(boost::iostreams::gzip_decompressor());
    in.push(boost::iostreams::array_source(bytes.data(), bytes.size()));
    in.exceptions(std::ios::badbit);
    while (in) {
      in.read(chunk.data(), static_cast<std::streamsize>(chunk.size()));
      const auto got = static_cast<std::size_t>(in.gcount());
      if (!limits.allow(out.size() + got, bytes.size())) {
        reporter.error(
            "E-DATA-FILE",
            "the file expands too much",
            fmt::format("at most {} bytes, and beyond {} bytes at most {} times its size",
                        limits.max_bytes,
                        limits.expanded_freely,
                        limits.max_ratio),
            fmt::format("more than {} bytes out of {}", out.size(), bytes.size()));
        return std::nullopt;
      }
      out.append(chunk.data(), got);
    }
  } catch (const boost::iostreams::gzip_error&) {
    damaged = true;
  } catch (const std::ios_base::failure&) {
    damaged = true;
  }
  if (damaged) {
    reporter.error("E-DATA-FILE",
                   "the compressed file is damaged or its end is missing",
                   "a complete gzip file",
                   fmt::format("{} bytes, of which {} could be read", bytes.size(), out.size()));
    return std::nullopt;
  }
  return out;
}

}  // namespace tessera::data
