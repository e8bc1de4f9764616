/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The clock by which leases, deadlines and tokens count.
 */
#ifndef CMKFS_KEYPROV_CLOCK_H
#define CMKFS_KEYPROV_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Milliseconds of CLOCK_BOOTTIME: never set back, and runs during suspend. */
static inline int64_t boottime_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

#endif
