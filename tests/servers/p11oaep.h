/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RSA-OAEP with SHA-256 (RFC 8017, section 7.1.2; empty label) on what a token
 * gave by raw RSA, for tests: SoftHSM has OAEP with SHA-1 alone.  Not in
 * constant time.
 */
#ifndef CMKFS_TEST_P11OAEP_H
#define CMKFS_TEST_P11OAEP_H

#include <stdbool.h>

/* P: N bytes as raw RSA gives them, at most 512; they are unmasked.  False: no padding of ours. */
bool p11oaep_decode(unsigned char *p, unsigned long n, const unsigned char **ret,
		    unsigned long *ret_n);

#endif
