// Slab: numbered objects in blocks that never move. Unlike a vector it neither
// copies itself nor keeps twice the room while it grows; numbers are four bytes
// where pointers are eight.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "storage/base/check.h"

namespace mooring::storage {

// T is default-constructible and assignable. Thread-compatible.
template <typename T>
class Slab {
 public:
  // A number for a new object, default-valued.
  std::uint32_t Add() {
    if (!free_.empty()) {
      const std::uint32_t index = free_.back();
      free_.pop_back();
      return index;
    }
    MOORING_CHECK(size_ < ~std::uint32_t{0});
    if (size_ % kBlock == 0) blocks_.push_back(std::make_unique<T[]>(kBlock));
    return size_++;
  }

  void Remove(std::uint32_t index) {
    (*this)[index] = T();
    free_.push_back(index);
  }

  T& operator[](std::uint32_t index) { return blocks_[index / kBlock][index % kBlock]; }
  const T& operator[](std::uint32_t index) const { return blocks_[index / kBlock][index % kBlock]; }

 private:
  static constexpr std::uint32_t kBlock = 1024;

  std::vector<std::unique_ptr<T[]>> blocks_;
  std::vector<std::uint32_t> free_;
  std::uint32_t size_ = 0;
};

}  // namespace mooring::storage
