/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list of verbs, in the order of `cmkfs help`.  A new one is a file in
 * fs/cmd/ that defines `const struct verb verb_NAME`, and a line here.  Verbs
 * of several words stand together.
 */
#ifndef CMKFS_VERBS_H
#define CMKFS_VERBS_H

#define VERBS(X)                                                                                   \
	X(init)                                                                                    \
	X(mount)                                                                                   \
	X(umount)                                                                                  \
	X(status)                                                                                  \
	X(info)                                                                                    \
	X(lock)                                                                                    \
	X(unlock)                                                                                  \
	X(key_show)                                                                                \
	X(key_set)                                                                                 \
	X(key_rotate)                                                                              \
	X(key_reset)                                                                               \
	X(key_test)                                                                                \
	X(help)                                                                                    \
	X(version)

#endif
