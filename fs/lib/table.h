/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listings: rows are JSON objects (jansson); printed as one JSON document with
 * --json, else as an aligned table, or, for a single record, as "name: value"
 * lines.  So that both forms come from the same data.
 */
#ifndef CMKFS_TABLE_H
#define CMKFS_TABLE_H

#include <jansson.h>
#include <stdio.h>

#include "crypto/base.h"

#define TABLE_COLUMNS_MAX 24

struct column {
	const char *key;     /* of the row's object */
	const char *heading; /* of the text form; NULL: only in JSON */
	bool right;	     /* numbers */
};

/*
 * Print ROWS, an array of objects (reference taken over).  A value that is
 * missing or null shows as "-", arrays as words with commas, booleans as yes
 * and no; what is no printable UTF-8 text is escaped.  Returns 0, or -EIO when
 * OUT cannot be written.
 */
int table_print(FILE *out, json_t *rows, const struct column *cols, size_t ncols, bool json);
/* Print one object (reference taken over). */
int table_record(FILE *out, json_t *obj, const struct column *cols, size_t ncols, bool json);

/* Unix seconds as "2026-01-31T12:00:00Z" or null for 0. */
json_t *table_time(int64_t t);

#endif
