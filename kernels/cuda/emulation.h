// CUDA on a CPU, one block after the other, so that the sources of this folder run where there is no GPU.
//
// A kernel is an ordinary function here, and a thread of CUDA is a fibre: a stack of its own, and a switch by hand from
// one to the other. A warp runs as far as it can, to a __syncthreads or its end, its lanes in turn from shuffle to
// shuffle, before the next warp takes a step; when all have come to the barrier they are let go on. So nothing happens
// at once, and a run can be repeated: threads and blocks go in ascending order, or in descending order if asked. What
// depends on that order was no result: two threads wrote to one place, or one read what another writes, without a
// barrier in between.
//
// Nothing here is shared with another compiled source (hidden symbols): a fibre runs the code that it was made by.
//
// Shared memory is filled with NaN before each block, since on a GPU too it holds what the last block left. Where not
// all threads of a block come to a barrier, or not all lanes of a warp to a shuffle, the launch ends with a sentence.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif
#if !defined(__x86_64__)
#include <ucontext.h>
#endif

// Where the linker has put all arrays that are __shared__.
extern "C" {
extern char __start_emulated_shared[] __attribute__((weak, visibility("hidden")));
extern char __stop_emulated_shared[] __attribute__((weak, visibility("hidden")));
}

struct dim3 {
    unsigned x = 1, y = 1, z = 1;
};

static dim3 threadIdx, blockIdx, blockDim, gridDim;
constexpr int warpSize = 32;

namespace emulation {

constexpr size_t STACK = 256 << 10;
constexpr int POISON = 0xff;  // bytes of NaN

// Where a stack was left.
#if defined(__x86_64__)
struct Context {
    void* stack = nullptr;

    // What a function must leave as it found it goes on the stack that is left, and comes from the one that is entered.
    __attribute__((naked, noinline)) static void exchange([[maybe_unused]] void** from, [[maybe_unused]] void* to) {
        asm("push %rbp; push %rbx; push %r12; push %r13; push %r14; push %r15; mov %rsp, (%rdi); mov %rsi, %rsp;"
            "pop %r15; pop %r14; pop %r13; pop %r12; pop %rbx; pop %rbp; ret");
    }

    void make(char* memory, size_t size, void (*start)()) {
        auto top = reinterpret_cast<void**>(memory + size);
        *(top -= 2) = reinterpret_cast<void*>(start);  // where `ret` goes, with the stack as after a call
        for (int i = 0; i < 6; i++) *--top = nullptr;
        stack = top;
    }

    void leave_for(Context& other) { exchange(&stack, other.stack); }
};
#else
struct Context {  // several times slower, as each change asks the system about signals
    ucontext_t context;

    void make(char* memory, size_t size, void (*start)()) {
        getcontext(&context);
        context.uc_stack.ss_sp = memory;
        context.uc_stack.ss_size = size;
        context.uc_link = nullptr;
        makecontext(&context, start, 0);
    }

    void leave_for(Context& other) { swapcontext(&context, &other.context); }
};
#endif

enum class State { fresh, ready, at_barrier, in_warp, done };

struct Fibre {  // a stack that threads run on, one to its end after the other
    Context context;
    std::unique_ptr<char[]> stack{new char[STACK]};
    void* shadow = nullptr;  // what the address sanitizer keeps of a stack that is left
};

struct Thread {
    dim3 index;
    State state = State::fresh;
    unsigned mask = 0;  // the lanes it waits for
    Fibre* fibre = nullptr;
    char exchanged[48];  // what it shows to the other lanes of its warp
};

struct Launch {  // as kernels/cuda/emulate.py fills it
    dim3 grid, block;
    unsigned long long shared;
    int descending;
};

class Block {
  public:
    Block(const Launch& launch, void (*body)(void*), void* arguments)
        : launch(launch),
          body(body),
          arguments(arguments),
          threads(launch.block.x * launch.block.y * launch.block.z),
          dynamic(new char[launch.shared ? launch.shared : 1]) {
        for (size_t t = 0; t < threads.size(); t++)
            threads[t].index = {unsigned(t % launch.block.x), unsigned(t / launch.block.x % launch.block.y),
                                unsigned(t / launch.block.x / launch.block.y)};
    }

    // Run one block to its end. What went wrong, or nothing.
    std::string run() {
        poison();
        for (auto& thread : threads) thread.state = State::fresh;
        size_t warps = (threads.size() + warpSize - 1) / warpSize;
        for (;;) {
            for (size_t warp = 0; warp < warps; warp++)
                run_warp((launch.descending ? warps - 1 - warp : warp) * warpSize);
            if (count(State::done) == threads.size()) return "";
            if (count(State::at_barrier) < threads.size()) {
                std::string told = explain();
                for (auto& thread : threads)
                    if (thread.state != State::done) delete thread.fibre;  // with what it was in the middle of
                return told;
            }
            for (auto& thread : threads) thread.state = State::ready;
        }
    }

    void wait(State state, unsigned mask) {
        auto& thread = *running;
        thread.state = state;
        thread.mask = mask;
        leave(*thread.fibre);
    }

    // Show a value to the warp, and be let see what another lane shows.
    template <class T>
    T exchange(unsigned mask, T value, unsigned lane) {
        static_assert(sizeof(T) <= sizeof(Thread::exchanged));
        std::memcpy(running->exchanged, &value, sizeof(T));
        wait(State::in_warp, mask);
        size_t other = number() / warpSize * warpSize + lane % warpSize;
        T seen = value;
        if (other < threads.size() && (mask >> lane % warpSize & 1))
            std::memcpy(&seen, threads[other].exchanged, sizeof(T));
        wait(State::in_warp, mask);
        return seen;
    }

    // Show a value to the whole warp, and see what each lane shows.
    template <class T>
    void show(T value, T (&seen)[warpSize]) {
        static_assert(sizeof(T) <= sizeof(Thread::exchanged));
        std::memcpy(running->exchanged, &value, sizeof(T));
        wait(State::in_warp, 0xffffffff);
        for (size_t lane = 0; lane < warpSize; lane++)
            std::memcpy(&seen[lane], threads.at(first + lane).exchanged, sizeof(T));
        wait(State::in_warp, 0xffffffff);
    }

    size_t number() const { return running - threads.data(); }
    char* shared() { return dynamic.get(); }

  private:
    const Launch& launch;
    void (*body)(void*);
    void* arguments;
    std::vector<Thread> threads;
    std::unique_ptr<char[]> dynamic;
    Context scheduler;
    Thread* running = nullptr;
    size_t first = 0, lanes = 0, turn = 0;  // the warp that runs, and which of its lanes
    const void* scheduler_stack = nullptr;
    size_t scheduler_size = 0;

    static Block*& current() {
        static Block* block;
        return block;
    }

    static std::vector<Fibre*>& spares() {  // made once, as memory so large is dear to get
        static std::vector<Fibre*> fibres;
        return fibres;
    }

    static Fibre* spare() {
        if (spares().empty()) {
            auto* fibre = new Fibre;
            fibre->context.make(fibre->stack.get(), STACK, &Block::main);
            return fibre;
        }
        auto* fibre = spares().back();
        spares().pop_back();
        return fibre;
    }

    Thread& at(size_t turn) { return threads[first + (launch.descending ? lanes - 1 - turn : turn)]; }

    __attribute__((no_sanitize("address"))) void poison() {  // the gaps between arrays too, which the sanitizer guards
        for (char* byte = __start_emulated_shared; byte < __stop_emulated_shared; byte++)
            *(volatile char*)byte = char(POISON);
        std::memset(dynamic.get(), POISON, launch.shared);
    }

    // What a fibre does: run the thread it was entered for, and as long as none has to wait, those that come after it.
    static void main() {
        current()->arrived(nullptr);
        for (;;) {
            auto* block = current();
            auto& thread = *block->running;
            block->body(block->arguments);
            thread.state = State::done;
            auto* fibre = std::exchange(thread.fibre, nullptr);
            if (block->turn + 1 < block->lanes && block->at(block->turn + 1).state == State::fresh) {
                auto& next = block->at(++block->turn);
                next.fibre = fibre;
                block->run_as(next);
            } else {
                spares().push_back(fibre);
                block->leave(*fibre);
            }
        }
    }

    void run_as(Thread& thread) {
        running = &thread;
        threadIdx = thread.index;
        thread.state = State::ready;
    }

    void enter(Thread& thread) {
        run_as(thread);
        current() = this;
        auto& fibre = *thread.fibre;
#if defined(__SANITIZE_ADDRESS__)
        void* shadow = nullptr;
        __sanitizer_start_switch_fiber(&shadow, fibre.stack.get(), STACK);
        scheduler.leave_for(fibre.context);
        __sanitizer_finish_switch_fiber(shadow, nullptr, nullptr);
#else
        scheduler.leave_for(fibre.context);
#endif
    }

    void leave(Fibre& fibre) {
#if defined(__SANITIZE_ADDRESS__)
        __sanitizer_start_switch_fiber(&fibre.shadow, scheduler_stack, scheduler_size);
#endif
        fibre.context.leave_for(scheduler);
        current()->arrived(fibre.shadow);  // perhaps in another block than before
    }

    void arrived([[maybe_unused]] void* shadow) {
#if defined(__SANITIZE_ADDRESS__)
        __sanitizer_finish_switch_fiber(shadow, &scheduler_stack, &scheduler_size);
#endif
    }

    size_t count(State state) const {
        size_t found = 0;
        for (auto& thread : threads) found += thread.state == state;
        return found;
    }

    // Let the warp go on until all its lanes wait for the block, or have ended.
    void run_warp(size_t start) {
        first = start;
        lanes = std::min(threads.size() - first, size_t(warpSize));
        do {
            for (turn = 0; turn < lanes; turn++) {
                auto& thread = at(turn);
                if (thread.state == State::fresh) thread.fibre = spare();
                if (thread.state == State::fresh || thread.state == State::ready) enter(thread);
            }
        } while (release_warp());
    }

    bool release_warp() {
        unsigned together = 0;  // lanes all of whose partners wait for the same lanes
        for (size_t lane = 0; lane < lanes; lane++) {
            auto& thread = threads[first + lane];
            bool complete = thread.state == State::in_warp && (thread.mask >> lane & 1);
            for (size_t other = 0; complete && other < lanes; other++) {
                auto& partner = threads[first + other];
                if (thread.mask >> other & 1) complete = partner.state == State::in_warp && partner.mask == thread.mask;
            }
            together |= unsigned(complete) << lane;
        }
        for (size_t lane = 0; lane < lanes; lane++)
            if (together >> lane & 1) threads[first + lane].state = State::ready;
        return together != 0;
    }

    std::string explain() const {
        size_t barrier = count(State::at_barrier), warp = count(State::in_warp), done = count(State::done);
        for (auto& thread : threads) {
            if (thread.state != (barrier ? State::at_barrier : State::in_warp)) continue;
            auto& i = thread.index;
            return "of the " + std::to_string(threads.size()) + " threads of a block " + std::to_string(barrier) +
                   " wait at __syncthreads, " + std::to_string(warp) + " for lanes of their warp, and " +
                   std::to_string(done) + " have returned, so that thread (" + std::to_string(i.x) + ", " +
                   std::to_string(i.y) + ", " + std::to_string(i.z) +
                   ") would wait for ever: let every thread of the block (of the mask) come there";
        }
        return "";
    }
};

inline Block* block;
inline std::string message;

template <class... P, size_t... I>
const char* run_blocks(void (*kernel)(P...), const Launch& launch, void** arguments, std::index_sequence<I...>) {
    auto call = [&] { kernel(*static_cast<std::remove_cv_t<P>*>(arguments[I])...); };
    Block all(launch, [](void* closure) { (*static_cast<decltype(call)*>(closure))(); }, &call);
    block = &all;
    blockDim = launch.block;
    gridDim = launch.grid;
    unsigned long long blocks = 1ull * launch.grid.x * launch.grid.y * launch.grid.z;
    for (unsigned long long i = 0; i < blocks; i++) {
        unsigned long long b = launch.descending ? blocks - 1 - i : i;
        blockIdx = {unsigned(b % launch.grid.x), unsigned(b / launch.grid.x % launch.grid.y),
                    unsigned(b / launch.grid.x / launch.grid.y)};
        message = all.run();
        if (!message.empty()) return message.c_str();
    }
    return nullptr;
}

// Run a kernel on the arguments that these pointers lead to, as cuLaunchKernel does. What went wrong, or null.
template <class... P>
const char* run_kernel(void (*kernel)(P...), const Launch& launch, void** arguments, const unsigned long long* sizes,
                       int given) {
    const unsigned long long wanted[] = {sizeof(P)..., 0};
    if (given != int(sizeof...(P))) {
        message = "it takes " + std::to_string(sizeof...(P)) + " arguments, and got " + std::to_string(given);
        return message.c_str();
    }
    for (int i = 0; i < given; i++) {
        if (sizes[i] == wanted[i]) continue;
        message = "argument " + std::to_string(i) + " has " + std::to_string(sizes[i]) + " bytes where it takes " +
                  std::to_string(wanted[i]) + ": pass np.int32 for int, np.int64 for long long, x.dtype.type for real";
        return message.c_str();
    }
    return run_blocks(kernel, launch, arguments, std::index_sequence_for<P...>());
}

inline void* shared_memory() { return block->shared(); }

}  // namespace emulation
