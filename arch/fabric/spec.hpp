// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// What an interconnect is made of, as the user writes it, and how to build one.
///
/// Units    delays in cycles of the fabric's clock; widths in bits of a flit; prices per flit and
/// per
///          router or link
/// Errors   check() reports what does not fit together; make_fabric() throws InputError on such a
/// spec Source   router parameters are those of BookSim 2 (Jiang et al., ISPASS 2013); see
/// README.md
#pragma once

#include "sim/api/fabric.hpp"
#include "sim/base/config.hpp"
#include "sim/base/diagnostics.hpp"
#include "sim/base/units.hpp"

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace tessera::arch::fabric {

enum class Topology { mesh, torus, cmesh, tree, bus, ideal };

constexpr auto enum_names(Topology /*unused*/) {
  return std::array<std::string_view, 6>{"mesh", "torus", "cmesh", "tree", "bus", "ideal"};
}

struct FabricSpec {
  Topology topology = Topology::mesh;
  int width = 0;
  int height = 0;
  int concentration = 1;
  int arity = 4;
  Bits flit_bits{32};
  Bits header_bits{16};
  int max_packet_flits = 8;
  int num_vcs = 4;
  int vc_buffer = 8;
  int routing_delay = 0;
  int vc_alloc_delay = 1;
  int sw_alloc_delay = 1;
  int st_final_delay = 1;
  int credit_delay = 1;
  int link_latency = 1;
  int ideal_latency = 1;
  int ideal_hop_latency = 0;
  int ideal_bandwidth = 0;
  Joules link_flit_energy{0};
  Joules router_flit_energy{0};
  Watts link_leakage{0};
  Watts router_leakage{0};
  SquareMeters link_area{0};
  SquareMeters router_area{0};

  static constexpr auto fields() {
    return config::list<FabricSpec>(
        config::field("topology", &FabricSpec::topology).doc("how the routers are connected"),
        config::field("width", &FabricSpec::width)
            .range(0, 1024)
            .doc(
                "routers per row; 0 with height 0 takes the most square grid that holds all tiles"),
        config::field("height", &FabricSpec::height)
            .range(0, 1024)
            .doc("rows of routers; 0 is as many as the tiles need"),
        config::field("concentration", &FabricSpec::concentration)
            .range(1, 16)
            .doc("tiles per router (cmesh) or per leaf router (tree); 1 elsewhere"),
        config::field("arity", &FabricSpec::arity).range(2, 32).doc("children of a tree router"),
        config::field("flit_bits", &FabricSpec::flit_bits)
            .range(1, 65536)
            .doc("width of a link, and of the bus: what it moves in one cycle")
            .source("32: ISAAC, ISCA 2016, table I"),
        config::field("header_bits", &FabricSpec::header_bits)
            .range(0, 65536)
            .doc("routing information in front of every packet"),
        config::field("max_packet_flits", &FabricSpec::max_packet_flits)
            .range(1, 65536)
            .doc("a longer message is split; a multicast packet is also at most vc_buffer flits"),
        config::field("num_vcs", &FabricSpec::num_vcs)
            .range(1, 32)
            .doc("virtual channels per link; a torus needs 2"),
        config::field("vc_buffer", &FabricSpec::vc_buffer)
            .range(1, 4096)
            .doc("flits that one virtual channel buffers at a router input"),
        config::field("routing_delay", &FabricSpec::routing_delay)
            .range(0, 64)
            .doc("cycles of route computation; 0 is look-ahead routing"),
        config::field("vc_alloc_delay", &FabricSpec::vc_alloc_delay)
            .range(1, 64)
            .doc("cycles of virtual-channel allocation (head flits)"),
        config::field("sw_alloc_delay", &FabricSpec::sw_alloc_delay)
            .range(1, 64)
            .doc("cycles of switch allocation; of arbitration on a bus"),
        config::field("st_final_delay", &FabricSpec::st_final_delay)
            .range(0, 64)
            .doc("cycles of switch traversal"),
        config::field("credit_delay", &FabricSpec::credit_delay)
            .range(0, 64)
            .doc("cycles from the arrival of a credit at a router until it is used"),
        config::field("link_latency", &FabricSpec::link_latency)
            .range(1, 256)
            .doc("cycles on a wire, for flits and for credits"),
        config::field("ideal_latency", &FabricSpec::ideal_latency)
            .range(0, 1 << 20)
            .doc("ideal only: cycles from end to end, however far"),
        config::field("ideal_hop_latency", &FabricSpec::ideal_hop_latency)
            .range(0, 1 << 20)
            .doc("ideal only: cycles added per hop of a mesh of the same size"),
        config::field("ideal_bandwidth", &FabricSpec::ideal_bandwidth)
            .range(0, 1 << 20)
            .doc("ideal only: flits per cycle that an endpoint sends; 0 is unlimited"),
        config::field("link_flit_energy", &FabricSpec::link_flit_energy)
            .range(0, 1)
            .doc("one flit over one router-to-router link or the bus"),
        config::field("router_flit_energy", &FabricSpec::router_flit_energy)
            .range(0, 1)
            .doc("one flit through one router: buffer, arbitration and crossbar"),
        config::field("link_leakage", &FabricSpec::link_leakage)
            .range(0, 1e3)
            .doc("static power of one directed router-to-router link, or of the bus"),
        config::field("router_leakage", &FabricSpec::router_leakage)
            .range(0, 1e3)
            .doc("static power of one router"),
        config::field("link_area", &FabricSpec::link_area)
            .range(0, 1)
            .doc("area of one directed router-to-router link, or of the bus"),
        config::field("router_area", &FabricSpec::router_area)
            .range(0, 1)
            .doc("area of one router"));
  }
};

/// Who is attached. Endpoints 0..tiles-1 are the tiles, row by row; endpoint tiles + k is an extra
/// port (chip input and output, memory) at router `extra[k]`, clamped to the last router. Routers
/// count row by row; in a tree, leaves come first and the root is last.
struct FabricLayout {
  int tiles = 1;
  std::vector<int> extra;
};

/// Sees every flit that enters a link. `link` indexes Fabric::link_use().
class LinkRecorder {
 public:
  virtual ~LinkRecorder() = default;
  virtual void flit(int link, Cycles at, MessageId message) = 0;
};

/// Reports every way in which `spec` cannot be built for `layout`. `at` and `path` tell where the
/// spec was written.
void check(const FabricSpec& spec,
           const FabricLayout& layout,
           Diagnostics& diagnostics,
           const Position& at = {},
           const std::string& path = "fabric");

/// Builds the interconnect. `recorder` may be null; it must outlive the fabric.
std::unique_ptr<Fabric> make_fabric(const FabricSpec& spec,
                                    const FabricLayout& layout,
                                    LinkRecorder* recorder = nullptr);

/// How many of the parts exist, for area and leakage. A bus is one link and no router.
struct FabricParts {
  int routers = 0;
  int links = 0;  ///< directed, router to router
};

FabricParts parts(const FabricSpec& spec, const FabricLayout& layout);

/// The countable events behind the energy of a drained fabric.
struct FabricActions {
  std::int64_t link_flits = 0;    ///< x link_flit_energy
  std::int64_t router_flits = 0;  ///< x router_flit_energy
};

FabricActions actions(const FabricSpec& spec, const FabricTotals& totals);

}  // namespace tessera::arch::fabric
