/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "diag.h"

#include <stdarg.h>
#include <stdio.h>

/* Plain storage: a thread-local destructor would be the thing that crashes when a library goes away. */
static _Thread_local char last_error[sizeof(((segue_diag *)0)->text)];

static const struct {
    segue_status code;
    const char *name;
} statuses[] = {
    { SEGUE_OK, "SEGUE_OK" },
    { SEGUE_ERROR_ARGUMENT, "SEGUE_ERROR_ARGUMENT" },
    { SEGUE_ERROR_OPERAND, "SEGUE_ERROR_OPERAND" },
    { SEGUE_ERROR_UNSUPPORTED, "SEGUE_ERROR_UNSUPPORTED" },
    { SEGUE_ERROR_FIELD, "SEGUE_ERROR_FIELD" },
    { SEGUE_ERROR_MEMORY, "SEGUE_ERROR_MEMORY" },
    { SEGUE_ERROR_WORKSPACE, "SEGUE_ERROR_WORKSPACE" },
    { SEGUE_ERROR_NO_DEVICE, "SEGUE_ERROR_NO_DEVICE" },
    { SEGUE_ERROR_PLUGIN, "SEGUE_ERROR_PLUGIN" },
    { SEGUE_ERROR_BUSY, "SEGUE_ERROR_BUSY" },
    { SEGUE_ERROR_CAPTURE, "SEGUE_ERROR_CAPTURE" },
    { SEGUE_ERROR_DEVICE_LOST, "SEGUE_ERROR_DEVICE_LOST" },
    { SEGUE_ERROR_INTERNAL, "SEGUE_ERROR_INTERNAL" },
};

const char *segue_status_name(segue_status status)
{
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
        if (statuses[i].code == status) return statuses[i].name;
    return "unknown status";
}

const char *segue_last_error(void)
{
    return last_error;
}

uint32_t segue_version(void)
{
    return SEGUE_VERSION_NUMBER;
}

segue_status segue_fail(segue_diag *diag, segue_status code, uint32_t phase, uint32_t field, const char *format,
                        ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(last_error, sizeof last_error, format, args);
    va_end(args);
    if (diag) {
        diag->code = code;
        diag->native_code = 0;
        diag->field = field;
        diag->phase = phase;
        memset(diag->text, 0, sizeof diag->text);
        memcpy(diag->text, last_error, strlen(last_error));
    }
    return code;
}

/* Bytes of the UTF-8 character that text begins with; 0 = none. */
static size_t character(const unsigned char *text)
{
    static const struct {
        unsigned char mask, lead;
        size_t bytes;
        uint32_t least; /* a smaller one has a shorter form, or controls terminals (to U+009F) */
    } forms[] = { { 0xe0, 0xc0, 2, 0xa0 }, { 0xf0, 0xe0, 3, 0x800 }, { 0xf8, 0xf0, 4, 0x10000 } };
    if (*text < 0x80) return *text >= 0x20 && *text != 0x7f;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        uint32_t code = *text & (unsigned char)~forms[i].mask;
        size_t n = 1;
        if ((*text & forms[i].mask) != forms[i].lead) continue;
        for (; n < forms[i].bytes && (text[n] & 0xc0) == 0x80; n++) code = code << 6 | (text[n] & 0x3f);
        const int surrogate = code >= 0xd800 && code <= 0xdfff;
        return n == forms[i].bytes && code >= forms[i].least && code <= 0x10ffff && !surrogate ? n : 0;
    }
    return 0;
}

void segue_clean_text(char *text, size_t size)
{
    text[size - 1] = 0;
    for (size_t n; *text; text += n) {
        n = character((const unsigned char *)text);
        if (n) continue;
        *text = '?';
        n = 1;
    }
}

segue_status segue_pass_on(segue_diag *diag, segue_status code, uint32_t phase, segue_diag *from)
{
    const uint32_t field = from->field;
    const int32_t native = from->native_code;
    segue_clean_text(from->text, sizeof from->text);
    segue_fail(diag, code, phase, field, "%s", from->text[0] ? from->text : segue_status_name(code));
    if (diag) diag->native_code = native;
    return code;
}
