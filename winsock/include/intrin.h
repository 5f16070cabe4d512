/* Compiler intrinsics. */
#ifndef WSK_INTRIN_H
#define WSK_INTRIN_H
#include "interlockedapi.h"
#include "wsk/crt.h"
#if defined(__x86_64__)
#include <x86intrin.h>
#include <cpuid.h>
WSK_INLINE void wsk_cpuid(int registers[4], int leaf, int subleaf) {
    unsigned a = 0, b = 0, c = 0, d = 0;
    __cpuid_count(leaf, subleaf, a, b, c, d);
    registers[0] = (int)a;
    registers[1] = (int)b;
    registers[2] = (int)c;
    registers[3] = (int)d;
}
#undef __cpuid
#undef __cpuidex
#define __cpuid(registers, leaf) wsk_cpuid((registers), (leaf), 0)
#define __cpuidex(registers, leaf, subleaf) wsk_cpuid((registers), (leaf), (subleaf))
#endif
WSK_INLINE unsigned char wsk_bit_scan_forward(unsigned *index, unsigned long long mask) {
    if (mask == 0) return 0;
    *index = (unsigned)__builtin_ctzll(mask);
    return 1;
}
WSK_INLINE unsigned char wsk_bit_scan_reverse(unsigned *index, unsigned long long mask) {
    if (mask == 0) return 0;
    *index = 63u - (unsigned)__builtin_clzll(mask);
    return 1;
}
#define _BitScanForward(index, mask) wsk_bit_scan_forward((unsigned *)(index), (unsigned)(mask))
#define _BitScanForward64(index, mask) wsk_bit_scan_forward((unsigned *)(index), (mask))
#define _BitScanReverse(index, mask) wsk_bit_scan_reverse((unsigned *)(index), (unsigned)(mask))
#define _BitScanReverse64(index, mask) wsk_bit_scan_reverse((unsigned *)(index), (mask))
#define __popcnt(v) __builtin_popcount(v)
#define __popcnt64(v) __builtin_popcountll(v)
#define _ReturnAddress() __builtin_return_address(0)
#define _AddressOfReturnAddress() __builtin_frame_address(0)
#endif
