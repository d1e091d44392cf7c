// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// Networks as YAML:
///
///   network:
///     name: my_net
///     input: {height: 32, width: 32, channels: 3, bits: 8, signed: false}
///     layers:
///       - {name: conv1, kind: conv, channels: 16, kernel: 3, padding: 1, activation: relu}
///       - {name: left, kind: conv, channels: 16, kernel: [3, 5], padding: [1, 2, 1, 2]}
///       - {name: sum, kind: add, from: [left, conv1], activation: relu}
///       - {name: pool, kind: avg_pool, kernel: global}
///       - {name: fc, kind: fc, channels: 10}
///
/// or `network: {zoo: resnet18}`. `from` names earlier layers, or `input`, and defaults to the
/// layer before. A pair is [height, width]; padding is one number or [top, left, bottom, right]; a
/// pooling strides by its kernel unless told otherwise. Bits and scales are not part of it:
/// quantize() sets them.
///
/// Errors   all that can be found at once, with the places of both sides of a conflict:
///            E-NET-NAME, -UNKNOWN-LAYER, -FORWARD, -CYCLE     names and order
///            E-NET-KEY, -MISSING, -ARITY, -LIST, -INPUT       what a layer of this kind takes
///            E-NET-DIM, -GROUPS, -KERNEL, -PADDING, -SHAPE    sizes
///            E-NET-SIZE, -DEAD, -OUTPUTS, -ZOO                the network as a whole
#pragma once

#include "sim/base/config.hpp"
#include "workloads/network.hpp"

#include <optional>
#include <string>

namespace tessera {

/// The network below the key `network`; nothing when there was an error.
std::optional<Network> read_network(const config::Node& node, Diagnostics& diagnostics);

/// The network of a file of its own; keys that nobody reads are errors.
std::optional<Network> load_network(const std::string& path, Diagnostics& diagnostics);

/// A file that load_network() reads back as the same network, as far as it is not quantized.
std::string to_yaml(const Network& network);

/// The keys of a layer, of all kinds together, for `tessera explain`.
std::vector<config::FieldInfo> network_layer_fields();

}  // namespace tessera
