/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The body of a vault's backup, written: see backup.h.
 */
#include "backup.h"

static uint8_t *room(struct backup_body *b, size_t n)
{
	if (!b->failed && b->n + n > b->cap) {
		size_t cap = MAX(b->cap * 2, b->n + n + 4096);
		uint8_t *p = realloc(b->p, cap);

		if (p) {
			b->p = p;
			b->cap = cap;
		}
		b->failed = !p;
	}
	if (b->failed)
		return NULL;
	b->n += n;
	return b->p + b->n - n;
}

static void put_number(struct backup_body *b, uint64_t v, size_t n)
{
	uint8_t le[8], *p = room(b, n);

	put_le64(le, v);
	if (p)
		memcpy(p, le, n);
}

static void put_bytes(struct backup_body *b, const void *s, size_t n, size_t head)
{
	uint8_t *p;

	put_number(b, n, head);
	p = room(b, n);
	if (p && n)
		memcpy(p, s, n);
}

static void put_text(struct backup_body *b, const char *s)
{
	put_bytes(b, s, strlen(s), 2);
}

static size_t begin(struct backup_body *b, enum record type)
{
	put_number(b, type, 1);
	put_number(b, 0, 4);
	return b->n;
}

static void end(struct backup_body *b, size_t at)
{
	if (!b->failed)
		put_le32(b->p + at - 4, (uint32_t)(b->n - at));
}

void backup_put_vault(struct backup_body *b, const struct local_vault *v)
{
	size_t at = begin(b, R_VAULT);

	put_text(b, v->name);
	put_text(b, v->tenant);
	put_text(b, v->region);
	put_number(b, v->soft_delete, 1);
	put_number(b, v->purge_protection, 1);
	put_number(b, v->firewall, 1);
	put_number(b, v->trusted_services, 1);
	put_number(b, v->service, 1);
	put_number(b, (uint64_t)v->retention_days, 2);
	put_number(b, (uint64_t)v->created, 8);
	end(b, at);
}

void backup_put_policy(struct backup_body *b, const char *principal, unsigned int permissions)
{
	size_t at = begin(b, R_POLICY);

	put_text(b, principal);
	put_number(b, permissions, 4);
	end(b, at);
}

void backup_put_key(struct backup_body *b, const struct key_row *k)
{
	size_t at = begin(b, R_KEY);

	put_text(b, k->k.name);
	put_text(b, k->owner);
	put_number(b, k->k.enabled, 1);
	put_number(b, (uint64_t)k->k.created, 8);
	put_number(b, (uint64_t)k->k.deleted, 8);
	put_number(b, (uint64_t)k->k.purge_at, 8);
	put_number(b, (uint64_t)k->k.rotate_after, 8);
	put_number(b, (uint64_t)k->k.expire_after, 8);
	end(b, at);
	b->keys++;
}

void backup_put_version(struct backup_body *b, const struct backup_version *v)
{
	size_t at = begin(b, R_VERSION);

	put_text(b, v->version);
	put_text(b, v->v.type);
	put_number(b, v->v.bits, 4);
	put_number(b, v->v.enabled, 1);
	put_number(b, (uint64_t)v->v.created, 8);
	put_number(b, (uint64_t)v->v.not_before, 8);
	put_number(b, (uint64_t)v->v.expires, 8);
	put_number(b, (uint64_t)v->v.deleted, 8);
	put_number(b, (uint64_t)v->v.purge_at, 8);
	put_bytes(b, v->public, v->public_len, 4);
	put_bytes(b, v->sealed, v->sealed_len, 4);
	end(b, at);
	b->versions++;
}

void backup_put_end(struct backup_body *b)
{
	size_t at = begin(b, R_END);

	put_number(b, b->keys, 4);
	put_number(b, b->versions, 4);
	end(b, at);
}
