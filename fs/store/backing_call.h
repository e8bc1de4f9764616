/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How backing*.c make a system call: repeated after a signal, shown to the
 * hooks of a test, its result as 0 (or a count) or -errno.
 */
#ifndef CMKFS_STORE_BACKING_CALL_H
#define CMKFS_STORE_BACKING_CALL_H

#include <errno.h>

#include "fs/store/backing.h"

int backing_call_before(const struct backing_call *c);
void backing_call_after(const struct backing_call *c, int result);

/* EXPR is a system call: its value, or -errno. */
#define RETRY(expr)                                         \
	({                                                  \
		long r_;                                    \
		do                                          \
			r_ = (long)(expr);                  \
		while (r_ < 0 && errno == EINTR);           \
		r_ < 0 ? -(long)errno : r_;                 \
	})

/* The same of a call that changes something, with the hooks around it. */
#define CALL(c, expr)                                           \
	({                                                      \
		int ret_ = backing_hooks ? backing_call_before(c) : 0; \
		if (!ret_) {                                    \
			ret_ = (int)RETRY(expr);                \
			if (backing_hooks)                      \
				backing_call_after(c, ret_);    \
		}                                               \
		ret_;                                           \
	})

#endif
