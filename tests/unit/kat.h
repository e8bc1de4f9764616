/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading known answers: hexadecimal, the JSON of Wycheproof and of our own
 * vectors, the response files of NIST.  Paths are from the top of the tree.
 * A missing file or a malformed row fails the test.
 */
#ifndef CMKFS_TESTS_KAT_H
#define CMKFS_TESTS_KAT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
/* cmocka.h wants the three above, and stddef.h */
#include <cmocka.h>
#include <jansson.h>

#include "crypto/base.h"

#define VECTORS "tests/vectors/"

/* Bytes of a vector; P has at least one byte of room and is freed by the cleanup. */
struct bytes {
	uint8_t *p;
	size_t n;
};

static inline void bytes_free(struct bytes *b)
{
	free(b->p);
}

#define _cleanup_bytes_ __attribute__((cleanup(bytes_free)))

static inline struct bytes from_hex(const char *s)
{
	struct bytes b = { NULL, 0 };
	unsigned int v;

	assert_non_null(s);
	b.n = strlen(s) / 2;
	assert_int_equal(strlen(s) % 2, 0);
	b.p = malloc(b.n + 1);
	assert_non_null(b.p);
	for (size_t i = 0; i < b.n; i++) {
		assert_int_equal(sscanf(s + 2 * i, "%2x", &v), 1);
		b.p[i] = (uint8_t)v;
	}
	return b;
}

static inline json_t *load_json(const char *path)
{
	json_error_t e;
	json_t *j = json_load_file(path, JSON_REJECT_DUPLICATES, &e);

	if (!j)
		fail_msg("%s:%d: %s", path, e.line, e.text);
	return j;
}

static inline const char *jstr(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

static inline struct bytes jhex(const json_t *o, const char *key)
{
	return from_hex(jstr(o, key));
}

static inline bool jvalid(const json_t *test) /* Wycheproof: "valid" or "acceptable" */
{
	return strcmp(jstr(test, "result"), "invalid") != 0;
}

/*
 * Call FN for every test of a Wycheproof file whose group has the number KEY =
 * VALUE (if KEY is given).  Returns how many there were.
 */
static inline unsigned int wycheproof(const char *name, const char *key, json_int_t value,
				      void (*fn)(const json_t *group, const json_t *test))
{
	char path[256];
	json_t *j, *group, *test;
	unsigned int n = 0;
	size_t i, k;

	snprintf(path, sizeof(path), VECTORS "wycheproof/%s_test.json", name);
	j = load_json(path);
	json_array_foreach(json_object_get(j, "testGroups"), i, group) {
		if (key && json_integer_value(json_object_get(group, key)) != value)
			continue;
		json_array_foreach(json_object_get(group, "tests"), k, test) {
			fn(group, test);
			n++;
		}
	}
	json_decref(j);
	return n;
}

/* One stanza of a NIST file: the section line above it and its `name = value` lines. */
struct stanza {
	char section[64];
	bool fail; /* a line FAIL */
	unsigned int n;
	char key[12][32];
	char value[12][1200];
};

static inline const char *sval(const struct stanza *s, const char *key)
{
	for (unsigned int i = 0; i < s->n; i++)
		if (strcmp(s->key[i], key) == 0)
			return s->value[i];
	fail_msg("no %s in the stanza", key);
	return NULL;
}

static inline struct bytes shex(const struct stanza *s, const char *key)
{
	return from_hex(sval(s, key));
}

static inline void stanza_line(struct stanza *s, const char *line)
{
	const char *eq = strchr(line, '=');

	if (strcmp(line, "FAIL") == 0) {
		s->fail = true;
		return;
	}
	assert_non_null(eq);
	assert_true(s->n < ARRAY_SIZE(s->key));
	assert_int_equal(sscanf(line, "%31[^= ]", s->key[s->n]), 1);
	eq += 1 + strspn(eq + 1, " ");
	assert_true(strlen(eq) < sizeof(s->value[0]));
	strcpy(s->value[s->n++], eq);
}

/* Call FN for every stanza of a file under tests/vectors/nist/.  Returns how many there were. */
static inline unsigned int nist(const char *name, void (*fn)(const struct stanza *s))
{
	static struct stanza s;
	char path[256], line[1400];
	unsigned int n = 0;
	FILE *f;

	snprintf(path, sizeof(path), VECTORS "nist/%s", name);
	f = fopen(path, "r");
	if (!f)
		fail_msg("%s: cannot be opened", path);
	memset(&s, 0, sizeof(s));
	for (;;) {
		bool more = fgets(line, sizeof(line), f) != NULL;

		line[more ? strcspn(line, "\r\n") : 0] = '\0';
		if (!line[0] && s.n) { /* the end of a stanza */
			fn(&s);
			n++;
			s.n = 0;
			s.fail = false;
		}
		if (!more)
			break;
		if (line[0] == '[')
			sscanf(line, "[%63[^]]", s.section);
		else if (line[0] && line[0] != '#')
			stanza_line(&s, line);
	}
	fclose(f);
	return n;
}

#endif
