// CUDA C for a compiler of the host: what stands before prelude.cuh and a kernel source.
//
// The blocks of a grid run one after the other. The threads of a block do so, too: each runs all
// phases (see prelude.cuh) from one barrier to the next before another thread begins with them, so
// that a barrier that is missing is missed. Whoever launches may ask for both in reverse order:
// what differs then, depends on the order of threads and would be a race on a device.
//
// With AT_ONCE, the threads of a block are threads of the system, and each runs the whole kernel, as
// on a device. That is slow, but ThreadSanitizer then sees every race, also of what a kernel reads
// between its phases.

#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <utility>
#include <vector>
#ifdef AT_ONCE
#include <barrier>
#include <thread>
#endif

#define __global__
#define __device__
#define __align__(n)
#define __launch_bounds__(...)

struct Index {
    unsigned x, y, z;
};

static thread_local Index threadIdx;
static Index blockIdx, blockDim, gridDim;
static double *shared_memory;
static bool backwards;

static inline void set_index(Index &index, const Index &extent, long long i, long long n)
{
    const long long k = backwards ? n - 1 - i : i;
    index.x = (unsigned) (k % extent.x);
    index.y = (unsigned) (k / extent.x % extent.y);
    index.z = (unsigned) (k / extent.x / extent.y);
}

static inline long long extent_of(const Index &extent)
{
    return (long long) extent.x * extent.y * extent.z;
}

// ---------------------------------------------------------------- the threads of a block

#ifdef AT_ONCE

static std::barrier<> *meeting;

#define PHASE(call) call
#define BARRIER() meeting->arrive_and_wait()

static void run_block(const std::function<void()> &kernel)
{
    const long long n = extent_of(blockDim);
    std::barrier<> of_block(n);
    meeting = &of_block;
    std::vector<std::thread> threads;
    for (long long i = 0; i < n; ++i)
        threads.emplace_back([&kernel, i, n] {
            set_index(threadIdx, blockDim, i, n);
            kernel();
        });
    for (std::thread &thread : threads)
        thread.join();
}

#else

// The phases since the last barrier: copies of their arguments are kept with them.
static std::vector<std::function<void()>> phases;

static void run_phases()
{
    const long long threads = extent_of(blockDim);
    for (long long i = 0; i < threads; ++i) {
        set_index(threadIdx, blockDim, i, threads);
        for (const std::function<void()> &phase : phases)
            phase();
    }
    phases.clear();
}

#define PHASE(call) phases.push_back([=] { call; })
#define BARRIER() run_phases()

static void run_block(const std::function<void()> &kernel)
{
    kernel();
    run_phases();
}

#endif

// ---------------------------------------------------------------- functions of CUDA

template <class T> static inline T min(T a, T b) { return b < a ? b : a; }
template <class T> static inline T max(T a, T b) { return a < b ? b : a; }
static inline double min(double a, double b) { return std::fmin(a, b); }
static inline double max(double a, double b) { return std::fmax(a, b); }

static inline long long __double_as_longlong(double x)
{
    long long bits;
    std::memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline double __longlong_as_double(long long bits)
{
    double x;
    std::memcpy(&x, &bits, sizeof x);
    return x;
}

// On whole numbers alone: sums of floats would depend on the order of threads.
static inline unsigned long long atomicAdd(unsigned long long *place, unsigned long long value)
{
    return __atomic_fetch_add(place, value, __ATOMIC_RELAXED);
}

// ---------------------------------------------------------------- launches

// The types of a kernel's parameters, one letter each: how struct of Python spells numbers, and a
// capital "P" before that for pointers.
template <class T> struct Letter;
// A struct is a row of words of eight bytes for whoever calls.
template <class T> struct Letter<T *> {
    static constexpr char text[] = "Pq";
};
template <class T> struct Letter<const T *> {
    static constexpr char text[] = "Pq";
};
#define LETTER(type, letter)                                                     \
    template <> struct Letter<type> {                                            \
        static constexpr char text[] = letter;                                   \
    };                                                                           \
    template <> struct Letter<type *> {                                          \
        static constexpr char text[] = "P" letter;                               \
    };                                                                           \
    template <> struct Letter<const type *> {                                    \
        static constexpr char text[] = "P" letter;                               \
    };
LETTER(double, "d")
LETTER(float, "f")
LETTER(int, "i")
LETTER(unsigned, "I")
LETTER(long long, "q")
LETTER(unsigned long long, "Q")
LETTER(short, "h")
LETTER(unsigned short, "H")
LETTER(signed char, "b")
LETTER(unsigned char, "B")
LETTER(bool, "?")

template <class... A>
static bool types_are(void (*)(A...), const char *given)
{
    const char *texts[] = {Letter<A>::text..., ""};
    for (const char *text : texts) {
        const std::size_t length = std::strlen(text);
        if (std::strncmp(given, text, length) != 0)
            return false;
        given += length;
    }
    return *given == 0;
}

template <class... A, std::size_t... I>
static void call(void (*kernel)(A...), void **arguments, std::index_sequence<I...>)
{
    kernel(*(A *) arguments[I]...);
}

// 0, or 1 if the arguments are of other types than the kernel's, 2 if there is no memory.
template <class... A>
static int launch(
    void (*kernel)(A...), const unsigned *grid, const unsigned *block, std::size_t shared_bytes,
    int in_reverse, const char *types, void **arguments)
{
    if (!types_are(kernel, types))
        return 1;
    shared_memory = (double *) std::malloc(shared_bytes ? shared_bytes : 1);
    if (!shared_memory)
        return 2;
    gridDim = {grid[0], grid[1], grid[2]};
    blockDim = {block[0], block[1], block[2]};
    backwards = in_reverse;
    const long long blocks = extent_of(gridDim);
    for (long long b = 0; b < blocks; ++b) {
        set_index(blockIdx, gridDim, b, blocks);
        // On a device it holds what was there before; all ones are NaN.
        std::memset(shared_memory, 0xff, shared_bytes);
        run_block([=] { call(kernel, arguments, std::index_sequence_for<A...>{}); });
    }
    std::free(shared_memory);
    return 0;
}

#define LAUNCHER(kernel)                                                         \
    extern "C" int launch_##kernel(                                              \
        const unsigned *grid, const unsigned *block, std::size_t shared_bytes,   \
        int in_reverse, const char *types, void **arguments)                     \
    {                                                                            \
        return launch(kernel, grid, block, shared_bytes, in_reverse, types, arguments); \
    }
