/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes that outlive a process: states (segue_state_save), and calls that SEGUE_CAPTURE wrote, one a file. An engine needs
 * nothing of this; a tool that reads such files does. Both begin with a segue_sealed_head and end with a digest; words are
 * in the order of the machine that wrote them, and one of the other order meets the magic number reversed. A captured call:
 *
 *     segue_sealed_head
 *     segue_call_head
 *     segue_call_parameter   [parameters]
 *     segue_call_tensor      [head.count] of every operand that is there, in the order of the primitive's description
 *     elements               of every input, row-major, without gaps, an axis of stride 0 once; then zeros up to 8 bytes
 *     digest
 */
#ifndef SEGUE_SEALED_H
#define SEGUE_SEALED_H

#include <segue/segue.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SEGUE_SEALED_STATE UINT64_C(0x3165746174534753) /* "SGState1" */
#define SEGUE_SEALED_CALL UINT64_C(0x31206c6c61434753)  /* "SGCall 1" */
enum { SEGUE_SEALED_STATE_VERSION = 1, SEGUE_SEALED_CALL_VERSION = 1 };

typedef struct segue_sealed_head {
    uint64_t magic, bytes; /* bytes: of all, the digest included; a multiple of 8 */
    uint32_t version, primitive, revision;
    uint32_t count; /* of states, or of a call's operands */
} segue_sealed_head;

typedef struct segue_call_head {
    char primitive[32];
    char device[32], description[128], row[64]; /* where it ran; for people */
    uint32_t library;                           /* segue_version() */
    uint32_t parameters;
} segue_call_head;

typedef struct segue_call_parameter {
    char name[32];
    uint32_t field, role; /* field: its number in the description, from 0 */
    uint64_t value;       /* an int64_t, or a double's bits */
} segue_call_parameter;

typedef struct segue_call_tensor {
    char name[32];
    uint32_t field, dtype, rank;
    uint32_t over;  /* 1 + field of the input in whose place this output lay; 0 = it had its own */
    uint64_t bytes; /* of its elements below, without the zeros; 0 of outputs */
    int64_t shape[SEGUE_MAX_RANK], stride[SEGUE_MAX_RANK];
    int64_t planned_shape[SEGUE_MAX_RANK],
        planned_stride[SEGUE_MAX_RANK]; /* in the op that the plan was made for */
} segue_call_tensor;

enum segue_sealed_flaw {
    SEGUE_SEALED_WHOLE,
    SEGUE_SEALED_SHORT,    /* fewer bytes than a head and a digest */
    SEGUE_SEALED_REVERSED, /* of a machine of the other byte order */
    SEGUE_SEALED_OTHER,    /* something else */
    SEGUE_SEALED_VERSION,  /* a format that this version does not read */
    SEGUE_SEALED_CUT,      /* shorter or longer than it was */
    SEGUE_SEALED_ALTERED   /* the digest is another */
};

static inline uint64_t segue_sealed_padded(uint64_t bytes)
{
    return (bytes + 7) / 8 * 8;
}

/* Of a multiple of 8 bytes. Every step is one to one in sum and in word: no change of one word is missed, of several one
 * in 2^64. */
static inline uint64_t segue_sealed_digest(const unsigned char *bytes, uint64_t count)
{
    uint64_t sum = UINT64_C(0xcbf29ce484222325), word;
    for (uint64_t at = 0; at < count; at += sizeof word) {
        memcpy(&word, bytes + at, sizeof word);
        sum = (sum ^ word) * UINT64_C(0x9e3779b97f4a7c15);
        sum ^= sum >> 32; /* else high bits never reach low ones */
    }
    return sum;
}

/* Puts head in front and the digest behind; what is between is there. */
static inline void segue_seal(const segue_sealed_head *head, unsigned char *to)
{
    memcpy(to, head, sizeof *head);
    const uint64_t sum = segue_sealed_digest(to, head->bytes - sizeof sum);
    memcpy(to + head->bytes - sizeof sum, &sum, sizeof sum);
}

/* The first flaw of what should begin with that magic number. *head: as it is there, but for SEGUE_SEALED_SHORT. */
static inline enum segue_sealed_flaw segue_sealed_examine(const unsigned char *from, uint64_t bytes,
                                                          uint64_t magic, uint32_t version,
                                                          segue_sealed_head *head)
{
    uint64_t sum, reversed = 0;
    if (bytes < sizeof *head + sizeof sum) return SEGUE_SEALED_SHORT;
    memcpy(head, from, sizeof *head);
    for (int i = 0; i < 8; i++) reversed |= (head->magic >> 8 * i & 0xff) << (56 - 8 * i);
    if (reversed == magic) return SEGUE_SEALED_REVERSED;
    if (head->magic != magic) return SEGUE_SEALED_OTHER;
    if (head->version != version) return SEGUE_SEALED_VERSION;
    if (head->bytes != bytes || bytes % sizeof sum) return SEGUE_SEALED_CUT;
    memcpy(&sum, from + bytes - sizeof sum, sizeof sum);
    return sum == segue_sealed_digest(from, bytes - sizeof sum) ? SEGUE_SEALED_WHOLE : SEGUE_SEALED_ALTERED;
}

#ifdef __cplusplus
}
#endif
#endif
