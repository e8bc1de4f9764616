/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of verbs, and the finding of one.
 */
#include <stdio.h>

int main(void)
{
	puts("cmkfs " CMKFS_VERSION);
	return 2;
}
