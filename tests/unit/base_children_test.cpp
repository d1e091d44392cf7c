// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Does work in other processes come back in order, whatever happens to the processes?
#include "sim/base/children.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

namespace tessera {
namespace {

using Work = std::vector<std::function<std::string()>>;

TEST(Children, AnswersComeInTheOrderOfTheWork) {
  Work work;
  for (int i = 0; i < 6; ++i) {
    work.emplace_back([i] {
      usleep(static_cast<useconds_t>(20000 * (6 - i)));
      return std::string(static_cast<std::size_t>(i) * 100000, static_cast<char>('a' + i));
    });
  }
  std::size_t done = 0;
  ChildOptions options;
  options.jobs = 3;
  options.progress = [&](std::size_t n) { done = n; };
  const std::vector<ChildAnswer> answers = run_in_children(work, options);
  ASSERT_EQ(answers.size(), 6U);
  EXPECT_EQ(done, 6U);
  for (std::size_t i = 0; i < 6; ++i) {
    EXPECT_TRUE(answers[i].ok);
    EXPECT_EQ(answers[i].text, std::string(i * 100000, static_cast<char>('a' + i)));
  }
}

TEST(Children, WhatEndsOneDoesNotEndTheOthers) {
  const Work work = {
      []() -> std::string { throw std::runtime_error("no such thing"); },
      []() -> std::string {
        std::raise(SIGKILL);
        return "";
      },
      []() -> std::string {
        for (;;) {
          pause();
        }
      },
      []() -> std::string { return "fine"; },
  };
  ChildOptions options;
  options.jobs = 2;
  options.seconds = 0.5;
  const std::vector<ChildAnswer> answers = run_in_children(work, options);
  EXPECT_FALSE(answers[0].ok);
  EXPECT_EQ(answers[0].text, "no such thing");
  EXPECT_FALSE(answers[1].ok);
  EXPECT_EQ(answers[1].text, "ended by signal 9");
  EXPECT_FALSE(answers[2].ok);
  EXPECT_EQ(answers[2].text, "not done after 0.5 s");
  EXPECT_TRUE(answers[3].ok);
  EXPECT_EQ(answers[3].text, "fine");
}

}  // namespace
}  // namespace tessera
