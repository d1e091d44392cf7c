// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Products against the obvious loops, to the last bit, on every instruction set there is.
#include "sim/base/product.hpp"
#include "sim/base/rng.hpp"

#include <gtest/gtest.h>

#include <type_traits>
#include <vector>

namespace tessera {
namespace {

template <class T>
std::vector<T> random_values(Rng& rng, std::ptrdiff_t count) {
  std::vector<T> out(static_cast<std::size_t>(count));
  for (T& value : out) {
    value = std::is_integral_v<T> ? static_cast<T>(rng.uniform(-1000, 1000))
                                  : static_cast<T>(2 * rng.uniform01() - 1);
  }
  return out;
}

struct Size {
  std::ptrdiff_t rows;
  std::ptrdiff_t cols;
  std::ptrdiff_t inner;
};

template <class T>
void check_products() {
  Rng rng(1, "product");
  for (const Size& size : {Size{64, 300, 300},
                           {300, 11, 64},
                           {300, 300, 7},
                           {1, 300, 64},
                           {3, 5, 4},
                           {17, 7, 9},
                           {65, 13, 2}}) {
    const std::vector<T> a = random_values<T>(rng, size.rows * size.inner);
    const std::vector<T> b = random_values<T>(rng, size.inner * size.cols);
    for (const bool transposed : {false, true}) {
      const Operand<T> operand =
          transposed ? Operand<T>{b.data(), size.cols, 1} : Operand<T>{b.data(), 1, size.inner};
      std::vector<T> expected(static_cast<std::size_t>(size.rows * size.cols));
      for (std::ptrdiff_t c = 0; c < size.cols; ++c) {
        for (std::ptrdiff_t r = 0; r < size.rows; ++r) {
          T sum = 0;
          for (std::ptrdiff_t k = 0; k < size.inner; ++k) {
            sum += a[static_cast<std::size_t>(r + k * size.rows)] *
                   b[static_cast<std::size_t>(k * operand.down + c * operand.right)];
          }
          expected[static_cast<std::size_t>(r + c * size.rows)] = sum;
        }
      }
      for (const Isa isa : supported_isas()) {
        std::vector<T> got(expected.size());
        product_on(isa, size.rows, size.cols, size.inner, a.data(), operand, got.data());
        EXPECT_EQ(got, expected) << size.rows << "x" << size.cols << "x" << size.inner;
      }
    }
  }
}

TEST(Product, HasTheSameBitsOnEveryInstructionSet) {
  check_products<float>();
  check_products<double>();
  check_products<std::int32_t>();
  check_products<std::int64_t>();
}

}  // namespace
}  // namespace tessera
