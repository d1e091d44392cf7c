// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// How a message is cut into packets and flits.
///
/// Shapes   all packets of a message have `full` flits, the last one `last` flits
/// Rounding a packet carries header_bits plus payload, rounded up to whole flits; a message of no
/// bits
///          is one packet of at least one flit
#pragma once

#include "arch/fabric/spec.hpp"
#include "sim/base/math.hpp"

#include <algorithm>
#include <cstdint>

namespace tessera::arch::fabric {

struct Packets {
  std::int64_t count = 1;
  int full = 1;
  int last = 1;

  [[nodiscard]] std::int64_t flits() const { return (count - 1) * full + last; }
};

/// Longest packet: a multicast packet must fit into one buffer (see README.md, deadlock).
inline int packet_limit(const FabricSpec& spec, bool multicast) {
  const bool buffered = spec.topology != Topology::bus && spec.topology != Topology::ideal;
  return multicast && buffered ? std::min(spec.max_packet_flits, spec.vc_buffer)
                               : spec.max_packet_flits;
}

inline Packets split(const FabricSpec& spec, Bits bits, bool multicast) {
  const int limit = packet_limit(spec, multicast);
  const std::int64_t header = spec.header_bits.value;
  const std::int64_t payload = limit * spec.flit_bits.value - header;
  Packets p;
  p.count = std::max<std::int64_t>(1, ceil_div(bits.value, payload));
  p.full = limit;
  const std::int64_t rest = bits.value - (p.count - 1) * payload;
  p.last =
      static_cast<int>(std::max<std::int64_t>(1, ceil_div(header + rest, spec.flit_bits.value)));
  return p;
}

}  // namespace tessera::arch::fabric
