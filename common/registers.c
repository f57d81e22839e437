/* See registers.h. */
#include "registers.h"

#ifdef __x86_64__

#define LOW                                                                                                            \
	"xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12",     \
		"xmm13", "xmm14", "xmm15"
#define HIGH                                                                                                           \
	"xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24", "xmm25", "xmm26", "xmm27",    \
		"xmm28", "xmm29", "xmm30", "xmm31"

/* GCC's zero_call_used_regs leaves the upper sixteen, which are the ones that glibc copies with. */
static __attribute__((noinline, target("avx512f"))) void clear_32(void)
{
	__asm__ volatile("vzeroall\n\t"
			 ".irp i, 16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n\t"
			 "vpxord %%zmm\\i, %%zmm\\i, %%zmm\\i\n\t"
			 ".endr" ::
				 : LOW, HIGH);
}

static __attribute__((noinline, target("avx"))) void clear_16(void)
{
	__asm__ volatile("vzeroall" ::: LOW);
}

static void clear_16_of_sse(void)
{
	__asm__ volatile(".irp i, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n\t"
			 "pxor %%xmm\\i, %%xmm\\i\n\t"
			 ".endr" ::
				 : LOW);
}

void jit_registers_clear(void)
{
	if (__builtin_cpu_supports("avx512f"))
		clear_32();
	else if (__builtin_cpu_supports("avx"))
		clear_16();
	else
		clear_16_of_sse();
}

#else

#if __has_attribute(zero_call_used_regs)
__attribute__((zero_call_used_regs("all")))
#endif
void jit_registers_clear(void)
{
	__asm__ volatile("" ::: "memory");
}

#endif
