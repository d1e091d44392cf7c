// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The program: command line in, exit status out.
///
/// Exit status  0 ok, 1 a self-check failed, 2 bad input, 3 deadlock, 4 the mapping does not fit,
///              70 internal error
#include "sim/base/diagnostics.hpp"
#include "sim/engine/simulation.hpp"
#include "tools/tessera/accuracy.hpp"
#include "tools/tessera/ap.hpp"
#include "tools/tessera/command_line.hpp"
#include "tools/tessera/compare.hpp"
#include "tools/tessera/compile.hpp"
#include "tools/tessera/data.hpp"
#include "tools/tessera/explain.hpp"
#include "tools/tessera/import.hpp"
#include "tools/tessera/map.hpp"
#include "tools/tessera/run.hpp"
#include "tools/tessera/sensitivity.hpp"
#include "tools/tessera/training.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <new>
#include <string>

namespace tessera::tools {
namespace {

int dispatch(const CommandLine& line, const Diagnostics& diagnostics) {
  if (!line.text.empty()) {
    std::fputs(line.text.c_str(), stdout);
    return 0;
  }
  switch (line.command) {
    case Command::run:
    case Command::validate:
      return run_experiment(line, diagnostics);
    case Command::compare:
      return compare_experiments(line, diagnostics);
    case Command::map:
      return map_experiment(line, diagnostics);
    case Command::train:
      return train_experiment(line, diagnostics);
    case Command::accuracy:
      return accuracy_experiment(line, diagnostics);
    case Command::sensitivity:
      return sensitivity_of_experiment(line, diagnostics);
    case Command::import_onnx:
      diagnostics.throw_if_any();
      std::fputs((line.json ? import_json : import_text)(line.names.front()).c_str(), stdout);
      return 0;
    case Command::data:
      diagnostics.throw_if_any();
      std::fputs((line.json ? data_json : data_text)(line.names.front(), line.sets).c_str(),
                 stdout);
      return 0;
    case Command::run_ap:
      return run_ap(line, diagnostics);
    case Command::compile_ap:
      return compile_network(line, diagnostics);
    case Command::explain:
      diagnostics.throw_if_any();
      if (line.schema) {
        std::fputs(experiment_schema().c_str(), stdout);
      } else {
        std::fputs((line.names.empty() ? explain_overview() : explain(line.names.front())).c_str(),
                   stdout);
      }
      return 0;
    case Command::list:
      diagnostics.throw_if_any();
      std::fputs(list(line.names.empty() ? "" : line.names.front()).c_str(), stdout);
      return 0;
    case Command::none:
      diagnostics.throw_if_any();
  }
  return 0;
}

int guarded(const CommandLine& line, const Diagnostics& diagnostics) {
  try {
    return dispatch(line, diagnostics);
  } catch (const InputError& error) {
    std::fputs(error.what(), stderr);
    return error.exit_status();
  } catch (const engine::DeadlockError& error) {
    std::fprintf(stderr, "error[deadlock]: %s\n", error.what());
    return 3;
  } catch (const std::bad_alloc&) {
    std::fputs("internal error: out of memory\n", stderr);
    return 70;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 70;
  }
}

/// The simulation kernel is global to a process: one process per experiment.
int run_each(const CommandLine& line, const Diagnostics& diagnostics) {
  int worst = 0;
  for (const std::string& name : line.names) {
    CommandLine one = line;
    one.names = {name};
    std::fflush(nullptr);
    const pid_t child = fork();
    if (child < 0) {
      std::fputs("internal error: cannot start another process\n", stderr);
      return 70;
    }
    if (child == 0) {
      if (!one.json && !one.quiet) {
        std::printf("== %s\n", name.c_str());
      }
      const int status = guarded(one, diagnostics);
      std::fflush(nullptr);
      _exit(status);
    }
    int status = 0;
    waitpid(child, &status, 0);
    worst = std::max(worst, WIFEXITED(status) ? WEXITSTATUS(status) : 70);
  }
  return worst;
}

}  // namespace
}  // namespace tessera::tools

int main(int argc, char** argv) {
  using namespace tessera::tools;
  tessera::Diagnostics diagnostics;
  const CommandLine line = parse_command_line(argc, argv, diagnostics);
  if (line.command == Command::validate && line.names.size() > 1 && diagnostics.ok()) {
    return run_each(line, diagnostics);
  }
  return guarded(line, diagnostics);
}
