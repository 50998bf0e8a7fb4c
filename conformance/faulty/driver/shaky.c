/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* A plugin with one row that fails by the length of the call: 1 token crashes, 7 end the process, 19 return an
 * error, any other writes nothing. It has no convolution. */
#include <segue/kit.h>

#include <signal.h>
#include <stdlib.h>

static segue_status info(const segue_host *host, uint32_t index, segue_device_facts *out, segue_diag *diag)
{
    (void)host, (void)index, (void)diag;
    out->flags |= SEGUE_DEVICE_READY;
    return SEGUE_OK;
}

static segue_status open_device(const segue_host *host, uint32_t index, const segue_device_options *options,
                                void **device, segue_diag *diag)
{
    (void)index, (void)options, (void)diag;
    *device = (void *)host;
    return SEGUE_OK;
}

static void close_device(void *device)
{
    (void)device;
}

static const segue_kit_adapter adapter = {
    SEGUE_KIT_HOST_MEMORY, .count = segue_kit_count_one, .info = info,
    .open = open_device,   .close = close_device,
};

static segue_status run(const segue_op_header *op, const segue_kit_call *call)
{
    const int64_t tokens = ((const segue_selective_scan *)op)->u.shape[1];
    if (tokens == 1) raise(SIGKILL);
    if (tokens == 7) exit(0);
    if (tokens == 19)
        return segue_kit_fail(call->why, SEGUE_ERROR_DEVICE_LOST, SEGUE_PHASE_RUN, 0,
                              "the driver lost 19 tokens");
    return SEGUE_OK;
}

static const segue_row row = {
    .name = "selective_scan_shaky",
    .primitive = SEGUE_SELECTIVE_SCAN,
    .since = 1,
    .priority = 100,
    .accuracy = SEGUE_ACCURACY_F32,
    .run = run,
};

SEGUE_KIT_PLUGIN(shaky, .vendor = "The Segue authors", .version = "0",
                 .uuid = "7f3d1a90-52c6-4e0b-8a7d-0c9be8f6d211", .device = &adapter,
                 .rows = (const segue_row *const[]){ &row, NULL })
