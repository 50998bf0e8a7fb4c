/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* What a reference may say (reference/real.h, operands.h), out of the namespace of the numbers that answer it: the last line of
 * tangent.h, tokens.h and counter.h. */
#ifndef SEGUE_CONFORMANCE_EXPORTS_H
#define SEGUE_CONFORMANCE_EXPORTS_H

using gauge::answered;
using gauge::because;
using gauge::load;
using gauge::log_decay;
using gauge::mac;
using gauge::masks;
using gauge::real;
using gauge::real_above;
using gauge::real_abs;
using gauge::real_choose;
using gauge::real_cos;
using gauge::real_erf;
using gauge::real_exp;
using gauge::real_holds;
using gauge::real_log;
using gauge::real_log1p;
using gauge::real_log_sigmoid;
using gauge::real_max;
using gauge::real_select;
using gauge::real_sigmoid;
using gauge::real_sin;
using gauge::real_softplus;
using gauge::real_sqrt;
using gauge::real_tanh;
using gauge::spread;
using gauge::step;
using gauge::store;
using gauge::store_int;
using gauge::weighed;

#endif
