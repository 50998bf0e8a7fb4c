/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Which calls stand for a recurrence. The table is not needed: a primitive that it lacks gets a call from its description. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "relay.h"

#define SIZE "B2.T100"
_Static_assert(RELAY_TOKENS == 100 && RELAY_ROWS == 2, "the table's calls have as many");

static const char *const calls[] = {
    "selective_scan/fwd.D.z.delta_bias.h_in.h_out/f32/" SIZE ".D96.N16",
    "selective_scan/fwd.D.z.delta_bias.h_in.h_out/bf16-A.f32/" SIZE ".D96.N16",
    "causal_conv1d/fwd.bias.h_in.h_out.activation=silu/f32/" SIZE ".D96.W4",
    "gated_recurrence/fwd.q.k.v.gk.S_in.S_out.y.scale=0.25/f32/" SIZE ".I4.J4.H4.O4.K16.V16",
    "gated_recurrence/fwd.q.k.v.g.gain.D.z.S_in.S_out.y/bf16-g.f32/" SIZE ".I2.J1.H4.O4.K16.V24",
    "linear_attention/fwd.S_in.n_in.S_out.n_out/f32/" SIZE ".H4.K16.V16",
    "retention/fwd.z.S_in.S_out.scale=0.25.norm=1/f32/" SIZE ".H4.K16.V16",
    "ssd/fwd.D.z.dt_bias.h_in.h_out/f32/" SIZE ".H4.V16.G2.N32",
    "gated_linear_attention/fwd.gk.S_in.S_out.scale=0.25/f32/" SIZE ".I4.J4.H4.O4.K16.V16",
    "ode_cell/fwd.elapsed.h_in.h_out.gleak.vleak.cm.sigma.mu.w.E.A.sensory_sigma.sensory_mu.sensory_w.sensory_E/f32/" SIZE
    ".D3.F5.N19",
    "ode_cell/fwd.elapsed.h_in.h_out.backbone_w.backbone_b.ff1_w.ff1_b.ff2_w.ff2_b.time_a_w.time_a_b.time_b_w.time_b_b.cell=cfc."
    "time_sign=1.head_act=head_tanh/f32/" SIZE ".D3.F19.N19.E33",
};
enum { CALLS = sizeof calls / sizeof *calls };

int relay_is_recurrence(const segue_primitive_facts *p)
{
    int in = 0, out = 0;
    for (uint32_t i = 0; i < p->field_count; i++) {
        in += p->fields[i].role == SEGUE_ROLE_STATE_IN;
        out += p->fields[i].role == SEGUE_ROLE_STATE_OUT;
    }
    return in && out;
}

/* "s == b unless cu_seqlens", "l >= w - 1": the rules tell how long the axis is. */
static int is_told(const segue_primitive_facts *p, char letter)
{
    if (letter == 's' || letter == 'p') return 1;
    for (const char *at = p->rules; *at; at += strcspn(at, ";"), at += *at == ';', at += *at == ' ')
        if (at[0] == letter && (!strncmp(at + 1, " == ", 4) || !strncmp(at + 1, " >= ", 4))) return 1;
    return 0;
}

static int is_needed(const segue_field_facts *f)
{
    return f->role == SEGUE_ROLE_IN || f->role == SEGUE_ROLE_STATE_IN || f->role == SEGUE_ROLE_STATE_OUT;
}

void relay_derive(const segue_primitive_facts *p, char out[DESCRIPTOR_TEXT])
{
    char variant[DESCRIPTOR_TEXT / 2] = "fwd", axes[DESCRIPTOR_TEXT / 4] = SIZE;
    int seen[128] = { ['b'] = 1, ['t'] = 1 };
    for (uint32_t i = 0; i < p->field_count; i++) {
        const segue_field_facts *f = &p->fields[i];
        if (!is_needed(f)) continue;
        if (f->role != SEGUE_ROLE_IN)
            snprintf(variant + strlen(variant), sizeof variant - strlen(variant), ".%s", f->name);
        for (const char *at = f->dims; *at; at++) {
            const int letter = *at;
            if (!islower(letter) || seen[letter] || is_told(p, *at)) continue;
            seen[letter] = 1;
            snprintf(axes + strlen(axes), sizeof axes - strlen(axes), ".%c8", toupper(letter));
        }
    }
    snprintf(out, DESCRIPTOR_TEXT, "%s/%s/f32/%s", p->name, variant, axes);
}

int relay_call(const segue_primitive_facts *p, int nth, char out[DESCRIPTOR_TEXT], char *why)
{
    const size_t length = strlen(p->name);
    struct test_case c;
    int found = 0;
    for (int i = 0; i < CALLS; i++)
        if (!strncmp(calls[i], p->name, length) && calls[i][length] == '/' && found++ == nth) {
            snprintf(out, DESCRIPTOR_TEXT, "%s", calls[i]);
            return 1;
        }
    if (found || nth) return 0;
    relay_derive(p, out);
    if (!test_case_outline(out, &c, why)) {
        test_case_free(&c);
        return 1;
    }
    return -1;
}
