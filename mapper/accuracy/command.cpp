// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "mapper/accuracy/command.hpp"

#include "mapper/accuracy/shell.hpp"
#include "sim/base/text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <cstddef>
#include <cstring>
#include <utility>

namespace tessera::mapper {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kQuotedLog = 400;

/// The end of a command's standard error, as a hint.
std::string log_hint(std::string log) {
  while (!log.empty() && (log.back() == '\n' || log.back() == '\r')) {
    log.pop_back();
  }
  if (log.empty()) {
    return "it wrote nothing to standard error";
  }
  if (log.size() > kQuotedLog) {
    log.erase(0, log.size() - kQuotedLog);
    log.insert(0, "...");
  }
  return "standard error ends with: " + log;
}

/// What a shell's exit status says about the program it ran.
std::string meaning(int status) {
  if (status == 127) {
    return ": the shell finds no such program";
  }
  return status > 128 ? fmt::format(": the program was killed by signal {}", status - 128) : "";
}

[[noreturn]] void fail(const Position& at,
                       std::string code,
                       std::string sentence,
                       std::string expected,
                       std::string got,
                       std::string hint) {
  Diagnostics diagnostics;
  diagnostics.error({std::move(code),
                     std::move(sentence),
                     at,
                     "search.accuracy.command",
                     std::move(expected),
                     std::move(got),
                     std::move(hint),
                     {}});
  throw InputError(std::move(diagnostics), 2);
}

/// The number that the output consists of or has as "accuracy".
std::optional<double> number_in(const std::string& output) {
  const Json json = Json::parse(output, nullptr, false);
  if (json.is_number()) {
    return json.get<double>();
  }
  if (json.is_object() && json.contains("accuracy") && json["accuracy"].is_number()) {
    return json["accuracy"].get<double>();
  }
  return std::nullopt;
}

}  // namespace

CommandAccuracy::CommandAccuracy(const Network& network,
                                 const LayerWidths& widths,
                                 CommandOptions options)
    : network_(network.name), options_(std::move(options)) {
  for (const LayerId id : matrix_layers(network)) {
    layers_.push_back(network.layer(id).name);
  }
  for (const std::vector<LayerBits>& layer : widths) {
    widest_.push_back(widest(layer));
  }
}

double CommandAccuracy::loss(std::span<const LayerBits> bits) {
  if (!reference_) {
    const double accuracy_at_widest = accuracy(widest_);
    if (accuracy_at_widest <= 1) {
      fail(options_.at,
           "E-ACC-OUTPUT",
           "the accuracy at the widest widths is 1 % or less",
           "percent",
           format_number(accuracy_at_widest),
           "print 71.3 and not 0.713");
    }
    reference_ = accuracy_at_widest;
  }
  return *reference_ - accuracy(bits);
}

double CommandAccuracy::accuracy(std::span<const LayerBits> bits) {
  std::vector<int> key;
  for (const LayerBits layer : bits) {
    key.push_back(layer.w_bits);
    key.push_back(layer.a_bits);
  }
  const auto found = known_.find(key);
  if (found != known_.end()) {
    return found->second;
  }
  ++runs_;
  return known_.emplace(std::move(key), ask(bits)).first->second;
}

std::string CommandAccuracy::request(std::span<const LayerBits> bits) const {
  nlohmann::ordered_json layers = nlohmann::ordered_json::array();
  for (std::size_t m = 0; m < bits.size(); ++m) {
    layers.push_back(
        {{"name", layers_[m]}, {"w_bits", bits[m].w_bits}, {"a_bits", bits[m].a_bits}});
  }
  const nlohmann::ordered_json all{{"network", network_}, {"layers", std::move(layers)}};
  return all.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

double CommandAccuracy::ask(std::span<const LayerBits> bits) const {
  using End = ShellOutcome::End;
  const ShellLimits limits{options_.timeout};
  const ShellOutcome run = run_shell(options_.command, request(bits), limits);
  const auto refuse =
      [&](std::string code, std::string sentence, std::string expected, std::string got) {
        fail(options_.at,
             std::move(code),
             std::move(sentence),
             std::move(expected),
             std::move(got),
             log_hint(run.log));
      };
  switch (run.end) {
    case End::exited:
      if (run.status != 0) {
        refuse("E-ACC-COMMAND",
               "the accuracy command failed",
               "exit status 0",
               fmt::format("exit status {}{}", run.status, meaning(run.status)));
      }
      break;
    case End::signalled:
      refuse("E-ACC-COMMAND",
             "the accuracy command was killed",
             "exit status 0",
             fmt::format("signal {}", run.status));
      break;
    case End::timed_out:
      refuse("E-ACC-TIMEOUT",
             "the accuracy command takes too long",
             fmt::format("an answer within {} s", format_number(options_.timeout)),
             "none; it was killed");
      break;
    case End::too_much_output:
      refuse("E-ACC-OUTPUT",
             "the accuracy command prints too much",
             fmt::format("one number, at most {} bytes", limits.output_bytes),
             "more; it was killed");
      break;
    case End::failure:
      refuse("E-ACC-COMMAND",
             "the accuracy command cannot be started",
             "a process",
             std::strerror(run.status));
      break;
  }
  const std::optional<double> number = number_in(run.output);
  if (!number || !(*number >= 0 && *number <= 100)) {
    refuse("E-ACC-OUTPUT",
           number ? "the accuracy is out of range" : "the accuracy command prints no accuracy",
           "percent, 0 to 100: a number or {\"accuracy\": number}, alone on standard output",
           run.output.empty() ? "nothing" : quote(run.output));
  }
  return *number;
}

}  // namespace tessera::mapper
