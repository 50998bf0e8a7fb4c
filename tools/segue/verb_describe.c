/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* segue describe: prints what api/ops says of a primitive, as the C header, a documentation page, JSON or the
 * ABI snapshot. It links the descriptions alone, so that it builds before what needs its own output (ops.h). */
#include <segue/plugin.h>

#include <ctype.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const role_names[] = { "",    "in",           "optional in", "state in", "state out",
                                          "out", "optional out", "integer",     "real" };
static const char *const kind_names[] = { "", "activation", "gate", "weight", "state", "i32", "mixed" };
static const char *const kind_dtypes[] = { "",
                                           "f32 f16 bf16 f64, the same for all activations",
                                           "f32 f16 bf16 f64",
                                           "f32 f16 bf16 f64",
                                           "f32 f16 bf16 f64, the same for all states",
                                           "i32",
                                           "f32 f16 bf16 f64" };

static int is_param(const segue_field_facts *f)
{
    return f->role >= SEGUE_ROLE_INT;
}

/* A parameter whose default is outside its range has none: a plan wants it set. */
static int is_required(const segue_field_facts *f)
{
    return is_param(f) && !(f->initial >= f->min && f->initial <= f->max);
}

static const char *default_text(const segue_field_facts *f, char text[32])
{
    snprintf(text, 32, "%.17g", f->initial);
    return is_required(f) ? "required" : text;
}

static const char *upper(const char *name)
{
    static char text[2][64];
    static int turn;
    char *to = text[turn ^= 1];
    size_t i = 0;
    for (; name[i] && i + 1 < sizeof text[0]; i++) to[i] = (char)toupper((unsigned char)name[i]);
    to[i] = 0;
    return to;
}

static uint32_t last_level(const segue_primitive_facts *p)
{
    uint32_t level = 1;
    for (uint32_t i = 0; i < p->field_count; i++)
        if (p->fields[i].since > level) level = p->fields[i].since;
    return level;
}

/* Bytes of the struct as a caller of that level knows it. */
static uint32_t size_at(const segue_primitive_facts *p, uint32_t level)
{
    uint32_t end = sizeof(segue_op_header);
    for (uint32_t i = 0; i < p->field_count; i++) {
        const segue_field_facts *f = &p->fields[i];
        const uint32_t bytes = is_param(f) ? 8 : sizeof(segue_tensor);
        if (f->since <= level && f->offset + bytes > end) end = f->offset + bytes;
    }
    return end;
}

static void print_struct(const segue_primitive_facts *p)
{
    printf("/* %s; %s */\ntypedef struct segue_%s {\n    segue_op_header header;\n", p->title, p->source,
           p->name);
    for (uint32_t i = 0; i < p->field_count; i++) {
        const segue_field_facts *f = &p->fields[i];
        const char *type = f->role == SEGUE_ROLE_INT ? "int64_t" : is_param(f) ? "double" : "segue_tensor";
        char where[48] = "", number[32];
        if (is_param(f))
            snprintf(where, sizeof where, "%s%s", is_required(f) ? "" : "default ", default_text(f, number));
        else
            snprintf(where, sizeof where, "[%s] %s%s", f->dims, kind_names[f->kind],
                     f->role == SEGUE_ROLE_IN || f->role == SEGUE_ROLE_OUT ? "" : "?");
        printf("    %s %s; /* %s: %s */\n", type, f->name, where, f->doc);
    }
    printf("} segue_%s;\n\n", p->name);
}

static void print_init(const segue_primitive_facts *p)
{
    printf("static inline segue_%s segue_%s_init(void)\n{\n    segue_%s op;\n    memset(&op, 0, sizeof op);\n",
           p->name, p->name, p->name);
    printf(
        "    op.header.size = SEGUE_%s_SIZE_%u;\n    op.header.primitive = SEGUE_%s;\n    op.header.revision = %u;\n",
        upper(p->name), last_level(p), upper(p->name), p->revision);
    for (uint32_t i = 0; i < p->field_count; i++)
        if (is_param(&p->fields[i]) && p->fields[i].initial != 0)
            printf("    op.%s = %.17g;\n", p->fields[i].name, p->fields[i].initial);
    printf("    return op;\n}\n\n");
}

static void header_one(const segue_primitive_facts *p)
{
    printf("enum {\n    SEGUE_%s = %u,\n", upper(p->name), p->id);
    for (uint32_t level = 1; level <= last_level(p); level++)
        printf("    SEGUE_%s_SIZE_%u = %u%s\n", upper(p->name), level, size_at(p, level),
               p->enum_count || level < last_level(p) ? "," : "");
    for (uint32_t i = 0; i < p->enum_count; i++)
        printf("    SEGUE_%s_%s = %lld%s /* %s: %s */\n", upper(p->name), p->enums[i].name,
               (long long)p->enums[i].value, i + 1 < p->enum_count ? "," : "", p->enums[i].param,
               p->enums[i].doc);
    printf("};\n\n");
    print_struct(p);
    print_init(p);
}

static void header_begin(void)
{
    printf(
        "/* SPDX-FileCopyrightText: 2026 The Segue authors */\n/* SPDX-License-Identifier: Apache-2.0 */\n"
        "/* Printed by segue describe --emit=header from api/ops; do not edit. Included by segue.h.\n"
        " * Dimensions in brackets, slowest first; ? marks what may be absent. Fields are numbered from 1 in this order. */\n"
        "#ifndef SEGUE_OPS_H\n#define SEGUE_OPS_H\n\n#include <segue/segue.h>\n\n#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n");
}

static void header_end(void)
{
    printf("/* One ROW(name, level, size) a primitive and level. */\n#define SEGUE_EACH_SIZE(ROW)");
    for (uint32_t id = 1; segue_describe(id); id++)
        for (uint32_t level = 1; level <= last_level(segue_describe(id)); level++)
            printf(" \\\n    ROW(SEGUE_%s, %u, SEGUE_%s_SIZE_%u)", upper(segue_describe(id)->name), level,
                   upper(segue_describe(id)->name), level);
    printf("\n\n#ifdef __cplusplus\n}\n#endif\n\n#endif\n");
}

static void docs_one(const segue_primitive_facts *p)
{
    printf("# %s\n\n%s. Source: %s.\n\n", p->name, p->title, p->source);
    printf(
        "Primitive %u, revision %u, struct `segue_%s` of %u bytes. Upper bounds in a plan: `%s`; other axes are frozen.\nRules: %s.\n\n",
        p->id, p->revision, p->name, p->op_size, p->dynamic, p->rules);
    printf("| # | operand | axes | role | dtypes | what |\n|---|---|---|---|---|---|\n");
    for (uint32_t i = 0; i < p->field_count; i++)
        if (!is_param(&p->fields[i]))
            printf("| %u | `%s` | `%s` | %s | %s | %s |\n", i + 1, p->fields[i].name, p->fields[i].dims,
                   role_names[p->fields[i].role], kind_dtypes[p->fields[i].kind], p->fields[i].doc);
    printf("\n| # | parameter | type | default | range | what |\n|---|---|---|---|---|---|\n");
    for (uint32_t i = 0; i < p->field_count; i++) {
        char number[32];
        if (is_param(&p->fields[i]))
            printf("| %u | `%s` | %s | %s | %.17g to %.17g | %s |\n", i + 1, p->fields[i].name,
                   role_names[p->fields[i].role], default_text(&p->fields[i], number), p->fields[i].min,
                   p->fields[i].max, p->fields[i].doc);
    }
    for (uint32_t i = 0; i < p->enum_count; i++)
        printf("%s- `%s = SEGUE_%s_%s` (%lld): %s\n", i ? "" : "\n", p->enums[i].param, upper(p->name),
               p->enums[i].name, (long long)p->enums[i].value, p->enums[i].doc);
    printf(
        "\nErrors: `SEGUE_ERROR_OPERAND` with the field's number and words for a missing, misshapen, mistyped, overlapping or\n"
        "out-of-range field; `SEGUE_ERROR_UNSUPPORTED` with the kernel's reason. Ownership and threads: `segue.h`.\n");
}

static json_t *field_json(const segue_field_facts *f)
{
    json_t *row = json_pack("{s:s, s:s, s:i, s:i, s:s}", "name", f->name, "role", role_names[f->role], "offset",
                            (int)f->offset, "since", (int)f->since, "doc", f->doc);
    if (is_param(f))
        json_object_update_new(row, json_pack("{s:f, s:f, s:f, s:b}", "default", f->initial, "min", f->min,
                                              "max", f->max, "required", is_required(f)));
    else json_object_update_new(row, json_pack("{s:s, s:s}", "dims", f->dims, "kind", kind_names[f->kind]));
    return row;
}

static void json_one(const segue_primitive_facts *p)
{
    json_t *fields = json_array(), *enums = json_array();
    for (uint32_t i = 0; i < p->field_count; i++) json_array_append_new(fields, field_json(&p->fields[i]));
    for (uint32_t i = 0; i < p->enum_count; i++)
        json_array_append_new(enums, json_pack("{s:s, s:s, s:I, s:s}", "param", p->enums[i].param, "name",
                                               p->enums[i].name, "value", (json_int_t)p->enums[i].value, "doc",
                                               p->enums[i].doc));
    json_t *all =
        json_pack("{s:s, s:i, s:i, s:i, s:s, s:s, s:s, s:s, s:o, s:o}", "name", p->name, "id", (int)p->id,
                  "revision", (int)p->revision, "size", (int)p->op_size, "title", p->title, "source", p->source,
                  "dynamic", p->dynamic, "rules", p->rules, "fields", fields, "enums", enums);
    json_dumpf(all, stdout, JSON_COMPACT);
    printf("\n");
    json_decref(all);
}

/* Layout and numbers only: what a change of breaks callers that are already compiled. */
static void abi_one(const segue_primitive_facts *p)
{
    printf("primitive %u %s revision %u size %u\n", p->id, p->name, p->revision, p->op_size);
    for (uint32_t i = 0; i < p->field_count; i++) {
        const segue_field_facts *f = &p->fields[i];
        printf("  %4u %s %s since %u role %u kind %u [%s]\n", f->offset,
               is_param(f) ? f->role == SEGUE_ROLE_INT ? "i64" : "f64" : "tensor", f->name, f->since, f->role,
               f->kind, f->dims);
    }
    for (uint32_t i = 0; i < p->enum_count; i++)
        printf("  enum %s %s = %lld\n", p->enums[i].param, p->enums[i].name, (long long)p->enums[i].value);
}

static const struct layout {
    const char *name, *member; /* member NULL: the struct itself */
    size_t at, bytes;
} layouts[] = {
#define STRUCT(name) { #name, NULL, 0, sizeof(name) },
#define MEMBER(name, member) { #name, #member, offsetof(name, member), sizeof(((name *)0)->member) },
#include "public_structs.def"
#undef STRUCT
#undef MEMBER
};

static void abi_begin(void)
{
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++)
        if (!layouts[i].member) printf("struct %s size %zu\n", layouts[i].name, layouts[i].bytes);
        else printf("  %4zu %s %zu\n", layouts[i].at, layouts[i].member, layouts[i].bytes);
}

static void nothing(void) {}

static const struct emitter {
    const char *name;
    void (*begin)(void), (*one)(const segue_primitive_facts *), (*end)(void);
} emitters[] = {
    { "header", header_begin, header_one, header_end },
    { "docs", nothing, docs_one, nothing },
    { "json", nothing, json_one, nothing },
    { "abi", abi_begin, abi_one, nothing },
};

static int usage(const char *problem, const char *given)
{
    if (problem) fprintf(stderr, "segue describe: %s: %s\n", problem, given);
    FILE *to = problem ? stderr : stdout;
    fprintf(
        to,
        "usage: segue describe [--emit=header|docs|json|abi] [PRIMITIVE...]\n"
        "Prints the description of the primitives named, or of all (default form: docs; json: one object a line). primitives:");
    for (uint32_t id = 1; segue_describe(id); id++) fprintf(to, " %s", segue_describe(id)->name);
    fprintf(to, "\n");
    return problem ? 2 : 0;
}

static const segue_primitive_facts *named(const char *name)
{
    for (uint32_t id = 1; segue_describe(id); id++)
        if (!strcmp(segue_describe(id)->name, name)) return segue_describe(id);
    return NULL;
}

int main(int argc, char **argv)
{
    static const struct option options[] = { { "emit", required_argument, NULL, 'e' },
                                             { "help", no_argument, NULL, 'h' },
                                             { 0 } };
    const struct emitter *emit = &emitters[1];
    argv[0] = (char[]){ "segue describe" }; /* what getopt_long calls us */
    for (int c; (c = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        if (c == 'h') return usage(NULL, NULL);
        if (c != 'e') return usage("no such option", argv[optind - 1]);
        for (emit = emitters; emit < emitters + 4 && strcmp(emit->name, optarg); emit++) continue;
        if (emit == emitters + 4) return usage("--emit wants header, docs, json or abi, given", optarg);
    }
    for (int i = optind; i < argc; i++)
        if (!named(argv[i])) return usage("no such primitive", argv[i]);
    emit->begin();
    for (int i = optind; i < argc; i++) emit->one(named(argv[i]));
    for (uint32_t id = 1; optind == argc && segue_describe(id); id++) emit->one(segue_describe(id));
    emit->end();
    return fflush(stdout) || ferror(stdout) ? 4 : 0;
}
