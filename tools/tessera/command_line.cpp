// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// CLI11 knows the options and writes the help; what it cannot place comes back as remaining
/// arguments, so that all of them are reported and not only the first.
#include "tools/tessera/command_line.hpp"

#include "sim/base/text.hpp"
#include "tools/tessera/version.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>
#include <sstream>
#include <utility>

namespace tessera::tools {
namespace {

constexpr std::int64_t kMostRows = 65536;                     ///< of an associative processor
constexpr std::int64_t kLargestSeed = 9'000'000'000'000'000;  ///< as execution.seed

/// The command line as a text with places.
class Line {
 public:
  explicit Line(const std::vector<std::string>& arguments) : arguments_(arguments) {
    auto source = std::make_shared<SourceText>();
    source->name = "command line";
    std::string text = "tessera";
    for (const std::string& argument : arguments) {
      text += ' ';
      columns_.push_back(static_cast<int>(text.size()) + 1);
      text += argument;
    }
    end_ = static_cast<int>(text.size()) + 1;
    source->lines.push_back(text);
    source_ = std::move(source);
  }

  /// Of the last argument with that text; the end of the line when there is none.
  [[nodiscard]] Position of(const std::string& argument) const {
    for (std::size_t i = arguments_.size(); i > 0; --i) {
      if (arguments_[i - 1] == argument) {
        return {source_, 1, columns_[i - 1]};
      }
    }
    return end();
  }

  /// Of the argument with that number.
  [[nodiscard]] Position at(std::size_t argument) const { return {source_, 1, columns_[argument]}; }

  /// Of the last --name or --name=value.
  [[nodiscard]] Position of_option(const std::string& name) const {
    for (std::size_t i = arguments_.size(); i > 0; --i) {
      if (arguments_[i - 1].substr(0, arguments_[i - 1].find('=')) == name) {
        return at(i - 1);
      }
    }
    return end();
  }

  [[nodiscard]] Position end() const { return {source_, 1, end_}; }

  /// The value that a person meant for an option nobody knows.
  [[nodiscard]] bool follows(const std::string& value, const std::string& option) const {
    for (std::size_t i = 0; i + 1 < arguments_.size(); ++i) {
      if (arguments_[i] == option && arguments_[i + 1] == value) {
        return true;
      }
    }
    return false;
  }

 private:
  const std::vector<std::string>& arguments_;
  std::shared_ptr<const SourceText> source_;
  std::vector<int> columns_;
  int end_ = 1;
};

/// Options that stand for a --set.
struct Values {
  std::string images;
  std::string detail;
  std::string seed;
  std::string method;
  std::string objective;
  std::string episodes;
  std::string feedback;
};

void add_set_option(CLI::App& app, CommandLine& line) {
  app.add_option("--set", line.sets, "override a value, e.g. chip.tile.bus.width=128; repeatable")
      ->type_name("PATH=VALUE")
      ->expected(1)
      ->take_all();
}

void add_experiment_options(CLI::App& app, CommandLine& line, Values& values) {
  app.add_option("EXPERIMENT", line.names, "experiment file (YAML)");
  add_set_option(app, line);
  app.add_option("--seed", values.seed, "of everything that is drawn")->type_name("N");
  app.add_option("--out", line.out, "folder for the results")->type_name("DIR");
  app.add_flag("--json", line.json, "print the result as JSON on standard output and nothing else");
  app.add_flag("--quiet", line.quiet, "print nothing but errors");
}

void add_simulation_options(CLI::App& app, CommandLine& line, Values& values) {
  add_experiment_options(app, line, values);
  app.add_option("--images", values.images, "images sent through the chip")->type_name("N");
  app.add_option("--detail", values.detail, "firing: to run; step: to watch every resource")
      ->type_name("firing|step");
}

void add_search_options(CLI::App& app, CommandLine& line, Values& values) {
  add_experiment_options(app, line, values);
  app.add_option("--objective", values.objective, "what is minimised (throughput: maximised)")
      ->type_name("latency|throughput|energy|edp");
  app.add_option("--search", values.method, "whose answer is the mapping; tessera list searches")
      ->type_name("NAME");
  app.add_option("--episodes", values.episodes, "of reinforcement learning")->type_name("N");
  app.add_option("--feedback", values.feedback, "rounds of correcting the cost model by simulation")
      ->type_name("N");
  app.add_option("--export-lut",
                 line.export_lut,
                 "write cycles, energy and PEs of every layer at every pair of widths as CSV, and "
                 "leave")
      ->type_name("FILE");
  app.add_flag("--fresh", line.fresh, "start anew, whatever an interrupted search left behind");
}

std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) {
      names.push_back("--" + name);
    }
  }
  return names;
}

void report_missing(const Line& line,
                    const std::string& sentence,
                    const std::string& expected,
                    Diagnostics& diagnostics) {
  Diagnostic d;
  d.code = "E-CLI-MISSING";
  d.sentence = sentence;
  d.at = line.end();
  d.path = "command line";
  d.expected = expected;
  d.got = "nothing";
  d.hint = "tessera --help tells how to call it";
  diagnostics.error(std::move(d));
}

void report_unknown(const Line& line,
                    const std::string& code,
                    const std::string& sentence,
                    const std::string& word,
                    const std::vector<std::string>& known,
                    Diagnostics& diagnostics) {
  Diagnostic d;
  d.code = code;
  d.sentence = sentence + " " + quote(word);
  d.at = line.of(word);
  d.path = "command line";
  d.expected = "one of: " + join_keys(known);
  d.got = quote(word);
  const std::string nearest = did_you_mean(word.substr(0, word.find('=')), known);
  d.hint = nearest.empty() ? "" : fmt::format("did you mean {}?", quote(nearest));
  diagnostics.error(std::move(d));
}

/// "--rows N:INT in [1 - 65536]".
std::string usage(const CLI::Option& option) {
  return fmt::format("{} {}", option.get_name(), option.get_type_name());
}

/// Options without a value, or with another option in its place. Returns their names.
std::vector<std::string> report_no_values(const Line& line,
                                          const std::vector<std::string>& arguments,
                                          const CLI::App& command,
                                          Diagnostics& diagnostics) {
  std::vector<std::string> found;
  for (std::size_t i = 0; i < arguments.size() && arguments[i] != "--"; ++i) {
    const std::size_t equals = arguments[i].find('=');
    const std::string name = arguments[i].substr(0, equals);
    const CLI::Option* option =
        name.rfind("--", 0) == 0 ? command.get_option_no_throw(name) : nullptr;
    if (option == nullptr || option->get_items_expected_max() == 0) {
      continue;  // no option, or a flag
    }
    Diagnostic d;
    d.at = line.at(i);
    std::string value;
    const bool last = equals == std::string::npos && i + 1 == arguments.size();
    if (equals != std::string::npos) {
      value = arguments[i].substr(equals + 1);
    } else if (!last) {
      value = arguments[++i];
    }
    const bool another = equals == std::string::npos && value.rfind("--", 0) == 0;
    if (!value.empty() && !another) {
      continue;
    }
    d.code = "E-CLI-ARGUMENT";
    d.sentence = name + " has no value";
    d.path = "command line";
    d.expected = usage(*option);
    d.got = another ? quote(value) : last ? "the end of the line" : "empty text";
    d.hint = another ? fmt::format("if {} is meant as its value: {}={}", value, name, value)
                     : fmt::format("leave {} out, or write its value", name);
    diagnostics.error(std::move(d));
    found.push_back(name);
  }
  return found;
}

/// Options that do nothing beside, or without, others.
void report_idle(const CommandLine& given, const Line& line, Diagnostics& diagnostics) {
  const auto report = [&](const std::string& name, std::string sentence, std::string expected) {
    Diagnostic d;
    d.code = "E-CLI-ARGUMENT";
    d.sentence = std::move(sentence);
    d.at = line.of_option(name);
    d.path = "command line";
    d.expected = std::move(expected);
    d.got = name;
    diagnostics.error(std::move(d));
  };
  if (!given.trace_layers.empty() && given.trace.empty()) {
    report("--trace-layer",
           "--trace-layer chooses layers of a trace, and none is written",
           "--trace FILE beside it");
  }
  if (!given.export_lut.empty()) {
    const auto beside = [&](const std::string& name, bool there) {
      if (there) {
        report(name,
               fmt::format("--export-lut writes its table and leaves; {} would do nothing", name),
               "one of the two");
      }
    };
    beside("--emit-ap", !given.emit_ap.empty());
    beside("--out", !given.out.empty());
    beside("--json", given.json);
    beside("--fresh", given.fresh);
  }
}

}  // namespace

Position place_of(const CommandLine& line, const std::string& option) {
  return Line(line.arguments).of_option(option);
}

Diagnostic no_such_layer(const CommandLine& line,
                         const std::string& option,
                         const std::string& layer,
                         const std::string& network,
                         const std::vector<std::string>& names) {
  const std::string nearest = did_you_mean(layer, names);
  Diagnostic d;
  d.code = "E-CLI-ARGUMENT";
  d.sentence = fmt::format("{} has no layer {}", network, quote(layer));
  d.at = place_of(line, option);
  d.path = "command line";
  d.expected = "one of: " + join_keys(names);
  d.got = quote(layer);
  d.hint = nearest.empty() ? "" : fmt::format("did you mean {}?", quote(nearest));
  return d;
}

CommandLine parse_command_line(int argc, const char* const* argv, Diagnostics& diagnostics) {
  CommandLine result;
  for (int i = 1; i < argc; ++i) {
    result.arguments.emplace_back(argv[i]);
  }
  const Line line(result.arguments);
  Values values;

  CLI::App app("Tessera: a cycle-level simulator of computing-in-memory accelerators", "tessera");
  app.set_version_flag("--version", version_text());
  app.footer(
      "Exit status: 0 ok, 1 a self-check failed, 2 bad input, 3 deadlock, 4 the mapping does not\n"
      "fit, 70 internal error.\n"
      "Example: tessera run configs/experiments/quickstart.yaml --set execution.images=8");
  app.allow_extras();

  CLI::App* run = app.add_subcommand("run", "simulate an experiment and report");
  add_simulation_options(*run, result, values);
  run->add_option("--trace", result.trace, "write a Chrome/Perfetto trace; .json or .json.gz")
      ->type_name("FILE");
  run->add_option("--trace-layer", result.trace_layers, "only work for this layer; repeatable")
      ->type_name("LAYER")
      ->expected(1)
      ->take_all();
  run->add_option("--trace-from", result.trace_from, "only from this cycle on")
      ->type_name("CYCLE")
      ->check(CLI::Range(std::int64_t{0}, INT64_MAX));
  run->add_option("--trace-to", result.trace_to, "only up to this cycle")
      ->type_name("CYCLE")
      ->check(CLI::Range(std::int64_t{0}, INT64_MAX));
  run->add_option("--vcd", result.vcd, "write a waveform for GTKWave")->type_name("FILE");
  run->add_option("--emit-ap",
                  result.emit_ap,
                  "write the programs of associative processors: a folder, or one .apasm file")
      ->type_name("PATH");
  run->add_option("--replay-ap",
                  result.replay_ap,
                  "run such programs, edited or not, against the golden reference; no simulation")
      ->type_name("PATH");
  run->footer(
      "Writes resolved.yaml, manifest.json, result.json, mapping.yaml and layers.csv into\n"
      "out/<experiment name>, or into --out.");

  CLI::App* compare = app.add_subcommand(
      "compare", "simulate several experiments and put them side by side, against the first");
  add_simulation_options(*compare, result, values);
  compare->footer(
      "Writes compare.json, compare.csv and compare.svg into out/<first experiment>_compare, or\n"
      "into --out. Options apply to every experiment.");

  CLI::App* map = app.add_subcommand(
      "map", "search widths, replicas and placement, and let the simulator decide");
  add_search_options(*map, result, values);
  map->add_option("--emit-ap",
                  result.emit_ap,
                  "write the programs of associative processors: a folder, or one .apasm file")
      ->type_name("PATH");
  map->add_option("--replay-ap",
                  result.replay_ap,
                  "run such programs, edited or not, against the golden reference; no search: the "
                  "mapping is that in the folder for the results")
      ->type_name("PATH");
  map->footer(
      "Writes mapping.yaml, search.csv, candidates.csv, pareto.csv, map.json and plots into\n"
      "out/<experiment name>_map, or into --out. Interrupted, it goes on where it was.");

  CLI::App* validate =
      app.add_subcommand("validate", "compare closed form and simulation, layer by layer");
  add_simulation_options(*validate, result, values);

  CLI::App* train = app.add_subcommand(
      "train", "train the network in real numbers, then with the rounding of given widths");
  add_experiment_options(*train, result, values);
  train->add_flag("--fresh", result.fresh, "start anew, whatever an interrupted training left");
  train->footer(
      "Writes model.npz, the network after each stage, train_log.csv and train.json into\n"
      "out/<experiment name>_train, or into --out. Interrupted, it goes on where it was.");

  CLI::App* accuracy = app.add_subcommand(
      "accuracy", "accuracy on the same images in real numbers, in integers and on the chip");
  add_experiment_options(*accuracy, result, values);
  accuracy->add_option("--split", result.split, "whose images")
      ->check(CLI::IsMember({"train", "validation", "test"}))
      ->type_name("train|validation|test");
  accuracy->add_option("--images", result.image_limit, "the first so many; 0: all")
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{1} << 40))
      ->type_name("N");
  accuracy->add_option("--seeds", result.seeds, "draws of devices that vary")
      ->check(CLI::Range(1, 100'000))
      ->type_name("N");
  accuracy
      ->add_option("--sweep",
                   result.sweep,
                   "the chip's accuracy for several values of one key, or of some together")
      ->type_name("PATH=V1,V2,...|PATH=FIRST:LAST");
  accuracy->footer(
      "Writes accuracy.json, answers.csv and the sweep's table and plot into\n"
      "out/<experiment name>_accuracy, or into --out.");

  CLI::App* sensitivity = app.add_subcommand(
      "sensitivity", "what narrow widths of each layer cost, as a table for tessera map");
  add_experiment_options(*sensitivity, result, values);
  sensitivity
      ->add_option(
          "--by",
          result.by,
          "measured: accuracy lost, layer by layer; noise: of quantization; hessian: trace "
          "of the loss's second derivatives")
      ->check(CLI::IsMember({"measured", "noise", "hessian"}))
      ->type_name("measured|noise|hessian");
  sensitivity->add_option("--samples", result.samples, "hessian: random vectors")
      ->check(CLI::Range(1, 1'000'000))
      ->type_name("N");
  sensitivity->footer(
      "Writes sensitivity.csv into out/<experiment name>_sensitivity, or into --out; a search\n"
      "reads it by accuracy: {source: table, file: sensitivity.csv}.");

  CLI::App* import = app.add_subcommand(
      "import", "show what an ONNX file becomes: layers, shapes, MACs, parameters");
  import->add_option("MODEL", result.names, "ONNX file, as torch.onnx.export writes it");
  import->add_flag("--json", result.json, "print JSON");
  import->footer("An experiment uses it by network: {onnx: model.onnx}.");

  CLI::App* data =
      app.add_subcommand("data", "read and check the images of an experiment, and show its splits");
  data->add_option("EXPERIMENT", result.names, "experiment file (YAML) with a section data:");
  add_set_option(*data, result);
  data->add_flag("--json", result.json, "print JSON");

  CLI::App* ap = app.add_subcommand(
      "ap", "run a program of an associative processor on random inputs: bits, cycles, energy");
  ap->add_option("PROGRAM", result.names, "program (.apasm)");
  ap->add_option("--program", result.program, "which one of a file of several")->type_name("NAME");
  ap->add_option("--chip", result.chip, "file with chip.tile.pe; the kind's defaults without it")
      ->type_name("FILE");
  add_set_option(*ap, result);
  ap->add_option("--rows", result.rows, "rows in use; all without it")
      ->check(CLI::Range(std::int64_t{1}, kMostRows))
      ->type_name("N");
  ap->add_option("--seed", result.seed, "of the inputs")
      ->check(CLI::Range(std::int64_t{0}, kLargestSeed))
      ->type_name("N");
  ap->add_option("--trace", result.trace, "write a Chrome/Perfetto trace; .json or .json.gz")
      ->type_name("FILE");
  ap->add_flag("--json", result.json, "print JSON");
  ap->footer("Programs are described in arch/rtm_ap/program.hpp.");

  CLI::App* compile = app.add_subcommand(
      "compile", "make programs of associative processors from the layers of a network");
  compile->add_option("FILE", result.names, "network, chip and compile options (YAML)");
  compile->add_option("--set", result.sets, "override a value, e.g. compile.a_bits=8; repeatable")
      ->type_name("PATH=VALUE")
      ->expected(1)
      ->take_all();
  compile->add_option("--layer", result.layer, "only that layer")->type_name("NAME");
  compile->add_option("--emit", result.emit, "write the programs: a folder, or one .apasm file")
      ->type_name("PATH");
  compile->add_flag(
      "--verify", result.verify, "run every program with real bits against the golden reference");
  compile
      ->add_option("--replay",
                   result.replay,
                   "run what --emit wrote, edited or not, against the golden reference")
      ->type_name("PATH");
  compile->add_flag("--json", result.json, "print JSON");
  compile->footer("tessera ap runs a program that --emit wrote.");

  CLI::App* explain = app.add_subcommand(
      "explain", "what a kind, a configuration key or an error code means; alone: what there is");
  explain->add_option(
      "WHAT", result.names, "crossbar, chip.tile.bus.width, E-CFG-UNKNOWN-KEY, ...");
  explain->add_flag("--schema", result.schema, "print the JSON schema of an experiment");

  CLI::App* list = app.add_subcommand("list", "networks, kinds, chips, experiments or searches");
  list->add_option("WHAT", result.names, "networks | kinds | chips | experiments | searches");
  for (CLI::App* command : app.get_subcommands({})) {
    command->allow_extras();
  }

  std::optional<CLI::ParseError> broken;
  const auto fail = [&](const CLI::ParseError& error, const CLI::Option* option) {
    Diagnostic d;
    d.code = "E-CLI-ARGUMENT";
    d.sentence = error.what();
    std::replace(d.sentence.begin(), d.sentence.end(), '\n', ' ');
    d.at = option == nullptr ? line.end() : line.of_option(option->get_name());
    d.path = "command line";
    d.expected = option == nullptr ? "options as in tessera --help" : usage(*option);
    d.got = quote(fmt::format(
        "{}", fmt::join(option == nullptr ? result.arguments : option->results(), " ")));
    diagnostics.error(std::move(d));
  };
  try {
    std::vector<std::string> reversed(result.arguments.rbegin(), result.arguments.rend());
    app.parse(reversed);
  } catch (const CLI::CallForHelp&) {
    for (CLI::App* command : app.get_subcommands({})) {
      if (command->parsed()) {
        result.text = command->help();
        return result;
      }
    }
    result.text = app.help();
    return result;
  } catch (const CLI::CallForVersion&) {
    result.text = version_text() + "\n";
    return result;
  } catch (const CLI::ParseError& error) {
    broken = error;
  }

  CLI::App* chosen = nullptr;
  const std::vector<std::pair<CLI::App*, Command>> commands = {{run, Command::run},
                                                               {compare, Command::compare},
                                                               {map, Command::map},
                                                               {validate, Command::validate},
                                                               {train, Command::train},
                                                               {accuracy, Command::accuracy},
                                                               {sensitivity, Command::sensitivity},
                                                               {import, Command::import_onnx},
                                                               {data, Command::data},
                                                               {ap, Command::run_ap},
                                                               {compile, Command::compile_ap},
                                                               {explain, Command::explain},
                                                               {list, Command::list}};
  for (const auto& [command, which] : commands) {
    if (command->parsed()) {
      chosen = command;
      result.command = which;
    }
  }
  if (chosen != nullptr) {
    const std::vector<std::string> without_value =
        report_no_values(line, result.arguments, *chosen, diagnostics);
    // The parser stops at the first wrong value: the others are asked one by one.
    bool found = !without_value.empty();
    for (CLI::Option* option : broken ? chosen->get_options() : std::vector<CLI::Option*>()) {
      const auto reported =
          std::find(without_value.begin(), without_value.end(), option->get_name());
      if (option->count() == 0 || reported != without_value.end()) {
        continue;
      }
      try {
        option->run_callback();
      } catch (const CLI::ParseError& error) {
        fail(error, option);
        found = true;
      }
    }
    if (broken && !found) {
      fail(*broken, nullptr);
    }
    if (!broken && !found) {
      report_idle(result, line, diagnostics);
    }
  } else if (broken) {
    fail(*broken, nullptr);
  }

  std::vector<std::string> rest = app.remaining(true);
  if (chosen == nullptr) {
    std::vector<std::string> names;
    names.reserve(commands.size());
    for (const auto& [command, which] : commands) {
      names.push_back(command->get_name());
    }
    if (rest.empty() && diagnostics.ok()) {
      report_missing(line, "no command is given", "one of: " + join_keys(names), diagnostics);
    }
    for (const std::string& word : rest) {
      const bool option = word.rfind('-', 0) == 0;
      report_unknown(line,
                     option ? "E-CLI-OPTION" : "E-CLI-COMMAND",
                     option ? "unknown option" : "unknown command",
                     word,
                     option ? option_names(app) : names,
                     diagnostics);
      if (!option) {
        break;  // what follows belongs to the command
      }
    }
    return result;
  }
  for (const std::string& word : rest) {
    if (word.rfind('-', 0) == 0) {
      report_unknown(
          line, "E-CLI-OPTION", "unknown option", word, option_names(*chosen), diagnostics);
      // Its value is no experiment.
      const auto stray =
          std::find_if(result.names.begin(), result.names.end(), [&](const std::string& name) {
            return line.follows(name, word);
          });
      if (stray != result.names.end()) {
        result.names.erase(stray);
      }
    }
  }

  constexpr std::array kOfExperiment{Command::run,
                                     Command::compare,
                                     Command::map,
                                     Command::validate,
                                     Command::train,
                                     Command::accuracy,
                                     Command::sensitivity,
                                     Command::data};
  const bool of_experiment =
      std::find(kOfExperiment.begin(), kOfExperiment.end(), result.command) != kOfExperiment.end();
  if (of_experiment && result.names.empty()) {
    report_missing(line, "no experiment is given", "the path of an experiment file", diagnostics);
  }
  if (result.command == Command::import_onnx && result.names.empty()) {
    report_missing(line, "no model is given", "the path of an ONNX file", diagnostics);
  }
  if (result.command == Command::run_ap && result.names.empty()) {
    report_missing(line, "no program is given", "the path of a program (.apasm)", diagnostics);
  }
  if (result.command == Command::compile_ap && result.names.empty()) {
    report_missing(line, "no network is given", "a file with network and compile", diagnostics);
  }
  if (result.command == Command::compare && result.names.size() == 1) {
    report_missing(line,
                   "there is nothing to compare with",
                   "the paths of two or more experiment files",
                   diagnostics);
  }
  const bool many = result.command == Command::validate || result.command == Command::compare;
  if (!many && result.names.size() > 1) {
    Diagnostic d;
    d.code = "E-CLI-ARGUMENT";
    d.sentence = fmt::format("one argument too many: {}", quote(result.names[1]));
    d.at = line.of(result.names[1]);
    d.path = "command line";
    d.expected = "one";
    d.got = std::to_string(result.names.size());
    diagnostics.error(std::move(d));
  }
  const auto report_both = [&](const std::string& one, const std::string& other) {
    Diagnostic d;
    d.code = "E-CLI-ARGUMENT";
    d.sentence = fmt::format("{} and {} are given", one, other);
    d.at = line.of(one);
    d.path = "command line";
    d.expected = "one of them";
    d.got = "both";
    diagnostics.error(std::move(d));
  };
  if (!result.emit_ap.empty() && !result.replay_ap.empty()) {
    report_both("--emit-ap", "--replay-ap");
  }
  if (!result.emit.empty() && !result.replay.empty()) {
    report_both("--emit", "--replay");
  }
  if (result.verify && !result.replay.empty()) {
    report_both("--verify", "--replay");
  }
  if (result.trace_from >= result.trace_to) {
    Diagnostic d;
    d.code = "E-CLI-ARGUMENT";
    d.sentence = "the trace is to end before it begins";
    d.at = line.of("--trace-to");
    d.path = "command line";
    d.expected = fmt::format("--trace-to above {}, which is --trace-from", result.trace_from);
    d.got = std::to_string(result.trace_to);
    diagnostics.error(std::move(d));
  }
  const auto assign = [&](const std::string& path, const std::string& value) {
    if (!value.empty()) {
      result.sets.push_back(fmt::format("{}={}", path, value));
    }
  };
  assign("execution.images", values.images);
  assign("execution.detail", values.detail);
  assign("execution.seed", values.seed);
  assign("search.method", values.method);
  assign("search.objective", values.objective);
  assign("search.rl.episodes", values.episodes);
  assign("search.simulate.feedback", values.feedback);
  return result;
}

}  // namespace tessera::tools
