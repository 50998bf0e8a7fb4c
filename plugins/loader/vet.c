/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The answer of a plugin's entry, field by field. Nothing that it says is used before it was looked at here. */
#include "loader.h"

/* The functions that every plugin has, by place in the table; what follows the last of them is optional. */
static const struct {
    const char *name;
    size_t offset;
} mandatory[] = {
#define ENTRY(name) #name, offsetof(segue_plugin, name)
    { ENTRY(close) },         { ENTRY(device_count) }, { ENTRY(device_info) },   { ENTRY(device_open) },
    { ENTRY(device_close) },  { ENTRY(device_facts) }, { ENTRY(device_status) }, { ENTRY(memory_alloc) },
    { ENTRY(memory_free) },   { ENTRY(memory_copy) },  { ENTRY(memory_fill) },   { ENTRY(tensor_copy) },
    { ENTRY(stream_create) }, { ENTRY(stream_wrap) },  { ENTRY(stream_sync) },   { ENTRY(stream_destroy) },
    { ENTRY(event_create) },  { ENTRY(event_record) }, { ENTRY(event_wait) },    { ENTRY(event_sync) },
    { ENTRY(event_destroy) }, { ENTRY(support) },      { ENTRY(explain) },       { ENTRY(plan_create) },
    { ENTRY(plan_info) },     { ENTRY(plan_run) },     { ENTRY(plan_destroy) },
#undef ENTRY
};

_Static_assert(offsetof(segue_plugin, close) + sizeof mandatory / sizeof *mandatory * sizeof(void *) ==
                   offsetof(segue_plugin, stream_capturing),
               "name every mandatory function");

segue_status segue_vet_table(const segue_plugin *answer, segue_plugin_facts *facts)
{
    static const char nothing[sizeof(void (*)(void))];
    const size_t least = offsetof(segue_plugin, stream_capturing);
    if (answer->size < least || answer->size > sizeof *answer || answer->size % sizeof(void *))
        return segue_reject(facts, SEGUE_PHASE_VET, "table size is %u, wanted %zu to %zu in steps of %zu",
                            answer->size, least, sizeof *answer, sizeof(void *));
    if (answer->epoch != SEGUE_PLUGIN_EPOCH || answer->minor != SEGUE_PLUGIN_MINOR)
        return segue_reject(facts, SEGUE_PHASE_VET,
                            "table is of epoch %u, minor %u, this host speaks epoch %d, minor %d",
                            answer->epoch, answer->minor, SEGUE_PLUGIN_EPOCH, SEGUE_PLUGIN_MINOR);
    for (size_t i = 0; i < sizeof mandatory / sizeof *mandatory; i++)
        if (!memcmp((const char *)answer + mandatory[i].offset, nothing, sizeof nothing))
            return segue_reject(facts, SEGUE_PHASE_VET, "table entry %s is NULL", mandatory[i].name);
    return SEGUE_OK;
}

static int ends(const char *text, size_t size)
{
    return memchr(text, 0, size) != NULL;
}

segue_status segue_vet_identity(const segue_plugin *answer, segue_plugin_facts *facts)
{
    if (!ends(answer->id, sizeof answer->id) || !ends(answer->uuid, sizeof answer->uuid))
        return segue_reject(facts, SEGUE_PHASE_VET, "the table's %s does not end within its array",
                            ends(answer->id, sizeof answer->id) ? "uuid" : "id");
    if (!facts->id[0]) { /* linked in: there is no note to compare with */
        if (!segue_is_id(answer->id, sizeof answer->id))
            return segue_reject(facts, SEGUE_PHASE_VET, "the table's id '%s' is not made of a-z, 0-9 and _",
                                answer->id);
        if (strlen(answer->id) > MAX_ID)
            return segue_reject(facts, SEGUE_PHASE_VET,
                                "the table's id '%s' is longer than %d characters, wanted at most that",
                                answer->id, MAX_ID);
        memcpy(facts->id, answer->id, sizeof facts->id);
        memcpy(facts->uuid, answer->uuid, sizeof facts->uuid);
        facts->minor = answer->minor;
    }
    if (strcmp(answer->id, facts->id))
        return segue_reject(facts, SEGUE_PHASE_VET, "the table's id is '%s', the note's is '%s'", answer->id,
                            facts->id);
    if (strcmp(answer->uuid, facts->uuid))
        return segue_reject(facts, SEGUE_PHASE_VET, "the table's uuid is '%s', the note's is '%s'",
                            answer->uuid, facts->uuid);
    return SEGUE_OK;
}

segue_status segue_vet_primitives(const segue_plugin *answer, segue_plugin_facts *facts)
{
    const segue_plugin_primitive *list = answer->primitives;
    if (answer->primitive_count > MAX_PRIMITIVES)
        return segue_reject(facts, SEGUE_PHASE_VET, "primitive_count is %u, wanted at most %d",
                            answer->primitive_count, MAX_PRIMITIVES);
    if (answer->primitive_count && !list)
        return segue_reject(facts, SEGUE_PHASE_VET, "primitives is NULL, but primitive_count is %u",
                            answer->primitive_count);
    for (uint32_t i = 0; i < answer->primitive_count; i++) {
        if (!list[i].primitive || !list[i].revision_min || list[i].revision_min > list[i].revision_max)
            return segue_reject(
                facts, SEGUE_PHASE_VET,
                "primitives[%u]: primitive %u, revisions %u to %u: wanted ids and revisions from 1", i,
                list[i].primitive, list[i].revision_min, list[i].revision_max);
        if (list[i].op_size < sizeof(segue_op_header) || list[i].op_size > SEGUE_MAX_OP_SIZE ||
            list[i].op_size % 8)
            return segue_reject(facts, SEGUE_PHASE_VET,
                                "primitives[%u]: op_size is %u, wanted a multiple of 8 from %zu to %d", i,
                                list[i].op_size, sizeof(segue_op_header), SEGUE_MAX_OP_SIZE);
        for (uint32_t j = 0; j < i; j++)
            if (list[j].primitive == list[i].primitive)
                return segue_reject(facts, SEGUE_PHASE_VET, "primitives[%u] and [%u] are both primitive %u", j,
                                    i, list[i].primitive);
    }
    return SEGUE_OK;
}

static const struct {
    const char *name;
    size_t offset, size;
} device_strings[] = {
#define STRING(name) #name, offsetof(segue_device_facts, name), sizeof(((segue_device_facts *)0)->name)
    { STRING(name) }, { STRING(alias) }, { STRING(backend) }, { STRING(description) }, { STRING(text) },
#undef STRING
};

segue_status segue_vet_device(const segue_device_facts *device, uint32_t index, segue_plugin_facts *facts)
{
    for (size_t i = 0; i < sizeof device_strings / sizeof *device_strings; i++)
        if (!ends((const char *)device + device_strings[i].offset, device_strings[i].size))
            return segue_reject(facts, SEGUE_PHASE_ENUMERATE,
                                "device %u: its %s does not end within its %zu bytes", index,
                                device_strings[i].name, device_strings[i].size);
    return SEGUE_OK;
}
