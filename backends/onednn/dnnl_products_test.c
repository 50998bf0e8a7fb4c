/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* oneDNN's products against plain loops, in f32 and bf16, and what becomes of a thread's OpenMP setting. Skipped without it. */
#include "dnnl_products.h"
#include "row_testing.h"

#include <dlfcn.h>

enum { M = 32, N = 48, K = 64, PITCH = 80, SHAPES = 8 };

static void fill(const segue_tensor *t)
{
    for (int64_t i = 0; i < t->shape[0]; i++)
        for (int64_t k = 0; k < t->shape[1]; k++) set_at(t, (int64_t[]){ i, k }, draw_real(-1, 1));
}

static void check(const segue_tensor *a, const segue_tensor *b, const float *c, int turned, int turned_B)
{
    for (int64_t i = 0; i < M; i++)
        for (int64_t n = 0; n < N; n++) {
            double want = 0;
            for (int64_t k = 0; k < K; k++)
                want += (turned ? GET(*a, k, i) : GET(*a, i, k)) * (turned_B ? GET(*b, n, k) : GET(*b, k, n));
            if (!(fabs(c[i * N + n] - want) < 1e-5 * K))
                fail_msg("[%d %d] = %g, wanted %g", (int)i, (int)n, c[i * N + n], want);
        }
}

static void products(void **context)
{
    struct dnnl_shape shapes[SHAPES];
    segue_diag why = { 0 };
    (void)context;
    for (int i = 0; i < SHAPES; i++)
        shapes[i] = (struct dnnl_shape){ M, N, K, PITCH, i & 1, i & 4, i & 2 ? SEGUE_BF16 : SEGUE_F32 };
    struct dnnl_products *p = dnnl_products_create(&test_host, shapes, SHAPES, &why);
    if (!p) {
        printf("skipped: %s\n", why.text);
        skip();
    }
    void *const scratch = aligned_alloc(64, (dnnl_scratch_bytes(p) + 63) / 64 * 64);
    struct dnnl_hand *hand = dnnl_hand_create(p, scratch);
    assert_non_null(hand);
    for (int i = 0; i < SHAPES; i++) {
        static char a_memory[4 * PITCH * PITCH], b_memory[4 * K * N];
        static float c[M * N];
        segue_tensor a = segue_tensor_of(a_memory, shapes[i].dtype, 2, (int64_t[]){ i & 1 ? K : M, PITCH }),
                     b = segue_tensor_of(b_memory, shapes[i].dtype, 2,
                                         (int64_t[]){ i & 4 ? N : K, i & 4 ? K : N });
        a.bytes = sizeof a_memory, b.bytes = sizeof b_memory;
        fill(&a), fill(&b);
        assert_int_equal(dnnl_product(hand, i, a_memory, b_memory, c), 0);
        check(&a, &b, c, i & 1, i & 4);
    }
    dnnl_hand_destroy(hand);
    free(scratch);
    dnnl_products_destroy(p);
}

/* The engine's own OpenMP regions keep their threads. */
static void threads_come_back(void **context)
{
    void *library = dlopen("libgomp.so.1", RTLD_NOW | RTLD_NOLOAD); /* there if oneDNN brought it */
    const struct dnnl_shape shape = { M, N, K, K, .dtype = SEGUE_F32 };
    (void)context;
    if (!library) skip();
    int (*get)(void);
    void (*set)(int);
    void *at = dlsym(library, "omp_get_max_threads");
    memcpy(&get, &at, sizeof get);
    at = dlsym(library, "omp_set_num_threads");
    memcpy(&set, &at, sizeof set);
    set(7);
    struct dnnl_products *p = dnnl_products_create(&test_host, &shape, 1, NULL);
    void *const scratch = aligned_alloc(64, (dnnl_scratch_bytes(p) + 63) / 64 * 64);
    struct dnnl_hand *hand = dnnl_hand_create(p, scratch);
    assert_int_equal(get(), 1);
    dnnl_hand_destroy(hand);
    assert_int_equal(get(), 7);
    free(scratch);
    dnnl_products_destroy(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(products), cmocka_unit_test(threads_come_back) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
