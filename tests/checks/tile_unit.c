/* The instructions of Intel's tile unit (AMX) for bfloat16, on a processor that has none of them.

Preloaded into a process (LD_PRELOAD), this answers Linux' question for the permission to use tiles with yes, and
carries out the instructions when the processor meets them and traps: ldtilecfg, tilerelease, tilezero, tileloadd,
tileloaddt1, tilestored and tdpbf16ps, as the Intel Architecture Instruction Set Extensions manual has them.  What the
manual forbids, and any other instruction, ends the process as it would.  Numbers are those of the manual: products
and sums by fused multiply-adds, to nearest, numbers below 2^-126 taken and given for zero. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <immintrin.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

enum { TILES = 8, ROWS = 16, ROW_BYTES = 64, REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 };

static __thread struct {
    int configured;
    int rows[TILES], bytes[TILES];
    uint8_t data[TILES][ROWS][ROW_BYTES];
} unit;

static long count; /* of the instructions carried out, for tests that want to know that there were some */

long tile_instructions(void) { return __atomic_load_n(&count, __ATOMIC_RELAXED); }

/* The C library's function, but for the one question.  Six arguments are read whatever was given, as it does. */
long syscall(long number, ...)
{
    va_list given;
    long a[6];
    va_start(given, number);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(given, long);
    va_end(given);
    if (number == SYS_arch_prctl && a[0] == REQUEST_PERMISSION && a[1] == TILE_DATA)
        return 0;
    static long (*next)(long, ...);
    if (!next)
        next = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
    return next(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* An instruction: VEX of three bytes, opcode, ModRM, and where there is memory SIB and displacement. */
struct instruction {
    int prefix, opcode, reg, vvvv, is_memory, rm, length;
    uint64_t address, stride; /* of memory: base + displacement, and index * scale */
};

static uint64_t register_of(const ucontext_t *context, int number)
{
    static const int places[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                   REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
    return (uint64_t)context->uc_mcontext.gregs[places[number]];
}

static int decode(const ucontext_t *context, struct instruction *found)
{
    const uint8_t *start = (const uint8_t *)context->uc_mcontext.gregs[REG_RIP], *at = start;
    if (at[0] != 0xC4 || (at[1] & 0x1F) != 2) /* VEX, map 0F38 */
        return 0;
    int more_reg = !(at[1] & 0x80), more_index = !(at[1] & 0x40), more_base = !(at[1] & 0x20);
    if (at[2] & 0x84) /* W0, 128 bits */
        return 0;
    found->prefix = at[2] & 3; /* none, 66, F3, F2 */
    found->vvvv = ~(at[2] >> 3) & 15;
    found->opcode = at[3];
    int mod = at[4] >> 6, low = at[4] & 7;
    found->reg = (at[4] >> 3 & 7) | more_reg << 3;
    found->rm = low | more_base << 3;
    found->is_memory = mod != 3;
    found->address = found->stride = 0;
    at += 5;
    if (found->is_memory) {
        int has_base = 1, base = found->rm;
        if (low == 4) {
            int sib = *at++, index = (sib >> 3 & 7) | more_index << 3;
            base = (sib & 7) | more_base << 3;
            if (index != 4)
                found->stride = register_of(context, index) << (sib >> 6);
            has_base = mod != 0 || (sib & 7) != 5;
        } else if (found->opcode == 0x4B) {
            return 0; /* tiles in memory have a stride */
        } else {
            has_base = mod != 0 || low != 5;
        }
        int32_t displacement = 0;
        if (mod == 1) {
            displacement = (int8_t)*at++;
        } else if (mod == 2 || !has_base) {
            memcpy(&displacement, at, 4);
            at += 4;
        }
        found->address = (uint64_t)(int64_t)displacement;
        if (has_base)
            found->address += register_of(context, base);
        else if (low == 5)
            found->address += (uint64_t)at; /* by the next instruction's address */
    }
    found->length = (int)(at - start);
    return 1;
}

static int configure(const uint8_t *from)
{
    if (from[0] > 1)
        return 0;
    if (from[0] == 0) {
        memset(&unit, 0, sizeof unit);
        return 1;
    }
    if (from[1] != 0) /* a row to go on with after an interruption: no code here sets one */
        return 0;
    for (int i = 2; i < 64; i++) /* what is kept free */
        if ((i < 16 || (i >= 32 && i < 48) || i >= 56) && from[i])
            return 0;
    for (int i = 0; i < TILES; i++) {
        int bytes = from[16 + 2 * i] | from[17 + 2 * i] << 8, rows = from[48 + i];
        if (bytes > ROW_BYTES || rows > ROWS || !bytes != !rows)
            return 0;
    }
    memset(&unit, 0, sizeof unit);
    unit.configured = 1;
    for (int i = 0; i < TILES; i++) {
        unit.bytes[i] = from[16 + 2 * i] | from[17 + 2 * i] << 8;
        unit.rows[i] = from[48 + i];
    }
    return 1;
}

static int there(int tile) { return unit.configured && tile < TILES && unit.rows[tile] > 0; }

static void load(int tile, uint64_t address, uint64_t stride)
{
    for (int row = 0; row < unit.rows[tile]; row++) {
        memset(unit.data[tile][row], 0, ROW_BYTES);
        memcpy(unit.data[tile][row], (const void *)(address + (uint64_t)row * stride), (size_t)unit.bytes[tile]);
    }
    memset(unit.data[tile][unit.rows[tile]], 0, (size_t)(ROWS - unit.rows[tile]) * ROW_BYTES);
}

static void store(int tile, uint64_t address, uint64_t stride)
{
    for (int row = 0; row < unit.rows[tile]; row++)
        memcpy((void *)(address + (uint64_t)row * stride), unit.data[tile][row], (size_t)unit.bytes[tile]);
}

static float number(const uint8_t *row, int at)
{
    uint16_t half;
    memcpy(&half, row + 2 * at, 2);
    uint32_t bits = (uint32_t)half << 16;
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

/* c += a b, of pairs: the sum of the products that stand first, and of those that stand second, then both. */
__attribute__((target("fma"), noinline)) static int multiply(int c, int a, int b)
{
    if (!there(c) || !there(a) || !there(b) || c == a || c == b || a == b)
        return 0;
    if (unit.bytes[a] % 4 || unit.bytes[b] % 4 || unit.bytes[c] % 4 || unit.bytes[c] != unit.bytes[b]
        || unit.rows[c] != unit.rows[a] || unit.bytes[a] / 4 != unit.rows[b])
        return 0;
    unsigned before = _mm_getcsr();
    _mm_setcsr(0x1F80 | 0x8040); /* no exceptions, to nearest, flush to zero, denormals are zeros */
    int columns = unit.bytes[c] / 4;
    for (int m = 0; m < unit.rows[c]; m++) {
        float both[ROWS][2] = {{0}};
        for (int k = 0; k < unit.bytes[a] / 4; k++)
            for (int n = 0; n < columns; n++)
                for (int i = 0; i < 2; i++)
                    both[n][i] = __builtin_fmaf(number(unit.data[a][m], 2 * k + i), number(unit.data[b][k], 2 * n + i),
                                                both[n][i]);
        for (int n = 0; n < columns; n++) {
            float total;
            memcpy(&total, unit.data[c][m] + 4 * n, 4);
            total += both[n][0] + both[n][1];
            memcpy(unit.data[c][m] + 4 * n, &total, 4);
        }
        memset(unit.data[c][m] + unit.bytes[c], 0, (size_t)(ROW_BYTES - unit.bytes[c]));
    }
    memset(unit.data[c][unit.rows[c]], 0, (size_t)(ROWS - unit.rows[c]) * ROW_BYTES);
    _mm_setcsr(before);
    return 1;
}

enum { NONE, P66, F3, F2 };

static int carry_out(const struct instruction *i)
{
    if (i->opcode == 0x5C) { /* tdpbf16ps c, a, b: reg, rm, vvvv */
        return i->prefix == F3 && !i->is_memory && multiply(i->reg, i->rm, i->vvvv);
    }
    if (i->vvvv != 0)
        return 0;
    if (i->opcode == 0x49 && i->is_memory && i->reg == 0) {
        if (i->prefix != NONE)
            return 0;
        return configure((const uint8_t *)(i->address + i->stride)); /* memory as of any instruction */
    }
    if (i->opcode == 0x49 && !i->is_memory && i->prefix == NONE && i->reg == 0 && i->rm == 0) {
        memset(&unit, 0, sizeof unit);
        return 1;
    }
    if (!there(i->reg))
        return 0;
    if (i->opcode == 0x49 && !i->is_memory && i->prefix == F2 && i->rm == 0) {
        memset(unit.data[i->reg], 0, sizeof unit.data[i->reg]);
        return 1;
    }
    if (i->opcode != 0x4B || !i->is_memory || i->prefix == NONE)
        return 0;
    if (i->prefix == F3)
        store(i->reg, i->address, i->stride);
    else
        load(i->reg, i->address, i->stride);
    return 1;
}

static void on_trap(int signal_number, siginfo_t *info, void *given)
{
    (void)info;
    ucontext_t *context = given;
    struct instruction found;
    if (decode(context, &found) && carry_out(&found)) {
        __atomic_add_fetch(&count, 1, __ATOMIC_RELAXED);
        context->uc_mcontext.gregs[REG_RIP] += found.length;
        return;
    }
    signal(signal_number, SIG_DFL); /* the instruction traps again, and ends the process */
}

__attribute__((constructor)) static void begin(void)
{
    struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO | SA_NODEFER};
    sigaction(SIGILL, &action, NULL);
}
