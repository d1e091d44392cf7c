// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The Tessera authors
/// GLPK behind solver.hpp.
///
/// GLPK reports misuse and exhausted memory by calling abort() after its error hook. The hook jumps
/// out instead, so between setjmp and the return of run() no object with a destructor is alive in a
/// frame that the jump skips: what run() needs is a plain Call, and what it finds is written there.
/// After a jump the environment is inconsistent; glp_free_env() releases everything in it.
#include "mapper/milp/solver.hpp"
#include "sim/base/diagnostics.hpp"

#include <fmt/format.h>
#include <glpk.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <csetjmp>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <system_error>

namespace tessera::mapper::milp {
namespace {

/// Everything run() reads and writes. Arrays count from 1, as GLPK wants them.
struct Call {
  const MilpModel* model = nullptr;
  const char* const* column_names = nullptr;
  const char* const* row_names = nullptr;
  const int* entry_row = nullptr;
  const int* entry_column = nullptr;
  const double* entry = nullptr;
  int entries = 0;
  const double* start = nullptr;
  double mip_gap = 0;
  const double* known_bound = nullptr;
  int time_limit_ms = 0;
  const char* lp_path = nullptr;
  const char* failure_lp_path = nullptr;

  Status status = Status::failed;
  double objective = 0;
  double bound = 0;
  std::int64_t nodes = 0;
  bool limit_hit = false;
  bool lp_written = true;
  bool start_offered = false;
  const char* reason = "";
  double* values = nullptr;
  std::array<char, 400> said{};   ///< the last text of GLPK
  std::array<char, 400> cause{};  ///< what it said when it wanted to abort
  std::jmp_buf on_error{};
};

/// Swallows what GLPK would print and keeps the beginning of the last sentence.
int keep_text(void* info, const char* text) {
  Call& call = *static_cast<Call*>(info);
  std::size_t length = std::min(std::strlen(text), call.said.size() - 1);
  while (length > 0 && text[length - 1] == '\n') {
    --length;
  }
  if (length > 0 && std::strncmp(text, "Error detected", 14) != 0) {
    std::memcpy(call.said.data(), text, length);
    call.said[length] = '\0';
  }
  return 1;
}

void jump_out(void* info) {
  std::longjmp(static_cast<Call*>(info)->on_error, 1);
}

/// Follows the bound, counts nodes, offers the start solution once, and stops at an answer that the
/// bound known from elsewhere says is good enough.
void watch(glp_tree* tree, void* info) {
  Call& call = *static_cast<Call*>(info);
  const int best = glp_ios_best_node(tree);
  if (best != 0) {
    call.bound = glp_ios_node_bound(tree, best);
  }
  int total = 0;
  glp_ios_tree_size(tree, nullptr, nullptr, &total);
  call.nodes = total;
  glp_prob* lp = glp_ios_get_prob(tree);
  if (call.known_bound != nullptr && glp_mip_status(lp) == GLP_FEAS &&
      relative_gap(glp_mip_obj_val(lp), *call.known_bound) <= call.mip_gap) {
    glp_ios_terminate(tree);
    return;
  }
  if (glp_ios_reason(tree) == GLP_IHEUR && call.start != nullptr && !call.start_offered) {
    call.start_offered = true;
    glp_ios_heur_sol(tree, call.start);
  }
}

int bound_type(double lower, double upper) {
  if (lower == -kInfinity) {
    return upper == kInfinity ? GLP_FR : GLP_UP;
  }
  if (upper == kInfinity) {
    return GLP_LO;
  }
  return lower == upper ? GLP_FX : GLP_DB;
}

glp_prob* build(const Call& call) {
  const MilpModel& model = *call.model;
  glp_prob* lp = glp_create_prob();
  glp_set_obj_dir(lp, model.sense == Sense::minimize ? GLP_MIN : GLP_MAX);
  if (!model.rows.empty()) {
    glp_add_rows(lp, static_cast<int>(model.rows.size()));
  }
  if (!model.columns.empty()) {
    glp_add_cols(lp, static_cast<int>(model.columns.size()));
  }
  for (std::size_t i = 0; i < model.rows.size(); ++i) {
    const Row& row = model.rows[i];
    const int number = static_cast<int>(i) + 1;
    glp_set_row_name(lp, number, call.row_names[i]);
    glp_set_row_bnds(lp, number, bound_type(row.lower, row.upper), row.lower, row.upper);
  }
  for (std::size_t j = 0; j < model.columns.size(); ++j) {
    const Column& column = model.columns[j];
    const int number = static_cast<int>(j) + 1;
    glp_set_col_name(lp, number, call.column_names[j]);
    glp_set_col_kind(lp, number, column.domain == Domain::continuous ? GLP_CV : GLP_IV);
    glp_set_col_bnds(
        lp, number, bound_type(column.lower, column.upper), column.lower, column.upper);
    glp_set_obj_coef(lp, number, column.cost);
  }
  glp_load_matrix(lp, call.entries, call.entry_row, call.entry_column, call.entry);
  return lp;
}

/// The relaxation alone says whether there is a bound at all; with a start it also has to stand in
/// for the MIP presolver's own first step.
Status relax(glp_prob* lp, Call& call) {
  glp_smcp options;
  glp_init_smcp(&options);
  options.msg_lev = GLP_MSG_ERR;
  options.presolve = GLP_ON;
  options.tm_lim = call.time_limit_ms;
  const int code = glp_simplex(lp, &options);
  if (code == GLP_ENOPFS) {
    return Status::infeasible;
  }
  if (code == GLP_ENODFS) {
    // No dual solution: unbounded, or empty. Without costs only the second is left to tell.
    for (int j = 1; j <= glp_get_num_cols(lp); ++j) {
      glp_set_obj_coef(lp, j, 0);
    }
    const int again = glp_simplex(lp, &options);
    for (int j = 1; j <= glp_get_num_cols(lp); ++j) {
      glp_set_obj_coef(lp, j, call.model->columns[static_cast<std::size_t>(j) - 1].cost);
    }
    return again == GLP_ENOPFS ? Status::infeasible : Status::unbounded;
  }
  if (code == GLP_ETMLIM) {
    call.limit_hit = true;
    call.reason = "the time limit was hit in the relaxation";
    return Status::failed;
  }
  if (code == 0 && glp_get_status(lp) == GLP_OPT) {
    call.bound = glp_get_obj_val(lp);
    return Status::optimal;
  }
  switch (code == 0 ? glp_get_status(lp) : GLP_UNDEF) {
    case GLP_NOFEAS:
      return Status::infeasible;
    case GLP_UNBND:
      return Status::unbounded;
    default:
      call.reason = "the simplex method failed on the relaxation";
      return Status::failed;
  }
}

Status branch(glp_prob* lp, Call& call) {
  glp_iocp options;
  glp_init_iocp(&options);
  options.msg_lev = GLP_MSG_ERR;
  options.presolve = call.start == nullptr ? GLP_ON : GLP_OFF;
  options.mip_gap = call.mip_gap;
  options.tm_lim = call.time_limit_ms;
  options.cov_cuts = GLP_ON;
  options.mir_cuts = GLP_ON;
  options.cb_func = watch;
  options.cb_info = &call;
  const int code = glp_intopt(lp, &options);
  call.limit_hit = code == GLP_ETMLIM;
  const int found = glp_mip_status(lp);
  if (code == GLP_ENOPFS || (code == 0 && found == GLP_NOFEAS)) {
    return Status::infeasible;
  }
  if (code != 0 && code != GLP_EMIPGAP && code != GLP_ESTOP && code != GLP_ETMLIM) {
    call.reason = "branch and bound failed";
    return Status::failed;
  }
  if (found != GLP_OPT && found != GLP_FEAS) {
    call.reason = "the time limit was hit before the first solution";
    return Status::failed;
  }
  call.objective = glp_mip_obj_val(lp);
  if (code == 0) {
    call.bound = call.objective;
  }
  for (int j = 1; j <= glp_get_num_cols(lp); ++j) {
    call.values[j - 1] = glp_mip_col_val(lp, j);
  }
  return call.limit_hit ? Status::feasible : Status::optimal;
}

/// Results lie in the same folder and come later.
void make_folder_of(const char* path) {
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  std::error_code ignored;  // what cannot be made cannot be written to either
  std::filesystem::create_directories(folder, ignored);
}

void write_lp(glp_prob* lp, Call& call, const char* path) {
  if (path != nullptr && path == call.failure_lp_path) {
    make_folder_of(path);
  }
  if (path != nullptr && glp_write_lp(lp, nullptr, path) != 0) {
    call.lp_written = false;
  }
}

/// Calls work(call) in an environment of its own; false when GLPK wanted to abort.
bool guarded(Call& call, void (*work)(Call&)) {
  glp_term_hook(keep_text, &call);
  // From here on nothing may own memory that is not GLPK's.
  if (setjmp(call.on_error) != 0) {  // NOLINT(cert-err52-cpp): the library is C
    glp_free_env();
    return false;
  }
  glp_error_hook(jump_out, &call);
  work(call);
  glp_free_env();
  return true;
}

void work_through(Call& call) {
  glp_prob* lp = build(call);
  write_lp(lp, call, call.lp_path);
  call.status = relax(lp, call);
  if (call.status == Status::optimal) {
    call.status = branch(lp, call);
  }
  if (call.status == Status::failed) {
    write_lp(lp, call, call.failure_lp_path);
  }
  glp_delete_prob(lp);
}

void run(Call& call) {
  if (guarded(call, work_through)) {
    return;
  }
  call.status = Status::failed;
  call.said.swap(call.cause);
  call.reason = call.cause.data();
  // The model went with the environment: build it again to show it.
  const auto write_failure = [](Call& again) {
    glp_prob* lp = build(again);
    write_lp(lp, again, again.failure_lp_path);
    glp_delete_prob(lp);
  };
  if (call.failure_lp_path != nullptr && !guarded(call, write_failure)) {
    call.lp_written = false;
  }
}

std::vector<const char*> pointers(const std::vector<std::string>& names) {
  std::vector<const char*> out;
  out.reserve(names.size());
  for (const std::string& name : names) {
    out.push_back(name.c_str());
  }
  return out;
}

template <typename Named>
std::vector<std::string> names_of(const std::vector<Named>& all) {
  std::vector<std::string> out;
  out.reserve(all.size());
  for (const Named& one : all) {
    out.push_back(one.name);
  }
  return lp_names(out);
}

/// Integers exact, and what follows from the values recomputed with them.
void polish(const MilpModel& model, SolveResult& result) {
  for (std::size_t j = 0; j < model.columns.size(); ++j) {
    if (model.columns[j].domain != Domain::continuous) {
      result.values[j] = std::round(result.values[j]);
    }
  }
  result.objective = model.value(result.values);
}

/// GLPK refuses a model without columns.
SolveResult without_columns(const MilpModel& model) {
  SolveResult result;
  result.status = model.violation({}) > 0 ? Status::infeasible : Status::optimal;
  result.gap = result.status == Status::optimal ? 0 : kInfinity;
  return result;
}

}  // namespace

double relative_gap(double objective, double bound) {
  const double difference = std::abs(objective - bound);
  return difference == 0 ? 0 : difference / std::max(std::abs(objective), 1e-300);
}

SolveResult solve(const MilpModel& model, const SolveOptions& options) {
  const std::vector<std::string> mistakes = check(model);
  if (!mistakes.empty()) {
    throw InternalError("milp", -1, fmt::format("model '{}': {}", model.name, mistakes.front()));
  }
  if (model.columns.empty()) {
    return without_columns(model);
  }
  const auto began = std::chrono::steady_clock::now();
  const std::vector<std::string> column_names = names_of(model.columns);
  const std::vector<std::string> row_names = names_of(model.rows);
  const std::vector<const char*> column_pointers = pointers(column_names);
  const std::vector<const char*> row_pointers = pointers(row_names);
  std::vector<int> entry_row(1);
  std::vector<int> entry_column(1);
  std::vector<double> entry(1);
  for (std::size_t i = 0; i < model.rows.size(); ++i) {
    for (const Term& term : model.rows[i].terms) {
      if (term.coefficient != 0) {
        entry_row.push_back(static_cast<int>(i) + 1);
        entry_column.push_back(term.column + 1);
        entry.push_back(term.coefficient);
      }
    }
  }
  std::vector<double> start(1);
  const bool warm =
      options.start.size() == model.columns.size() && model.violation(options.start) <= 1e-9;
  if (warm) {
    start.insert(start.end(), options.start.begin(), options.start.end());
  }

  SolveResult result;
  result.values.resize(model.columns.size());
  Call call;
  call.model = &model;
  call.column_names = column_pointers.data();
  call.row_names = row_pointers.data();
  call.entry_row = entry_row.data();
  call.entry_column = entry_column.data();
  call.entry = entry.data();
  call.entries = static_cast<int>(entry.size()) - 1;
  call.start = warm ? start.data() : nullptr;
  call.mip_gap = options.mip_gap;
  call.known_bound = options.known_bound ? &*options.known_bound : nullptr;
  call.time_limit_ms = static_cast<int>(std::clamp(options.time_limit_seconds * 1e3, 1.0, 2e9));
  call.lp_path = options.lp_path.empty() ? nullptr : options.lp_path.c_str();
  call.failure_lp_path =
      options.failure_lp_path.empty() ? nullptr : options.failure_lp_path.c_str();
  call.values = result.values.data();
  run(call);

  result.status = call.status;
  result.bound = call.bound;
  if (options.known_bound) {
    result.bound = model.sense == Sense::minimize ? std::max(call.bound, *options.known_bound)
                                                  : std::min(call.bound, *options.known_bound);
  }
  result.nodes = call.nodes;
  result.limit_hit = call.limit_hit;
  if (call.status == Status::optimal || call.status == Status::feasible) {
    polish(model, result);
    // Rounding to integers may move the objective past a bound that was reached exactly.
    result.bound = model.sense == Sense::minimize ? std::min(result.bound, result.objective)
                                                  : std::max(result.bound, result.objective);
    result.gap = relative_gap(result.objective, result.bound);
  } else {
    result.values.clear();
    result.gap = kInfinity;
  }
  if (call.status == Status::failed) {
    result.message = call.reason;
  }
  if (!call.lp_written) {
    result.lp_error = "the .lp file could not be written";
  }
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  return result;
}

}  // namespace tessera::mapper::milp
