// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "sim/base/product.hpp"

// A function for a target may use its instructions whatever the rest of the program is compiled
// for. The bodies are inlined into it, so one text serves all instruction sets.
namespace tessera {
namespace {

/// Lanes values of T as one vector, at any address.
template <class T, int Lanes>
struct Vector {
  using Type __attribute__((vector_size(Lanes * sizeof(T)), aligned(alignof(T)), may_alias)) = T;
};

/// c[Vectors * Lanes][Cols]: all sums stay in registers.
template <class T, int Lanes, int Vectors, int Cols>
[[gnu::always_inline]] inline void tile(std::ptrdiff_t rows,
                                        std::ptrdiff_t inner,
                                        const T* a,
                                        const T* b,
                                        std::ptrdiff_t down,
                                        std::ptrdiff_t right,
                                        T* c) {
  using V = typename Vector<T, Lanes>::Type;
  // NOLINTBEGIN(modernize-avoid-c-arrays): registers; std::array drops the attributes of V
  V sum[Cols][Vectors] = {};
  for (std::ptrdiff_t k = 0; k < inner; ++k) {
    V column[Vectors];
    for (int v = 0; v < Vectors; ++v) {
      column[v] = *reinterpret_cast<const V*>(a + k * rows + v * Lanes);
    }
    for (int n = 0; n < Cols; ++n) {
      const T factor = b[k * down + n * right];
      for (int v = 0; v < Vectors; ++v) {
        sum[n][v] += column[v] * factor;
      }
    }
  }
  for (int n = 0; n < Cols; ++n) {
    for (int v = 0; v < Vectors; ++v) {
      *reinterpret_cast<V*>(c + n * rows + v * Lanes) = sum[n][v];
    }
  }
  // NOLINTEND(modernize-avoid-c-arrays)
}

/// c in panels of Vectors * Lanes rows, of which there are enough. The last panel overlaps the one
/// before when they do not divide the rows: that computes some elements twice, to the same bits.
template <class T, int Lanes, int Vectors, int Cols>
[[gnu::always_inline]] inline void panels(std::ptrdiff_t rows,
                                          std::ptrdiff_t cols,
                                          std::ptrdiff_t inner,
                                          const T* a,
                                          const Operand<T>& b,
                                          T* c) {
  constexpr std::ptrdiff_t kHeight = std::ptrdiff_t{Vectors} * Lanes;
  for (std::ptrdiff_t row = 0; row < rows; row += kHeight) {
    const std::ptrdiff_t top = row + kHeight <= rows ? row : rows - kHeight;
    std::ptrdiff_t col = 0;
    for (; col + Cols <= cols; col += Cols) {
      tile<T, Lanes, Vectors, Cols>(
          rows, inner, a + top, b.data + col * b.right, b.down, b.right, c + top + col * rows);
    }
    for (; col < cols; ++col) {
      tile<T, Lanes, Vectors, 1>(
          rows, inner, a + top, b.data + col * b.right, b.down, b.right, c + top + col * rows);
    }
  }
}

/// The widest panels that fit.
template <class T, int Bytes, int Vectors, int Cols>
[[gnu::always_inline]] inline void product_body(std::ptrdiff_t rows,
                                                std::ptrdiff_t cols,
                                                std::ptrdiff_t inner,
                                                const T* a,
                                                const Operand<T>& b,
                                                T* c) {
  constexpr int kLanes = Bytes / static_cast<int>(sizeof(T));
  constexpr int kFewLanes = 16 / static_cast<int>(sizeof(T));
  if (rows >= std::ptrdiff_t{Vectors} * kLanes) {
    panels<T, kLanes, Vectors, Cols>(rows, cols, inner, a, b, c);
  } else if (rows >= kLanes) {
    panels<T, kLanes, 1, Cols>(rows, cols, inner, a, b, c);
  } else if (rows >= kFewLanes) {
    panels<T, kFewLanes, 1, Cols>(rows, cols, inner, a, b, c);
  } else {
    panels<T, 1, 1, Cols>(rows, cols, inner, a, b, c);
  }
}

template <class T>
void product_base(std::ptrdiff_t rows,
                  std::ptrdiff_t cols,
                  std::ptrdiff_t inner,
                  const T* a,
                  const Operand<T>& b,
                  T* c) {
  product_body<T, 16, 2, 4>(rows, cols, inner, a, b, c);
}

#if defined(__x86_64__)

template <class T>
[[gnu::target("avx2")]] void product_avx2(std::ptrdiff_t rows,
                                          std::ptrdiff_t cols,
                                          std::ptrdiff_t inner,
                                          const T* a,
                                          const Operand<T>& b,
                                          T* c) {
  product_body<T, 32, 2, 6>(rows, cols, inner, a, b, c);
}

template <class T>
[[gnu::target("avx512f")]] void product_avx512(std::ptrdiff_t rows,
                                               std::ptrdiff_t cols,
                                               std::ptrdiff_t inner,
                                               const T* a,
                                               const Operand<T>& b,
                                               T* c) {
  product_body<T, 64, 4, 6>(rows, cols, inner, a, b, c);
}

#endif

}  // namespace

template <class T>
void product_on(Isa isa,
                std::ptrdiff_t rows,
                std::ptrdiff_t cols,
                std::ptrdiff_t inner,
                const T* a,
                Operand<T> b,
                T* c) {
#if defined(__x86_64__)
  if (isa >= Isa::avx512) {
    product_avx512(rows, cols, inner, a, b, c);
    return;
  }
  if (isa == Isa::avx2) {
    product_avx2(rows, cols, inner, a, b, c);
    return;
  }
#endif
  static_cast<void>(isa);
  product_base(rows, cols, inner, a, b, c);
}

template <class T>
void product(std::ptrdiff_t rows,
             std::ptrdiff_t cols,
             std::ptrdiff_t inner,
             const T* a,
             Operand<T> b,
             T* c) {
  product_on(best_isa(), rows, cols, inner, a, b, c);
}

template void product<float>(
    std::ptrdiff_t, std::ptrdiff_t, std::ptrdiff_t, const float*, Operand<float>, float*);
template void product_on<float>(
    Isa, std::ptrdiff_t, std::ptrdiff_t, std::ptrdiff_t, const float*, Operand<float>, float*);
template void product<double>(
    std::ptrdiff_t, std::ptrdiff_t, std::ptrdiff_t, const double*, Operand<double>, double*);
template void product_on<double>(
    Isa, std::ptrdiff_t, std::ptrdiff_t, std::ptrdiff_t, const double*, Operand<double>, double*);
template void product<std::int32_t>(std::ptrdiff_t,
                                    std::ptrdiff_t,
                                    std::ptrdiff_t,
                                    const std::int32_t*,
                                    Operand<std::int32_t>,
                                    std::int32_t*);
template void product_on<std::int32_t>(Isa,
                                       std::ptrdiff_t,
                                       std::ptrdiff_t,
                                       std::ptrdiff_t,
                                       const std::int32_t*,
                                       Operand<std::int32_t>,
                                       std::int32_t*);
template void product<std::int64_t>(std::ptrdiff_t,
                                    std::ptrdiff_t,
                                    std::ptrdiff_t,
                                    const std::int64_t*,
                                    Operand<std::int64_t>,
                                    std::int64_t*);
template void product_on<std::int64_t>(Isa,
                                       std::ptrdiff_t,
                                       std::ptrdiff_t,
                                       std::ptrdiff_t,
                                       const std::int64_t*,
                                       Operand<std::int64_t>,
                                       std::int64_t*);

}  // namespace tessera
