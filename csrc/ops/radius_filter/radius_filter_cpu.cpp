#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <vector>

#include "../../common/parallel.h"
#include "../../common/scan/near.h"
#include "radius_filter.h"

namespace ally_fast {

void radius_filter_cpu(const RowsView& rows, const PackedPoints& table, double radius, int threads,
                       uint8_t* within) {
  constexpr int64_t kTaskRows = 2048;
  const double square = radius * radius;
  const double above = std::nextafter(square, std::numeric_limits<double>::infinity());
  const int64_t tasks = (rows.visited + kTaskRows - 1) / kTaskRows;
  const auto make = [&] { return std::make_unique<BlockScanner>(table, rows); };
  parallel_for_with(tasks, threads, make, [&](int64_t task, BlockScanner& scanner) {
    const int64_t begin = task * kTaskRows, end = std::min(rows.visited, begin + kTaskRows);
    std::vector<double> nearest(static_cast<size_t>(end - begin), above);
    lower_to_nearest(scanner, begin, end, nearest.data());
    for (int64_t i = begin; i < end; ++i) within[i] = nearest[i - begin] <= square;
  });
}

}  // namespace ally_fast
