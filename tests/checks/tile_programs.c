/* Short programs of the tile unit's instructions, for the test of what carries them out. */

#include <stdint.h>

/* c += a b, with these sizes of tiles (`config`) and bytes from row to row. */
void multiply(const void *config, const void *a, int64_t pa, const void *b, int64_t pb, void *c, int64_t pc)
{
    __asm__ volatile("ldtilecfg (%0)\n\t"
                     "tileloadd (%5,%6), %%tmm0\n\t"
                     "tileloadd (%1,%2), %%tmm1\n\t"
                     "tileloadd (%3,%4), %%tmm2\n\t"
                     "tdpbf16ps %%tmm2, %%tmm1, %%tmm0\n\t"
                     "tilestored %%tmm0, (%5,%6)\n\t"
                     "tilerelease"
                     : : "r"(config), "r"(a), "r"(pa), "r"(b), "r"(pb), "r"(c), "r"(pc) : "memory");
}

/* The same from c = 0 by other registers, and by addresses of other forms; distances are multiples of 8. */
void multiply_otherwise(const void *config, const void *a, int64_t pa, const void *b, int64_t pb, void *c, int64_t pc)
{
    register const void *r9 __asm__("r9") = (const char *)config - 0x1234;
    register const void *r13 __asm__("r13") = (const char *)a + 8;
    register int64_t r12 __asm__("r12") = pa / 2;
    register const void *r8 __asm__("r8") = (const char *)b - 0x12340;
    register int64_t r14 __asm__("r14") = pb / 4;
    register char *rbx __asm__("rbx") = c;
    register int64_t r15 __asm__("r15") = pc / 8;
    __asm__ volatile("ldtilecfg 0x1234(%%r9)\n\t"
                     "tileloadd -8(%%r13,%%r12,2), %%tmm5\n\t"
                     "tileloaddt1 0x12340(%%r8,%%r14,4), %%tmm6\n\t"
                     "tilezero %%tmm7\n\t"
                     "tdpbf16ps %%tmm6, %%tmm5, %%tmm7\n\t"
                     "tilestored %%tmm7, (%%rbx,%%r15,8)\n\t"
                     "tilerelease"
                     : : "r"(r9), "r"(r13), "r"(r12), "r"(r8), "r"(r14), "r"(rbx), "r"(r15) : "memory");
}

/* Each row of a tile the one at `from`: there is no distance. */
void repeat(const void *config, const void *from, void *to, int64_t apart)
{
    register const void *r12 __asm__("r12") = from;
    __asm__ volatile("ldtilecfg (%0)\n\t"
                     "tileloadd (%%r12), %%tmm4\n\t"
                     "tilestored %%tmm4, (%1,%2)\n\t"
                     "tilerelease"
                     : : "r"(config), "r"(to), "r"(apart), "r"(r12) : "memory");
}

/* Without sizes: no tile is there. */
void unconfigured(void) { __asm__ volatile("tilezero %tmm0"); }
