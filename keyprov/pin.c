/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where PINs come from that are in no file: the program sets it.
 */
#include "keyprov.h"

#include <errno.h>

static kp_pin_fn *source; /* set before threads */
static void *source_arg;

void kp_pin_from(kp_pin_fn *fn, void *arg)
{
	source = fn;
	source_arg = arg;
}

int kp_pin_ask(const char *what, char *ret, size_t *ret_n, struct kp_error *e)
{
	if (source)
		return source(source_arg, what, ret, ret_n, e);
	return kp_fail(e, -EACCES, "name a file of it in the configuration",
		       "the PIN of %s is needed", what);
}
