// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "tools/tessera/train_program.hpp"

#include "sim/base/diagnostics.hpp"
#include "tools/tessera/interrupts.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <system_error>
#include <utility>

namespace tessera::tools {

std::optional<std::string> train_program() {
  std::error_code error;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  const std::filesystem::path program = self.parent_path() / "tessera-train";
  if (error || access(program.c_str(), X_OK) != 0) {
    return std::nullopt;
  }
  return program.string();
}

std::string require_train_program() {
  if (std::optional<std::string> program = train_program()) {
    return *std::move(program);
  }
  Diagnostic d;
  d.code = "E-TRAIN-PROGRAM";
  d.sentence = "training needs the program tessera-train, which this build came without";
  d.path = "tessera-train";
  d.expected = "an executable beside tessera";
  d.got = "none";
  d.hint = "install libtorch-dev and build again with -DTESSERA_WITH_TORCH=ON";
  Diagnostics diagnostics;
  diagnostics.error(std::move(d));
  throw InputError(std::move(diagnostics), 2);
}

int call_train_program(const std::vector<std::string>& arguments, bool silent) {
  std::vector<std::string> words = arguments;
  words.insert(words.begin(), require_train_program());
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (std::string& word : words) {
    argv.push_back(word.data());
  }
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  if (silent) {
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  }
  HeldInterrupts interrupts;
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  const sigset_t mask = interrupts.of_child();
  posix_spawnattr_setsigmask(&attributes, &mask);
  std::fflush(nullptr);
  pid_t child = -1;
  const int failed = posix_spawn(&child, argv[0], &actions, &attributes, argv.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) {
    throw InternalError("train program", -1, std::generic_category().message(failed));
  }
  const int status = interrupts.wait_for(child);
  if (!WIFEXITED(status)) {
    if (!interrupts.interrupted()) {
      std::fprintf(stderr, "tessera-train was killed by signal %d\n", WTERMSIG(status));
    }
    return 70;
  }
  return WEXITSTATUS(status);
}

std::string evaluate_command(const Experiment& experiment,
                             const std::vector<std::string>& sets,
                             const std::string& cache) {
  std::vector<std::string> words{
      require_train_program(), "evaluate", experiment.path, "--quiet", "--cache", cache};
  if (!experiment.weights_file.empty()) {
    words.insert(words.end(), {"--model", experiment.weights_file});
  }
  for (const std::string& set : sets) {
    words.insert(words.end(), {"--set", set});
  }
  const auto quoted = [](const std::string& word) {
    std::string out = "'";
    for (const char c : word) {
      out += c == '\'' ? std::string("'\\''") : std::string(1, c);
    }
    return out + "'";
  };
  std::string command = "exec";
  for (const std::string& word : words) {
    command += " " + quoted(word);
  }
  return command;
}

}  // namespace tessera::tools
