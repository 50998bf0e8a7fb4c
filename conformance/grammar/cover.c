/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* A greedy generator after AETG (Cohen, Dalal, Fredman, Patton, IEEE TSE 23(7), 1997), turned round: it begins with the
 * plainest valid case of a pair that is missing and changes one factor after the other as long as the case stays valid. */
#include "cover.h"

#include <stdio.h>
#include <stdlib.h>

#include "layout.h"

/* Gauge and reference take some 150 ns for each unit of work. Only pairs of two large sizes may cost more than LIGHT. */
enum { LIGHT = 60000, HEAVY = 600000 };

enum { CHANGES = 2 }; /* off the plainest case, in search of a valid one */

/* ---- factors and choices -------------------------------------------------------------------------- */

static int read_factor(struct cover_factor *to, const struct factor *from)
{
    to->part = from->part;
    to->often = -1;
    for (const char *at = from->values; *at;) {
        const size_t length = strcspn(at, " ");
        if (length == 1 && *at == '|') to->often = to->count;
        else if (to->count == FACTOR_VALUES || length >= COVER_VALUE || !length) return -1;
        else memcpy(to->values[to->count++], at, length);
        at += length + (at[length] == ' ');
    }
    if (to->often < 0) to->often = to->count;
    return to->count ? 0 : -1;
}

struct cover *cover_new(const struct case_facts *facts, const struct oracle *oracle, const char *profile,
                        char *why)
{
    struct cover *c = calloc(1, sizeof *c);
    if (!c) {
        snprintf(why, DESCRIPTOR_WHY, "out of memory");
        return NULL;
    }
    c->facts = facts;
    c->oracle = oracle;
    key_of(profile, c->key);
    for (const struct factor *f = facts->factors; f && f->part; f++)
        if (c->factor_count == FACTORS || read_factor(&c->factors[c->factor_count++], f)) {
            snprintf(why, DESCRIPTOR_WHY,
                     "cases/%s.c: factor %s: wanted 1 to %d values of fewer than %d letters", facts->primitive,
                     f->part, FACTOR_VALUES, COVER_VALUE);
            free(c);
            return NULL;
        }
    return c;
}

/* Adds "before" and the text, unless it is "-". */
static void add(char *to, size_t room, const char *before, const char *text, size_t length)
{
    const size_t used = strlen(to);
    if (length == 1 && *text == '-') return;
    snprintf(to + used, room - used, "%s%.*s", before, (int)length, text);
}

static int is_axis(const char *part)
{
    return part[0] && !part[1];
}

void cover_text(const struct cover *c, const struct choice *choice, char to[DESCRIPTOR_TEXT])
{
    char variant[DESCRIPTOR_TEXT] = "fwd", dtypes[COVER_VALUE] = "f32", shape[96] = "",
         layout[COVER_VALUE] = "btd", distribution[64] = "";
    char modifier[32] = "";
    for (int i = 0; i < c->factor_count; i++) {
        const struct cover_factor *f = &c->factors[i];
        const char *value = f->values[choice->value[i]], *axes = strchr(value, '/');
        const size_t length = strlen(value);
        if (is_axis(f->part)) {
            const char before[] = { '.', *f->part, 0 };
            add(shape, sizeof shape, before + !*shape, value, length);
        } else if (!strcmp(f->part, "variant")) {
            add(variant, sizeof variant, ".", value, axes ? (size_t)(axes - value) : length);
            if (axes) add(shape, sizeof shape, *shape ? "." : "", axes + 1, strlen(axes + 1));
        } else if (!strcmp(f->part, "dtypes")) snprintf(dtypes, sizeof dtypes, "%s", value);
        else if (!strcmp(f->part, "layout")) snprintf(layout, sizeof layout, "%s", value);
        else if (!strcmp(f->part, "distribution")) add(distribution, sizeof distribution, "", value, length);
        else add(modifier, sizeof modifier, ".", value, length);
    }
    const int length = snprintf(to, DESCRIPTOR_TEXT, "%s/%s/%s/%s/%s/%s%s", c->facts->primitive, variant,
                                dtypes, shape, layout, *distribution ? distribution : "benign", modifier);
    if (length >= DESCRIPTOR_TEXT) *to = 0; /* no descriptor */
}

/* Whether the call would be the same with these dtypes. */
static int has_dtypes(const struct descriptor *d, const char *value)
{
    char name[DESCRIPTOR_TEXT], text[2 * DESCRIPTOR_TEXT], why[DESCRIPTOR_WHY];
    struct descriptor other;
    if (descriptor_print(d, name, sizeof name)) return 0;
    char *dtypes = strchr(strchr(name, '/') + 1, '/') + 1, *rest = strchr(dtypes, '/');
    snprintf(text, sizeof text, "%.*s%s%s", (int)(dtypes - name), name, value, rest);
    return !descriptor_parse(text, &other, why) && !memcmp(other.dtype, d->dtype, sizeof d->dtype);
}

/* Whether word, "h_in" or "softplus=0", is among the words between dots of value, up to its axes. */
static int names(const char *value, const char *word, size_t length)
{
    const char *end = value + strcspn(value, "/");
    for (const char *at = value; at < end; at += strcspn(at, "./") + 1)
        if (strcspn(at, "./") == length && !memcmp(at, word, length)) return 1;
    return 0;
}

/* Whether the call has an operand or a parameter's value. */
static int has_word(const struct descriptor *d, const char *word, size_t length)
{
    char text[COVER_VALUE + 64], why[DESCRIPTOR_WHY];
    struct descriptor other;
    char name[COVER_VALUE];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(word, "=./"), word);
    const uint32_t i = field_named(d->primitive, name);
    if (i == d->primitive->field_count) return 0;
    if (is_tensor_field(&d->primitive->fields[i])) return d->present[i];
    snprintf(text, sizeof text, "%s/fwd.%.*s/f32/", d->primitive->name, (int)length, word);
    return !descriptor_parse(text, &other, why) && other.value[i] == d->value[i];
}

static int has_axes(const struct descriptor *d, const char *axes)
{
    for (const char *at = axes; *at; at += strcspn(at, "."), at += *at == '.')
        if (descriptor_axis(d, (char)(*at - 'A' + 'a')) != strtoll(at + 1, NULL, 10)) return 0;
    return 1;
}

/* Of a variant's value: all that it names is there, and nothing else that the factor's values name. */
static int has_variant(const struct cover_factor *f, const struct descriptor *d, const char *value)
{
    for (int v = 0; v < f->count; v++)
        for (const char *at = f->values[v], *end = at + strcspn(at, "/"); at < end;) {
            const size_t length = strcspn(at, "./");
            const int nothing = length == 1 && *at == '-';
            if (!nothing && has_word(d, at, length) != names(value, at, length)) return 0;
            at += length + 1;
        }
    const char *axes = strchr(value, '/');
    return !axes || has_axes(d, axes + 1);
}

static int has_value(const struct cover_factor *f, const struct descriptor *d, const char *value)
{
    const size_t base = strcspn(d->distribution, ".");
    if (is_axis(f->part)) {
        const char letter = (char)(*f->part - 'A' + 'a');
        return *value == '-' ? d->axis[letter - 'a'] == AXIS_NOT_GIVEN
                             : descriptor_axis(d, letter) == strtoll(value, NULL, 10);
    }
    if (!strcmp(f->part, "variant")) return has_variant(f, d, value);
    if (!strcmp(f->part, "dtypes")) return has_dtypes(d, value);
    if (!strcmp(f->part, "distribution")) return strlen(value) == base && !memcmp(value, d->distribution, base);
    if (!strcmp(f->part, "modifier"))
        return *value == '-' ? !d->distribution[base]
                             : d->distribution[base] && !strcmp(d->distribution + base + 1, value);
    return !strcmp(
        value, layout_names[d->layout == LAYOUT_PACKED ? LAYOUT_BTD : d->layout]); /* packed is a variant too */
}

void cover_choice(const struct cover *c, const struct descriptor *d, struct choice *out)
{
    for (int i = 0; i < FACTORS; i++) {
        out->value[i] = COVER_NONE;
        for (int v = 0; i < c->factor_count && v < c->factors[i].count && out->value[i] == COVER_NONE; v++)
            if (has_value(&c->factors[i], d, c->factors[i].values[v])) out->value[i] = (int8_t)v;
    }
}

/* ---- pairs ---------------------------------------------------------------------------------------- */

static int id_of(int factor, int value)
{
    return factor * FACTOR_VALUES + value;
}

void cover_count(struct cover *c, const struct choice *choice)
{
    for (int i = 0; i < c->factor_count; i++)
        for (int k = i + 1; k < c->factor_count; k++)
            if (choice->value[i] != COVER_NONE && choice->value[k] != COVER_NONE)
                c->pairs[id_of(i, choice->value[i])][id_of(k, choice->value[k])]++;
}

static int is_rare(const struct cover *c, int id)
{
    return id % FACTOR_VALUES >= c->factors[id / FACTOR_VALUES].often;
}

/* Whether a pair is still wanted when every one shall be there `times` times. */
static int is_missing(const struct cover *c, int first, int second, int times)
{
    const int enough = is_rare(c, first) || is_rare(c, second) ? 1 : times;
    return !c->excluded[first][second] && c->pairs[first][second] < enough;
}

/* How many missing pairs that factor makes with the others of a choice. */
static int gain_of(const struct cover *c, const struct choice *choice, int factor, int value, int times)
{
    int gain = 0;
    for (int k = 0; k < c->factor_count; k++) {
        const int one = id_of(factor, value), other = id_of(k, choice->value[k]);
        if (k < factor) gain += is_missing(c, other, one, times);
        if (k > factor) gain += is_missing(c, one, other, times);
    }
    return gain;
}

/* ---- validity ------------------------------------------------------------------------------------- */

int64_t cover_work(const struct cover *c, const struct descriptor *d)
{
    int64_t work = 1;
    for (const char *at = c->facts->work; *at; at++)
        if (*at != ' ') work *= descriptor_axis(d, *at);
    return work;
}

static int is_valid(const struct cover *c, const struct choice *choice, int64_t most)
{
    char text[DESCRIPTOR_TEXT], why[DESCRIPTOR_WHY];
    struct descriptor d;
    cover_text(c, choice, text);
    if (descriptor_parse(text, &d, why) || cover_work(c, &d) > most) return 0;
    if (!oracle_accepts(c->oracle, text, why)) return 0;
    for (int i = 0; i < c->factor_count; i++) /* it is what was asked for */
        if (!has_value(&c->factors[i], &d, c->factors[i].values[choice->value[i]])) return 0;
    return 1;
}

static int seed_changed(const struct cover *c, struct choice *choice, const unsigned fixed, int from,
                        int changes)
{
    if (!changes) return is_valid(c, choice, HEAVY);
    for (int i = from; i < c->factor_count; i++) {
        if (fixed >> i & 1) continue;
        for (int v = 1; v < c->factors[i].count; v++) {
            choice->value[i] = (int8_t)v;
            if (seed_changed(c, choice, fixed, i + 1, changes - 1)) return 1;
        }
        choice->value[i] = 0;
    }
    return 0;
}

int cover_seed(const struct cover *c, int first, int second, struct choice *out)
{
    const int one = first / FACTOR_VALUES, two = second / FACTOR_VALUES;
    memset(out, 0, sizeof *out);
    out->value[one] = (int8_t)(first % FACTOR_VALUES);
    out->value[two] = (int8_t)(second % FACTOR_VALUES);
    for (int changes = 0; changes <= CHANGES; changes++)
        if (seed_changed(c, out, 1u << one | 1u << two, 0, changes)) return 1;
    return 0;
}

/* ---- generating ----------------------------------------------------------------------------------- */

/* 0 .. count - 1 in random order. */
static void shuffled(const struct cover *c, uint32_t round, int count, int *order)
{
    for (int i = 0; i < count; i++) {
        const struct dice d = { { c->key[0], c->key[1] }, round, (uint64_t)i };
        const int k = (int)dice_integer(&d, 0, 0, i);
        order[i] = order[k];
        order[k] = i;
    }
}

/* Gives each factor but two the value that brings most; among equals a random one. */
static void improve(const struct cover *c, struct choice *choice, unsigned fixed, uint32_t round, int times)
{
    int order[FACTORS], values[FACTOR_VALUES];
    char text[DESCRIPTOR_TEXT], why[DESCRIPTOR_WHY];
    struct descriptor d;
    cover_text(c, choice, text);
    const int64_t work = descriptor_parse(text, &d, why) ? HEAVY : cover_work(c, &d),
                  most = work > LIGHT ? work : LIGHT;
    shuffled(c, round, c->factor_count, order);
    for (int i = 0; i < c->factor_count; i++) {
        const int factor = order[i];
        const struct cover_factor *f = &c->factors[factor];
        if (fixed >> factor & 1) continue;
        shuffled(c, round + 0x10000u * (uint32_t)(i + 1), f->often, values);
        int best = -1;
        for (int v = 0; v < f->often; v++) {
            const int gain = gain_of(c, choice, factor, values[v], times);
            struct choice changed = *choice;
            changed.value[factor] = (int8_t)values[v];
            if (gain <= best || !is_valid(c, &changed, most)) continue;
            best = gain;
            *choice = changed;
        }
    }
}

static int add_case(struct cover *c, struct list *to, int first, int second, uint32_t round, int times)
{
    const unsigned fixed = 1u << first / FACTOR_VALUES | 1u << second / FACTOR_VALUES;
    char text[DESCRIPTOR_TEXT], name[DESCRIPTOR_TEXT], why[DESCRIPTOR_WHY];
    struct choice choice;
    struct descriptor d;
    if (!cover_seed(c, first, second, &choice)) return c->excluded[first][second] = 1, 0;
    improve(c, &choice, fixed, round, times);
    cover_count(c, &choice);
    cover_text(c, &choice, text);
    if (descriptor_parse(text, &d, why) || descriptor_print(&d, name, sizeof name)) return 0;
    for (size_t i = 0; i < to->count; i++)
        if (!strcmp(to->names[i], name)) return 0;
    return list_add(to, name);
}

/* Every pair once, in random order. */
static int fill_round(struct cover *c, struct list *to, size_t wanted, int times, uint32_t *round)
{
    const int ids = c->factor_count * FACTOR_VALUES, count = ids * ids;
    int *order = malloc((size_t)count * sizeof *order), failed = !order;
    if (order) shuffled(c, (uint32_t)times << 28, count, order);
    for (int i = 0; i < count && !failed && (times == 1 || to->count < wanted); i++) {
        const int first = order[i] / ids, second = order[i] % ids;
        if (first / FACTOR_VALUES >= second / FACTOR_VALUES) continue;
        if (first % FACTOR_VALUES >= c->factors[first / FACTOR_VALUES].count) continue;
        if (second % FACTOR_VALUES >= c->factors[second / FACTOR_VALUES].count) continue;
        if (is_missing(c, first, second, times)) failed = add_case(c, to, first, second, ++*round, times);
    }
    free(order);
    return failed ? -1 : 0;
}

int cover_fill(struct cover *c, struct list *to, size_t wanted)
{
    uint32_t round = 0;
    for (int times = 1; times == 1 || (times < 8 && to->count < wanted); times++)
        if (fill_round(c, to, wanted, times, &round)) return -1;
    return 0;
}
