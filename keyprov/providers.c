/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The providers that are built in, those that need a library of the Makefile's
 * `optional` under #ifdef HAVE_LIBCURL or HAVE_P11_KIT_1.  Alone in its file, so
 * that a test can link a list of its own instead.
 */
#include "keyprov.h"

#include "local/local.h"
#ifdef HAVE_LIBCURL
#include "aws/aws.h"
#include "azure/azure.h"
#include "kmip/kmip.h"
#include "vault/hashivault.h"
#endif
#ifdef HAVE_P11_KIT_1
#include "pkcs11/p11.h"
#endif

const struct kp_ops *const kp_providers[] = {
	&kp_local,
#ifdef HAVE_LIBCURL
	&kp_azure,
	&kp_vault,
	&kp_aws,
	&kp_kmip,
#endif
#ifdef HAVE_P11_KIT_1
	&kp_pkcs11,
#endif
	NULL,
};

const struct kp_lack kp_lacking[] = {
#ifndef HAVE_LIBCURL
	{ "azure", "https://", "libcurl" },
	{ "vault", "hashivault://", "libcurl" },
	{ "aws", "awskms://", "libcurl" },
	{ "kmip", "kmip://", "libcurl" },
#endif
#ifndef HAVE_P11_KIT_1
	{ "pkcs11", "pkcs11:", "p11-kit" },
#endif
	{ NULL, NULL, NULL },
};
