// The arithmetic of mma.sync.m16n8k16 with float16 operands, as the coarsest tensor cores do it: error
// bounds must hold for this. Compiled without sanitizers, which make it several times slower.
#pragma once
#include <cstdint>

namespace emulator {

// This lane's four sums of a (16 x 16) times b (16 x 8), added to c; `as` and `bs` are the fragments
// of all 32 lanes as the PTX ISA lays them out.
void multiply_fragments(float (&c)[4], const uint32_t (&as)[32][4], const uint32_t (&bs)[32][2],
                        int lane);

}  // namespace emulator
