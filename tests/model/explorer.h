// Explorer: visits every reachable state of a model, breadth first, so that the
// first violation found has a shortest trace.
//
// A model is a class with
//   using State;                                   // A value; copied freely.
//   State Initial() const;
//   void Expand(const State&, absl::FunctionRef<void(const State&, const Step&)>) const;
//   const char* Violation(const State&) const;     // Null: the state is good.
//   Key KeyOf(const State&) const;                 // Equal for states that may be merged.
//   State StateOf(const Key&) const;               // One of them.
//
// Every state is kept whole (no hash compaction): what is reported as exhaustive is.

#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <absl/strings/substitute.h>

namespace mooring::model {

using Key = std::array<std::uint64_t, 4>;

// What happened between two states, as a sentence; $0 and $1 stand for the numbers.
struct Step {
  const char* text = "";
  int a = 0;
  int b = 0;
};

inline std::string InWords(const Step& step) {
  return absl::Substitute(step.text, step.a, step.b);
}

// All keys found so far, numbered in the order of their discovery.
class KeySet {
 public:
  KeySet() : slots_(1U << 16, kEmpty) {}

  std::size_t size() const { return keys_.size(); }
  const Key& operator[](std::size_t number) const { return keys_[number]; }

  // True if it is new; then its number is size() - 1.
  bool Insert(const Key& key) {
    if (keys_.size() * 2 >= slots_.size()) Grow();
    std::size_t at = Hash(key) & (slots_.size() - 1);
    for (; slots_[at] != kEmpty; at = (at + 1) & (slots_.size() - 1)) {
      if (keys_[slots_[at]] == key) return false;
    }
    slots_[at] = static_cast<std::uint32_t>(keys_.size());
    keys_.push_back(key);
    return true;
  }

 private:
  static constexpr std::uint32_t kEmpty = 0xffffffff;

  static std::size_t Hash(const Key& key) {
    std::uint64_t hash = 0;
    for (const std::uint64_t word : key) {
      hash = (hash ^ word) * 0x9e3779b97f4a7c15;
      hash ^= hash >> 29;
    }
    return hash;
  }

  void Grow() {
    slots_.assign(slots_.size() * 2, kEmpty);
    for (std::size_t i = 0; i < keys_.size(); ++i) {
      std::size_t at = Hash(keys_[i]) & (slots_.size() - 1);
      while (slots_[at] != kEmpty) at = (at + 1) & (slots_.size() - 1);
      slots_[at] = static_cast<std::uint32_t>(i);
    }
  }

  std::vector<Key> keys_;
  std::vector<std::uint32_t> slots_;
};

struct Exploration {
  std::size_t states = 0;
  std::size_t steps = 0;       // Edges, those to known states included.
  bool is_exhaustive = false;  // The frontier ran empty.
  std::string violation;       // Empty: none.
  std::vector<std::string> trace;
  double seconds = 0;
};

template <typename Model>
class Explorer {
 public:
  using State = typename Model::State;

  explicit Explorer(const Model& model) : model_(model) {}

  // Stops at the first violation, or at `states_max`.
  Exploration Run(std::size_t states_max) {
    const auto begin = std::chrono::steady_clock::now();
    Exploration result;
    Add(model_.Initial(), 0, result);
    std::size_t next = 0;
    for (; next < keys_.size() && result.violation.empty() && keys_.size() < states_max; ++next) {
      model_.Expand(model_.StateOf(keys_[next]), [&](const State& state, const Step&) {
        ++result.steps;
        if (result.violation.empty()) Add(state, next, result);
      });
    }
    result.states = keys_.size();
    result.is_exhaustive = next == keys_.size() && result.violation.empty();
    result.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    return result;
  }

 private:
  void Add(const State& state, std::size_t parent, Exploration& result) {
    if (!keys_.Insert(model_.KeyOf(state))) return;
    parents_.push_back(static_cast<std::uint32_t>(parent));
    const char* const violation = model_.Violation(state);
    if (violation == nullptr) return;
    result.violation = violation;
    result.trace = TraceTo(keys_.size() - 1);
  }

  // Runs the path again from the start, without renaming anything on the way,
  // so that a pack keeps its name through the story.
  std::vector<std::string> TraceTo(std::size_t last) {
    std::vector<std::size_t> path;
    for (std::size_t at = last; at != 0; at = parents_[at]) path.push_back(at);
    std::reverse(path.begin(), path.end());
    std::vector<std::string> trace;
    State state = model_.Initial();
    for (const std::size_t number : path) {
      bool found = false;
      State next = state;
      model_.Expand(state, [&](const State& to, const Step& step) {
        if (found || model_.KeyOf(to) != keys_[number]) return;
        found = true;
        next = to;
        trace.push_back(InWords(step));
      });
      // Renaming is not perfect: where a state and its image are told apart, the
      // story goes on with the image's names.
      if (!found) trace.emplace_back("(from here on with other names)");
      state = found ? next : model_.StateOf(keys_[number]);
    }
    return trace;
  }

  const Model& model_;
  KeySet keys_;
  std::vector<std::uint32_t> parents_;
};

}  // namespace mooring::model
