/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* What the lists hold. core: of every primitive its mandatory names and pairwise coverage. smoke: of these the ones that the
 * facts name, those that hold every value of every factor, and then those that bring most pairs. */
#include "list.h"

#include <stdlib.h>

#include "cover.h"

enum { CORE_CASES = 480, SMOKE_CASES = 68 }; /* of a primitive whose facts say nothing */

/* The case facts of primitive number id; NULL = it has none. */
static const struct case_facts *facts_at(uint32_t id)
{
    return case_facts_of(segue_describe(id)->name);
}

static int choice_of(const struct cover *c, const char *name, struct choice *out)
{
    char why[DESCRIPTOR_WHY];
    struct descriptor d;
    if (descriptor_parse(name, &d, why) || strcmp(d.primitive->name, c->facts->primitive)) return -1;
    cover_choice(c, &d, out);
    return 0;
}

/* Counts the cases of the list that are of the primitive. */
static void count_all(struct cover *c, const struct list *l)
{
    struct choice choice;
    for (size_t i = 0; i < l->count; i++)
        if (!choice_of(c, l->names[i], &choice)) cover_count(c, &choice);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sort(struct list *l)
{
    if (l->count) qsort(l->names, l->count, sizeof *l->names, by_name);
}

/* ---- core ----------------------------------------------------------------------------------------- */

static int add_mandatory(const struct case_facts *facts, const struct oracle *oracle, struct list *out,
                         char *why)
{
    for (const char *const *name = facts->mandatory; name && *name; name++) {
        char canonical[DESCRIPTOR_TEXT], words[DESCRIPTOR_WHY];
        struct descriptor d;
        if (!oracle_accepts(oracle, *name, words) || descriptor_parse(*name, &d, words) ||
            descriptor_print(&d, canonical, sizeof canonical)) {
            snprintf(why, DESCRIPTOR_WHY, "cases/%s.c: mandatory %.150s: %.150s", facts->primitive, *name,
                     words);
            return -1;
        }
        for (size_t i = 0; i < out->count; i++)
            if (!strcmp(out->names[i], canonical)) {
                snprintf(why, DESCRIPTOR_WHY, "cases/%s.c: mandatory %.200s is there twice", facts->primitive,
                         *name);
                return -1;
            }
        if (list_add(out, canonical)) return snprintf(why, DESCRIPTOR_WHY, "out of memory"), -1;
    }
    return 0;
}

static int core_of(const struct case_facts *facts, const struct oracle *oracle, struct list *out, char *why)
{
    const size_t before = out->count;
    if (add_mandatory(facts, oracle, out, why)) return -1;
    struct cover *c = cover_new(facts, oracle, "core", why);
    if (!c) return -1;
    count_all(c, out);
    const int failed = cover_fill(c, out, before + (facts->count ? facts->count : CORE_CASES));
    if (failed) snprintf(why, DESCRIPTOR_WHY, "out of memory");
    free(c);
    return failed;
}

/* ---- smoke ---------------------------------------------------------------------------------------- */

/* How much a case adds to what is chosen: values first, then pairs. */
static int64_t worth(const struct cover *c, const struct choice *choice, const unsigned *values)
{
    int64_t worth = 0;
    for (int i = 0; i < c->factor_count; i++) {
        if (choice->value[i] == COVER_NONE) continue;
        worth += values[i] >> choice->value[i] & 1 ? 0 : 1000;
        for (int k = i + 1; k < c->factor_count; k++)
            worth += choice->value[k] != COVER_NONE &&
                     !c->pairs[i * FACTOR_VALUES + choice->value[i]][k * FACTOR_VALUES + choice->value[k]];
    }
    return worth;
}

/* The best of those that are not taken; of equals the first. SIZE_MAX = none is left. */
static size_t best_of(const struct cover *c, const struct list *core, const struct choice *choices,
                      const char *state, const unsigned *values)
{
    size_t best = SIZE_MAX;
    int64_t most = -1;
    for (size_t i = 0; i < core->count; i++) {
        const int64_t w = state[i] ? -1 : worth(c, &choices[i], values);
        if (w > most) best = i, most = w;
    }
    return best;
}

/* SIZE_MAX = core does not hold it */
static size_t place_of(const struct list *core, const char *name)
{
    char canonical[DESCRIPTOR_TEXT], why[DESCRIPTOR_WHY];
    struct descriptor d;
    if (descriptor_parse(name, &d, why) || descriptor_print(&d, canonical, sizeof canonical)) return SIZE_MAX;
    for (size_t i = 0; i < core->count; i++)
        if (!strcmp(core->names[i], canonical)) return i;
    return SIZE_MAX;
}

/* Named ones do not count as coverage: what the others cover stays as it is when a name comes or goes. */
static int pick(struct cover *c, const struct list *core, struct choice *choices, char *state, struct list *out)
{
    unsigned values[FACTORS] = { 0 };
    const size_t most = c->facts->smoke_count ? c->facts->smoke_count : SMOKE_CASES;
    size_t n = 0;
    for (size_t i = 0; i < core->count; i++) state[i] = choice_of(c, core->names[i], &choices[i]) != 0;
    for (const char *const *name = c->facts->smoke; name && *name; name++, n++) {
        const size_t i = place_of(core, *name);
        state[i] = 1;
        if (list_add(out, core->names[i])) return -1;
    }
    for (; n < most; n++) {
        const size_t i = best_of(c, core, choices, state, values);
        if (i == SIZE_MAX) return 0;
        state[i] = 1;
        cover_count(c, &choices[i]);
        for (int k = 0; k < c->factor_count; k++)
            if (choices[i].value[k] != COVER_NONE) values[k] |= 1u << choices[i].value[k];
        if (list_add(out, core->names[i])) return -1;
    }
    return 0;
}

static int smoke_of(const struct case_facts *facts, const struct list *core, struct list *out, char *why)
{
    for (const char *const *name = facts->smoke; name && *name; name++)
        if (place_of(core, *name) == SIZE_MAX)
            return snprintf(why, DESCRIPTOR_WHY,
                            "cases/%s.c: smoke: %.200s is not in core, wanted a mandatory name",
                            facts->primitive, *name),
                   -1;
    struct cover *c = cover_new(facts, NULL, "smoke", why);
    if (!c) return -1;
    struct choice *choices = malloc(core->count * sizeof *choices);
    char *state = malloc(core->count);
    const int failed = !choices || !state || pick(c, core, choices, state, out);
    if (failed) snprintf(why, DESCRIPTOR_WHY, "out of memory");
    free(choices);
    free(state);
    free(c);
    return failed ? -1 : 0;
}

/* ---- both ----------------------------------------------------------------------------------------- */

static int generate_core(struct list *out, char *why)
{
    struct oracle *oracle = oracle_open(why);
    int failed = !oracle;
    for (uint32_t id = 1; !failed && segue_describe(id); id++)
        if (facts_at(id)) failed = core_of(facts_at(id), oracle, out, why);
    oracle_close(oracle);
    sort(out);
    return failed ? -1 : 0;
}

int list_generate_smoke(const struct list *core, struct list *out, char *why)
{
    int failed = 0;
    memset(out, 0, sizeof *out);
    for (uint32_t id = 1; !failed && segue_describe(id); id++)
        if (facts_at(id)) failed = smoke_of(facts_at(id), core, out, why);
    if (failed) list_free(out);
    sort(out);
    return failed;
}

int list_generate(const char *profile, struct list *out, char *why)
{
    struct list core = { 0 };
    memset(out, 0, sizeof *out);
    const int smoke = !strcmp(profile, "smoke");
    if (!smoke && strcmp(profile, "core"))
        return snprintf(why, DESCRIPTOR_WHY, "profile: wanted smoke or core, given %.100s", profile), -1;
    int failed = generate_core(&core, why);
    if (!smoke && !failed) *out = core;
    else if (!failed) failed = list_generate_smoke(&core, out, why);
    if (smoke || failed) list_free(&core);
    return failed;
}

static void count_pairs(struct cover *c, int *total, int *covered, int *excluded)
{
    struct choice unused;
    for (int i = 0; i < c->factor_count; i++)
        for (int k = i + 1; k < c->factor_count; k++)
            for (int v = 0; v < c->factors[i].count; v++)
                for (int w = 0; w < c->factors[k].count; w++) {
                    const int first = i * FACTOR_VALUES + v, second = k * FACTOR_VALUES + w;
                    ++*total;
                    if (c->pairs[first][second]) ++*covered;
                    else if (!cover_seed(c, first, second, &unused)) ++*excluded;
                }
}

int list_coverage(const struct list *l, FILE *to, char *why)
{
    struct oracle *oracle = oracle_open(why);
    int failed = !oracle;
    for (uint32_t id = 1; !failed && segue_describe(id); id++) {
        int total = 0, covered = 0, excluded = 0;
        struct cover *c = facts_at(id) ? cover_new(facts_at(id), oracle, "core", why) : NULL;
        failed = facts_at(id) && !c;
        if (!c) continue;
        count_all(c, l);
        count_pairs(c, &total, &covered, &excluded);
        fprintf(to, "%s: %d of %d pairs of %d factors; %d excluded by rules\n", c->facts->primitive, covered,
                total - excluded, c->factor_count, excluded);
        free(c);
    }
    oracle_close(oracle);
    return failed ? -1 : 0;
}
