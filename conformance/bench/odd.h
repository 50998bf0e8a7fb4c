/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Shapes that no kernel was made for, each beside the round shape that it is nearest to. */
#ifndef SEGUE_CONFORMANCE_ODD_H
#define SEGUE_CONFORMANCE_ODD_H

#include "../grammar/descriptor.h"

enum { ODD_DRAWN = 40, ODD_MATRIX = 24, ODD_POINTS = ODD_DRAWN + ODD_MATRIX };

struct odd_point {
    int change, dtype, layout;                         /* numbers in the survey's tables */
    char odd[DESCRIPTOR_TEXT], round[DESCRIPTOR_TEXT]; /* descriptors */
    double odd_elements, round_elements; /* B T D N, of a convolution B T D W, of matrix states B T H K V */
    double bound;                        /* of rate over round rate, at least */
};

struct odd_outcome {
    char row[64];
    double rate, round_rate; /* elements a second, the best of short samples that alternate */
    double ratio;
    int measured; /* times, each on operands of its own */
};

struct bench_device;
struct pace;

/* 0; STAGE_DECLINED or STAGE_FAILED with words. A ratio under the bound is measured anew, up to twice. */
int odd_measure(const struct bench_device *device, const struct odd_point *p, const struct pace *pace,
                struct odd_outcome *out, char *why);

/* The same ones at every call. Of scan and convolution ODD_DRAWN, with each change, each dtype and each layout among them;
 * of matrix states every change in every dtype. */
void odd_points(struct odd_point out[ODD_POINTS]);

#endif
