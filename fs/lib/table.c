/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Aligned text or one JSON document from the same rows.
 */
#include "table.h"

#include <errno.h>
#include <time.h>

json_t *table_time(int64_t t)
{
	time_t tt = (time_t)t;
	char s[32];
	struct tm tm;

	if (!t || !gmtime_r(&tt, &tm))
		return json_null();
	strftime(s, sizeof(s), "%Y-%m-%dT%H:%M:%SZ", &tm);
	return json_string(s);
}

/* S with what a terminal could misread as \xNN.  UTF-8 passes (JSON holds no other). */
static char *printable(const char *s)
{
	char *ret = malloc(strlen(s) * 4 + 1), *o = ret;

	for (; ret && *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c < 0x20 || c == 0x7f)
			o += sprintf(o, "\\x%02x", c);
		else
			*o++ = *s;
	}
	if (ret)
		*o = 0;
	return ret;
}

static char *cell(const json_t *v);

static char *join(const json_t *array)
{
	char *ret = strdup("");
	const json_t *v;
	size_t i;

	json_array_foreach(array, i, v) {
		_cleanup_free_ char *one = cell(v), *old = ret;

		if (!one || !ret || asprintf(&ret, "%s%s%s", old, i ? "," : "", one) < 0)
			return NULL;
	}
	return ret;
}

/* The text of one value, malloc'd. */
static char *cell(const json_t *v)
{
	char *s = NULL;

	if (json_is_string(v))
		return printable(json_string_value(v));
	if (json_is_integer(v))
		return asprintf(&s, "%" JSON_INTEGER_FORMAT, json_integer_value(v)) < 0 ? NULL : s;
	if (json_is_real(v)) { /* a measurement: three digits */
		double d = json_real_value(v);

		return asprintf(&s, d < 100 ? "%.3g" : "%.0f", d) < 0 ? NULL : s;
	}
	if (json_is_boolean(v))
		return strdup(json_is_true(v) ? "yes" : "no");
	if (json_is_array(v) && json_array_size(v))
		return join(v);
	return strdup("-");
}

/* Columns that S takes on a terminal, counting UTF-8 characters as one. */
static size_t width(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static int print_json(FILE *out, json_t *doc)
{
	int bad = json_dumpf(doc, out, JSON_INDENT(2) | JSON_REAL_PRECISION(6)) < 0 || fputc('\n', out) == EOF;

	return bad ? -EIO : 0;
}

static void pad(FILE *out, size_t n)
{
	while (n--)
		fputc(' ', out);
}

static void print_cell(FILE *out, const struct column *c, const char *s, size_t w, bool last)
{
	size_t n = width(s);

	if (c->right)
		pad(out, w - n);
	fputs(s, out);
	if (!last)
		pad(out, (c->right ? 0 : w - n) + 2);
}

static int print_rows(FILE *out, const json_t *rows, const struct column *cols, size_t ncols)
{
	size_t n = json_array_size(rows), w[TABLE_COLUMNS_MAX] = { 0 }, last = 0;
	char **cells = calloc((n + 1) * ncols, sizeof(*cells));
	int r = ncols > TABLE_COLUMNS_MAX ? -E2BIG : cells ? 0 : -ENOMEM;

	for (size_t c = 0; !r && c < ncols; c++) {
		if (!cols[c].heading)
			continue;
		last = c;
		w[c] = width(cols[c].heading);
		for (size_t i = 0; i < n && !r; i++) {
			char *s = cell(json_object_get(json_array_get(rows, i), cols[c].key));

			cells[i * ncols + c] = s;
			r = s ? 0 : -ENOMEM;
			w[c] = MAX(w[c], s ? width(s) : 0);
		}
	}
	for (size_t c = 0; !r && n && c < ncols; c++)
		if (cols[c].heading)
			print_cell(out, &cols[c], cols[c].heading, w[c], c == last);
	if (!r && n)
		fputc('\n', out);
	for (size_t i = 0; !r && i < n; i++) {
		for (size_t c = 0; c < ncols; c++)
			if (cols[c].heading)
				print_cell(out, &cols[c], cells[i * ncols + c], w[c], c == last);
		fputc('\n', out);
	}
	for (size_t i = 0; cells && i < n * ncols; i++)
		free(cells[i]);
	free(cells);
	return r ? r : ferror(out) ? -EIO : 0;
}

int table_print(FILE *out, json_t *rows, const struct column *cols, size_t ncols, bool json)
{
	int r = !rows ? -ENOMEM : json ? print_json(out, rows) : print_rows(out, rows, cols, ncols);

	json_decref(rows);
	return r;
}

static int print_record(FILE *out, const json_t *obj, const struct column *cols, size_t ncols)
{
	size_t w = 0;

	for (size_t c = 0; c < ncols; c++)
		if (cols[c].heading)
			w = MAX(w, width(cols[c].heading));
	for (size_t c = 0; c < ncols; c++) {
		_cleanup_free_ char *s = NULL;

		if (!cols[c].heading || !json_object_get(obj, cols[c].key))
			continue;
		s = cell(json_object_get(obj, cols[c].key));
		if (!s)
			return -ENOMEM;
		fprintf(out, "%s:", cols[c].heading);
		pad(out, w - width(cols[c].heading) + 1);
		fprintf(out, "%s\n", s);
	}
	return ferror(out) ? -EIO : 0;
}

int table_record(FILE *out, json_t *obj, const struct column *cols, size_t ncols, bool json)
{
	int r = !obj ? -ENOMEM : json ? print_json(out, obj) : print_record(out, obj, cols, ncols);

	json_decref(obj);
	return r;
}
