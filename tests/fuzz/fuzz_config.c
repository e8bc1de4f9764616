/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration parser: any bytes give 0 or an error with a message, and
 * what was taken is within its limits.
 */
#include <assert.h>

#include "fs/lib/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf *c = conf_new();
	struct conf_error err = { "", "" };
	int r;

	if (!c)
		return 0;
	r = conf_parse(c, "fuzz", (const char *)data, size, &err);
	assert(!r || *err.message);
	assert(c->lease_ms >= 1000 && c->lease_ms <= 3600000);
	assert(c->threads <= 256 && c->cipher <= 1 && c->binding <= 2);
	assert(!c->state_dir || *c->state_dir == '/');
	conf_free(c);
	return 0;
}
