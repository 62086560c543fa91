// Arrays that begin at a cache line: a vector register's load from elsewhere touches two.
#pragma once
#include <cstddef>
#include <new>
#include <utility>
#include <vector>

namespace ally_fast {

template <class T>
struct LineAllocator {
  using value_type = T;
  static constexpr std::align_val_t kLine{64};

  LineAllocator() = default;
  template <class Other>
  LineAllocator(const LineAllocator<Other>&) {}

  T* allocate(size_t count) { return static_cast<T*>(::operator new(count * sizeof(T), kLine)); }
  void deallocate(T* values, size_t) { ::operator delete(values, kLine); }
  friend bool operator==(const LineAllocator&, const LineAllocator&) { return true; }
  friend bool operator!=(const LineAllocator&, const LineAllocator&) { return false; }
};

template <class T>
using AlignedVector = std::vector<T, LineAllocator<T>>;

// The same without zeros at the start: of a large array, only the pages that are used are touched.
template <class T>
struct RawLineAllocator : LineAllocator<T> {
  template <class Other>
  struct rebind {
    using other = RawLineAllocator<Other>;
  };
  using LineAllocator<T>::LineAllocator;

  void construct(T* place) { ::new (static_cast<void*>(place)) T; }
  template <class... Arguments>
  void construct(T* place, Arguments&&... arguments) {
    ::new (static_cast<void*>(place)) T(std::forward<Arguments>(arguments)...);
  }
};

template <class T>
using RawAlignedVector = std::vector<T, RawLineAllocator<T>>;

}  // namespace ally_fast
