/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "stand_in.h"

#include <string.h>

static int outside(const struct work *w, const void *at, const char *what)
{
    if (memory_of(w->context, at, w->bytes)) return OK;
    return complain(ILLEGAL_ADDRESS, "%s of %zu bytes at %p: no live allocation of this context holds them",
                    what, w->bytes, at);
}

static int copy(struct work *w)
{
    int code = w->to_device ? outside(w, w->to, "copy to") : OK;
    if (!code && w->from_device) code = outside(w, w->from, "copy from");
    if (!code) memmove(w->to, w->from, w->bytes);
    return code;
}

static int fill(struct work *w)
{
    const int code = outside(w, w->to, "fill");
    if (!code) memset(w->to, w->value, w->bytes);
    return code;
}

static int nothing(struct work *w)
{
    (void)w;
    return OK;
}

static int replay(struct work *w)
{
    return tape_play(w->tape);
}

int perform(struct work *w)
{
    static int (*const kinds[])(struct work *) = { [LAUNCH] = run_kernel, [COPY] = copy,    [FILL] = fill,
                                                   [RECORD] = nothing,    [WAIT] = nothing, [REPLAY] = replay };
    return kinds[w->kind](w);
}
