// SPDX-FileCopyrightText: 2026 The Segue authors
// SPDX-License-Identifier: Apache-2.0
// first_hour.c in C++17: prefill 512 tokens, then decode 16, on any device:
// c++ -std=c++17 first_hour.cpp $(pkg-config --cflags --libs segue) && ./a.out opencl:0
#include <segue/segue.h>

#include <algorithm>
#include <cstdio>
#include <stdexcept>

constexpr int64_t P = 512, T = P + 16, D = 1536, N = 16; // one layer of Mamba-130m

static segue_diag why;

static void must(segue_status status)
{
    if (status != SEGUE_OK) throw std::runtime_error(why.text);
}

// The call, through a window of time.
static segue_selective_scan tokens(segue_selective_scan s, int64_t first, int64_t count)
{
    for (segue_tensor *timed : { &s.u, &s.delta, &s.B, &s.C, &s.y })
        *timed = segue_tensor_slice(*timed, 1, first, count);
    return s;
}

static segue_plan *plan(segue_device *dev, const segue_selective_scan &op, uint64_t &workspace)
{
    segue_plan *made;
    segue_plan_facts need = {};
    need.size = sizeof need;
    must(segue_plan_create(dev, &op.header, &made, &why));
    must(segue_plan_info(made, &need, &why));
    workspace = std::max(workspace, need.workspace_bytes);
    return made;
}

static void run(const char *name)
{
    segue_context *ctx;
    segue_device *dev;
    segue_stream queue;
    segue_buffer mem, work;
    uint64_t workspace = 0;
    must(segue_context_create(nullptr, &ctx, &why));
    must(segue_device_open(ctx, name, nullptr, &dev, &why));
    must(segue_stream_create(dev, &queue, &why)); // or segue_stream_wrap(): yours
    must(segue_memory_alloc(dev, 4 * (3 * T * D + 2 * T * N + 2 * D * N) + 4096, &mem,
                            &why)); // fill: segue_memory_copy()

    segue_selective_scan all = segue_selective_scan_init(); // operands left empty are absent
    all.u = segue_tensor_of(mem.data, SEGUE_F32, { 1, T, D });
    all.delta = segue_tensor_after(all.u, SEGUE_F32, { 1, T, D });
    all.A = segue_tensor_after(all.delta, SEGUE_F32, { D, N });
    all.B = segue_tensor_after(all.A, SEGUE_F32, { 1, T, 1, N });
    all.C = segue_tensor_after(all.B, SEGUE_F32, { 1, T, 1, N });
    all.h_out = segue_tensor_after(all.C, SEGUE_F32, { 1, D, N });
    all.y = segue_tensor_after(all.h_out, SEGUE_F32, { 1, T, D });
    segue_selective_scan head = tokens(all, 0, P);
    all.h_in = all.h_out; // decode carries the state on, in place
    segue_selective_scan step = tokens(all, P, 1);

    segue_plan *prefill = plan(dev, head, workspace); // serves every t <= 512
    segue_plan *decode = plan(dev, step, workspace);  // row chosen for t = 1
    must(segue_memory_alloc(dev, workspace, &work, &why));
    must(segue_plan_run(prefill, &head.header, queue, work, &why)); // enqueue only
    for (int64_t t = P; t < T; t++) {
        step = tokens(all, t, 1);
        must(segue_plan_run(decode, &step.header, queue, work, &why));
    }
    must(segue_stream_sync(dev, queue, &why));

    segue_plan_destroy(decode); // in any order
    segue_plan_destroy(prefill);
    segue_stream_destroy(dev, queue);
    segue_memory_free(dev, work);
    segue_memory_free(dev, mem);
    segue_device_close(dev);
    segue_context_destroy(ctx);
}

int main(int argc, char **argv)
try {
    run(argc > 1 ? argv[1] : "cpu");
    return 0;
} catch (const std::exception &problem) {
    std::fprintf(stderr, "scan: %s\n", problem.what());
    return 1;
}
