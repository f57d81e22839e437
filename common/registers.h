/*
 * What strings leave in a processor's vector registers: the piece that was
 * copied or compared last stays there until another is, and whoever dumps a
 * process that waits (a core, a debugger) has it, up to 64 bytes on end.
 */
#ifndef JIT_REGISTERS_H
#define JIT_REGISTERS_H

/*
 * Clears all vector registers that a function may use without saving them: on
 * x86-64 all of them, elsewhere those that the compiler knows to clear (GCC 11,
 * clang 15). Some nanoseconds.
 */
void jit_registers_clear(void);

#endif
