// What stands before every kernel source: the phase convention.
//
// What a thread does between two barriers is one function, a phase; a kernel body is a sequence
//
//     PHASE(fold(...));
//     BARRIER();
//     PHASE(find_best(...));
//
// of phases and barriers. A phase takes its state from arguments and shared memory, so that no
// register lives across a barrier; variables of the body are the same for all threads of a block.
// Compiled for the host, the threads of a block can then run one after the other, each from barrier
// to barrier: tests define PHASE, BARRIER and shared_memory that way before this file, and with
// them whatever else of CUDA the sources use.
//
// No warp intrinsics, and no atomics on floats: results do not depend on the order of threads.

#ifndef PHASE
#define PHASE(call) call
#define BARRIER() __syncthreads()
extern __shared__ __align__(16) double shared_memory[];
#endif

// The shared memory of the block as an array; where there are several, the kernel lays them out.
#define SHARED(type, name) type *const name = (type *) shared_memory

// Not static: sources that do not use it would be told so by the compiler.
inline __device__ double not_a_number() { return nan(""); }
