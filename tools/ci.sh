#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The Tessera authors
# The gate.
#   tools/ci.sh fast             set-up, build, all tests: what every commit passes
#   tools/ci.sh full             before a release: both compilers, sanitizers, fuzzers, lint, benches, and the
#                                same results from every build
#   tools/ci.sh full gcc tidy    only these parts of it, in this order
#
# Parts      format gcc clang sanitize compare fuzz tidy bench; compare wants gcc, clang and sanitize before it
# Variables  TESSERA_CI_DIR           where builds and results go; kept when given, else a temporary folder
#            TESSERA_CI_JOBS          jobs side by side (default: processors)
#            TESSERA_CI_BASE          format and tidy look at files changed since this commit (default: the merge base
#                                     with origin/main, else the commit before this one)
#            TESSERA_CI_FUZZ_SECONDS  per fuzzer (default 120)
# Status     0, or 1 after naming every part that failed: a failure does not hide what comes after it
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
  sed -n '/^# The gate/,/^# Status/{s/^# \{0,1\}//p}' tools/ci.sh >&2
  exit 2
}

case "${1:-}" in
  fast) [ "$#" -eq 1 ] || usage ;;
  full) ;;
  *) usage ;;
esac
if [ "$1" = fast ]; then
  exec tools/test
fi
shift

readonly all_parts=(format gcc clang sanitize compare fuzz tidy bench)
parts=("${all_parts[@]}")
if [ "$#" -gt 0 ]; then
  for part in "$@"; do
    [[ " ${all_parts[*]} " == *" $part "* ]] || usage
  done
  parts=("$@")
fi

jobs=${TESSERA_CI_JOBS:-$(nproc)}
if [ -n "${TESSERA_CI_DIR:-}" ]; then
  mkdir -p "$TESSERA_CI_DIR"
  work=$(cd "$TESSERA_CI_DIR" && pwd)
else
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
fi

need() {
  local missing=0
  for program in "$@"; do
    command -v "$program" >/dev/null || {
      echo "tools/ci.sh: $program is missing; apt-get install clang-14 clang-tidy-14 clang-format-14 libclang-rt-14-dev" >&2
      missing=1
    }
  done
  return "$missing"
}

base() {
  if [ -n "${TESSERA_CI_BASE:-}" ]; then
    echo "$TESSERA_CI_BASE"
  else
    git merge-base HEAD origin/main 2>/dev/null || git rev-parse HEAD~1
  fi
}

changed() { git diff --name-only --diff-filter=d "$(base)" -- "$@"; }

# configure NAME OPTION...
configure() {
  local name=$1
  shift
  cmake -S . -B "$work/$name" -G Ninja -DTESSERA_WERROR=ON --log-level=WARNING "$@"
}

build() { cmake --build "$work/$1" --parallel "$jobs" --target "${@:2}"; }

tests() { ctest --test-dir "$work/$1" --output-on-failure --parallel "$jobs"; }

part_format() {
  need clang-format-14
  changed '*.cpp' '*.hpp' | xargs -r clang-format-14 --dry-run -Werror
}

part_gcc() {
  configure gcc -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_COMPILER=g++
  build gcc all
  tests gcc
}

part_clang() {
  need clang++-14
  configure clang -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_COMPILER=clang++-14
  build clang all
  tests clang
}

part_sanitize() {
  local suppress=$PWD/tools/cmake/suppress
  export ASAN_OPTIONS="suppressions=$suppress/address.supp:detect_stack_use_after_return=1:strict_string_checks=1"
  export LSAN_OPTIONS="suppressions=$suppress/leak.supp:print_suppressions=0"
  export UBSAN_OPTIONS="suppressions=$suppress/undefined.supp:print_stacktrace=1"
  configure sanitize -DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_COMPILER=g++ -DTESSERA_SANITIZE=address,undefined
  build sanitize all
  tests sanitize
}

# result.json of one run, without the group that may differ between two identical runs.
result() {
  local build=$1 name=$2
  shift 2
  mkdir -p "$work/results/$build"
  "$work/$build/tessera" run "$@" --quiet --out "$work/results/$build/$name.out"
  sed '/^  "simulation": {/,/^  }/d' "$work/results/$build/$name.out/result.json" >"$work/results/$build/$name.json"
  [ -s "$work/results/$build/$name.json" ]
}

part_compare() {
  local small=configs/experiments/quickstart.yaml failed=0
  rm -rf "$work/results"
  for build in gcc clang sanitize; do
    result "$build" pixel "$small"
    result "$build" layer "$small" --set execution.granularity=layer
    result "$build" serial "$small" --set execution.granularity=serial --set mapping.layers.conv1.replicas=1
    result "$build" step "$small" --detail step --images 1
    result "$build" bits "$small" --set execution.functional=bit_accurate --seed 7
    result "$build" mlp configs/experiments/lrmp_mlp.yaml
  done
  for build in clang sanitize; do
    for file in "$work"/results/gcc/*.json; do
      diff -u "$file" "$work/results/$build/$(basename "$file")" || failed=1
    done
  done
  return "$failed"
}

part_fuzz() {
  need clang++-14
  configure fuzz -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_CXX_COMPILER=clang++-14 -DTESSERA_FUZZERS=ON
  build fuzz fuzzers
  local failed=0 found=0
  for source in tests/fuzz/*_fuzz.cpp; do
    local name
    name=$(basename "$source" .cpp)
    found=1
    mkdir -p "$work/fuzz_new/$name"
    "$work/fuzz/$name" -max_total_time="${TESSERA_CI_FUZZ_SECONDS:-120}" -max_len=4096 -timeout=10 \
      -rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix="$work/fuzz_new/$name-" \
      "$work/fuzz_new/$name" "tests/fuzz/corpus/${name%_fuzz}" || failed=1
  done
  [ "$found" -eq 1 ] && [ "$failed" -eq 0 ]
}

# A changed header is seen through a source that includes it.
tidy_sources() {
  changed '*.cpp' ':!tests/fuzz/*_fuzz.cpp'
  local header source
  while read -r header; do
    source=${header%.hpp}.cpp
    if [ ! -f "$source" ]; then
      source=$(git grep -lF "#include \"$header\"" -- '*.cpp' ':!tests/fuzz/*_fuzz.cpp' | head -n 1 || true)
    fi
    [ -z "$source" ] || echo "$source"
  done < <(changed '*.hpp')
}

part_tidy() {
  need clang-tidy-14 clang++-14
  configure clang -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_COMPILER=clang++-14
  tidy_sources | sort -u | xargs -r -n 1 -P "$jobs" clang-tidy-14 --quiet -p "$work/clang"
}

# Only that they still build and run; numbers are compared by hand, see bench/README.md.
part_bench() {
  configure gcc -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_COMPILER=g++
  build gcc benches
  local found=0 program
  for source in bench/bench_*.cpp; do
    program=$(find "$work/gcc" -type f -name "$(basename "$source" .cpp)" -perm -u+x)
    found=1
    "$program" --benchmark_min_time=0.01
  done
  [ "$found" -eq 1 ]
}

failed=()
for part in "${parts[@]}"; do
  echo "== $part"
  # A shell of its own: `set -e` is off inside of a condition, and one part may not end the others.
  set +e
  (set -e; "part_$part")
  status=$?
  set -e
  [ "$status" -eq 0 ] || failed+=("$part")
done
if [ "${#failed[@]}" -gt 0 ]; then
  echo "tools/ci.sh: failed: ${failed[*]}" >&2
  exit 1
fi
echo "tools/ci.sh: all parts passed: ${parts[*]}"
