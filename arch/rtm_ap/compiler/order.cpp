// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "arch/rtm_ap/compiler/order.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <map>
#include <utility>

namespace tessera::arch::rtm_ap {
namespace {

class BlockOrder {
 public:
  BlockOrder(const Block& block,
             int number,
             int first_output,
             const std::vector<SumPlace>& places,
             std::map<int, int>& ports,
             std::vector<Statement>& out)
      : block_(block),
        number_(number),
        first_output_(first_output),
        places_(places),
        ports_(ports),
        out_(out),
        sums_(static_cast<std::size_t>(block.num_inputs()) + block.temps.size()),
        temps_(sums_.size()),
        defined_(sums_.size(), false) {}

  void run() {
    for (std::size_t s = 0; s < block_.sums.size(); ++s) {
      for (const Factor& term : block_.sums[s].terms) {
        sums_[at(term.node)].push_back({s, term.negative});
      }
    }
    for (std::size_t t = 0; t < block_.temps.size(); ++t) {
      const int node = block_.num_inputs() + static_cast<int>(t);
      temps_[at(block_.temps[t].a)].push_back(node);
      temps_[at(block_.temps[t].b)].push_back(node);
    }
    for (int node = 0; node < block_.num_inputs(); ++node) {
      defined_[at(node)] = true;
    }
    for (int node = 0; node < block_.num_inputs(); ++node) {
      use(node);
    }
  }

 private:
  struct Use {
    std::size_t sum = 0;
    bool negative = false;
  };

  static std::size_t at(int node) { return static_cast<std::size_t>(node); }

  /// Everything that can be done once `node` is there, but for what waits for another operand.
  void use(int node) {
    accumulate(node);
    for (const int temp : temps_[at(node)]) {
      const Temp& t = block_.temps[at(temp - block_.num_inputs())];
      if (defined_[at(t.a)] && defined_[at(t.b)] && !defined_[at(temp)]) {
        defined_[at(temp)] = true;
        out_.push_back({Statement::Kind::define, false, number_, temp, 0, 0});
        use(temp);
      }
    }
  }

  void accumulate(int node) {
    std::vector<Use>& uses = sums_[at(node)];
    if (!places_.empty()) {
      order_uses(uses);
    }
    for (const Use& use : uses) {
      const Sum& sum = block_.sums[use.sum];
      out_.push_back(
          {Statement::Kind::accumulate, use.negative, number_, node, sum.output, sum.shift});
    }
  }

  [[nodiscard]] const SumPlace& place(const Use& use) const {
    return places_[at(block_.sums[use.sum].output - first_output_)];
  }

  /// Column by column, upwards from where the ports have the shortest way in all.
  void order_uses(std::vector<Use>& uses) {
    std::stable_sort(uses.begin(), uses.end(), [this](const Use& x, const Use& y) {
      return std::pair(place(x).column, place(x).level) <
             std::pair(place(y).column, place(y).level);
    });
    for (auto first = uses.begin(); first != uses.end();) {
      const int column = place(*first).column;
      const auto last = std::find_if(
          first, uses.end(), [&](const Use& use) { return place(use).column != column; });
      int& port = ports_.emplace(column, -1).first->second;
      auto best = first;
      int shortest = -1;
      for (auto start = first; start != last; ++start) {
        if (start != first && place(*start).level == place(*(start - 1)).level) {
          continue;  // planes of one sum stay together
        }
        int way = 0;  // in fields
        int now = port;
        for (auto use = start; use != last; ++use) {
          way += std::abs(place(*use).level - now - 1);
          now = place(*use).level;
        }
        for (auto use = first; use != start; ++use) {
          way += std::abs(place(*use).level - now - 1);
          now = place(*use).level;
        }
        if (shortest < 0 || way < shortest) {
          shortest = way;
          best = start;
        }
      }
      std::rotate(first, best, last);
      port = place(*(last - 1)).level;
      first = last;
    }
  }

  const Block& block_;
  int number_;
  int first_output_;
  const std::vector<SumPlace>& places_;
  std::map<int, int>& ports_;  ///< column -> level that was visited last
  std::vector<Statement>& out_;
  std::vector<std::vector<Use>> sums_;   ///< by node
  std::vector<std::vector<int>> temps_;  ///< temporaries that a node is an operand of
  std::vector<bool> defined_;
};

}  // namespace

std::vector<Statement> order_statements(const std::vector<Block>& blocks,
                                        int first_output,
                                        const std::vector<SumPlace>& places,
                                        const std::vector<int>& partials) {
  std::vector<Statement> out;
  std::map<int, int> ports;
  std::vector<int> since_flush(partials.size(), 0);
  for (std::size_t b = 0; b < blocks.size(); ++b) {
    BlockOrder(blocks[b], static_cast<int>(b), first_output, places, ports, out).run();
    const bool is_last = b + 1 == blocks.size();
    bool flushed = true;  // the level below
    for (std::size_t l = 0; l < partials.size(); ++l) {
      since_flush[l] += flushed ? 1 : 0;
      flushed = is_last || since_flush[l] == partials[l];
      if (flushed) {
        out.push_back(
            {Statement::Kind::flush, false, static_cast<int>(b), static_cast<int>(l), 0, 0});
        since_flush[l] = 0;
      }
    }
  }
  return out;
}

}  // namespace tessera::arch::rtm_ap
