// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Archives of arrays. The only code that sees libzip.
#include "sim/base/text.hpp"
#include "workloads/data/npy.hpp"
#include "workloads/data/npy_stream.hpp"

#include <fmt/format.h>
#include <zip.h>

#include <algorithm>
#include <memory>
#include <utility>

namespace tessera::data {

namespace {

constexpr std::string_view kSuffix = ".npy";
constexpr zip_uint16_t kFirstDay = (1U << 5U) | 1U;  // 1 January 1980, the first there is

struct Discard {
  void operator()(zip_t* archive) const { zip_discard(archive); }
};

struct CloseFile {
  void operator()(zip_file_t* file) const { zip_fclose(file); }
};

struct FreeSource {
  void operator()(zip_source_t* source) const { zip_source_free(source); }
};

using Archive = std::unique_ptr<zip_t, Discard>;
using Source = std::unique_ptr<zip_source_t, FreeSource>;

std::string text_of(zip_error_t& error) {
  std::string text = zip_error_strerror(&error);
  zip_error_fini(&error);
  return text;
}

/// Name and size of one file in the archive, once they are known to be harmless.
struct Entry {
  std::string name;
  zip_uint64_t index = 0;
  std::uint64_t size = 0;
};

std::optional<Entry> entry_of(zip_t* archive, zip_uint64_t index, Reporter& reporter) {
  zip_stat_t stat;
  zip_stat_init(&stat);
  constexpr zip_uint64_t kNeeded = ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE;
  if (zip_stat_index(archive, index, 0, &stat) != 0 || (stat.valid & kNeeded) != kNeeded) {
    reporter.error("E-DATA-FILE",
                   fmt::format("entry {} of the archive is damaged", index),
                   "a name and sizes",
                   "none");
    return std::nullopt;
  }
  std::string name = stat.name;
  if (name.size() <= kSuffix.size() ||
      name.compare(name.size() - kSuffix.size(), kSuffix.size(), kSuffix) != 0) {
    reporter.error("E-DATA-FORMAT",
                   fmt::format("{} in the archive is no array", quote(name)),
                   "names that end in .npy, as numpy.savez writes them",
                   quote(name));
    return std::nullopt;
  }
  name.resize(name.size() - kSuffix.size());
  return Entry{std::move(name), index, stat.size};
}

/// Reports entries that would take more memory than an archive of `size` bytes may.
bool fits(const std::vector<Entry>& entries,
          std::uint64_t size,
          Reporter& reporter,
          const Limits& limits) {
  std::uint64_t sum = 0;
  for (const Entry& entry : entries) {
    sum += std::min(entry.size, limits.max_bytes + 1);  // no overflow: kMaxArrays * max_bytes
  }
  if (!limits.allow(sum, size)) {
    reporter.error("E-DATA-FILE",
                   "the archive expands too much",
                   fmt::format("at most {} bytes, and beyond {} bytes at most {} times its size",
                               limits.max_bytes,
                               limits.expanded_freely,
                               limits.max_ratio),
                   fmt::format("{} bytes or more out of {}", sum, size));
    return false;
  }
  return true;
}

std::optional<Array> read_entry(zip_t* archive,
                                const Entry& entry,
                                Reporter& reporter,
                                const Limits& limits) {
  const std::string name = fmt::format("array {}: ", quote(entry.name));
  const std::unique_ptr<zip_file_t, CloseFile> file(zip_fopen_index(archive, entry.index, 0));
  if (file == nullptr) {
    reporter.error("E-DATA-FILE",
                   name + "the archive is damaged or packed in an unknown way",
                   "stored or deflated, not encrypted",
                   zip_strerror(archive));
    return std::nullopt;
  }
  const NpyStream stream{name, entry.size, [&](void* out, std::size_t count) {
                           std::size_t got = 0;
                           while (got < count) {
                             const zip_int64_t part =
                                 zip_fread(file.get(), static_cast<char*>(out) + got, count - got);
                             if (part <= 0) {
                               break;
                             }
                             got += static_cast<std::size_t>(part);
                           }
                           return got;
                         }};
  std::optional<Array> array = read_stream(stream, reporter, limits);
  // The checksum is compared where the data ends, which may be after the last number.
  char more = 0;
  if (array && zip_fread(file.get(), &more, 1) != 0) {
    reporter.error("E-DATA-FILE",
                   name + "the archive is damaged",
                   "bytes with the checksum of the archive",
                   zip_file_strerror(file.get()));
    return std::nullopt;
  }
  return array;
}

}  // namespace

Arrays parse_npz(std::string_view bytes, Reporter& reporter, const Limits& limits) {
  Arrays out;
  constexpr std::size_t kSmallest = 22;  // an archive without entries; libzip takes nothing for one
  zip_error_t error;
  zip_error_init(&error);
  Source source(bytes.size() < kSmallest
                    ? nullptr
                    : zip_source_buffer_create(bytes.data(), bytes.size(), 0, &error));
  Archive archive(source == nullptr ? nullptr
                                    : zip_open_from_source(source.get(), ZIP_RDONLY, &error));
  if (archive == nullptr) {
    reporter.error(
        "E-DATA-FORMAT",
        "no NPZ file, or its end is missing",
        "an archive as numpy.savez writes it",
        bytes.size() < kSmallest ? fmt::format("{} bytes", bytes.size()) : text_of(error));
    return out;
  }
  static_cast<void>(source.release());  // the archive's now
  const zip_int64_t count = zip_get_num_entries(archive.get(), 0);
  if (count < 0 || static_cast<std::uint64_t>(count) > kMaxArrays) {
    reporter.error("E-DATA-FILE",
                   "too many arrays in the archive",
                   fmt::format("at most {}", kMaxArrays),
                   std::to_string(count));
    return out;
  }
  std::vector<Entry> entries;
  for (zip_uint64_t i = 0; i < static_cast<zip_uint64_t>(count); ++i) {
    if (std::optional<Entry> entry = entry_of(archive.get(), i, reporter)) {
      entries.push_back(*std::move(entry));
    }
  }
  if (!fits(entries, bytes.size(), reporter, limits)) {
    return out;
  }
  for (const Entry& entry : entries) {
    if (out.contains(entry.name)) {
      reporter.error("E-DATA-FORMAT",
                     fmt::format("two arrays are called {}", quote(entry.name)),
                     "names that differ",
                     quote(entry.name));
    } else if (std::optional<Array> array = read_entry(archive.get(), entry, reporter, limits)) {
      out.emplace(entry.name, *std::move(array));
    }
  }
  return out;
}

Arrays read_npz(const std::string& path, Position at, Diagnostics& diagnostics) {
  Reporter reporter(path, std::move(at), "", diagnostics);
  const std::optional<std::string> bytes = read_file(path, reporter);
  return bytes ? parse_npz(*bytes, reporter) : Arrays{};
}

std::string write_npz(const Arrays& arrays) {
  std::vector<std::string> files;  // lives as long as the archive
  files.reserve(arrays.size());
  zip_error_t error;
  zip_error_init(&error);
  const auto check = [](bool ok, const std::string& what) {
    if (!ok) {
      throw InternalError("data", -1, "cannot write an archive: " + what);
    }
  };
  const Source source(zip_source_buffer_create(nullptr, 0, 0, &error));
  check(source != nullptr, "no memory");
  zip_source_keep(source.get());  // one for the archive, one for what it leaves there
  Archive archive(zip_open_from_source(source.get(), ZIP_TRUNCATE, &error));
  if (archive == nullptr) {
    zip_source_free(source.get());
    check(false, text_of(error));
  }
  for (const auto& [name, array] : arrays) {
    check(!name.empty() && name.find('\0') == std::string::npos, "the name " + quote(name));
    files.push_back(write_npy(array));
    zip_source_t* part =
        zip_source_buffer(archive.get(), files.back().data(), files.back().size(), 0);
    check(part != nullptr, zip_strerror(archive.get()));
    const zip_int64_t index =
        zip_file_add(archive.get(), (name + std::string(kSuffix)).c_str(), part, ZIP_FL_ENC_UTF_8);
    if (index < 0) {
      zip_source_free(part);
      check(false, zip_strerror(archive.get()));
    }
    const auto at = static_cast<zip_uint64_t>(index);
    check(zip_set_file_compression(archive.get(), at, ZIP_CM_STORE, 0) == 0 &&
              zip_file_set_dostime(archive.get(), at, 0, kFirstDay, 0) == 0,
          zip_strerror(archive.get()));
  }
  if (arrays.empty()) {
    return std::string("PK\5\6", 4) + std::string(18, '\0');  // libzip writes no empty archive
  }
  check(zip_close(archive.get()) == 0, zip_strerror(archive.get()));
  static_cast<void>(archive.release());
  zip_stat_t stat;
  zip_stat_init(&stat);
  check(zip_source_stat(source.get(), &stat) == 0 && zip_source_open(source.get()) == 0,
        "cannot read it back");
  std::string out(stat.size, '\0');
  const zip_int64_t got = zip_source_read(source.get(), out.data(), out.size());
  zip_source_close(source.get());
  check(got >= 0 && static_cast<std::uint64_t>(got) == out.size(), "cannot read it back");
  return out;
}

}  // namespace tessera::data
