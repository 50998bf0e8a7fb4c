/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* On a device with an architecture that the build has compiled for, a plan's first image is the embedded one: that of
 * the right architecture, kernel and options, in every row. Built for each backend, with its ADAPTER, its table CODE and
 * its rows; the stand-in driver reports the architecture, and here the images go no further. */
#include "gpu_testing.h"
#include "native.h"

#include <segue/ops.h>

#include <dlfcn.h>

extern const segue_kit_adapter ADAPTER;
extern const struct native_code CODE[];
extern const uint32_t CODE_COUNT;

#define ROW(name) extern const segue_row name;
#include "rows.h"
#undef ROW
static const segue_row *const rows[] = {
#define ROW(name) &name,
#include "rows.h"
#undef ROW
};
enum { ROWS = sizeof rows / sizeof *rows, NO_BINARY = 209 };

static const struct {
    const char *reported, *wanted; /* NULL: nothing that is embedded runs there */
} devices[] = {
    { "80", "sm_80" },
    { "86", "sm_86" },
    { "89", "sm_86" },
    { "90", "sm_90a" },
    { "100", "sm_100" },
    { "103", "sm_100" },
    { "75", NULL },
    { "91", NULL },
    { "120", "sm_120" },
    { "121", "sm_120" },
    { "110", NULL },
    { "gfx90a", "gfx90a" },
    { "gfx1030", "gfx1030" },
    { "gfx1100", "gfx1100" },
    { "gfx1201", "gfx1201" },
    { "gfx1101", NULL },
    { "gfx90a:sramecc+:xnack-", "gfx90a" },
    { "gfx942:sramecc+:xnack-", "gfx942" },
};

static const void *first; /* image that the driver was given since this was NULL */

static int refuse_image(void **module, const void *image)
{
    (void)module;
    if (!first) first = image;
    return NO_BINARY;
}

/* Models' sizes; channels side by side, so that the fast rows accept them, too. */
static void scan_of(segue_selective_scan *op, uint32_t act, int64_t t)
{
    enum { D = 32, N = 16 };
    *op = segue_selective_scan_init();
    op->u = op->delta = op->y = segue_tensor_of(NULL, act, 3, (int64_t[]){ 1, t, D });
    op->A = segue_tensor_of(NULL, SEGUE_F32, 2, (int64_t[]){ D, N });
    op->B = op->C = segue_tensor_of(NULL, act, 4, (int64_t[]){ 1, t, 1, N });
    op->h_in = op->h_out = segue_tensor_of(NULL, SEGUE_F32, 3, (int64_t[]){ 1, D, N });
}

static void conv_of(segue_causal_conv1d *op, uint32_t act, int64_t t)
{
    enum { D = 32, W = 4 };
    *op = segue_causal_conv1d_init();
    op->x = op->y = segue_tensor_of(NULL, act, 3, (int64_t[]){ 1, t, D });
    op->weight = segue_tensor_of(NULL, act, 2, (int64_t[]){ D, W });
}

static void check(const segue_row *row, const segue_kit_device *device, const segue_op_header *op,
                  const char *wanted)
{
    const struct native_code *found = NULL;
    segue_kit_plan plan = { 0 };
    segue_diag why = { 0 };
    if (row->primitive != op->primitive || row->accepts(op, device)) return;
    first = NULL;
    if (!row->prepare(op, device, &plan, &why)) fail_msg("%s: a plan without code", row->name);
    for (uint32_t i = 0; i < CODE_COUNT; i++)
        if (CODE[i].code == first) found = &CODE[i];
    const char *arch = found ? found->arch : "none";
    if (strcmp(arch, wanted ? wanted : "none"))
        fail_msg("%s: embedded code of %s, wanted %s; %s", row->name, arch, wanted, why.text);
    if (found && strncmp(found->kernel, row->name, strlen(found->kernel)))
        fail_msg("%s: embedded code of kernel %s", row->name, found->kernel);
}

static int is_embedded(const char *arch)
{
    for (uint32_t i = 0; i < CODE_COUNT; i++)
        if (!strcmp(CODE[i].arch, arch)) return 1;
    return 0;
}

static struct native_api api; /* of the device that was opened last */

/* The stand-in reads its settings anew; at its first use it does so by itself. */
static void reset(void)
{
    Dl_info info = { 0 };
    void *entry;
    void (*found)(void);
    if (!api.init) return;
    memcpy(&entry, &api.init, sizeof entry);
    assert_true(dladdr(entry, &info));
    void *library = dlopen(info.dli_fname, RTLD_NOW | RTLD_LOCAL);
    entry = library ? dlsym(library, "segue_stand_in_reset") : NULL;
    assert_non_null(entry);
    memcpy(&found, &entry, sizeof entry);
    found();
    dlclose(library);
}

/* How many plans' images were looked at. */
static int look_at_device(const char *reported, const char *wanted)
{
    static const uint32_t acts[] = { SEGUE_F32, SEGUE_F16, SEGUE_BF16 };
    static const int64_t lengths[] = { 1, 64 };
    const segue_device_options options = { .size = sizeof options };
    segue_host host = test_host;
    segue_diag why = { 0 };
    void *opened = NULL;
    int looked = 0;
    setenv("SEGUE_STAND_IN_ARCH", reported, 1);
    reset();
    host.describe = segue_describe;
    if (ADAPTER.open(&host, 0, &options, &opened, &why)) fail_msg("%s: %s", reported, why.text);
    const segue_kit_device device = { .handle = opened, .host = &host };
    api = native_of(opened)->api;
    native_of(opened)->api.module_load = refuse_image;
    for (int i = 0; i < ROWS * 6; i++) {
        segue_selective_scan scan;
        segue_causal_conv1d conv;
        scan_of(&scan, acts[i % 3], lengths[i / 3 % 2]);
        conv_of(&conv, acts[i % 3], lengths[i / 3 % 2]);
        check(rows[i / 6], &device, &scan.header, wanted);
        check(rows[i / 6], &device, &conv.header, wanted);
        looked += first != NULL;
    }
    ADAPTER.close(opened);
    return looked;
}

static void takes_embedded_code(void **state)
{
    int seen = 0;
    (void)state;
    if (!CODE_COUNT) skip(); /* the build found no compiler, and said so */
    for (size_t i = 0; i < sizeof devices / sizeof *devices; i++) {
        const char *const wanted = devices[i].wanted;
        if ((ADAPTER.api == SEGUE_API_HIP) != !strncmp(devices[i].reported, "gfx", 3)) continue;
        if (wanted && !is_embedded(wanted)) continue; /* its compiler does not know this one */
        const int looked = look_at_device(devices[i].reported, wanted);
        if (wanted) assert_true(looked >= 12); /* two primitives, three dtypes, two lengths */
        seen += wanted != NULL;
    }
    assert_true(seen > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(takes_embedded_code, fresh_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
