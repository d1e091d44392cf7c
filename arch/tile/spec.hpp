// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// The tile around the PEs: shared bus, banked buffer, vector unit. All of it optional in the sense
/// that a width of 0 means "unlimited".
#pragma once

#include "sim/base/config.hpp"

#include <cstdint>
#include <string>

namespace tessera::arch::tile {

struct BusSpec {
  std::int64_t width = 256;
  Joules energy_per_bit{0};
  SquareMeters area{0};
  Watts leakage{0};
  std::string source;

  static constexpr auto fields() {
    return config::list<BusSpec>(
        config::field("width", &BusSpec::width)
            .range(0, 1 << 20)
            .doc("bits per cycle between buffer, PEs and vector unit; 0 is unlimited"),
        config::field("energy_per_bit", &BusSpec::energy_per_bit)
            .range(0, 1e-6)
            .doc("energy of one bit on the bus"),
        config::field("area", &BusSpec::area).range(0, 1).doc("area of the bus of one tile"),
        config::field("leakage", &BusSpec::leakage)
            .range(0, 1e3)
            .doc("static power of the bus of one tile"),
        config::field("source", &BusSpec::source).doc("where the numbers come from"));
  }
};

struct BufferSpec {
  Bits capacity{std::int64_t{64} * 1024 * 8};
  bool unbounded = false;
  std::int64_t banks = 1;
  std::int64_t bank_width = 256;
  Seconds read_latency{0};
  Seconds write_latency{0};
  Joules read_energy_per_bit{0};
  Joules write_energy_per_bit{0};
  SquareMeters area{0};
  Watts leakage{0};
  std::string source;

  static constexpr auto fields() {
    return config::list<BufferSpec>(
        config::field("capacity", &BufferSpec::capacity)
            .range(8, 8e15)
            .doc("size of one tile's buffer"),
        config::field("unbounded", &BufferSpec::unbounded)
            .doc("ignore the capacity: every line buffer may grow (to isolate effects)"),
        config::field("banks", &BufferSpec::banks)
            .range(1, 4096)
            .doc("banks that can be read (and written) in the same cycle"),
        config::field("bank_width", &BufferSpec::bank_width)
            .range(0, 1 << 20)
            .doc("bits per bank and cycle, reading and writing alike; 0 is unlimited"),
        config::field("read_latency", &BufferSpec::read_latency)
            .range(0, 1)
            .doc("time before the first bit of a read is on the bus"),
        config::field("write_latency", &BufferSpec::write_latency)
            .range(0, 1)
            .doc("time before a written position can be read"),
        config::field("read_energy_per_bit", &BufferSpec::read_energy_per_bit)
            .range(0, 1e-6)
            .doc("energy of reading one bit"),
        config::field("write_energy_per_bit", &BufferSpec::write_energy_per_bit)
            .range(0, 1e-6)
            .doc("energy of writing one bit"),
        config::field("area", &BufferSpec::area).range(0, 1).doc("area of one tile's buffer"),
        config::field("leakage", &BufferSpec::leakage)
            .range(0, 1e3)
            .doc("static power of one tile's buffer"),
        config::field("source", &BufferSpec::source).doc("where the numbers come from"));
  }
};

struct VectorUnitSpec {
  std::int64_t lanes = 64;
  Seconds latency{0};
  std::int64_t nonlinear_cost = 4;
  std::int64_t pes = 0;
  bool ends_sums = true;
  Joules energy_per_op{0};
  SquareMeters area{0};
  Watts leakage{0};
  std::string source;

  static constexpr auto fields() {
    return config::list<VectorUnitSpec>(
        config::field("lanes", &VectorUnitSpec::lanes)
            .range(0, 1 << 20)
            .doc("element operations per cycle; 0 is unlimited"),
        config::field("latency", &VectorUnitSpec::latency)
            .range(0, 1)
            .doc("pipeline latency from the last operand to the result"),
        config::field("nonlinear_cost", &VectorUnitSpec::nonlinear_cost)
            .range(1, 1024)
            .doc(
                "lane operations of one GELU, sigmoid, tanh, exponential, division or square root"),
        config::field("pes", &VectorUnitSpec::pes)
            .range(0, 1024)
            .doc("processing elements like those of the tile, and beside them, that do by programs "
                 "what their kind can; the lanes do the rest"),
        config::field("ends_sums", &VectorUnitSpec::ends_sums)
            .doc("whether bias, scale, requantization and activation of a matrix layer's sums are "
                 "its operations; false where the PEs do them"),
        config::field("energy_per_op", &VectorUnitSpec::energy_per_op)
            .range(0, 1e-6)
            .doc("energy of one lane operation"),
        config::field("area", &VectorUnitSpec::area)
            .range(0, 1)
            .doc("area of one tile's vector unit"),
        config::field("leakage", &VectorUnitSpec::leakage)
            .range(0, 1e3)
            .doc("static power of one tile's vector unit"),
        config::field("source", &VectorUnitSpec::source).doc("where the numbers come from"));
  }
};

struct TileSpec {
  std::int64_t pes = 16;
  config::Node pe;
  std::int64_t input_registers = 2;
  std::int64_t output_slots = 4;
  BusSpec bus;
  BufferSpec buffer;
  VectorUnitSpec vector_unit;
  SquareMeters other_area{0};
  Watts other_leakage{0};
  std::string source;

  static constexpr auto fields() {
    return config::list<TileSpec>(
        config::field("pes", &TileSpec::pes)
            .range(1, 1 << 20)
            .required()
            .doc("processing elements on the tile's bus"),
        config::field("pe", &TileSpec::pe)
            .required()
            .doc("the processing element: `kind:` and the fields of that kind"),
        config::field("input_registers", &TileSpec::input_registers)
            .range(1, 1024)
            .doc("firings a lockstep group may have between its first input bit and its result "
                 "being taken"),
        config::field("output_slots", &TileSpec::output_slots)
            .range(1, 1 << 20)
            .doc("positions a replica may have open at its home tile"),
        config::field("bus", &TileSpec::bus).doc("shared bus"),
        config::field("buffer", &TileSpec::buffer)
            .doc("banked buffer that holds the line buffers of the layers on the tile"),
        config::field("vector_unit", &TileSpec::vector_unit)
            .doc("digital lanes: accumulate, bias, scale, activation, pooling, residual add, "
                 "softmax, norm, requantize"),
        config::field("other_area", &TileSpec::other_area)
            .range(0, 1)
            .doc("area of what is not listed apart"),
        config::field("other_leakage", &TileSpec::other_leakage)
            .range(0, 1e3)
            .doc("static power of what is not listed apart"),
        config::field("source", &TileSpec::source).doc("where the numbers come from"));
  }
};

}  // namespace tessera::arch::tile
