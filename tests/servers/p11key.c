/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys on a token, for tests: what pkcs11-tool cannot do.  Of the module
 * P11KEY_MODULE (its string for C_Initialize in P11KEY_ARGS), on the token
 * labelled P11KEY_TOKEN, logged in by P11KEY_PIN:
 *
 *   p11key make LABEL ID BITS [ATTRIBUTE=VALUE…]   a pair; ID is two hex digits
 *   p11key set LABEL ID ATTRIBUTE=VALUE…           of the private half
 *   p11key delete LABEL ID                         both halves
 *   p11key delete-public LABEL ID
 *   p11key set-pin PIN
 *
 * ATTRIBUTE: decrypt, sign, sensitive, extractable, private (yes, no); start, end (YYYYMMDD).
 */
#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CRYPTOKI_GNU
#include <p11-kit/pkcs11.h>

#define MAX_ATTRIBUTES 16

static struct ck_function_list *f;
static ck_session_handle_t session;

static void must(ck_rv_t rv, const char *what)
{
	if (rv == CKR_OK || rv == CKR_USER_ALREADY_LOGGED_IN)
		return;
	fprintf(stderr, "p11key: %s: 0x%lx\n", what, rv);
	exit(1);
}

static void load(void)
{
	struct ck_c_initialize_args args = { .flags = CKF_OS_LOCKING_OK,
					     .reserved = getenv("P11KEY_ARGS") };
	void *dl = dlopen(getenv("P11KEY_MODULE"), RTLD_NOW), *sym;
	CK_C_GetFunctionList get;

	sym = dl ? dlsym(dl, "C_GetFunctionList") : NULL;
	memcpy(&get, &sym, sizeof(get));
	must(get ? get(&f) : CKR_GENERAL_ERROR, "loading the module");
	must(f->C_Initialize(&args), "C_Initialize");
}

static void open_token(void)
{
	const char *label = getenv("P11KEY_TOKEN"), *pin = getenv("P11KEY_PIN");
	ck_slot_id_t slots[64];
	unsigned long n = 64;
	struct ck_token_info info;

	must(f->C_GetSlotList(1, slots, &n), "C_GetSlotList");
	for (unsigned long i = 0; i < n; i++)
		if (f->C_GetTokenInfo(slots[i], &info) == CKR_OK &&
		    !strncmp((char *)info.label, label, strlen(label)) &&
		    (strlen(label) == sizeof(info.label) || info.label[strlen(label)] == ' ')) {
			must(f->C_OpenSession(slots[i], CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL,
					      NULL, &session), "C_OpenSession");
			must(f->C_Login(session, CKU_USER, (unsigned char *)pin, strlen(pin)),
			     "C_Login");
			return;
		}
	fprintf(stderr, "p11key: there is no token %s\n", label);
	exit(1);
}

/* ---- attributes -------------------------------------------------------------------- */

static unsigned char yes = 1, no;

static bool parse(char *s, struct ck_attribute *a)
{
	static const struct {
		const char *name;
		ck_attribute_type_t type;
	} names[] = {
		{ "decrypt=", CKA_DECRYPT },	     { "sign=", CKA_SIGN },
		{ "sensitive=", CKA_SENSITIVE },     { "extractable=", CKA_EXTRACTABLE },
		{ "private=", CKA_PRIVATE },	     { "start=", CKA_START_DATE },
		{ "end=", CKA_END_DATE },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char *value = s + strlen(names[i].name);

		if (strncmp(s, names[i].name, strlen(names[i].name)))
			continue;
		a->type = names[i].type;
		a->value = !strcmp(value, "yes") ? &yes : !strcmp(value, "no") ? &no : (void *)value;
		a->value_len = a->value == value ? strlen(value) : 1;
		return true;
	}
	return false;
}

/* Over what is in T already. */
static unsigned long add(struct ck_attribute *t, unsigned long n, char **words, int nwords)
{
	struct ck_attribute a;

	for (int i = 0; i < nwords; i++) {
		unsigned long k = 0;

		if (!parse(words[i], &a)) {
			fprintf(stderr, "p11key: there is no attribute %s\n", words[i]);
			exit(1);
		}
		while (k < n && t[k].type != a.type)
			k++;
		t[k] = a;
		n += k == n;
	}
	return n;
}

static unsigned char id_of(const char *s)
{
	return (unsigned char)strtoul(s, NULL, 16);
}

/* ---- verbs ---------------------------------------------------------------------------- */

static void make(char *label, unsigned char id, unsigned long bits, char **words, int nwords)
{
	unsigned char e[] = { 1, 0, 1 };
	struct ck_mechanism m = { CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0 };
	struct ck_attribute pub[] = { { CKA_TOKEN, &yes, 1 },
				      { CKA_ENCRYPT, &yes, 1 },
				      { CKA_MODULUS_BITS, &bits, sizeof(bits) },
				      { CKA_PUBLIC_EXPONENT, e, sizeof(e) },
				      { CKA_LABEL, label, strlen(label) },
				      { CKA_ID, &id, 1 } };
	struct ck_attribute priv[MAX_ATTRIBUTES] = {
		{ CKA_TOKEN, &yes, 1 },	    { CKA_PRIVATE, &yes, 1 },
		{ CKA_SENSITIVE, &yes, 1 }, { CKA_EXTRACTABLE, &no, 1 },
		{ CKA_DECRYPT, &yes, 1 },   { CKA_SIGN, &no, 1 },
		{ CKA_LABEL, label, strlen(label) }, { CKA_ID, &id, 1 } };
	ck_object_handle_t h[2];

	must(f->C_GenerateKeyPair(session, &m, pub, 6, priv, add(priv, 8, words, nwords), &h[0],
				  &h[1]), "C_GenerateKeyPair");
}

/* All objects of the name and of CLASS. */
static unsigned long find(char *label, unsigned char id, ck_object_class_t class,
			  ck_object_handle_t *ret, unsigned long max)
{
	struct ck_attribute t[] = { { CKA_CLASS, &class, sizeof(class) },
				    { CKA_LABEL, label, strlen(label) },
				    { CKA_ID, &id, 1 } };
	unsigned long n = 0;

	must(f->C_FindObjectsInit(session, t, 3), "C_FindObjectsInit");
	must(f->C_FindObjects(session, ret, max, &n), "C_FindObjects");
	f->C_FindObjectsFinal(session);
	return n;
}

static void set(char *label, unsigned char id, char **words, int nwords)
{
	struct ck_attribute t[MAX_ATTRIBUTES];
	ck_object_handle_t h[8];
	unsigned long n = find(label, id, CKO_PRIVATE_KEY, h, 8);

	must(n ? CKR_OK : CKR_OBJECT_HANDLE_INVALID, "looking for the key");
	must(f->C_SetAttributeValue(session, h[0], t, add(t, 0, words, nwords)),
	     "C_SetAttributeValue");
}

static void delete(char *label, unsigned char id, ck_object_class_t class)
{
	ck_object_handle_t h[8];
	unsigned long n = find(label, id, class, h, 8);

	for (unsigned long i = 0; i < n; i++)
		must(f->C_DestroyObject(session, h[i]), "C_DestroyObject");
}

static void set_pin(const char *pin)
{
	const char *old = getenv("P11KEY_PIN");

	must(f->C_SetPIN(session, (unsigned char *)(uintptr_t)old, strlen(old),
			 (unsigned char *)(uintptr_t)pin, strlen(pin)), "C_SetPIN");
}

int main(int argc, char **argv)
{
	if (argc < 4 && (argc < 3 || strcmp(argv[1], "set-pin") != 0))
		return 2;
	load();
	open_token();
	if (!strcmp(argv[1], "set-pin"))
		set_pin(argv[2]);
	else if (!strcmp(argv[1], "make") && argc > 4)
		make(argv[2], id_of(argv[3]), strtoul(argv[4], NULL, 10), argv + 5, argc - 5);
	else if (!strcmp(argv[1], "set"))
		set(argv[2], id_of(argv[3]), argv + 4, argc - 4);
	else if (!strncmp(argv[1], "delete", 6))
		delete(argv[2], id_of(argv[3]), CKO_PUBLIC_KEY);
	else
		return 2;
	if (!strcmp(argv[1], "delete"))
		delete(argv[2], id_of(argv[3]), CKO_PRIVATE_KEY);
	f->C_Finalize(NULL);
	return 0;
}
