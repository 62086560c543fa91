#include "row_sums.h"

#include <string>

namespace ally_fast {

extern const RowSums kPortableRowSums;
#if ALLY_FAST_X86
extern const RowSums kAvx2RowSums;
extern const RowSums kAvx512RowSums;
#endif

const RowSums& row_sums(const Kernel& kernel) {
#if ALLY_FAST_X86
  const std::string name = kernel.name;
  if (name == "avx2") return kAvx2RowSums;
  if (name != "portable") return kAvx512RowSums;  // every kernel above AVX2 has it
#else
  (void)kernel;
#endif
  return kPortableRowSums;
}

}  // namespace ally_fast
