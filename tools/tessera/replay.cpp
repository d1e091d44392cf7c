// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "tools/tessera/replay.hpp"

#include "arch/rtm_ap/compiler/layer.hpp"
#include "arch/rtm_ap/kernel.hpp"
#include "arch/rtm_ap/program.hpp"
#include "sim/base/enum_name.hpp"
#include "sim/base/math.hpp"
#include "sim/base/rng.hpp"
#include "sim/base/text.hpp"
#include "sim/report/table.hpp"
#include "workloads/golden.hpp"
#include "workloads/layer_ops.hpp"
#include "workloads/scalar_ops.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <utility>

namespace tessera::tools {

namespace ap = arch::rtm_ap;
namespace fs = std::filesystem;

namespace {

using What = ap::SlotRole::What;

/// A program as it is emitted now, and what stands in the file.
struct Pair {
  const ProgramText* emitted = nullptr;
  ap::Listing right;
  ap::Listing given;
};

// ---- reading ------------------------------------------------------------------------------------

class Reading {
 public:
  Reading(const ReplayJob& job, const std::string& path) : job_(job), path_(path) {
    for (const ProgramText& program : job.programs) {
      Diagnostics own;
      Pair pair;
      pair.emitted = &program;
      pair.right = ap::parse(program.text, program.name, own);
      if (!own.ok()) {
        throw InternalError("tools/tessera/replay", -1, own.render());
      }
      pairs_.push_back(std::move(pair));
    }
  }

  std::vector<Pair> read() {
    std::error_code error;
    if (fs::is_directory(path_, error)) {
      read_folder();
    } else {
      read_file();
    }
    if (!missing_.empty()) {
      report_missing();
    }
    diagnostics_.throw_if_any();
    return std::move(pairs_);
  }

  std::vector<std::string> take_others() { return std::move(others_); }

 private:
  void read_folder() {
    for (Pair& pair : pairs_) {
      const std::string file = (fs::path(path_) / (pair.emitted->name + ".apasm")).string();
      std::error_code error;
      if (!fs::exists(file, error)) {
        missing_.push_back(pair.emitted);
        continue;
      }
      if (const std::optional<std::string> text = read_program_file(file, diagnostics_)) {
        const std::size_t before = diagnostics_.errors().size();
        ap::Listing given = ap::parse(*text, file, diagnostics_);
        take(pair, std::move(given), diagnostics_.errors().size() == before);
      }
    }
    others_ = other_programs(path_, job_.programs);
  }

  void read_file() {
    const std::optional<std::string> text = read_program_file(path_, diagnostics_);
    if (!text) {
      return;
    }
    std::map<std::string, Pair*> expected;
    for (Pair& pair : pairs_) {
      expected[pair.emitted->name] = &pair;
    }
    std::set<std::string> seen;
    std::vector<ap::Listing> all = ap::parse_all(*text, path_, diagnostics_);
    const bool clean = diagnostics_.ok();
    for (ap::Listing& listing : all) {
      const std::string name = listing.head.program;
      const auto found = expected.find(name);
      if (name.empty()) {
        report_head(listing.begin,
                    "this program does not say which one it is",
                    "a line `program NAME`",
                    "none");
      } else if (!seen.insert(name).second) {
        report_head(listing.begin, "two programs have the same name", "one of each", quote(name));
      } else if (found != expected.end()) {
        take(*found->second, std::move(listing), clean);
      } else if (job_.some_layers && !is_of_these(listing.head.layer)) {
        others_.push_back(name);
      } else {
        std::vector<std::string> names;
        names.reserve(expected.size());
        for (const auto& [known, pair] : expected) {
          names.push_back(known);
        }
        const std::string nearest = did_you_mean(name, names);
        report_head(listing.begin,
                    fmt::format("{} has no such program", job_.network.name),
                    names.size() > kShown
                        ? fmt::format("{} and {} more",
                                      join_keys({names.begin(), names.begin() + kShown}),
                                      names.size() - kShown)
                        : join_keys(names),
                    quote(name),
                    nearest.empty() ? "" : fmt::format("did you mean {}?", quote(nearest)));
      }
    }
    for (const Pair& pair : pairs_) {
      if (!seen.contains(pair.emitted->name)) {
        missing_.push_back(pair.emitted);
      }
    }
  }

  /// Whether the programs that are replayed are those of this layer.
  [[nodiscard]] bool is_of_these(const std::string& layer) const {
    return std::any_of(pairs_.begin(), pairs_.end(), [&](const Pair& pair) {
      return pair.right.head.layer == layer;
    });
  }

  /// `clean`: every line could be read.
  void take(Pair& pair, ap::Listing&& given, bool clean) {
    pair.given = std::move(given);
    check_head(pair);
    if (pair.given.head.array == pair.right.head.array) {
      ap::report(ap::verify(pair.given.program, *pair.right.head.array), pair.given, diagnostics_);
    }
    check_slots(pair, clean);
  }

  /// The first line that is not the emitted one: the others follow from it.
  void check_head(const Pair& pair) {
    const std::vector<ap::HeadLine>& right = pair.right.head_lines;
    const std::vector<ap::HeadLine>& given = pair.given.head_lines;
    const std::size_t both = std::min(right.size(), given.size());
    std::size_t line = 0;
    while (line < both && right[line].text == given[line].text) {
      ++line;
    }
    if (line == right.size() && line == given.size()) {
      return;
    }
    const Layer& layer = job_.network.layer(pair.emitted->layer);
    const std::string word =
        line < right.size() ? right[line].text.substr(0, right[line].text.find(' ')) : "";
    std::string hint = "edit instructions, not the head; or write the programs anew";
    if (word == "widths" || word == "weights" || word == "array" || word == "network") {
      hint = fmt::format("replay it with the {} that it was written for, or write it anew",
                         word == "array" ? "arrays" : word);
    }
    report_head(line < given.size() ? given[line].at : pair.given.begin,
                given.empty()
                    ? fmt::format("program {} does not say what it computes", pair.emitted->name)
                    : fmt::format("this is not the head of program {}, layer {} of {}",
                                  pair.emitted->name,
                                  layer.name,
                                  job_.network.name),
                line < right.size() ? quote(right[line].text) : "no further line of a head",
                line < given.size() ? quote(given[line].text) : "no such line",
                hint);
  }

  /// Slots that the head does not know, and outputs that nobody reads.
  void check_slots(const Pair& pair, bool clean) {
    const ap::Listing& given = pair.given;
    std::vector<bool> is_read(pair.right.head.reads.size(), false);
    for (std::size_t i = 0; i < given.program.instructions.size(); ++i) {
      const ap::Instruction& instruction = given.program.instructions[i];
      const bool loads = instruction.op == ap::Opcode::load;
      if ((!loads && instruction.op != ap::Opcode::read) || instruction.value < 0) {
        continue;
      }
      const std::size_t slots = loads ? pair.right.head.loads.size() : pair.right.head.reads.size();
      const auto slot = static_cast<std::size_t>(instruction.value);
      if (slot >= slots) {
        report_program(
            given.instruction_at[i],
            fmt::format("the head says nothing of this slot of {}", name_of(instruction.op)),
            slots == 0 ? "none" : fmt::format("a slot in [0, {}]", slots - 1),
            fmt::format("{}", slot));
      } else if (!loads) {
        is_read[slot] = true;
      }
    }
    if (const auto never = std::find(is_read.begin(), is_read.end(), false);
        never != is_read.end() && clean) {
      const auto slot = static_cast<std::size_t>(never - is_read.begin());
      const ap::SlotRole& role = pair.right.head.reads[slot];
      report_program(given.begin,
                     fmt::format("program {} never reads out slot {}", pair.emitted->name, slot),
                     fmt::format("a read of slot {}: {} {}", slot, name_of(role.what), role.index),
                     fmt::format("{} of {} slots are read",
                                 std::count(is_read.begin(), is_read.end(), true),
                                 is_read.size()));
    }
  }

  void report_head(const Position& at,
                   std::string sentence,
                   std::string expected,
                   std::string got,
                   std::string hint = "") {
    Diagnostic d;
    d.code = "E-AP-HEAD";
    d.sentence = std::move(sentence);
    d.at = at;
    d.path = "program";
    d.expected = std::move(expected);
    d.got = std::move(got);
    d.hint = std::move(hint);
    diagnostics_.error(std::move(d));
  }

  void report_program(const Position& at,
                      std::string sentence,
                      std::string expected,
                      std::string got) {
    Diagnostic d;
    d.code = "E-AP-PROGRAM";
    d.sentence = std::move(sentence);
    d.at = at;
    d.path = "program";
    d.expected = std::move(expected);
    d.got = std::move(got);
    diagnostics_.error(std::move(d));
  }

  void report_missing() {
    Diagnostic d;
    d.code = "E-AP-MISSING";
    d.sentence = fmt::format(
        "{} of {} programs are not in {}", missing_.size(), pairs_.size(), quote(path_));
    d.path = "command line";
    d.expected = "every program of the layers that are replayed";
    d.got = fmt::format("{} of them", pairs_.size() - missing_.size());
    d.hint = "write them with the same experiment; `compile --layer` replays one layer alone";
    for (const ProgramText* program : missing_) {
      if (d.items.size() == kShown) {
        d.items.push_back(fmt::format("and {} more", missing_.size() - kShown));
        break;
      }
      d.items.push_back(
          fmt::format("{} of {}", program->name, job_.network.layer(program->layer).name));
    }
    diagnostics_.error(std::move(d));
  }

  static constexpr std::ptrdiff_t kShown = 12;

  const ReplayJob& job_;
  const std::string& path_;
  std::vector<Pair> pairs_;
  std::vector<const ProgramText*> missing_;
  std::vector<std::string> others_;
  Diagnostics diagnostics_;
};

// ---- running ------------------------------------------------------------------------------------

/// Values that programs hand on: of a part, by output and position.
using Partials = std::map<std::pair<std::int64_t, std::int64_t>, std::vector<std::int64_t>>;

/// A value that is not what it should be.
struct Difference {
  std::int64_t count = 0;
  std::size_t slot = 0;  ///< from here on, of the first one
  std::int64_t output = 0;
  std::int64_t position = 0;
  std::int64_t expected = 0;
  std::int64_t got = 0;
};

/// The programs of one layer.
class LayerReplay {
 public:
  LayerReplay(const ReplayJob& job, const Golden& golden, LayerId id)
      : job_(job),
        layer_(job.network.layer(id)),
        id_(id),
        of_image_(layer_.out.positions()),
        positions_(of_image_ + kDrawn),
        right_(golden.tensor(id)) {
    const ap::TensorOf tensor = [&](LayerId of) {
      return std::span<const std::int32_t>(golden.tensor(of));
    };
    for (std::int64_t p = 0; p < of_image_; ++p) {
      inputs_.push_back(ap::layer_inputs(job.network, id, tensor, p));
    }
    draw_inputs();
  }

  ReplayedLayer run(std::span<const Pair> pairs, Diagnostics& differences) {
    check_cover(pairs);
    ReplayedLayer out;
    out.layer = id_;
    out.programs = static_cast<int>(pairs.size());
    Partials partials;
    std::vector<Difference> found(pairs.size());
    for (const std::size_t part : order(pairs)) {
      found[part] = run(pairs[part], pairs[part].given, part, partials, nullptr);
    }
    out.values = values_;
    for (const Difference& difference : found) {
      out.differing += difference.count;
    }
    if (out.differing > 0 && !partials.empty()) {
      found = by_themselves(pairs);
    }
    for (std::size_t part = 0; part < pairs.size(); ++part) {
      if (found[part].count > 0) {
        report(pairs[part], found[part], differences);
      }
    }
    return out;
  }

 private:
  /// Positions with random inputs, behind those of the image: activations are mostly zero, and hide
  /// what programs do with the others.
  static constexpr std::int64_t kDrawn = 256;

  void draw_inputs() {
    const Layer& producer = job_.network.layer(layer_.inputs[0]);
    const bool is_max = layer_.kind == LayerKind::max_pool;
    const std::size_t size = inputs_.front().size();
    Rng rng(job_.seed, "replay/inputs/" + layer_.name);
    for (std::int64_t n = 0; n < kDrawn; ++n) {
      std::vector<std::int32_t>& x = inputs_.emplace_back(size);
      for (std::size_t i = 0; i < size; ++i) {
        const ap::InputFormat format = is_max
                                           ? ap::InputFormat{producer.out_bits, producer.out_signed}
                                           : task().format(static_cast<int>(i));
        if (n % 2 == 0 || rng.chance(0.25)) {
          x[i] = static_cast<std::int32_t>(rng.uniform(min_value(format.bits, format.is_signed),
                                                       max_value(format.bits, format.is_signed)));
        }
      }
      const std::vector<std::int32_t> y = is_max ? largest(x) : mapped(x);
      right_.insert(right_.end(), y.begin(), y.end());
    }
  }

  /// Of the taps of each channel.
  [[nodiscard]] std::vector<std::int32_t> largest(const std::vector<std::int32_t>& x) const {
    std::vector<std::int32_t> y;
    const auto taps = std::ssize(x) / layer_.out.channels;
    for (auto channel = x.begin(); channel != x.end(); channel += taps) {
      y.push_back(*std::max_element(channel, channel + taps));
    }
    return y;
  }

  /// What the layer, a linear map, makes of one position's inputs.
  [[nodiscard]] std::vector<std::int32_t> mapped(const std::vector<std::int32_t>& x) const {
    std::vector<std::int64_t> sums;
    for (const std::vector<ap::Weight>& weights : task().weights) {
      sums.push_back(product(weights, x));
    }
    std::vector<std::int32_t> y(sums.size());
    if (layer_.is_matrix()) {
      finish(layer_, *parameters_, sums, y);
    } else {
      rescale_activate(layer_, sums, task().multiplier, y);
    }
    return y;
  }

  [[nodiscard]] static std::int64_t product(const std::vector<ap::Weight>& weights,
                                            const std::vector<std::int32_t>& x) {
    std::int64_t sum = 0;
    for (const ap::Weight& w : weights) {
      sum += std::int64_t{w.value} * x[static_cast<std::size_t>(w.input)];
    }
    return sum;
  }

  /// Sums that arrays read out of their own inputs make up those of the layer: every weight that is
  /// not zero lies in one of them.
  void check_cover(std::span<const Pair> pairs) const {
    std::map<std::int64_t, std::multiset<std::int64_t>> covered;  // inputs of an output
    for (const Pair& pair : pairs) {
      const ap::Head& head = pair.right.head;
      if (head.term_bits > 0) {
        continue;
      }
      const std::vector<std::vector<ap::Weight>> sums = sums_of(head);
      for (std::size_t slot = 0; slot < sums.size(); ++slot) {
        if (head.reads[slot].what == What::sum) {
          for (const ap::Weight& w : sums[slot]) {
            covered[head.reads[slot].index].insert(w.input);
          }
        }
      }
    }
    for (const auto& [output, inputs] : covered) {
      for (const ap::Weight& w : task().weights[static_cast<std::size_t>(output)]) {
        if (inputs.count(w.input) != 1) {
          throw InternalError("tools/tessera/replay",
                              -1,
                              fmt::format("{} arrays multiply weight {} of channel {} of {}",
                                          inputs.count(w.input),
                                          w.input,
                                          output,
                                          layer_.name));
        }
      }
    }
  }

  /// Each program with the partial sums that it should get, its own compared, too.
  std::vector<Difference> by_themselves(std::span<const Pair> pairs) {
    Partials right;
    for (const std::size_t part : order(pairs)) {
      (void)run(pairs[part], pairs[part].right, part, right, nullptr);
    }
    std::vector<Difference> found;
    for (std::size_t part = 0; part < pairs.size(); ++part) {
      Partials given = right;
      found.push_back(run(pairs[part], pairs[part].given, part, given, &right));
    }
    return found;
  }

  /// Every partial sum is there before it is loaded.
  static std::vector<std::size_t> order(std::span<const Pair> pairs) {
    std::vector<std::size_t> sorted;
    std::vector<bool> done(pairs.size(), false);
    while (sorted.size() < pairs.size()) {
      const std::size_t before = sorted.size();
      for (std::size_t part = 0; part < pairs.size(); ++part) {
        const std::vector<ap::SlotRole>& loads = pairs[part].right.head.loads;
        const bool ready = std::all_of(loads.begin(), loads.end(), [&](const ap::SlotRole& role) {
          return role.what != What::partial || done.at(static_cast<std::size_t>(role.from));
        });
        if (!done[part] && ready) {
          done[part] = true;
          sorted.push_back(part);
        }
      }
      if (sorted.size() == before) {
        throw InternalError("tools/tessera/replay", -1, "partial sums that wait for one another");
      }
    }
    return sorted;
  }

  /// Runs instructions of `given` with the slots of the emitted head. `right`: partial sums are
  /// compared with these.
  Difference run(const Pair& pair,
                 const ap::Listing& given,
                 std::size_t part,
                 Partials& partials,
                 const Partials* right) {
    const ap::Head& head = pair.right.head;
    const std::vector<std::vector<std::int64_t>> terms = draw_terms(pair);
    const std::vector<std::vector<ap::Weight>> sums = sums_of(head);
    const std::int64_t block = std::max(1, head.array->rows / head.slices);
    Difference found;
    for (std::int64_t first = 0; first < positions_; first += block) {
      const std::int64_t count = std::min(block, positions_ - first);
      const auto rows = static_cast<std::size_t>(count * head.slices);
      std::vector<std::vector<std::int64_t>> slots(head.loads.size());
      for (std::size_t slot = 0; slot < slots.size(); ++slot) {
        for (std::size_t row = 0; row < rows; ++row) {
          const std::int64_t p = first + static_cast<std::int64_t>(row) % count;
          const std::int64_t slice = static_cast<std::int64_t>(row) / count;
          slots[slot].push_back(loaded(head, slot, p, slice, terms, partials));
        }
      }
      ap::Array array(*head.array, ap::Ports{}, static_cast<int>(rows));
      const auto read = array.run(given.program, slots);
      for (std::size_t slot = 0; slot < head.reads.size(); ++slot) {
        const ap::SlotRole& role = head.reads[slot];
        if (role.what == What::partial) {
          std::vector<std::int64_t>& kept = partials[{static_cast<std::int64_t>(part), role.index}];
          kept.resize(static_cast<std::size_t>(positions_));
          std::copy(read[slot].begin(), read[slot].end(), kept.begin() + first);
          if (right == nullptr) {
            continue;
          }
        }
        for (std::size_t row = 0; row < rows; ++row) {
          const std::int64_t p = first + static_cast<std::int64_t>(row) % count;
          const std::int64_t output =
              role.index + static_cast<std::int64_t>(row) / count * head.slice_outputs;
          if (output >= layer_.out.channels) {
            continue;  // the last slice may have fewer channels
          }
          const std::int64_t wanted = role.what == What::partial
                                          ? right->at({static_cast<std::int64_t>(part), output})
                                                .at(static_cast<std::size_t>(p))
                                          : expected(role, slot, output, p, sums, terms);
          const std::int64_t got = read[slot][row] + role.offset;
          ++values_;
          if (got != wanted) {
            if (found.count == 0) {
              found = {0, slot, output, p, wanted, got};
            }
            ++found.count;
          }
        }
      }
    }
    return found;
  }

  [[nodiscard]] std::int64_t loaded(const ap::Head& head,
                                    std::size_t slot,
                                    std::int64_t p,
                                    std::int64_t slice,
                                    const std::vector<std::vector<std::int64_t>>& terms,
                                    const Partials& partials) const {
    const ap::SlotRole& role = head.loads[slot];
    const auto position = static_cast<std::size_t>(p);
    if (role.what == What::term) {
      return terms[slot][position] + role.offset;
    }
    if (role.what == What::partial) {
      return partials.at({role.from, role.index})[position];
    }
    const std::vector<std::int32_t>& x = inputs_[position];
    const auto input = static_cast<std::size_t>(role.index + slice * head.slice_inputs);
    return (input < x.size() ? x[input] : 0) + role.offset;
  }

  [[nodiscard]] std::int64_t expected(const ap::SlotRole& role,
                                      std::size_t slot,
                                      std::int64_t output,
                                      std::int64_t p,
                                      const std::vector<std::vector<ap::Weight>>& sums,
                                      const std::vector<std::vector<std::int64_t>>& terms) const {
    const auto position = static_cast<std::size_t>(p);
    if (role.what == What::output) {
      return right_[static_cast<std::size_t>(p * layer_.out.channels + output)];
    }
    if (!terms.empty()) {
      return of_terms_.at(output)[position];
    }
    const std::int64_t sum =
        role.what == What::total ? task().bias[static_cast<std::size_t>(output)] : 0;
    return sum + product(sums[slot], inputs_[position]);
  }

  /// By read slot: the weights of a sum over what the program loads, all of them of a total.
  [[nodiscard]] std::vector<std::vector<ap::Weight>> sums_of(const ap::Head& head) const {
    std::vector<std::vector<ap::Weight>> sums(head.reads.size());
    std::set<std::int64_t> loaded;
    for (const ap::SlotRole& role : head.loads) {
      if (role.what == What::input) {
        loaded.insert(role.index);
      }
    }
    for (std::size_t slot = 0; slot < sums.size(); ++slot) {
      const ap::SlotRole& role = head.reads[slot];
      if (role.what == What::sum || role.what == What::total) {
        for (const ap::Weight& w : task().weights[static_cast<std::size_t>(role.index)]) {
          if (role.what == What::total || loaded.contains(w.input)) {
            sums[slot].push_back(w);
          }
        }
      }
    }
    return sums;
  }

  /// By load slot and position: results that add up to the layer's sums, as far as their widths
  /// allow, and are otherwise random. Empty when the program loads none.
  std::vector<std::vector<std::int64_t>> draw_terms(const Pair& pair) {
    const ap::Head& head = pair.right.head;
    std::map<std::int64_t, std::vector<std::size_t>> slots_of;  // of an output
    for (std::size_t slot = 0; slot < head.loads.size(); ++slot) {
      if (head.loads[slot].what == What::term) {
        slots_of[head.loads[slot].index].push_back(slot);
      }
    }
    std::vector<std::vector<std::int64_t>> terms(slots_of.empty() ? 0 : head.loads.size());
    const std::int64_t low = min_value(head.term_bits, true);
    const std::int64_t high = max_value(head.term_bits, true);
    Rng rng(job_.seed, "replay/" + pair.emitted->name);
    for (const auto& [output, slots] : slots_of) {
      const auto n = static_cast<std::int64_t>(slots.size());
      std::vector<std::int64_t>& sums = of_terms_[output];
      sums.clear();
      for (std::int64_t p = 0; p < positions_; ++p) {
        std::int64_t left = std::clamp(product(task().weights[static_cast<std::size_t>(output)],
                                               inputs_[static_cast<std::size_t>(p)]),
                                       n * low,
                                       n * high);
        sums.push_back(left);
        for (std::int64_t k = 0; k < n; ++k) {
          // What is left must fit the results that are left.
          const std::int64_t others = n - 1 - k;
          const std::int64_t term =
              rng.uniform(std::max(low, left - others * high), std::min(high, left - others * low));
          terms[slots[static_cast<std::size_t>(k)]].push_back(term);
          left -= term;
        }
      }
    }
    return terms;
  }

  /// Weights that are not zero, bias and scale, made when a sum is first asked for.
  const ap::LayerTask& task() const {
    if (!task_) {
      parameters_ = layer_.is_matrix() ? job_.parameters(id_) : LayerParameters{};
      task_ = ap::layer_task(job_.network, id_, *parameters_);
      for (std::vector<ap::Weight>& weights : task_->weights) {
        weights.erase(
            std::remove_if(
                weights.begin(), weights.end(), [](const ap::Weight& w) { return w.value == 0; }),
            weights.end());
      }
    }
    return *task_;
  }

  void report(const Pair& pair, const Difference& found, Diagnostics& differences) const {
    const ap::SlotRole& role = pair.right.head.reads[found.slot];
    Diagnostic d;
    d.code = "E-AP-DIFFERS";
    d.sentence = fmt::format("program {} does not compute layer {}: {} {}",
                             pair.emitted->name,
                             layer_.name,
                             found.count,
                             found.count == 1 ? "value differs" : "values differ");
    const std::vector<ap::Instruction>& instructions = pair.given.program.instructions;
    const auto reads = [&](const ap::Instruction& i) {
      return i.op == ap::Opcode::read && i.value == static_cast<std::int64_t>(found.slot);
    };
    const auto at = std::find_if(instructions.begin(), instructions.end(), reads);
    d.at = pair.given.instruction_at.at(static_cast<std::size_t>(at - instructions.begin()));
    d.path = "program";
    const std::string where = found.position < of_image_
                                  ? fmt::format("position {} (row {}, column {})",
                                                found.position,
                                                found.position / layer_.out.width,
                                                found.position % layer_.out.width)
                                  : fmt::format("drawn inputs {}", found.position - of_image_);
    d.expected = fmt::format("{} of channel {} at {}: {}",
                             role.what == What::partial  ? "partial sum"
                             : role.what == What::output ? "output"
                                                         : "sum",
                             found.output,
                             where,
                             found.expected);
    d.got = fmt::format("{}", found.got);
    differences.error(std::move(d));
  }

  const ReplayJob& job_;
  const Layer& layer_;
  LayerId id_;
  std::int64_t of_image_;
  std::int64_t positions_;           ///< of the image, then those that are drawn
  std::vector<std::int32_t> right_;  ///< [position][channel]
  std::int64_t values_ = 0;
  std::vector<std::vector<std::int32_t>> inputs_;               ///< by position
  std::map<std::int64_t, std::vector<std::int64_t>> of_terms_;  ///< sums of what was drawn
  mutable std::optional<ap::LayerTask> task_;
  mutable std::optional<LayerParameters> parameters_;
};

}  // namespace

ReplayResult replay_programs(const ReplayJob& job, const std::string& path) {
  Reading reading(job, path);
  const std::vector<Pair> pairs = reading.read();
  ReplayResult result;
  result.others = reading.take_others();
  Golden golden(job.network, job.parameters);
  golden.run(job.image);
  for (std::size_t begin = 0; begin < pairs.size();) {
    const LayerId layer = pairs[begin].emitted->layer;
    std::size_t end = begin;
    while (end < pairs.size() && pairs[end].emitted->layer == layer) {
      ++end;
    }
    result.layers.push_back(
        LayerReplay(job, golden, layer)
            .run(std::span(pairs).subspan(begin, end - begin), result.differences));
    begin = end;
  }
  return result;
}

int print_replay(const ReplayResult& result,
                 const Network& network,
                 const std::string& path,
                 bool json,
                 bool quiet) {
  if (!quiet) {
    note_others(path, result.others, "are left out");
  }
  if (json) {
    nlohmann::json layers = nlohmann::json::array();
    for (const ReplayedLayer& layer : result.layers) {
      layers.push_back({{"name", network.layer(layer.layer).name},
                        {"programs", layer.programs},
                        {"positions", network.layer(layer.layer).out.positions()},
                        {"values", layer.values},
                        {"differing", layer.differing},
                        {"equal", layer.differing == 0}});
    }
    const nlohmann::json out = {
        {"schema", 1}, {"network", network.name}, {"layers", std::move(layers)}};
    std::fputs((out.dump(2) + "\n").c_str(), stdout);
  } else if (!quiet) {
    using report::Align;
    report::Table table(
        {"layer", "programs", "positions", "values", "differing", "bits"},
        {Align::left, Align::right, Align::right, Align::right, Align::right, Align::left});
    for (const ReplayedLayer& layer : result.layers) {
      table.row({network.layer(layer.layer).name,
                 fmt::format("{}", layer.programs),
                 fmt::format("{}", network.layer(layer.layer).out.positions()),
                 fmt::format("{}", layer.values),
                 fmt::format("{}", layer.differing),
                 layer.differing == 0 ? "equal" : "differ"});
    }
    std::fputs(fmt::format("{}: programs of {} against the golden reference\n\n{}",
                           network.name,
                           path,
                           table.text())
                   .c_str(),
               stdout);
  }
  std::fputs(result.differences.render().c_str(), stderr);
  return result.differences.ok() ? 0 : 1;
}

}  // namespace tessera::tools
