// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "tools/tessera/codes.hpp"

#include <array>

namespace tessera::tools {
namespace {

constexpr std::array kCodes{
    CodeInfo{
        "E-ACC-COMMAND",
        "The command that measures the accuracy does not run or fails; the last lines of its log "
        "are quoted.",
        "accuracy: {source: command, command: no_such_program}"},
    CodeInfo{"E-ACC-DUPLICATE",
             "A table of losses speaks of the same layer and widths twice.",
             "two rows for conv1"},
    CodeInfo{"E-ACC-FIELDS",
             "A row of a table of losses has more or fewer values than the header has columns.",
             "conv1,8"},
    CodeInfo{"E-ACC-HEADER",
             "The header of a table of losses names unknown columns or leaves some out.",
             "layer,bits"},
    CodeInfo{"E-ACC-LAYER",
             "A table of losses speaks of a layer that is no matrix layer of the network.",
             "conv99,8,8,0.1"},
    CodeInfo{
        "E-ACC-MISSING",
        "A table of losses leaves out a layer, or a pair of widths that the search may choose.",
        "no row for conv1"},
    CodeInfo{"E-ACC-OUTPUT",
             "The command that measures the accuracy must print one number in percent, or "
             "{\"accuracy\": number}.",
             "echo fine"},
    CodeInfo{
        "E-ACC-TIMEOUT",
        "The command that measures the accuracy took longer than accuracy.timeout, and was ended.",
        "sleep 1000000"},
    CodeInfo{"E-ACC-VALUE",
             "A value in a table of losses is no number, or none that can be.",
             "conv1,nan"},
    CodeInfo{
        "E-ACCURACY-SWEEP",
        "A sweep names a key, or several that change together, and values, listed or as a range of "
        "whole numbers.",
        "--sweep chip.tile.pe.adc_bits=10:3"},
    CodeInfo{"E-ACCURACY-WEIGHTS",
             "Accuracy is that of weights, and the network has none: network.parameters names a "
             "model file, an ONNX file brings its own, and `tessera train` makes them.",
             "tessera accuracy on an experiment without network.parameters"},
    CodeInfo{"E-AP-DIFFERS",
             "A program that was replayed obeys every rule, and reads out something else than the "
             "golden reference computes. The place is the read of the first such value; the exit "
             "status is 1.",
             "sub_in_place where add_in_place was"},
    CodeInfo{
        "E-AP-PROGRAM",
        "A program of an associative processor does what its array cannot do, or what has no "
        "meaning: a field outside the array, two operands in one column, a destination that is "
        "not clear, a value that was never written, an order of passes in which one makes what "
        "a later one matches.",
        "add_in_place c0[0+4]u, c0[4+4]u"},
    CodeInfo{"E-AP-FIT",
             "A layer does not fit associative processors of this size, however it is cut; or not "
             "in the cut that is asked for.",
             "tile: {pe: {columns: 8}}"},
    CodeInfo{
        "E-AP-HEAD",
        "The head of a program says what it computes, and that is not what is replayed: "
        "another network, layer, width or array, other weights, or other slots. Or there is no "
        "head, or two programs have one name.",
        "tessera compile configs/ap/tiny_cnn.yaml --replay programs --set compile.a_bits=4"},
    CodeInfo{"E-AP-MISSING",
             "A file or folder that is replayed lacks programs of the network.",
             "a folder in which conv1.apasm was removed"},
    CodeInfo{"E-AP-NONE",
             "--emit-ap and --replay-ap are about programs, and no processing element in use runs "
             "one: those of other "
             "kinds hold weights in cells.",
             "tessera run configs/experiments/quickstart.yaml --emit-ap programs"},
    CodeInfo{"E-AP-SYNTAX",
             "A line of a program of an associative processor cannot be read.",
             "add_in_place c0[0+4], c1"},
    CodeInfo{"E-AP-WEIGHTS",
             "Ternary weights are -1, 0 and 1: two bits. Wider ones are `weights: integer`.",
             "compile: {weights: ternary, w_bits: 4}"},
    CodeInfo{"E-CFG-DUPLICATE-KEY",
             "A map has the same key twice. YAML readers differ in which one they take, so neither "
             "is taken: remove one.",
             "tiles: 4\ntiles: 8"},
    CodeInfo{"E-CFG-FILE",
             "A file cannot be read: it does not exist, is a folder, or permission is missing. "
             "Included files are looked up relative to the file that names them.",
             "include: ../chips/no_such_chip.yaml"},
    CodeInfo{"E-CFG-INCLUDE-CYCLE",
             "A file includes itself, directly or through others.",
             "include: this_file.yaml"},
    CodeInfo{
        "E-CFG-LEADING-ZERO",
        "A number starts with a superfluous zero. Some YAML readers take 010 for eight: write 10, "
        "or quote it if it is a name.",
        "tiles: 010"},
    CodeInfo{"E-CFG-LIMIT",
             "The configuration is too large, too deep, or grows too much through anchors. Real "
             "configurations stay far below the limits.",
             "a: &a [x, x]\nb: &b [*a, *a]   # and so on"},
    CodeInfo{"E-CFG-MISSING-KEY", "A required key is not there.", "chip: {name: x}   # no clock"},
    CodeInfo{"E-CFG-RANGE",
             "A value is outside the range of its key, no finite number, or none of the choices. "
             "`tessera explain <key>` shows what is allowed.",
             "adcs: 0"},
    CodeInfo{"E-CFG-SET",
             "A --set is not of the form path=value, or its path leads nowhere.",
             "--set chip.tiles"},
    CodeInfo{
        "E-CFG-SYNTAX",
        "The file is not YAML, or uses parts of it that configurations do without: tags, several "
        "documents, keys that are no text.",
        "tiles: [1, 2"},
    CodeInfo{"E-CFG-TYPE",
             "A value has the wrong type: text for a number, or a list for a map.",
             "tiles: many"},
    CodeInfo{"E-CFG-UNIT",
             "A quantity has no unit, or one of another dimension. A bare number is an error, "
             "because nobody knows whether it was meant in ns or in cycles.",
             "t_read: 100"},
    CodeInfo{
        "E-CFG-UNKNOWN-KEY",
        "Nobody knows this key; mostly a spelling mistake. The keys that are known are listed.",
        "adc_bit: 8"},
    CodeInfo{
        "E-CFG-UNREAD-KEY",
        "The key is well-formed but nothing reads it here: it belongs to another kind or mode. "
        "It would have no effect, so it is an error.",
        "network: {zoo: lenet5, layers: []}"},
    CodeInfo{
        "E-CHIP-KIND",
        "`kind:` of a processing element is missing or unknown; `tessera list kinds` tells what "
        "there is.",
        "pe: {kind: crosbar}"},
    CodeInfo{"E-CHIP-TILES",
             "The tiles of a chip are given either as `tiles` and `tile` or as `tile_groups`: at "
             "least one group, 1048576 tiles together, names of letters, digits, '_' and '-'.",
             "tiles: 9\ntile_groups: {crossbar: {...}}"},
    CodeInfo{"E-CHIP-VECTOR-PES",
             "PEs can stand in for the lanes of a vector unit only where their kind runs programs.",
             "tile: {pe: {kind: crossbar}, vector_unit: {pes: 1}}"},
    CodeInfo{"E-CLI-ARGUMENT",
             "The command line cannot be understood: an option without its value, or too many "
             "arguments.",
             "tessera run a.yaml b.yaml"},
    CodeInfo{"E-CLI-COMMAND", "There is no such command.", "tessera runn a.yaml"},
    CodeInfo{"E-CLI-EXPLAIN",
             "There is no kind, section, key or code of that name.",
             "tessera explain chip.tile.buss"},
    CodeInfo{"E-CLI-LIST",
             "Only networks, kinds, chips and experiments can be listed.",
             "tessera list tiles"},
    CodeInfo{"E-CLI-MISSING", "The command needs an argument that is not there.", "tessera run"},
    CodeInfo{"E-CLI-OPTION", "The command has no such option.", "tessera run a.yaml --imags 3"},
    CodeInfo{"E-CROSSBAR-SPEC",
             "Values of a crossbar contradict each other, for example more rows read at once than "
             "there are.",
             "rows: 64\nactive_rows: 128"},
    CodeInfo{"E-DATA-ARRAY",
             "An NPZ file has no array of the name that is looked for: images and labels, or what "
             "stands beside `file`.",
             "train: {file: mnist.npz, images: x_train}   # it holds x"},
    CodeInfo{"E-DATA-CELL",
             "A row of a table has more or fewer cells than the first one, or a cell is no number; "
             "the sentence gives line and column in the table.",
             "3,four,1"},
    CodeInfo{"E-DATA-CLASSES",
             "There are classes without any image. Labels count from 0, and `classes` is how many "
             "there are.",
             "data: {set: digits, classes: 11}"},
    CodeInfo{"E-DATA-COUNT",
             "A file of images and its file of labels differ in number.",
             "4 images, 3 labels"},
    CodeInfo{"E-DATA-EMPTY",
             "There is no image in a file, or none is left for a split.",
             "split: {train: 0.999, test: 0.001}   # of 8 images"},
    CodeInfo{
        "E-DATA-FILE",
        "A data file cannot be read, is too large, is damaged, or expands far more than data does.",
        "all: {file: no_such.csv}"},
    CodeInfo{"E-DATA-FORMAT",
             "A data file is in none of the formats that are taken, or holds numbers of a type "
             "that is not.",
             "images: picture.png"},
    CodeInfo{"E-DATA-LABEL",
             "A label is no whole number from 0 to classes - 1.",
             "labels 1 to 10, classes: 10"},
    CodeInfo{"E-DATA-NETWORK",
             "The images are not those of the network: another shape, or another number of classes "
             "than it has outputs. data.shape arranges images anew.",
             "network: {zoo: lenet5}   # 28x28\ndata: {set: digits}      # 8x8"},
    CodeInfo{"E-DATA-SHAPE",
             "The sizes in a data file are not those of images, or differ from data.shape, from "
             "another split, or from the numbers per channel of mean and std.",
             "shape: {height: 3, width: 3, channels: 1}   # of 4 numbers"},
    CodeInfo{"E-DATA-SIZE",
             "The sizes that a data file declares do not match the bytes that are there: its end "
             "is missing, or they are wrong.",
             "an IDX file cut short"},
    CodeInfo{"E-DATA-SOURCE",
             "The images of an experiment come from exactly one of: a built-in set, files of all "
             "images, or files per split; a table has the column of labels that is named.",
             "data: {set: digits, all: {file: x.csv}}"},
    CodeInfo{"E-DATA-SPLIT",
             "The parts of train, validation and test do not sum to 1, or are given although files "
             "say it already.",
             "split: {train: 0.8, test: 0.3}"},
    CodeInfo{
        "E-DATA-VALUE", "A number in a data file is NaN or infinite, or becomes so.", "3,nan,1"},
    CodeInfo{"E-EXP-NAME",
             "The name of an experiment is the name of its output folder, so it consists of "
             "letters, digits, '_', '-' and '.'.",
             "experiment: {name: ../secret}"},
    CodeInfo{"E-EXP-NETWORK",
             "The network of an experiment is exactly one of: a built-in one (zoo), a file, or "
             "layers written inline.",
             "network: {zoo: lenet5, file: x.yaml}"},
    CodeInfo{"E-EXP-RATE",
             "image_rate and image_interval say the same thing; give one of them.",
             "execution: {image_rate: 1 kHz, image_interval: 1 ms}"},
    CodeInfo{"E-FABRIC-SPEC",
             "The interconnect cannot be built: its grid is too small for the tiles, or parameters "
             "do not go with its topology.",
             "tiles: 9\nfabric: {width: 2, height: 2}"},
    CodeInfo{"E-LUT-SPEC",
             "Values of a look-up block contradict each other, for example a sum wider than the "
             "adder.",
             "adder_columns: 24\nsum_bits: 32"},
    CodeInfo{"E-MAP-BITS", "Weights and activations have 1 to 16 bits.", "default: {w_bits: 40}"},
    CodeInfo{"E-MAP-BUFFER",
             "The line buffers of the layers on a tile do not fit into its buffer even at the "
             "smallest size that cannot deadlock (exit status 4). The message says how much is "
             "needed and by whom.",
             "buffer: {capacity: 64 B}"},
    CodeInfo{"E-MAP-CAPACITY",
             "The mapping needs more processing elements than the chip has (exit status 4). The "
             "message says how many and the smallest change that would do.",
             "tiles: 1   # for ResNet-18"},
    CodeInfo{"E-MAP-CHIP", "The mapping file was written for another chip.", "chip: isaac"},
    CodeInfo{"E-MAP-DUPLICATE-LAYER",
             "A mapping has a layer twice.",
             "layers: {fc1: ..., fc1: ...}",
             "in a file it is E-CFG-DUPLICATE-KEY; only a mapper can do it"},
    CodeInfo{"E-MAP-FORM",
             "`mapping:` either names a file or says what is wanted, not both.",
             "mapping: {file: m.yaml, w_bits: [8]}"},
    CodeInfo{"E-MAP-FRAGMENTS",
             "The placement of a replica has more or fewer PEs than its matrix has fragments.",
             "placement: [[{tile: 0, first_pe: 0, pes: 1}]]"},
    CodeInfo{"E-MAP-GROUP",
             "A layer is to go to a group of tiles that the chip does not have, or is placed on a "
             "tile of another group than its own: all of a layer is on tiles of one group.",
             "layers: {fc1: {group: lutt}}   # tile_groups: crossbar, lut"},
    CodeInfo{"E-MAP-LAYOUT",
             "This kind of processing element cannot hold the matrix at all (exit status 4). On a "
             "chip with tiles of several sorts the hint names the groups that could.",
             "rows: 1, columns: 2   # for a matrix of 4096 x 4096"},
    CodeInfo{"E-MAP-LIST-LENGTH",
             "A list of widths or replicas has one entry per matrix layer of the network.",
             "w_bits: [8, 8]   # for five layers"},
    CodeInfo{"E-MAP-MISSING-LAYER", "A mapping file leaves a layer out.", "layers: {fc1: ...}"},
    CodeInfo{"E-MAP-NETWORK",
             "The mapping file was written for another network.",
             "network: lenet5   # in a mapping for tiny_mlp"},
    CodeInfo{"E-MAP-ORDER",
             "The layers of a mapping are not in network order.",
             "fc2 before fc1",
             "a file's layers are sorted when it is read; only a mapper can do it"},
    CodeInfo{"E-MAP-OVERLAP",
             "A processing element is used twice.",
             "placement: [[{tile: 0, first_pe: 0, pes: 1}]]   # in two layers"},
    CodeInfo{"E-MAP-PE",
             "A placement uses processing elements that its tile does not have.",
             "first_pe: 900"},
    CodeInfo{
        "E-MAP-PLACEMENT",
        "A placement has one list of runs per replica, each run with tile, first_pe and pes; none "
        "under serial granularity.",
        "placement: [[], []]   # for one replica"},
    CodeInfo{"E-MAP-REPLICAS",
             "A layer has at least one replica and at most one per output position.",
             "replicas: 0"},
    CodeInfo{"E-MAP-SCHEMA", "A mapping file of an unknown version.", "schema: 99"},
    CodeInfo{"E-MAP-SERIAL-REPLICAS",
             "Under serial granularity nothing runs side by side, so replicas are of no use.",
             "granularity: serial\nreplicas: 2"},
    CodeInfo{"E-MAP-TILE", "A placement names a tile that the chip does not have.", "tile: 900"},
    CodeInfo{"E-MAP-UNKNOWN-LAYER",
             "The network has no matrix layer (or no vector layer) of that name.",
             "layers: {conv99: {w_bits: 4}}"},
    CodeInfo{"E-NET-ARITY",
             "A layer has too many or too few inputs for its kind.",
             "{name: a, kind: add, from: [x]}"},
    CodeInfo{"E-NET-CYCLE", "Layers read each other in a circle.", "a reads b, b reads a"},
    CodeInfo{
        "E-NET-DEAD",
        "The output of a layer is read, but by layers that do not lead to the network's output.",
        "a branch that ends nowhere"},
    CodeInfo{"E-NET-DIM", "A size of a layer is not positive or too large.", "channels: 0"},
    CodeInfo{"E-NET-FORWARD",
             "A layer reads one that comes later; layers are in topological order.",
             "from: later"},
    CodeInfo{"E-NET-GROUPS",
             "The groups of a convolution, or the heads of an attention product, do not divide its "
             "channels.",
             "groups: 3   # of 8 channels"},
    CodeInfo{"E-NET-INPUT",
             "A network has exactly one input, and it is the first layer.",
             "a second layer of kind input"},
    CodeInfo{
        "E-NET-KERNEL", "The window is larger than the padded input.", "kernel: 9   # on 4 x 4"},
    CodeInfo{"E-NET-KEY", "A layer of this kind does not take this key.", "{kind: conv, heads: 2}"},
    CodeInfo{"E-NET-LIST", "A list has the wrong number of entries.", "kernel: [3, 3, 3]"},
    CodeInfo{"E-NET-MISSING", "A layer of this kind needs this key.", "{name: a, kind: conv}"},
    CodeInfo{"E-NET-NAME", "A layer has no name, or one that is taken.", "two layers named conv1"},
    CodeInfo{"E-NET-OUTPUTS",
             "More than one layer is an output; only the last may be.",
             "two layers that nothing reads"},
    CodeInfo{"E-NET-PADDING",
             "The padding is as large as the window, which would compute nothing.",
             "kernel: 3, padding: 3"},
    CodeInfo{"E-NET-SHAPE",
             "The shapes of a layer and of what it reads do not go together.",
             "add of 8 and 16 channels"},
    CodeInfo{"E-NET-SIZE",
             "A network without layers, or one that is larger than Tessera's limits.",
             "layers: []"},
    CodeInfo{"E-NET-UNKNOWN-LAYER", "A layer reads one that does not exist.", "from: conv99"},
    CodeInfo{"E-NET-ZOO",
             "There is no built-in network of that name; `tessera list networks`.",
             "network: {zoo: resnet19}"},
    CodeInfo{"E-ONNX-FILE",
             "A file is no ONNX model, is not whole, or is 2 GiB or larger.",
             "tessera import picture.png"},
    CodeInfo{
        "E-ONNX-GRAPH",
        "The graph of an ONNX file does not hold together: a tensor that nobody produces, two of "
        "the same name, nodes in a circle, an input without fixed sizes, more than one input "
        "or output.",
        "a node that reads a tensor 'weight' which is no initializer"},
    CodeInfo{"E-ONNX-OPERATOR",
             "Nodes of an ONNX file have no counterpart here; each is listed with its operator and "
             "the reason. workloads/onnx/README.md shows what can be imported.",
             "a node 'act' with the operator LeakyRelu"},
    CodeInfo{"E-ONNX-OPSET",
             "The operator set of an ONNX file is too old or too new: export it anew with "
             "opset_version=13.",
             "opset_import: 8"},
    CodeInfo{"E-ONNX-SHAPE",
             "The inputs of a node of an ONNX file do not fit each other or its attributes.",
             "a convolution of 3 channels with weights for 4"},
    CodeInfo{
        "E-ONNX-TENSOR",
        "Numbers of an ONNX file cannot be read: more or fewer than their shape has, in another "
        "file (external data), of a type that is not taken, not a number.",
        "an initializer of shape 2x2 with 3 values"},
    CodeInfo{"E-OUT-FOLDER", "The output folder cannot be made or written to.", "--out /proc/x"},
    CodeInfo{"E-OUT-WRITE",
             "A result, trace or waveform cannot be written.",
             "--trace no/such/folder/t.json"},
    CodeInfo{"E-PARAM-NETWORK",
             "A file with the weights of a network does not fit it: layers are missing, unknown or "
             "of another shape; each is listed.",
             "network: {zoo: lenet5, parameters: vgg9.npz}"},
    CodeInfo{"E-PARAM-VALUE",
             "A file with the weights of a network holds numbers that no network can have: not "
             "finite, or scales that are not positive.",
             "conv1/weights with a NaN in it"},
    CodeInfo{"E-QUANT-CHOOSE",
             "Sizes of codebooks are chosen by the accuracy on validation images: there are none, "
             "or the largest sizes already cost more than quantization.choose.budget. Wider "
             "layers, a larger budget or retraining (train.stages) help.",
             "choose: {budget: 0} with sizes: [2]"},
    CodeInfo{"E-QUANT-CODEBOOK",
             "A codebook has at most as many entries as the layer's width has integers, and as a "
             "tree a power of two of them.",
             "codebook: 64 for weights of 4 bits"},
    CodeInfo{"E-QUANT-FORMAT",
             "A network with given weights cannot be computed in integers, because the formats of "
             "activations contradict each other: what concat joins shares one scale, what softmax "
             "reads has a power of two. Each place is listed.",
             "concat of a sigmoid (1.0 = largest value) and a GELU (8.0 = largest value)"},
    CodeInfo{"E-QUANT-LAYER",
             "quantization.layers names a layer that the network does not have, or one without "
             "weights.",
             "layers: {pool: {codebook: 16}}"},
    CodeInfo{"E-RTM-AP-SPEC",
             "Values of an associative processor contradict each other.",
             "domains: 64\nports: 65"},
    CodeInfo{"E-RUN-TIME",
             "A run takes more cycles than are counted: a fast clock, slow processing elements, or "
             "images that come very late.",
             "execution: {images: 1000000, image_interval: 1000000 s}"},
    CodeInfo{"E-SEARCH-ACCURACY",
             "An accuracy source lacks what it needs: a table its file, a command its command.",
             "accuracy: {source: command}"},
    CodeInfo{
        "E-SEARCH-ACCURACY-BUDGET",
        "No widths keep to the loss of accuracy and to the PEs at the same time. The message says "
        "how much is missing of either.",
        "search: {pes: 100, loss: 0}"},
    CodeInfo{"E-SEARCH-AREA",
             "The PEs that a search may use do not hold one copy of every layer at the narrowest "
             "weights.",
             "search: {pes: 1}"},
    CodeInfo{"E-SEARCH-BITS",
             "A layer is left without a width to choose from.",
             "bits: {w_min: 2, w_max: 3, w_step: 4}"},
    CodeInfo{
        "E-SEARCH-BUDGET",
        "The budget of reinforcement learning is tightened over the episodes: it may not grow.",
        "rl: {budget_start: 0.2, budget_end: 0.4}"},
    CodeInfo{"E-SEARCH-CHECKPOINT",
             "What an interrupted search left behind cannot be read, or is of another experiment. "
             "--fresh starts anew.",
             "another network than that of the checkpoint"},
    CodeInfo{"E-SEARCH-COST-MODEL",
             "The cost model `serial` goes with serial execution, and no other one does.",
             "search: {cost_model: serial}   # under granularity: pixel"},
    CodeInfo{"E-SEARCH-GROUPS",
             "Searches count PEs of one sort: on a chip with tiles of several sorts the mapping is "
             "written in `mapping:`.",
             "search: {method: joint_milp}   # with chip.tile_groups"},
    CodeInfo{
        "E-SEARCH-LIMIT",
        "One replica of every layer uses more than a limit of the search allows, whatever widths "
        "keep to its PEs and its loss. The message says how much is missing.",
        "limits: {buffer: 0.000001}"},
    CodeInfo{"E-SEARCH-LOSS", "The loss of accuracy is limited twice.", "loss: 1\nloss_of_bits: 6"},
    CodeInfo{"E-SEARCH-NONE",
             "A method found nothing that keeps to the budgets and that the simulator can run.",
             "method: uniform4\nloss_of_bits: 7"},
    CodeInfo{"E-SEARCH-PES",
             "The PEs that a search may use are own_8bit, chip, or a number.",
             "pes: all"},
    CodeInfo{"E-SEARCH-UNLIMITED",
             "A limit is a share of what the chip has: of buffers without bounds, of lanes without "
             "number, or under serial execution there is none.",
             "limits: {vector_unit: 0.5}   # on a chip with lanes: 0"},
    CodeInfo{"E-TRAIN-CHECKPOINT",
             "What an interrupted training left behind is of another network, of other data or "
             "options, or damaged. --fresh trains anew, --out names another folder.",
             "tessera-train train b.yaml --out out/a   # a.yaml was interrupted there"},
    CodeInfo{"E-TRAIN-DIVERGED",
             "The loss became infinite or NaN: the weights are lost. A lower learning rate helps.",
             "train: {optimizer: sgd, learning_rate: 1000}"},
    CodeInfo{"E-TRAIN-NONE",
             "There is nothing to train or to measure with: no section train:, no weights to start "
             "from, or no images to train or validate with.",
             "train: {epochs: 0}   # and no network.parameters"},
    CodeInfo{"E-TRAIN-PROGRAM",
             "Training and measured accuracy are the work of tessera-train, which stands beside "
             "tessera when libtorch was there as both were built.",
             "tessera train, built with TESSERA_WITH_TORCH=OFF",
             "only a build without torch reports it"},
    CodeInfo{"E-TRAIN-REQUEST",
             "Standard input of tessera-train evaluate is no request: JSON with the matrix layers "
             "of the network in order, each with its widths.",
             "{\"layers\": []}"},
    CodeInfo{"E-TRAIN-STAGE",
             "A stage of training has a name that another one has or that is no file name, one of "
             "two widths, or widths for a layer that does not exist.",
             "stages: [{name: low, w_bits: 4}]"},
};

}  // namespace

std::span<const CodeInfo> codes() {
  return kCodes;
}

}  // namespace tessera::tools
