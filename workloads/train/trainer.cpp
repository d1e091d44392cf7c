// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
#include "workloads/train/trainer.hpp"

#include "sim/base/diagnostics.hpp"
#include "sim/base/rng.hpp"
#include "workloads/train/net.hpp"

#include <ATen/Parallel.h>
#include <dlfcn.h>
#include <fmt/format.h>
#include <torch/optim/adam.h>
#include <torch/optim/sgd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numbers>
#include <numeric>
#include <utility>

namespace tessera::train {

namespace {

constexpr std::int64_t kMeasureBatch = 256;  ///< images of one forward pass when nothing is learned

template <class State>
State& state_of(torch::optim::Optimizer& optimizer, const at::Tensor& tensor) {
  auto& all = optimizer.state();
  auto& entry = all[c10::guts::to_string(tensor.unsafeGetTensorImpl())];
  if (!entry) {
    entry = std::make_unique<State>();
  }
  return static_cast<State&>(*entry);
}

data::Array array_of(const at::Tensor& tensor) {
  const at::Tensor flat = tensor.detach().contiguous();
  return data::make_array({flat.sizes().begin(), flat.sizes().end()},
                          {flat.data_ptr<float>(), static_cast<std::size_t>(flat.numel())});
}

bool fits(const data::Arrays& arrays, const std::string& name, const at::Tensor& tensor) {
  const auto found = arrays.find(name);
  return found != arrays.end() && found->second.type == data::DType::f4 &&
         std::equal(found->second.shape.begin(),
                    found->second.shape.end(),
                    tensor.sizes().begin(),
                    tensor.sizes().end());
}

void load(const data::Arrays& arrays, const std::string& name, const at::Tensor& tensor) {
  const at::NoGradGuard no_gradient;
  const std::vector<float> values = data::as_floats(arrays.at(name));
  at::Tensor flat = at::empty(tensor.sizes(), at::kFloat);
  std::copy(values.begin(), values.end(), flat.data_ptr<float>());
  tensor.copy_(flat);
}

std::vector<std::size_t> shuffled(std::size_t count, Rng& rng) {
  std::vector<std::size_t> order(count);
  std::iota(order.begin(), order.end(), std::size_t{0});
  for (std::size_t k = count; k > 1; --k) {
    std::swap(order[k - 1],
              order[static_cast<std::size_t>(rng.uniform(0, static_cast<std::int64_t>(k) - 1))]);
  }
  return order;
}

/// An image of `from` moved by (dy, dx), zeros coming in.
void copy_moved(const Shape& shape, const float* from, int dy, int dx, float* to) {
  for (int y = 0; y < shape.height; ++y) {
    for (int x = 0; x < shape.width; ++x) {
      const int sy = y - dy;
      const int sx = x - dx;
      const bool inside = sy >= 0 && sy < shape.height && sx >= 0 && sx < shape.width;
      float* out = to + (std::int64_t{y} * shape.width + x) * shape.channels;
      if (inside) {
        const float* in = from + (std::int64_t{sy} * shape.width + sx) * shape.channels;
        std::copy(in, in + shape.channels, out);
      } else {
        std::fill(out, out + shape.channels, 0.0F);
      }
    }
  }
}

at::Tensor label_tensor(const std::int32_t* labels, std::int64_t count) {
  at::Tensor out = at::empty({count}, at::kLong);
  std::copy(labels, labels + count, out.data_ptr<std::int64_t>());
  return out;
}

std::int64_t hits(const at::Tensor& outputs, const at::Tensor& labels) {
  return (outputs.argmax(1) == labels).sum().item<std::int64_t>();
}

/// `visit(outputs, first, count)` for batches of all images.
template <class Visit>
void for_batches(Net& net, const data::Images& images, Visit&& visit) {
  const at::NoGradGuard no_gradient;
  for (std::int64_t first = 0; first < images.count; first += kMeasureBatch) {
    const std::int64_t count = std::min(kMeasureBatch, images.count - first);
    const at::Tensor x =
        image_tensor(images.shape, count, images.values.data() + first * images.shape.elements());
    visit(net.forward(x), first, count);
  }
}

std::vector<float> all_outputs(Net& net, const data::Images& images) {
  std::vector<float> out;
  for_batches(net, images, [&](const at::Tensor& y, std::int64_t, std::int64_t) {
    const at::Tensor flat = y.contiguous();
    out.insert(out.end(), flat.data_ptr<float>(), flat.data_ptr<float>() + flat.numel());
  });
  return out;
}

constexpr int kLogColumns = 6;

}  // namespace

void set_up_torch() {
  at::set_num_threads(1);
  at::globalContext().setDeterministicAlgorithms(true, false);
  // The matrix library has threads of its own, which its environment variable sets only at its
  // start.
  using SetThreads = void (*)(int);
  if (auto* const set =
          reinterpret_cast<SetThreads>(::dlsym(RTLD_DEFAULT, "openblas_set_num_threads"))) {
    set(1);
  }
}

double accuracy_of(const std::vector<float>& logits, const std::vector<std::int32_t>& labels) {
  if (labels.empty()) {
    return 0;
  }
  const std::size_t classes = logits.size() / labels.size();
  std::size_t right = 0;
  for (std::size_t k = 0; k < labels.size(); ++k) {
    const auto first = logits.begin() + static_cast<std::ptrdiff_t>(k * classes);
    const auto best = std::max_element(first, first + static_cast<std::ptrdiff_t>(classes));
    right += best - first == labels[k] ? 1 : 0;
  }
  return static_cast<double>(right) / static_cast<double>(labels.size());
}

StageOptions real_stage(const TrainSpec& spec) {
  return {"real",
          spec.epochs,
          spec.batch,
          spec.optimizer,
          spec.learning_rate,
          spec.momentum,
          spec.weight_decay,
          spec.schedule,
          spec.step_epochs,
          spec.step_factor,
          spec.range_rate,
          spec.shift,
          spec.patience,
          static_cast<std::uint64_t>(spec.seed),
          1,
          2,
          {}};
}

StageOptions integer_stage(const TrainSpec& spec, const StageSpec& stage) {
  StageOptions out = real_stage(spec);
  out.name = stage.name;
  out.epochs = stage.epochs;
  out.rounds = stage.rounds;
  out.learning_rate = stage.learning_rate;
  return out;
}

class Trainer::Impl {
 public:
  Impl(Net net, bool is_integer, StageOptions options)
      : net_(std::move(net)), is_integer_(is_integer), options_(std::move(options)) {
    for (const Named& one : net_.parameters()) {
      kept_.push_back({"net/" + one.name, one.tensor});
    }
    for (const Named& one : net_.ranges()) {
      kept_.push_back({"net/" + one.name, one.tensor});
    }
    for (const Named& one : net_.buffers()) {
      kept_.push_back({"net/" + one.name, one.tensor});
    }
    make_optimizer();
    remember();
  }

  [[nodiscard]] bool diverged() const { return diverged_; }

  [[nodiscard]] bool done() const {
    return diverged_ || epoch_ >= options_.all_epochs() ||
           (begins_round() && best_accuracy_ >= options_.target) ||
           (options_.patience > 0 && epoch_ - best_epoch_ >= options_.patience);
  }

  EpochResult epoch(const data::DataSet& data, const std::function<void(double)>& step) {
    if (epoch_ == 0 && is_integer_ && log_.empty()) {
      log_.push_back(measured(data, {}));
      judge(log_.back(), data);
    }
    if (begins_round() && options_.compose) {
      net_.set_codebooks(options_.compose(net_.without_codebooks(), net_.plan()));
    }
    ++epoch_;
    EpochResult result;
    result.epoch = epoch_;
    pass(data.train, step, result);
    if (diverged_) {
      return result;
    }
    result = measured(data, result);
    log_.push_back(result);
    judge(result, data);
    return result;
  }

  Net& net() { return net_; }

  [[nodiscard]] const std::vector<EpochResult>& log() const { return log_; }

  [[nodiscard]] double best_accuracy() const { return best_accuracy_; }

  [[nodiscard]] std::int64_t best_epoch() const { return best_epoch_; }

  Score score(const data::Images& images) {
    Score out;
    if (images.count == 0) {
      return out;
    }
    for_batches(net_, images, [&](const at::Tensor& y, std::int64_t first, std::int64_t count) {
      const at::Tensor labels = label_tensor(images.labels.data() + first, count);
      out.loss += at::cross_entropy_loss(y, labels).item<double>() * static_cast<double>(count);
      out.accuracy += static_cast<double>(hits(y, labels));
    });
    out.loss /= static_cast<double>(images.count);
    out.accuracy /= static_cast<double>(images.count);
    return out;
  }

  /// Runs `f` with the tensors of the best epoch in place.
  template <class F>
  auto with_best(bool best, F&& f) {
    std::vector<at::Tensor> now;
    if (best) {
      now = copies();
      put(best_);
    }
    auto out = f();
    if (best) {
      put(now);
    }
    return out;
  }

  [[nodiscard]] data::Arrays state() {
    data::Arrays out;
    for (std::size_t k = 0; k < kept_.size(); ++k) {
      out.emplace(kept_[k].name, array_of(kept_[k].tensor));
      out.emplace("best" + kept_[k].name.substr(3), array_of(best_[k]));
    }
    for (const Named& one : moments()) {
      out.emplace(one.name, array_of(one.tensor));
    }
    const std::vector<std::int64_t> counts{epoch_, best_epoch_, steps_};
    out.emplace("stage/counts", data::make_array({3}, counts));
    out.emplace("stage/best", doubles({2}, {best_accuracy_, best_loss_}));
    std::vector<double> rows;
    for (const EpochResult& row : log_) {
      rows.insert(rows.end(),
                  {static_cast<double>(row.epoch),
                   row.learning_rate,
                   row.loss,
                   row.train_accuracy,
                   row.validation_loss,
                   row.validation_accuracy});
    }
    out.emplace("stage/log", doubles({static_cast<std::int64_t>(log_.size()), kLogColumns}, rows));
    return out;
  }

  bool restore(const data::Arrays& state) {
    for (const Named& one : kept_) {
      if (!fits(state, one.name, one.tensor) ||
          !fits(state, "best" + one.name.substr(3), one.tensor)) {
        return false;
      }
    }
    for (const Named& one : moments()) {
      if (!fits(state, one.name, one.tensor)) {
        return false;
      }
    }
    const auto counts = state.find("stage/counts");
    const auto best = state.find("stage/best");
    const auto log = state.find("stage/log");
    if (counts == state.end() || best == state.end() || log == state.end() ||
        counts->second.type != data::DType::i8 || counts->second.count() != 3 ||
        best->second.type != data::DType::f8 || best->second.count() != 2 ||
        log->second.type != data::DType::f8 || log->second.count() % kLogColumns != 0) {
      return false;
    }
    for (std::size_t k = 0; k < kept_.size(); ++k) {
      load(state, kept_[k].name, kept_[k].tensor);
      load(state, "best" + kept_[k].name.substr(3), best_[k]);
    }
    for (const Named& one : moments()) {
      load(state, one.name, one.tensor);
    }
    const std::vector<std::int64_t> numbers = *data::as_integers(counts->second);
    epoch_ = numbers[0];
    best_epoch_ = numbers[1];
    set_steps(numbers[2]);
    const std::vector<double> values = doubles_in(best->second);
    best_accuracy_ = values[0];
    best_loss_ = values[1];
    log_.clear();
    const std::vector<double> rows = doubles_in(log->second);
    for (std::size_t k = 0; k + kLogColumns <= rows.size(); k += kLogColumns) {
      log_.push_back({static_cast<std::int64_t>(rows[k]),
                      rows[k + 1],
                      rows[k + 2],
                      rows[k + 3],
                      rows[k + 4],
                      rows[k + 5]});
    }
    return true;
  }

 private:
  static data::Array doubles(std::vector<std::int64_t> shape, const std::vector<double>& values) {
    data::Array out{std::move(shape), data::DType::f8, {}};
    out.bytes.resize(values.size() * sizeof(double));
    if (!values.empty()) {
      std::memcpy(out.bytes.data(), values.data(), out.bytes.size());
    }
    return out;
  }

  static std::vector<double> doubles_in(const data::Array& array) {
    std::vector<double> out(array.bytes.size() / sizeof(double));
    if (!out.empty()) {
      std::memcpy(out.data(), array.bytes.data(), out.size() * sizeof(double));
    }
    return out;
  }

  void make_optimizer() {
    std::vector<at::Tensor> decayed = net_.weights();
    std::vector<at::Tensor> plain;
    std::vector<at::Tensor> ranges;
    for (const Named& one : net_.parameters()) {
      const bool is_weight = std::any_of(decayed.begin(), decayed.end(), [&](const at::Tensor& t) {
        return t.is_same(one.tensor);
      });
      if (!is_weight) {
        plain.push_back(one.tensor);
      }
    }
    for (const Named& one : net_.ranges()) {
      ranges.push_back(one.tensor);
    }
    std::vector<torch::optim::OptimizerParamGroup> groups;
    for (const auto& tensors : {decayed, plain, ranges}) {
      if (!tensors.empty()) {
        groups.emplace_back(tensors);
      }
    }
    if (options_.optimizer == Optimizer::adam) {
      optimizer_ = std::make_unique<torch::optim::Adam>(
          groups, torch::optim::AdamOptions(options_.learning_rate));
    } else {
      optimizer_ = std::make_unique<torch::optim::SGD>(
          groups, torch::optim::SGDOptions(options_.learning_rate).momentum(options_.momentum));
    }
    for (std::size_t k = 0; k < optimizer_->param_groups().size(); ++k) {
      auto& group = optimizer_->param_groups()[k];
      const double decay = k == 0 && !decayed.empty() ? options_.weight_decay : 0;
      if (options_.optimizer == Optimizer::adam) {
        static_cast<torch::optim::AdamOptions&>(group.options()).weight_decay(decay);
      } else {
        static_cast<torch::optim::SGDOptions&>(group.options()).weight_decay(decay);
      }
      is_range_.push_back(!ranges.empty() && k + 1 == optimizer_->param_groups().size());
    }
    for (const at::Tensor& tensor : optimized()) {
      if (options_.optimizer == Optimizer::adam) {
        auto& state = state_of<torch::optim::AdamParamState>(*optimizer_, tensor);
        state.exp_avg(at::zeros_like(tensor.detach()));
        state.exp_avg_sq(at::zeros_like(tensor.detach()));
        state.step(0);
      } else {
        state_of<torch::optim::SGDParamState>(*optimizer_, tensor)
            .momentum_buffer(at::zeros_like(tensor.detach()));
      }
    }
  }

  [[nodiscard]] std::vector<at::Tensor> optimized() const {
    std::vector<at::Tensor> out;
    for (const Named& one : net_.parameters()) {
      out.push_back(one.tensor);
    }
    for (const Named& one : net_.ranges()) {
      out.push_back(one.tensor);
    }
    return out;
  }

  /// The optimizer's memory, by name.
  std::vector<Named> moments() {
    std::vector<Named> out;
    const std::vector<at::Tensor> tensors = optimized();
    for (std::size_t k = 0; k < tensors.size(); ++k) {
      const std::string name = kept_[k].name.substr(3);
      if (options_.optimizer == Optimizer::adam) {
        auto& state = state_of<torch::optim::AdamParamState>(*optimizer_, tensors[k]);
        out.push_back({"adam_first" + name, state.exp_avg()});
        out.push_back({"adam_second" + name, state.exp_avg_sq()});
      } else {
        out.push_back(
            {"sgd" + name,
             state_of<torch::optim::SGDParamState>(*optimizer_, tensors[k]).momentum_buffer()});
      }
    }
    return out;
  }

  void set_steps(std::int64_t steps) {
    steps_ = steps;
    if (options_.optimizer == Optimizer::adam) {
      for (const at::Tensor& tensor : optimized()) {
        state_of<torch::optim::AdamParamState>(*optimizer_, tensor).step(steps);
      }
    }
  }

  /// A round is over, and it is not the first one's beginning.
  [[nodiscard]] bool begins_round() const { return epoch_ > 0 && epoch_ % options_.epochs == 0; }

  /// `epochs_done` of the round.
  [[nodiscard]] double rate_at(double epochs_done) const {
    switch (options_.schedule) {
      case Schedule::constant:
        break;
      case Schedule::cosine:
        return options_.learning_rate *
               (0.5 + 0.5 * std::cos(std::numbers::pi * epochs_done /
                                     static_cast<double>(options_.epochs)));
      case Schedule::step:
        return options_.learning_rate *
               std::pow(options_.step_factor,
                        std::floor(epochs_done / static_cast<double>(options_.step_epochs)));
    }
    return options_.learning_rate;
  }

  void set_rate(double rate) {
    for (std::size_t k = 0; k < is_range_.size(); ++k) {
      optimizer_->param_groups()[k].options().set_lr(is_range_[k] ? rate * options_.range_rate
                                                                  : rate);
    }
  }

  void pass(const data::Images& images,
            const std::function<void(double)>& step,
            EpochResult& result) {
    const std::string stream = fmt::format("/{}/{}", options_.name, epoch_);
    Rng order_rng(options_.seed, "shuffle" + stream);
    Rng shift_rng(options_.seed, "shift" + stream);
    Rng noise_rng(options_.seed, "noise" + stream);
    const std::vector<std::size_t> order =
        shuffled(static_cast<std::size_t>(images.count), order_rng);
    const auto size = static_cast<std::size_t>(images.shape.elements());
    std::vector<float> values;
    std::vector<std::int32_t> labels;
    double loss_sum = 0;
    std::int64_t right = 0;
    const std::int64_t batches = (images.count + options_.batch - 1) / options_.batch;
    for (std::int64_t b = 0; b < batches; ++b) {
      const auto first = static_cast<std::size_t>(b * options_.batch);
      const std::size_t count =
          std::min(static_cast<std::size_t>(options_.batch), order.size() - first);
      values.resize(count * size);
      labels.resize(count);
      for (std::size_t k = 0; k < count; ++k) {
        const std::size_t image = order[first + k];
        const int dy = static_cast<int>(shift_rng.uniform(-options_.shift, options_.shift));
        const int dx = static_cast<int>(shift_rng.uniform(-options_.shift, options_.shift));
        copy_moved(
            images.shape, images.values.data() + image * size, dy, dx, values.data() + k * size);
        labels[k] = images.labels[image];
      }
      result.learning_rate = rate_at(static_cast<double>((epoch_ - 1) % options_.epochs) +
                                     static_cast<double>(b) / static_cast<double>(batches));
      set_rate(result.learning_rate);
      const at::Tensor x =
          image_tensor(images.shape, static_cast<std::int64_t>(count), values.data());
      const at::Tensor y = label_tensor(labels.data(), static_cast<std::int64_t>(count));
      const at::Tensor out = net_.forward(x, {true, noise_rng.bits()});
      const at::Tensor loss = at::cross_entropy_loss(out, y);
      diverged_ = !std::isfinite(loss.item<double>());
      if (diverged_) {
        return;
      }
      optimizer_->zero_grad();
      loss.backward();
      optimizer_->step();
      ++steps_;
      loss_sum += loss.item<double>() * static_cast<double>(count);
      right += hits(out, y);
      if (step) {
        step(static_cast<double>(b + 1) / static_cast<double>(batches));
      }
    }
    result.loss = loss_sum / static_cast<double>(std::max<std::int64_t>(1, images.count));
    result.train_accuracy =
        static_cast<double>(right) / static_cast<double>(std::max<std::int64_t>(1, images.count));
  }

  EpochResult measured(const data::DataSet& data, EpochResult result) {
    const Score score_now = score(data.validation);
    result.validation_loss = score_now.loss;
    result.validation_accuracy = score_now.accuracy;
    return result;
  }

  void judge(const EpochResult& result, const data::DataSet& data) {
    const bool is_better =
        data.validation.count == 0 || result.validation_accuracy > best_accuracy_ ||
        (result.validation_accuracy == best_accuracy_ && result.validation_loss < best_loss_);
    if (is_better) {
      best_accuracy_ = result.validation_accuracy;
      best_loss_ = result.validation_loss;
      best_epoch_ = result.epoch;
      remember();
    }
  }

  [[nodiscard]] std::vector<at::Tensor> copies() const {
    std::vector<at::Tensor> out;
    for (const Named& one : kept_) {
      out.push_back(one.tensor.detach().clone());
    }
    return out;
  }

  void remember() { best_ = copies(); }

  void put(const std::vector<at::Tensor>& tensors) {
    const at::NoGradGuard no_gradient;
    for (std::size_t k = 0; k < kept_.size(); ++k) {
      kept_[k].tensor.copy_(tensors[k]);
    }
  }

  Net net_;
  bool is_integer_;
  StageOptions options_;
  std::unique_ptr<torch::optim::Optimizer> optimizer_;
  std::vector<bool> is_range_;  ///< per group of the optimizer
  std::vector<Named> kept_;     ///< parameters, ranges, buffers
  std::vector<at::Tensor> best_;
  std::vector<EpochResult> log_;
  bool diverged_ = false;
  std::int64_t epoch_ = 0;
  std::int64_t best_epoch_ = 0;
  std::int64_t steps_ = 0;
  double best_accuracy_ = -1;
  double best_loss_ = std::numeric_limits<double>::infinity();
};

namespace {

Net make_net(const FloatModel& model, const QuantPlan* plan) {
  Net net(model);
  if (plan != nullptr) {
    net.quantize(*plan);
  }
  return net;
}

}  // namespace

Trainer::Trainer(const Network& network, const StageOptions& options)
    : impl_(std::make_unique<Impl>(Net(network, options.seed), false, options)) {}

Trainer::Trainer(const FloatModel& model, const QuantPlan* plan, StageOptions options)
    : impl_(std::make_unique<Impl>(make_net(model, plan), plan != nullptr, std::move(options))) {}

Trainer::~Trainer() = default;
Trainer::Trainer(Trainer&&) noexcept = default;
Trainer& Trainer::operator=(Trainer&&) noexcept = default;

bool Trainer::diverged() const {
  return impl_->diverged();
}

bool Trainer::done() const {
  return impl_->done();
}

EpochResult Trainer::epoch(const data::DataSet& data, const std::function<void(double)>& step) {
  return impl_->epoch(data, step);
}

const std::vector<EpochResult>& Trainer::log() const {
  return impl_->log();
}

std::vector<float> Trainer::outputs(const data::Images& images) const {
  return all_outputs(impl_->net(), images);
}

Score Trainer::score(const data::Images& images) const {
  return impl_->score(images);
}

FloatModel Trainer::model(bool best) const {
  return impl_->with_best(best, [this] { return impl_->net().to_model(); });
}

QuantPlan Trainer::plan(bool best) const {
  return impl_->with_best(best, [this] { return impl_->net().plan(); });
}

double Trainer::best_validation_accuracy() const {
  return impl_->best_accuracy();
}

std::int64_t Trainer::best_epoch() const {
  return impl_->best_epoch();
}

data::Arrays Trainer::state() const {
  return impl_->state();
}

bool Trainer::restore(const data::Arrays& state) {
  return impl_->restore(state);
}

std::vector<float> outputs_of(const FloatModel& model,
                              const QuantPlan* plan,
                              const data::Images& images) {
  Net net = make_net(model, plan);
  return all_outputs(net, images);
}

}  // namespace tessera::train
