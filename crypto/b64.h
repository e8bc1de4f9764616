/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base64url without padding (RFC 4648 section 5), and base64 with it (section
 * 4), strict: padding that is not that of the form, another alphabet and
 * non-zero spare bits are refused.  Constant-time in the data.  Thread-safe.
 */
#ifndef CMKFS_B64_H
#define CMKFS_B64_H

#include "base.h"

#define B64_LEN(n) (((n) * 4 + 2) / 3)	   /* characters for n bytes */
#define B64_DECODED_LEN(n) ((n) / 4 * 3 + ((n) % 4 ? (n) % 4 - 1 : 0))

/* Encode N bytes: B64_LEN(N) characters and a NUL into RET. */
void b64_encode(const void *p, size_t n, char *ret);

/*
 * Decode N characters into RET of CAP bytes.  0; -EINVAL: not strict
 * base64url; -EMSGSIZE: longer than CAP.  RET untouched on failure… except by
 * bytes that it had room for, which are wiped.
 */
int b64_decode(const char *s, size_t n, uint8_t *ret, size_t cap, size_t *ret_n);

/* The same in base64 with padding: B64_STD_LEN(N) characters and a NUL. */
#define B64_STD_LEN(n) (((n) + 2) / 3 * 4)
void b64_std_encode(const void *p, size_t n, char *ret);
int b64_std_decode(const char *s, size_t n, uint8_t *ret, size_t cap, size_t *ret_n);

#endif
