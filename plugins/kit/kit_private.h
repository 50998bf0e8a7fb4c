/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* What the kit's files share. self, device and plan of the plugin ABI are these structs. */
#ifndef SEGUE_KIT_PRIVATE_H
#define SEGUE_KIT_PRIVATE_H

#include <segue/kit.h>

struct kit_self { /* one answer of the entry; the plugin's own struct stays const */
    const segue_kit_plugin *plugin;
    const segue_kit_adapter *adapter;
    const segue_host *host;
    const segue_row **rows; /* best first */
    segue_plugin_primitive *primitives;
    uint32_t row_count, primitive_count;
};

struct kit_device {
    segue_kit_device shown;
    const struct kit_self *self;
};

struct kit_plan {
    const struct kit_device *device;
    const segue_row *row;
    segue_kit_plan made;
    uint32_t primitive, revision;
    /* The adapter's stream_capturing where the row may not be captured; NULL: nothing to ask. */
    segue_status (*capturing)(void *device, segue_stream stream, uint32_t *capturing, segue_diag *diag);
};

/* Bytes of a primitive's op struct at a level of its description; 0 = unknown to this kit. */
uint32_t segue_kit_op_size(uint32_t primitive, uint32_t level);
/* Asks the reference, as accepts() would, but with room for its words. 1 = it takes the op. */
int segue_kit_delegate_accepts(const segue_op_header *op, const struct kit_device *dev, char reason[240],
                               uint32_t *field);
segue_status segue_kit_delegate_facts(const struct kit_plan *plan, segue_plan_facts *out, segue_diag *diag);

/* kit_device.c and kit_plan.c fill their parts of the table. */
void segue_kit_fill_device(const segue_kit_adapter *adapter, segue_plugin *out);
void segue_kit_fill_plan(segue_plugin *out);

#endif
