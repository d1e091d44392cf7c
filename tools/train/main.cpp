// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// tessera-train: what needs torch. A program of its own, so that `tessera` neither links nor loads
/// it.
///
/// Exit status  0 ok, 2 bad input, 70 internal error
#include "sim/base/diagnostics.hpp"
#include "tools/train/measure.hpp"
#include "tools/train/session.hpp"
#include "workloads/train/trainer.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <cstdio>
#include <exception>
#include <new>

namespace tessera::tools {
namespace {

using Action = int (*)(const TrainLine&);

void add_common(CLI::App& command, TrainLine& line) {
  command.add_option("EXPERIMENT", line.experiment, "experiment file (YAML)")->required();
  command.add_option("--set", line.sets, "override a value, e.g. train.seed=2; repeatable")
      ->type_name("PATH=VALUE")
      ->expected(1)
      ->take_all();
  command.add_option("--model", line.model, "trained weights (NPZ)")->type_name("FILE");
  command.add_flag("--quiet", line.quiet, "nothing but results");
}

int run(int argc, char** argv) {
  TrainLine line;
  CLI::App app{"trains the network of an experiment, and measures trained ones"};
  app.require_subcommand(1);
  CLI::App* train = app.add_subcommand("train", "run the stages of the section train:");
  add_common(*train, line);
  train->add_option("--out", line.out, "folder for the results")->type_name("DIR");
  train->add_flag("--fresh", line.fresh, "do not go on from a checkpoint");
  train->add_option("--real", line.real, "where stages `from: real` start; default: --model")
      ->type_name("FILE");
  train
      ->add_option(
          "--part",
          line.part,
          "all stages; fixed: those before the first one with the mapping's widths; mapped: "
          "those from it on")
      ->check(CLI::IsMember({"all", "fixed", "mapped"}));
  CLI::App* evaluate_command = app.add_subcommand(
      "evaluate", "accuracy on the validation images for widths that come as JSON");
  add_common(*evaluate_command, line);
  evaluate_command->add_option("--cache", line.cache, "folder of answers")->type_name("DIR");
  evaluate_command->add_flag("--serve", line.serve, "one request per line until the input ends");
  CLI::App* predict_command =
      app.add_subcommand("predict", "outputs for all images of a split, real and fake-quantized");
  add_common(*predict_command, line);
  predict_command->add_option("--out", line.out, "file to write")->type_name("FILE");
  predict_command->add_option("--split", line.split, "train, validation or test")
      ->check(CLI::IsMember({"train", "validation", "test"}));
  CLI::App* hessian_command =
      app.add_subcommand("hessian", "traces of the Hessian per layer, for tessera map");
  add_common(*hessian_command, line);
  hessian_command->add_option("--out", line.out, "file to write")->type_name("FILE");
  hessian_command->add_option("--samples", line.samples, "random vectors")
      ->check(CLI::Range(1, 1'000'000));
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& done) {
    return app.exit(done);
  } catch (const CLI::ParseError& error) {
    Diagnostics diagnostics;
    Diagnostic d;
    d.code = "E-CLI-ARGUMENT";
    d.sentence = error.what();
    d.path = "tessera-train";
    d.expected = "see tessera-train --help";
    diagnostics.error(std::move(d));
    throw InputError(std::move(diagnostics), 2);
  }
  const Action action = train->parsed()              ? train_network
                        : evaluate_command->parsed() ? evaluate
                        : predict_command->parsed()  ? predict
                                                     : hessian;
  train::set_up_torch();
  return action(line);
}

}  // namespace
}  // namespace tessera::tools

int main(int argc, char** argv) {
  try {
    return tessera::tools::run(argc, argv);
  } catch (const tessera::InputError& error) {
    std::fputs(error.what(), stderr);
    return error.exit_status();
  } catch (const std::bad_alloc&) {
    std::fputs("internal error: out of memory\n", stderr);
    return 70;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 70;
  }
}
