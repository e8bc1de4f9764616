/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file by which an interrupted verify goes on.  It lies somewhere in
 * clear: it has stored names only.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "check.h"

static void volume_id(const struct checker *k, char ret[static 2 * ID_LEN + 1])
{
	state_hex(k->keys.vol.root.vol, ID_LEN, ret);
}

/* Stored names may be any bytes: the position is kept in hexadecimal. */
static char *position_text(const char *stored)
{
	char *ret = malloc(2 * strlen(stored) + 1);

	if (ret)
		state_hex((const uint8_t *)stored, strlen(stored), ret);
	return ret;
}

static char *position_parse(const char *hex)
{
	size_t n = strlen(hex) / 2;
	char *ret = malloc(n + 1);

	for (size_t i = 0; ret && i < n; i++) {
		unsigned int byte;

		if (sscanf(hex + 2 * i, "%2x", &byte) != 1 || !byte) {
			free(ret);
			return NULL;
		}
		ret[i] = (char)byte;
	}
	if (ret)
		ret[n] = 0;
	return ret;
}

static uint64_t number(const json_t *doc, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(doc, key));
}

/* Findings of earlier runs: in the report again, by their stored names. */
static void take_findings(struct checker *k, const json_t *list)
{
	const json_t *f;
	size_t i;

	json_array_foreach(list, i, f) {
		const char *stored = json_string_value(json_object_get(f, "stored"));
		const char *level = json_string_value(json_object_get(f, "level"));
		const char *kind = json_string_value(json_object_get(f, "kind"));

		if (!stored || !level || !kind)
			continue;
		json_array_append(k->findings, (json_t *)(uintptr_t)f);
		if (!k->args->json)
			printf("%s: %s: %s, found before the interruption\n", level, stored, kind);
	}
}

static int take(struct checker *k, const json_t *doc)
{
	const char *stored = json_string_value(json_object_get(doc, "position"));
	json_int_t unit = json_integer_value(json_object_get(doc, "unit"));
	char id[2 * ID_LEN + 1];

	volume_id(k, id);
	if (!stored || !json_is_string(json_object_get(doc, "volume")) ||
	    strcmp(json_string_value(json_object_get(doc, "volume")), id))
		return cmd_fail(CMD_USAGE, "give another file, or remove it",
				"%s is of another volume, or no state of a check", k->state);
	k->from = position_parse(stored);
	if (!k->from || !*k->from)
		return cmd_fail(CMD_USAGE, "give another file, or remove it",
				"%s has no position", k->state);
	k->opt.from = (struct check_position){ k->from, unit < 0 ? UINT64_MAX : (uint64_t)unit };
	k->base = (struct check_result){
		.objects = number(doc, "objects"), .bytes = number(doc, "bytes"),
		.notes = number(doc, "notes"), .damaged = number(doc, "damaged"),
		.failed = number(doc, "unchecked"), .repaired = number(doc, "repaired"),
	};
	take_findings(k, json_object_get(doc, "findings"));
	return CMD_OK;
}

int check_state_load(struct checker *k)
{
	json_error_t e;
	json_t *doc;
	int r;

	if (access(k->state, F_OK) < 0 && errno == ENOENT)
		return CMD_OK;
	doc = json_load_file(k->state, 0, &e);
	if (!doc)
		return cmd_fail(CMD_USAGE, "give another file, or remove it", "%s: %s", k->state, e.text);
	r = take(k, doc);
	json_decref(doc);
	return r;
}

/* What was found, without plain names. */
static json_t *nameless(const json_t *findings)
{
	json_t *copy = json_deep_copy(findings), *f;
	size_t i;

	json_array_foreach(copy, i, f)
		json_object_set_new(f, "path", json_null());
	return copy;
}

static int write_file(const char *path, const json_t *doc)
{
	_cleanup_free_ char *tmp = NULL;
	_cleanup_close_ int fd = -1;

	if (asprintf(&tmp, "%s.new", path) < 0) {
		tmp = NULL;
		return -ENOMEM;
	}
	fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (json_dumpfd(doc, fd, JSON_INDENT(1)) < 0)
		return -EIO;
	if (fsync(fd) < 0 || rename(tmp, path) < 0)
		return -errno;
	return 0;
}

void check_state_save(void *arg, const struct check_position *p, const struct check_result *r)
{
	struct checker *k = arg;
	const struct check_result *b = &k->base;
	_cleanup_free_ char *at = position_text(p->stored);
	char id[2 * ID_LEN + 1];
	json_t *doc;
	int e;

	if (!at || !*at)
		return; /* nothing is done yet */
	volume_id(k, id);
	doc = json_pack("{ss ss sI sI sI sI sI sI sI so}", "volume", id, "position", at, "unit",
			(json_int_t)p->unit, "objects", (json_int_t)(b->objects + r->objects), "bytes",
			(json_int_t)(b->bytes + r->bytes), "notes", (json_int_t)(b->notes + r->notes),
			"damaged", (json_int_t)(b->damaged + r->damaged), "unchecked",
			(json_int_t)(b->failed + r->failed), "repaired",
			(json_int_t)(b->repaired + r->repaired), "findings", nameless(k->findings));
	e = doc ? write_file(k->state, doc) : -ENOMEM;
	json_decref(doc);
	if (e) {
		progress_clear(&k->progress);
		cmd_note("cannot write %s: %s", k->state, strerror(-e));
	}
}

void check_state_remove(struct checker *k)
{
	unlink(k->state);
}
