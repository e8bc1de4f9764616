/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The findings of a check, as lines or as one JSON document.
 */
#include <errno.h>
#include <stdio.h>

#include "check.h"

static const char *const sentences[CHECK_KINDS] = {
	[CHECK_UNKNOWN] = "is no part of the volume",
	[CHECK_UNCLEAN] = "sessions",
	[CHECK_HEADER] = "has no valid header",
	[CHECK_NEVER_WRITTEN] = "never reached the disk",
	[CHECK_DIR_HEADER] = "is a directory without a header",
	[CHECK_SPARE_SLOT] = "has a damaged slot beside the one that counts: it may be older than it was",
	[CHECK_GROUP] = "has no valid slot",
	[CHECK_CHUNK] = "is damaged",
	[CHECK_LENGTH] = "has a backing length that tells another size",
	[CHECK_BINDING] = "does not belong to this name",
	[CHECK_NAME] = "has a name that does not authenticate",
	[CHECK_SIDECAR_MISSING] = "is a long name without a valid sidecar",
	[CHECK_SIDECAR_ORPHAN] = "is a sidecar without its object",
	[CHECK_TEMPORARY] = "was left by an operation that was interrupted",
	[CHECK_SYMLINK] = "is a symbolic link that does not authenticate",
	[CHECK_XATTR] = "has an attribute that does not authenticate",
	[CHECK_UNREADABLE] = "could not be checked",
};

static const char *level(const struct check_finding *f)
{
	static const char *const words[] = { "note", "damaged", "unchecked" };

	return f->repaired ? "repaired" : words[check_level(f->kind)];
}

/* ---- text ------------------------------------------------------------------------------ */

/* Bytes of the UTF-8 character at S, 0: none that may be printed. */
static size_t character(const unsigned char *s)
{
	size_t n = *s < 0x80 ? 1 : *s >= 0xc2 && *s < 0xe0 ? 2 : *s >= 0xe0 && *s < 0xf0 ? 3 :
		   *s >= 0xf0 && *s < 0xf5 ? 4 : 0;

	if (n == 1)
		return *s >= 0x20 && *s != 0x7f;
	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	/* Overlong, surrogates, above Unicode, C1 controls. */
	if ((*s == 0xc2 && s[1] < 0xa0) || (*s == 0xe0 && s[1] < 0xa0) ||
	    (*s == 0xed && s[1] > 0x9f) || (*s == 0xf0 && s[1] < 0x90) ||
	    (*s == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

char *check_text(const char *s)
{
	char *ret = malloc(strlen(s) * 4 + 1), *o = ret;

	while (ret && *s) {
		size_t n = character((const unsigned char *)s);

		if (!n) {
			o += sprintf(o, "\\x%02x", (unsigned char)*s++);
			continue;
		}
		memcpy(o, s, n);
		o += n;
		s += n;
	}
	if (ret)
		*o = 0;
	return ret;
}

static void print_line(const struct checker *k, const struct check_finding *f)
{
	_cleanup_free_ char *path = check_text(f->name && !k->args->stored_names ? f->name : f->stored);

	printf("%s: %s: %s", level(f), path ? path : "?", sentences[f->kind]);
	if (f->length)
		printf(", bytes %ju to %ju", (uintmax_t)f->offset,
		       (uintmax_t)(f->offset + f->length - 1));
	if (f->detail)
		printf(": %s", f->detail);
	putchar('\n');
	fflush(stdout);
}

/* ---- JSON -------------------------------------------------------------------------------- */

static json_t *text_json(const char *s)
{
	_cleanup_free_ char *text = s ? check_text(s) : NULL;

	return text ? json_string(text) : json_null();
}

static json_t *finding_json(const struct checker *k, const struct check_finding *f)
{
	json_t *offset = f->length ? json_integer((json_int_t)f->offset) : json_null();
	json_t *length = f->length ? json_integer((json_int_t)f->length) : json_null();

	return json_pack("{ss ss so so so so ss?}", "level", level(f), "kind", check_word(f->kind),
			 "path", text_json(k->args->stored_names ? NULL : f->name), "stored",
			 text_json(f->stored), "offset", offset, "length", length, "detail",
			 f->detail);
}

void check_print(void *arg, const struct check_finding *f)
{
	struct checker *k = arg;

	if (!k->notes && !f->repaired && check_level(f->kind) == CHECK_NOTE)
		return;
	if (k->args->json || k->state)
		json_array_append_new(k->findings, finding_json(k, f));
	if (k->args->json)
		return;
	progress_clear(&k->progress);
	print_line(k, f);
}

/* ---- the end ------------------------------------------------------------------------------- */

static int verdict(const struct check_result *r, bool complete, const char **ret_word)
{
	if (r->damaged)
		return *ret_word = "damaged", CMD_INTEGRITY;
	if (r->failed || !complete)
		return *ret_word = "unchecked", CMD_UNCHECKED;
	if (r->repaired)
		return *ret_word = "repaired", CMD_REPAIRED;
	return *ret_word = "clean", CMD_OK;
}

static int print_document(struct checker *k, const struct check_result *r, const char *word,
			  bool complete)
{
	char id[2 * ID_LEN + 1];
	json_t *doc;

	state_hex(k->keys.vol.root.vol, ID_LEN, id);
	doc = json_pack("{ss so ss ss sb sI sI sI sI sI sI sO}", "verb", k->verb, "dir",
			text_json(k->dir), "volume", id, "result", word, "complete", complete,
			"objects", (json_int_t)r->objects, "bytes", (json_int_t)r->bytes, "notes",
			(json_int_t)r->notes, "repaired", (json_int_t)r->repaired, "damaged",
			(json_int_t)r->damaged, "unchecked", (json_int_t)r->failed, "findings",
			k->findings);
	if (!doc || json_dumpf(doc, stdout, JSON_INDENT(2)) < 0 || putchar('\n') == EOF) {
		json_decref(doc);
		return -EIO;
	}
	json_decref(doc);
	return 0;
}

static void print_counts(const struct checker *k, const struct check_result *r, const char *word)
{
	_cleanup_free_ char *dir = check_text(k->dir);
	char size[24];

	progress_bytes(r->bytes, size);
	printf("%s: %s, %ju objects", dir ? dir : "?", word, (uintmax_t)r->objects);
	if (k->opt.contents)
		printf(", %s", size);
	if (r->damaged)
		printf(", %ju damages", (uintmax_t)r->damaged);
	if (r->failed)
		printf(", %ju not checked", (uintmax_t)r->failed);
	if (r->repaired)
		printf(", %ju repaired", (uintmax_t)r->repaired);
	if (r->notes)
		printf(", %ju harmless leftovers", (uintmax_t)r->notes);
	putchar('\n');
}

int check_summary(struct checker *k, const struct check_result *now, bool complete)
{
	const struct check_result *b = &k->base;
	struct check_result r = {
		.objects = b->objects + now->objects, .bytes = b->bytes + now->bytes,
		.notes = k->notes ? b->notes + now->notes : 0, .damaged = b->damaged + now->damaged,
		.failed = b->failed + now->failed, .repaired = b->repaired + now->repaired,
	};
	const char *word;
	int code = verdict(&r, complete, &word);

	if (!k->args->json)
		print_counts(k, &r, word);
	else if (print_document(k, &r, word, complete))
		return CMD_FAILED;
	return code;
}
