// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Making, printing and reading programs; what they must satisfy is in verify.cpp.
#include "arch/rtm_ap/program.hpp"

#include "sim/base/enum_name.hpp"
#include "sim/base/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>
#include <memory>
#include <optional>
#include <utility>

namespace tessera::arch::rtm_ap {
namespace {

/// What follows the name: D destination (with a range of columns for clear), A and B operands, V a
/// number.
std::string_view form(Opcode op) {
  switch (op) {
    case Opcode::load:
    case Opcode::add_constant:
    case Opcode::saturate:
      return "DV";
    case Opcode::read:
      return "AV";
    case Opcode::clear:
    case Opcode::relu:
      return "D";
    case Opcode::copy:
    case Opcode::negate:
    case Opcode::add_in_place:
    case Opcode::sub_in_place:
    case Opcode::reverse_sub_in_place:
    case Opcode::max_in_place:
      return "DA";
    case Opcode::add:
    case Opcode::sub:
      return "DAB";
  }
  return "";
}

std::string field_text(const Operand& operand) {
  return fmt::format("[{}+{}]{}", operand.first, operand.bits, operand.is_signed ? 's' : 'u');
}

std::string operand_text(const Operand& operand) {
  return fmt::format("c{}", operand.column) + field_text(operand);
}

constexpr int kMaxIndex = 65535;  ///< largest column, domain or width that a text may name

/// The words of a text, a blank between two.
std::string one_blank(std::string_view text) {
  std::string out;
  bool blank = false;
  for (const char c : text) {
    if (c == ' ' || (c >= '\t' && c <= '\r')) {
      blank = !out.empty();
      continue;
    }
    if (blank) {
      out += ' ';
    }
    blank = false;
    out += c;
  }
  return out;
}

/// A name as a line of a head can hold it.
std::string name_text(std::string_view name) {
  std::string text = one_blank(name);
  std::replace(text.begin(), text.end(), '#', '_');
  return text;
}

/// One line without its comment, read from left to right.
class Reader {
 public:
  Reader(std::string_view line,
         std::shared_ptr<const SourceText> source,
         int number,
         Diagnostics& diagnostics)
      : line_(line), source_(std::move(source)), number_(number), diagnostics_(diagnostics) {
    skip();
  }

  [[nodiscard]] bool done() const { return at_ >= line_.size(); }

  [[nodiscard]] Position place() const { return {source_, number_, static_cast<int>(at_) + 1}; }

  std::string word() {
    const std::size_t begin = at_;
    while (!done() && (std::isalnum(static_cast<unsigned char>(line_[at_])) != 0 ||
                       line_[at_] == '_' || line_[at_] == '.')) {
      ++at_;
    }
    std::string text(line_.substr(begin, at_ - begin));
    skip();
    return text;
  }

  bool take(std::string_view text) {
    if (line_.substr(at_, text.size()) != text) {
      return false;
    }
    at_ += text.size();
    skip();
    return true;
  }

  std::optional<std::int64_t> number() {
    std::int64_t value = 0;
    const char* begin = line_.data() + at_;
    const auto [end, error] = std::from_chars(begin, line_.data() + line_.size(), value);
    if (error != std::errc{}) {
      return std::nullopt;
    }
    at_ += static_cast<std::size_t>(end - begin);
    skip();
    return value;
  }

  /// What is left of the line, each blank once; nothing is taken.
  [[nodiscard]] std::string rest() const { return one_blank(line_.substr(at_)); }

  void take_all() { at_ = line_.size(); }

  /// Reports what was expected here; always false.
  bool fail(const std::string& expected, const std::string& hint = "") {
    fail_at(place(), expected, done() ? "the end of the line" : quote(line_.substr(at_)), hint);
    return false;
  }

  void fail_at(const Position& at,
               const std::string& expected,
               const std::string& got,
               const std::string& hint) {
    Diagnostic d;
    d.code = "E-AP-SYNTAX";
    d.sentence = "this line of a program cannot be read";
    d.at = at;
    d.path = "program";
    d.expected = expected;
    d.got = got;
    d.hint = hint;
    diagnostics_.error(std::move(d));
  }

 private:
  void skip() {
    while (!done() && (line_[at_] == ' ' || line_[at_] == '\t' || line_[at_] == '\r')) {
      ++at_;
    }
  }

  std::string_view line_;
  std::shared_ptr<const SourceText> source_;
  int number_;
  Diagnostics& diagnostics_;
  std::size_t at_ = 0;
};

bool read_index(Reader& reader, const char* what, int& out) {
  const Position at = reader.place();
  const std::optional<std::int64_t> value = reader.number();
  if (!value) {
    return reader.fail(what);
  }
  if (*value < 0 || *value > kMaxIndex) {
    reader.fail_at(
        at, fmt::format("{} in [0, {}]", what, kMaxIndex), fmt::format("{}", *value), "");
    return false;
  }
  out = static_cast<int>(*value);
  return true;
}

/// c9[0+12]s, or with a range c9..c72[0+12]s; `columns` is null where no range may stand.
bool read_operand(Reader& reader, Operand& out, std::int64_t* columns) {
  constexpr const char* kForm = "an operand, for example c9[0+12]s";
  if (!reader.take("c")) {
    return reader.fail(kForm);
  }
  if (!read_index(reader, "a column", out.column)) {
    return false;
  }
  if (columns != nullptr) {
    *columns = 1;
    if (reader.take("..")) {
      int last = 0;
      const Position at = reader.place();
      if (!reader.take("c")) {
        return reader.fail("the last column of the range, for example c72");
      }
      if (!read_index(reader, "a column", last)) {
        return false;
      }
      if (last < out.column) {
        reader.fail_at(
            at, fmt::format("a last column from c{} on", out.column), fmt::format("c{}", last), "");
        return false;
      }
      *columns = last - out.column + 1;
    }
  }
  constexpr const char* kField = "[FIRST+BITS], for example c9[0+12]s";
  if (!reader.take("[")) {
    return reader.fail(kField);
  }
  if (!read_index(reader, "the first domain", out.first)) {
    return false;
  }
  if (!reader.take("+")) {
    return reader.fail(kField);
  }
  if (!read_index(reader, "the number of bits", out.bits)) {
    return false;
  }
  if (!reader.take("]")) {
    return reader.fail(kField);
  }
  const bool is_signed = reader.take("s");
  if (!is_signed && !reader.take("u")) {
    return reader.fail("s (signed) or u (unsigned) after the field");
  }
  out.is_signed = is_signed;
  return true;
}

bool read_operands(Reader& reader, Instruction& out) {
  bool first = true;
  for (const char part : form(out.op)) {
    if (!first && !reader.take(",")) {
      return reader.fail("a comma and the next operand");
    }
    first = false;
    switch (part) {
      case 'D':
        if (!read_operand(reader, out.dst, out.op == Opcode::clear ? &out.value : nullptr)) {
          return false;
        }
        break;
      case 'A':
      case 'B':
        if (!read_operand(reader, part == 'A' ? out.a : out.b, nullptr)) {
          return false;
        }
        break;
      default: {
        const std::optional<std::int64_t> value = reader.number();
        if (!value) {
          return reader.fail("a whole number");
        }
        out.value = *value;
      }
    }
  }
  return reader.done() || reader.fail("the end of the line");
}

std::optional<Opcode> opcode(std::string_view name) {
  for (const auto& [op, text] : enum_names(Opcode{})) {
    if (text == name) {
      return op;
    }
  }
  return std::nullopt;
}

bool read_order(Reader& reader, PassOrder& out) {
  const Position at = reader.place();
  const std::string name = reader.word();
  std::vector<std::string> known;
  for (int i = 0; i < kNumTables; ++i) {
    const auto id = static_cast<TableId>(i);
    known.emplace_back(table(id).name);
    if (known.back() == name) {
      out.table = id;
      int pass = 0;
      while (!reader.done()) {
        if (!read_index(reader, "the number of a pass", pass)) {
          return false;
        }
        out.passes.push_back(pass);
      }
      return true;
    }
  }
  const std::string nearest = did_you_mean(name, known);
  reader.fail_at(at,
                 "a pass table: " + join_keys(known),
                 quote(name),
                 nearest.empty() ? "" : "did you mean " + quote(nearest) + "?");
  return false;
}

std::vector<std::string> head_words() {
  return {
      "program", "network", "layer", "widths", "weights", "array", "terms", "slices", "in", "out"};
}

/// `in SLOT WHAT INDEX [FROM] [OFFSET]`; slots rise from 0 on.
bool read_slot(Reader& reader, bool loads, std::vector<SlotRole>& slots) {
  using What = SlotRole::What;
  const Position at = reader.place();
  const std::optional<std::int64_t> slot = reader.number();
  if (!slot || *slot != std::ssize(slots)) {
    reader.fail_at(at,
                   fmt::format("slot {}: slots of a head rise from 0 on", slots.size()),
                   slot ? fmt::format("{}", *slot) : quote(reader.rest()),
                   "");
    return false;
  }
  const Position what_at = reader.place();
  const std::string word = reader.word();
  std::vector<std::string> known;
  std::optional<SlotRole> role;
  for (const auto& [what, name] : enum_names(What{})) {
    const bool loaded = what == What::input || what == What::term || what == What::partial;
    const bool read = what != What::input && what != What::term;
    if (loads ? loaded : read) {
      known.emplace_back(name);
      if (name == word) {
        role = SlotRole{what, 0, 0, 0};
      }
    }
  }
  if (!role) {
    const std::string nearest = did_you_mean(word, known);
    reader.fail_at(what_at,
                   "one of: " + join_keys(known),
                   quote(word),
                   nearest.empty() ? "" : "did you mean " + quote(nearest) + "?");
    return false;
  }
  const auto index = [&](std::int64_t& out) {
    const std::optional<std::int64_t> value = reader.number();
    if (!value || *value < 0) {
      return reader.fail("a number from 0 on");
    }
    out = *value;
    return true;
  };
  const bool from = loads && role->what != What::input;
  if (!index(role->index) || (from && !index(role->from))) {
    return false;
  }
  if (!reader.done()) {
    const bool plus = reader.take("+");
    const std::optional<std::int64_t> offset = reader.number();
    if (!offset || (plus && *offset < 0)) {
      return reader.fail("an offset, for example +8");
    }
    role->offset = *offset;
  }
  slots.push_back(*role);
  return reader.done() || reader.fail("the end of the line");
}

bool read_head_line(Reader& reader, const std::string& word, Head& head) {
  const auto end = [&] { return reader.done() || reader.fail("the end of the line"); };
  if (word == "in" || word == "out") {
    return read_slot(reader, word == "in", word == "in" ? head.loads : head.reads);
  }
  if (word == "array") {
    Geometry g;
    if (!read_index(reader, "the number of rows", g.rows) ||
        !read_index(reader, "the number of columns", g.columns) ||
        !read_index(reader, "the number of domains", g.domains)) {
      return false;
    }
    head.array = g;
    return end();
  }
  if (word == "terms") {
    return read_index(reader, "the number of bits", head.term_bits) && end();
  }
  if (word == "slices") {
    int inputs = 0;
    int outputs = 0;
    const bool ok = read_index(reader, "the number of rows", head.slices) &&
                    read_index(reader, "the number of inputs", inputs) &&
                    read_index(reader, "the number of outputs", outputs);
    head.slice_inputs = inputs;
    head.slice_outputs = outputs;
    return ok && (head.slices > 1 || reader.fail("at least 2 rows")) && end();
  }
  if (reader.done()) {
    return reader.fail(word == "program" ? "the name of the program" : "a word or more");
  }
  std::string& text = word == "program"   ? head.program
                      : word == "network" ? head.network
                      : word == "layer"   ? head.layer
                      : word == "widths"  ? head.widths
                                          : head.weights;
  text = reader.rest();
  reader.take_all();
  return true;
}

Instruction make(Opcode op, Operand dst, Operand a, Operand b, std::int64_t value) {
  Instruction instruction;
  instruction.op = op;
  instruction.dst = dst;
  instruction.a = a;
  instruction.b = b;
  instruction.value = value;
  return instruction;
}

}  // namespace

Instruction load(Operand dst, int slot) {
  return make(Opcode::load, dst, {}, {}, slot);
}

Instruction read(Operand a, int slot) {
  return make(Opcode::read, {}, a, {}, slot);
}

Instruction clear(Operand dst, int columns) {
  return make(Opcode::clear, dst, {}, {}, columns);
}

Instruction copy(Operand dst, Operand a) {
  return make(Opcode::copy, dst, a, {}, 0);
}

Instruction negate(Operand dst, Operand a) {
  return make(Opcode::negate, dst, a, {}, 0);
}

Instruction add(Operand dst, Operand a, Operand b) {
  return make(Opcode::add, dst, a, b, 0);
}

Instruction sub(Operand dst, Operand a, Operand b) {
  return make(Opcode::sub, dst, a, b, 0);
}

Instruction add_in_place(Operand dst, Operand a) {
  return make(Opcode::add_in_place, dst, a, {}, 0);
}

Instruction sub_in_place(Operand dst, Operand a) {
  return make(Opcode::sub_in_place, dst, a, {}, 0);
}

Instruction add_constant(Operand dst, std::int64_t constant) {
  return make(Opcode::add_constant, dst, {}, {}, constant);
}

Instruction relu(Operand dst) {
  return make(Opcode::relu, dst, {}, {}, 0);
}

Instruction max_in_place(Operand dst, Operand a) {
  return make(Opcode::max_in_place, dst, a, {}, 0);
}

Instruction saturate(Operand dst, int bits) {
  return make(Opcode::saturate, dst, {}, {}, bits);
}

std::string print(const Head& head) {
  std::string text;
  const auto add = [&text](std::string_view word, const std::string& value) {
    if (!value.empty()) {
      text += fmt::format("{} {}\n", word, name_text(value));
    }
  };
  add("program", head.program);
  add("network", head.network);
  add("layer", head.layer);
  add("widths", head.widths);
  add("weights", head.weights);
  if (head.array) {
    add("array",
        fmt::format("{} {} {}", head.array->rows, head.array->columns, head.array->domains));
  }
  add("terms", head.term_bits > 0 ? fmt::format("{}", head.term_bits) : "");
  if (head.slices > 1) {
    add("slices", fmt::format("{} {} {}", head.slices, head.slice_inputs, head.slice_outputs));
  }
  const auto add_slots = [&text](const char* word, const std::vector<SlotRole>& slots) {
    for (std::size_t slot = 0; slot < slots.size(); ++slot) {
      const SlotRole& role = slots[slot];
      const bool from = word == std::string_view("in") && role.what != SlotRole::What::input;
      text += fmt::format("{} {} {} {}{}{}\n",
                          word,
                          slot,
                          name_of(role.what),
                          role.index,
                          from ? fmt::format(" {}", role.from) : "",
                          role.offset == 0 ? "" : fmt::format(" {:+}", role.offset));
    }
  };
  add_slots("in", head.loads);
  add_slots("out", head.reads);
  return text;
}

std::string print(const Instruction& instruction) {
  std::string text(name_of(instruction.op));
  const char* separator = " ";
  for (const char part : form(instruction.op)) {
    text += separator;
    separator = ", ";
    if (part == 'A' || part == 'B') {
      text += operand_text(part == 'A' ? instruction.a : instruction.b);
    } else if (part == 'V') {
      text += fmt::format("{}", instruction.value);
    } else if (instruction.op == Opcode::clear && instruction.value != 1) {
      const Operand& dst = instruction.dst;
      text += fmt::format("c{}..c{}{}",
                          dst.column,
                          dst.column + instruction.value - 1,
                          field_text(instruction.dst));
    } else {
      text += operand_text(instruction.dst);
    }
  }
  return text;
}

std::string print(const Program& program) {
  std::string text = fmt::format("carry {}\n", program.carry);
  for (const PassOrder& order : program.orders) {
    text += fmt::format("order {} {}\n", table(order.table).name, fmt::join(order.passes, " "));
  }
  for (const Instruction& instruction : program.instructions) {
    text += print(instruction);
    text += '\n';
  }
  return text;
}

std::vector<Listing> parse_all(std::string_view text,
                               const std::string& name,
                               Diagnostics& diagnostics) {
  auto source = std::make_shared<SourceText>();
  source->name = name;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    source->lines.emplace_back(text.substr(begin, end - begin));
    begin = end + 1;
  }

  const std::vector<std::string> of_head = head_words();
  std::vector<std::string> known = of_head;
  known.insert(known.end(), {"carry", "order"});
  for (const auto& [op, word] : enum_names(Opcode{})) {
    known.emplace_back(word);
  }
  std::vector<Listing> all(1);
  all.back().begin = {source, 1, 1};
  const auto gap = [&all] {
    Listing& listing = all.back();
    listing.before_gap = std::min(listing.before_gap, listing.program.instructions.size());
  };
  bool carry_seen = false;
  int number = 0;
  const auto end_program = [&](int last_line) {
    if (!carry_seen) {
      Reader end("", source, std::max(last_line, 1), diagnostics);
      end.fail("a line `carry COLUMN`: the column that holds the carry");
    }
    carry_seen = false;
  };
  for (const std::string& line : source->lines) {
    Reader reader(std::string_view(line).substr(0, line.find('#')), source, ++number, diagnostics);
    if (reader.done()) {
      continue;
    }
    const Position at = reader.place();
    const std::string word = reader.word();
    if (word == "program") {
      const Listing& before = all.back();
      if (!before.head_lines.empty() || carry_seen || !before.program.instructions.empty()) {
        end_program(number - 1);
        all.emplace_back();
      }
      all.back().begin = at;
    }
    Listing& listing = all.back();
    if (word == "carry") {
      const bool second = std::exchange(carry_seen, true);
      if (second) {
        reader.fail_at(at, "one carry column", "a second one", "");
      } else if (read_index(reader, "a column", listing.program.carry) &&
                 (reader.done() || reader.fail("the end of the line"))) {
        listing.carry_at = at;
      }
      continue;
    }
    if (word == "order") {
      PassOrder order;
      if (read_order(reader, order)) {
        listing.program.orders.push_back(std::move(order));
        listing.order_at.push_back(at);
      }
      continue;
    }
    if (const std::optional<Opcode> op = opcode(word)) {
      Instruction instruction;
      instruction.op = *op;
      if (read_operands(reader, instruction)) {
        listing.program.instructions.push_back(instruction);
        listing.instruction_at.push_back(at);
      } else {
        gap();
      }
      continue;
    }
    if (std::find(of_head.begin(), of_head.end(), word) != of_head.end()) {
      const std::string rest = reader.rest();
      if (read_head_line(reader, word, listing.head)) {
        listing.head_lines.push_back({rest.empty() ? word : fmt::format("{} {}", word, rest), at});
      }
      continue;
    }
    gap();
    const std::string nearest = did_you_mean(word, known);
    reader.fail_at(at,
                   "one of: " + join_keys(known),
                   quote(word.empty() ? line : word),
                   nearest.empty() ? "" : "did you mean " + quote(nearest) + "?");
  }
  end_program(number);
  return all;
}

Listing parse(std::string_view text, const std::string& name, Diagnostics& diagnostics) {
  std::vector<Listing> all = parse_all(text, name, diagnostics);
  if (all.size() > 1) {
    Reader second("", all[1].begin.source, all[1].begin.line, diagnostics);
    second.fail_at(all[1].begin, "one program", fmt::format("{}", all.size()), "");
  }
  return std::move(all.front());
}

}  // namespace tessera::arch::rtm_ap
