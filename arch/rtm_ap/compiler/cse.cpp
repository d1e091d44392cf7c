// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "arch/rtm_ap/compiler/cse.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <queue>
#include <utility>

namespace tessera::arch::rtm_ap {
namespace {

/// Pairs of nodes, numbered so that those of a new node come last: later * (later - 1) / 2 +
/// earlier, and then the relative sign.
struct Pair {
  int earlier = 0;
  int later = 0;
  bool minus = false;

  [[nodiscard]] std::size_t index() const {
    const auto late = static_cast<std::size_t>(later);
    return (late * (late - 1) / 2 + static_cast<std::size_t>(earlier)) * 2 + (minus ? 1U : 0U);
  }
};

Pair pair_of(const Factor& x, const Factor& y) {
  return {std::min(x.node, y.node), std::max(x.node, y.node), x.negative != y.negative};
}

struct Candidate {
  int count = 0;
  Pair pair;

  /// The queue's top is the largest.
  bool operator<(const Candidate& other) const {
    if (count != other.count) {
      return count < other.count;
    }
    if (pair.minus != other.pair.minus) {
      return pair.minus;
    }
    return std::pair(pair.later, pair.earlier) > std::pair(other.pair.later, other.pair.earlier);
  }
};

class Eliminator {
 public:
  explicit Eliminator(Block block) : block_(std::move(block)) {}

  Block run() {
    hide_zeros();
    grow(block_.num_inputs());
    for (std::size_t s = 0; s < block_.sums.size(); ++s) {
      const std::vector<Factor>& terms = block_.sums[s].terms;
      for (std::size_t i = 0; i < terms.size(); ++i) {
        users_[static_cast<std::size_t>(terms[i].node)].push_back(s);
        for (std::size_t j = 0; j < i; ++j) {
          ++count_[pair_of(terms[i], terms[j]).index()];
        }
      }
    }
    for (int later = 1; later < num_nodes_; ++later) {
      offer_pairs_of(later);
    }
    while (!queue_.empty()) {
      const Candidate best = queue_.top();
      queue_.pop();
      const int now = count_[best.pair.index()];
      if (now < best.count) {
        offer(best.pair, now);  // it was more frequent when it came into the queue
      } else {
        share(best.pair);
      }
    }
    show_zeros();
    return std::move(block_);
  }

 private:
  void grow(int nodes) {
    num_nodes_ = nodes;
    const auto n = static_cast<std::size_t>(nodes);
    users_.resize(n);
    count_.resize(n * (n - 1));
  }

  void offer(const Pair& pair, int count) {
    if (count >= 2) {
      queue_.push({count, pair});
    }
  }

  void offer_pairs_of(int later) {
    for (int earlier = 0; earlier < later; ++earlier) {
      for (const bool minus : {false, true}) {
        const Pair pair{earlier, later, minus};
        offer(pair, count_[pair.index()]);
      }
    }
  }

  /// The pair becomes a node in all sums that contain it.
  void share(const Pair& pair) {
    const int node = num_nodes_;
    grow(node + 1);
    block_.temps.push_back({pair.earlier, pair.later, pair.minus});
    for (const std::size_t s : users_[static_cast<std::size_t>(pair.earlier)]) {
      std::vector<Factor>& terms = block_.sums[s].terms;
      const auto a = find(terms, pair.earlier);
      const auto b = find(terms, pair.later);
      if (a == terms.end() || b == terms.end() || (a->negative != b->negative) != pair.minus) {
        continue;
      }
      const Factor first = *a;
      const Factor second = *b;
      // (earlier +- later), with the sign that earlier has in the sum.
      const Factor shared{node, first.negative};
      terms.erase(std::max(a, b));
      terms.erase(std::min(a, b));
      --count_[pair.index()];
      for (const Factor& other : terms) {
        --count_[pair_of(first, other).index()];
        --count_[pair_of(second, other).index()];
        ++count_[pair_of(shared, other).index()];
      }
      terms.push_back(shared);
      users_[static_cast<std::size_t>(node)].push_back(s);
    }
    offer_pairs_of(node);
  }

  static std::vector<Factor>::iterator find(std::vector<Factor>& terms, int node) {
    return std::find_if(
        terms.begin(), terms.end(), [node](const Factor& f) { return f.node == node; });
  }

  /// Unfolded zeros are nothing to share: they wait outside.
  void hide_zeros() {
    if (block_.inputs.empty() || block_.inputs.back() != kZeroInput) {
      return;
    }
    const int zero = block_.num_inputs() - 1;
    for (Sum& sum : block_.sums) {
      const auto end = std::remove_if(
          sum.terms.begin(), sum.terms.end(), [zero](const Factor& f) { return f.node == zero; });
      zeros_.push_back(static_cast<std::size_t>(sum.terms.end() - end));
      sum.terms.erase(end, sum.terms.end());
    }
  }

  void show_zeros() {
    const int zero = block_.num_inputs() - 1;
    for (std::size_t s = 0; s < zeros_.size(); ++s) {
      std::vector<Factor>& terms = block_.sums[s].terms;
      terms.insert(terms.end(), zeros_[s], Factor{zero, false});
    }
  }

  Block block_;
  int num_nodes_ = 0;
  std::vector<std::vector<std::size_t>> users_;  ///< sums that once contained the node
  std::vector<int> count_;                       ///< sums that contain a pair, by its index
  std::priority_queue<Candidate> queue_;
  std::vector<std::size_t> zeros_;  ///< per sum, when zeros are not folded
};

}  // namespace

Block eliminate_common_pairs(Block block) {
  return Eliminator(std::move(block)).run();
}

}  // namespace tessera::arch::rtm_ap
