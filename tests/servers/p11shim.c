/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A PKCS #11 module around another, for tests: it hands the other its string
 * for C_Initialize, notes calls, and fails where a file says so.
 *
 *   P11SHIM_MODULE   path of the other module
 *   P11SHIM_ARGS     what it wants in pReserved; may be missing
 *   P11SHIM_FAULTS   a file of lines "C_Decrypt=0x30": read at every call.  hang:
 *                    wait until the line is gone; short, long, zero, wrong: what
 *                    C_Decrypt gives is of 31 or 33 bytes, all zeros, or altered
 *   P11SHIM_LOG      a file to which a line is added for each call
 *   P11SHIM_OAEP     set: the other has no OAEP with SHA-256, which is made of
 *                    its raw RSA
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CRYPTOKI_GNU
#include <p11-kit/pkcs11.h>

#include "p11oaep.h"

static struct ck_function_list *other;
static struct ck_function_list mine;

/* The fault of CALL in RET; false: none. */
static bool fault(const char *call, char ret[static 32])
{
	const char *path = getenv("P11SHIM_FAULTS");
	FILE *f = path ? fopen(path, "re") : NULL;
	char line[128];
	size_t n = strlen(call);
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		found = !strncmp(line, call, n) && line[n] == '=';
		if (found)
			snprintf(ret, 32, "%s", line + n + 1);
	}
	if (f)
		fclose(f);
	return found;
}

static void note(const char *call)
{
	const char *path = getenv("P11SHIM_LOG");
	int fd = path ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600) : -1;

	if (fd >= 0) {
		dprintf(fd, "%s\n", call);
		close(fd);
	}
}

/* What CALL is to give instead of what the other would; CKR_OK: nothing. */
static ck_rv_t before(const char *call)
{
	char what[32];

	note(call);
	while (fault(call, what) && !strcmp(what, "hang"))
		usleep(20000);
	return fault(call, what) ? strtoul(what, NULL, 0) : CKR_OK;
}

#define CALL(name, params, args)                                                                   \
	static ck_rv_t shim_##name params                                                          \
	{                                                                                          \
		ck_rv_t rv = before(#name);                                                        \
                                                                                                   \
		return rv ? rv : other->name args;                                                 \
	}

CALL(C_Finalize, (void *p), (p))
CALL(C_GetSlotList, (unsigned char with, ck_slot_id_t *l, unsigned long *n), (with, l, n))
CALL(C_GetTokenInfo, (ck_slot_id_t s, struct ck_token_info *i), (s, i))
CALL(C_OpenSession, (ck_slot_id_t s, ck_flags_t f, void *a, ck_notify_t n, ck_session_handle_t *h),
     (s, f, a, n, h))
CALL(C_CloseSession, (ck_session_handle_t h), (h))
CALL(C_Login, (ck_session_handle_t h, ck_user_type_t u, unsigned char *p, unsigned long n),
     (h, u, p, n))
CALL(C_FindObjectsInit, (ck_session_handle_t h, struct ck_attribute *t, unsigned long n), (h, t, n))
CALL(C_GetAttributeValue,
     (ck_session_handle_t h, ck_object_handle_t o, struct ck_attribute *t, unsigned long n),
     (h, o, t, n))

static ck_rv_t shim_C_Initialize(void *p)
{
	struct ck_c_initialize_args args = { .flags = CKF_OS_LOCKING_OK };
	ck_rv_t rv = before("C_Initialize");

	if (p)
		args = *(struct ck_c_initialize_args *)p;
	if (getenv("P11SHIM_ARGS"))
		args.reserved = getenv("P11SHIM_ARGS");
	return rv ? rv : other->C_Initialize(&args);
}

static ck_rv_t shim_C_DecryptInit(ck_session_handle_t h, struct ck_mechanism *m,
				  ck_object_handle_t k)
{
	struct ck_mechanism raw = { .mechanism = CKM_RSA_X_509 };
	ck_rv_t rv = before("C_DecryptInit");
	bool oaep = getenv("P11SHIM_OAEP") && m->mechanism == CKM_RSA_PKCS_OAEP;

	return rv ? rv : other->C_DecryptInit(h, oaep ? &raw : m, k);
}

static ck_rv_t decrypt(ck_session_handle_t h, unsigned char *in, unsigned long in_n,
		       unsigned char *out, unsigned long *out_n)
{
	unsigned char raw[512];
	unsigned long raw_n = sizeof(raw), n;
	const unsigned char *found;
	ck_rv_t rv;

	if (!getenv("P11SHIM_OAEP"))
		return other->C_Decrypt(h, in, in_n, out, out_n);
	rv = other->C_Decrypt(h, in, in_n, raw, &raw_n);
	if (rv != CKR_OK)
		return rv;
	if (!p11oaep_decode(raw, raw_n, &found, &n) || n > *out_n)
		return CKR_ENCRYPTED_DATA_INVALID;
	memcpy(out, found, n);
	*out_n = n;
	return CKR_OK;
}

static ck_rv_t shim_C_Decrypt(ck_session_handle_t h, unsigned char *in, unsigned long in_n,
			      unsigned char *out, unsigned long *out_n)
{
	char what[32] = "";
	ck_rv_t rv = before("C_Decrypt");

	if (rv)
		return rv;
	rv = decrypt(h, in, in_n, out, out_n);
	if (rv != CKR_OK || !fault("C_Decrypt", what))
		return rv;
	if (!strcmp(what, "short"))
		*out_n -= 1;
	else if (!strcmp(what, "long"))
		*out_n += 1;
	else if (!strcmp(what, "zero"))
		memset(out, 0, *out_n);
	else if (!strcmp(what, "wrong"))
		out[0] ^= 1;
	return rv;
}

ck_rv_t C_GetFunctionList(struct ck_function_list **ret)
{
	CK_C_GetFunctionList get;
	void *dl, *sym;

	dl = dlopen(getenv("P11SHIM_MODULE"), RTLD_NOW | RTLD_LOCAL);
	sym = dl ? dlsym(dl, "C_GetFunctionList") : NULL;
	memcpy(&get, &sym, sizeof(get));
	if (!get || get(&other) != CKR_OK)
		return CKR_GENERAL_ERROR;
	mine = *other;
	mine.C_GetFunctionList = C_GetFunctionList;
	mine.C_Initialize = shim_C_Initialize;
	mine.C_Finalize = shim_C_Finalize;
	mine.C_GetSlotList = shim_C_GetSlotList;
	mine.C_GetTokenInfo = shim_C_GetTokenInfo;
	mine.C_OpenSession = shim_C_OpenSession;
	mine.C_CloseSession = shim_C_CloseSession;
	mine.C_Login = shim_C_Login;
	mine.C_FindObjectsInit = shim_C_FindObjectsInit;
	mine.C_GetAttributeValue = shim_C_GetAttributeValue;
	mine.C_DecryptInit = shim_C_DecryptInit;
	mine.C_Decrypt = shim_C_Decrypt;
	*ret = &mine;
	return CKR_OK;
}
