/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Pairwise coverage of one primitive: a case chooses one value of each factor, and every two values of two factors that can
 * stand in one case shall stand in one. */
#ifndef SEGUE_CONFORMANCE_COVER_H
#define SEGUE_CONFORMANCE_COVER_H

#include "case_facts.h"
#include "list.h"

enum { COVER_VALUE = 192, COVER_NONE = -1 };

struct cover_factor {
    const char *part;
    char values[FACTOR_VALUES][COVER_VALUE];
    int count, often; /* values from number `often` on are rare: covered once */
};

struct choice {
    int8_t value[FACTORS]; /* by factor; COVER_NONE = none of its values */
};

enum { COVER_IDS = FACTORS * FACTOR_VALUES }; /* factor * FACTOR_VALUES + value */

struct cover {
    const struct case_facts *facts;
    const struct oracle *oracle;
    struct cover_factor factors[FACTORS];
    int factor_count;
    uint32_t key[2];                              /* of what is random in the choice of cases */
    uint16_t pairs[COVER_IDS][COVER_IDS];         /* how many cases have both; first < second */
    unsigned char excluded[COVER_IDS][COVER_IDS]; /* no valid case has both */
};

/* Says whether a case is valid: core, asked through the reference device. */
struct oracle;
struct oracle *oracle_open(char *why); /* NULL with words */
void oracle_close(struct oracle *o);
int oracle_accepts(const struct oracle *o, const char *name, char *why); /* 0 with words */

/* Allocates; NULL with words: facts whose factors do not parse. */
struct cover *cover_new(const struct case_facts *facts, const struct oracle *oracle, const char *profile,
                        char *why);
/* The descriptor of a choice. */
void cover_text(const struct cover *c, const struct choice *choice, char to[DESCRIPTOR_TEXT]);
/* Which values a descriptor has. */
void cover_choice(const struct cover *c, const struct descriptor *d, struct choice *out);
void cover_count(struct cover *c, const struct choice *choice);
/* State steps or products of a case. */
int64_t cover_work(const struct cover *c, const struct descriptor *d);
/* A valid case with both values, as plain as possible: at most two other factors are off their first value. 0 = there is none. */
int cover_seed(const struct cover *c, int first, int second, struct choice *out);
/* Adds cases until every pair is there, and then more, until `wanted` are in the list. -1 = no memory. */
int cover_fill(struct cover *c, struct list *to, size_t wanted);

#endif
