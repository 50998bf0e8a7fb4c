/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* What a test of the usual kind makes of the wrong kernels: one benign case of each primitive, fresh memory, and numpy's
 * allclose(rtol=1e-2, atol=1e-2) against the reference. allclose_test PLUGIN prints who passes; at least six must, or the
 * suite would be tested against faults that anybody finds. */
#include <segue/segue.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { B = 2, T = 100, D = 8, N = 4, W = 4, ROWS = 64, WANTED = 6, WORKSPACE = 1 << 16, FLOATS = B * T * D };

struct inputs {
    float u[FLOATS], delta[FLOATS], B[B * T * N], C[B * T * N], A[D * N], weight[D * W], bias[D], h[B * D * N];
};

struct outputs {
    float y[FLOATS], h[B * D * N];
};

union any {
    segue_op_header header;
    segue_selective_scan scan;
    segue_causal_conv1d conv;
};

/* Uniform in (-1, 1): a linear congruence (Knuth's MMIX constants), so that every machine has the same. */
static float uniform(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (float)((double)(*seed >> 40) / 0x1p23 - 1);
}

static void fill(float *to, size_t count, float center, float spread, uint64_t *seed)
{
    for (size_t i = 0; i < count; i++) to[i] = center + spread * uniform(seed);
}

static void draw(struct inputs *in)
{
    uint64_t seed = 20260101;
    fill(in->u, FLOATS, 0, 1, &seed);
    fill(in->delta, FLOATS, -2, 1, &seed); /* steps of about 0.1 behind softplus */
    fill(in->B, B * T * N, 0, 1, &seed);
    fill(in->C, B * T * N, 0, 1, &seed);
    fill(in->A, D * N, -1, 0.5f, &seed);
    fill(in->weight, D * W, 0, 1, &seed);
    fill(in->bias, D, 0, 1, &seed);
    fill(in->h, B * D * N, 0, 1, &seed);
}

static segue_tensor f32(float *data, int rank, const int64_t *shape)
{
    return segue_tensor_of(data, SEGUE_F32, rank, shape);
}

static union any op_of(uint32_t primitive, struct inputs *in, struct outputs *out)
{
    const int64_t btd[] = { B, T, D }, btgn[] = { B, T, 1, N }, dn[] = { D, N }, bdn[] = { B, D, N },
                  dw[] = { D, W }, bdl[] = { B, D, W - 1 };
    union any op;
    memset(&op, 0, sizeof op);
    if (primitive == SEGUE_SELECTIVE_SCAN) {
        op.scan = segue_selective_scan_init();
        op.scan.u = f32(in->u, 3, btd);
        op.scan.delta = f32(in->delta, 3, btd);
        op.scan.A = f32(in->A, 2, dn);
        op.scan.B = f32(in->B, 4, btgn);
        op.scan.C = f32(in->C, 4, btgn);
        op.scan.h_in = f32(in->h, 3, bdn);
        op.scan.h_out = f32(out->h, 3, bdn);
        op.scan.y = f32(out->y, 3, btd);
    } else {
        op.conv = segue_causal_conv1d_init();
        op.conv.x = f32(in->u, 3, btd);
        op.conv.weight = f32(in->weight, 2, dw);
        op.conv.bias = f32(in->bias, 1, (const int64_t[]){ D });
        op.conv.h_in = f32(in->h, 3, bdl);
        op.conv.h_out = f32(out->h, 3, bdl);
        op.conv.y = f32(out->y, 3, btd);
        op.conv.activation = SEGUE_CAUSAL_CONV1D_SILU;
    }
    return op;
}

static int run(segue_device *dev, uint32_t primitive, const char *row, struct outputs *out)
{
    static struct inputs in; /* fresh for every row: some change them */
    _Alignas(64) static char workspace[WORKSPACE];
    segue_plan *plan = NULL;
    segue_plan_facts facts = { .size = sizeof facts };
    segue_stream stream;
    segue_diag diag;
    draw(&in);
    memset(workspace, 0, sizeof workspace);
    memset(out, 0, sizeof *out);
    const union any op = op_of(primitive, &in, out);
    segue_status s = segue_stream_create(dev, &stream, &diag);
    if (!s) s = segue_plan_create_row(dev, &op.header, row, &plan, &diag);
    if (!s) s = segue_plan_info(plan, &facts, &diag);
    const segue_buffer buffer = { workspace, 0, facts.workspace_bytes };
    if (!s && facts.workspace_bytes < WORKSPACE) s = segue_plan_run(plan, &op.header, stream, buffer, &diag);
    segue_plan_destroy(plan);
    if (!s) return 0;
    fprintf(stderr, "%s: %s\n", row ? row : "the best row", diag.text);
    return -1;
}

/* The largest |got - want| over what allclose allows. */
static double excess(const float *got, const float *want, size_t count)
{
    double most = 0;
    for (size_t i = 0; i < count; i++) {
        const double share = fabs((double)got[i] - (double)want[i]) / (1e-2 + 1e-2 * fabs((double)want[i]));
        if (!(share <= most)) most = isnan(share) ? INFINITY : share;
    }
    return most;
}

/* Prints the rows of a primitive; how many pass, or -1. */
static int compare(segue_device *reference, segue_device *wrong, uint32_t primitive, int *rows)
{
    static struct outputs want, got;
    static struct inputs in;
    segue_row_facts row[ROWS];
    uint32_t count = ROWS;
    segue_diag diag;
    int passed = 0;
    const union any op = op_of(primitive, &in, &got);
    for (int i = 0; i < ROWS; i++) row[i].size = sizeof *row;
    if (run(reference, primitive, NULL, &want)) return -1;
    if (segue_explain(wrong, &op.header, row, &count, &diag)) return fprintf(stderr, "%s\n", diag.text), -1;
    for (uint32_t i = 0; i < count; i++) {
        if (run(wrong, primitive, row[i].name, &got)) return -1;
        const double y = excess(got.y, want.y, FLOATS),
                     h = excess(got.h, want.h, primitive == SEGUE_SELECTIVE_SCAN ? B * D * N : B * D * (W - 1));
        const int ok = y <= 1 && h <= 1;
        printf("%-44s %-8s %9.3g %9.3g\n", row[i].name, ok ? "passes" : "fails", y, h);
        passed += ok;
    }
    *rows += (int)count;
    return passed;
}

int main(int argc, char **argv)
{
    const char *const plugins[] = { argc > 1 ? argv[1] : NULL, NULL };
    const segue_context_options options = {
        .size = sizeof options,
        .flags = SEGUE_CONTEXT_NO_DISCOVERY,
        .plugins = plugins,
    };
    segue_context *context = NULL;
    segue_device *reference = NULL, *wrong = NULL;
    segue_diag diag;
    int rows = 0, passed = 0;
    if (segue_context_create(&options, &context, &diag) ||
        segue_device_open(context, "reference", NULL, &reference, &diag) ||
        segue_device_open(context, "wrong", NULL, &wrong, &diag)) {
        fprintf(stderr, "%s\n", diag.text);
        return 1;
    }
    printf("%-44s %-8s %9s %9s\n", "allclose(rtol=1e-2, atol=1e-2)", "", "y", "h_out");
    for (uint32_t id = SEGUE_SELECTIVE_SCAN; id <= SEGUE_CAUSAL_CONV1D && passed >= 0; id++) {
        const int more = compare(reference, wrong, id, &rows);
        passed = more < 0 ? -1 : passed + more;
    }
    printf("%d of %d wrong kernels pass, wanted at least %d\n", passed, rows, WANTED);
    segue_device_close(reference);
    segue_device_close(wrong);
    segue_context_destroy(context);
    return passed >= WANTED ? 0 : 1;
}
